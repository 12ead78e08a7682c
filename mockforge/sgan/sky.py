"""Sky: an endless, random-access field painted by a trained SGAN."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch

from mockforge.field import Field, tan_wcs
from mockforge.plane import NoisePlane, ends
from mockforge.rng import Stream
from mockforge.sgan.forge import CELL
from mockforge.sgan.model import Model, load_model

TILE = 128
"""Side in pixels of the canonical tiles a sky is computed in."""


class Sky:
    """An endless field: `sky[y0:y1, x0:x1]` is a Field of observed pixels in nJy.

    Any window, in any order, from any process, has the same pixels to the last bit on one kind
    of device: the sky is computed in canonical tiles of one shape, and every random number
    belongs to a position. Coordinates may be negative. Where the network paints the noiseless
    sky, the Field's `truth` holds it.

    `model` is a bundled model's name, a path, or a Model; `seed` chooses one of endless skies.
    """

    def __init__(
        self, model: str | Path | Model, seed: int = 0, device: str = "cpu", kept_tiles: int = 64
    ) -> None:
        self.model = model if isinstance(model, Model) else load_model(model)
        self.seed, self.device, self.kept_tiles = seed, torch.device(device), kept_tiles
        self.painter = self.model.painter()
        self.painter.generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.painter.to(self.device)
        stream = Stream(seed, ("sky",))
        cells, bands = TILE // CELL, len(self.model.bands)
        self._z = NoisePlane(stream.child("z"), self.painter.generator.z_channels, cells)
        self._white = NoisePlane(stream.child("noise"), bands, TILE)
        self._shot = NoisePlane(stream.child("shot"), bands, TILE)
        self._tiles: OrderedDict[tuple[int, int], tuple[np.ndarray, np.ndarray | None]] = OrderedDict()

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """The Field of a window `[y0:y1, x0:x1]`, both ends given, no step.

        Its WCS, where the pixel scale is known, is one tangent plane for the whole sky.
        """
        y0, y1, x0, x1 = ends(window)
        image, truth = self.pixels(y0, y1, x0, x1)
        return self._field(image, truth, y0, x0)

    def pixels(self, y0: int, y1: int, x0: int, x1: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Observed and noiseless pixels (None where not known) of a window, (band, y, x) in nJy."""
        bands = len(self.model.bands)
        image = np.empty((bands, y1 - y0, x1 - x0), dtype=np.float32)
        truth = np.empty_like(image) if self.painter.clean else None
        for ty in range(y0 // TILE, (y1 - 1) // TILE + 1):
            for tx in range(x0 // TILE, (x1 - 1) // TILE + 1):
                tile, clean = self._tile(ty, tx)
                top, bottom = max(y0, ty * TILE), min(y1, (ty + 1) * TILE)
                left, right = max(x0, tx * TILE), min(x1, (tx + 1) * TILE)
                there = np.s_[:, top - y0 : bottom - y0, left - x0 : right - x0]
                here = np.s_[:, top - ty * TILE : bottom - ty * TILE, left - tx * TILE : right - tx * TILE]
                image[there] = tile[here]
                if truth is not None and clean is not None:
                    truth[there] = clean[here]
        return image, truth

    def _field(self, image: np.ndarray, truth: np.ndarray | None, y0: int, x0: int) -> Field:
        model = self.model
        header = {
            "MFMODEL": (model.name[:60], "mockforge model that painted the field"),
            "MFSHA256": (model.sha256, "sha256 of its weights"),
            "MFSEED": (self.seed, "seed of the sky"),
            "MFY0": (y0, "first row of the window in the sky"),
            "MFX0": (x0, "first column of the window in the sky"),
        }
        wcs = None
        if model.pixel_scale_arcsec:
            wcs = tan_wcs(image.shape, model.pixel_scale_arcsec, reference=(-x0, -y0))
        return Field(
            image=image,
            bands=model.bands,
            pixel_scale_arcsec=model.pixel_scale_arcsec,
            psf_fwhm_arcsec=model.psf_fwhm_arcsec,
            truth=truth,
            wcs=wcs,
            header=header,
        )

    def _tile(self, ty: int, tx: int) -> tuple[np.ndarray, np.ndarray | None]:
        """Observed and noiseless pixels of a canonical tile, (band, TILE, TILE)."""
        if (ty, tx) in self._tiles:
            self._tiles.move_to_end((ty, tx))
            return self._tiles[ty, tx]
        made = self._paint(ty, tx)
        if self.kept_tiles:
            self._tiles[ty, tx] = made
            if len(self._tiles) > self.kept_tiles:
                self._tiles.popitem(last=False)
        return made

    @torch.no_grad()
    def _paint(self, ty: int, tx: int) -> tuple[np.ndarray, np.ndarray | None]:
        painter, cells = self.painter, TILE // CELL
        # The PSF needs `reach` pixels on each side: start that many whole cells earlier.
        before = painter.generator.halo + -(-painter.reach // CELL)
        spare = -painter.reach % CELL
        side = painter.cells(TILE + spare)
        z = self._z.window(
            ty * cells - before, ty * cells - before + side, tx * cells - before, tx * cells - before + side
        )
        shaped = torch.from_numpy(z)[None].to(self.device, memory_format=torch.channels_last)
        flux = painter.flux(shaped, TILE + spare)[..., spare:, spare:]
        if not painter.clean:
            return flux[0].cpu().numpy(), None
        r = self.model.instrument.noise_radius
        y, x = ty * TILE, tx * TILE
        white = self._noise(self._white, y - r, y + TILE + r, x - r, x + TILE + r)
        shot = (
            self._noise(self._shot, y, y + TILE, x, x + TILE)
            if self.model.instrument.electrons_per_njy
            else None
        )
        seen = painter.optics.observe(flux, white, shot)
        return seen[0].cpu().numpy(), flux[0].cpu().numpy()

    def _noise(self, plane: NoisePlane, y0: int, y1: int, x0: int, x1: int) -> torch.Tensor:
        return torch.from_numpy(plane.window(y0, y1, x0, x1))[None].to(self.device)
