"""Pictures of galaxies that turn: their light is kept, and moves as the plane beneath it does."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from mockforge.galaxies.cubes.body.disk import Disk, Physics, Picture, disks
from mockforge.galaxies.cubes.body.profiles import VERTICAL
from mockforge.galaxies.cubes.light.channels import Spectrum
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.model import cubes, moments
from mockforge.observe.psf.models import gaussian

AT = 7000.0
KM_S = 299_792.458 / AT


def spectrum(channels: int = 61, width: float = 0.6) -> Spectrum:
    edges = AT + (np.arange(channels + 1) - channels / 2) * width
    return Spectrum(edges[None], np.array([[AT]]), np.ones(1), np.full((1, 1), 0.7), "optical")


def with_picture(disk: Disk, light: Tensor, pixel: float) -> Disk:
    """Disks of one picture (Y, X), their centres its middle."""
    n = len(disk)
    middle = [torch.full((n,), 0.5 * (size - 1)) for size in light.shape]
    light = (light / light.sum()).expand(n, -1, -1)
    return replace(disk, picture=Picture(light, torch.full((n,), pixel), middle[1], middle[0]))


def clump(x: float, y: float, side: int = 61, pixel: float = 0.05, sigma: float = 0.05) -> Tensor:
    """A round clump at (x, y) arcsec from the middle."""
    at = (torch.arange(side) - (side - 1) / 2) * pixel
    return torch.exp(-0.5 * ((at[None, :] - x) ** 2 + (at[:, None] - y) ** 2) / sigma**2)


@pytest.mark.parametrize("vertical", VERTICAL)
def test_no_light_is_lost_or_made(vertical):
    disk = disks(
        inclination=[0.0, 40.0, 75.0], height=[0.001, 0.1, 0.2], flux=3.0, position_angle=20.0, x=0.03
    )
    disk = with_picture(disk, clump(0.3, 0.2) + clump(-0.5, -0.1), 0.05)
    grid = Grid((40, 40), 0.2, gaussian(0.6), padding=40)
    cube = cubes(disk, Physics(vertical=vertical), grid, spectrum())
    np.testing.assert_allclose(cube.sum(dim=(1, 2, 3)), 3.0, rtol=1e-3)
    maps = moments(disk, Physics(vertical=vertical), grid)
    np.testing.assert_allclose(maps.flux.sum(dim=(1, 2)), 3.0, rtol=1e-3)
    assert maps.flux.min() >= 0


def test_the_channels_of_a_thin_disk_add_up_to_the_picture_through_the_psf():
    side, pixel = 64, 0.05  # four pixels a spaxel
    light = torch.as_tensor(np.random.default_rng(2).gamma(0.3, 1, (side, side)), dtype=torch.float32)
    light = light * clump(0.0, 0.0, side, pixel, 0.5)
    disk = with_picture(disks(inclination=50.0, height=1e-4, position_angle=35.0), light, pixel)
    grid = Grid((16, 16), 0.2, gaussian(0.7), padding=16)
    white = cubes(disk, Physics(), grid, spectrum(), Sampling(fine=3)).sum(dim=1)[0].numpy()
    k = 2 * math.pi * np.fft.fftfreq(2 * side) / pixel
    transfer = np.exp(-0.5 * (0.7 / 2.3548) ** 2 * (k[:, None] ** 2 + k[None] ** 2))
    pixels = np.pad((light / light.sum()).numpy(), side // 2)
    seen = np.fft.ifft2(np.fft.fft2(pixels) * transfer).real[32:-32, 32:-32]
    seen = seen.reshape(16, 4, 16, 4).sum(axis=(1, 3))
    np.testing.assert_allclose(white, seen, atol=0.01 * seen.max())


@pytest.mark.parametrize("spin", [-1.0, 1.0])
def test_a_clump_has_the_velocity_of_its_place_in_the_plane(spin):
    inclination, angle, r, phi = math.radians(60.0), math.radians(25.0), 0.8, math.radians(50.0)
    along, across = r * math.cos(phi), spin * r * math.sin(phi) * math.cos(inclination)
    x = along * math.cos(angle) - across * math.sin(angle)
    y = along * math.sin(angle) + across * math.cos(angle)
    disk = disks(
        inclination=60.0, position_angle=25.0, spin=spin, height=1e-3, v_max=220.0, r_turn=0.3, v_radial=30.0
    )
    disk = with_picture(disk, clump(x, y, sigma=0.03), 0.05)
    s = spectrum()
    grid = Grid((32, 32), 0.2, gaussian(0.5), padding=16)
    cube = cubes(disk, Physics(), grid, s)[0]
    at = torch.as_tensor(0.5 * (s.edges[0, 1:] + s.edges[0, :-1]) - AT, dtype=torch.float32) * KM_S
    line = cube.sum(dim=(1, 2))
    speed = 220.0 * 2 / math.pi * math.atan(r / 0.3)
    expected = math.sin(inclination) * (speed * math.cos(phi) + 30.0 * math.sin(phi))
    assert float((at * line).sum() / line.sum()) == pytest.approx(expected, abs=2.0)
    maps, where = moments(disk, Physics(), grid), (round(y / 0.2 + 15.5), round(x / 0.2 + 15.5))
    assert float(maps.velocity_observed[0][where]) == pytest.approx(expected, abs=4.0)
    assert int(cube.sum(dim=0).argmax()) == where[0] * 32 + where[1]


def test_a_picture_of_a_disk_turns_as_the_disk_does():
    disk = disks(inclination=55.0, position_angle=110.0, height=0.02, r_half=0.8, sigma=30.0)
    grid, fine = Grid((24, 24), 0.2, gaussian(0.8), padding=24), Grid((160, 160), 0.05)
    face = moments(disk.with_values(height=torch.tensor([1e-3])), Physics(), fine).flux[0]
    laid = with_picture(disk, face, 0.05)
    one, other = (cubes(d, Physics(), grid, spectrum(), Sampling(3, 8, 2)) for d in (disk, laid))
    assert float((one - other).abs().max() / one.max()) < 0.01
    thick = Physics(thick=True)  # the dispersion differs from place to place
    one, other = (moments(d, thick, grid, Sampling(3, 8, 2)) for d in (disk, laid))
    bright = one.flux_observed > 0.05 * one.flux_observed.max()
    assert float((one.velocity_observed - other.velocity_observed)[bright].abs().max()) < 3.0
    assert float((one.dispersion_observed - other.dispersion_observed)[bright].abs().max()) < 3.0


def test_height_spreads_light_across_the_line_of_nodes_alone():
    disk = with_picture(disks(inclination=[5.0, 80.0], height=0.3, position_angle=0.0), clump(0, 0), 0.05)
    flux = moments(disk, Physics(), Grid((60, 60), 0.1), Sampling(2, 12)).flux
    at = (torch.arange(60) - 29.5) * 0.1
    y, x = ((flux.sum(dim=axis) * at**2).sum(dim=1) for axis in (2, 1))
    assert float(x[0]) == pytest.approx(float(x[1]), rel=1e-3)
    np.testing.assert_allclose(y - x, (0.3 * np.sin(np.radians([5.0, 80.0]))) ** 2, rtol=0.03, atol=3e-4)
