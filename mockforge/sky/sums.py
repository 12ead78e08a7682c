"""Sums over the pixels of each object in a window: its light in the tile, and how far it is blended."""

from __future__ import annotations

import numpy as np

from mockforge.sky.layers import Layer

_PIXELS = 2**15
"""Pixels of layers of one shape that are summed together: they stay in a core's cache."""
Part = tuple[slice, slice]


class Sums:
    """Sums of s, s.s and s.t over pixels, s the light of an object and t that of all.

    Layers of one shape are summed together: most stamps of a sky are small, and alike.

    Parameters
    ----------
    count
        Objects of the window, numbered by the rows of their layers.
    every
        (H, W) float32 nJy: t, the mean of the bands of the noiseless image.
    core
        The tile, inside the window.
    """

    def __init__(self, count: int, every: np.ndarray, core: Part) -> None:
        self.every, self.core = every, core
        self._sums = np.zeros((3, count))
        self._waiting: dict[tuple[int, int], list[tuple[Layer, np.ndarray]]] = {}

    def add(self, layer: Layer) -> None:
        """Count an object's layer."""
        light = layer.own_light()
        alike = self._waiting.setdefault(light.shape, [])
        alike.append((layer, light))
        if len(alike) * light.size >= _PIXELS:
            self._count(self._waiting.pop(light.shape))

    def light(self) -> np.ndarray:
        """Return the light of each object in the tile, (n,) float64 nJy, mean of the bands."""
        return self._finished()[0]

    def blendedness(self) -> np.ndarray:
        """Return 1 - (s.s) / (s.t) of each object, (n,) float64, 0 to 1."""
        _, alone, among = self._finished()
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.clip(np.where(among > 0, 1.0 - alone / among, 0.0), 0.0, 1.0)

    def _finished(self) -> np.ndarray:
        while self._waiting:
            self._count(self._waiting.popitem()[1])
        return self._sums

    def _count(self, alike: list[tuple[Layer, np.ndarray]]) -> None:
        """Add layers of one shape to the sums."""
        double, every = np.empty((2, len(alike), *alike[0][1].shape))
        for k, (layer, own) in enumerate(alike):
            double[k], every[k] = own, self.every[layer.y, layer.x]
        rows = np.array([layer.row for layer, _ in alike])
        whole = double.sum(axis=(1, 2))
        y, x = self.core
        for k, (layer, own) in enumerate(alike):
            if (
                layer.y.start < y.start
                or layer.y.stop > y.stop
                or layer.x.start < x.start
                or layer.x.stop > x.stop
            ):
                whole[k] = own[inside((layer.y, layer.x), self.core)].sum(dtype=np.float64)
        self._sums[0, rows] = whole
        every *= double
        self._sums[2, rows] = every.sum(axis=(1, 2))
        double *= double
        self._sums[1, rows] = double.sum(axis=(1, 2))


def inside(part: Part, core: Part) -> Part:
    """Return which pixels of `part` are of `core`, counted from the first of `part`."""
    y, x = (
        slice(min(max(c.start, p.start), p.stop) - p.start, max(min(c.stop, p.stop), p.start) - p.start)
        for p, c in zip(part, core, strict=True)
    )
    return y, x
