"""Training in stages: each is kept when it is done, so that a run goes on where it stopped.

A stage is done again only where its settings, or those of a stage before it, changed: its key is the
digest of them all and of the field.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, is_dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import installed
from mockforge.field.picture import save_png
from mockforge.files import replace_file
from mockforge.train.loop import Report

FOLDER = "stages"
"""Folder of a run in which finished stages are kept."""


@dataclass(frozen=True)
class Learned:
    """What a stage learned."""

    arrays: Mapping[str, np.ndarray]
    """What later stages, and the model, take from it."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    """Its numbers for the run's page: plain values, by name, and tables as lists of rows."""
    picture: np.ndarray | None = None
    """What a person looks at, uint8 (y, x, 3)."""
    seconds: float = 0.0


@dataclass(frozen=True)
class Stage:
    """One stage of a training: what it is called, what it is set to, and what it does."""

    name: str
    title: str
    """A line for the run's page."""
    settings: Any
    """Configuration that decides its result: a dataclass or plain data."""
    learn: Callable[[Mapping[str, Learned], Path, Report], Learned]
    """Called with what earlier stages learned, a folder of its own for checkpoints, and a report."""


def run_stages(
    stages: Sequence[Stage], folder: Path, subject: str, *, report: Report, told: Callable[[str], None]
) -> dict[str, Learned]:
    """Run what is not yet done, in order; the finished ones are read from `folder`/stages.

    Parameters
    ----------
    stages : sequence of Stage
        In the order in which they depend on each other.
    folder : Path
        Of the run.
    subject : str
        Digest of what all of them learn from, part of every stage's key.
    report : callable
        Called as report(stages done, losses).
    told : callable
        Hears a line as each stage begins and ends.

    Returns
    -------
    dict
        What each learned, by its name.
    """
    done: dict[str, Learned] = {}
    for number, (stage, key) in enumerate(zip(stages, _keys(stages, subject), strict=True), 1):
        kept = _Kept(folder / FOLDER, f"{number}-{stage.name}", key)
        learned = kept.read()
        if learned is None:
            told(f"{stage.name}: {stage.title}")
            began = time.monotonic()
            own = kept.own_folder()
            learned = stage.learn(done, own, lambda step, losses: None)
            learned = Learned(
                learned.arrays, learned.facts, learned.picture, round(time.monotonic() - began, 1)
            )
            kept.write(learned)
            told(f"{stage.name}: done in {learned.seconds:.0f} s")
        else:
            told(f"{stage.name}: kept from before")
        done[stage.name] = learned
        report(number, {"stage": float(number)})
    return done


def begun(folder: Path) -> bool:
    """Whether a folder holds finished stages of a run."""
    return any((folder / FOLDER).glob("*.json"))


def _keys(stages: Sequence[Stage], subject: str) -> Iterator[str]:
    """Yield each stage's key: the digest of the subject and of all settings up to its own."""
    key = subject
    for stage in stages:
        key = digest_of([key, stage.name, stage.settings])
        yield key


@dataclass(frozen=True)
class _Kept:
    """A finished stage on disk: NAME.safetensors, NAME.json and NAME.png, the JSON written last."""

    folder: Path
    name: str
    key: str

    def own_folder(self) -> Path:
        """Return where an unfinished stage keeps its checkpoints; those of another key are not used."""
        return self.folder / f"{self.name}-{self.key[:12]}"

    def read(self) -> Learned | None:
        """Return the stage as it was kept; None where it is not there, of another key, or damaged."""
        from safetensors import SafetensorError
        from safetensors.numpy import load

        path = self.folder / f"{self.name}.json"
        try:
            record = json.loads(path.read_text(encoding="utf-8"))
            raw = path.with_suffix(".safetensors").read_bytes()
            if record["key"] != self.key or record["sha256"] != hashlib.sha256(raw).hexdigest():
                return None
            return Learned(load(raw), record["facts"], None, float(record["seconds"]))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
            raise InputError(
                f"{path}: cannot be read ({str(error).splitlines()[0]}); delete it to do the stage again"
            ) from error

    def write(self, learned: Learned) -> None:
        """Keep it; a run that is stopped on the way does the stage again."""
        from safetensors.numpy import save

        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{self.name}.json"
        raw = save({name: np.ascontiguousarray(array) for name, array in learned.arrays.items()})
        replace_file(path.with_suffix(".safetensors"), raw)
        if learned.picture is not None and installed("PIL"):
            save_png(path.with_suffix(".png"), learned.picture)
        record = {
            "key": self.key,
            "sha256": hashlib.sha256(raw).hexdigest(),
            "seconds": learned.seconds,
            "facts": plain(learned.facts),
        }
        replace_file(path, (json.dumps(record, indent=1) + "\n").encode())


def digest_of(value: Any) -> str:
    """Return the sha256 of a value's text: of dataclasses and plain data."""
    text = json.dumps(value, sort_keys=True, default=_as_plain)
    return hashlib.sha256(text.encode()).hexdigest()


def _as_plain(value: Any) -> Any:
    """Return a dataclass as a mapping, anything else as text."""
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def plain(value: Any) -> Any:
    """Return numbers and names as JSON takes them: NumPy's as Python's, arrays and tuples as lists."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [plain(item) for item in value]
    if isinstance(value, np.generic):
        return plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
