"""Painting a sky: the bundled network against the published one, in one run on one machine.

Run: pytest tests/benchmarks/bench_sky.py --benchmark-columns=min,median,rounds
"""

import pytest
import torch

from mockforge.sgan.config import Smith2019
from mockforge.sgan.model import Model, load_model
from mockforge.sgan.painter import Scaling
from mockforge.sgan.sky import Sky

SIDE = 1024


def published() -> Model:
    """The published network with fresh weights: as fast as with trained ones."""
    bundled = load_model("kids-viking")
    made = Model("smith2019", Smith2019(), bundled.bands, bundled.instrument, Scaling((0.0,) * 3, (1.0,) * 3))
    return made.trained(made.painter().generator, {})


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", ["kids-viking", "smith2019"])
def test_painting_a_sky(benchmark, name, threads):
    model = published() if name == "smith2019" else load_model(name)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    benchmark.group = f"{SIDE} x {SIDE} pixels, {threads} thread(s)"
    seeds = iter(range(1000))
    benchmark.pedantic(lambda: Sky(model, next(seeds))[0:SIDE, 0:SIDE], rounds=3, warmup_rounds=1)
    benchmark.extra_info["Mpix_per_s"] = SIDE**2 / 1e6 / benchmark.stats.stats.median
    torch.set_num_threads(before)
