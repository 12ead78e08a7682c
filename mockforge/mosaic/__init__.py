"""Fields on disk of any size, read and written window by window."""
