"""The endless sky of a lattice model: observed pixels, painted in canonical tiles."""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from itertools import islice

import numpy as np
import torch

from mockforge.rng import Stream
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.networks import CELL
from mockforge.sky.plane import NoisePlane, empty_window
from mockforge.torch_state import steadily, steady
from mockforge.train.weights import check_painted

TILE = 384
"""Side in pixels of the canonical tiles a sky is computed in: smaller ones paint more border than sky."""
_STRIP = 8
"""Tiles across a strip: what a row of them shares with the next is kept."""


class LatticeTiles:
    """Observed pixels of an endless sky of one member of a lattice model.

    Any window has the same pixels to the last bit on one kind of device: tiles are of one shape, and every
    random number belongs to a place on the lattice.

    Parameters
    ----------
    model
        The model; its member `member` paints, by default one that the seed chooses.
    seed
        Chooses one of endless skies.
    device
        Where the network runs.
    kept
        Tiles kept in memory.
    """

    @steadily()
    def __init__(
        self, model: LatticeModel, seed: int, device: torch.device, member: int | None = None, kept: int = 16
    ) -> None:
        self.model, self.device, self.kept = model, device, kept
        stream = Stream(seed, ("sky",))
        drawn = int(stream.child("member").numpy().integers(model.n_members))
        self.member = drawn if member is None else member
        self.painter = model.painter(self.member)
        self.painter.generator.eval().requires_grad_(False).to(memory_format=torch.channels_last)
        self.painter.to(device)
        cells, around = TILE // CELL, 2 * math.ceil(self.painter.generator.halo * CELL / TILE)
        self._z = NoisePlane(
            stream.child("z"), model.network.z_channels, cells, (1 + around) * (_STRIP + around)
        )
        self._tiles: OrderedDict[tuple[int, int], np.ndarray] = OrderedDict()

    def pixels(
        self, y0: int, y1: int, x0: int, x1: int, advance: Callable[[int], None] | None = None
    ) -> np.ndarray:
        """Paint a window [y0:y1, x0:x1] of the sky: (band, y, x) float32 nJy, observed.

        `advance` is called with the number of pixels done since the last call.
        """
        image = empty_window(len(self.model.bands), y0, y1, x0, x1)
        for (ty, tx), tile in self._painted(_tiles(y0, y1, x0, x1)):
            top, bottom = max(y0, ty * TILE), min(y1, (ty + 1) * TILE)
            left, right = max(x0, tx * TILE), min(x1, (tx + 1) * TILE)
            in_tile = np.s_[:, top - ty * TILE : bottom - ty * TILE, left - tx * TILE : right - tx * TILE]
            image[:, top - y0 : bottom - y0, left - x0 : right - x0] = tile[in_tile]
            if advance is not None:
                advance((bottom - top) * (right - left))
        return image

    def _painted(self, tiles: Iterable[tuple[int, int]]) -> Iterator[tuple[tuple[int, int], np.ndarray]]:
        """Canonical tiles and their pixels, (band, TILE, TILE).

        On a CPU one thread paints a tile, and as many tiles are painted at once as torch has threads.
        """
        painters = torch.get_num_threads() if self.device.type == "cpu" else 1
        tiles = iter(tiles)
        while group := list(islice(tiles, painters)):
            pixels = {tile: self._tiles[tile] for tile in group if tile in self._tiles}
            missing = [tile for tile in group if tile not in pixels]
            with steady():
                drawn = [self._cells(*tile, painters) for tile in missing]
                with full_precision(self.device), ThreadPoolExecutor(painters) as pool:
                    new = pool.map(self._paint, drawn) if len(drawn) > 1 else map(self._paint, drawn)
                    pixels |= dict(zip(missing, new, strict=True))
            for tile in group:
                self._tiles[tile] = pixels[tile]
                self._tiles.move_to_end(tile)
                while len(self._tiles) > self.kept:
                    self._tiles.popitem(last=False)
                yield tile, pixels[tile]

    def _cells(self, ty: int, tx: int, threads: int) -> torch.Tensor:
        """z of a canonical tile and of the cells about it, (1, z_channels, side, side)."""
        halo = self.painter.generator.halo
        side = self.painter.span(halo * CELL, TILE)
        y, x = ty * TILE // CELL - halo, tx * TILE // CELL - halo
        z = self._z.window(y, y + side, x, x + side, threads)
        return torch.from_numpy(z)[None].to(self.device, memory_format=torch.channels_last)

    @torch.no_grad()
    def _paint(self, z: torch.Tensor) -> np.ndarray:
        with full_precision(self.device):
            flux = self.painter.window(z, self.painter.generator.halo * CELL, TILE)
        check_painted(flux, self.model.name)
        return flux[0].contiguous().cpu().numpy()


@contextmanager
def full_precision(device: torch.device) -> Iterator[None]:
    """Convolutions in float32, whatever autocast and torch.backends say outside.

    bfloat16 would round every flux to 1 part in 256, and TF32, in which cuDNN convolves float32
    by default, to 1 part in 2048. The flags are the process's: they are as they were
    when the context ends.
    """
    with ExitStack() as after:
        for backend in (torch.backends.cudnn.conv, torch.backends.mkldnn.conv):  # type: ignore[attr-defined]
            after.callback(setattr, backend, "fp32_precision", backend.fp32_precision)
            backend.fp32_precision = "ieee"
        after.enter_context(torch.autocast(device.type, enabled=False))
        yield


def _tiles(y0: int, y1: int, x0: int, x1: int) -> Iterator[tuple[int, int]]:
    """Yield the canonical tiles of a window, in strips so narrow that the numbers they share are kept."""
    last = (x1 - 1) // TILE + 1
    for left in range(x0 // TILE, last, _STRIP):
        for ty in range(y0 // TILE, (y1 - 1) // TILE + 1):
            for tx in range(left, min(left + _STRIP, last)):
                yield ty, tx
