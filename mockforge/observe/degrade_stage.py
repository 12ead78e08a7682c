"""The stage `degrade`: fine images as another telescope would have taken them."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np

from mockforge.batch import Batch
from mockforge.config import Count, Limit, Positive, Varying, config, fixed
from mockforge.errors import InputError
from mockforge.observe.noise import Noise
from mockforge.observe.psf import Psf
from mockforge.rng import Stream

if TYPE_CHECKING:
    from mockforge.observe.degrade import Grid
    from mockforge.observe.psf_models import Model

AMPLIFIED = 3.0
"""A frequency raised by more is worth a warning."""
MISFIT = 0.01
"""So is a wanted PSF of which more than this is not in the image."""
_MOVED = ("catalogue", "objects", "galaxy")
"""Tables whose places follow onto the coarse grid."""


@config
class Sweep:
    """What differs from sample to sample."""

    seeing: Annotated[Varying, Limit(gt=0)] = fixed(1.0)
    """Times the width of the target's PSF, in all bands."""
    depth: Varying = fixed(0.0)
    """Magnitudes by which the image is deeper than the survey; negative: shallower."""
    pixel_scale_arcsec: Annotated[Varying, Limit(gt=0)] | None = None
    """Size of a coarse pixel; null: the target's own. The number of pixels stays."""


@config
class Degrade:
    """Make of a fine image what another telescope sees: its PSF, pixels, bands and noise.

    Optics first: the image is freed of its own PSF and pixel and given the target's, in one
    Fourier step, at the exact pixel scale and phase; total flux is kept. Then the noise of the
    target: sky and shot noise, read noise, and how neighbouring pixels hang together. Where the
    image has noise of its own, only what is missing is added.

    Writes `image` (N,C,h,w), coarse and noisy, `image_noiseless` where the input has no noise,
    `variance` (N,C,h,w) of its noise in nJy^2, `psf_in` and `psf_out` (N,C,s,s), the PSFs with
    their pixels, and of every map in `labels` the coarse one under its name and the fine one as
    `<name>_fine`. `truth` stays the fine image; an input `image` becomes `image_fine`. Places and
    lengths in the tables `catalogue`, `objects` and `galaxy` are in coarse pixels afterwards.
    With a sweep also `seeing`, `depth` and `pixel_scale` (N,), as drawn.
    """

    to: str
    """A survey by name, or the path of a YAML file of one; `mockforge surveys` lists them."""
    input: Literal["truth", "light", "image"] = "truth"
    """`truth`, noiseless; `light`, noiseless in bands like the target's; `image`, with noise."""
    bands: tuple[str, ...] | None = None
    """The target's bands that stand for the input's, in order; null: those of the same names."""
    psf: Psf | None = None
    """PSF of the input; null: what the source says."""
    psf_out: Psf | None = None
    """PSF of the target before its pixel; null: the survey's."""
    pixel_scale_arcsec: Positive | None = None
    """Size of a coarse pixel; null: the survey's."""
    shape: Count | None = None
    """Height and width of the coarse image; null: as many pixels as fit."""
    phase: Annotated[Varying, Limit(ge=-1, le=1)] = fixed(0.0)
    """By how many coarse pixels the sky is moved on the coarse grid, in x and in y, each drawn; at
    0 the middles of both images fall together."""
    noise: Noise | None = None
    """Noise of the target; null: the survey's depth and gain."""
    noisy: bool = True
    """Whether to add noise at all."""
    own_rms_njy: float | tuple[float, ...] | None = None
    """Rms of the noise that an input `image` has, per band; null: measured on it."""
    whiten: bool = False
    """Make the noise of an input `image` white: what is added fills its power spectrum up."""
    sweep: Sweep | None = None
    """Seeing, depth and pixel scale that differ from sample to sample."""
    labels: tuple[str, ...] = ("instances",)
    """Label maps that follow onto the coarse grid."""
    edge: Literal["mirror", "empty"] = "mirror"
    """What lies beyond the image: its reflection, or nothing."""

    def __post_init__(self) -> None:
        from mockforge.observe.surveys import survey

        chosen = survey(self.to)
        for band in self.bands or ():
            chosen.band(band)
        if self.input != "image" and (self.own_rms_njy is not None or self.whiten):
            raise ValueError(f"own_rms_njy and whiten are for input: image; {self.input} has no noise")

    def reads(self) -> frozenset[str]:
        """The input and the label maps."""
        return frozenset({self.input, *self.labels})

    def writes(self) -> frozenset[str]:
        """What is coarse, and the fine maps."""
        names = {"image", "variance", "psf_in", "psf_out", *self.labels, *(f"{n}_fine" for n in self.labels)}
        names |= {"image_fine"} if self.input == "image" else {"image_noiseless"}
        return frozenset(names | ({"seeing", "depth", "pixel_scale"} if self.sweep else set()))

    def fingerprint(self) -> dict[str, str]:
        """Path of a survey's file -> sha256 of what it says."""
        from mockforge.observe.surveys import digest, is_file

        names = {self.to, *([self.noise.survey] if self.noise and self.noise.survey else [])}
        return {name: digest(name) for name in sorted(names) if is_file(name)}

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """The batch seen by the other telescope. InputError where bands, PSFs or sizes do not fit."""
        about = _about(self, batch)
        drawn = _drawn(self, about, len(batch), stream)
        seen = _optics(self, batch, about, drawn)
        fine = batch.trimmed()
        arrays: dict[str, np.ndarray] = dict(_noisy(self, batch, about, drawn, seen, stream))
        arrays["psf_in"] = _stamps([(m, 1.0) for m in about.present], about.fine, len(batch))
        arrays |= _psf_out(about, drawn, len(batch))
        if self.input == "image":
            arrays["image_fine"] = fine.arrays["image"]
        if self.sweep is not None:
            arrays |= {key: getattr(drawn, key).astype(np.float32) for key in ("seeing", "depth")}
            arrays["pixel_scale"] = drawn.scale.astype(np.float32)
        out = _with_labels(self, fine.with_arrays(**arrays), fine, seen.grids)
        return out.with_attributes(
            bands=about.bands,
            truth_bands=about.fine_bands,
            pixel_scale_arcsec=about.scale,
            truth_pixel_scale_arcsec=about.fine,
            psf_fwhm_arcsec=tuple(_fwhm(m) for m in about.wanted),
            truth_psf_fwhm_arcsec=tuple(_fwhm(m) for m in about.present),
            survey=self.to,
        )


@dataclass(frozen=True)
class _About:
    """What holds for all samples."""

    bands: tuple[str, ...]
    """The target's."""
    fine_bands: tuple[str, ...]
    """The source's."""
    fine: float
    """Arcsec of a fine pixel."""
    scale: float
    """Arcsec of a coarse pixel, before any sweep."""
    present: list[Model]
    wanted: list[Model]
    shape: tuple[int, int]
    """Of the coarse images."""


@dataclass(frozen=True)
class _Drawn:
    """What is drawn for each sample, (N,) each."""

    seeing: np.ndarray
    depth: np.ndarray
    scale: np.ndarray
    phase_x: np.ndarray
    phase_y: np.ndarray


def _about(cfg: Degrade, batch: Batch) -> _About:
    from mockforge.observe.degrade import coarse_grid
    from mockforge.observe.psf import models
    from mockforge.observe.surveys import survey, survey_psf

    known, chosen = batch.attributes, survey(cfg.to)
    fine_bands, fine = known.get("bands"), known.get("pixel_scale_arcsec")
    if fine is None or fine_bands is None:
        raise InputError("degrade: the bands and the pixel scale of the images are not known")
    bands = target_bands(chosen.title, tuple(chosen.bands), tuple(fine_bands), cfg.bands)
    scale = cfg.pixel_scale_arcsec or chosen.pixel_scale_arcsec
    inner = tuple(n - 2 * batch.margin for n in batch.arrays[cfg.input].shape[-2:])
    coarse = None if cfg.shape is None else (cfg.shape, cfg.shape)
    shape = coarse_grid((inner[0], inner[1]), scale / fine, coarse).shape
    wanted = models(cfg.psf_out or survey_psf(cfg.to, bands), bands)
    present = models(cfg.psf or own_psf(known), tuple(fine_bands))
    return _About(bands, tuple(fine_bands), float(fine), float(scale), present, wanted, shape)


def target_bands(
    title: str, valid: Sequence[str], own: Sequence[str], chosen: Sequence[str] | None
) -> tuple[str, ...]:
    """The survey's band for each of an image's; InputError where they cannot be paired."""
    from mockforge.errors import nearest

    if chosen is not None and len(chosen) != len(own):
        raise InputError(
            f"{len(chosen)} bands of {title} ({', '.join(chosen)}) for {len(own)} of the image"
            f" ({', '.join(own)}); name one for each"
        )
    for band in chosen or own:
        if band not in valid:
            hint = (
                nearest(band, valid)
                if chosen
                else f"; name its bands, in order, as `bands`: {', '.join(valid)}"
            )
            raise InputError(f"{title} has no band {band!r}{hint}")
    return tuple(chosen or own)


def own_psf(known: Mapping[str, Any]) -> Psf:
    """The PSF a source says its images have: in full, or as a Gaussian of its width."""
    from mockforge.observe.psf import Gaussian

    if known.get("psf"):
        from pydantic import TypeAdapter

        return TypeAdapter(Psf).validate_python(dict(known["psf"]))
    fwhm = known.get("psf_fwhm_arcsec")
    if fwhm is None or min(fwhm) <= 0:
        raise InputError("degrade: the PSF of the images is not known; give it as `psf`")
    from mockforge.observe.depth import with_pixel

    scale = float(known["pixel_scale_arcsec"])
    return Psf(gaussian=Gaussian(fwhm_arcsec=tuple(with_pixel(float(f), scale, -1) for f in fwhm)))


def _drawn(cfg: Degrade, about: _About, count: int, stream: Stream) -> _Drawn:
    sweep = cfg.sweep or Sweep()
    scale = sweep.pixel_scale_arcsec or fixed(about.scale)
    return _Drawn(
        seeing=sweep.seeing.draw(stream.child("seeing").numpy(), count),
        depth=sweep.depth.draw(stream.child("depth").numpy(), count),
        scale=scale.draw(stream.child("pixel_scale").numpy(), count),
        phase_x=cfg.phase.draw(stream.child("phase_x").numpy(), count),
        phase_y=cfg.phase.draw(stream.child("phase_y").numpy(), count),
    )


@dataclass(frozen=True)
class _Seen:
    """What the optics make of the input."""

    image: np.ndarray
    """(N,C,h,w)"""
    noise: list[list[np.ndarray]]
    """Of each sample and band: autocovariance of the noise that came through; empty for noiseless input."""
    grids: list[Grid]
    """Of each sample, on the tile."""


def _optics(cfg: Degrade, batch: Batch, about: _About, drawn: _Drawn) -> _Seen:
    """The input through the target's PSF and pixels."""
    from mockforge.observe.degrade import Degrader, coarse_grid, scaled
    from mockforge.observe.existing import own_noise

    flux, m = batch.arrays[cfg.input], batch.margin
    inner = (flux.shape[-2] - 2 * m, flux.shape[-1] - 2 * m)
    settings = list(zip(drawn.seeing, drawn.scale, drawn.phase_x, drawn.phase_y, strict=True))
    grids = [coarse_grid(inner, scale / about.fine, about.shape, (px, py)) for _, scale, px, py in settings]
    rms = None if cfg.own_rms_njy is None else np.broadcast_to(cfg.own_rms_njy, flux.shape[1:2])
    own = own_noise(flux, rms) if cfg.input == "image" else None
    out = np.empty((len(batch), flux.shape[1], *about.shape), dtype=np.float32)
    noise: list[list[np.ndarray]] = [[] for _ in settings]
    amplified, misfit = 0.0, 0.0
    for setting in dict.fromkeys(settings):
        rows = [i for i, one in enumerate(settings) if one == setting]
        wanted = [scaled(model, setting[0]) for model in about.wanted]
        grid = grids[rows[0]].moved(m)
        change = Degrader(
            flux.shape[-2:], grid, about.fine, about.present, wanted, mirrored=cfg.edge == "mirror"
        )
        out[rows] = change(flux[rows])
        if own is not None:
            through = change.noise([o.autocorrelation for o in own])
            through = [o.rms**2 * c for o, c in zip(own, through, strict=True)]
            for i in rows:
                noise[i] = through
        amplified, misfit = max(amplified, change.amplified.max()), max(misfit, change.misfit.max())
    if amplified > AMPLIFIED or misfit > MISFIT:
        warnings.warn(sharper(cfg.to, amplified, misfit), stacklevel=2)
    return _Seen(out, noise, grids)


def sharper(to: str, amplified: float, misfit: float) -> str:
    """What to tell where the target is not broader than the image."""
    return (
        f"degrade: the PSF of {to} is not everywhere broader than the image's: frequencies are raised up to"
        f" {amplified:.3g} times, and {100 * misfit:.2g}% of its PSF is not in the image; take a sharper"
        " image, or a broader PSF"
    )


def _noisy(
    cfg: Degrade, batch: Batch, about: _About, drawn: _Drawn, seen: _Seen, stream: Stream
) -> dict[str, np.ndarray]:
    """`image` and `variance`, and `image_noiseless` where the input has no noise."""
    from mockforge.observe.degrade_noise import Target, filled_up, full

    noise = cfg.noise or Noise(survey=cfg.to, survey_bands=about.bands)
    widths = [_fwhm(m) for m in about.wanted]
    target = Target(noise, about.bands, widths) if cfg.noisy else None
    factor = 10 ** (-0.4 * drawn.depth) * noise.rms_factor.draw(
        stream.child("rms_factor").numpy(), len(batch)
    )
    streams = [stream.child(int(draw)) for draw in batch.draw]
    if cfg.input == "image":
        image, variance = filled_up(seen.image, seen.noise, target, drawn.scale, factor, streams, cfg.whiten)
        return {"image": image, "variance": variance}
    image, variance = full(seen.image, target, drawn.scale, factor, streams)
    return {"image": image, "variance": variance, "image_noiseless": seen.image}


def _stamps(models: Sequence[tuple[Model, float]], scale: float, count: int) -> np.ndarray:
    """PSFs with their pixel, on stamps that hold 98% of the widest, the same for every sample."""
    from mockforge.observe.degrade import psf_pixels, scaled

    side = _side([m for m, _ in models], scale)
    one = np.stack([psf_pixels(scaled(model, factor), scale, side) for model, factor in models])
    return np.broadcast_to(one, (count, *one.shape)).copy()


def _side(models: Sequence[Model], scale: float) -> int:
    from mockforge.observe.psf_models import Rings

    reach = max(rings.reach(0.02, 12 * rings.fwhm()) for rings in map(Rings.of, models))
    return 2 * max(3, int(np.ceil(reach / scale)) + 1) + 1


def _psf_out(about: _About, drawn: _Drawn, count: int) -> dict[str, np.ndarray]:
    from mockforge.observe.degrade import psf_pixels, scaled

    side = _side(about.wanted, about.scale)
    out = np.empty((count, len(about.wanted), side, side), dtype=np.float32)
    pairs = list(zip(drawn.seeing, drawn.scale, strict=True))
    for seeing, scale in dict.fromkeys(pairs):
        rows = [i for i, one in enumerate(pairs) if one == (seeing, scale)]
        out[rows] = np.stack([psf_pixels(scaled(m, seeing), scale, side) for m in about.wanted])
    return {"psf_out": out}


def _with_labels(cfg: Degrade, out: Batch, fine: Batch, grids: list[Grid]) -> Batch:
    """Label maps and tables on the coarse grids; `out` has the fine ones."""
    from mockforge.observe.labels import coarse_labels, coarse_table

    for name in cfg.labels:
        maps = fine.arrays[name]
        coarse = np.stack([coarse_labels(maps[i], grid) for i, grid in enumerate(grids)])
        out = out.with_arrays(**{name: coarse, f"{name}_fine": maps})
    measured = dict(zip(out.sample.tolist(), out.arrays[cfg.labels[0]], strict=True)) if cfg.labels else None
    for name in _MOVED:
        if name in fine.tables:
            out = out.with_table(name, _moved_rows(fine, name, grids, measured, coarse_table))
    return out


def _moved_rows(
    fine: Batch, name: str, grids: list[Grid], measured: Any, coarse_table: Any
) -> dict[str, np.ndarray]:
    """A table in coarse pixels, sample by sample where the grids differ."""
    table, parts, order = fine.tables[name], [], []
    for grid in dict.fromkeys(grids):
        samples = [s for s, g in zip(fine.sample.tolist(), grids, strict=True) if g == grid]
        rows = np.flatnonzero(np.isin(table["sample"], samples))
        parts.append(coarse_table({k: v[rows] for k, v in table.items()}, grid, measured))
        order.append(rows)
    back = np.argsort(np.concatenate(order), kind="stable")
    return {key: np.concatenate([part[key] for part in parts])[back] for key in parts[0]}


def _fwhm(model: Model) -> float:
    from mockforge.observe.psf_models import Rings

    return float(Rings.of(model).fwhm())
