"""Sky: an endless, random-access field painted by a trained SGAN."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import torch

from mockforge.field.field import Field
from mockforge.rng import Stream
from mockforge.sgan.lattice.instrument import full_precision
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.networks.forge import CELL
from mockforge.sgan.paint.asked import Asked
from mockforge.sgan.paint.blur import Blur
from mockforge.sgan.paint.control import Control, RmsMap, control, depths_ab
from mockforge.sgan.paint.density_plane import DensityPlane
from mockforge.sgan.painter import Painter
from mockforge.sky.place import place_cards, sky_wcs
from mockforge.sky.plane import NoisePlane, empty_window, ends
from mockforge.torch_state import steadily, steady
from mockforge.train.parallel import usable
from mockforge.train.weights import check_painted

TILE = 384
"""Side in pixels of the canonical tiles a sky is computed in: smaller ones paint more border than sky."""
_STRIP = 8
"""Tiles across a strip: what a row of them shares with the next is kept."""
_NOISE_BLOCK = 64
"""Side in pixels of the blocks of noise: a tile draws little beyond its own."""
_BLUR_CELLS = 4
"""Cells beyond the halo from which the PSF and an added blur bring light."""
_FARTHEST = 2**20
"""Pixels within which the place of a sky on the field's map of the rms is drawn."""


Tile = tuple[np.ndarray, np.ndarray | None]
"""Observed and noiseless pixels (None where not known) of a canonical tile, (band, TILE, TILE)."""


@dataclass(frozen=True)
class _TileNumbers:
    """The random numbers of a canonical tile."""

    z: torch.Tensor
    """(1, z_channels, side, side), the density behind the random numbers."""
    first: int
    """The first pixel of z's area that is painted."""
    size: int
    """Side of what is painted."""
    white: np.ndarray | None = None
    """(band, side, side) of the noise."""
    shot: np.ndarray | None = None
    """(band, TILE, TILE)"""
    level: np.ndarray | None = None
    """(band, TILE, TILE) rms over the bands' own."""


class Sky:
    """An endless field: `sky[y0:y1, x0:x1]` is a Field of observed pixels in nJy.

    Any window, in any order, from any process, has the same pixels to the last bit on one kind
    of device: the sky is computed in canonical tiles of one shape, and every random number
    belongs to a position. Coordinates may be negative. Where the network paints the noiseless
    sky, the Field's `truth` holds it.

    Parameters
    ----------
    model
        A bundled model's name, a path, or a SganModel.
    seed
        Chooses one of endless skies.
    device
        Where the network runs: cpu, cuda, cuda:1, ... or auto.
    kept_tiles
        Tiles kept in memory.
    depth, seeing, density, rms
        As `mockforge.sgan.paint.control.control` takes them: AB magnitudes of a point source at 5 sigma,
        FWHM in arcsec, a factor on the mean number of sources, nJy. Without them the sky is as deep, as
        blurred and as crowded, place by place, as the field was.
    member
        0, 1, ...: one of the model's ensemble; by default the seed chooses.
    """

    @steadily()
    def __init__(
        self,
        model: str | Path | SganModel,
        seed: int = 0,
        device: str = "cpu",
        kept_tiles: int = 16,
        *,
        depth: Asked | None = None,
        seeing: Asked | None = None,
        density: float | None = None,
        member: int | None = None,
        rms: float | Mapping[str, float] | RmsMap | None = None,
    ) -> None:
        self.model = model if isinstance(model, SganModel) else load_model(model)
        self.seed, self.device, self.kept_tiles = seed, usable(device), kept_tiles
        controls = control(self.model, depth=depth, seeing=seeing, density=density, rms=rms)
        stream = Stream(seed, ("sky",))
        self._painters: dict[int, Painter] = {}
        drawn = int(stream.child("member").numpy().integers(self.model.n_members))
        self._paint_by(drawn if member is None else member)
        cells, bands = TILE // CELL, len(self.model.bands)
        crowded = self.model.density
        channels = self.painter.generator.z_channels - (crowded is not None)
        far = self.painter.generator.halo + _BLUR_CELLS
        self._z = NoisePlane(stream.child("z"), channels, cells, _kept(1, far / cells))
        self._density = None if crowded is None else DensityPlane(stream.child("density"), crowded)
        blocks, far = TILE // _NOISE_BLOCK, self.model.instrument.noise_radius
        self._white = NoisePlane(
            stream.child("noise"), bands, _NOISE_BLOCK, _kept(blocks, far / _NOISE_BLOCK)
        )
        self._shot = NoisePlane(stream.child("shot"), bands, _NOISE_BLOCK, 0)  # a tile's own, no other's
        self._follow(controls)

    def __repr__(self) -> str:
        model, rms = self.model, self.control.instrument.rms_njy
        deep = ", ".join(f"{b} {r:.3g}" for b, r in zip(model.bands, rms, strict=True))
        scale = f', {model.pixel_scale_arcsec:g}" per pixel' if model.pixel_scale_arcsec else ""
        return (
            f"<mockforge.Sky, model {model.name!r}, seed {self.seed}: endless painted sky in "
            f"{', '.join(model.bands)}{scale}\n"
            f" sky rms {deep} nJy, member {self.member} of {model.n_members}; sky[y0:y1, x0:x1] is a Field>"
        )

    def _follow(self, controls: Control) -> None:
        """Be what `controls` say from now on."""
        self.control = controls
        self._optics = controls.instrument.tensors(self.device)
        self._blur = Blur(controls.blur, self.device) if controls.blur else None
        self._offset = (0, 0)
        if controls.place_drawn and controls.instrument.rms_map:
            drawn = Stream(self.seed, ("sky", "rms")).numpy()
            self._offset = (int(drawn.integers(_FARTHEST)), int(drawn.integers(_FARTHEST)))
        self._tiles: OrderedDict[tuple[int, int], Tile] = OrderedDict()

    def _paint_by(self, member: int) -> None:
        """Let a member of the ensemble paint."""
        if member not in self._painters:
            painter = self.model.painter(member)
            painter.generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)
            painter.to(self.device)
            self._painters[member] = painter
        self.member, self.painter = member, self._painters[member]

    @steadily()
    def seen(self, controls: Control, member: int | None = None) -> Sky:
        """Return this sky, its random numbers and networks, observed in another way.

        Parameters
        ----------
        controls : Control
            Noise, PSF and density, as `mockforge.sgan.paint.control.control` gives them.
        member : int, optional
            Of the ensemble, which paints; by default the same.

        Returns
        -------
        Sky
            It shares the networks' weights with this one.
        """
        other = copy(self)
        other._follow(controls)
        other._paint_by(self.member if member is None else member)
        return other

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return the Field of a window `[y0:y1, x0:x1]`, both ends given, no step.

        Its WCS, where the pixel scale is known, is one tangent plane for the whole sky.

        Raises
        ------
        InputError
            Where the window is none, is empty, lies beyond 2^40 pixels or does not fit in memory.
        """
        return self.field(*ends(window))

    def field(
        self, y0: int, y1: int, x0: int, x1: int, advance: Callable[[int], None] | None = None
    ) -> Field:
        """Return the Field of a window [y0:y1, x0:x1].

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        advance : callable, optional
            Called with the number of pixels done since the last call.

        Returns
        -------
        Field
            Observed pixels in nJy, and `truth` where the network paints the noiseless sky.
        """
        image, truth = self.pixels(y0, y1, x0, x1, advance)
        return self._field(image, truth, y0, x0)

    def pixels(
        self, y0: int, y1: int, x0: int, x1: int, advance: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Paint a window [y0:y1, x0:x1].

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        advance : callable, optional
            Called with the number of pixels done since the last call.

        Returns
        -------
        image : ndarray
            (band, y, x) float32 nJy, observed.
        truth : ndarray or None
            The same without noise; None where the network paints observed pixels.
        """
        bands = len(self.model.bands)
        image = empty_window(bands, y0, y1, x0, x1)
        truth = np.empty_like(image) if self.painter.clean else None
        for (ty, tx), (tile, clean) in self._painted(_tiles(y0, y1, x0, x1)):
            top, bottom = max(y0, ty * TILE), min(y1, (ty + 1) * TILE)
            left, right = max(x0, tx * TILE), min(x1, (tx + 1) * TILE)
            in_window = np.s_[:, top - y0 : bottom - y0, left - x0 : right - x0]
            in_tile = np.s_[:, top - ty * TILE : bottom - ty * TILE, left - tx * TILE : right - tx * TILE]
            image[in_window] = tile[in_tile]
            if truth is not None and clean is not None:
                truth[in_window] = clean[in_tile]
            if advance is not None:
                advance((bottom - top) * (right - left))
        return image, truth

    def rms(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the rms of the noise of empty sky in a window, (band, y, x) float32 in nJy.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        """
        instrument = self.control.instrument
        return np.asarray(instrument.rms_njy, dtype=np.float32)[:, None, None] * self._level(y0, y1, x0, x1)

    def _field(self, image: np.ndarray, truth: np.ndarray | None, y0: int, x0: int) -> Field:
        model = self.model
        header = {
            "MFMODEL": (model.name, "mockforge model that painted the field"),
            "MFSHA256": (model.sha256, "sha256 of its weights"),
            "MFMEMBER": (self.member, "member of its ensemble"),
            **place_cards(self.seed, y0, x0),
            **self._noise_cards(),
        }
        wcs = None
        if model.pixel_scale_arcsec:
            wcs = sky_wcs(image.shape, model.pixel_scale_arcsec, y0, x0)
        return Field(
            image=image,
            bands=model.bands,
            pixel_scale_arcsec=model.pixel_scale_arcsec,
            psf_fwhm_arcsec=self.control.psf_fwhm_arcsec,
            truth=truth,
            wcs=wcs,
            header=header,
        )

    def _noise_cards(self) -> dict[str, tuple[float, str]]:
        """FITS cards of each band's noise, by its number."""
        if not self.model.clean:
            return {}
        out = {}
        depths = depths_ab(self.model, self.control) or (math.nan,) * len(self.model.bands)
        for i, (rms, depth) in enumerate(zip(self.control.instrument.rms_njy, depths, strict=True), 1):
            out[f"MFRMS{i}"] = (rms, f"[nJy] rms of the sky in band {i}")
            if math.isfinite(depth):
                out[f"MFDEPTH{i}"] = (depth, f"[mag] 5 sigma AB, point source, band {i}")
        return out

    def _painted(self, tiles: Iterable[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], Tile]]:
        """Canonical tiles and their observed and noiseless pixels, (band, TILE, TILE).

        On a CPU one thread paints a tile, and as many tiles are painted at once as torch has threads.
        """
        painters = torch.get_num_threads() if self.device.type == "cpu" else 1
        tiles = iter(tiles)
        while group := list(islice(tiles, painters)):
            pixels = {tile: self._tiles[tile] for tile in group if tile in self._tiles}
            missing = [tile for tile in group if tile not in pixels]
            with steady():
                drawn = [self._drawn(*tile, painters) for tile in missing]
                with full_precision(self._optics.rms), ThreadPoolExecutor(painters) as pool:
                    new = pool.map(self._paint, drawn) if len(drawn) > 1 else map(self._paint, drawn)
                    pixels |= dict(zip(missing, new, strict=True))
            for tile in group:
                self._keep(tile, pixels[tile])
                yield tile, pixels[tile]

    def _keep(self, tile: tuple[int, int], pixels: Tile) -> None:
        self._tiles[tile] = pixels
        self._tiles.move_to_end(tile)
        while len(self._tiles) > self.kept_tiles:
            self._tiles.popitem(last=False)

    def _drawn(self, ty: int, tx: int, threads: int) -> _TileNumbers:
        """Return the random numbers of a canonical tile."""
        painter, instrument, y, x = self.painter, self.control.instrument, ty * TILE, tx * TILE
        # The network, the PSF and the added blur need pixels on each side: begin with the cell that
        # holds the first of them.
        around = painter.reach + self.control.radius
        before = -(-(painter.generator.lost + around) // CELL)
        first, size = before * CELL - around, TILE + 2 * self.control.radius
        top, left, side = y // CELL - before, x // CELL - before, painter.span(first, size)
        z = self._cells(top, left, side, threads)
        if not painter.clean:
            return _TileNumbers(z, first, size)
        r = instrument.noise_radius
        white = self._white.window(y - r, y + TILE + r, x - r, x + TILE + r, threads)
        shot = self._shot.window(y, y + TILE, x, x + TILE, threads) if instrument.electrons_per_njy else None
        level = self._level(y, y + TILE, x, x + TILE) if instrument.rms_map else None
        return _TileNumbers(z, first, size, white, shot, level)

    def _cells(self, y: int, x: int, side: int, threads: int = 1) -> torch.Tensor:
        """z of a window of cells, (1, z_channels, side, side), the density behind the random numbers."""
        z = self._z.window(y, y + side, x, x + side, threads)
        if self._density is not None:
            condition = self.control.condition
            crowded = np.full((1, side, side), condition, dtype=np.float32)
            if condition is None:
                crowded = self._density.window(y, y + side, x, x + side)
            z = np.concatenate([z, crowded])
        return torch.from_numpy(z)[None].to(self.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def _paint(self, drawn: _TileNumbers) -> Tile:
        """Observed and noiseless pixels of a tile."""
        with full_precision(drawn.z):
            flux = self.painter.window(drawn.z, drawn.first, drawn.size)
        check_painted(flux, self.model.name)
        if not self.painter.clean:
            return flux[0].cpu().numpy(), None
        if self._blur is not None:
            flux = self._blur(flux)
        flux = flux.contiguous()  # band by band, as the noise is and the field shall be
        white, shot, level = (
            None if v is None else torch.from_numpy(v)[None].to(self.device)
            for v in (drawn.white, drawn.shot, drawn.level)
        )
        assert white is not None
        observed = self._optics.observe(flux, white, shot, level)
        return observed[0].cpu().numpy(), flux[0].cpu().numpy()

    def _level(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Rms over the bands' own in a window, (band, y, x), from where the sky lies on the map."""
        y, x = self._offset
        return self.control.instrument.rms_at(y0 + y, y1 + y, x0 + x, x1 + x)


def _kept(across: int, far: float) -> int:
    """Blocks that a row of tiles in a strip needs, `across` a tile on a side and `far` beyond each end."""
    around = 2 * math.ceil(far)
    return (across + around) * (across * _STRIP + around)


def _tiles(y0: int, y1: int, x0: int, x1: int) -> Iterator[tuple[int, int]]:
    """Yield the canonical tiles of a window, in strips so narrow that the noise they share is kept."""
    last = (x1 - 1) // TILE + 1
    for left in range(x0 // TILE, last, _STRIP):
        for ty in range(y0 // TILE, (y1 - 1) // TILE + 1):
            for tx in range(left, min(left + _STRIP, last)):
                yield ty, tx
