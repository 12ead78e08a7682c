"""The source `sgan`: every sample is a window of one endless sky."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import Index, Limit, Varying, config
from mockforge.rng import Stream
from mockforge.sgan.lattice.tiles import TILE
from mockforge.sgan.model import SganModel, load_model, model_path
from mockforge.sgan.paint.asked import survey_files
from mockforge.sgan.paint.control import check_lattice
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.lattice import corners
from mockforge.train.model_files import model_files
from mockforge.units import ZEROPOINT_NJY


@config
class Sgan(Stage):
    """Windows of an endless sky painted by a trained SGAN; no two samples share a pixel."""

    model: str
    """A bundled model's name, or a path to NAME.json."""
    tile: Annotated[int, Limit(ge=16, le=8192)] = 256
    """Side of a sample in pixels."""
    margin: Index = 64
    """Pixels around the tile that later stages see and that are not saved."""
    depth: Annotated[Varying, Limit(gt=0, lt=40)] | str | dict[str, float | str] | None = None
    """AB magnitude of a point source at 5 sigma, a survey's name, or either by band; null: as deep,
    place by place, as the model's field."""
    seeing: Annotated[Varying, Limit(gt=0)] | str | dict[str, float | str] | None = None
    """FWHM of stars in arcsec, a survey's name, or either by band; not sharper than the model's
    field, and null: as there."""
    density: Annotated[Varying, Limit(gt=0)] | None = None
    """Density of sources over the field's mean; null: as it varies over the field."""
    member: Index | None = None
    """Member of the model's ensemble; null: one for each sample, in turn."""

    def __post_init__(self) -> None:
        if not self.model:
            return
        model_path(self.model)
        if (self.depth, self.seeing, self.density, self.member) != (None,) * 4:
            self._check_asked()

    def writes(self) -> frozenset[str]:
        """Return the observed image, where it was cut, and the noiseless image where the network gives it."""
        names = {"image", "tile"}
        return frozenset(names | {"truth"}) if self._loaded().clean else frozenset(names)

    def files_read(self) -> dict[str, Path]:
        """Return the model, and the files of surveys that are the user's own."""
        return model_files(self.model) | survey_files(self.depth, self.seeing)

    def model_cards(self) -> dict[str, str]:
        """Return the model's card, for the dataset's."""
        path = model_path(self.model)
        card = path.with_suffix(".md")
        return {path.stem: card.read_text()} if card.exists() and card.read_text() else {}

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"tile"})

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of its images: the model's."""
        return self._loaded().bands

    def pixels(self) -> int:
        """Return the pixels of a sample in all its bands."""
        return self.tile**2

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        return (
            f"The network `{self.model}` painted the sky: its galaxies resemble those of its"
            " training field, and none is real; large and very bright ones are coarse or missing."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Cut a window for each sample; the sky's seed is the recipe's.

        The table `tile` says where it was cut and by which member of the ensemble it was painted;
        of a noiseless network also the rms of its sky, the FWHM of its stars in arcsec where it is
        known, and its density where one was requested.
        """
        y0, x0 = corners(batch, self.tile, self.margin, TILE)
        model = self._loaded()
        member = self._members(batch, model)
        skies = [_sky(self.model, stream.seed, k) for k in member.tolist()]
        windows = list(zip(skies, y0.tolist(), x0.tolist(), strict=True))
        m, side = self.margin, self.tile + self.margin
        cut = [view.pixels(y - m, y + side, x - m, x + side) for view, y, x in windows]
        arrays = {"image": np.stack([image for image, _ in cut])}
        table = {"sample": batch.sample.copy(), "sky_x0": x0, "sky_y0": y0, "member": member}
        out = Batch(
            sample=batch.sample,
            draw=batch.draw,
            split=batch.split,
            splits=batch.splits,
            arrays=arrays,
            tables={"tile": table},
            margin=self.margin,
        )
        return out.with_attributes(**self._known(model))

    def _known(self, model: SganModel) -> dict[str, Any]:
        """Attributes of the dataset; none that differs from sample to sample."""
        attributes: dict[str, Any] = {
            "bands": model.bands,
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": model.pixel_scale_arcsec,
            "psf_fwhm_arcsec": model.psf_fwhm_arcsec,
        }
        return {k: v for k, v in attributes.items() if v is not None}

    def _loaded(self) -> SganModel:
        return load_model(self.model)

    def _members(self, batch: Batch, model: SganModel) -> np.ndarray:
        """(N,) int64: the member for each sample, by the number of its draw, so that all have as many."""
        return batch.draw % model.n_members if self.member is None else np.full(len(batch), self.member)

    def _check_asked(self) -> None:
        """InputError where the model cannot do what is asked, at either end of what varies."""
        model = self._loaded()
        if self.member is not None:
            model.painter(self.member)
        check_lattice(model, depth=self.depth, seeing=self.seeing, density=self.density)


@lru_cache(maxsize=8)
def _sky(model: str, seed: int, member: int) -> Sky:
    """Return the sky of a worker: kept from shard to shard, so that its network is loaded once."""
    return Sky(model, seed, member=member)
