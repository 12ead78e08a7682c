"""The source `sgan`: every sample is a window of one endless sky."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import Count, Index, Limit, Positive, Varying, config
from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.tiles import TILE
from mockforge.sgan.model import SganModel, load_model, model_path
from mockforge.sgan.paint.asked import survey_files
from mockforge.sgan.paint.control import check_lattice, control
from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sgan.paint.sample import sample_of
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.labels import Wanted, gathered
from mockforge.sky.lattice import corners
from mockforge.train.model_files import model_files
from mockforge.units import ZEROPOINT_NJY

_STEP = 128
"""Windows of a learned sky begin on multiples of this, pixels: the side of its smallest blocks."""
_KEPT_BYTES = 2**26
"""Stamps that a worker keeps: those that neighbouring tiles of a shard share."""
_VARIES = ("depth", "seeing", "density", "counts_slope", "star_fraction", "clustering")
"""What may be requested anew of each sample."""
_FIXED = ("pixel_scale", "magnitude_limits", "colour_shift")


@config
class Sgan(Stage):
    """Windows of an endless sky painted by a trained SGAN; no two samples share a pixel.

    Of a learned sky (`forge`), every pixel of which has owners, it writes the exact truth: `image` and
    `truth` (N,C,H,W) nJy, with and without noise; `instances_visible` (N,H,W), the label of the brightest
    source of a pixel among those brighter there than the isophote; `multiplicity` (N,H,W), how many those
    are; `overlap_label`, `overlap_fraction` (N,K,H,W), the K brightest sources of a pixel and their shares
    of its noiseless light; on request `isolated` (N,M+1,C,H,W) and `amodal` (N,M,H,W) of the M brightest
    sources of a sample; and the table `objects` with all marks and the true flux of each source, below the
    noise too. Of a lattice model (`smith2019`) it writes `image` alone.
    """

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
    """FWHM of stars in arcsec, a survey's name (its PSF), or either by band, sharper than the model's
    field too; null: as there."""
    pixel_scale: Positive | None = None
    """Side of a pixel, arcsec; null: the model's."""
    density: Annotated[Varying, Limit(gt=0)] | None = None
    """Factor on the number of all sources."""
    counts_slope: Annotated[Varying, Limit(ge=0, le=2)] | None = None
    """Of the number of galaxies N(>f) ~ f^-slope below the limit to which they were measured."""
    star_fraction: Annotated[Varying, Limit(ge=0, le=1)] | None = None
    """Stars over all sources."""
    magnitude_limits: tuple[float | None, float | None] | None = None
    """Brightest and faintest AB magnitude of a source, of its mean flux over the bands; null: the field's."""
    clustering: Annotated[Varying, Limit(ge=0, le=100)] | None = None
    """Factor on the two-point function of galaxies; 0 for random places."""
    colour_shift: dict[str, float] | None = None
    """Magnitudes added to bands by name, the mean flux of a source kept."""
    isophote_sigma: Positive = 0.5
    """Surface brightness of a source's own light that bounds its masks, in rms of the sky of the mean of
    the bands: of the requested depth, of the model's field where it varies."""
    isophote_mag_arcsec2: Annotated[float, Limit(ge=15, le=35)] | None = None
    """The same in AB magnitudes per square arcsec, mean of the bands; stands in for `isophote_sigma`."""
    overlap: Annotated[int, Limit(ge=1, le=16)] = 4
    """K, sources of a pixel that are distinguished."""
    isolated: Count | None = None
    """M, sources whose images are written alone; null for none."""
    amodal: Count | None = None
    """M, sources whose amodal masks are written; null for none."""
    member: Index | None = None
    """Member of a lattice model's ensemble; null: one for each sample, in turn."""

    def __post_init__(self) -> None:
        if not self.model:
            return
        model_path(self.model)
        if self._requested() or self.member is not None or self.isophote_mag_arcsec2 is not None:
            self._check_asked()

    def writes(self) -> frozenset[str]:
        """Return the observed image, where it was cut, and the truth where pixels have owners."""
        names = {"image", "tile"}
        if isinstance(self._loaded(), ForgeModel):
            names |= {"objects"} | Wanted(0.0, 0, self.overlap, self.isolated, self.amodal).names()
        return frozenset(names)

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
        return frozenset({"tile", "objects"})

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
            " training field, and none is real; sources too faint for that field follow a law."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Cut a window for each sample; the sky's seed is the recipe's.

        The table `tile` says where it was cut; of a learned sky also the rms of its noise, the FWHM of its
        stars in arcsec where it is known, and what was requested of it; of a lattice model by which member
        of the ensemble it was painted.
        """
        model = self._loaded()
        if isinstance(model, LatticeModel):
            return self._of_lattice(model, batch, stream)
        y0, x0 = corners(batch, self.tile, self.margin, _STEP)
        settings = self._asked(batch, stream)
        skies = [_learned(self.model, stream.seed, tuple(setting.items())) for setting in settings]
        wanted = Wanted(
            self._isophote_njy(model, skies[0]), self.margin, self.overlap, self.isolated, self.amodal
        )
        made = [
            sample_of(sky, (y, x), self.tile, wanted)
            for sky, y, x in zip(skies, y0.tolist(), x0.tolist(), strict=True)
        ]
        arrays, objects = gathered(batch.sample, made)
        table = {"sample": batch.sample.copy(), "sky_x0": x0, "sky_y0": y0}
        rms = [
            sky.rms((y, y + self.tile, x, x + self.tile)).mean(axis=(1, 2))
            for sky, y, x in zip(skies, y0.tolist(), x0.tolist(), strict=True)
        ]
        table |= _by_band("sky_rms", model.bands, rms)
        table |= _by_band("fwhm", model.bands, [sky.control.psf_fwhm_arcsec for sky in skies])
        if _differs(self.depth):
            gains = [sky.control.noise.electrons_per_njy for sky in skies]
            table |= _by_band("electrons_per_njy", model.bands, gains)
        for name in ("density", "counts_slope", "star_fraction", "clustering"):
            if getattr(self, name) is not None:
                table[name] = np.array([setting[name] for setting in settings])
        out = _batch(batch, arrays, {"tile": table, "objects": objects}, self.margin)
        return out.with_attributes(**self._known(model, skies[0]), isophote_njy=wanted.isophote)

    def _of_lattice(self, model: LatticeModel, batch: Batch, stream: Stream) -> Batch:
        """Cut windows of observed pixels."""
        y0, x0 = corners(batch, self.tile, self.margin, TILE)
        # by the number of the draw, so that all members have as many
        own = batch.draw % model.n_members
        member = own if self.member is None else np.full(len(batch), self.member)
        m, side = self.margin, self.tile + self.margin
        cut = [
            _lattice(self.model, stream.seed, k).pixels(y - m, y + side, x - m, x + side)[0]
            for k, y, x in zip(member.tolist(), y0.tolist(), x0.tolist(), strict=True)
        ]
        table = {"sample": batch.sample.copy(), "sky_x0": x0, "sky_y0": y0, "member": member}
        out = _batch(batch, {"image": np.stack(cut)}, {"tile": table}, self.margin)
        return out.with_attributes(**self._known(model, None))

    def _known(self, model: SganModel, sky: LearnedSky | None) -> dict[str, Any]:
        """Attributes of the dataset; none that differs from sample to sample."""
        attributes: dict[str, Any] = {
            "bands": model.bands,
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": model.pixel_scale_arcsec if sky is None else sky.control.grid.scale_arcsec,
            "psf_fwhm_arcsec": model.psf_fwhm_arcsec,
        }
        if sky is not None:
            noise = sky.control.noise
            limit = noise.saturation_njy
            attributes["psf_fwhm_arcsec"] = None if _differs(self.seeing) else sky.control.psf_fwhm_arcsec
            if noise.electrons_per_njy.any() and not _differs(self.depth):
                attributes["electrons_per_njy"] = tuple(noise.electrons_per_njy.tolist())
            if np.isfinite(limit).any():
                attributes["saturation_njy"] = tuple(limit.tolist())
        return {k: v for k, v in attributes.items() if v is not None}

    def _isophote_njy(self, model: ForgeModel, sky: LearnedSky) -> float:
        """Return the isophote in nJy per pixel, the same for all samples."""
        scale = sky.control.grid.scale_arcsec
        if self.isophote_mag_arcsec2 is not None and scale:
            return 10 ** (-0.4 * (self.isophote_mag_arcsec2 - ZEROPOINT_NJY)) * scale**2
        return sky.isophote_njy(self.isophote_sigma, own=_differs(self.depth))

    def _loaded(self) -> SganModel:
        return load_model(self.model)

    def _requested(self) -> dict[str, Any]:
        """Return what is requested of the sky, by name."""
        values = {name: getattr(self, name) for name in (*_VARIES, *_FIXED)}
        return {name: value for name, value in values.items() if value is not None}

    def _asked(self, batch: Batch, stream: Stream) -> list[dict[str, Any]]:
        """Return what is requested of each sample's sky; what varies belongs to the number of its draw."""
        streams = [Stream(stream.seed, ("sgan", "asked", int(draw))) for draw in batch.draw]
        return [
            {name: _drawn(value, source.child(name)) for name, value in self._requested().items()}
            for source in streams
        ]

    def _check_asked(self) -> None:
        """InputError where the model cannot do what is asked, at either end of what varies."""
        model, asked = self._loaded(), self._requested()
        if isinstance(model, LatticeModel):
            check_lattice(model, **asked, isophote_mag_arcsec2=self.isophote_mag_arcsec2)
            if self.member is not None:
                model.painter(self.member)
            return
        if self.member:
            raise ValueError(f"member: {model.name} is no ensemble; leave it out")
        if self.isophote_mag_arcsec2 is not None and not model.pixel_scale_arcsec:
            raise ValueError(
                f"isophote_mag_arcsec2: the pixel scale of {model.name} is not known; use isophote_sigma"
            )
        for name, value in asked.items():
            for end in _ends(value):
                control(model, **{name: end})


def _differs(value: Any) -> bool:
    return isinstance(value, Varying) and value.kind != "fixed"


def _drawn(value: Any, stream: Stream) -> Any:
    """Return a value of one sample, such that equal ones are one key."""
    if isinstance(value, Varying):
        return float(value.draw(stream.numpy(), 1)[0])
    return tuple(value.items()) if isinstance(value, dict) else value


def _ends(value: Any) -> tuple[Any, ...]:
    """Return the values between which a parameter lies, and those of a choice; the middle of a normal one."""
    if not isinstance(value, Varying):
        return (value,)
    if value.kind in ("fixed", "choice"):
        return value.values
    return value.values[: 1 if value.kind in ("normal", "lognormal") else 2]


def _by_band(name: str, bands: tuple[str, ...], rows: list[Any]) -> dict[str, np.ndarray]:
    """Columns NAME_<band> of (N, bands) numbers; none where they are not known."""
    if any(row is None for row in rows):
        return {}
    table = np.array(rows, dtype=np.float32)
    return {f"{name}_{band}": table[:, i] for i, band in enumerate(bands)}


def _batch(
    batch: Batch, arrays: dict[str, np.ndarray], tables: dict[str, dict[str, np.ndarray]], margin: int
) -> Batch:
    return Batch(
        sample=batch.sample, draw=batch.draw, split=batch.split, splits=batch.splits, arrays=arrays,
        tables=tables, margin=margin,
    )  # fmt: skip


@lru_cache(maxsize=8)
def _lattice(model: str, seed: int, member: int) -> Sky:
    """Return the sky of a worker: kept from shard to shard, so that its network is loaded once."""
    return Sky(model, seed, member=member)


@lru_cache(maxsize=2)
def _learned(name: str, seed: int, asked: tuple[tuple[str, Any], ...]) -> LearnedSky:
    """Return the sky of a worker, of what is requested: kept from sample to sample."""
    model = load_model(name)
    assert isinstance(model, ForgeModel)
    setting = {k: dict(v) if k in ("colour_shift",) or _by_name(v) else v for k, v in asked}
    return LearnedSky(model, control(model, **setting), seed, kept_bytes=_KEPT_BYTES)  # type: ignore


def _by_name(value: Any) -> bool:
    """Whether a value is the items of a table by band."""
    return isinstance(value, tuple) and bool(value) and all(isinstance(v, tuple) for v in value)
