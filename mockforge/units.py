"""The unit of every pixel and every flux: the nanojansky (nJy)."""

ZEROPOINT_NJY = 31.4
"""AB magnitude of 1 nJy: m = 31.4 - 2.5 lg(f_nu / nJy) (Oke & Gunn 1983, ApJ 266, 713)."""
