"""The source `sgan`: every sample is a window of one endless sky."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated

import numpy as np

from mockforge.batch import Batch
from mockforge.config import Index, Limit, config
from mockforge.field import ZEROPOINT_NJY
from mockforge.rng import Stream

if TYPE_CHECKING:
    from mockforge.sgan.model import Model
    from mockforge.sgan.sky import Sky

COLUMNS = 64
"""Tiles in a row of the lattice that samples are cut from."""
REGION = 2**24
"""Pixels between the regions of two splits: no split sees another's sky."""


@config
class Sgan:
    """Windows of an endless sky painted by a trained SGAN; no two samples share a pixel."""

    model: str
    """A bundled model's name, or a path to NAME.json."""
    tile: Annotated[int, Limit(ge=16, le=8192)] = 256
    """Side of a sample in pixels."""
    margin: Index = 64
    """Pixels around the tile that later stages see and that are not saved."""

    def __post_init__(self) -> None:
        if self.model:
            from mockforge.sgan.model import model_path

            model_path(self.model)

    def reads(self) -> frozenset[str]:
        """Nothing: a source."""
        return frozenset()

    def writes(self) -> frozenset[str]:
        """The observed image, where it was cut, and the noiseless image where the network gives it."""
        names = {"image", "tile"}
        return frozenset(names | {"truth"}) if self._loaded().clean else frozenset(names)

    def fingerprint(self) -> dict[str, str]:
        """The weights' sha256."""
        return {f"model {self._loaded().name}": self._loaded().sha256}

    def card(self) -> str:
        """The model's card, for the dataset's."""
        from mockforge.sgan.model import model_path

        path = model_path(self.model).with_suffix(".md")
        return path.read_text() if path.exists() else ""

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Cut a window for each sample; the sky's seed is the recipe's."""
        sky = _sky(self.model, stream.seed)
        y0, x0 = self.corners(batch)
        m, side = self.margin, self.tile + self.margin
        cut = [
            sky.pixels(y - m, y + side, x - m, x + side)
            for y, x in zip(y0.tolist(), x0.tolist(), strict=True)
        ]
        arrays = {"image": np.stack([image for image, _ in cut])}
        if sky.painter.clean:
            arrays["truth"] = np.stack([truth for _, truth in cut if truth is not None])
        model = sky.model
        known = {
            "pixel_scale_arcsec": model.pixel_scale_arcsec,
            "psf_fwhm_arcsec": model.psf_fwhm_arcsec,
            "electrons_per_njy": model.instrument.electrons_per_njy or None,
            "saturation_njy": model.instrument.saturation_njy or None,
        }
        out = Batch(
            sample=batch.sample,
            draw=batch.draw,
            split=batch.split,
            splits=batch.splits,
            arrays=arrays,
            tables={"tile": {"sample": batch.sample.copy(), "sky_x0": x0, "sky_y0": y0}},
            margin=self.margin,
        )
        return out.with_attributes(
            bands=model.bands,
            unit="nJy",
            zeropoint_ab=ZEROPOINT_NJY,
            **{k: v for k, v in known.items() if v is not None},
        )

    def corners(self, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """First row and column of each sample's tile in the sky, (N,) int64 each.

        Samples fill a lattice row by row, a region of the sky to each split; a window with its
        margin meets no other window.
        """
        from mockforge.sgan.sky import TILE

        pitch = -(-(self.tile + 2 * self.margin) // TILE) * TILE  # windows begin on canonical tiles
        region = np.array([list(batch.splits).index(name) for name in batch.split.tolist()], dtype=np.int64)
        rows, columns = np.divmod(batch.draw, COLUMNS)
        return rows * pitch + self.margin, columns * pitch + self.margin + region * REGION

    def _loaded(self) -> Model:
        from mockforge.sgan.model import load_model

        return load_model(self.model)


@lru_cache(maxsize=2)
def _sky(model: str, seed: int) -> Sky:
    """The sky of a worker: kept from shard to shard, so that its network is loaded once."""
    from mockforge.sgan.sky import Sky

    return Sky(model, seed)
