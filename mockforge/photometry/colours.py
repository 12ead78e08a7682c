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

    bands: tuple[Band, ...] | None = None
    """Curves of the target's bands, in their order: its own, or the nearest there are; null: the curves
    that the survey's file names for its bands, or those of the bands' names."""
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


def mixing(colours: Colours, own: Sequence[str], target: Sequence[str]) -> Mixing:
    """Return the matrix from the bands of an image to those of another telescope.

    Least squares over spectra and redshifts, each scaled to a mean flux of 1 in the image's bands, so that
    bright and faint count alike.

    Parameters
    ----------
    colours : Colours
        The spectra and redshifts, and curves that take the place of those of the bands' names.
    own : sequence of str
        The C bands of the image.
    target : sequence of str
        The C' bands of the target, with curves of its own where it has them.

    Raises
    ------
    InputError
        Where the numbers of bands differ, or a band has no curve.
    """
    have, want = colours.own_bands or tuple(own), colours.bands or tuple(target)
    if len(have) != len(own) or len(want) != len(target):
        raise InputError(
            f"colours: {len(have)} own_bands and {len(want)} bands for an image of {len(own)} bands"
            f" and {len(target)} of the target; give a curve for each"
        )
    return _mixing(colours.spectra, colours.z_max, colours.steps, have, want)


@lru_cache(maxsize=16)
def _mixing(
    spectra: Spectra, z_max: float, steps: int, own: tuple[str, ...], target: tuple[str, ...]
) -> Mixing:
    kinds = len(spectrum_set(spectra).names)
    redshifts = np.expm1(np.linspace(np.log1p(0.05), np.log1p(z_max), steps))
    z, spectrum = np.repeat(redshifts, kinds), np.tile(np.arange(kinds), steps)
    flux = sed_fluxes(spectra, (*own, *target), z, z, spectrum)
    mean = flux[:, : len(own)].mean(axis=1, keepdims=True)
    flux = flux[mean[:, 0] > 0] / mean[mean[:, 0] > 0]
    have, want = flux[:, : len(own)], flux[:, len(own) :]
    matrix = np.linalg.lstsq(have, want, rcond=1e-6)[0].T
    return Mixing(matrix, (have @ matrix.T - want).std(axis=0))
