"""The rows of a field that each split of a dataset is cut from, so that no pixel is in two."""

from __future__ import annotations

from collections.abc import Mapping

from mockforge.errors import InputError


def row_bands(
    ny: int, nx: int, side: int, splits: Mapping[str, float], where: str = "the field"
) -> dict[str, tuple[int, int]]:
    """Rows [y0, y1) of each split: in proportion to its share, never lower than one window.

    `side` is a window, margin included, in pixels. Raises InputError where the field is too small.
    """
    shares = {name: share for name, share in splits.items() if share > 0}
    if nx < side or ny < side * len(shares):
        raise InputError(
            f"{where}: the field is {nx} x {ny} pixels; {len(shares)} split(s) of windows of {side} pixels"
            f" (tile and two margins) need at least {side} x {side * len(shares)}: make tile or margin"
            " smaller, or use fewer splits"
        )
    low: set[str] = set()
    while True:  # those that would be too low get one window; the others share what is left
        left = ny - side * len(low)
        total = sum(share for name, share in shares.items() if name not in low)
        short = {n for n, share in shares.items() if n not in low and left * share / total < side}
        if not short:
            break
        low |= short
    out, edge, exact = {}, 0, 0.0
    for name, share in shares.items():
        exact += side if name in low else left * share / total
        end = min(round(exact), ny)
        out[name] = (edge, max(end, edge + side))
        edge = out[name][1]
    last = next(reversed(out))
    out[last] = (out[last][0], ny)
    return out
