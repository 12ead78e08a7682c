"""The wings of a PSF: smooth with radius, smoother the farther out, a power law where stars end.

Beyond some pixels a star's light is below the noise of each pixel, but not of a ring of them. There the
stack is replaced by P(r, theta) r^3 = sum over m of splines in ln r times cos and sin of m theta, m to 4:
the light curve as it is, and of its angular structure (spikes, coma) as much as the stars show.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.sgan.learn.psf.fit import Stack

_INNER = 4.0
"""Pixels inside which pixels stay as they are measured."""
_PIXELS = (8.0, 25.0)
"""Signal-to-noise ratio of single pixels on a ring: from all the curve to all the pixels."""
_KNOT = 0.18
"""Distance of the splines' knots in ln r."""
_TURNS = 4
_ANGULAR = 0.25
"""Prior scatter of the angular terms, in the light curve's own size."""
_SURE = 5.0
"""Signal-to-noise ratio of a ring below which the data end."""
_SLOPE = (3.2, 0.3)
"""Prior of the power law's slope: seeing's Kolmogorov wings and scattered light (King 1971) have 2 to 3.7."""
_OUTERMOST = 45.0
"""Pixels; farther out the level of the sky was measured, and a star's light there is not known."""


@dataclass(frozen=True)
class Wings:
    """A PSF with its wings."""

    psf: np.ndarray
    """(P, P) of sum 1."""
    radius: float
    """Pixels to which the stars show it."""
    slope: float
    """I ~ r^-slope beyond."""


def with_wings(stack: Stack) -> Wings:
    """Return the stack without the noise of its outer pixels, continued to the stamp's edge, of sum 1."""
    psf, weight = stack.psf, stack.weight
    half = psf.shape[-1] // 2
    y, x = np.indices(psf.shape) - half
    r = np.hypot(x, y)
    radius = _where_data_end(psf, weight, r)
    known = (r > 0.6 * _INNER) & (r < max(radius, _INNER + 4.0)) & (weight > 0)
    curve, smooth = _curve(psf, weight, r, np.arctan2(y, x), known)
    slope, level = _power_law(curve, radius)
    beyond = level * (np.maximum(r, 1.0) / radius) ** -slope
    # from one into the other over the last fifth
    share = np.clip(np.log(np.maximum(r, 1.0) / (0.8 * radius)) / np.log(1 / 0.8), 0.0, 1.0)
    smooth = (1.0 - share) * np.maximum(smooth, 0.0) + share * beyond
    part = _measured_part(curve, weight, r)
    out = part * psf + (1.0 - part) * smooth
    return Wings(out / out.sum(), radius, slope)


def _where_data_end(psf: np.ndarray, weight: np.ndarray, r: np.ndarray) -> float:
    """Radius in pixels at which rings of a width of a sixth of it fall below `_SURE`."""
    radius = _INNER + 2.0
    while radius < min(_OUTERMOST, r[len(r) // 2, -1]):
        ring = (r >= radius / 1.09) & (r < radius * 1.09) & (weight > 0)
        total = weight[ring].sum()
        if total <= 0 or (weight[ring] * psf[ring]).sum() / np.sqrt(total) < _SURE:
            break
        radius *= 1.09
    return radius


def _curve(
    psf: np.ndarray, weight: np.ndarray, r: np.ndarray, angle: np.ndarray, known: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean light at each pixel's radius, and with its angular structure, both (P, P)."""
    u = np.log(np.maximum(r, 0.5))
    low, high = u[known].min(), u[known].max()
    count = max(2, int(np.ceil((high - low) / _KNOT))) + 1
    place = np.clip((u - low) / (high - low), 0.0, 1.0) * (count - 1)
    splines = np.clip(1.0 - np.abs(place[..., None] - np.arange(count)), 0.0, None)  # linear in ln r
    lift = np.maximum(r, 0.5) ** 3
    w = np.where(known, weight / lift**2, 0.0)
    lifted = psf * lift
    light = _solved(splines[known], lifted[known], w[known], np.zeros(count))
    smooth = splines @ light
    terms = [f(m * angle) for m in range(1, _TURNS + 1) for f in (np.cos, np.sin)]
    basis = np.concatenate([splines * t[..., None] for t in terms], axis=-1)
    prior = np.tile(1.0 / (_ANGULAR * np.maximum(np.abs(light), 1e-3 * np.abs(light).max())) ** 2, len(terms))
    angular = _solved(basis[known], (lifted - smooth)[known], w[known], prior)
    return smooth / lift, (smooth + basis @ angular) / lift


def _solved(basis: np.ndarray, values: np.ndarray, weight: np.ndarray, prior: np.ndarray) -> np.ndarray:
    """Weighted least squares with a Gaussian prior about 0 of inverse variance `prior`."""
    normal = basis.T @ (weight[:, None] * basis) + np.diag(prior)
    scale = 1.0 / np.sqrt(np.maximum(np.diag(normal), 1e-300))
    normal = normal * scale[:, None] * scale + 1e-10 * np.eye(len(scale))
    return scale * np.linalg.solve(normal, scale * (basis.T @ (weight * values)))


def _power_law(curve: np.ndarray, radius: float) -> tuple[float, float]:
    """Slope and level at `radius` of the light curve's outer half, the slope drawn to what wings have."""
    half = len(curve) // 2
    row = curve[half, half:]  # the curve along a row is the curve
    r = np.arange(len(row), dtype=float)
    outer = (r >= max(0.5 * radius, 3.0)) & (r <= radius) & (row > 0)
    if outer.sum() < 2:
        return _SLOPE[0], max(float(np.interp(radius, r, row)), 0.0)
    u, v = np.log(r[outer] / radius), np.log(row[outer])
    weight = 1.0 / 0.1**2  # the curve's points agree with a power law to some 10%
    a = np.array([[weight * len(u), -weight * u.sum()], [-weight * u.sum(), weight * (u**2).sum()]])
    a[1, 1] += 1.0 / _SLOPE[1] ** 2
    b = np.array([weight * v.sum(), -weight * (u * v).sum() + _SLOPE[0] / _SLOPE[1] ** 2])
    level, slope = np.linalg.solve(a, b)
    return float(np.clip(slope, 2.2, 6.0)), float(np.exp(level))


def _measured_part(curve: np.ndarray, weight: np.ndarray, r: np.ndarray) -> np.ndarray:
    """How much of each pixel is the measured one, 1 inside to 0 outside, falling with radius."""
    snr = np.maximum(curve, 0.0) * np.sqrt(weight)
    edges = np.arange(0.0, r.max() + 1.0)
    index = np.minimum(r.astype(int), len(edges) - 2)
    count = np.maximum(np.bincount(index.ravel(), minlength=len(edges) - 1), 1)
    ring = np.bincount(index.ravel(), snr.ravel(), minlength=len(edges) - 1) / count
    low, high = _PIXELS
    part = np.minimum.accumulate(np.clip((ring - low) / (high - low), 0.0, 1.0))
    part[edges[:-1] < _INNER - 1] = 1.0
    return np.interp(r, edges[:-1] + 0.5, part)
