"""Networks that learn from datasets."""
