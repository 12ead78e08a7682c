"""Cubes against what can be known of them without a cube."""

import numpy as np
import pytest
import torch

from mockforge.galaxies.cubes.body.curves import CURVES
from mockforge.galaxies.cubes.body.disk import Clumps, Physics, disks
from mockforge.galaxies.cubes.body.profiles import RADIAL, VERTICAL
from mockforge.galaxies.cubes.light.channels import Spectrum, lsf_without_channel, spectra
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.model import converged, cubes, moments
from mockforge.observe.psf.models import gaussian, moffat

AT = 7000.0
KM_S = 299_792.458 / AT  # per Angstrom


def spectrum(channels=40, width=1.25, lsf=1.136, lines=(AT,), share=(1.0,)) -> Spectrum:
    edges = AT + (np.arange(channels + 1) - channels / 2) * width
    rest = np.array([lines])
    return Spectrum(edges[None], rest, np.array(share), np.full(rest.shape, lsf))


def centres(s: Spectrum) -> np.ndarray:
    return 0.5 * (s.edges[0, 1:] + s.edges[0, :-1])


@pytest.mark.parametrize("radial", RADIAL)
@pytest.mark.parametrize("vertical", VERTICAL)
def test_the_flux_of_the_cube_is_that_asked_to_a_thousandth(radial, vertical):
    disk = disks(
        inclination=[0.0, 40.0, 75.0, 90.0], r_half=0.5, height=0.1, flux=3.0, n=0.8, position_angle=20.0
    )
    grid = Grid((40, 40), 0.2, moffat(0.6, 4.8), padding=40)
    inside = 9 if vertical == "exponential" else 3  # an edge-on plane is a crease of two heights a spaxel
    cube = cubes(disk, Physics(radial, vertical), grid, spectrum(60), Sampling(inside, 8))
    np.testing.assert_allclose(cube.sum(dim=(1, 2, 3)), 3.0, rtol=1e-3)
    assert cube.min() > -1e-4 * cube.max()  # waves are left out of which a PSF leaves less than 1e-3


def test_the_channels_of_a_face_on_thin_disk_add_up_to_its_image():
    disk = disks(inclination=0.0, r_half=0.8, height=0.01, flux=1.0)
    cube = cubes(disk, Physics(), Grid((24, 24), 0.2), spectrum(60), Sampling(4, 6))[0]
    at = (np.arange(24 * 20) + 0.5) / 20 * 0.2 - 2.4
    scale = 0.8 / 1.6783469900166605
    image = np.exp(-np.hypot(at[:, None], at[None]) / scale) / (2 * np.pi * scale**2) * 0.01**2
    image = image.reshape(24, 20, 24, 20).sum(axis=(1, 3))
    np.testing.assert_allclose(cube.sum(dim=0), image, rtol=0.01)


@pytest.mark.parametrize("curve", CURVES)
def test_the_major_axis_turns_as_asked(curve):
    disk = disks(
        inclination=60.0, r_half=2.0, height=0.005, v_max=180.0, r_turn=0.6, sigma=5.0, dtype=torch.float64
    )
    s = spectrum(160, 0.12, 0.2)
    cube = cubes(disk, Physics(curve=curve), Grid((1, 121), 0.05, None), s, Sampling(3, 6))[0, :, 0].numpy()
    found = (cube * centres(s)[:, None]).sum(axis=0) / cube.sum(axis=0) * KM_S - 299_792.458
    r = abs(np.arange(121) - 60) * 0.05
    beta = found / 299_792.458
    v = 299_792.458 * (beta - 0.5 * beta**2)  # of the relativistic factor, to second order
    wanted = Physics(curve=curve).rotation(torch.as_tensor(r), disk.v_max[:, None], disk.r_turn[:, None])[
        0
    ] * np.sin(np.radians(60))
    outside = r > 0.3
    np.testing.assert_allclose(abs(v)[outside], wanted[outside], rtol=0.01)
    assert (v[61:] > 0).all() and (v[:60] < 0).all()


@pytest.mark.parametrize("width", [0.1, 1.25, 5.0])
def test_the_line_of_a_cold_disk_is_the_line_spread_function_in_narrow_and_wide_channels(width):
    from scipy.optimize import curve_fit
    from scipy.special import erf

    disk = disks(inclination=0.0, sigma=0.0, dtype=torch.float64)
    s = spectrum(2 * int(30 / width) + 1, width)
    line = cubes(disk, Physics(), Grid((9, 9), 0.2), s)[0].sum(dim=(1, 2)).numpy()

    def in_channels(at, flux, middle, sigma):
        return 0.5 * flux * np.diff(erf((s.edges[0] - middle) / (np.sqrt(2) * sigma)))

    best, _ = curve_fit(in_channels, centres(s), line, (line.sum(), AT + 0.1, 1.5))
    assert best[2] == pytest.approx(1.136, rel=0.005)
    variance = (line * (centres(s) - AT) ** 2).sum() / line.sum()
    assert width > 2 or variance == pytest.approx(1.136**2 + width**2 / 12, rel=0.01)


def test_a_line_spread_function_that_includes_the_channel_loses_it_once():
    assert lsf_without_channel(np.array([1.136]), 1.25)[0] == pytest.approx(1.0777, rel=1e-3)
    with pytest.raises(ValueError, match="narrower than they are"):
        lsf_without_channel(np.array([1.0]), 5.0)


def test_binned_velocities_are_the_exact_ones(monkeypatch):
    disk = disks(inclination=[30.0, 65.0], position_angle=200.0, velocity=[-40.0, 25.0])
    s = spectrum(lines=(AT, AT + 8), share=(0.7, 0.3))
    grid = Grid((12, 12), 0.2)
    fast = cubes(disk, Physics(), grid, s)
    monkeypatch.setattr("mockforge.galaxies.cubes.light.model.binned_spectra", spectra)
    exact = cubes(disk, Physics(), grid, s)
    assert (fast - exact).abs().max() < 4e-4 * exact.max()


@pytest.mark.parametrize(
    ("physics", "values"),
    [
        (Physics(), {}),
        (Physics("gaussian", "exponential", "nfw"), {"x": 0.3, "y": -0.5, "spin": -1.0}),
        (Physics("sersic", "sech2", "tanh"), {"n": 0.7, "velocity": 120.0}),
        (Physics(thick=True), {"sigma": 15.0}),
        (Physics(thin=True, convention="radio"), {"sigma": 15.0}),
        (Physics(), {"sigma": 60.0, "sigma_scale": 0.5, "sigma_floor": 10.0}),
        (Physics(), {"v_radial": 40.0}),
        (Physics(), {"v_bar": 50.0, "r_bar": 0.6, "bar_angle": 25.0}),
    ],
)
def test_rings_are_what_lines_of_sight_are(monkeypatch, physics, values):
    clumps = Clumps(*(torch.tensor([[v, 0.5 * v]]).expand(3, 2) for v in (0.7, 200.0, 0.2, 0.1, 15.0)))
    disk = disks(clumps, inclination=[0.0, 50.0, 85.0], position_angle=35.0, r_half=0.6, height=0.1, **values)
    s = spectrum(lines=(AT, AT + 8), share=(0.7, 0.3))
    grid = Grid((20, 20), 0.2, moffat(0.9, 4.8), margin=6, padding=16)
    how = Sampling(2, 10, 2)
    found, seen = cubes(disk, physics, grid, s, Sampling(rings=1.4)), moments(disk, physics, grid, how)
    monkeypatch.setattr("mockforge.galaxies.cubes.light.model.rings_do", lambda *_: False)
    wanted, maps = cubes(disk, physics, grid, s, how), moments(disk, physics, grid, how)
    assert (found - wanted).abs().max() < 1e-3 * wanted.max()
    bright = maps.flux_observed > 0.03 * maps.flux_observed.amax()
    for name, allowed in (("velocity_observed", 0.5), ("dispersion_observed", 0.5)):
        assert (getattr(seen, name) - getattr(maps, name))[bright].abs().max() < allowed


def test_light_far_beside_the_field_does_not_come_back_on_its_other_side():
    disk = disks(x=[0.0, 2.5, -1.0], y=[0.0, 1.0, 2.8], r_half=[2.0, 0.5, 0.5], position_angle=30.0)
    cube, wide = (
        cubes(disk, Physics(), Grid((16, 16), 0.2, gaussian(0.7), margin, padding), spectrum())
        for margin, padding in ((0, 14), (20, 30))
    )
    assert (cube - wide)[0].abs().max() < 5e-3 * wide[0].max()
    right, top = cube[1], cube[2]
    assert right[:, :, :4].max() < 1e-5 and top[:, :4].max() < 1e-5


def test_sampling_is_refined_until_the_cube_stays():
    disk = disks(inclination=[20.0, 80.0], r_half=0.4, height=0.06)
    grid = Grid((16, 16), 0.2, moffat(0.7, 2.8))
    cube, sampling, change = converged(disk, Physics(), grid, spectrum(), 1e-3)
    best = cubes(disk, Physics(), grid, spectrum(), Sampling(12, 24))
    assert change <= 1e-3 and sampling.rings > 1
    assert (cube - best).abs().max() < 1e-3 * best.max()


def test_maps_are_the_moments_of_the_cube():
    clumps = Clumps(*(torch.tensor([[v]]) for v in (0.7, 200.0, 0.2, 0.1, 15.0)))
    disk = disks(clumps, inclination=55.0, r_half=0.8, sigma=25.0, v_radial=20.0, position_angle=70.0)
    grid, s = Grid((14, 14), 0.2, gaussian(0.7)), spectrum(300, 0.2, 1e-3)
    physics = Physics("gaussian", convention="optical")
    maps, cube = (
        moments(disk, physics, grid),
        cubes(disk, physics, grid, s, Sampling(rings=1.7, faintest=1e-4))[0],
    )
    flux = cube.sum(dim=0)
    v = torch.as_tensor(centres(s) * KM_S - 299_792.458, dtype=torch.float32)[:, None, None]
    mean = (cube * v).sum(dim=0) / flux
    spread = ((cube * (v - mean) ** 2).sum(dim=0) / flux).sqrt()
    bright = flux > 0.02 * flux.max()
    torch.testing.assert_close(maps.flux_observed[0][bright], flux[bright], rtol=2e-3, atol=0)
    torch.testing.assert_close(maps.velocity_observed[0][bright], mean[bright], rtol=0, atol=0.4)
    torch.testing.assert_close(maps.dispersion_observed[0][bright], spread[bright], rtol=0.02, atol=0.2)
    assert maps.dispersion[0][bright].max() < 26 < maps.dispersion_observed[0][bright].max()


def test_clumps_move_with_the_gas_where_they_are():
    where = {"radius": 1.2, "azimuth": 0.0, "share": 1.0, "size": 0.05, "sigma": 10.0}
    clumps = Clumps(**{k: torch.tensor([[v]]) for k, v in where.items()})
    disk = disks(clumps, inclination=60.0, position_angle=90.0, v_max=200.0, r_turn=0.1)
    physics = Physics(curve="flat")
    s = spectrum()
    cube = cubes(disk, physics, Grid((31, 31), 0.1), s)[0]
    y, x = divmod(int(cube.sum(dim=0).argmax()), 31)
    assert (x, y) == (15, 27)  # at +y, 1.2 arcsec
    at = (cube.sum(dim=(1, 2)).numpy() * centres(s)).sum() / cube.sum().item()
    assert (at / AT - 1) * 299_792.458 == pytest.approx(200 * np.sin(np.radians(60)), abs=0.5)
    assert cube.sum() == pytest.approx(1.0, rel=1e-3)


def test_gas_that_flows_outwards_recedes_on_the_far_side():
    disk = disks(
        inclination=50.0, v_max=1e-3, v_radial=60.0, height=0.01, spin=[1.0, -1.0], position_angle=0.0
    )
    maps = moments(disk, Physics(), Grid((21, 21), 0.1))
    far = 60 * np.sin(np.radians(50))
    assert maps.velocity[0, 15, 10] == pytest.approx(far, rel=0.05)  # 90 degrees from the receding end
    assert maps.velocity[1, 15, 10] == pytest.approx(-far, rel=0.05)


def test_a_warp_turns_the_outer_velocity_field():
    disk = disks(inclination=40.0, warp_angle=[0.0, 15.0], warp_start=1.0, r_half=0.5, height=0.02)
    v = moments(disk, Physics(curve="flat"), Grid((41, 41), 0.1), Sampling(2, 10)).velocity.numpy()
    around = np.radians(np.arange(0, 360, 2))
    ring = np.round(20 + 15 * np.sin(around)).astype(int), np.round(20 + 15 * np.cos(around)).astype(int)
    fastest = [np.degrees(around[field[ring].argmax()] + 1e-9) for field in v]
    assert fastest[0] % 360 == pytest.approx(0.0, abs=4.0)
    assert fastest[1] == pytest.approx(30.0, abs=4.0)  # 15 degrees an r_half, two of them beyond its start


def test_derivatives_of_a_cube_are_those_of_differences():
    names = ("inclination", "v_max", "r_half", "sigma", "x", "position_angle")
    base = {
        "inclination": 55.0,
        "v_max": 150.0,
        "r_half": 0.6,
        "sigma": 30.0,
        "x": 0.05,
        "position_angle": 25.0,
    }
    grid, s = Grid((8, 8), 0.2, moffat(0.7, 2.8)), spectrum(24)

    def made(vector):
        values = dict(zip(names, vector, strict=True))
        return cubes(
            disks(dtype=torch.float64).with_values(**{k: v[None] for k, v in values.items()}),
            Physics(),
            grid,
            s,
        )

    at = torch.tensor([base[n] for n in names], dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(made, at)
    for i in range(len(names)):
        step = torch.zeros_like(at)
        step[i] = 1e-3 * max(1.0, abs(float(at[i])))
        slope = (made(at + step) - made(at - step)) / (2 * step[i])
        assert (jacobian[..., i] - slope).abs().max() < 0.02 * slope.abs().max()
