"""GalPaK 3D as a fitter: its cube as FITS, its units and angles, and whether its chain has settled.

Chains may be kept, `galpak-NUMBER.npz`: a fit that is asked for again takes the chain that is there.
"""

from __future__ import annotations

import hashlib
import json
import math
import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.export.cube_cards import celestial
from mockforge.evaluate.cubes import with_galpak
from mockforge.evaluate.cubes.apart import run_apart
from mockforge.evaluate.cubes.chains import RULE, every_state, unsettled
from mockforge.evaluate.cubes.fits import Fit, Fitter
from mockforge.evaluate.cubes.guess import guess
from mockforge.evaluate.cubes.sample import MEASURED, Galaxy, Sample
from mockforge.galaxies.cubes.body.doppler import C_KM_S
from mockforge.galaxies.cubes.instrument.instruments import FWHM
from mockforge.galaxies.cubes.instrument.lines import lines_of

_CURVES = {
    "arctan": "arctan",
    "tanh": "tanh",
    "exponential": "exponential",
    "isothermal": "isothermal",
    "nfw": "NFW",
}
_CHI2 = 1.5
"""A chain whose best chi2 per degree of freedom is above has not found the galaxy."""
_PATIENCE = 10
"""Seconds of the clock for each of the processor, after which a fit is ended: machines are shared."""
_START = 120.0
"""Seconds of the clock that it may take to begin."""
_LAST = 0.6
"""Part of the chain that parameters are measured on."""


def galpak_fitter(steps: int, seconds: float, chains: Path | None = None) -> Fitter:
    """Return GalPaK as a fitter.

    Parameters
    ----------
    steps : int
        Accepted steps of a galaxy's chain, at most.
    seconds : float
        Of the processor, for a galaxy's chain.
    chains : Path, optional
        Folder that chains are kept in.
    """
    what = (
        f"galpak: GalPaK 3D 1.35 (Bouche et al. 2015), {steps} accepted steps of its Markov chain, or"
        f" {seconds:g} s of the processor, from the cube's moments; the last 60% used: medians and the middle"
        " 68%, each state counted as often as it was proposed from. Told the curve's shape, the profile, the"
        " thickness, the PSF, the LSF and that dispersion is isotropic; not the clumps. Not converged: best"
        f" chi2 above {_CHI2:g} per degree of freedom; {RULE}"
    )
    return Fitter("galpak", what, partial(_fit, steps=steps, seconds=seconds, chains=chains), _cannot)


def _cannot(sample: Sample) -> str | None:
    """Return what the dataset has and GalPaK has not."""
    cfg = sample.cfg
    if len(lines_of(cfg.lines, single=cfg.line).names) > 2:
        return f"galpak fits one line or a doublet, and the dataset has the lines {cfg.lines}"
    if cfg.curve not in _CURVES:
        return f"galpak has no rotation curve {cfg.curve!r}"
    if cfg.radial == "sersic":
        return "galpak has no profile of a free Sersic index"
    if cfg.psf is not None and cfg.psf.moffat is None and cfg.psf.gaussian is None:
        return "galpak is given Moffat and Gaussian PSFs here, and the dataset has another"
    return None


def _fit(galaxy: Galaxy, sample: Sample, steps: int, seconds: float, chains: Path | None) -> Fit:
    ask = {**asked(galaxy, sample, steps), "seconds": seconds}
    kept = None if chains is None else chains / f"galpak-{galaxy.number:05d}.npz"
    known = _digest(ask, galaxy)
    if kept is not None and kept.is_file():
        with np.load(kept) as file:
            if str(file["known"]) == known:
                return judged(file["rows"], file["held"], galaxy, sample)
    with tempfile.TemporaryDirectory(prefix="mockforge-galpak-") as folder:
        write_cube(Path(folder) / "cube.fits", galaxy, sample)
        run_apart(with_galpak.__file__, Path(folder), ask, _START + _PATIENCE * seconds)
        with np.load(Path(folder) / "chain.npz") as file:
            rows, held, names = file["rows"], file["held"], file["names"]
    if kept is not None:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez_compressed(kept, rows=rows, held=held, names=names, known=known)
    return judged(rows, held, galaxy, sample)


def _digest(ask: Mapping[str, Any], galaxy: Galaxy) -> str:
    """Return what tells fits apart: what is asked, and the cube."""
    about = hashlib.sha256(json.dumps(ask, sort_keys=True).encode())
    for values in (galaxy.cube, galaxy.variance):
        about.update(np.ascontiguousarray(values, dtype=np.float32).tobytes())
    return about.hexdigest()


def write_cube(path: Path, galaxy: Galaxy, sample: Sample) -> None:
    """Write a cube as the export does: DATA and STAT, with the axes of the sky and of wavelength."""
    from astropy.io import fits

    cards = celestial(galaxy.cube.shape, sample.instrument.pixel_scale_arcsec) | {
        "CTYPE3": "AWAV" if sample.instrument.medium == "air" else "WAVE",
        "CUNIT3": "Angstrom",
        "CRVAL3": float(galaxy.wavelength[0]),
        "CRPIX3": 1.0,
        "CD3_3": sample.instrument.channel_angstrom,
    }
    hdus: list[Any] = [fits.PrimaryHDU()]
    for name, values in (("DATA", galaxy.cube), ("STAT", galaxy.variance)):
        hdu = fits.ImageHDU(values.astype(np.float32), name=name)
        hdu.header.update(cards)
        hdus.append(hdu)
    fits.HDUList(hdus).writeto(path)


def asked(galaxy: Galaxy, sample: Sample, steps: int) -> dict[str, Any]:
    """Return what `with_galpak` is asked, in GalPaK's units."""
    cfg, scale = sample.cfg, sample.instrument.pixel_scale_arcsec
    first = guess(galaxy, sample)
    middle = (np.array(galaxy.cube.shape[1:]) - 1) / 2
    lines = lines_of(cfg.lines, galaxy.ratio, cfg.line)
    order = np.argsort(lines.rest)
    doublet = None
    if len(order) == 2:
        doublet = {"wave": lines.rest[order].tolist(), "ratio": lines.share[order].tolist()}
    spectrum = sample.waves(galaxy).spectrum
    # GalPaK samples lines in the middle of channels, ours are integrated: it is told the channel's width too.
    width = math.hypot(float(spectrum.lsf_sigma[0, 0]), sample.instrument.channel_angstrom / math.sqrt(12))
    return {
        "psf": {"fwhm": sample.psf_fwhm, "beta": _beta(sample)},
        "lsf_fwhm": FWHM * width,
        "line": doublet,
        "flux_profile": cfg.radial,
        "thickness_profile": cfg.vertical,
        "rotation_curve": _CURVES[cfg.curve],
        "aspect": sample.thickness,
        "isotropic": not cfg.thick,
        "start": {
            "x": middle[1] + first["x"] / scale,
            "y": middle[0] + first["y"] / scale,
            "z": _channel(first["velocity"], galaxy, sample),
            "flux": float(galaxy.cube.sum()),
            "radius": first["r_half"] / scale,
            "inclination": first["inclination"],
            "pa": (first["position_angle"] + 90) % 360,
            "turnover_radius": first["r_turn"] / scale,
            "maximum_velocity": first["v_max"],
            "velocity_dispersion": first["sigma"],
        },
        "largest": {"maximum_velocity": 600.0},
        "steps": steps,
        "seed": 1 + galaxy.number,
        "random_scale": 1.0,
    }


def _beta(sample: Sample) -> float | None:
    psf = sample.cfg.psf
    if psf is None:
        return sample.instrument.moffat_beta
    return None if psf.moffat is None else float(np.atleast_1d(psf.moffat.beta)[0])


def _reddest(galaxy: Galaxy, sample: Sample) -> float:
    """Return where the reddest line of a galaxy at rest is seen, Angstrom: GalPaK's `z` is its channel."""
    return float(sample.waves(galaxy).spectrum.at_rest[0].max())


def _channel(velocity: float, galaxy: Galaxy, sample: Sample) -> float:
    at = _reddest(galaxy, sample) * (1 + velocity / C_KM_S)
    return float((at - galaxy.wavelength[0]) / sample.instrument.channel_angstrom)


def judged(rows: np.ndarray, held: np.ndarray, galaxy: Galaxy, sample: Sample) -> Fit:
    """Return what a chain says of a galaxy in the units of our disks, and whether it has settled.

    Parameters
    ----------
    rows : ndarray
        (A, P + 1), accepted states in GalPaK's units, chi2 per degree of freedom last.
    held : ndarray
        (A,), proposals that were made from each.
    galaxy, sample
        Whose it is.
    """
    states = every_state(rows, held, _LAST)
    ours = in_our_units(dict(zip(with_galpak.NAMES, states[:, :-1].T, strict=True)), galaxy, sample)
    middle = np.median(ours["position_angle"])
    ours["position_angle"] = middle + (ours["position_angle"] - middle + 180) % 360 - 180
    low, values, high = (
        {name: float(np.quantile(chain, q)) for name, chain in ours.items()} for q in (0.16, 0.5, 0.84)
    )
    chi2 = float(states[:, -1].min())
    why = f"not converged: chi2 {chi2:.2f}" if chi2 > _CHI2 else unsettled({n: ours[n] for n in MEASURED})
    turn = values["position_angle"] % 360 - values["position_angle"]
    for ends in (low, values, high):
        ends["position_angle"] += turn
    return Fit(values, low, high, chi2, not why, why)


def in_our_units(v: Mapping[str, Any], galaxy: Galaxy, sample: Sample) -> dict[str, Any]:
    """Return GalPaK's parameters, numbers or chains of them, in the units of our disks.

    GalPaK's position angle is from +y, of the receding end: ours is 90 degrees less.
    """
    scale, step = sample.instrument.pixel_scale_arcsec, sample.instrument.channel_angstrom
    middle = (np.array(galaxy.cube.shape[1:]) - 1) / 2
    return {
        "x": (v["x"] - middle[1]) * scale,
        "y": (v["y"] - middle[0]) * scale,
        "flux": v["flux"] * step / 100,
        "r_half": v["radius"] * scale,
        "inclination": v["inclination"],
        "position_angle": v["pa"] - 90,
        "v_max": v["maximum_velocity"],
        "r_turn": v["turnover_radius"] * scale,
        "velocity": C_KM_S * ((galaxy.wavelength[0] + v["z"] * step) / _reddest(galaxy, sample) - 1),
        "sigma": v["velocity_dispersion"],
    }
