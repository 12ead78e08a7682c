"""Networks that recover the sharp image from a degraded one."""
