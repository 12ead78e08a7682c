"""What of a configuration's PSFs and noises does not fit the bands of the images, before any work starts."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from mockforge.errors import InputError
from mockforge.observe.noise.spec import Noise, pixel_noise
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf

_ANY_WIDTH = 1.0
"""Arcsec, where a number is needed and its size does not matter."""


def instrument_problems(
    spec: Any, bands: tuple[str, ...], only: Collection[str] = ()
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield what is wrong with each PSF and noise of `spec` for images in `bands`: its key and a sentence.

    `only` names the settings that are looked at, by default all.
    """
    for name, value in vars(spec).items():
        if only and name not in only:
            continue
        try:
            if isinstance(value, Psf):
                models(value, bands)
            elif isinstance(value, Noise):
                pixel_noise(value, bands, _ANY_WIDTH, [_ANY_WIDTH] * len(bands))
        except InputError as error:
            yield (name, _kind(value)) if isinstance(value, Noise) else (name,), str(error)


def _kind(noise: Noise) -> str:
    """Return the key of a noise that says which kind it is."""
    kinds = ("survey_bands", "survey", "rms_njy", "depth", "ccd")
    return next(kind for kind in kinds if getattr(noise, kind) is not None)
