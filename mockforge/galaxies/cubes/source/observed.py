"""Cubes as an instrument sees them: channels about the lines, PSF, noise, and the truth of every spaxel."""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch

from mockforge.errors import InputError
from mockforge.galaxies.cubes.body.curves import read_profile, table_curve
from mockforge.galaxies.cubes.body.disk import Physics
from mockforge.galaxies.cubes.instrument.instruments import FWHM, hexagon, instrument
from mockforge.galaxies.cubes.instrument.lines import Lines, in_medium, lines_of
from mockforge.galaxies.cubes.instrument.night import sky_variance
from mockforge.galaxies.cubes.light.channels import Spectrum, lsf_without_channel
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.model import MAPS, Maps, converged, cubes, moments
from mockforge.galaxies.cubes.light.ringed import rings_do
from mockforge.galaxies.cubes.source.draw import Drawn
from mockforge.galaxies.cubes.source.spec import TurningDisks
from mockforge.observe.psf.models import PsfModel, Rings, gaussian, moffat
from mockforge.observe.psf.per_band import models
from mockforge.rng import Stream

FLUX_UNIT = "1e-18 erg / (s cm2)"
"""Of a disk, and of the map of the flux."""
CUBE_UNIT = "1e-20 erg / (Angstrom s cm2)"
"""Of a channel of a spaxel."""
_TRIAL = 6
"""Cubes of a batch that the sampling is found with."""


@dataclass(frozen=True)
class Wavelengths:
    """The channels of each cube."""

    spectrum: Spectrum
    first: np.ndarray
    """(N,) wavelength of the middle of the first channel, Angstrom."""
    middle: np.ndarray
    """(N, C) of every channel."""
    lsf_sigma: np.ndarray
    """(N, C) Angstrom."""
    reference: np.ndarray
    """(N,) vacuum wavelength at rest of the first line, Angstrom."""


def physics_of(cfg: TurningDisks) -> Physics:
    """Return what all disks share. InputError for a user's profile that cannot be used."""
    files = cfg.files_read()
    curve = (
        cfg.curve
        if cfg.curve_file is None
        else table_curve(*read_profile(files["curve_file"], "rotation curve"))
    )
    profile = None
    if cfg.sigma_file is not None:
        profile = table_curve(*read_profile(files["sigma_file"], "dispersion profile"))
    return Physics(cfg.radial, cfg.vertical, curve, cfg.thick, cfg.thin, profile, cfg.convention)


def grid_of(cfg: TurningDisks) -> tuple[Grid, int]:
    """Return the spaxels with their PSF, and how many fine pixels across a spaxel the PSF needs.

    Raises
    ------
    InputError
        A PSF that is wider than the field.
    """
    chosen = instrument(cfg.instrument)
    psf, fwhm = psf_of(cfg)
    width = cfg.spaxels * chosen.pixel_scale_arcsec
    if fwhm > width:
        raise InputError(
            f"psf: its FWHM, {fwhm:.3g} arcsec, is wider than the cube's field of {width:.3g} arcsec; "
            "take more spaxels, or a narrower PSF"
        )
    fine = max(1, round(2.2 * chosen.pixel_scale_arcsec / fwhm))
    padding = max(12, int(np.ceil(4 * fwhm / chosen.pixel_scale_arcsec)))
    return Grid((cfg.spaxels, cfg.spaxels), chosen.pixel_scale_arcsec, psf, cfg.margin, padding), fine


@lru_cache(maxsize=16)
def psf_of(cfg: TurningDisks) -> tuple[PsfModel, float]:
    """Return the PSF and its full width at half maximum in arcsec."""
    chosen = instrument(cfg.instrument)
    if cfg.psf is not None:
        model = models(cfg.psf, ("cube",))[0]
        return model, Rings.of(model).fwhm()
    fwhm, beta = chosen.psf_fwhm_arcsec, chosen.moffat_beta
    return (gaussian(fwhm) if beta is None else moffat(fwhm, beta)), fwhm


def wavelengths(cfg: TurningDisks, redshift: np.ndarray, ratio: np.ndarray | None) -> Wavelengths:
    """Return the channels about the lines, on the instrument's own grid of channels.

    Raises
    ------
    InputError
        A line outside the instrument's range, or lines further apart than the channels reach.
    """
    chosen = instrument(cfg.instrument)
    width = chosen.channel_angstrom
    lines = lines_of(cfg.lines, single=cfg.line)
    at = np.asarray(in_medium(lines.rest[None] * (1 + redshift[:, None]), chosen.medium))
    low, high = chosen.range_angstrom
    outside = np.flatnonzero(((at < low) | (at > high)).any(axis=1))
    if len(outside):
        i = int(outside[0])
        worst = int(np.argmax(np.maximum(low - at[i], at[i] - high)))
        raise InputError(
            f"the line {lines.names[worst]} at redshift {redshift[i]:.4g} lies at {at[i, worst]:.0f}"
            f" Angstrom, outside the {low:g} to {high:g} Angstrom of {cfg.instrument}; change the redshift,"
            " the lines or the instrument"
        )
    span = float((at.max(axis=1) - at.min(axis=1)).max())
    if span > width * cfg.channels:
        raise InputError(
            f"the lines are {span:.0f} Angstrom apart, and {cfg.channels} channels of {width:g} Angstrom"
            f" reach {width * cfg.channels:.0f}; take at least {int(span / width) + 40} channels"
        )
    middle = 0.5 * (at.max(axis=1) + at.min(axis=1))
    first = low + width * (np.round((middle - low) / width) - (cfg.channels - 1) // 2)
    centres = first[:, None] + width * np.arange(cfg.channels)
    edges = first[:, None] + width * (np.arange(cfg.channels + 1) - 0.5)
    sigma, everywhere = chosen.lsf.sigma(at), chosen.lsf.sigma(centres)
    if cfg.lsf_includes_channel:
        sigma, everywhere = (lsf_without_channel(s, width) for s in (sigma, everywhere))
    share = lines.share[None] if ratio is None else np.stack([_shares(cfg, float(r)).share for r in ratio])
    spectrum = Spectrum(edges, at, share, sigma, cfg.convention)
    return Wavelengths(spectrum, first, centres, everywhere, np.full(len(redshift), lines.rest[0]))


def _shares(cfg: TurningDisks, ratio: float) -> Lines:
    return lines_of(cfg.lines, ratio, cfg.line)


@dataclass(frozen=True)
class Noiseless:
    """N cubes without noise, and their maps."""

    cube: np.ndarray
    """(N, C, y, x), 1e-20 erg/s/cm2/Angstrom."""
    maps: dict[str, np.ndarray]
    """Field of `Maps` -> (N, y, x)."""
    each: dict[str, np.ndarray]
    """Of cubes that may hold a pair: field of `Maps`, or `continuum` as the cube, -> (N, 2, y, x)."""
    said: str
    """How finely they were sampled."""
    fraction: np.ndarray
    """(M,) share of each disk's line flux that is in its cube: of its spaxels and of its channels."""


def paint(cfg: TurningDisks, drawn: Drawn, waves: Wavelengths) -> Noiseless:
    """Return the cubes of all disks, companions added to theirs, and the maps of both together."""
    physics, (grid, fine) = physics_of(cfg), grid_of(cfg)
    chosen, count = instrument(cfg.instrument), len(drawn.redshift)
    with torch.no_grad():
        trial = slice(0, min(_TRIAL, count))
        start = Sampling(fine=max(fine, _finer(cfg, drawn)))
        _, sampling, _ = converged(
            drawn.tensors(trial), physics, grid, waves.spectrum.rows(trial), cfg.tolerance, start
        )
        spectrum = waves.spectrum
        whole = Spectrum(
            **{
                k: v[drawn.owner] if v.shape[0] > 1 else v
                for k, v in vars(spectrum).items()
                if k != "convention"
            },
            convention=spectrum.convention,
        )
        every = drawn.tensors(slice(None))
        flux = cubes(every, physics, grid, whole, sampling)
        maps = moments(every, physics, grid, sampling)
    joined = {f.name: getattr(maps, f.name).numpy() for f in fields(Maps)}
    fraction = flux.sum(dim=(1, 2, 3), dtype=torch.float64).numpy() / np.asarray(drawn.disk["flux"])
    cube = _added(flux.numpy(), drawn.owner, count) * np.float32(100 / chosen.channel_angstrom)
    together = _together(joined, drawn.owner, count)
    each = {} if cfg.companion is None else _each(joined, drawn.owner, count)
    if cfg.equivalent_width_angstrom > 0:
        level = np.float32(100 / cfg.equivalent_width_angstrom)
        cube = cube + level * together["flux_observed"][:, None]
        if each:
            each["continuum"] = level * each["flux_observed"]
    if chosen.hexagon:
        inside = spaxels_inside(cfg)
        cube = cube * inside
        together, each = ({name: v * inside for name, v in maps.items()} for maps in (together, each))
    return Noiseless(cube, together, each, _said(sampling, rings_do(every, grid)), fraction)


def _said(sampling: Sampling, by_rings: bool) -> str:
    own = MAPS if by_rings else sampling
    sight = (
        f"{own.inside} points across a fine pixel, {own.fine} fine pixels across a spaxel,"
        f" 2 x {own.nodes} along the line of sight"
    )
    if not by_rings:
        return sight
    return (
        f"{sampling.rings:.2g} times the rings that PSF and lines ask for, waves of which the PSF leaves"
        f" {sampling.faintest:.1g}; maps without PSF: {sight}"
    )


def _finer(cfg: TurningDisks, drawn: Drawn) -> int:
    """Return how many fine pixels across a spaxel the structure of pictures needs."""
    if drawn.laid is None:
        return 1
    finest = 0.5 * float(drawn.laid_table["picture_psf_fwhm_arcsec"].min())
    return int(np.ceil(instrument(cfg.instrument).pixel_scale_arcsec / max(finest, 0.1 * psf_of(cfg)[1])))


def _added(values: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    out = values[:count].copy()
    out[owner[count:]] += values[count:]  # a cube has at most one companion
    return out


def _each(maps: dict[str, np.ndarray], owner: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return the maps of both members of a pair apart, (N, 2, y, x); the second is 0 where there is none."""
    out = {}
    for name, values in maps.items():
        out[name] = np.zeros((count, 2, *values.shape[1:]), values.dtype)
        out[name][:, 0] = values[:count]
        out[name][owner[count:], 1] = values[count:]
    return out


def _together(maps: dict[str, np.ndarray], owner: np.ndarray, count: int) -> dict[str, np.ndarray]:
    """Return the maps of disks that share a cube: of both, weighted by flux."""
    out = {}
    for end in ("", "_observed"):
        flux = maps[f"flux{end}"]
        mean, spread = maps[f"velocity{end}"], maps[f"dispersion{end}"]
        total = _added(flux, owner, count)
        scale = np.where(total > 0, total, 1)
        velocity = _added(flux * mean, owner, count) / scale
        second = spread**2 + (mean**2 if end else 0)
        square = _added(flux * second, owner, count) / scale - (velocity**2 if end else 0)
        out |= {
            f"flux{end}": total,
            f"velocity{end}": velocity,
            f"dispersion{end}": np.sqrt(np.maximum(square, 0)),
        }
    return out


def spaxels_inside(cfg: TurningDisks) -> np.ndarray:
    """Return 1 where there are spaxels and 0 outside of a hexagon of fibres, (y, x) float32."""
    chosen, shape = instrument(cfg.instrument), (cfg.spaxels, cfg.spaxels)
    if not chosen.hexagon:
        return np.ones(shape, np.float32)
    width = min(chosen.field_arcsec, cfg.spaxels * chosen.pixel_scale_arcsec)
    return hexagon(shape, chosen.pixel_scale_arcsec, width).astype(np.float32)


def noise(
    cfg: TurningDisks, clean: Noiseless, waves: Wavelengths, drawn: Drawn, stream: Stream
) -> dict[str, np.ndarray]:
    """Return `cube` with noise, its variance `cube_variance`, `snr_map` and `snr_mask`."""
    if cfg.noise is None or drawn.snr is None:
        return {"cube": clean.cube}
    chosen = instrument(cfg.instrument)
    peak = clean.cube.max(axis=(1, 2, 3))
    level = (peak / drawn.snr) ** 2
    strong = 0.0 if chosen.sky == "space" else cfg.noise.sky_lines
    relative = sky_variance(waves.middle, waves.lsf_sigma, strong, chosen.medium)
    variance = (level[:, None] * relative).astype(np.float32)
    rng = stream.numpy()
    rms = np.sqrt(variance)[:, :, None, None]
    inside = spaxels_inside(cfg)
    cube = clean.cube + rms * inside * rng.standard_normal(clean.cube.shape, dtype=np.float32)
    snr = (clean.cube / rms).max(axis=1)
    return {
        "cube": cube.astype(np.float32),
        "cube_variance": variance[:, :, None, None] * inside,
        "snr_map": snr.astype(np.float32),
        "snr_mask": snr > cfg.noise.mask_snr,
    }


def lsf_fwhm(waves: Wavelengths) -> np.ndarray:
    """Return the full width at half maximum of the line-spread function in every channel, (N, C) Angstrom."""
    return (FWHM * waves.lsf_sigma).astype(np.float32)
