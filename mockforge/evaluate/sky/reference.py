"""The real field that generated pixels are compared with: which part of it, and its measured sample."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.sky.sample import PERIOD, Sample, Window, measure_sample
from mockforge.field.field import Field


@dataclass(frozen=True)
class ReferencePart:
    """Which part of a real field generated pixels are compared with."""

    rows: tuple[int, int] | None = None
    """(y0, y1): the reference proper, e.g. what was held out of training; the other rows serve for the
    floor and as the field that may have been memorised. None: all."""
    masked_columns: Sequence[tuple[int, int]] = ()
    """(x0, x1): columns that are left out."""
    mask_peaks_above: float | None = None
    """Real objects with a brighter peak (nJy, or the file's unit) are masked."""

    def window(self, height: int) -> tuple[int, int]:
        """Return the rows of a field of so many; InputError where they leave it."""
        first, last = self.rows or (0, height)
        if not 0 <= first < last <= height:
            raise InputError(
                f"rows {first}:{last}: the reference has rows 0 to {height}; first < last is required"
            )
        return first, last

    def mask(self, real: Field) -> np.ndarray:
        """Return which pixels (y, x) are not used; InputError where columns leave the field."""
        mask = np.zeros(real.shape[1:], dtype=bool) if real.mask is None else real.mask.copy()
        for left, right in self.masked_columns:
            if not 0 <= left < right <= real.shape[2]:
                raise InputError(
                    f"masked columns {left}:{right}: the reference has columns 0 to {real.shape[2]}"
                )
            mask[:, left:right] = True
        return mask


@dataclass(frozen=True)
class Reference:
    """A real field, the part of it that counts, and what was measured there."""

    field: Field
    part: ReferencePart
    sample: Sample

    @classmethod
    def of(cls, real: Field, part: ReferencePart, side: int) -> Reference:
        """Measure the reference's rows, and those on either side of them, in blocks of `side` pixels."""
        first, last = part.window(real.shape[1])
        windows = [Window(0, first, last), Window(0, 0, first, False), Window(0, last, real.shape[1], False)]
        sample = measure_sample(
            [real.image], real.bands, side=side, windows=windows, masks=[part.mask(real)],
            mask_peaks_above=part.mask_peaks_above,
        )  # fmt: skip
        if not sample.reference.any():
            raise InputError(
                f"rows {first}:{last}: no unmasked block of {side} pixels fits; use more rows, smaller blocks"
            )
        return cls(real, part, sample)

    @property
    def rows(self) -> tuple[int, int]:
        """First row of the reference and one past its last."""
        return self.part.window(self.field.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width of the reference in pixels."""
        first, last = self.rows
        return last - first, self.field.shape[2]

    @property
    def zeropoint(self) -> float:
        """AB magnitude of pixel value 1; 0 where the field's unit has none."""
        return self.field.zeropoint_ab if self.field.zeropoint_ab is not None else 0.0


def block_side(wanted: int, shapes: Sequence[tuple[int, int]], offsets: np.ndarray) -> int:
    """Side of the blocks: what is requested, or what fits; a multiple of the lattice, 64 at least.

    `shapes` (y, x) are those of the reference and of the generated images. Tiles, which have `offsets`
    (n, 2), are cut into blocks that leave the least of them unused.
    """
    least = min(min(shape) for shape in shapes)
    side = min(wanted, least) // PERIOD * PERIOD
    if side < 64:
        raise InputError(
            f"blocks of {side} pixels ({wanted} requested, the smallest image or window has {least}): at "
            "least 64 x 64 pixels are needed"
        )
    if len(offsets) <= 1:
        return side
    room = least - (PERIOD - 1 if (offsets % PERIOD).any() else 0)
    return max(range(64, side + 1, PERIOD), key=lambda s: (room // s * s, s))
