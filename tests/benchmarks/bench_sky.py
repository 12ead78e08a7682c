"""Painting a sky: the `forge` network against the published one, in one run on one machine.

Run: pytest tests/benchmarks/bench_sky.py -s --benchmark-columns=min,median,rounds   (GPU: add -m gpu)

A line each: Mpix/s of three bands by the clock and by one core's CPU time, floating-point operations
a pixel (convolutions and matrix products, borders included), on a GPU also the fraction of its peak.
Set SIDE in the environment for another field than 1152 x 1152 pixels, e.g. SIDE=3072.

Two further lines say what was left out and why: bfloat16, by the change of flux that it makes, and
torch.compile, by what it saves on a tile against the seconds that it compiles for.
"""

import os
import time

import numpy as np
import pytest
import torch

from mockforge.sgan.config import Smith2019
from mockforge.sgan.lattice.instrument import full_precision
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.sky import TILE, Sky
from mockforge.sgan.painter import Scaling
from mockforge.train.cost import Operations, peak_rate

SIDE = int(os.environ.get("SIDE", 3 * TILE))


def model_of(network: str) -> SganModel:
    """The bundled model, or the published network for its bands; fresh weights are as fast as trained."""
    bundled = load_model("kids-viking")
    if network == "forge":
        return bundled
    made = SganModel(
        "smith2019", Smith2019(), bundled.bands, bundled.instrument, Scaling((0.0,) * 3, (1.0,) * 3)
    )
    return made.trained(made.painter().generator, {})


def operations_per_pixel(sky: Sky) -> float:
    """Of a canonical tile."""
    with Operations() as counted:
        sky._paint(0, 0)
    return counted.total / TILE**2


def painted(benchmark, network: str, device: str, rounds: int) -> dict[str, float]:
    """Time `rounds` fields of different seeds, and say how fast they were painted."""
    model, cpu = model_of(network), []
    seeds = iter(range(1000))

    def field() -> None:
        begun = time.process_time()
        Sky(model, next(seeds), device=device, kept_tiles=0).pixels(0, SIDE, 0, SIDE)
        cpu.append(time.process_time() - begun)

    benchmark.pedantic(field, rounds=rounds, warmup_rounds=1)
    mpix, per_pixel = SIDE**2 / 1e6, operations_per_pixel(Sky(model, 0, device=device))
    seconds = benchmark.stats.stats.median
    found = {
        "Mpix_per_s": mpix / seconds,
        "Mpix_per_cpu_s": mpix / float(np.median(cpu[1:])),
        "kiloflop_per_pixel": per_pixel / 1e3,
    }
    peak = peak_rate(torch.device(device), bfloat16=False)
    if peak is not None:
        found["fraction_of_peak"] = per_pixel * mpix * 1e6 / seconds / peak
    benchmark.extra_info.update(found)
    return found


def said(*name: object, **found: float) -> None:
    print("\n" + " ".join(map(str, name)) + ": " + ", ".join(f"{k} {v:.3g}" for k, v in found.items()))


@pytest.fixture
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


@pytest.mark.parametrize("threads", [1, 2], indirect=True)
@pytest.mark.parametrize("network", ["forge", "smith2019"])
def test_painting_a_sky(benchmark, network, threads):
    benchmark.group = f"{SIDE} x {SIDE} pixels, {threads} thread(s)"
    said(network, threads, "thread(s)", **painted(benchmark, network, "cpu", rounds=3))


@pytest.mark.gpu
@pytest.mark.parametrize("network", ["forge", "smith2019"])
def test_painting_a_sky_on_a_gpu(benchmark, network):
    benchmark.group = f"{SIDE} x {SIDE} pixels, {torch.cuda.get_device_name()}"
    said(network, torch.cuda.get_device_name(), **painted(benchmark, network, "cuda", rounds=5))


@pytest.mark.parametrize("threads", [1], indirect=True)
def test_what_bfloat16_changes(threads):
    """The flux in bfloat16 against float32 and against float64, in units of the sky rms."""
    sky = Sky("kids-viking", 1)
    painter = sky.painter
    z = sky._cells(0, 0, painter.cells(TILE))
    taken = {}

    def flux(kind: torch.dtype | None) -> torch.Tensor:
        begun = time.process_time()
        with torch.no_grad(), torch.autocast("cpu", dtype=kind or torch.bfloat16, enabled=kind is not None):
            made = painter.flux(z, TILE)
        taken[kind] = time.process_time() - begun
        return made

    for kind in (None, torch.bfloat16):
        flux(kind)  # the first pass chooses its kernels
    with full_precision(z):
        exact = flux(None)
    change = (flux(torch.bfloat16) - exact) / painter.optics.rms
    found = {"rms": change.square().mean().sqrt().item(), "max": change.abs().max().item()}
    said("bfloat16, change in sky rms", **found, time_over_float32=taken[torch.bfloat16] / taken[None])
    assert found["rms"] > 1e-3, "bfloat16 leaves the flux as it is: paint in it"


@pytest.mark.slow
@pytest.mark.parametrize("threads", [1], indirect=True)
def test_what_torch_compile_saves(threads):
    """CPU seconds of the generator on a tile with and without, and the seconds of compiling."""
    sky = Sky("kids-viking", 1)
    generator = sky.painter.generator
    z = sky._cells(0, 0, 48)
    compiled = torch.compile(generator.paint)
    with torch.no_grad():
        begun = time.perf_counter()
        made = compiled(z)
        cost = time.perf_counter() - begun
        assert torch.allclose(made, generator.paint(z), atol=1e-4)
        taken: dict[str, list[float]] = {"plain": [], "compiled": []}
        for _ in range(7):
            for name, run in (("plain", generator.paint), ("compiled", compiled)):
                start = time.process_time()
                run(z)
                taken[name].append(time.process_time() - start)
    plain, fast = (min(taken[name]) for name in ("plain", "compiled"))
    pays = cost / (plain - fast) * TILE**2 / 1e6 if fast < plain else float("inf")
    said("torch.compile", compiling_s=cost, plain_s=plain, compiled_s=fast, pays_beyond_Mpix=pays)
