"""From one telescope's bands to another's: a matrix fitted to spectra over a range of redshifts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import numpy as np

from mockforge.config import Count, Limit, config
from mockforge.errors import InputError
from mockforge.photometry.bands import Band
from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.photometry.spectra.spec import Spectra

if TYPE_CHECKING:
    from collections.abc import Sequence


@config
class Colours:
    """Fluxes in the target's bands as sums of those in the image's, the best for a set of spectra."""

    bands: tuple[Band, ...]
    """Curves of the target's bands, in their order: its own, or the nearest there are."""
    own_bands: tuple[Band, ...] | None = None
    """Curves of the image's bands; null: those of the bands' names."""
    spectra: Spectra = Spectra()
    """Spectra that the light can have, all as likely."""
    z_max: Annotated[float, Limit(gt=0, le=10)] = 3.0
    """Redshifts from 0.05 to this, evenly spread in ln(1 + z)."""
    steps: Count = 30
    """Redshifts in that range."""


@dataclass(frozen=True)
class Mixing:
    """The matrix, and how far off it is."""

    matrix: np.ndarray
    """(C_target, C_image)."""
    scatter: np.ndarray
    """(C_target,) rms of the error of a spectrum's flux, relative to its mean flux over the image's bands."""


def mixing(colours: Colours, own: Sequence[str], count: int) -> Mixing:
    """Return the matrix for an image in bands `own` and `count` bands of the target.

    Least squares over spectra and redshifts, each scaled to a mean flux of 1 in the image's
    bands, so that bright and faint count alike. InputError where the numbers of bands differ or
    a band has no curve.
    """
    bands = colours.own_bands or tuple(own)
    if len(bands) != len(own) or len(colours.bands) != count:
        raise InputError(
            f"colours: {len(bands)} own_bands and {len(colours.bands)} bands for an image of {len(own)} bands"
            f" and {count} of the target; give a curve for each"
        )
    return _mixing(colours, bands)


@lru_cache(maxsize=16)
def _mixing(colours: Colours, own: tuple[str, ...]) -> Mixing:
    kinds = len(spectrum_set(colours.spectra).names)
    steps = np.expm1(np.linspace(np.log1p(0.05), np.log1p(colours.z_max), colours.steps))
    z, spectrum = np.repeat(steps, kinds), np.tile(np.arange(kinds), colours.steps)
    flux = sed_fluxes(colours.spectra, (*own, *colours.bands), z, z, spectrum)
    mean = flux[:, : len(own)].mean(axis=1, keepdims=True)
    flux = flux[mean[:, 0] > 0] / mean[mean[:, 0] > 0]
    have, want = flux[:, : len(own)], flux[:, len(own) :]
    matrix = np.linalg.lstsq(have, want, rcond=1e-6)[0].T
    return Mixing(matrix, (have @ matrix.T - want).std(axis=0))
