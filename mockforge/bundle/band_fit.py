"""Fits a throughput curve with few nodes: what is bundled of filter curves."""

from __future__ import annotations

import numpy as np

_TAIL = 3e-6


def fit_nodes(wave: np.ndarray, throughput: np.ndarray, tolerance: float) -> tuple[np.ndarray, np.ndarray]:
    """Nodes (K,) in Angstrom and values (K,) of a curve that is linear between them.

    The nodes are points of the curve, added where the linear curve is farthest from it until it is
    nowhere farther than `tolerance` of the peak; the values are then fitted by least squares, and
    scaled so that the integral is the curve's. Tails that hold less than 3e-6 of the integral are left
    out, and the peak is 1.
    """
    cumulative = np.cumsum(throughput * np.gradient(wave))
    cumulative /= cumulative[-1]
    first, last = np.searchsorted(cumulative, _TAIL), np.searchsorted(cumulative, 1.0 - _TAIL)
    first, last = max(first - 1, 0), min(last + 1, len(wave) - 1)
    wave, value = wave[first : last + 1], throughput[first : last + 1] / throughput.max()
    chosen = [0, len(wave) - 1]
    while True:
        away = np.abs(np.interp(wave, wave[chosen], value[chosen]) - value)
        worst = int(away.argmax())
        if away[worst] <= tolerance:
            break
        chosen = sorted([*chosen, worst])
    at = wave[chosen]
    width = np.gradient(wave)
    hats = np.stack([np.interp(wave, at, row) for row in np.eye(len(at))], axis=1)
    root = np.sqrt(width)[:, None]
    fitted = np.maximum(np.linalg.lstsq(hats * root, value * root[:, 0], rcond=None)[0], 0.0)
    fitted *= np.trapezoid(value, wave) / np.trapezoid(fitted, at)
    step = 1e-3 * at
    return (
        np.round([at[0] - step[0], *at, at[-1] + step[-1]], 2),
        np.round([0.0, *fitted / fitted.max(), 0.0], 6),
    )
