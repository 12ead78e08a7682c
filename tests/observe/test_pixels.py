"""Noise on pixels against closed forms: rms, shot noise, Poisson counts, autocorrelation."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.observe.noise.correlation import (
    Correlation,
    Drizzle,
    autocorrelation_of,
    checked,
    drizzle_autocorrelation,
)
from mockforge.observe.noise.pixels import PixelNoise, add_noise, unit_noise
from mockforge.rng import Stream


def flat(value: float, count: int = 40, bands: int = 1, side: int = 64) -> torch.Tensor:
    return torch.full((count, bands, side, side), value)


def test_rms_is_that_of_each_band_to_half_a_percent() -> None:
    rms = np.array([0.3, 4.0])
    out = add_noise(flat(7.0, bands=2), PixelNoise(rms), Stream(1).torch())
    values = out.numpy().astype(np.float64).transpose(1, 0, 2, 3).reshape(2, -1)
    np.testing.assert_allclose(values.std(axis=1), rms, rtol=5e-3)  # 0.17% of chance
    np.testing.assert_allclose(values.mean(axis=1), 7.0, atol=0.05)


@pytest.mark.parametrize(("flux", "gain"), [(100.0, 3.0), (20.0, 40.0)])
def test_shot_variance_is_flux_over_gain(flux: float, gain: float) -> None:
    model = PixelNoise(np.array([0.5]), electrons=np.array([gain]), poisson_below=0.0)
    values = add_noise(flat(flux, count=80), model, Stream(2).torch()).numpy().astype(np.float64)
    assert values.var() - 0.25 == pytest.approx(flux / gain, rel=0.01)
    assert values.mean() == pytest.approx(flux, rel=1e-3)


def test_few_electrons_are_counted_one_by_one() -> None:
    model = PixelNoise(np.array([0.0]), electrons=np.array([0.5]))
    values = add_noise(flat(6.0), model, Stream(3).torch()).numpy()
    counts = 0.5 * values
    np.testing.assert_allclose(counts, counts.round(), atol=1e-5)
    share = np.bincount(counts.round().astype(int).ravel(), minlength=10)[:10] / counts.size
    k = np.arange(10)
    poisson = np.exp(-3.0) * 3.0**k / np.cumprod(np.maximum(k, 1))
    np.testing.assert_allclose(share, poisson, atol=4e-3)


def test_counted_sky_is_taken_off_or_left() -> None:
    sky, gain, read = 10.0, 0.8, 1.5
    rms = np.sqrt(sky / gain + (read / gain) ** 2)
    for keeps in (False, True):
        model = PixelNoise(np.array([rms]), np.array([gain]), np.array([sky]), keeps_sky=keeps)
        values = add_noise(flat(2.0), model, Stream(4).torch()).numpy().astype(np.float64)
        assert values.mean() == pytest.approx(2.0 + sky * keeps, abs=0.05)
        assert values.var() == pytest.approx(rms**2 + 2.0 / gain, rel=0.01)
        skewness = ((values - values.mean()) ** 3).mean() / values.std() ** 3
        assert skewness == pytest.approx((sky + 2.0) / gain**2 / values.std() ** 3, abs=0.02)


def test_poisson_and_gaussian_meet_where_one_takes_over() -> None:
    flux = torch.linspace(50.0, 150.0, 64 * 64).reshape(1, 1, 64, 64).repeat(60, 1, 1, 1)
    model = PixelNoise(np.array([0.1]), electrons=np.array([1.0]), poisson_below=100.0)
    scatter = (add_noise(flux, model, Stream(5).torch()) - flux).double()
    below, above = scatter[flux < 100.0], scatter[flux >= 100.0]
    assert float(below.var()) == pytest.approx(75.0, rel=0.01)
    assert float(above.var()) == pytest.approx(125.0, rel=0.01)


def test_the_rms_factor_is_each_samples_own() -> None:
    factor = torch.tensor([1.0, 2.0, 5.0])
    out = add_noise(flat(0.0, count=3, side=256), PixelNoise(np.array([2.0])), Stream(6).torch(), factor)
    np.testing.assert_allclose(out.double().std(dim=(1, 2, 3)), [2.0, 4.0, 10.0], rtol=0.01)


@pytest.mark.parametrize(
    "correlation",
    [
        Correlation(drizzle=Drizzle(pixfrac=0.8, scale=0.5)),
        Correlation(gaussian_fwhm_pixels=2.0),
        Correlation(autocorrelation=((0.1, 0.2, 0.1), (0.3, 1.0, 0.3), (0.1, 0.2, 0.1))),
    ],
)
def test_noise_has_the_autocorrelation_asked_for(correlation: Correlation) -> None:
    wanted = checked(autocorrelation_of(correlation))
    values = unit_noise((400, 1, 48, 40), wanted, Stream(7).torch()).numpy()[:, 0].astype(np.float64)
    most = len(wanted) // 2
    for dy in range(most + 2):
        for dx in range(-most - 1, most + 2):
            a = values[:, dy:, max(dx, 0) : 40 + min(dx, 0)]
            b = values[:, : 48 - dy, max(-dx, 0) : 40 + min(-dx, 0)]
            inside = dy <= most and abs(dx) <= most
            expected = wanted[most + dy, most + dx] if inside else 0.0
            assert (a * b).mean() == pytest.approx(expected, abs=0.012), (dy, dx)
    # The far edges of the image are not neighbours.
    assert (values[:, 0] * values[:, -1]).mean() == pytest.approx(0.0, abs=0.03)


@pytest.mark.parametrize("drop", [0.3, 0.8, 1.0, 1.6, 2.7])
def test_drizzled_noise_has_the_ratio_of_fruchter_and_hook(drop: float) -> None:
    """The noise of a large block over that of its pixels, Fruchter & Hook 2002, equations 9 and 10."""
    ratio = drop / (1.0 - 1.0 / (3.0 * drop)) if drop >= 1.0 else 1.0 / (1.0 - drop / 3.0)
    assert np.sqrt(drizzle_autocorrelation(drop).sum()) == pytest.approx(ratio, rel=1e-9)


def test_drizzled_noise_is_that_of_drizzled_pixels() -> None:
    """Weights by brute force: drops at random places, their overlap with three pixels in a row."""
    drop, rng = 1.6, np.random.default_rng(1)
    x = rng.uniform(-4, 4, 200_000)
    share = [
        np.clip(np.minimum(x + drop / 2, k + 0.5) - np.maximum(x - drop / 2, k - 0.5), 0, None)
        for k in (0, 1, 2)
    ]
    row = [(share[0] * s).mean() / (share[0] ** 2).mean() for s in share]
    np.testing.assert_allclose(drizzle_autocorrelation(drop)[2, 2:], row, atol=0.01)


def test_an_autocorrelation_that_no_noise_has_is_refused() -> None:
    rows = ((0.0, 0.9, 0.0), (0.9, 1.0, 0.9), (0.0, 0.9, 0.0))
    with pytest.raises(InputError, match=r"no noise has this autocorrelation.*every lag"):
        checked(autocorrelation_of(Correlation(autocorrelation=rows)))
