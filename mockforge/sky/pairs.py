"""The source `sersic_sed`: one galaxy at two redshifts, a Sersic profile times a spectrum."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np

from mockforge.batch import Batch
from mockforge.config import Count, Limit, NonNegative, Positive, Varying, config, uniform
from mockforge.errors import InputError
from mockforge.field import ZEROPOINT_NJY
from mockforge.observe.redshift import Cosmology, arcsec_per_kpc, flux_factor, size_factor
from mockforge.rng import Stream
from mockforge.sky.bandpass import BandName
from mockforge.sky.sed import TABLE_MAGNITUDE, SedName, cached_table, sed_table

_CHUNK = 2**17
"""Pixels rendered at once: the work then stays in a core's cache."""


@config
class RedshiftGrid:
    """Equally spaced redshifts, both ends included."""

    low: Positive = 0.1
    """First redshift."""
    high: Positive = 2.0
    """Last redshift."""
    count: Annotated[int, Limit(ge=2)] = 39
    """How many."""

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ValueError(f"low {self.low:g} should be below high {self.high:g}")

    def redshifts(self) -> np.ndarray:
        """The grid, (count,)."""
        return np.linspace(self.low, self.high, self.count)

    def nearest(self, z: np.ndarray) -> np.ndarray:
        """Index of the nearest redshift; -1 where `z` is over half a step outside."""
        step = (self.high - self.low) / (self.count - 1)
        place = (np.asarray(z, dtype=np.float64) - self.low) / step
        inside = (place >= -0.5 - 1e-9) & (place <= self.count - 0.5 + 1e-9)
        index = np.clip(np.floor(place + 0.5), 0, self.count - 1)
        return np.where(inside, index, -1).astype(np.int64)


@config
class SersicSed:
    """Pairs of noiseless stamps of one galaxy, `input` at z_in and `target` at z_out > z_in.

    An image is profile(y, x) times the flux of its spectrum in each band, in nJy. Between the
    two lie angular size, surface-brightness dimming and the shift of the spectrum through the
    bands, each with a switch. Nothing is scaled by a sample's own pixels or by another sample.

    Pairings: numbers for `z_in` and `z_out` give fixed to fixed; a number and a distribution,
    fixed to many; two distributions, many to many. Pairs without z_out > z_in are drawn again,
    both redshifts together.

    Writes `input`, `target` (N,C,H,W) f4 in nJy, `z_in`, `z_out` (N,) f4, `profile_in`,
    `profile_out` (N,H,W) f4 (flux fraction in a pixel), and the table `galaxy`: `sed` (row of
    the table), `sed_name`, `x`, `y` (pixels), `r_e_in`, `r_e_out` (arcsec), `r_e_kpc`, `n`,
    `axis_ratio`, `position_angle` (degrees from +x towards +y), `magnitude` (as drawn),
    `absolute_magnitude`, `flux_in_<band>`, `flux_out_<band>` (total, nJy), `fraction_in`,
    `fraction_out` (of the total flux, on the stamp).
    """

    bands: tuple[BandName, ...] = ("F435W", "F606W", "F775W", "F814W", "F850LP", "F105W", "F125W", "F160W")
    """Bands of the images, in the order of the channel axis."""
    stamp: Count = 60
    """Height and width of a stamp, pixels."""
    pixel_scale_arcsec: Positive = 0.1
    """Size of a pixel, arcsec."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for distances and angular sizes."""
    z_in: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 2.0)
    """Redshift of the input."""
    z_out: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 2.0)
    """Redshift of the target; always above z_in."""
    redshift_grid: RedshiftGrid | None = RedshiftGrid()
    """Redshifts move to the nearest of this grid (its ends catch half as many draws of a uniform
    distribution between them); null for continuous redshifts, each integrated by itself."""
    seds: tuple[SedName, ...] = ("E", "Sbc", "Scd", "Im")
    """Spectra, neighbours alike: Coleman, Wu & Weedman 1980, as galsim carries them."""
    sed_steps: Count = 4
    """Steps from one spectrum to the next: 1 for the spectra alone, 4 for three mixtures between."""
    magnitude: Varying = uniform(-23.0, -18.0)
    """AB magnitude of the whole galaxy in `magnitude_band`."""
    magnitude_kind: Literal["absolute", "apparent"] = "absolute"
    """Absolute in the rest frame, or apparent as the input has it."""
    magnitude_band: BandName = "lsst_r"
    """Band of `magnitude`; it need not be one of `bands`."""
    r_e: Annotated[Varying, Limit(gt=0)] = Varying("lognormal", (3.0, 0.5))
    """Effective radius: semi-major axis of the ellipse that holds half the light."""
    r_e_unit: Literal["kpc", "arcsec", "pixel"] = "kpc"
    """Unit of `r_e`; an angle is that of the input."""
    n: Annotated[Varying, Limit(ge=0.3, le=8)] = uniform(0.5, 4.0)
    """Sersic index."""
    axis_ratio: Annotated[Varying, Limit(ge=0.05, le=1)] = uniform(0.2, 1.0)
    """Minor over major axis, 1 - ellipticity."""
    position_angle: Varying = uniform(0.0, 180.0)
    """Angle of the major axis from +x towards +y, degrees."""
    jitter: NonNegative = 0.5
    """The centre lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    angular_size: bool = True
    """The target's angular size follows the angular-diameter distance; if not, it is the input's."""
    dimming: bool = True
    """Surface brightness falls by ((1 + z_in) / (1 + z_out))^4."""
    band_shift: bool = True
    """The target's bands see the spectrum at z_out; if not, the target has the input's colours."""

    def __post_init__(self) -> None:
        for key in ("bands", "seds"):
            names = getattr(self, key)
            if not names or len(set(names)) < len(names):
                raise ValueError(f"{key} should be one or more different names, found {list(names)}")
        lowest, highest = _reach(self.z_in)[0], _reach(self.z_out)[1]
        if self.redshift_grid is not None:
            lowest, highest = _on_grid(self.redshift_grid, self.z_in, self.z_out)
        if not lowest < highest:
            raise ValueError(
                f"z_out should be above z_in, and z_in starts at {lowest:g}, z_out ends at {highest:g}"
            )

    def reads(self) -> frozenset[str]:
        """Nothing: a source."""
        return frozenset()

    def writes(self) -> frozenset[str]:
        """Images, redshifts, profiles and the table `galaxy`."""
        return frozenset({"input", "target", "z_in", "z_out", "profile_in", "profile_out", "galaxy"})

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every pair of the batch. InputError where redshifts cannot be paired."""
        drawn = _draw(self, len(batch), stream)
        sed_in, sed_out, names, absolute = _spectra(self, drawn)
        r_e_in, r_e_out, r_e_kpc = _sizes(self, drawn)
        profile = _profiles(self, drawn, np.concatenate([r_e_in, r_e_out]))
        sed = np.concatenate([sed_in, sed_out])

        pair = profile[:, None] * sed[:, :, None, None]

        n = len(batch)
        fraction = profile.sum(axis=(1, 2), dtype=np.float64)
        galaxy = {
            "sample": batch.sample,
            "z_in": drawn.z_in,
            "z_out": drawn.z_out,
            "sed": drawn.sed.astype(np.int32),
            "sed_name": np.array([names[m].encode() for m in drawn.sed], dtype="S20"),
            "x": drawn.x,
            "y": drawn.y,
            "r_e_in": r_e_in,
            "r_e_out": r_e_out,
            "r_e_kpc": r_e_kpc,
            "n": drawn.n,
            "axis_ratio": drawn.axis_ratio,
            "position_angle": drawn.position_angle,
            "magnitude": drawn.magnitude,
            "absolute_magnitude": absolute,
            "fraction_in": fraction[:n],
            "fraction_out": fraction[n:],
        }
        for c, band in enumerate(self.bands):
            galaxy[f"flux_in_{band}"] = sed_in[:, c].astype(np.float64)
            galaxy[f"flux_out_{band}"] = sed_out[:, c].astype(np.float64)
        return (
            batch.with_arrays(
                input=pair[:n],
                target=pair[n:],
                z_in=drawn.z_in.astype(np.float32),
                z_out=drawn.z_out.astype(np.float32),
                profile_in=profile[:n],
                profile_out=profile[n:],
            )
            .with_table("galaxy", galaxy)
            .with_attributes(
                bands=self.bands,
                pixel_scale_arcsec=self.pixel_scale_arcsec,
                unit="nJy",
                zeropoint_ab=ZEROPOINT_NJY,
                psf_fwhm_arcsec=(0.0,) * len(self.bands),
            )
        )


@dataclass(frozen=True)
class _Drawn:
    """What is drawn for each galaxy, all (N,); redshifts are exact in float32."""

    z_in: np.ndarray
    z_out: np.ndarray
    sed: np.ndarray
    magnitude: np.ndarray
    r_e: np.ndarray
    n: np.ndarray
    axis_ratio: np.ndarray
    position_angle: np.ndarray
    x: np.ndarray
    y: np.ndarray


def _draw(cfg: SersicSed, count: int, stream: Stream) -> _Drawn:
    """Each parameter from a stream of its own, so that changing one leaves the others alone."""
    z_in, z_out = _draw_redshifts(cfg, count, stream.child("redshift").numpy())
    spectra = (len(cfg.seds) - 1) * cfg.sed_steps + 1
    middle = (cfg.stamp - 1) / 2
    shift = stream.child("centre").numpy().uniform(-cfg.jitter, cfg.jitter, (2, count))
    varying = ("magnitude", "r_e", "n", "axis_ratio", "position_angle")
    values = {key: getattr(cfg, key).draw(stream.child(key).numpy(), count) for key in varying}
    sed = stream.child("sed").numpy().integers(spectra, size=count)
    return _Drawn(z_in=z_in, z_out=z_out, sed=sed, x=middle + shift[0], y=middle + shift[1], **values)


def _draw_redshifts(cfg: SersicSed, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Redshifts with z_out > z_in, float64 values that float32 holds exactly."""
    out = np.zeros((2, count))
    missing = np.arange(count)
    for _ in range(2000):
        z = np.stack([v.draw(rng, len(missing)) for v in (cfg.z_in, cfg.z_out)])
        good = np.ones(len(missing), dtype=bool)
        if cfg.redshift_grid is not None:
            index = cfg.redshift_grid.nearest(z)
            good &= (index >= 0).all(axis=0)
            z = cfg.redshift_grid.redshifts()[index]
        z = z.astype(np.float32).astype(np.float64)
        good &= z[1] > z[0]
        out[:, missing[good]] = z[:, good]
        missing = missing[~good]
        if not len(missing):
            return out[0], out[1]
    raise InputError(
        f"sersic_sed: z_in {_text(cfg.z_in)} and z_out {_text(cfg.z_out)} almost never give z_out > z_in"
        + (" on the redshift grid" if cfg.redshift_grid else "")
        + "; let z_out reach farther above z_in"
    )


def _spectra(cfg: SersicSed, drawn: _Drawn) -> tuple[np.ndarray, np.ndarray, tuple[str, ...], np.ndarray]:
    """Total flux in nJy of input and target (N,C) f4; names of the spectra; absolute magnitudes."""
    seen = drawn.z_out if cfg.band_shift else drawn.z_in
    bands = (*cfg.bands, cfg.magnitude_band)  # the last channel carries the normalisation
    both = np.concatenate([drawn.z_in, seen])
    spectrum = np.concatenate([drawn.sed, drawn.sed])
    arguments = (bands, cfg.seds, cfg.sed_steps, cfg.magnitude_band, cfg.cosmology)
    if cfg.redshift_grid is None:
        z, row = np.unique(both, return_inverse=True)
        table = sed_table(z, *arguments)
    else:
        z = cfg.redshift_grid.redshifts().astype(np.float32).astype(np.float64)
        row = cfg.redshift_grid.nearest(both)
        table = cached_table(tuple(z.tolist()), *arguments)
    flux = table.flux[row, :, spectrum]
    flux_in, flux_out = flux[: len(drawn.z_in)], flux[len(drawn.z_in) :]

    magnitude = drawn.magnitude
    if cfg.magnitude_kind == "absolute":
        brightness = 10.0 ** (-0.4 * (magnitude - TABLE_MAGNITUDE))
    else:
        brightness = 10.0 ** (-0.4 * (magnitude - ZEROPOINT_NJY)) / flux_in[:, -1]
    change = flux_factor(
        drawn.z_in, drawn.z_out, cfg.cosmology, angular_size=cfg.angular_size, dimming=cfg.dimming
    ) / flux_factor(drawn.z_in, seen, cfg.cosmology)
    sed_in = brightness[:, None] * flux_in[:, :-1]
    sed_out = (brightness * change)[:, None] * flux_out[:, :-1]
    absolute = TABLE_MAGNITUDE - 2.5 * np.log10(brightness)
    return sed_in.astype(np.float32), sed_out.astype(np.float32), table.names, absolute


def _sizes(cfg: SersicSed, drawn: _Drawn) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Effective radius of input and target in arcsec, and in kpc."""
    scale = arcsec_per_kpc(drawn.z_in, cfg.cosmology)
    unit = {"kpc": scale, "arcsec": 1.0, "pixel": cfg.pixel_scale_arcsec}[cfg.r_e_unit]
    r_e_in = drawn.r_e * unit
    change = size_factor(drawn.z_in, drawn.z_out, cfg.cosmology, angular_size=cfg.angular_size)
    return r_e_in, r_e_in * change, r_e_in / scale


def _profiles(cfg: SersicSed, drawn: _Drawn, r_e_arcsec: np.ndarray) -> np.ndarray:
    """Inputs' profiles, then targets', (2N,H,W) f4, each of total flux 1."""
    import torch

    from mockforge.sky.sersic import sersic

    columns = [np.tile(v, 2) for v in (drawn.x, drawn.y, drawn.n, drawn.axis_ratio, drawn.position_angle)]
    x, y, n, q, angle, r_e = (torch.from_numpy(v) for v in (*columns, r_e_arcsec / cfg.pixel_scale_arcsec))
    size = max(1, _CHUNK // cfg.stamp**2)
    parts = [slice(i, i + size) for i in range(0, len(x), size)]
    shape = (cfg.stamp, cfg.stamp)
    return torch.cat([sersic(x[p], y[p], r_e[p], n[p], q[p], angle[p], shape) for p in parts]).numpy()


def _reach(value: Varying) -> tuple[float, float]:
    """Lowest and highest value that can be drawn."""
    if value.kind in ("fixed", "choice"):
        return min(value.values), max(value.values)
    if value.kind in ("normal", "lognormal"):
        return (0.0, math.inf) if value.values[1] > 0 else (value.values[0], value.values[0])
    return value.values[0], value.values[1]


def _on_grid(grid: RedshiftGrid, z_in: Varying, z_out: Varying) -> tuple[float, float]:
    """Lowest z_in and highest z_out on the grid; ValueError where a bounded one leaves it."""
    ends = []
    for key, value in (("z_in", z_in), ("z_out", z_out)):
        if value.kind in ("normal", "lognormal") and value.values[1] > 0:
            ends.append((grid.low, grid.high))  # draws off the grid are drawn again
            continue
        index = grid.nearest(np.array(_reach(value)))
        if (index < 0).any():
            raise ValueError(
                f"{key} {_text(value)} leaves redshift_grid ({grid.low:g} to {grid.high:g}); "
                "widen the grid, or set redshift_grid: null for continuous redshifts"
            )
        ends.append(tuple(grid.redshifts()[index]))
    return ends[0][0], ends[1][1]


def _text(value: Varying) -> str:
    return f"{value.values[0]:g}" if value.kind == "fixed" else f"{{{value.kind}: {list(value.values)}}}"
