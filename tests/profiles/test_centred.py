"""Galaxies drawn in one spectrum a band are those that are drawn part by part, alike in any company."""

import math

import numpy as np
import pytest
import torch

from mockforge.observe.psf.spec import Airy, Gaussian, Moffat, Psf
from mockforge.observe.psf.transfer import Transfer, transfer
from mockforge.profiles.centred import Centred, draw_centred, fits
from mockforge.profiles.draw import GaussianKnots, draw_seen
from mockforge.profiles.sersic import Sersics

BANDS, SIDE = ("F606W", "F814W"), 64


def some(count: int) -> Centred:
    """Disks with and without bulges and knots, compact and wide ones, and a star."""
    rng = np.random.default_rng(3)
    size = np.exp(rng.normal(0.7, 0.5, count))
    number = rng.integers(0, 7, count)
    weight = rng.uniform(0.2, 1.0, (count, 6)) * (np.arange(6) < number[:, None])
    weight[number == 0, 0] = 1.0
    weight /= weight.sum(axis=1, keepdims=True)
    place = rng.normal(0.0, 1.5, (count, 6, 2))
    knots = np.concatenate([place, rng.uniform(0.1, 1.0, (count, 6, 1)), weight[..., None]], axis=2)
    sed = rng.uniform(1.0, 9.0, (count, 2, 3)) * [1.0, 0.6, 0.3]
    sed[::3, :, 1], sed[number == 0, :, 2] = 0.0, 0.0
    sed[0], knots[0, 0], knots[0, 1:, 3] = [[0, 0, 7.0], [0, 0, 9.0]], [0, 0, 0.02, 1.0], 0.0
    values = (
        *(SIDE / 2 + rng.uniform(-0.5, 0.5, (2, count))), np.stack([size, 0.25 * size], axis=1),
        np.stack([rng.uniform(0.4, 1.0, count), np.full(count, 4.0)], axis=1),
        rng.uniform(0.15, 1.0, count), rng.uniform(0, 180, count), knots, sed,
    )  # fmt: skip
    return Centred(*(torch.from_numpy(v) for v in values))


def part_by_part(given: Centred, psf: Transfer) -> torch.Tensor:
    x, y, q, angle = (
        v[:, None].expand(-1, 2) for v in (given.x, given.y, given.axis_ratio, given.position_angle)
    )
    sersics = Sersics(x, y, given.r_e, given.n, q, angle)
    place = (given.x[:, None] + given.knots[..., 0], given.y[:, None] + given.knots[..., 1])
    knots = GaussianKnots(*place, given.knots[..., 2], given.knots[..., 3])
    return draw_seen(sersics, knots, given.sed, (SIDE, SIDE), psf)


@pytest.mark.parametrize(
    "psf",
    [
        Psf(gaussian=Gaussian(fwhm_arcsec=(0.08, 0.12))),
        Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.072), beta=1.61)),
        Psf(airy=Airy(diameter_m=2.4, obscuration=0.33, wavelength_um=(0.6, 0.8))),
    ],
    ids=["gaussian", "moffat", "airy"],
)
def test_one_spectrum_holds_all_parts(psf):
    seen = transfer(psf, BANDS, 0.06, (SIDE, SIDE))
    given = some(40)
    given = given.rows(torch.nonzero(fits(given, seen))[:, 0])
    assert len(given) > 30
    mine = draw_centred(given, SIDE, seen, torch.zeros(len(given)))
    other = part_by_part(given, seen)
    peak = other.amax(dim=(1, 2, 3))
    assert ((mine - other).abs().amax(dim=(1, 2, 3)) < 1e-3 * peak).all()
    few = draw_centred(given, SIDE, seen, 0.02 * peak.double())
    assert 0 < (few - mine).abs().amax(dim=(1, 2, 3)).div(peak).max() < 0.02


def test_high_frequencies_are_drawn_in_the_middle_alone():
    """On a small stamp in a large one, where little is lost by it; not where the light is wide."""
    psf = Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.072), beta=1.61))
    large, core = (transfer(psf, BANDS, 0.06, (n, n)) for n in (128, 40))
    given = some(30)
    given = Centred(**vars(given) | {"x": given.x + 32, "y": given.y + 32, "r_e": 3 * given.r_e})
    given = given.rows(torch.nonzero(fits(given, large))[:, 0])
    given.axis_ratio[1], given.r_e[1, 0] = 0.05, 15.0  # edge on: its core is as long as it
    least = torch.zeros(len(given))
    whole, both = draw_centred(given, 128, large, least), draw_centred(given, 128, large, least, core)
    off = (whole - both).abs()
    assert (off.amax(dim=(1, 2, 3)) < 1e-4 * whole.amax(dim=(1, 2, 3))).all()
    assert (off.sum(dim=(2, 3)) < 1e-3 * given.sed.sum(dim=2)).all()
    same = off.amax(dim=(1, 2, 3)) == 0
    assert same[1] and same.sum() < len(given) / 2


def test_a_galaxy_is_the_same_in_any_company_and_order():
    psf = transfer(Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.072), beta=1.61)), BANDS, 0.06, (SIDE, SIDE))
    core = transfer(Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.072), beta=1.61)), BANDS, 0.06, (24, 24))
    given, least = some(40), torch.full((40,), 1e-3).double()
    whole = draw_centred(given, SIDE, psf, least, core)
    assert not torch.equal(whole, draw_centred(given, SIDE, psf, least))
    for size in (1, 2, 7):
        for first in range(0, 40, size):
            rows = torch.arange(first, min(first + size, 40)).flip(0)
            assert torch.equal(draw_centred(given.rows(rows), SIDE, psf, least[rows], core), whole[rows])


def test_light_beyond_the_grid_does_not_fit():
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.12)), BANDS, 0.06, (SIDE, SIDE))
    given = some(3)
    wide = Centred(**vars(given) | {"r_e": given.r_e * torch.tensor([1.0, 40.0, 1.0])[:, None]})
    assert fits(wide, psf).tolist() == [True, False, True]
    assert math.isclose(float(draw_centred(given, SIDE, psf, torch.zeros(3))[0, 0].sum()), 7.0, rel_tol=2e-4)
