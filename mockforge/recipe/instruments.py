"""What of bands, PSFs, noise and files a recipe gives away before any work starts.

A source says its bands; from there on every PSF, noise and survey of the stages is compared with the
bands of the images it meets, so that a band a survey lacks or a number too few is said with its line.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from mockforge.errors import InputError
from mockforge.files import files_of
from mockforge.observe.degrade.optics import target_bands
from mockforge.observe.noise.spec import Noise, pixel_noise
from mockforge.observe.psf.per_band import models
from mockforge.observe.psf.spec import Psf
from mockforge.recipe.checks import NamedStage
from mockforge.recipe.yaml import Document, Key
from mockforge.stages.degrade import Degrade

_ANY_WIDTH = 1.0
"""Arcsec, where a number is needed and its size does not matter."""


def check_instruments(stages: Sequence[NamedStage | None], document: Document) -> None:
    """Record every PSF, noise and survey that does not fit the bands it meets, as far as these are known."""
    if not stages or stages[0] is None or document.is_faulty(("stages", 0, stages[0].kind, "bands")):
        return  # its bands are not known: those of the default would be answered, which nobody wrote
    bands = _bands(stages[0].stage)
    for i, entry in enumerate(stages):
        if entry is None or bands is None:
            return
        at: Key = ("stages", i, entry.kind)
        after = bands
        if isinstance(entry.stage, Degrade):
            after = _after(entry.stage, bands, at, document)
        for key, value in _parts(entry.stage):
            met = after if isinstance(entry.stage, Degrade) and key[0] in ("psf_out", "noise") else bands
            if met is not None:
                _fits(value, met, (*at, *key), document)
        curves: Any = getattr(entry.stage, "curves_of", None)
        if i > 0 and curves is not None:
            _said(lambda curves=curves, met=bands: curves(met), at, document)
        bands = after


def check_files(stages: Sequence[NamedStage | None], document: Document) -> None:
    """Record every file that a stage reads and that is not there."""
    for i, entry in enumerate(stages):
        if entry is None:
            continue
        at: Key = ("stages", i, entry.kind)
        try:
            missing = [path for path in files_of(entry.stage).values() if not path.exists()]
        except InputError as error:
            document.problem(at, str(error))
            continue
        said = "\n".join(message for _, message in document.problems)
        for path in missing:
            if str(path) not in said:  # a PSF image says so with its own key
                document.problem(at, f"{path}: no such file")


def _bands(source: Any) -> tuple[str, ...] | None:
    """Return the bands of a source's images; None where only its files say them."""
    if hasattr(source, "bands"):
        return source.bands
    try:
        return source.known_bands() if hasattr(source, "known_bands") else None
    except InputError:
        return None  # said where the stage is read


def _after(stage: Degrade, bands: tuple[str, ...], at: Key, document: Document) -> tuple[str, ...] | None:
    """Return the bands of the degraded images; None where they cannot be made."""
    from mockforge.observe.surveys.read import survey

    try:
        chosen = survey(stage.to)
        made, _ = target_bands(chosen, bands, stage.bands, stage.colours is not None)
        if stage.psf_out is None:
            models(Psf(survey=stage.to), made)
        return made
    except InputError as error:
        document.problem((*at, "to" if stage.bands is None else "bands"), str(error))
        return None


def _parts(stage: Any) -> Iterator[tuple[Key, Psf | Noise]]:
    """Yield the PSFs and noises of a stage, by key."""
    for name, value in vars(stage).items():
        if isinstance(value, (Psf, Noise)):
            yield (name,), value


def _fits(value: Psf | Noise, bands: tuple[str, ...], key: Key, document: Document) -> None:
    if isinstance(value, Psf):
        _said(lambda: models(value, bands), key, document)
    else:
        widths = [_ANY_WIDTH] * len(bands)
        _said(lambda: pixel_noise(value, bands, _ANY_WIDTH, widths), _where(value, key), document)


def _where(noise: Noise, key: Key) -> Key:
    """Return the key of a noise that says which kind it is."""
    kinds = ("survey_bands", "survey", "rms_njy", "depth", "ccd")
    return (*key, next(kind for kind in kinds if getattr(noise, kind) is not None))


def _said(call: Any, key: Key, document: Document) -> None:
    try:
        call()
    except InputError as error:
        document.problem(key, str(error))
