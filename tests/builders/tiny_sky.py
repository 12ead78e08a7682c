"""An endless sky of round Gaussians on two levels, whose stamps depend on their company in the last bits."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import ClassVar

import numpy as np

from mockforge.rng import Stream
from mockforge.sky.endless import Endless
from mockforge.sky.process import Level


@dataclass(frozen=True)
class Blobs:
    """N round Gaussians."""

    x: np.ndarray
    y: np.ndarray
    flux: np.ndarray
    """(N, 2) nJy."""
    sigma: np.ndarray
    """pixels"""

    def __len__(self) -> int:
        return len(self.x)

    def rows(self, chosen: np.ndarray) -> Blobs:
        return Blobs(**{f.name: getattr(self, f.name)[chosen] for f in fields(self)})

    @staticmethod
    def together(parts: Sequence[Blobs]) -> Blobs:
        return Blobs(**{f.name: np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Blobs)})


@dataclass(frozen=True)
class BlobProcess:
    seed: int = 0
    number: float = 6.0
    levels: tuple[Level, ...] = (Level(32, 9), Level(64, 33))

    def block(self, level: int, by: int, bx: int) -> Blobs:
        rng = Stream(self.seed, ("blobs", level, by, bx)).numpy()
        side, n = self.levels[level].block, int(rng.poisson(self.number))
        y, x = rng.uniform(-0.5, side - 0.5, (2, n))
        return Blobs(
            x=x + bx * side, y=y + by * side, flux=rng.lognormal(3.0, 1.5, (n, 2)),
            sigma=rng.uniform(0.7, 1.5, n) * (1, 3)[level],
        )  # fmt: skip


@dataclass(frozen=True)
class BlobPainter:
    bands: int = 2
    one_by_one: bool = False

    def footprints(self, sources: Blobs) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        side = np.where(sources.sigma < 1.0, 8, np.where(sources.sigma < 2.0, 16, 64)).astype(np.int64)
        return *(np.rint(v).astype(np.int64) - side // 2 for v in (sources.y, sources.x)), side

    def paint(self, sources: Blobs, side: int | None = None) -> np.ndarray:
        top, left, sides = self.footprints(sources)
        assert (sides == (sides[0] if side is None else side)).all()
        pixel, s = np.arange(sides[0]), sources.sigma[:, None]
        y, x = (
            np.exp(-0.5 * ((pixel + a[:, None] - c[:, None]) / s) ** 2) / (s * np.sqrt(2 * np.pi))
            for a, c in ((top, sources.y), (left, sources.x))
        )
        stamps = sources.flux[:, :, None, None] * (y[:, None, :, None] * x[:, None, None, :])
        # the company tells in the last bits, as it may in a library's transforms
        company = 1 if self.one_by_one else len(sources)
        return (stamps * (1.0 + 1e-7 * company)).astype(np.float32)


@dataclass(frozen=True)
class BlobEditor:
    columns: ClassVar[Mapping[str, tuple[str, str]]] = {
        "x": ("pix", ""), "y": ("pix", ""), "flux": ("nJy", ""), "flux_factor": ("", ""),
        "sigma": ("pix", ""),
    }  # fmt: skip
    new: ClassVar[tuple[str, ...]] = ("x", "y", "flux", "sigma")
    marks: ClassVar[tuple[str, ...]] = ("x", "y", "flux", "sigma", "area")

    def table(self, sources: Blobs) -> dict[str, np.ndarray]:
        return vars(sources) | {"area": np.pi * sources.sigma**2}

    def changed(self, sources: Blobs, values: Mapping[str, np.ndarray]) -> Blobs:
        factor = np.asarray(values.get("flux_factor", np.ones(len(sources))), dtype=np.float64)
        sources = replace(sources, **{k: v for k, v in values.items() if k != "flux_factor"})
        return replace(sources, flux=sources.flux * factor[:, None])

    def added(self, values: Mapping[str, np.ndarray]) -> Blobs:
        return Blobs(**{f.name: np.asarray(values[f.name], dtype=np.float64) for f in fields(Blobs)})


def sky(seed: int = 0, one_by_one: bool = False, **changes: object) -> Endless[Blobs]:
    painter = BlobPainter(one_by_one=one_by_one)
    return Endless(replace(BlobProcess(seed), **changes), painter, BlobEditor())
