"""What paints windows of a degraded field: a block's light, noise, variance and mask by its place alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.commands.degrade_noise import BandNoise
from mockforge.mosaic.read import Mosaic
from mockforge.observe.degrade.blocks import Blocks
from mockforge.observe.degrade.degrader import Degrader, Grid
from mockforge.observe.degrade.labels import MASKED
from mockforge.observe.degrade.optics import DegradationSetup, Telescope, about_of, fwhm_of
from mockforge.observe.psf.models import gaussian
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade

_STRIP = 256
"""Rows."""


@dataclass(frozen=True)
class DegradedWindows:
    """Paints windows of the field that another telescope would have taken. It can be sent to processes."""

    mosaic: Mosaic
    stage: Degrade
    stream: Stream
    blocks: Blocks
    noise: tuple[BandNoise, ...]
    """Of each band of the target."""
    fwhm_factor: float
    planes: tuple[str, ...]
    """"image", "variance" and "mask", of a noiseless input "truth"."""

    def __getstate__(self) -> dict[str, Any]:
        return {field.name: getattr(self, field.name) for field in fields(self)}

    def __call__(self, y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
        """Return the planes of a window of coarse pixels, each (band, y, x)."""
        side, out = self.blocks.side, {}
        for top in range(y0 // side * side, y1, side):
            for left in range(x0 // side * side, x1, side):
                place = (max(y0, top), min(y1, top + side), max(x0, left), min(x1, left + side))
                to = np.s_[:, place[0] - y0 : place[1] - y0, place[2] - x0 : place[3] - x0]
                at = np.s_[:, place[0] - top : place[1] - top, place[2] - left : place[3] - left]
                for name, values in self._block(top, left).items():
                    whole = out.setdefault(
                        name, np.empty((len(values), y1 - y0, x1 - x0), dtype=values.dtype)
                    )
                    whole[to] = values[at]
        return out

    def _block(self, y: int, x: int) -> dict[str, np.ndarray]:
        """Return the planes of the block whose first pixel is (y, x)."""
        patch, mirrored = self.blocks.at(y, x), self.stage.edge == "mirror"
        mask = patch.read(self._mask, mirrored)
        plane = "truth" if self.stage.input == "truth" else "image"
        flux = patch.read(lambda *window: self.mosaic.read(*window, plane=plane), mirrored)
        if plane == "truth":  # what the image hides is known of the noiseless one, but for what has no value
            unknown = ~np.isfinite(flux).all(axis=0)
            mask |= unknown
            flux[:, unknown] = 0.0
        else:
            flux[:, mask] = 0.0
        clean = self._telescope.moved(patch.start).image(flux[None])[0]
        del flux
        image, variance = np.empty_like(clean), np.empty_like(clean)
        for c, noise in enumerate(self.noise):
            image[c], variance[c] = noise.added(clean[c], y, x, self.stream.child("by_place", c))
        seen = {"image": image, "truth": clean, "variance": variance, "mask": self._masked(mask, patch.start)}
        return {name: seen[name] for name in self.planes}

    def _mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which fine pixels must not be used, (y, x) bool: by strips, for the memory of all bands."""
        strips = range(y0, y1, _STRIP)
        return np.concatenate([self.mosaic.mask(y, min(y + _STRIP, y1), x0, x1) for y in strips])

    def _masked(self, mask: np.ndarray, start: tuple[float, float]) -> np.ndarray:
        """Return the coarse pixels that see masked ones through the broadest PSF, (1, h, w) uint8."""
        shape, step = self.blocks.block_grid.shape, self.blocks.grid.step
        if not mask.any():
            return np.zeros((1, *shape), dtype=np.uint8)
        part = self._spread.moved(start)(mask[None].astype(np.float32))
        return (part > MASKED * step**2).astype(np.uint8)

    @cached_property
    def _about(self) -> DegradationSetup:
        return setup_of(self.stage, self.mosaic)

    @cached_property
    def _telescope(self) -> Telescope:
        return telescope_of(self.stage, self._about, self.blocks, self.fwhm_factor)

    @cached_property
    def _spread(self) -> Degrader:
        fine = self._about.fine
        sharp, wide = gaussian(1e-3 * fine), gaussian(max(map(fwhm_of, self._about.wanted)))
        grid, mirrored = self.blocks.block_grid, self.stage.edge == "mirror"
        return Degrader(self.blocks.patch, grid, fine, [sharp], [wide], mirrored=mirrored, around=False)


def setup_of(stage: Degrade, mosaic: Mosaic) -> DegradationSetup:
    """Return bands, grids and PSFs of a field on disk; InputError as `about_of`."""
    nothing = np.broadcast_to(np.float32(0), (1, *mosaic.shape))  # its shape alone
    known: dict[str, Any] = {
        "bands": mosaic.bands,
        "pixel_scale_arcsec": mosaic.pixel_scale_arcsec,
        "psf_fwhm_arcsec": mosaic.psf_fwhm_arcsec,
    }
    sample = np.zeros(1, dtype=np.int64)
    batch = Batch(sample, sample, np.array(["train"]), arrays={stage.input: nothing}, attributes=known)
    return about_of(stage, batch)


def telescope_of(stage: Degrade, about: DegradationSetup, blocks: Blocks, factor: float) -> Telescope:
    """Return the change of a block's patch, in float64; `Telescope.moved` sets where its pixels begin."""
    grid: Grid = blocks.block_grid
    return Telescope(stage, about, blocks.patch, grid, factor, around=False, precise=True)
