"""The source `scene`: windows of a parametric sky, or blends, with exact truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from functools import lru_cache, partial
from typing import Annotated

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import Count, Index, Limit, config
from mockforge.galaxies.real.library import library
from mockforge.observe.problems import instrument_problems
from mockforge.rng import Stream
from mockforge.scene.blends import Blend, blend_layers, blends, only
from mockforge.scene.clustering import CELL
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.scene.scene import ISOPHOTE, Scene, njy_per_pixel
from mockforge.scene.table import objects_table
from mockforge.sky.endless import kept_bytes
from mockforge.sky.labels import Wanted, gathered, labelled
from mockforge.sky.lattice import corners
from mockforge.sky.layers import Layers
from mockforge.units import ZEROPOINT_NJY


@config
class SceneTiles(SceneModel, Stage):
    """Windows of an endless parametric sky (no two share a pixel), or blends, with exact truth.

    Writes `image` and `truth` (N,C,H,W) in nJy, without and with noise the same where there is no
    noise; `sky_rms` (N,C) with noise; `instances_visible` (N,H,W), the brightest object of a pixel
    among those brighter there than the isophote; `multiplicity` (N,H,W), how many those are;
    `overlap_label`, `overlap_fraction` (N,K,H,W), the K brightest objects of a pixel and their
    shares of its noiseless light (mean of the bands), the K-th with all that is fainter; on
    request `isolated` (N,M+1,C,H,W), the M brightest objects of the sample alone (slot k is label
    k + 1) and all others together, which add up to `truth`, and `amodal` (N,M,H,W) of the same
    objects; and the table `objects`. Labels are 1, 2, ... from the brightest object on.
    """

    tile: Annotated[int, Limit(ge=16, le=8192)] = 256
    """Side of a sample in pixels."""
    margin: Index = 64
    """Pixels around the tile that later stages see and that are not saved; 0 for blends."""
    blend: Blend | None = None
    """Blends of a few galaxies on empty sky; null for windows of the sky."""
    isophote_mag_arcsec2: Annotated[float, Limit(ge=15, le=35)] = ISOPHOTE
    """Surface brightness of an object's own light, mean of the bands, that bounds its amodal mask."""
    overlap: Annotated[int, Limit(ge=1, le=16)] = 4
    """K, objects of a pixel that are distinguished."""
    isolated: Count | None = None
    """M, objects whose images are written alone; null for none."""
    amodal: Count | None = None
    """M, objects whose amodal masks are written; null for none."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.blend is not None and self.margin:
            raise ValueError("blends have no sky around them: set margin: 0")

    def writes(self) -> frozenset[str]:
        """Images, truth and tables."""
        names = {"image", "objects"} | self._wanted().names()
        names |= {"tile"} if self.blend is None else set()
        return frozenset(names | ({"sky_rms"} if self.noise is not None else set()))

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"objects", "tile"})

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of its images."""
        return self.bands

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return the PSFs and noises that do not fit the bands."""
        return instrument_problems(self, bands)

    def pixels(self) -> int:
        """Return the pixels of a sample in all its bands."""
        return self.tile**2 * len(self.bands)

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        shapes = "single Sersic profiles"
        if self.structure.bulges or self.structure.knots:
            parts = ["disk"] + ["bulge"] * self.structure.bulges + ["knots"] * bool(self.structure.knots)
            shapes = f"{', '.join(parts[:-1])} and {parts[-1]}"
        real = "" if self.real is None else f", real images up to {self.real.faintest:g} mag"
        if self.blend is not None:
            placed = "blends are drawn as the recipe says, not as often as the sky has them"
        elif self.clustering is None:
            placed = "they do not cluster, and close pairs share a redshift by chance alone"
        else:
            placed = "they cluster by one power law, in clumps of one redshift"
        return f"Galaxies are {shapes}{real}, of one fitted population: no bars, arms or tails; {placed}."

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Make every sample; the sky's seed is the recipe's."""
        kept = kept_bytes(self.tile + 2 * self.margin, len(self.bands))
        # nothing is seen between blends: noise is drawn in blocks no larger than they are
        block = CELL if self.blend is None else min(CELL, 1 << (self.tile - 1).bit_length())
        scene = _scene(self._model(), stream.seed, kept, block)
        y0, x0 = corners(batch, self.tile, self.margin, CELL)
        m, made = self.margin, []
        corner = list(zip(y0.tolist(), x0.tolist(), strict=True))
        if self.blend is None:
            samples = (self._window(scene, y, x) for y, x in corner)
        else:
            samples = self._blends(scene.model, self.blend, [stream.child(int(i)) for i in batch.draw])
        for (y, x), sample in zip(corner, samples, strict=True):
            sample_arrays, table = self._truth(sample, (y, x) if self.blend is None else (0, 0))
            sample_arrays["image"] = scene.observed(sample_arrays["truth"], y - m, x - m)
            made.append((sample_arrays, table))
        stacked, objects = gathered(batch.sample, made)
        if scene.noise is not None:
            stacked["sky_rms"] = np.tile(scene.noise.rms.astype(np.float32), (len(batch), 1))
        out = Batch(
            sample=batch.sample, draw=batch.draw, split=batch.split, splits=batch.splits, arrays=stacked,
            tables={"objects": objects}, margin=m,
        )  # fmt: skip
        if self.blend is None:
            out = out.with_table("tile", {"sample": batch.sample.copy(), "sky_x0": x0, "sky_y0": y0})
        attributes = {"psf_fwhm_arcsec": scene.psf_fwhm_arcsec}
        if scene.noise is not None and scene.noise.electrons is not None:
            gain = scene.noise.electrons
            attributes["electrons_per_njy"] = tuple(np.where(np.isfinite(gain), gain, 0.0).tolist())
        return out.with_attributes(
            bands=self.bands, unit="nJy", zeropoint_ab=ZEROPOINT_NJY,
            pixel_scale_arcsec=self.pixel_scale_arcsec, isophote_njy=self.isophote_njy(),
            **{name: value for name, value in attributes.items() if value is not None},
        )  # fmt: skip

    def isophote_njy(self) -> float:
        """Return the isophote in nJy per pixel."""
        return njy_per_pixel(self.isophote_mag_arcsec2, self.pixel_scale_arcsec)

    def _model(self) -> SceneModel:
        """Return the sky's part of this configuration."""
        model = SceneModel(**{f.name: getattr(self, f.name) for f in fields(SceneModel)})
        return model if self.blend is None else only(model)

    def _blends(self, model: SceneModel, rule: Blend, streams: list[Stream]) -> Iterator[_Sample]:
        """Objects and layers of blends."""
        objects = blends(model, rule, self.tile, streams)
        for own, layers in zip(objects, blend_layers(model, objects, self.tile), strict=True):
            yield _Sample(own, None, partial(iter, layers))

    def _window(self, scene: Scene, y: int, x: int) -> _Sample:
        """Objects and layers of a window of the sky, margin included."""
        m, side = self.margin, self.tile + self.margin
        window = (y - m, y + side, x - m, x + side)
        return _Sample(scene.drawn(*window), scene.ids(*window), lambda: scene.layers(*window))

    def _wanted(self) -> Wanted:
        """Return which truth is made."""
        return Wanted(self.isophote_njy(), self.margin, self.overlap, self.isolated, self.amodal)

    def _truth(
        self, sample: _Sample, origin: tuple[int, int]
    ) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
        """Arrays of one sample, and its rows of `objects`."""
        side, made = self.tile + 2 * self.margin, sample.objects
        found = labelled(sample.layers, len(made), (len(self.bands), side, side), self._wanted())
        table = objects_table(self.bands, self.tile, made, found, origin, sample.ids)
        if self.real is not None:
            table["real_stamp"] = library(self.real).names[made.picture[found.order]]
        return found.arrays, table


@dataclass(frozen=True)
class _Sample:
    """Objects of a sample and their light."""

    objects: Objects
    ids: np.ndarray | None
    layers: Layers


@lru_cache(maxsize=2)
def _scene(model: SceneModel, seed: int, kept: int, noise_block: int) -> Scene:
    """Return the sky of a worker: kept from shard to shard."""
    return Scene(model, seed, kept, noise_block)
