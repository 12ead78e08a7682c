"""Point spread functions: what they are, how wide, and how they act on pixels."""
