"""Sersic profiles against galsim, against direct quadrature, and against the analytic flux."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
import torch
from numpy.typing import ArrayLike
from scipy.integrate import dblquad
from scipy.special import gammainc, gammaincinv

from mockforge.profiles.sersic import Sersics, flux_inside, sersic, sersic_b


def draw(
    x: ArrayLike,
    y: ArrayLike,
    r_e: ArrayLike,
    n: ArrayLike,
    q: ArrayLike = 1.0,
    angle: ArrayLike = 0.0,
    shape: tuple[int, int] = (31, 31),
    dtype: torch.dtype = torch.float32,
) -> np.ndarray:
    """Galaxies from numbers or arrays."""
    given = np.broadcast_arrays(
        *(np.atleast_1d(np.asarray(v, dtype=float)) for v in (x, y, r_e, n, q, angle))
    )
    x, y, r_e, n, q, angle = (torch.from_numpy(v.copy()) for v in given)
    return sersic(Sersics(x, y, r_e, n, q, angle), shape, dtype).numpy()


def test_b_holds_half_the_light():
    n = np.linspace(0.3, 10, 98)
    b = sersic_b(torch.from_numpy(n)).numpy()
    np.testing.assert_allclose(b, gammaincinv(2 * n, 0.5), rtol=1e-12)
    half = flux_inside(
        torch.tensor([2.0]).double(), torch.tensor([2.0]).double(), torch.tensor([4.0]).double()
    )
    assert half.item() == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize(
    ("n", "r_e", "q", "angle"),
    [
        (0.3, 0.5, 1.0, 0),
        (0.3, 4, 0.7, 20),
        (0.6, 1, 0.1, 20),
        (2, 0.5, 0.2, 130),
        (2.5, 12, 0.05, 75),
        (0.5, 0.5, 0.5, 30),
        (1, 3, 0.3, 60),
        (4, 0.5, 1.0, 0),
        (6, 0.5, 0.6, 10),
        (6, 6, 0.4, 100),
    ],
)
def test_pixels_agree_with_galsim(n, r_e, q, angle):
    """galsim's Sersic convolved with a pixel in real space, within 0.1% pixel by pixel."""
    tight = galsim.GSParams(realspace_relerr=1e-6, realspace_abserr=1e-9)
    profile = galsim.Sersic(n, half_light_radius=r_e * np.sqrt(q), gsparams=tight)
    profile = profile.shear(q=q, beta=angle * galsim.degrees).shift(0.21, -0.33)
    seen = galsim.Convolve([profile, galsim.Pixel(1.0)], real_space=True, gsparams=tight)
    ours = draw(15.21, 14.67, r_e, n, q, angle)[0]
    for dx, dy in ((0, 0), (1, 0), (0, -1), (1, 1), (2, 0), (3, 2), (-5, 1), (6, -8)):
        wanted = seen.xValue(dx, dy)  # pyright: ignore[reportAttributeAccessIssue]
        assert ours[15 + dy, 15 + dx] == pytest.approx(wanted, rel=1e-3, abs=1e-7)


def test_pixels_agree_with_direct_quadrature():
    """One thin galaxy, integrated pixel by pixel without any of our formulae."""
    r_e, n, q, angle, x, y = 2.0, 1.3, 0.15, 37.0, 5.1, 4.8
    b = gammaincinv(2 * n, 0.5)
    from scipy.special import gamma

    total = 2 * np.pi * n * q * r_e**2 * b ** (-2 * n) * gamma(2 * n)
    c, s = np.cos(np.radians(angle)), np.sin(np.radians(angle))

    def light(v, u):
        radius = np.hypot((u - x) * c + (v - y) * s, ((v - y) * c - (u - x) * s) / q)
        return np.exp(-b * (radius / r_e) ** (1 / n)) / total

    ours = draw(x, y, r_e, n, q, angle, (10, 11))[0]
    for row, column in ((5, 5), (6, 6), (4, 7), (8, 8)):
        wanted = dblquad(light, column - 0.5, column + 0.5, row - 0.5, row + 0.5, epsabs=1e-9, epsrel=1e-7)[0]
        assert ours[row, column] == pytest.approx(wanted, rel=1e-3, abs=1e-8)


def exact_growth(n: torch.Tensor, galaxy: torch.Tensor, u: torch.Tensor) -> torch.Tensor:
    """In place of the table: ln of the flux inside r_e exp(u)."""
    n = n[galaxy].expand_as(u)
    return torch.log(flux_inside(torch.exp(u), torch.ones_like(n), n).clamp_min(1e-300))


def test_rules_agree_with_the_exact_one(monkeypatch):
    """Every pixel by the edge rule alone: the cheap rules stay within 0.1% of it.

    The rules are constants of the module, and no setting chooses them: they are put in their place here.
    """
    rng = np.random.default_rng(3)
    n, r_e, q = (v.ravel() for v in np.meshgrid([0.3, 0.5, 1, 2, 4, 6], [0.5, 1.5, 5, 12], [1, 0.5, 0.1]))
    x, y, angle = rng.uniform(9, 16, n.size), rng.uniform(8, 9, n.size), rng.uniform(0, 180, n.size)
    ours = draw(x, y, r_e, n, q, angle, (18, 26))
    monkeypatch.setattr("mockforge.profiles.sersic._CORE", -1.0)
    monkeypatch.setattr("mockforge.profiles.sersic._EDGE", np.polynomial.legendre.leggauss(12))
    monkeypatch.setattr("mockforge.profiles.sersic.rows", lambda kind, n, dtype: n)
    monkeypatch.setattr("mockforge.profiles.sersic.look_up", exact_growth)
    exact = draw(x, y, r_e, n, q, angle, (18, 26), torch.float64)
    bright = exact > 1e-4 * (0.5 / (np.pi * q * r_e**2))[:, None, None]
    assert np.abs(ours / np.maximum(exact, 1e-300) - 1)[bright].max() < 1e-3
    assert np.abs(ours.sum((1, 2)) - exact.sum((1, 2))).max() < 1e-4


def test_total_flux_is_one_and_growth_is_analytic():
    ours = draw(100, 100, [3, 5, 2], [0.5, 1, 2.5], shape=(201, 201), dtype=torch.float64)
    np.testing.assert_allclose(ours.sum((1, 2)), 1.0, atol=3e-6)
    big = draw(50.5, 50.5, 10, 4, shape=(102, 102), dtype=torch.float64)[0]
    row, column = np.mgrid[:102, :102] - 50.5
    b = gammaincinv(8.0, 0.5)
    wanted = gammainc(8.0, b * (40 / 10) ** 0.25)
    assert big[np.hypot(row, column) < 40].sum() == pytest.approx(wanted, abs=1e-3)


def test_position_angle_turns_from_x_towards_y():
    flat, up = draw(15, 15, 5, 1, 0.2, [0.0, 90.0])
    assert flat[15, 20] > 10 * flat[20, 15]
    np.testing.assert_allclose(up, flat.T, rtol=1e-4, atol=1e-9)
    tilted = draw(15, 15, 5, 1, 0.2, 45.0)[0]
    assert tilted[19, 19] > 10 * tilted[19, 11]  # y up: the main diagonal


@pytest.mark.parametrize("x", [15.0, 15.5, 15.5 - 1e-7])
def test_a_centre_on_a_pixel_edge_or_corner_is_no_special_case(x):
    ours = draw(x, x, 0.5, 6, 0.7, 30)[0]
    assert np.isfinite(ours).all()
    near = draw(x + 1e-6, x + 1e-6, 0.5, 6, 0.7, 30)[0]
    assert abs(ours.sum() - near.sum()) < 1e-5


def test_a_galaxy_does_not_depend_on_its_neighbours():
    x, y = np.array([14.2, 15.7, 15.1]), np.array([15.3, 15.0, 14.6])
    r_e, n = np.array([2.0, 0.6, 7.0]), np.array([1.0, 4.0, 2.2])
    together = draw(x, y, r_e, n, 0.6, 20.0)
    for k in range(3):
        np.testing.assert_array_equal(draw(x[k], y[k], r_e[k], n[k], 0.6, 20.0)[0], together[k])


@pytest.mark.parametrize(("n", "r_e", "q"), [(0.5, 3, 0.7), (1, 0.5, 1), (4, 2, 0.4), (1.5, 8, 0.1)])
def test_asymmetry_is_integrated_over_pixels(n, r_e, q):
    """Against a grid 15 times finer, whose own pixels hardly see the azimuth change but in one."""
    s, side, angle, fine = 0.7, 250.0, 40.0, 15
    x, y = 10.3, 9.6
    given = [torch.tensor([float(v)]).double() for v in (x, y, r_e, n, q, angle)]
    lopsided = (torch.tensor([s]).double(), torch.tensor([side]).double())
    ours = sersic(Sersics(*given, *lopsided), (20, 20), torch.float32)[0].numpy()
    given[:3] = [torch.tensor([v]).double() for v in (x * fine + 7, y * fine + 7, r_e * fine)]
    even = sersic(Sersics(*given), (300, 300), torch.float64)[0].numpy()
    row, column = np.mgrid[:300, :300] / fine - 7 / fine
    c, d = np.cos(np.radians(angle)), np.sin(np.radians(angle))
    phi = np.arctan2(((row - y) * c - (column - x) * d) / q, (column - x) * c + (row - y) * d)
    factor = 1 - s * np.cos(phi + np.radians(angle - side))
    wanted = (even * factor).reshape(20, fine, 20, fine).sum((1, 3))
    assert np.abs(ours - wanted).max() < 1e-3 * wanted.max()
    bright = wanted > 1e-3 * wanted.max()
    assert np.median(np.abs(ours / wanted - 1)[bright]) < 1e-3
    assert ours.sum() == pytest.approx(even.sum(), abs=3e-2)


def test_asymmetry_keeps_the_flux():
    given = [torch.tensor([float(v)]).double() for v in (60.2, 60.4, 5, 1, 0.5, 30)]
    even = sersic(Sersics(*given), (121, 121)).sum()
    s = torch.tensor([0.9]).double()
    assert sersic(Sersics(*given, s, s), (121, 121)).sum().item() == pytest.approx(even.item(), abs=1e-4)
    none = sersic(Sersics(*given, 0 * s, s), (121, 121))
    torch.testing.assert_close(none, sersic(Sersics(*given), (121, 121)), rtol=1e-3, atol=1e-9)
