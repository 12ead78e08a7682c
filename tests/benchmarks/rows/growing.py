"""The steps of `tests.benchmarks.growth`."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

from tests.benchmarks.growth import SERIES, case
from tests.benchmarks.measure import Measured, command, least, main, once
from tests.benchmarks.rows.reading import SAVE, tiles
from tests.benchmarks.rows.recipes import NINE, RECIPES
from tests.benchmarks.rows.scene import FWHM, scene


def window(side: float) -> Measured:
    """A window of a scene, new each time."""
    return painted(int(side))


def density(factor: float) -> Measured:
    """512 pixels with more galaxies."""
    return painted(512, density_factor=factor)


def bands(number: float) -> Measured:
    """512 pixels in more bands."""
    from mockforge.observe.psf.spec import Moffat, Psf

    chosen = NINE[: int(number)] if number != 3 else ("F606W", "F775W", "F814W")
    psf = Psf(moffat=Moffat(fwhm_arcsec=(FWHM * 3)[: len(chosen)], beta=1.61))
    return painted(512, bands=chosen, psf=psf)


def painted(side: int, **model: object) -> Measured:
    """The least of two new skies."""
    import torch

    torch.set_num_threads(1)
    scene(9, **model).pixels(0, side, 0, side)
    runs = []
    for seed in (1, 2):
        sky = scene(seed, **model)
        runs.append(once(partial(sky.sky.image, 0, side, 0, side), side**2 / 1e6))
    return min(runs, key=lambda m: m.cpu_s)


def built(samples: int, workers: int) -> Measured:
    """The segmentation recipe as a command, shards of eight samples."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("build", str(RECIPES / "segmentation.yaml"), f"samples={samples}", "shard_size=8")
        return command(*words, "--workers", str(workers), "--out", str(Path(folder) / "out"), count=samples)


def samples(number: float) -> Measured:
    """More samples, one worker."""
    return built(int(number), 1)


def workers(number: float) -> Measured:
    """More workers, as many samples."""
    return built(32, int(number))


def shards(number: float) -> Measured:
    """More shards, which are joined."""
    from mockforge.data.shards import write_shard
    from mockforge.data.view import write_view

    with tempfile.TemporaryDirectory() as folder:
        batch, made = tiles(0), []
        for k in range(int(number)):
            made.append(write_shard(Path(folder) / "shards" / f"{k:05d}.h5", batch, SAVE, {}))
        return least(lambda: write_view(folder, made), number, 2)


WORK: dict[str, Callable[[float], Measured]] = {
    "window": window, "density": density, "bands": bands, "samples": samples, "workers": workers,
    "shards": shards,
}  # fmt: skip
CASES = {
    case(name, step)[1]: (lambda step=step, work=WORK[name]: work(step))
    for name, series in SERIES.items()
    for step in series.steps
}

if __name__ == "__main__":
    main(CASES)
