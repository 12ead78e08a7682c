"""K-corrections of images: spectra fitted to fluxes, and what other bands see of them."""

from __future__ import annotations

import numpy as np

_RIDGE = 1e-10
"""Added to the normal matrix, relative to its trace: keeps spectra that bands cannot tell apart finite."""


def sed_weights(flux: np.ndarray, error: np.ndarray, model: np.ndarray) -> np.ndarray:
    """Weights w >= 0 of spectra that fit fluxes: minimise sum_c ((f_c - sum_m A_cm w_m) / e_c)^2.

    `flux`, `error` (P, C) above 0 (infinite = band not used), `model` (C, M) or (P, C, M), flux of
    each spectrum in each band. Returns (P, M). The active-set method of Lawson & Hanson 1974
    (chapter 23), all P problems at once.
    """
    flux, error = np.asarray(flux, dtype=np.float64), np.asarray(error, dtype=np.float64)
    inverse = np.where(np.isfinite(error), 1.0 / error, 0.0)
    scale = np.sqrt((np.asarray(model, dtype=np.float64) ** 2).sum(axis=-2, keepdims=True))
    scale = np.where(scale > 0, scale, 1.0)
    a = model / scale * inverse[..., None]  # (P, C, M)
    b = np.where(inverse > 0, flux, 0.0) * inverse
    gram = np.swapaxes(a, -1, -2) @ a
    right = (np.swapaxes(a, -1, -2) @ b[..., None])[..., 0]
    return _nonnegative(gram, right) / np.broadcast_to(scale[..., 0, :], right.shape)


def _nonnegative(gram: np.ndarray, right: np.ndarray) -> np.ndarray:
    """argmin over w >= 0 of w G w / 2 - r w for each row: gram (P, M, M), right (P, M)."""
    count, m = right.shape
    weights, active = np.zeros((count, m)), np.zeros((count, m), dtype=bool)
    tolerance = 1e-9 * np.abs(right).max(axis=1, initial=0.0) + 1e-300
    open_ = np.arange(count)
    for _ in range(6 * m + 10):
        gain = right[open_] - (gram[open_] @ weights[open_, :, None])[..., 0]
        gain[active[open_]] = -np.inf
        best = gain.argmax(axis=1)
        more = gain[np.arange(len(open_)), best] > tolerance[open_]
        open_, best = open_[more], best[more]
        if not len(open_):
            break
        active[open_, best] = True
        weights[open_], active[open_] = _inner(gram[open_], right[open_], weights[open_], active[open_])
    return weights


def _inner(
    gram: np.ndarray, right: np.ndarray, weights: np.ndarray, active: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Solve on the active spectra; step back and drop those that would turn negative."""
    for _ in range(gram.shape[-1]):
        trial = _solve(gram, right, active)
        bad = active & (trial <= 0)
        rows = bad.any(axis=1)
        if not rows.any():
            return trial, active
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(bad, weights / (weights - trial), np.inf)
        ratio = np.where(np.isnan(ratio), 0.0, ratio)
        length = np.where(rows, ratio.min(axis=1), 1.0)[:, None]
        weights = weights + length * (trial - weights)
        active = active & ~(bad & (ratio <= length + 1e-12))
        weights = np.where(active, np.maximum(weights, 0.0), 0.0)
    return weights, active


def _solve(gram: np.ndarray, right: np.ndarray, active: np.ndarray) -> np.ndarray:
    """Return the unconstrained minimum over the active spectra, 0 for the others."""
    both = active[:, :, None] & active[:, None, :]
    eye = np.eye(gram.shape[-1])
    ridge = _RIDGE * np.trace(gram, axis1=1, axis2=2)[:, None, None]
    matrix = np.where(both, gram + ridge * eye, eye)
    return np.linalg.solve(matrix, np.where(active, right, 0.0)[..., None])[..., 0]


def neighbours(wanted: np.ndarray, present: np.ndarray) -> np.ndarray:
    """Shares (c, b) of the present bands in each wanted one, by rest-frame wavelength; rows sum to 1.

    `wanted` (c,), `present` (b,): wavelengths in the rest frame, any unit. Linear in the logarithm
    between the two present bands on either side; beyond the ends the nearest alone.
    """
    order = np.argsort(present)
    place = np.log(np.asarray(present, dtype=np.float64)[order])
    out = np.zeros((len(wanted), len(present)))
    for c, w in enumerate(np.log(np.asarray(wanted, dtype=np.float64))):
        i = int(np.clip(np.searchsorted(place, w), 1, max(len(place) - 1, 1)))
        if len(place) == 1:
            out[c, 0] = 1.0
            continue
        t = float(np.clip((w - place[i - 1]) / max(place[i] - place[i - 1], 1e-12), 0.0, 1.0))
        out[c, order[i - 1]], out[c, order[i]] = 1.0 - t, t
    return out


def band_factors(
    weights: np.ndarray, wanted: np.ndarray, present: np.ndarray, shares: np.ndarray
) -> np.ndarray:
    """Return what each present band's image is multiplied by to give each wanted band: (..., c, b).

    `weights` (..., M) of the spectra, `wanted` (c, M) and `present` (b, M) their fluxes, `shares`
    (c, b) of `neighbours`. A band's image times the ratio of the fitted spectrum's fluxes is the
    wanted image as that band tells it; the shares average them, so noise is never fitted, only
    scaled, and where the fit is exact total flux is that of the spectrum. A band of which the
    spectrum has no flux gives its share to the others. Barden et al. 2008, ApJS 175, 105.
    """
    out, present_flux = weights @ np.asarray(wanted).T, weights @ np.asarray(present).T
    lit = present_flux > 1e-6 * present_flux.max(axis=-1, keepdims=True, initial=0.0)
    used = shares * lit[..., None, :]
    total = used.sum(axis=-1, keepdims=True)
    spare = lit / np.maximum(lit.sum(axis=-1, keepdims=True), 1)
    used = np.where(total > 1e-9, used / np.maximum(total, 1e-9), spare[..., None, :])
    ratio = np.where(lit, 1.0 / np.where(lit, present_flux, 1.0), 0.0)
    return used * out[..., :, None] * ratio[..., None, :]
