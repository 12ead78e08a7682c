"""What the words of the command line do, each one call."""
