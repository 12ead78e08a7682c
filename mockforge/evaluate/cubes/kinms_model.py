"""KinMS as a forward model: its cube of the same parameters beside ours."""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mockforge.evaluate.cubes import with_kinms
from mockforge.evaluate.cubes.apart import run_apart
from mockforge.evaluate.cubes.fits import NoFitError
from mockforge.evaluate.cubes.sample import Galaxy, Sample
from mockforge.evaluate.report.report import Row
from mockforge.galaxies.cubes.body.disk import disks
from mockforge.galaxies.cubes.body.doppler import C_KM_S
from mockforge.galaxies.cubes.light.channels import Spectrum
from mockforge.galaxies.cubes.light.model import cubes
from mockforge.galaxies.cubes.source.observed import physics_of
from mockforge.observe.psf.models import gaussian

CLOUDS = 300_000
"""Points that KinMS draws."""
WHAT = (
    "KinMS (Davis et al. 2013) makes cubes of clouds and fits nothing here: one line without clumps, of each"
    " galaxy's true parameters, a Gaussian beam of the PSF's FWHM, an exponential vertical profile, and the"
    " line-spread function in the dispersion; ours is of the same. Difference: the sum of |KinMS - ours| over"
    f" the flux, of which {CLOUDS:,} clouds drawn at random are a part; flux is KinMS over ours"
    " (KinMS puts into the field what lies outside of it too), and is taken out of the differences; velocity"
    " the rms difference of the mean velocities where the light is above a tenth of the brightest"
)


def compare(galaxy: Galaxy, sample: Sample, seconds: float) -> Row:
    """Return how KinMS's cube differs from ours. `NoFitError` where it made none in time."""
    cfg, scale = sample.cfg, sample.instrument.pixel_scale_arcsec
    ask = _asked(galaxy, sample)
    with tempfile.TemporaryDirectory(prefix="mockforge-kinms-") as folder:
        answer = run_apart(with_kinms.__file__, Path(folder), ask, seconds)
        theirs = np.load(Path(folder) / "cube.npy")
    began = time.perf_counter()
    ours = _ours(galaxy, sample, ask["channel"], ask["sigma"])
    own = time.perf_counter() - began
    if theirs.shape != ours.shape:
        raise NoFitError(f"made a cube of {theirs.shape}, not of {ours.shape}")
    light = ours.sum(axis=0)
    bright = light > 0.1 * light.max()
    channel = np.arange(cfg.channels)[:, None, None] * ask["channel"]
    mean = [(c * channel).sum(axis=0)[bright] / c.sum(axis=0)[bright] for c in (theirs, ours)]
    flux = float(theirs.sum() / ours.sum())
    theirs = theirs / flux
    return {
        "galaxy": galaxy.number,
        "flux": flux,
        "difference": float(np.abs(theirs - ours).sum() / ours.sum()),
        "largest, of the peak": float(np.abs(theirs - ours).max() / ours.max()),
        "velocity, km/s": float(np.sqrt(np.mean((mean[0] - mean[1]) ** 2))),
        "KinMS, s": float(answer["seconds"]),
        "ours, s": own,
        "spaxel, arcsec": scale,
    }


def _asked(galaxy: Galaxy, sample: Sample) -> dict[str, Any]:
    """Return what `with_kinms` is asked; it centres its grids half a pixel and channel further on."""
    cfg, scale, t = sample.cfg, sample.instrument.pixel_scale_arcsec, galaxy.truth
    spectrum = sample.waves(galaxy).spectrum
    at = float(spectrum.at_rest[0, 0])
    channel = C_KM_S * sample.instrument.channel_angstrom / at
    radius = np.arange(0, 8 * t["r_half"], 0.02)
    r, v, turn = (torch.as_tensor(x, dtype=torch.float64) for x in (radius, t["v_max"], t["r_turn"]))
    speed = physics_of(cfg).rotation(r, v, turn)
    lsf = C_KM_S * float(spectrum.lsf_sigma[0, 0]) / at
    return {
        "spaxels": cfg.spaxels,
        "channels": cfg.channels,
        "scale": scale,
        "channel": channel,
        "fwhm": [sample.psf_fwhm, sample.psf_fwhm, 0],
        "clouds": CLOUDS,
        "radius": radius.tolist(),
        "light": _profile(cfg.radial, radius / t["r_half"], t["n"]).tolist(),
        "speed": np.asarray(speed).tolist(),
        "height": t["height"],
        "inclination": t["inclination"],
        "angle": (t["position_angle"] + 270) % 360,
        "sigma": math.hypot(t["sigma"], lsf),
        "flux": 1.0,
        "offset": [t["x"] - scale / 2, t["y"] - scale / 2, -channel / 2],
    }


def _profile(radial: str, x: np.ndarray, n: float) -> np.ndarray:
    """Return the surface brightness at radii over the half-light radius."""
    n = {"exponential": 1.0, "gaussian": 0.5}.get(radial, n)
    b = {1.0: 1.67835, 0.5: math.log(2)}.get(n, 2 * n - 1 / 3 + 0.009876 / n)
    return np.exp(-b * x ** (1 / n))


def _ours(galaxy: Galaxy, sample: Sample, channel: float, sigma: float) -> np.ndarray:
    t, cfg, rest = galaxy.truth, sample.cfg, 6000.0
    edges = rest * (1 + (np.arange(cfg.channels + 1) - cfg.channels / 2) * channel / C_KM_S)
    spectrum = Spectrum(edges[None], np.array([[rest]]), np.ones(1), np.full((1, 1), 1e-6), "optical")
    physics = replace(physics_of(cfg), vertical="exponential", convention="optical", profile=None)
    names = ("x", "y", "inclination", "position_angle", "spin", "r_half", "n", "height", "v_max", "r_turn")
    given: Mapping[str, float] = {name: t[name] for name in names}
    grid = replace(sample.grid, psf=gaussian(sample.psf_fwhm))
    with torch.no_grad():
        cube = cubes(disks(None, **given, sigma=sigma, flux=1.0), physics, grid, spectrum, sample.sampling)
    return cube[0].double().numpy()
