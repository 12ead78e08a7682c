"""What people ask of a sky: numbers and surveys, for all bands or by band."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, Protocol

from mockforge.errors import InputError, nearest
from mockforge.observe.surveys.read import is_file, own_files, survey
from mockforge.observe.surveys.spec import Survey

Asked = float | str | Mapping[str, float | str]
"""A number for every band, a survey, or either by band; a band that is left out stays as it is.

A survey is a preset's name or a file; its band is the one of the same name, or of the same name
after the survey's prefix (`g` is `kids_g`). `SURVEY:BAND` names another."""


class Banded(Protocol):
    """What has a name and bands: a model."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Return its bands."""
        ...


def parse(option: str, text: str | None) -> Asked | None:
    """Return what a command line says: `25.5`, `hsc-wide`, `g=25.5,r=25` or `r=euclid-wide:VIS`."""
    if text is None:
        return None
    if "=" not in text:
        return _number_or_name(text)
    out: dict[str, float | str] = {}
    for word in text.split(","):
        band, mark, value = (part.strip() for part in word.partition("="))
        if not (band and mark and value) or band in out:
            raise InputError(f"{option}: should be such as 25.5 or g=25.5,r=25, found {text!r}")
        out[band] = _number_or_name(value)
    return out


def survey_files(*asked: Any) -> dict[str, Path]:
    """Return the surveys of a user's own among what is requested, as `files_read` gives them."""
    words = [w for value in asked for w in (value.values() if isinstance(value, Mapping) else (value,))]
    files: dict[str, Path] = {}
    for word in words:
        files |= own_files(_parts(word)[0] if isinstance(word, str) else None)
    return files


def by_band(
    name: str, model: Banded, asked: Asked | None, number: Callable[[float], bool], wanted: str
) -> list[float | str | None]:
    """Return what is requested in each band of the model; numbers are checked."""
    if isinstance(asked, Mapping):
        for band in asked:
            if band not in model.bands:
                raise InputError(f"{name}: {model.name} has no band {band!r}{nearest(band, model.bands)}")
        out = [asked.get(band) for band in model.bands]
    else:
        out = [asked] * len(model.bands)
    words = [v if v is None or isinstance(v, str) else number_of(name, v, wanted) for v in out]
    for value in words:
        if isinstance(value, float) and not (math.isfinite(value) and number(value)):
            raise InputError(f"{name}: should be {wanted}, found {value:g}")
    return words


def number_of(name: str, value: Any, wanted: str = "a number") -> float:
    """Return a number as a float, NumPy's too; InputError for anything else."""
    if isinstance(value, Real) and not isinstance(value, bool):
        return float(value)
    raise InputError(f"{name}: should be {wanted}, found {value!r:.80}")


def survey_of(name: str, model: Banded, asked: str, band: str) -> tuple[Survey, str]:
    """Return the survey that is requested, and its band that stands for the model's."""
    head, own = _parts(asked)
    chosen = survey(head)
    if own is not None:
        chosen.band(own)
        return chosen, own
    for fits in (str.__eq__, lambda a, b: a.rpartition("_")[2] == b, _alike):
        matches = [own for own in chosen.bands if fits(own, band)]
        if len(matches) == 1:
            return chosen, matches[0]
    raise InputError(
        f"{name}: {chosen.title} has no band like {band} of {model.name}; it has {', '.join(chosen.bands)}."
        f" Say which one to use, such as {band}={asked}:{next(iter(chosen.bands))}, or give numbers"
    )


def _number_or_name(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text.strip()


def _parts(asked: str) -> tuple[str, str | None]:
    """Return a survey, and its band where `asked` is SURVEY:BAND."""
    head, _, own = asked.rpartition(":")
    named = bool(head) and (not is_file(head) or head.endswith((".yaml", ".yml")))
    return (head, own) if named else (asked, None)


def _alike(own: str, band: str) -> bool:
    return own.rpartition("_")[2].lower() == band.lower()
