"""Sersic profiles as mixtures of Gaussians (Hogg & Lang 2013), smooth in the Sersic index.

A Gaussian stays one through shear, through a Gaussian PSF and in Fourier space, so the light of a
source and its derivatives cost a few exponentials a pixel. The widths follow the index: a profile
of n = 8 spans four decades of radius, one of n = 0.5 is a single Gaussian. With ten of them the flux
inside any aperture is right to 8e-4 of the total (which is that to infinity, no profile is cut off)
and the image through a PSF to 4e-4 of its peak for n up to 4; to 2.5e-3 and 1.2e-3 at n = 8. The
table is made by `mockforge.bundle.sersic_gaussians`.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

COUNT = 10
"""Gaussians of a mixture, K."""
INDEX_RANGE = (0.4, 8.0)
"""Sersic indices covered; others are taken to the nearer end."""
_LOG_RANGE = tuple(np.log(INDEX_RANGE).tolist())
TABLE = Path(__file__).with_name("sersic_gaussians.npy")

_NARROWEST = (-2.655, -1.086, 0.046, -0.044)
_WIDEST = (0.730, 1.187, 0.369, -0.219, 0.061)
"""ln sigma of the first and of the last Gaussian, in half-light radii: coefficients of powers of ln n."""


def log_sigmas(log_n: Tensor) -> Tensor:
    """Return ln sigma (N, K) of the Gaussians of each index, in half-light radii."""
    low, high = torch.zeros_like(log_n), torch.zeros_like(log_n)
    for c in reversed(_NARROWEST):
        low = low * log_n + c
    for c in reversed(_WIDEST):
        high = high * log_n + c
    place = torch.linspace(0, 1, COUNT, device=log_n.device, dtype=log_n.dtype)
    return low[:, None] + (high - low)[:, None] * place


def mixture(log_n: Tensor) -> tuple[Tensor, Tensor]:
    """Return amplitudes and widths of the Gaussians that make Sersic profiles.

    Parameters
    ----------
    log_n : Tensor
        (N,) ln of the Sersic index; outside `INDEX_RANGE` the nearer end is taken, without gradient.

    Returns
    -------
    tuple of Tensor
        Amplitudes (N, K), which sum to 1 and may be negative, and sigmas (N, K) in half-light radii;
        both twice differentiable in `log_n`.

    References
    ----------
    Hogg & Lang 2013, PASP 125, 719 (mixtures of fixed widths; here they follow n).
    """
    log_n = log_n.clamp(*_LOG_RANGE)
    return amplitudes(log_n), torch.exp(log_sigmas(log_n))


def amplitudes(log_n: Tensor) -> Tensor:
    """Return the amplitudes (N, K) alone; `mixture` has the widths that belong to them."""
    low, high = _LOG_RANGE
    table = _table(str(log_n.device), log_n.dtype)
    steps = len(table) - 3
    place = (log_n.clamp(low, high) - low) * (steps / (high - low))
    first = place.detach().floor().long().clamp(0, steps - 1)
    t = (place - first)[:, None]
    weights = ((1 - t) ** 3, (3 * t - 6) * t**2 + 4, ((3 - 3 * t) * t + 3) * t + 1, t**3)
    terms = [weight * table[first + j] for j, weight in enumerate(weights)]
    return (terms[0] + terms[1] + terms[2] + terms[3]) * (1 / 6)


def mixture_of(log_n: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return `mixture` of indices (N,) in NumPy, float64: for a few sources much faster."""
    low, high = _LOG_RANGE
    log_n = np.clip(log_n, low, high)
    table = _coefficients()
    steps = len(table) - 3
    place = (log_n - low) * (steps / (high - low))
    first = np.clip(place.astype(np.int64), 0, steps - 1)
    t = place - first
    weights = np.stack([(1 - t) ** 3, (3 * t - 6) * t**2 + 4, ((3 - 3 * t) * t + 3) * t + 1, t**3], axis=1)
    amplitude = np.einsum("nj,njk->nk", weights / 6, table[first[:, None] + np.arange(4)])
    narrow, wide = (np.polynomial.polynomial.polyval(log_n, c) for c in (_NARROWEST, _WIDEST))
    return amplitude, np.exp(narrow[:, None] + (wide - narrow)[:, None] * np.linspace(0, 1, COUNT))


@lru_cache(maxsize=1)
def _coefficients() -> np.ndarray:
    return np.load(TABLE)


@lru_cache(maxsize=8)
@torch.inference_mode(False)  # what is kept may be asked for by those who want derivatives
def _table(device: str, dtype: torch.dtype) -> Tensor:
    return torch.from_numpy(_coefficients()).to(device=device, dtype=dtype)
