"""Which band of a survey stands for a band of an image: the same name, or the nearest wavelength."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.surveys.read import names, survey, survey_curve
from mockforge.observe.surveys.spec import Survey
from mockforge.photometry.bands import pivot_um

_FARTHEST = 1.2
"""Ratio of pivot wavelengths beyond which no band stands for another."""
_HOW = "name its bands, in order, as `bands` (--target-bands of `mockforge degrade`)"


def matched_bands(survey: Survey, own: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """Return a band of the survey for each of an image's, and a sentence that says which.

    "" where names agree.

    A band of the same name comes first, then one of the same name behind the survey's prefix (`r`:
    `lsst_r`), then the nearest pivot wavelength. InputError where no band is within 20%, or one
    would stand for two.
    """
    matched = tuple(_matched(survey, band) for band in own)
    for band in matched:
        if matched.count(band) > 1:
            both = " and ".join(name for name, other in zip(own, matched, strict=True) if other == band)
            raise InputError(
                f"{survey.title}: {band} is the band nearest to {both}; {_HOW}: {', '.join(survey.bands)}"
                + _each_its_own(survey, own)
            )
    pairs = [f"{other} for {name}" for name, other in zip(own, matched, strict=True) if other != name]
    return matched, f"bands of {survey.title} nearest in wavelength: {', '.join(pairs)}" if pairs else ""


def _matched(survey: Survey, band: str) -> str:
    if band in survey.bands:
        return band
    for same in (str, str.lower):
        alike = [name for name in survey.bands if same(name.rpartition("_")[2]) == same(band)]
        if len(alike) == 1:
            return alike[0]
    wavelength = _pivot_um(band)
    pivots_um = {name: pivot for name in survey.bands if (pivot := _of_survey(survey, name)) is not None}
    if wavelength is not None and pivots_um:
        name = min(pivots_um, key=lambda one: abs(math.log(pivots_um[one] / wavelength)))
        if max(pivots_um[name] / wavelength, wavelength / pivots_um[name]) <= _FARTHEST:
            return name
    about = "" if wavelength is None else f" and none near its {wavelength:.3g} micron"
    raise InputError(f"{survey.title} has no band {band!r}{about}; {_HOW}: {', '.join(survey.bands)}")


def _each_its_own(survey: Survey, own: Sequence[str]) -> str:
    """Return what to type: a band for each, all different, nearest in wavelength together.

    "" where none is.
    """
    from scipy.optimize import linear_sum_assignment

    waves = [_pivot_um(band) for band in own]
    pivots_um = {name: pivot for name in survey.bands if (pivot := _of_survey(survey, name)) is not None}
    if any(wave is None for wave in waves) or len(pivots_um) < len(own):
        return ""
    apart = np.abs(np.log(np.array(list(pivots_um.values())) / np.array(waves, dtype=float)[:, None]))
    rows, columns = linear_sum_assignment(apart)
    if apart[rows, columns].max() > math.log(_FARTHEST):
        return ""
    names = list(pivots_um)
    return f"; where each is to have its own: {','.join(names[c] for c in columns)}"


def _of_survey(survey: Survey, band: str) -> float | None:
    """Pivot wavelength of a survey's band in micrometres: as it says, of its own curve, or as `_pivot_um`."""
    numbers = survey.band(band)
    if numbers.wavelength_um is None and numbers.curve is not None:
        return pivot_um(survey_curve(survey, band))
    return numbers.wavelength_um or _pivot_um(band)


def _pivot_um(band: str) -> float | None:
    """Pivot wavelength in micrometres, of its curve or as a preset has it; None where neither knows it."""
    try:
        return pivot_um(band)
    except InputError:
        presets = (survey(name).bands.get(band) for name in names())
        return next((one.wavelength_um for one in presets if one is not None and one.wavelength_um), None)
