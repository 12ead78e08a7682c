"""Painting the sources of a megapixel, and the stamps of a scene's fit, against GalSim in one run.

Run: OMP_NUM_THREADS=1 pytest -s tests/benchmarks/bench_light.py
One core, processor time, the least of several rounds.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import galsim
import numpy as np
import torch

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.light.stamps import profile_spectra, stamps
from mockforge.sgan.sources.marks import Marks

COUNT = 1600
"""Sources of a square of 1000 pixels, as faint as 60 nJy: KiDS and VIKING."""
FWHM, BETA = (3.6, 3.3, 3.9), 3.0
EDGE = 0.5


def sources(count: int = COUNT) -> Marks:
    """Counts N(> f) ~ f^-0.85, half-light radii about 1.5 px, a tenth of stars, bright galaxies shaped."""
    rng = np.random.default_rng(20190424)
    flux = np.minimum(60.0 * rng.random(count) ** (-1 / 0.85), 3e5)
    e, angle = np.abs(rng.normal(0, 0.22, count)).clip(0, 0.8), rng.uniform(0, np.pi, count)
    grows = 0.125 * np.log(flux / 650).clip(-3, 3)
    return Marks.make(
        rng.uniform(0, 1000, count), rng.uniform(0, 1000, count), flux[:, None] * np.array([0.7, 1.0, 1.3]),
        log_radius=np.log(1.6) + grows + rng.normal(0, 0.4, count),
        e1=e * np.cos(2 * angle), e2=e * np.sin(2 * angle),
        log_n=np.log(1.2) + 0.4 * rng.normal(0, 1, count).clip(-2, 2), star=rng.random(count) < 0.1,
        shaped=flux > 1200, z=rng.normal(size=(count, 6)), mirrored=rng.random(count) < 0.5,
    )  # fmt: skip


def least(work: Callable[[], Any], rounds: int = 5) -> float:
    """Seconds of processor time, the least of several rounds."""
    work()
    times = []
    for _ in range(rounds):
        before = time.process_time()
        work()
        times.append(time.process_time() - before)
    return min(times)


def learned() -> Modulation:
    torch.manual_seed(0)
    network = Modulation(len(FWHM))
    torch.nn.init.normal_(network.last.weight, 0, 0.2)
    return network.requires_grad_(False)


def test_painting():
    torch.set_num_threads(1)
    marks, psf = sources(), PixelPsf.from_moffat(FWHM, BETA)
    whole = SourcePainter(psf, learned(), EDGE)
    smooth = SourcePainter(psf, None, EDGE)
    sides = whole.sides(marks)
    alike = {int(side): marks.rows(sides == side) for side in np.unique(sides)}

    def paint(painter: SourcePainter, star: bool = False) -> None:
        for side, rows in alike.items():
            painter.paint_on(rows.replace(star=np.ones(len(rows), dtype=bool)) if star else rows, side)

    def transforms() -> None:
        for side, rows in alike.items():
            spectra = torch.ones((32, len(FWHM), side, side // 2 + 1), dtype=torch.complex64)
            for _ in range(len(rows) // 32):
                torch.fft.irfft2(spectra, s=(side, side))

    def profiles() -> None:
        for side, rows in alike.items():
            shape = [torch.from_numpy(v).float() for v in (rows.log_radius, rows.e1, rows.e2, rows.log_n)]
            for i in range(0, len(rows), 64):
                profile_spectra(*(v[i : i + 64] for v in shape), side)

    total, plain = least(lambda: paint(whole)), least(lambda: paint(smooth))
    parts = {
        "stamps' sides": least(lambda: whole.sides(marks)),
        "spectra of profiles": least(profiles),
        "inverse transforms": least(transforms),
        "learned shapes": total - plain,
    }
    parts["places, PSF, fluxes"] = total + parts["stamps' sides"] - sum(parts.values())
    total += parts["stamps' sides"]
    shaped = int((marks.shaped & ~marks.star).sum())
    print(f"\n{COUNT} sources in {len(FWHM)} bands, {shaped} shaped, sides "
          + ", ".join(f"{side}: {len(rows)}" for side, rows in alike.items()))  # fmt: skip
    for name, seconds in parts.items():
        print(f"{name:20s} {1e6 * seconds / COUNT:7.1f} microseconds a source {seconds / total:6.1%}")
    print(
        f"{'whole':20s} {1e6 * total / COUNT:7.1f}    {COUNT / total:.0f} sources/s, {1 / total:.1f} Mpix/s"
    )
    print(f"galsim               {1e6 * with_galsim(marks, sides, 60):7.1f}    (smooth profiles)")


def with_galsim(marks: Marks, sides: np.ndarray, few: int) -> float:
    """Seconds a source of `few` of them, drawn by GalSim with its own PSF on the same stamps."""
    psfs = [galsim.Moffat(beta=BETA, fwhm=fwhm) for fwhm in FWHM]

    def draw() -> None:
        for i in range(few):
            side, source = int(sides[i]), galsim.DeltaFunction()
            if not marks.star[i]:
                n = float(np.exp(marks.log_n[i]).clip(0.4, 6))
                source = galsim.Sersic(n=round(n, 2), half_light_radius=float(np.exp(marks.log_radius[i])))
                source = source.shear(g1=float(marks.e1[i]), g2=float(marks.e2[i]))
            for psf, flux in zip(psfs, marks.flux[i], strict=True):
                seen = galsim.Convolve(source, psf).withFlux(float(flux))
                seen.drawImage(nx=side, ny=side, scale=1.0, method="no_pixel")

    return least(draw, rounds=2) / few


def test_stamps_of_a_fit():
    """2,556 sources as a scene's fit has them, forwards and backwards."""
    torch.set_num_threads(1)
    marks = sources(2556)
    sizes = {7: 1200, 12: 900, 18: 350, 28: 90, 56: 16}
    values = [torch.from_numpy(v).float() for v in (marks.x % 1, marks.y % 1, marks.log_radius, marks.e1,
                                                    marks.e2, marks.log_n)]  # fmt: skip

    def step() -> None:
        first = 0
        for half, count in sizes.items():
            part = [v[first : first + count].clone().requires_grad_(True) for v in values]
            stamps(*part, half).square().sum().backward()
            first += count

    pixels = sum((2 * half + 1) ** 2 * count for half, count in sizes.items())
    seconds = least(step)
    each = 1e9 * seconds / pixels
    print(f"\nstamps of a fit and their derivatives, 2,556 sources: {seconds:.3f} s, {each:.0f} ns a pixel")
