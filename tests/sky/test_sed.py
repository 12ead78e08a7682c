"""The SED table against galsim and against an integration over frequency."""

from __future__ import annotations

from pathlib import Path

import galsim
import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.observe.redshift import luminosity_distance
from mockforge.sky.bandpass import BANDPASSES, bandpass
from mockforge.sky.sed import SEDS, band_flux, mixtures, sed_table

HST = ("F336W", "F435W", "F606W", "F775W", "F814W", "F850LP", "F105W", "F125W", "F160W")


def by_frequency(name: str, band: str, z: float) -> float:
    """(1 + z) L_nu(nu (1 + z)) over the band, in the unit of `band_flux`, on a fine frequency grid."""
    share = Path(galsim.meta_data.share_dir)
    wave, flam = np.loadtxt(share / "SEDs" / SEDS[name], unpack=True)
    table = np.loadtxt(share / "bandpasses" / BANDPASSES[band])
    lam = np.linspace(10 * table[0, 0], 10 * table[-1, 0], 200_001)
    throughput = np.interp(lam / 10, table[:, 0], table[:, 1])
    nu = 1.0 / lam  # the speed of light cancels
    rest = lam / (1 + z)
    l_nu = np.interp(rest, wave, flam) * rest**2
    return (1 + z) * np.trapezoid(l_nu * throughput / nu, nu) / np.trapezoid(throughput / nu, nu)


@pytest.mark.parametrize("name", list(SEDS))
def test_band_flux_agrees_with_an_integral_over_frequency(name):
    from mockforge.sky.sed import spectrum

    ours = band_flux(*spectrum(name), HST, np.array([0.1, 1.0, 2.0]))
    for r, z in enumerate((0.1, 1.0, 2.0)):
        wanted = [by_frequency(name, band, z) for band in HST]
        np.testing.assert_allclose(ours[r], wanted, rtol=5e-4)


def test_colours_agree_with_galsim():
    bands = ("F435W", "F606W", "F814W", "F160W", "lsst_u", "lsst_i")
    table = sed_table(np.array([0.15, 1.3]), bands, steps=1)
    for m, name in enumerate(SEDS):
        # fast=True interpolates photon counts between the points, 3e-3 away in the steep blue of E
        sed = galsim.SED(SEDS[name], wave_type="Ang", flux_type="flambda", fast=False)
        for r, z in enumerate((0.15, 1.3)):
            seen = [sed.atRedshift(z).calculateMagnitude(bandpass(b).withZeropoint("AB")) for b in bands]
            ours = -2.5 * np.log10(table.flux[r, :, m])
            np.testing.assert_allclose(ours - ours[1], np.array(seen) - seen[1], atol=1e-3)


def test_spectra_have_the_stated_absolute_magnitude():
    """A nearby galaxy: apparent minus absolute is the distance modulus, K goes to 0."""
    table = sed_table(np.array([1e-4]), ("lsst_r",), reference_band="lsst_r")
    modulus = 5 * np.log10(luminosity_distance(1e-4) * 1e5)
    np.testing.assert_allclose(31.4 - 2.5 * np.log10(table.flux[0, 0]), -20 + modulus, atol=2e-3)
    assert len(table.names) == 13


def test_flux_of_a_flat_spectrum_is_closed_form():
    """f_nu constant: mean f_nu through any band is (1 + z) L_nu."""
    wave = np.geomspace(100, 30_000, 4000)
    z = np.array([0.0, 0.5, 2.0])
    flux = band_flux(wave, wave**-2.0, ("F435W", "F160W"), z)
    np.testing.assert_allclose(flux, np.repeat((1 + z)[:, None], 2, axis=1), rtol=1e-4)


def test_mixtures_are_linear_in_flux():
    names, weights = mixtures(("E", "Sbc", "Im"), 2)
    assert names == ("E", "0.50E+0.50Sbc", "Sbc", "0.50Sbc+0.50Im", "Im")
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    flux = sed_table(np.array([0.7]), ("F606W",), ("E", "Sbc"), steps=2).flux[0, 0]
    assert flux[1] == pytest.approx((flux[0] + flux[2]) / 2)


def test_a_band_outside_the_spectrum_is_reported():
    with pytest.raises(InputError, match=r"F275W .* z = 30 .* covers 91 to 22050"):
        sed_table(np.array([1.0, 30.0]), ("F606W", "F275W"))


def test_unknown_names():
    with pytest.raises(InputError, match="did you mean 'F606W'"):
        bandpass("F606")
    with pytest.raises(InputError, match="did you mean 'Sbc'"):
        sed_table(np.array([1.0]), ("F606W",), ("Sbcc",))
