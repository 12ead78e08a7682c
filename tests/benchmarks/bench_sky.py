"""Painting a sky: a learned sky with and without truth masks against the published network, in one run.

Run: python tests/benchmarks/bench_sky.py [MODEL] [SIDE] [THREADS]

A line each: Mpix/s of three bands by the clock and by one core's CPU time. Then the shares of the time
of a learned sky: drawing sources, painting them, noise, masks.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch

from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.lattice.config import Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.painter import Scaling
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.control import control
from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.labels import Wanted, labelled

WHITE = ((1.0,),)


def timed(what: str, side: int, work: Callable[[], object]) -> tuple[float, float]:
    """Print how fast a square of `side` pixels was done; returns seconds by the clock and of the CPU."""
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    clock, cpu = time.perf_counter() - clock, time.process_time() - cpu
    mpix = side**2 / 1e6
    print(f"{what:34s} {mpix / clock:6.2f} Mpix/s, {mpix / cpu:6.2f} Mpix per second of a core's CPU time")
    return clock, cpu


def published(bands: tuple[str, ...]) -> LatticeModel:
    """The published network for some bands; fresh weights are as fast as trained ones."""
    n = len(bands)
    instrument = Instrument(rms_njy=(1.0,) * n, psf_fwhm_pix=(0.0,) * n, noise_kernel=(WHITE,) * n)
    made = LatticeModel("smith2019", Smith2019(), bands, instrument, Scaling((0.0,) * n, (1.0,) * n))
    return made.trained(made.painter().generator, {})


def shares(model: ForgeModel, side: int) -> None:
    """Print what the time of a learned sky goes to."""
    sky, spent = LearnedSky(model, control(model), seed=11), {}
    window = (0, side, 0, side)

    def step(name: str, work: Callable[[], object]) -> object:
        begun = time.process_time()
        out = work()
        spent[name] = time.process_time() - begun
        return out

    step("sources drawn", lambda: sky.endless.sources(*window))
    layers = step("sources painted", lambda: list(sky.layers(window)))
    wanted = Wanted(sky.isophote_njy(0.5))
    shape = (len(model.bands), side, side)
    found = step("masks and shares", lambda: labelled(lambda: layers, len(layers), shape, wanted))  # type: ignore[arg-type,return-value]
    step("noise", lambda: sky.observed(found.arrays["truth"], 0, 0))  # type: ignore[attr-defined]
    total = sum(spent.values())
    print(f"{len(layers)} sources; " + ", ".join(f"{k} {v / total:.0%}" for k, v in spent.items()))  # type: ignore[arg-type]


def main(name: str, side: int, threads: int) -> None:
    """Print all."""
    torch.set_num_threads(threads)
    model = load_model(name)
    assert isinstance(model, ForgeModel)
    print(f"{name}, {', '.join(model.bands)}, {side} x {side} pixels, {threads} threads")
    Sky(model, 1)[0:64, 0:64]  # what is made once
    seeds = iter(Stream(1).numpy().integers(0, 2**31, 8).tolist())
    timed("forge, image", side, lambda: Sky(model, next(seeds)).pixels(0, side, 0, side))
    timed("forge, image and truth masks", side, lambda: masks(model, next(seeds), side))
    lattice = published(model.bands)
    timed("smith2019, image", side, lambda: Sky(lattice, next(seeds)).pixels(0, side, 0, side))
    shares(model, side)


def masks(model: ForgeModel, seed: int, side: int) -> None:
    """Paint a window with all that a sample of `segmentation` has."""
    sky = LearnedSky(model, control(model), seed)
    window = (0, side, 0, side)
    layers = list(sky.layers(window))
    shape = (len(model.bands), side, side)
    found = labelled(lambda: layers, len(layers), shape, Wanted(sky.isophote_njy(0.5)))
    sky.observed(found.arrays["truth"], 0, 0)


if __name__ == "__main__":
    words = sys.argv[1:]
    main(words[0] if words else "kids-viking", int(words[1]) if words[1:] else 1536,
         int(words[2]) if words[2:] else 2)  # fmt: skip
