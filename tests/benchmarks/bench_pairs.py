"""Drawing pairs of 60 x 60 x 9: each piece, and the script people use, in one run on one machine.

Run: pytest tests/benchmarks/bench_pairs.py --benchmark-columns=min,median,rounds
Every entry draws `PAIRS` pairs (the script fewer); `ms_per_pair` is what to compare.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from mockforge.observe.psf import Gaussian, Psf, Transfer, transfer
from mockforge.sky.draw import Knots, Sersics, draw

PAIRS = 256
SHAPE = (60, 60)
SCALE = 0.1
BANDS = ("F435W", "F606W", "F775W", "F814W", "F850LP", "F105W", "F125W", "F140W", "F160W")
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


def some_knots(count: int) -> Knots:
    rng = np.random.default_rng(5)
    place = torch.from_numpy(29.5 + rng.normal(0, 4, (2, count, 8)))
    width = torch.from_numpy(rng.uniform(0.3, 1.5, (count, 8)))
    return Knots(place[0], place[1], width, torch.full((count, 8), 1 / 8, dtype=torch.float64))


def hst() -> Transfer:
    return transfer(Psf(gaussian=Gaussian(fwhm_arcsec=FWHM)), BANDS, SCALE, SHAPE)


def timed(benchmark: Any, work: Any, pairs: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    benchmark.pedantic(work, rounds=5, warmup_rounds=1)
    torch.set_num_threads(before)
    benchmark.extra_info["ms_per_pair"] = 1e3 * benchmark.stats.stats.min / pairs
    print(f"\n{benchmark.name}: {benchmark.extra_info['ms_per_pair']:.3f} ms a pair")


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


def test_normal_noise(benchmark):
    """What the noise adds at least: one normal deviate a pixel and band."""
    image = torch.zeros(2 * PAIRS, len(BANDS), *SHAPE)
    timed(benchmark, lambda: image + torch.randn(image.shape), PAIRS)


def test_the_script_people_use(benchmark):
    """astropy's Sersic2D on a fine grid, zoomed to the pixels, fftconvolve per band, noise."""
    from astropy.modeling.models import Sersic2D
    from scipy.ndimage import zoom
    from scipy.signal import fftconvolve

    pairs, fine = 4, 3
    shapes, sed = galaxies(2 * pairs)
    table = {k: v[:, 0].numpy() for k, v in vars(shapes).items()}
    side = np.arange(25) - 12
    psfs = [np.exp(-2.7726 * (side**2 + side[:, None] ** 2) / (f / SCALE) ** 2) for f in FWHM]
    psfs = [p / p.sum() for p in psfs]
    y, x = (np.mgrid[: SHAPE[0] * fine, : SHAPE[1] * fine] - (fine - 1) / 2) / fine
    rng = np.random.default_rng(1)

    def script() -> list[np.ndarray]:
        out = []
        for i in range(2 * pairs):
            shape = Sersic2D(
                amplitude=1.0,
                r_eff=table["r_e"][i],
                n=table["n"][i],
                x_0=table["x"][i],
                y_0=table["y"][i],
                ellip=1 - table["axis_ratio"][i],
                theta=np.radians(table["position_angle"][i]),
            )
            light = zoom(shape(x, y), 1 / fine, order=1)
            light = light / light.sum()
            bands = [
                fftconvolve(light * s, p, mode="same")
                for s, p in zip(sed[i, :, 0].numpy(), psfs, strict=True)
            ]
            out.append(np.stack(bands) + rng.normal(0.0, 1.0, (len(bands), *SHAPE)))
        return out

    timed(benchmark, script, pairs)
