"""Observed pairs of 60 x 60 x 9: each piece, the whole, and the script people use, in one run.

Run: OMP_NUM_THREADS=1 pytest -s tests/benchmarks/bench_pairs.py --benchmark-columns=min,median,rounds
One core. Times in the table are of the processor (least of several rounds), so that what else runs
on the machine counts little; those of the disk are of the clock.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mockforge.batch import Batch
from mockforge.data.shards import write_shard
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.observe.psf.transfer import Transfer, transfer
from mockforge.profiles.draw import GaussianKnots, draw
from mockforge.profiles.sersic import Sersics
from mockforge.rng import Stream
from mockforge.stages.observe import Observe
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples

PAIRS = 128
SHAPE = (60, 60)
SCALE = 0.1
BANDS = ("F435W", "F606W", "F775W", "F814W", "F850LP", "F098M", "F105W", "F125W", "F160W")
FWHM = (0.11, 0.11, 0.11, 0.11, 0.12, 0.15, 0.15, 0.16, 0.17)


def galaxies(count: int, components: int = 1, lopsided: float = 0.0) -> tuple[Sersics, torch.Tensor]:
    """Inputs and targets as the default recipe draws them: 1 to 20 pixels, n from 0.5 to 4."""
    rng = np.random.default_rng(20190424)
    size = (count, components)
    values = {
        "x": 29.5 + rng.uniform(-0.5, 0.5, size),
        "y": 29.5 + rng.uniform(-0.5, 0.5, size),
        "r_e": np.exp(rng.normal(np.log(4.0), 0.5, size)),
        "n": rng.uniform(0.5, 4.0, size),
        "axis_ratio": rng.uniform(0.2, 1.0, size),
        "position_angle": rng.uniform(0, 180, size),
        "asymmetry": np.full(size, lopsided),
        "asymmetry_angle": rng.uniform(0, 360, size),
    }
    sed = rng.uniform(100.0, 1000.0, (count, len(BANDS), components))
    return Sersics(**{k: torch.from_numpy(v) for k, v in values.items()}), torch.from_numpy(sed)


def some_knots(count: int) -> GaussianKnots:
    rng = np.random.default_rng(5)
    place = torch.from_numpy(29.5 + rng.normal(0, 4, (2, count, 8)))
    width = torch.from_numpy(rng.uniform(0.3, 1.5, (count, 8)))
    return GaussianKnots(place[0], place[1], width, torch.full((count, 8), 1 / 8, dtype=torch.float64))


def hst() -> Transfer:
    return transfer(Psf(gaussian=Gaussian(fwhm_arcsec=FWHM)), BANDS, SCALE, SHAPE)


def timed(benchmark: Any, work: Any, pairs: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    benchmark.pedantic(work, rounds=5, warmup_rounds=1)
    torch.set_num_threads(before)
    benchmark.extra_info["ms_per_pair"] = 1e3 * benchmark.stats.stats.min / pairs
    print(f"\n{benchmark.name}: {benchmark.extra_info['ms_per_pair']:.3f} ms a pair")


@pytest.mark.benchmark(group="drawing both images of a pair")
@pytest.mark.parametrize("psf", [False, True], ids=["clean", "psf"])
@pytest.mark.parametrize("kind", ["sersic", "lopsided", "bulge+disk", "knots"])
def test_drawing(benchmark, kind, psf):
    components = 2 if kind == "bulge+disk" else 1
    shapes, sed = galaxies(2 * PAIRS, components, 0.3 if kind == "lopsided" else 0.0)
    knots = some_knots(2 * PAIRS) if kind == "knots" else None
    if knots is not None:
        sed = torch.cat([sed, 0.2 * sed], dim=2)
    seen = hst() if psf else None
    timed(benchmark, lambda: draw(shapes, knots, sed, SHAPE, seen), PAIRS)


WHOLE = "an observed pair, whole"
NOISE = Noise(rms_njy=1.0, electrons_per_njy=50.0)
SAVE = {"input": "float32", "target": "float32", "z_in": "float32", "z_out": "float32"}


def source(psf: bool) -> SersicSed:
    """One Sersic body a galaxy, spectra of populations, 39 redshifts."""
    seen = Psf(gaussian=Gaussian(fwhm_arcsec=FWHM)) if psf else None
    return SersicSed(bands=BANDS, stamp=SHAPE[0], pixel_scale_arcsec=SCALE, psf_in=seen, psf_out=seen)


def start() -> Batch:
    return samples(PAIRS)


def least(work: Callable[[], Any], clock: Callable[[], float], rounds: int = 12) -> float:
    """Milliseconds a pair, the least of several rounds."""
    work()
    times = []
    for _ in range(rounds):
        before = clock()
        work()
        times.append(clock() - before)
    return 1e3 * min(times) / PAIRS


def plain_write(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


@pytest.mark.benchmark(group=WHOLE)
def test_observed_pairs(benchmark, tmp_path):
    """Galaxies, spectra, PSF and noise at both ends; where the time goes, and what the disk takes."""
    torch.set_num_threads(1)
    observe, stream = Observe(noise_in=NOISE, noise_out=NOISE), Stream(20190424, ("shard", 0))
    pieces = pieces_of(source(True), observe, stream)
    made = observe(source(True)(start(), stream), stream)
    shard = tmp_path / "00000.h5"
    pieces["writing"] = least(lambda: write_shard(shard, made, SAVE, {}), time.process_time, 5)
    total = sum(pieces.values())
    print("\n\npiece      ms/pair  share   (one core)")
    for name, ms in pieces.items():
        print(f"{name:9s} {ms:8.3f} {ms / total:6.1%}")
    print(f"whole     {total:8.3f}         {1e3 / total:.0f} pairs/s, {2e3 / total:.0f} on two cores")
    data = shard.read_bytes()
    size = len(data) / 1e6
    ours = size / (1e-3 * PAIRS * least(lambda: write_shard(shard, made, SAVE, {}), time.perf_counter, 5))
    disk = size / (1e-3 * PAIRS * least(lambda: plain_write(tmp_path / "plain", data), time.perf_counter, 5))
    built = size / (1e-3 * PAIRS * total)
    print(f"writing   {ours:.0f} MB/s with checksum; the disk {disk:.0f} MB/s (write and fsync of as much)")
    print(f"the build makes {built:.0f} MB/s on one core, {built / disk:.0%} of what the disk takes")
    timed(benchmark, lambda: observe(source(True)(start(), stream), stream), PAIRS)


def pieces_of(seen: SersicSed, observe: Observe, stream: Stream) -> dict[str, float]:
    """Milliseconds a pair of processor time: the source without drawing, drawing, PSF, noise."""
    shapes, sed = drawn_by(source(False), stream)
    psf = hst()
    drawing = least(lambda: [draw(s, None, f, SHAPE) for s, f in zip(shapes, sed, strict=True)], cpu)
    through = least(lambda: [draw(s, None, f, SHAPE, psf) for s, f in zip(shapes, sed, strict=True)], cpu)
    whole = least(lambda: seen(start(), stream), cpu)
    made = seen(start(), stream)
    noise = least(lambda: observe(made, stream), cpu)
    return {"table": whole - through, "drawing": drawing, "PSF": through - drawing, "noise": noise}


cpu = time.process_time


def drawn_by(stage: SersicSed, stream: Stream) -> tuple[list[Sersics], list[torch.Tensor]]:
    """What the source draws, from its table: shapes and fluxes of both ends."""
    galaxy = stage(start(), stream).tables["galaxy"]

    def column(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.asarray(values, dtype=np.float64))[:, None]

    names = ("x", "y", "n", "axis_ratio", "position_angle")
    same = {name: column(galaxy[name]) for name in names}
    none = torch.zeros_like(same["x"])
    shapes, sed = [], []
    for end in ("in", "out"):
        r_e = column(galaxy[f"r_e_{end}"] / SCALE)
        shapes.append(Sersics(**same, r_e=r_e, asymmetry=none, asymmetry_angle=none))
        sed.append(torch.stack([column(galaxy[f"flux_{end}_{band}"]) for band in BANDS], dim=1))
    return shapes, sed


@pytest.mark.benchmark(group=WHOLE)
def test_the_script_people_use(benchmark):
    """astropy's Sersic2D on a grid five times finer in each band, zoomed, convolved, noise added."""
    from astropy.modeling.models import Sersic2D
    from scipy.ndimage import zoom
    from scipy.signal import convolve2d

    pairs, fine = 2, 5
    shapes, sed = galaxies(2 * pairs)
    table = {k: v[:, 0].numpy() for k, v in vars(shapes).items()}
    side = np.arange(41) - 20
    # with wings, as measured PSFs have: those of a Gaussian are denormal numbers, which are slow
    psfs = [(1 + (side**2 + side[:, None] ** 2) / (f / SCALE) ** 2) ** -2.5 for f in FWHM]
    psfs = [p / p.sum() for p in psfs]
    y, x = (np.mgrid[: SHAPE[0] * fine, : SHAPE[1] * fine] - (fine - 1) / 2) / fine
    rng = np.random.default_rng(1)

    def image(i: int, flux: float, psf: np.ndarray) -> np.ndarray:
        shape = Sersic2D(
            amplitude=1.0,
            r_eff=table["r_e"][i],
            n=table["n"][i],
            x_0=table["x"][i],
            y_0=table["y"][i],
            ellip=1 - table["axis_ratio"][i],
            theta=np.radians(table["position_angle"][i]),
        )
        light = np.asarray(zoom(shape(x, y), 1 / fine, order=1))
        seen = convolve2d(light * (flux / light.sum()), psf, mode="same")
        return seen + rng.normal(0.0, 1.0, SHAPE) * np.sqrt(1 + np.maximum(seen, 0) / 50)

    def script() -> list[np.ndarray]:
        fluxes = sed[:, :, 0].numpy()
        return [
            np.stack([image(i, f, p) for f, p in zip(fluxes[i], psfs, strict=True)]) for i in range(2 * pairs)
        ]

    stream = Stream(20190424, ("shard", 0))
    observe, stage = Observe(noise_in=NOISE, noise_out=NOISE), source(True)
    torch.set_num_threads(1)
    ours = least(lambda: observe(stage(start(), stream), stream), cpu)
    theirs = least(script, cpu, 4) * PAIRS / pairs
    print(f"\n\nthe script {theirs:.1f} ms a pair, {1e3 / theirs:.0f} pairs/s on one core")
    print(f"mockforge  {ours:.2f} ms a pair, {1e3 / ours:.0f} pairs/s: {theirs / ours:.0f} times as many")
    timed(benchmark, script, pairs)
