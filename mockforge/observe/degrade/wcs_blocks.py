"""Blocks of the pixels of another file, each of the fine pixels around it alone.

As `mockforge.observe.degrade.wcs` of a whole image: the change of PSF and pixel on the image's own pixels,
read at the centres of the target's by quintic splines.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.wcs import pixels_of_sky, sky_of_pixels
from mockforge.observe.degrade.blocks import Patch
from mockforge.observe.degrade.degrader import Degrader, Grid, scaled
from mockforge.observe.degrade.labels import MASKED
from mockforge.observe.degrade.optics import DegradationSetup, fwhm_of
from mockforge.observe.degrade.spec import Degradation
from mockforge.observe.degrade.wcs import sides_of, target_of, with_target_pixel
from mockforge.observe.psf.models import gaussian

_RIM = 32
"""Fine pixels around what is read: a quintic spline has forgotten its end to 1e-11."""
_SPARE = 1.05
"""Times a block's size in its middle: pixels of a projection differ in size."""
_LOOKED_AT = 2048
"""Pixels along a side of the target, at most, of which it is asked whether they lie on the image."""


@dataclass(frozen=True)
class Target:
    """The pixels of another file on a fine image."""

    path: Path
    wcs: Any
    shape: tuple[int, int]
    own: Any
    """The fine image's WCS."""
    fine_shape: tuple[int, int]
    sides: tuple[tuple[float, float], tuple[float, float]]
    """The step along the target's x, then along its y, each (x, y) in fine pixels."""

    @classmethod
    def of(cls, path: Path, own: Any, fine_shape: tuple[int, int]) -> Target:
        """Return those of a FITS file's first image; InputError without a WCS, or none on the image."""
        if own is None:
            raise InputError(f"--wcs {path}: the image has no WCS, so that its place on the sky is not known")
        wcs, shape = target_of(path)
        (ax, ay), (bx, by) = sides_of(own, wcs, shape).tolist()
        target = cls(path, wcs, shape, own, fine_shape, ((ax, ay), (bx, by)))
        y, x = (np.unique(np.linspace(0, n - 1, min(n, _LOOKED_AT)).astype(int)) for n in shape)
        if not target.inside(*target.places(y, x)).any():
            raise InputError(
                f"{path}: none of its pixels lies on the image; do both cover the same part of the sky?"
            )
        return target

    @property
    def step(self) -> float:
        """Side of a square as large as a target's pixel, in fine pixels."""
        return math.sqrt(abs(float(np.linalg.det(np.array(self.sides)))))

    def places(self, rows: np.ndarray, columns: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return where pixels of these rows and columns lie on the image: (y, x), each (rows, columns)."""
        y, x = np.meshgrid(rows.astype(np.float64), columns.astype(np.float64), indexing="ij")
        at_x, at_y = pixels_of_sky(self.own, *sky_of_pixels(self.wcs, x, y))
        return at_y, at_x

    def inside(self, y: np.ndarray, x: np.ndarray) -> np.ndarray:
        """Whether places lie on the image."""
        height, width = self.fine_shape
        return (y > -0.5) & (y < height - 0.5) & (x > -0.5) & (x < width - 0.5)

    def reach(self, side: int) -> int:
        """Fine pixels along an axis that hold a block of `side` pixels."""
        return math.ceil(_SPARE * (side - 1) * max(sum(abs(s[i]) for s in self.sides) for i in (0, 1))) + 2


@dataclass(frozen=True)
class Seen:
    """Where a block is seen."""

    patch: Patch
    y: np.ndarray
    """Row of the middle of the patch, without its margin, at each pixel that lies on the image."""
    x: np.ndarray
    on: np.ndarray
    """Which pixels of the block do, (side, side) bool."""


@dataclass(frozen=True)
class TargetBlocks:
    """Blocks of `side` x `side` pixels of a target, and their optics."""

    target: Target
    side: int
    margin: int
    """Fine pixels."""

    def at(self, y: int, x: int) -> Seen | None:
        """Return where the block whose first pixel is (y, x) is seen; None where it is not on the image."""
        rows, columns = np.arange(y, y + self.side), np.arange(x, x + self.side)
        at = self.target.places(rows, columns)
        on = self.target.inside(*at)
        on &= (rows < self.target.shape[0])[:, None] & (columns < self.target.shape[1])
        if not on.any():
            return None
        lows, places = [], []
        for values in at:
            first, last = math.floor(values[on].min()), math.ceil(values[on].max())
            if last - first + 1 > self.inner - 2 * _RIM:
                raise InputError(
                    f"{self.target.path}: pixels near its edges are more than 5% larger than in its middle; "
                    "take a smaller file, or a projection that keeps sizes"
                )
            low = (first + last) // 2 - self.inner // 2
            lows.append(low - self.margin)
            places.append(values[on] - low)
        size = self.inner + 2 * self.margin
        patch = Patch.of((lows[0], lows[1]), (size, size), self.target.fine_shape, (0.0, 0.0))
        return Seen(patch, places[0], places[1], on)

    @property
    def inner(self) -> int:
        """Fine pixels of a patch on a side without its margin."""
        return self.target.reach(self.side) + 2 * _RIM

    def degrader(self, fine: float, old: Any, new: Any, *, mirrored: bool, precise: bool) -> Degrader:
        """Return the change of a PSF on the middle of a patch, on its own pixels."""
        size, m = self.inner + 2 * self.margin, float(self.margin)
        grid = Grid((self.inner, self.inner), 1.0, (m, m))
        how = {"mirrored": mirrored, "around": False, "precise": precise}
        return Degrader((size, size), grid, fine, [old], [new], **how)


class TargetTelescope:
    """The change of all bands onto the pixels of a target."""

    def __init__(
        self, cfg: Degradation, about: DegradationSetup, blocks: TargetBlocks, factor: float
    ) -> None:
        self._blocks, self._about, self._mirrored = blocks, about, cfg.edge == "mirror"
        self._matrix = np.eye(len(about.wanted)) if about.mixing is None else about.mixing.matrix
        self._changes: dict[tuple[int, int], Degrader] = {}
        for c, (model, row) in enumerate(zip(about.wanted, self._matrix, strict=True)):
            through = with_target_pixel(scaled(model, factor), about.fine, blocks.target.sides)
            for b in np.flatnonzero(row):
                self._changes[c, int(b)] = blocks.degrader(
                    about.fine, about.present[b], through, mirrored=self._mirrored, precise=True
                )
        every = self._changes.values()
        self.shortcomings = (
            max(float(change.amplified[0]) for change in every),
            max(float(change.misfit[0]) for change in every),
            0.0,
        )

    def image(self, flux: np.ndarray, seen: Seen) -> np.ndarray:
        """Return a patch (C,H,W) as (C',side,side); 0 where a pixel is not on the image."""
        from scipy.ndimage import map_coordinates

        step = self._blocks.target.step
        out = np.zeros((len(self._matrix), *seen.on.shape), dtype=np.float32)
        for (c, b), change in self._changes.items():
            convolved = change(flux[b][None, None])[0, 0].astype(np.float64)
            light = map_coordinates(convolved, [seen.y, seen.x], order=5, mode="reflect")
            out[c, seen.on] += self._matrix[c, b] * light * step**2
        return out

    def mask(self, mask: np.ndarray, seen: Seen | None) -> np.ndarray:
        """Return which pixels, (1,side,side) uint8, are not on the image or see masked ones of a patch."""
        from scipy.ndimage import map_coordinates

        side = self._blocks.side
        out = np.ones((1, side, side), dtype=np.uint8)
        if seen is None:
            return out
        if not mask.any():
            out[0, seen.on] = 0
            return out
        part = self._spread(mask[None, None].astype(np.float32))[0, 0] > MASKED
        out[0, seen.on] = map_coordinates(part.astype(np.uint8), [seen.y, seen.x], order=0, mode="nearest")
        return out

    @cached_property
    def _spread(self) -> Degrader:
        fine, width = self._about.fine, max(map(fwhm_of, self._about.wanted))
        sharp, wide = gaussian(1e-3 * fine), gaussian(width)
        return self._blocks.degrader(fine, sharp, wide, mirrored=self._mirrored, precise=False)
