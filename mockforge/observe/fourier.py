"""Lengths at which Fourier transforms are fast."""

from __future__ import annotations

from functools import lru_cache


@lru_cache(maxsize=4096)
def fast_size(n: int, *, even: bool = True, primes: tuple[int, ...] = (2, 3, 5)) -> int:
    """Return the next length from `n` on that has no factors but these, even unless told otherwise."""
    while True:
        rest = n
        for p in primes:
            while rest % p == 0:
                rest //= p
        if rest == 1 and not (even and n % 2):
            return n
        n += 1
