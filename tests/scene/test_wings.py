"""What comes back of a PSF's wings, against the sum over the copies of a grid."""

import numpy as np
import pytest

from mockforge.observe.psf.spec import Gaussian, Moffat, Psf
from mockforge.scene.wings import returning_wings

SCALE, GRID, SIDE = 0.06, 40, 32


def test_a_moffats_wings_are_those_of_its_copies():
    fwhm, beta = 0.072, 1.61
    got = returning_wings(Psf(moffat=Moffat(fwhm_arcsec=fwhm, beta=beta)), ("F814W",), SCALE, GRID, SIDE)
    r0 = fwhm / SCALE / 2 / np.sqrt(2 ** (1 / beta) - 1)
    place, wanted = np.arange(SIDE) - SIDE // 2, np.zeros((SIDE, SIDE))
    for y in range(-20, 21):
        for x in range(-20, 21):
            if (y, x) != (0, 0):
                r = np.hypot(place[:, None] + y * GRID, place + x * GRID)
                wanted += (beta - 1) / np.pi / r0**2 * (1 + (r / r0) ** 2) ** -beta
    assert got[0] == pytest.approx(wanted, rel=0.05)


def test_a_gaussian_has_none():
    got = returning_wings(Psf(gaussian=Gaussian(fwhm_arcsec=0.12)), ("F814W",), SCALE, GRID, SIDE)
    assert np.abs(got).max() < 1e-6
