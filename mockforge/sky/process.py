"""What an endless sky is made of: a marked point process, a painter, and what a user may change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

import numpy as np

from mockforge.errors import InputError


class Sources(Protocol):
    """A table of N sources: a dataclass of arrays whose first axis is N."""

    @property
    def x(self) -> np.ndarray:
        """(N,) float64: centres, pixels of the sky."""
        ...

    @property
    def y(self) -> np.ndarray:
        """(N,) float64."""
        ...

    def __len__(self) -> int: ...

    def rows(self, chosen: np.ndarray) -> Any:
        """Return those chosen, by number or by a mask."""
        ...

    @staticmethod
    def together(parts: Any) -> Any:
        """Return lists of sources one behind the other."""
        ...


S = TypeVar("S", bound=Sources)
S_co = TypeVar("S_co", bound=Sources, covariant=True)
S_contra = TypeVar("S_contra", bound=Sources, contravariant=True)


@dataclass(frozen=True)
class Level:
    """Sources that reach about as far: they belong to square blocks of the sky, on a grid of their own.

    Larger sources want larger blocks: a window looks for sources as far around as a level reaches.
    """

    block: int
    """Side of a block, pixels of the sky."""
    reach: int
    """No source of a block lies or has light farther outside it than this, pixels."""

    def __post_init__(self) -> None:
        if self.block < 1 or self.reach < 0:
            raise InputError(
                f"a level has blocks of at least 1 pixel and reaches 0 pixels or more around them, found "
                f"blocks of {self.block} and a reach of {self.reach}"
            )


class Process(Protocol[S_co]):
    """A marked point process: what sources each block of each level has; a pure function of the block."""

    @property
    def levels(self) -> Sequence[Level]:
        """The levels, in the order in which their light is added up."""
        ...

    def block(self, level: int, by: int, bx: int) -> S_co:
        """Return the sources of block (by, bx), whose first pixel is (by, bx) times its side.

        Always the same ones: every random number belongs to (seed, level, by, bx). by and bx may be
        negative.
        """
        ...


class Painter(Protocol[S_contra]):
    """Turns marks into light."""

    @property
    def bands(self) -> int:
        """How many bands a stamp has."""
        ...

    @property
    def one_by_one(self) -> bool:
        """Whether a source has the same bits whatever it is painted with."""
        ...

    def footprints(self, sources: S_contra) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return first row, first column and side of each square stamp on the sky, (N,) int64 each."""
        ...

    def paint(self, sources: S_contra, side: int | None = None) -> np.ndarray:
        """Return noiseless stamps (N, bands, side, side) float32 nJy, through the PSF, of one side all.

        `side` is that of their footprints, where it is known already. The same sources together always
        have the same bits; a stamp has all of its source's light.
        """
        ...


class Editor(Protocol[S]):
    """What a user may change of a source, and what becomes of it: the counterfactuals of a sky."""

    @property
    def columns(self) -> Mapping[str, tuple[str, str]]:
        """Columns that a table of changes may have: name -> unit ("" for none) and meaning."""
        ...

    @property
    def new(self) -> Sequence[str]:
        """Names of the columns that a new source may have."""
        ...

    @property
    def marks(self) -> Sequence[str]:
        """Names of all columns of `table`: those that are no `columns` cannot be changed."""
        ...

    def table(self, sources: S) -> Mapping[str, np.ndarray]:
        """Return what the sources are now, (N, ...) by name: a row that differs in nothing stays as it is."""
        ...

    def changed(self, sources: S, values: Mapping[str, np.ndarray]) -> S:
        """Return the sources (n,) with other marks: `values` are columns (n, ...) of those that change.

        InputError for a value that no source can have.
        """
        ...

    def added(self, values: Mapping[str, np.ndarray]) -> S:
        """Return new sources of these columns (n, ...); InputError where one that is needed is missing."""
        ...
