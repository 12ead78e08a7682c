"""How fast images are degraded: Mpix of the fine image a second, for fields and for stamps.

    python tests/benchmarks/bench_degrade.py [threads]

Optics alone, then with noise; and GalSim's own way with an interpolated image, for comparison.
"""

from __future__ import annotations

import sys
import time

import galsim
import numpy as np
import torch

from mockforge.observe.degrade.degrader import Degrader, coarse_grid
from mockforge.observe.psf.models import airy
from mockforge.observe.psf.of_survey import survey_psf
from mockforge.observe.psf.per_band import models
from mockforge.observe.surveys.read import names, survey
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from tests.builders.batches import samples

SIDE, SCALE = 3232, 0.06


def main() -> None:
    torch.set_num_threads(int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    print(f"{torch.get_num_threads()} thread(s)")
    rng = np.random.default_rng(1)
    field = rng.normal(size=(1, SIDE, SIDE)).astype(np.float32)
    present = [airy(2.4, 0.33, 0.6)]
    for name in names():
        chosen = survey(name)
        band = next(b for b, v in chosen.bands.items() if v.fwhm_arcsec is not None)
        grid = coarse_grid((SIDE, SIDE), chosen.pixel_scale_arcsec / SCALE)
        wanted = models(survey_psf(name, [band]), [band])
        start = time.perf_counter()
        change = Degrader((SIDE, SIDE), grid, SCALE, present, wanted)
        ready = time.perf_counter()
        change(field)
        took = time.perf_counter() - ready
        print(
            f"{name:<20} {SIDE} x {SIDE} at {SCALE} to {grid.shape[0]} x {grid.shape[1]}: set up"
            f" {ready - start:.2f} s, then {took:.2f} s a band, {field.size / took / 1e6:.1f} Mpix/s"
        )
    whole("field of 3 bands, noise and PSFs and all", 1, 3, SIDE, "hsc-wide")
    whole("256 stamps of 3 bands, noise and all", 256, 3, 128, "hsc-wide")
    by_galsim(field[0])


def whole(title: str, count: int, bands: int, side: int, name: str) -> None:
    """The stage, everything included."""
    truth = np.random.default_rng(1).normal(size=(count, bands, side, side)).astype(np.float32)
    batch = samples(count, arrays={"truth": truth}).with_attributes(
        bands=("F606W", "F775W", "F814W")[:bands],
        pixel_scale_arcsec=SCALE,
        psf={"airy": {"diameter_m": 2.4, "obscuration": 0.33}},
    )
    stage = Degrade(to=name, bands=("hsc_r", "hsc_i", "hsc_z")[:bands], labels=())
    stage(batch, Stream(1))
    start = time.perf_counter()
    stage(batch, Stream(1))
    took = time.perf_counter() - start
    print(f"{title}: {took:.2f} s, {truth.size / took / 1e6:.1f} Mpix/s, {count / took:.0f} samples/s")


def by_galsim(plane: np.ndarray, side: int = 808) -> None:
    """GalSim: the image interpolated, deconvolved, convolved and drawn in one FFT; a part of the field."""
    params = galsim.GSParams(maximum_fft_size=32768)
    start = time.perf_counter()
    image = galsim.InterpolatedImage(galsim.Image(plane[:side, :side].copy(), scale=SCALE), gsparams=params)
    sharp = galsim.Convolve(galsim.Airy(lam=600, diam=2.4, obscuration=0.33), galsim.Pixel(SCALE))
    seen = galsim.Convolve(image, galsim.Deconvolve(sharp), galsim.Gaussian(fwhm=0.75), gsparams=params)
    count = int(side * SCALE / 0.168)
    seen.drawImage(nx=count, ny=count, scale=0.168)
    took = time.perf_counter() - start
    print(f"GalSim's InterpolatedImage, {side} x {side}: {took:.2f} s, {side**2 / took / 1e6:.2f} Mpix/s")


if __name__ == "__main__":
    main()
