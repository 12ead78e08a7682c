"""Cubes a second against the models of KinMS and GalPaK: the same disk, field, channels and PSF, in one run.

Run: python tests/benchmarks/bench_cubes.py [threads]

A cube of 32 x 32 spaxels of 0.2 arcsec and 40 channels of 50 km/s: an exponential disk of r_1/2 0.8 arcsec,
an arctan curve of 200 km/s, 60 degrees, 30 km/s, through a Gaussian PSF of 1 arcsec. KinMS draws clouds at
random (its default number, and a tenth); GalPaK has one Gaussian a spaxel, of the mean velocity and the
dispersion there, sampled at channels' middles. Times are of the processor, the least of several rounds, with
what each needs for other parameters but without its imports: what else runs on the machine counts little.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable

import numpy as np
import torch

from mockforge.galaxies.cubes.channels import Spectrum
from mockforge.galaxies.cubes.disk import Physics, disks
from mockforge.galaxies.cubes.model import Grid, Sampling, cubes
from mockforge.observe.psf.models import gaussian
from mockforge.torch_state import steady

SIDE, SCALE, CHANNELS, STEP = 32, 0.2, 40, 50.0
R_HALF, R_TURN, V_MAX, SIGMA, INCLINATION, ANGLE, FWHM = 0.8, 0.2, 200.0, 30.0, 60.0, 30.0, 1.0
HEIGHT = 0.15 * R_HALF
BATCH = 64


def least(work: Callable[[], object], rounds: int = 5) -> float:
    """Processor seconds of the fastest of several rounds."""
    times = []
    work()
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def ours(sampling: Sampling, batch: int = BATCH) -> tuple[float, np.ndarray]:
    """Seconds a cube, and one of them."""
    at, km_s = 7000.0, 299_792.458
    edges = at * (1 + (np.arange(CHANNELS + 1) - CHANNELS / 2) * STEP / km_s)
    spectrum = Spectrum(edges[None], np.array([[at]]), np.ones(1), np.full((1, 1), 1e-6), "optical")
    grid = Grid((SIDE, SIDE), SCALE, gaussian(FWHM), padding=8)
    angles = np.linspace(0, 360, batch, endpoint=False) + ANGLE
    disk = disks(
        inclination=INCLINATION, position_angle=angles, r_half=R_HALF, height=HEIGHT, v_max=V_MAX,
        r_turn=R_TURN, sigma=SIGMA,
    )  # fmt: skip
    out: list[np.ndarray] = []

    def work() -> None:
        with torch.no_grad():
            out[:] = [cubes(disk, Physics(), grid, spectrum, sampling)[0].numpy()]

    return least(work) / batch, out[0]


def kinms(clouds: int) -> tuple[float, np.ndarray]:
    """Seconds a cube of KinMS, and one of them (channel, y, x)."""
    from kinms import KinMS

    r = np.arange(0, 6, 0.02)
    light = np.exp(-r / (R_HALF / 1.678))
    speed = 2 / np.pi * V_MAX * np.arctan(r / R_TURN)
    out: list[np.ndarray] = []

    def work() -> None:
        model = KinMS(
            SIDE * SCALE, SIDE * SCALE, CHANNELS * STEP, SCALE, STEP, [FWHM, FWHM, 0], nSamps=clouds
        )
        cube = model.model_cube(
            INCLINATION, 270 + ANGLE, gasSigma=SIGMA, diskThick=HEIGHT, sbProf=light, sbRad=r, velRad=r,
            velProf=speed, intFlux=1.0,
        )  # fmt: skip
        out[:] = [np.asarray(cube)]

    return least(work, 3), np.moveaxis(out[0], -1, 0)


def galpak() -> tuple[float, np.ndarray]:
    """Seconds a cube of GalPaK's disk and its instrument's convolution, and one of them."""
    logging.disable(logging.CRITICAL)
    from galpak import (
        MUSE,
        DiskModel,
        GalaxyParameters,
        GalPaK3D,
        GaussianPointSpreadFunction,
        HyperspectralCube,
    )

    data = np.ones((CHANNELS, SIDE, SIDE))
    cube = HyperspectralCube(data=data)
    cube.xy_step, cube.z_step, cube.z_central, cube.z_cunit = (
        SCALE,
        STEP / 299_792.458 * 7000,
        7000.0,
        "Angstrom",
    )
    psf = GaussianPointSpreadFunction(fwhm=FWHM, pa=0, ba=1.0)
    model = DiskModel(flux_profile="exponential", thickness_profile="gaussian", rotation_curve="arctan")
    fit = GalPaK3D(cube, instrument=MUSE(psf=psf, lsf_fwhm=1e-3), model=model, quiet=True)
    parameters = GalaxyParameters(
        x=15.5, y=15.5, z=19.5, flux=1.0, radius=R_HALF / SCALE, inclination=INCLINATION, pa=ANGLE,
        turnover_radius=R_TURN / SCALE, maximum_velocity=V_MAX, velocity_dispersion=SIGMA,
    )  # fmt: skip
    out: list[np.ndarray] = []

    def work() -> None:
        out[:] = [np.asarray(fit.create_convolved_cube(parameters, data.shape).data)]

    return least(work), out[0]


def main() -> None:
    """Print cubes a second of each."""
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 2
    warnings.simplefilter("ignore")
    with steady(threads):
        exact = ours(Sampling(8, 12), 2)[1]
        for sampling in (Sampling(1, 5), Sampling(2, 5), Sampling(2, 6), Sampling(3, 8)):
            seconds, cube = ours(sampling)
            error = abs(cube - exact).max() / exact.max()
            print(f"ours {sampling}: {1 / seconds:.1f} cubes/s, error {error:.1e} of the peak", flush=True)
        for name, run in (
            ("KinMS, 500000 clouds", lambda: kinms(500_000)),
            ("KinMS, 50000 clouds", lambda: kinms(50_000)),
            ("GalPaK", galpak),
        ):
            seconds, cube = run()
            best = min(abs(cube / cube.sum() * exact.sum() - e).max() for e in _turned(exact)) / exact.max()
            print(f"{name}: {1 / seconds:.2f} cubes/s, differs by {best:.2f} of the peak", flush=True)


def _turned(cube: np.ndarray) -> list[np.ndarray]:
    """The symmetries of a cube: conventions of angles differ."""
    turned = [np.rot90(cube, k, axes=(1, 2)) for k in range(4)]
    return [c[::s, :, ::f] for c in turned for s in (1, -1) for f in (1, -1)]


if __name__ == "__main__":
    main()
