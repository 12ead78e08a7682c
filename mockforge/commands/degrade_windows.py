"""What paints windows of a degraded field: a block's light, noise, variance and mask by its place alone."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.commands.degrade_noise import BandNoise
from mockforge.mosaic.read import Mosaic
from mockforge.observe.degrade.blocks import Blocks, Patch, faded
from mockforge.observe.degrade.degrader import Degrader, Grid
from mockforge.observe.degrade.labels import MASKED
from mockforge.observe.degrade.optics import DegradationSetup, Telescope, about_of, fwhm_of
from mockforge.observe.degrade.wcs_blocks import Target, TargetBlocks, TargetTelescope
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
    target: Target | None = None
    """The pixels of another file onto which; None: those of `blocks`."""

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
        clean, mask = self._through_wcs(y, x) if self.target is not None else self._through(y, x)
        image, variance = np.empty_like(clean), np.empty_like(clean)
        for c, noise in enumerate(self.noise):
            image[c], variance[c] = noise.added(clean[c], y, x, self.stream.child("by_place", c))
        seen = {"image": image, "truth": clean, "variance": variance}
        if self.target is not None:
            for values in seen.values():
                values[:, mask[0] > 0] = 0.0
        return {name: (seen | {"mask": mask})[name] for name in self.planes}

    def _through(self, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the light (C,h,w) of a block and its mask (1,h,w) uint8."""
        patch = self.blocks.at(y, x)
        flux, mask = self._read(patch)
        clean = self._telescope.moved(patch.start).image(flux[None])[0]
        if not mask.any():
            return clean, np.zeros((1, *clean.shape[1:]), dtype=np.uint8)
        part = self._spread.moved(patch.start)(mask[None].astype(np.float32))
        return clean, (part > MASKED * self.blocks.grid.step**2).astype(np.uint8)

    def _through_wcs(self, y: int, x: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the same of a block of another file's pixels."""
        telescope, blocks = self._onto
        seen = blocks.at(y, x)
        if seen is None:
            dark = np.zeros((len(self.noise), self.blocks.side, self.blocks.side), dtype=np.float32)
            return dark, telescope.mask(np.zeros((1, 1), dtype=bool), None)
        flux, mask = self._read(seen.patch)
        return telescope.image(flux, seen), telescope.mask(mask, seen)

    def _read(self, patch: Patch) -> tuple[np.ndarray, np.ndarray]:
        """Return the light (C,H,W) of a patch, and which of its pixels have no value."""
        mirrored = self.stage.edge == "mirror"
        mask = patch.read(self._mask, mirrored)
        if self.stage.input == "truth":  # what the image hides is known of it, but for what has no value
            flux = patch.read(lambda *window: self.mosaic.read(*window, plane="truth"), mirrored)
            unknown = ~np.isfinite(flux).all(axis=0)
            mask |= unknown
            flux[:, unknown] = 0.0
        else:
            flux = patch.read(self.mosaic.read, mirrored)
            flux[:, mask] = 0.0
        return faded(flux), mask

    def _mask(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which fine pixels must not be used, (y, x) bool: by strips, for the memory of all bands."""
        strips = range(y0, y1, _STRIP)
        return np.concatenate([self.mosaic.mask(y, min(y + _STRIP, y1), x0, x1) for y in strips])

    @cached_property
    def _about(self) -> DegradationSetup:
        return setup_of(self.stage, self.mosaic)

    @cached_property
    def _onto(self) -> tuple[TargetTelescope, TargetBlocks]:
        assert self.target is not None
        blocks = TargetBlocks(self.target, self.blocks.side, self.blocks.margin)
        return TargetTelescope(self.stage, self._about, blocks, self.fwhm_factor), blocks

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
