"""What every endless sky shares: its plane, layers of objects, and their exact truth."""
