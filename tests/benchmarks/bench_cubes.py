"""Cubes a second against the models of KinMS and GalPaK: the same disk, field, channels and PSF, in one run.

Run: python tests/benchmarks/bench_cubes.py [threads]

A cube of 32 x 32 spaxels of 0.2 arcsec and 40 channels of 50 km/s: an exponential disk of r_1/2 0.8 arcsec,
an arctan curve of 200 km/s, 60 degrees, 30 km/s, through a Gaussian PSF of 1 arcsec. KinMS draws clouds at
random (its default number, and a tenth). GalPaK has one Gaussian a spaxel, of the mean velocity and the
dispersion there, sampled at channels' middles, and adds a thick disk's dispersion h v/r: ours, simplified so,
stands beside it. Times are of the processor, the least of several rounds, with
what each needs for other parameters but without its imports: what else runs on the machine counts little.
"""

from __future__ import annotations

import logging
import sys
import time
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from mockforge.galaxies.cubes.body.disk import Disk, Physics, disks
from mockforge.galaxies.cubes.light.channels import Spectrum
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.model import cubes, moments
from mockforge.observe.psf.models import gaussian
from mockforge.torch_state import steady

SIDE, SCALE, CHANNELS, STEP = 32, 0.2, 40, 50.0
R_HALF, R_TURN, V_MAX, SIGMA, INCLINATION, ANGLE, FWHM = 0.8, 0.2, 200.0, 30.0, 60.0, 30.0, 1.0
HEIGHT = 0.15 * R_HALF
BATCH = 64
GRID = Grid((SIDE, SIDE), SCALE, gaussian(FWHM), padding=12)


def least(work: Callable[[], object], rounds: int = 5) -> float:
    """Processor seconds of the fastest of several rounds."""
    times = []
    work()
    for _ in range(rounds):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def spectrum() -> Spectrum:
    """The channels, and one line in their middle."""
    at, km_s = 7000.0, 299_792.458
    edges = at * (1 + (np.arange(CHANNELS + 1) - CHANNELS / 2) * STEP / km_s)
    return Spectrum(edges[None], np.array([[at]]), np.ones(1), np.full((1, 1), 1e-6), "optical")


def drawn(batch: int = 1, height: float = HEIGHT) -> Disk:
    """So many disks, turned round."""
    angles = np.linspace(0, 360, batch, endpoint=False) + ANGLE
    return disks(
        inclination=INCLINATION, position_angle=angles, r_half=R_HALF, height=height, v_max=V_MAX,
        r_turn=R_TURN, sigma=SIGMA,
    )  # fmt: skip


def ours(sampling: Sampling, batch: int = BATCH, physics: Physics | None = None) -> tuple[float, np.ndarray]:
    """Seconds a cube, and one of them."""
    lines, disk = spectrum(), drawn(batch)
    out: list[np.ndarray] = []

    def work() -> None:
        with torch.no_grad():
            out[:] = [cubes(disk, physics or Physics(), GRID, lines, sampling)[0].numpy()]

    return least(work) / batch, out[0]


def as_galpak(thick: bool) -> np.ndarray:
    """Our disk with what GalPaK leaves out left out: one Gaussian a spaxel, in the middle of channels."""
    disk = drawn(height=HEIGHT / 1.17)  # its height is a half width at half maximum
    bare = Grid((SIDE, SIDE), SCALE)
    with torch.no_grad():
        maps = moments(disk, Physics(), bare, Sampling(4, 10))
        v = (torch.arange(CHANNELS) - (CHANNELS - 1) / 2).reshape(-1, 1, 1) * STEP
        square = maps.dispersion_observed**2
        if thick:
            both = moments(disk.with_values(height=torch.tensor([HEIGHT])), Physics(thick=True), bare)
            square = square + both.dispersion**2 - SIGMA**2
        line = torch.exp(-0.5 * (v - maps.velocity_observed) ** 2 / square)
        cube = torch.nan_to_num(maps.flux * line / line.sum(dim=0))
        blur = GRID.blur(1)
        assert blur is not None
        return blur(cube).numpy()


def kinms(clouds: int) -> tuple[float, np.ndarray]:
    """Seconds a cube of KinMS, and one of them (channel, y, x)."""
    from kinms import KinMS

    r = np.arange(0, 6, 0.02)
    light = np.exp(-r / (R_HALF / 1.678))
    speed = 2 / np.pi * V_MAX * np.arctan(r / R_TURN)
    # its field's middle is half a spaxel and half a channel from ours
    aside: Any = {"phaseCent": [-SCALE / 2, -SCALE / 2], "vOffset": -STEP / 2, "gasSigma": SIGMA}
    aside["diskThick"] = HEIGHT
    out: list[np.ndarray] = []

    def work() -> None:
        model = KinMS(
            SIDE * SCALE, SIDE * SCALE, CHANNELS * STEP, SCALE, STEP, [FWHM, FWHM, 0], nSamps=clouds
        )
        cube = model.model_cube(
            INCLINATION, 270 + ANGLE, sbProf=light, sbRad=r, velRad=r,
            velProf=speed, intFlux=1.0, **aside,
        )  # fmt: skip
        out[:] = [np.asarray(cube)]

    return least(work, 3), np.moveaxis(out[0], -1, 0)


def galpak(thick: bool = True) -> tuple[float, np.ndarray]:
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

    class Isotropic(DiskModel):
        def set_dispersion_profile(self, hz: float, vtot: np.ndarray, radius_cube: np.ndarray) -> np.ndarray:
            return np.zeros_like(radius_cube)

    kind = DiskModel if thick else Isotropic
    model = kind(flux_profile="exponential", thickness_profile="gaussian", rotation_curve="arctan")
    fit = GalPaK3D(cube, instrument=MUSE(psf=psf, lsf_fwhm=1e-3), model=model, quiet=True)
    fit.instrument.z_step_kms = STEP  # it has its own idea of MUSE's channels
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
    threads = int(sys.argv[1]) if len(sys.argv) > 1 else 1
    warnings.simplefilter("ignore")
    with steady(threads):
        exact = ours(Sampling(rings=4, faintest=1e-8), 2)[1]
        for sampling in (Sampling(rings=0.8, faintest=3e-3), Sampling(), Sampling(rings=1.4, faintest=3e-4)):
            seconds, cube = ours(sampling)
            error = abs(cube - exact).max() / exact.max()
            print(f"ours {sampling}: {1 / seconds:.0f} cubes/s, error {error:.1e} of the peak", flush=True)
        for physics in (Physics(thick=True), Physics(thin=True)):
            print(f"ours, {physics}: {1 / ours(Sampling(), physics=physics)[0]:.0f} cubes/s", flush=True)
        for name, run, wanted in (
            ("KinMS, 500000 clouds", lambda: kinms(500_000), exact),
            ("KinMS, 50000 clouds", lambda: kinms(50_000), exact),
            ("GalPaK", galpak, as_galpak(True)),
            ("GalPaK, isotropic dispersion", lambda: galpak(False), as_galpak(False)),
        ):
            seconds, cube = run()
            cube = cube / cube.sum() * exact.sum()
            found = [f"{_differs(cube, exact):.3f} of the peak from ours"]
            if wanted is not exact:
                found.append(f"{_differs(cube, wanted):.3f} from ours with its simplifications")
            print(f"{name}: {1 / seconds:.2f} cubes/s, differs by {', '.join(found)}", flush=True)


def _differs(cube: np.ndarray, wanted: np.ndarray) -> float:
    """Largest difference of two cubes, of the peak, however angles are counted."""
    return float(min(abs(cube - turned).max() for turned in _turned(wanted)) / wanted.max())


def _turned(cube: np.ndarray) -> list[np.ndarray]:
    """The symmetries of a cube: conventions of angles differ."""
    turned = [np.rot90(cube, k, axes=(1, 2)) for k in range(4)]
    return [c[::s, :, ::f] for c in turned for s in (1, -1) for f in (1, -1)]


if __name__ == "__main__":
    main()
