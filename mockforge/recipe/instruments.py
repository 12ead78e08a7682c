"""Bands and files of a recipe, checked before any work starts.

A source says its bands; from there on every stage holds its settings (PSFs, noise, a survey) against the
bands of the images it meets, so that a band a survey lacks or a number too few is said with its line.
"""

from __future__ import annotations

from collections.abc import Sequence

from mockforge.batch import Bands, Stage
from mockforge.errors import InputError
from mockforge.files import files_of
from mockforge.recipe.checks import NamedStage
from mockforge.recipe.yaml import Document, Key


def check_instruments(stages: Sequence[NamedStage | None], document: Document) -> None:
    """Record every setting that does not fit the bands it meets, as far as these are known."""
    if not stages or stages[0] is None or document.is_faulty(("stages", 0, stages[0].kind, "bands")):
        return  # its bands are not known: those of the default would be answered, which nobody wrote
    bands = _bands_after(stages[0].stage, None)
    for i, entry in enumerate(stages):
        if entry is None or bands is None:
            return
        for key, message in entry.stage.problems(bands):
            document.problem(("stages", i, entry.kind, *key), message)
        if i > 0:
            bands = _bands_after(entry.stage, bands)


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
        messages = "\n".join(message for _, message in document.problems)
        for path in missing:
            if str(path) not in messages:  # a PSF image says so with its own key
                document.problem(at, f"{path}: no such file")


def _bands_after(stage: Stage, bands: Bands) -> Bands:
    """Return the bands of a stage's images; None where nothing or only its files tell them."""
    try:
        return stage.bands_after(bands)
    except InputError:
        return None  # said by the stage's problems, or where it is read
