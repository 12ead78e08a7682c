"""Round PSFs: tabulated once, and never evaluated where nothing is left of them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import gammaln, j1, kve

from mockforge.observe.psf.models import moffat, radial
from mockforge.observe.psf.radial import together
from mockforge.observe.psf.spec import Airy, Gaussian, Moffat, Psf
from mockforge.observe.psf.transfer import transfer


@pytest.mark.parametrize(("fwhm", "beta"), [(0.057, 1.61), (0.7, 3.5), (0.2, 1.11), (1.0, 50.0)])
def test_the_table_is_the_bessel_function(fwhm, beta):
    model, alpha = moffat(fwhm, beta), 0.5 * fwhm / math.sqrt(2 ** (1 / beta) - 1)
    k = np.geomspace(1e-3, 1.0, 5000) * model.highest
    t = alpha * k
    direct = np.exp(math.log(2) + (beta - 1) * np.log(t / 2) - gammaln(beta - 1) - t) * kve(beta - 1, t)
    np.testing.assert_allclose(model.at(0.6 * k, 0.8 * k), direct, atol=1e-6)


def test_a_profile_that_rings_is_as_near():
    """A disk of radius 1.5 arcsec: its transform has an edge to sample every 2 radians per arcsec."""

    def disk(k):
        return np.where(k > 0, 2 * j1(1.5 * k) / np.maximum(1.5 * k, 1e-9), 1.0)

    k = np.linspace(0.1, 300.0, 20011)
    np.testing.assert_allclose(radial(disk, 300.0).at(k, 0 * k), disk(k), atol=1e-6)


def test_tables_of_several_bands_are_those_of_each():
    made = [moffat(0.1, 2.5), moffat(0.3, 2.5)]
    square = np.geomspace(1e-3, made[1].highest, 500) ** 2
    both = together([model.radial for model in made])(square)
    for i, model in enumerate(made):
        np.testing.assert_allclose(both[:, i], model.at(np.sqrt(square), 0 * square), atol=1e-6)


@pytest.mark.parametrize(
    "psf",
    [
        Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.071, 0.072), beta=1.61)),
        Psf(airy=Airy(diameter_m=2.4, obscuration=0.33, wavelength_um=(0.6, 0.77, 0.81))),
        Psf(gaussian=Gaussian(fwhm_arcsec=(0.1, 0.11, 0.3))),
    ],
)
def test_zones_hold_what_each_band_has_there(psf):
    """The frequencies that are left out have nothing, and the others are the band's own."""
    from mockforge.observe.psf.per_band import models

    bands = ("F606W", "F775W", "F814W")
    made = transfer(psf, bands, 0.06, (40, 48))
    fy, fx = np.fft.fftfreq(made.grid[0])[:, None], np.fft.rfftfreq(made.grid[1])[None]
    zones = {zone.g: zone for zone in made.zones}
    for g in [(y, x) for y in range(-3, 4) for x in range(-3, 4)]:
        ky, kx = fy + g[0], fx + g[1]
        unit = 2 * np.pi / 0.06
        each = np.stack([m.at(unit * kx, unit * ky) for m in models(psf, bands)])
        each = each * np.sinc(ky) * np.sinc(kx)
        got = np.zeros_like(each)
        if g in zones:
            own = np.einsum("cj,jyx->cyx", made.mix, zones[g].basis)
            got[:, zones[g].rows, zones[g].columns] = own
        np.testing.assert_allclose(got, each, atol=1.3e-3 + 5e-4)


def test_every_stamp_has_the_same_principal_psfs():
    psf = Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.071, 0.072), beta=1.61))
    made = [transfer(psf, ("a", "b", "c"), 0.06, (side, side)).mix for side in (32, 100, 512)]
    np.testing.assert_array_equal(made[0], made[1])
    np.testing.assert_array_equal(made[0], made[2])


def test_a_table_takes_few_values():
    """Bessel functions of every frequency of a large stamp took seconds."""
    called = []

    def counted(k):
        called.append(k.size)
        return np.exp(-k)

    radial(counted, 14.0)
    assert sum(called) < 40_000
