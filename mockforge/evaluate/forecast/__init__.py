"""What a survey will see, before it does."""
