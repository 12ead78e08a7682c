"""Batch: the samples a stage works on; Stage: what turns one Batch into the next."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mockforge.files import fingerprint
from mockforge.names import check_bands
from mockforge.rng import Stream

Table = Mapping[str, np.ndarray]
"""A table is its columns, all of one length; the column `sample` says whose row it is."""


@dataclass(frozen=True)
class Batch:
    """Samples on their way through a recipe.

    Every array has the sample axis first. An array of three or more axes ends in (y, x) and,
    while `margin` is not 0, holds `margin` extra pixels on each side of the tile; `trimmed`
    takes them off. Tables hold positions in tile pixels (after trimming).
    """

    sample: np.ndarray
    """(N,) int64: the number of each sample in the dataset."""
    draw: np.ndarray
    """(N,) int64: a number no other attempt at any sample of the dataset has."""
    split: np.ndarray
    """(N,) str: the split of each sample."""
    splits: Mapping[str, float] = field(default_factory=lambda: {"train": 1.0})
    """Every split of the dataset and its share of the samples, in order."""
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    tables: Mapping[str, Table] = field(default_factory=dict)
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """What holds for the whole dataset: bands, pixel_scale_arcsec, unit, zeropoint_ab, ..."""
    margin: int = 0
    wanted: frozenset[str] | None = None
    """Arrays and tables that later stages read or that are saved; a stage may leave others out. None: all."""

    def __len__(self) -> int:
        return len(self.sample)

    def wants(self, *names: str) -> bool:
        """Whether one of these arrays is wanted."""
        return self.wanted is None or not self.wanted.isdisjoint(names)

    def with_arrays(self, **arrays: np.ndarray) -> Batch:
        """Return the batch with these arrays added or replaced."""
        return replace(self, arrays={**self.arrays, **arrays})

    def with_table(self, name: str, table: Table) -> Batch:
        """Return the batch with this table added or replaced."""
        return replace(self, tables={**self.tables, name: table})

    def with_attributes(self, **attributes: Any) -> Batch:
        """Return the batch with these attributes added or replaced.

        InputError for `bands` of unusable names.
        """
        if attributes.get("bands"):
            check_bands(attributes["bands"])
            attributes["bands"] = tuple(str(name) for name in attributes["bands"])
        return replace(self, attributes={**self.attributes, **attributes})

    def keep(self, chosen: np.ndarray) -> Batch:
        """Return the samples where the boolean `chosen` (N,) is true, with their table rows."""
        kept = self.sample[chosen]
        tables = {name: _rows(t, np.isin(t["sample"], kept)) for name, t in self.tables.items()}
        return replace(self._taken(chosen), tables=tables)

    def in_order(self) -> Batch:
        """Return the batch and its tables sorted by sample; rows of one sample keep their order."""
        tables = {name: _rows(t, np.argsort(t["sample"], kind="stable")) for name, t in self.tables.items()}
        return replace(self._taken(np.argsort(self.sample, kind="stable")), tables=tables)

    def trimmed(self) -> Batch:
        """Return the batch without its margin."""
        m = self.margin
        if m == 0:
            return self
        cut = {k: v[..., m:-m, m:-m] if v.ndim >= 3 else v for k, v in self.arrays.items()}
        return replace(self, arrays=cut, margin=0)

    def _taken(self, which: np.ndarray) -> Batch:
        """Return the samples that `which` names or marks, with the tables as they are."""
        return replace(
            self,
            sample=self.sample[which],
            draw=self.draw[which],
            split=self.split[which],
            arrays={name: array[which] for name, array in self.arrays.items()},
        )


def concatenate(batches: Sequence[Batch]) -> Batch:
    """One batch of all samples, in the order given; attributes are the first one's."""
    first = batches[0]
    tables = {
        name: {c: np.concatenate([b.tables[name][c] for b in batches]) for c in first.tables[name]}
        for name in first.tables
    }
    return replace(
        first,
        sample=np.concatenate([b.sample for b in batches]),
        draw=np.concatenate([b.draw for b in batches]),
        split=np.concatenate([b.split for b in batches]),
        arrays={k: np.concatenate([b.arrays[k] for b in batches]) for k in first.arrays},
        tables=tables,
    )


def _rows(table: Table, which: np.ndarray) -> Table:
    return {name: column[which] for name, column in table.items()}


Bands = tuple[str, ...] | None
"""Bands of a sample's images, in order; None where no work tells them beforehand."""


class Stage(ABC):
    """One step of a recipe: a frozen configuration (`mockforge.config.config`) called on a Batch.

    Whatever the engine, the recipes' reader and the cards need to know of a stage, it says itself. Only
    `writes` and the call are wanted of all; a stage that is no source also says what it `reads`. A
    setting that names a file is found by the method `files_read` of the stage or of its parts (see
    `mockforge.files`).

    >>> @config
    ... class Rings(Stage):
    ...     radius_arcsec: Positive = 1.0
    ...     def reads(self): return frozenset({"image"})
    ...     def writes(self): return frozenset({"image"})
    ...     def __call__(self, batch, stream): return batch.with_arrays(image=ringed(batch, self))
    """

    def reads(self) -> frozenset[str]:
        """Return the names of arrays and tables that must be there; a source leaves this out."""
        return frozenset()

    @abstractmethod
    def writes(self) -> frozenset[str]:
        """Return the names of arrays and tables that are there afterwards."""

    def fingerprint(self) -> dict[str, str]:
        """Return the sha256 of every file that it and its parts read, by what the file is called."""
        return fingerprint(self)

    def tables(self) -> frozenset[str]:
        """Return which names are of tables: those are saved always, and never named in `save`."""
        return frozenset()

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of the images afterwards, of images in `bands`; a source is given None.

        Raises
        ------
        InputError
            Where it makes no images of such bands.
        """
        return bands

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return what of its settings does not fit images of `bands`, before any work starts.

        Pairs of the key below the stage's own, such as `("psf", )`, and a sentence. A source is given
        its own bands.
        """
        return ()

    def pixels(self) -> int:
        """Return how many pixels a source's sample has at least, all bands together; 0: not known."""
        return 0

    def pixels_kept(self, pixels: int) -> int:
        """Return how many of a sample's `pixels` on disk are numbers that do not compress, at least."""
        return pixels

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card; empty for none."""
        return ""

    def notices(self, tables: Mapping[str, Table]) -> list[str]:
        """Return sentences on what was built, from the dataset's tables, for the log and the card."""
        return []

    def card_sections(
        self, tables: Mapping[str, Table], attributes: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """Return sections of the dataset's card, Markdown with their headings: (in full, in few words)."""
        return []

    def model_cards(self) -> dict[str, str]:
        """Return the networks it uses and their cards, Markdown."""
        return {}

    @abstractmethod
    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch after this step; draws only from `stream`."""


def is_source(kind: type[Stage]) -> bool:
    """Whether a recipe can start with a stage of this class: one that reads nothing."""
    return kind.reads is Stage.reads
