"""Arms and bars: rings keep their flux, images are those of the brightness in the plane."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mockforge.config import fixed
from mockforge.galaxies.disks.draws import draw_disks
from mockforge.galaxies.disks.make import make_disks
from mockforge.galaxies.disks.paint import Disks, disk_images
from mockforge.galaxies.disks.spec import Bar, Clumps, DiskGalaxies, SpiralArms
from mockforge.galaxies.disks.structure import Structure, modulation, structure_transform
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.rng import Stream

STRONG = dict(arms=SpiralArms(), bar=Bar(share=0.5), magnitude=fixed(20.0), bands=("F814W",))


def one(**more: float) -> Structure:
    numbers = dict(
        arms=2, arm_strength=0.8, pitch=20.0, arm_start=0.5, arm_angle=30.0, sharpness=2.0,
        bar_strength=0.8, bar_length=0.7, bar_axis_ratio=0.35, bar_angle=30.0,
    )  # fmt: skip
    return Structure(**{k: np.array([v]) for k, v in (numbers | more).items()})


def test_rings_keep_their_flux_and_nothing_is_negative() -> None:
    azimuth = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    drawn = draw_disks(DiskGalaxies(**STRONG), 50, Stream(1)).structure
    for radius in (0.05, 0.3, 0.6, 1.0, 2.0, 4.0):
        factor = modulation(drawn, np.full((50, 720), radius), np.tile(azimuth, (50, 1)))
        assert factor.mean(axis=1) == pytest.approx(1.0, abs=1e-9)
        assert factor.min() > -0.03
    assert factor.std() < 0.5  # faded, yet there


@pytest.mark.parametrize(("inclination", "arms"), [(0.0, 2), (55.0, 3), (75.0, 1)])
def test_images_are_those_of_the_plane(inclination: float, arms: int) -> None:
    """Against the brightness of the plane summed on a fine grid, blurred by the PSF."""
    structure, r_half, side, fine = one(arms=arms), 8.0, 48, 8
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.25)), ("a",), 0.1, (128, 128)).on("cpu")
    numbers = (23.3, 23.9, r_half, 1.0, 0.0, inclination, 35.0, 0.04, -0.02)
    disks = Disks(*(torch.tensor([v]) for v in numbers))
    found = disk_images(disks, psf, (side, side), structure_transform(structure, np.ones(1)))
    found = (found[0] * psf.mix[0, :, None, None]).sum(dim=0).numpy()
    expected = _summed(numbers, structure, side, fine)
    smooth = _summed(numbers, one(arm_strength=0.0, bar_strength=0.0), side, fine)
    assert np.abs(expected - smooth).sum() > 0.2  # it is a strong structure
    assert np.abs(found - expected).sum() < 1.5e-3
    assert np.abs(found - expected).max() < 2e-3 * expected.max()


def _summed(numbers: tuple[float, ...], structure: Structure, side: int, fine: int) -> np.ndarray:
    from mockforge.galaxies.disks.plane import to_sky

    x0, y0, r_half, *_, inclination, angle, g1, g2 = numbers
    matrix = to_sky(*(torch.tensor([v]).double() for v in (inclination, angle, g1, g2)))[0, :, :2].numpy()
    margin = 16
    place = (np.arange((side + 2 * margin) * fine) + 0.5) / fine - 0.5 - margin
    x, y = np.meshgrid(place - x0, place - y0)
    u, v = np.tensordot(np.linalg.inv(matrix), np.stack([x, y]), axes=1) / r_half
    radius, azimuth = np.hypot(u, v), np.arctan2(v, u)
    b = 1.6783469900166612
    light = b**2 / (2 * np.pi) * np.exp(-b * radius) / r_half**2 / np.linalg.det(matrix) / fine**2
    light = light * modulation(structure, radius.reshape(1, -1), azimuth.reshape(1, -1)).reshape(radius.shape)
    k = 2 * np.pi * np.fft.fftfreq(len(place), 1 / fine)
    sigma = 2.5 / np.sqrt(8 * np.log(2))
    blur = np.exp(-0.5 * sigma**2 * (k[:, None] ** 2 + k[None] ** 2))
    light = np.fft.ifft2(np.fft.fft2(light) * blur).real
    n = side + 2 * margin
    pixels = light.reshape(n, fine, n, fine).sum(axis=(1, 3))
    return pixels[margin : margin + side, margin : margin + side]


def test_structure_moves_light_and_keeps_the_flux() -> None:
    plain = dict(magnitude=fixed(20.0), bands=("F814W",), r_half=fixed(0.3))
    smooth = make_disks(DiskGalaxies(**plain), 8, Stream(2)).images["disk"]
    cfg = DiskGalaxies(**(STRONG | plain))
    moved = make_disks(cfg, 8, Stream(2)).images["disk"]
    assert moved.sum(axis=(1, 2, 3)) == pytest.approx(smooth.sum(axis=(1, 2, 3)), rel=1e-3)
    assert np.abs(moved - smooth).sum() > 0.1 * smooth.sum()


def test_clumps_follow_the_arms() -> None:
    arms = SpiralArms(number=(2,), strength=fixed(1.0), sharpness=fixed(2.5), start=fixed(0.3))
    cfg = DiskGalaxies(arms=arms, clumps=Clumps(fewest=400, most=400), bands=("F814W",))
    drawn = draw_disks(cfg, 4, Stream(3))
    assert drawn.clumps is not None
    radius, azimuth = (np.hypot(drawn.clumps.u, drawn.clumps.v), np.arctan2(drawn.clumps.v, drawn.clumps.u))
    factor = np.where(radius > 0.6, modulation(drawn.structure, radius, azimuth), np.nan)
    # the mean of the factor over places drawn by it is the mean of its square
    assert np.nanmean(factor) == pytest.approx(1 + 0.5 * sum(a**2 for a in (1.53, 0.84, 0.34)), rel=0.1)


def test_bars_have_an_even_number_of_arms() -> None:
    structure = draw_disks(DiskGalaxies(**STRONG), 60, Stream(5)).structure
    barred = structure.bar_strength > 0
    assert 15 < barred.sum() < 45
    assert (structure.arms[barred] % 2 == 0).all() and (structure.arms[~barred] == 3).any()
    assert structure.arm_angle[barred] == pytest.approx(structure.bar_angle[barred])
