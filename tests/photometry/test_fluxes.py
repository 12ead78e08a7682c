"""Fluxes through bands against galsim, a fine integration over frequency, and closed forms."""

from __future__ import annotations

import galsim
import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.photometry.bands import bandpass, curve
from mockforge.photometry.cosmology import luminosity_distance
from mockforge.photometry.fluxes import absolute_fluxes, flux_table, k_correction, sed_fluxes, spectrum_set
from mockforge.photometry.igm import transmission
from mockforge.photometry.luminosity import njy_per_luminosity
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.populations.sfh import Burst, Sfh
from mockforge.photometry.projection import Projection, nodes
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import SEDS, Templates, mixtures

CWW = Spectra(templates=Templates(steps=1))
OLD = Spectra(populations=Populations(sfh=(Sfh(burst=Burst()),), metallicity=(1.0,), a_v=(0.0, 1.0)))
HST = ("F336W", "F435W", "F606W", "F775W", "F814W", "F850LP", "F105W", "F125W", "F160W")


def observed(spectra: Spectra, m: int, z: float, wave: np.ndarray, igm="inoue2014") -> np.ndarray:
    """f_lambda seen at `wave` Angstrom, erg / s / cm^2 / Angstrom."""
    found = spectrum_set(spectra)
    area = 4 * np.pi * (luminosity_distance(z) * 3.0856775814913673e24) ** 2
    rest = np.interp(wave / (1 + z), found.wave, found.luminosity(z)[m]) * 3.826e33
    return rest * transmission(wave / (1 + z), z, igm) / area / (1 + z)


@pytest.mark.parametrize("spectra", [CWW, OLD], ids=["templates", "populations"])
@pytest.mark.parametrize("igm", ["inoue2014", "madau1995", "none"])
def test_flux_agrees_with_an_integral_over_frequency(spectra, igm):
    for z in (0.1, 1.0, 2.0, 2.7):
        ours = sed_fluxes(spectra, HST, np.array([z, z]), np.array([z]), np.array([0, 1]), igm=igm)
        for m, (c, band) in ((m, pair) for m in (0, 1) for pair in enumerate(HST)):
            points, throughput = curve(band)
            wave = np.linspace(points[0], points[-1], 100_001)
            nu, s = 2.99792458e18 / wave, np.interp(wave, points, throughput)
            f_nu = observed(spectra, m, z, wave, igm) * wave**2 / 2.99792458e18
            wanted = np.trapezoid(f_nu * s / nu, nu) / np.trapezoid(s / nu, nu) * 1e32
            assert ours[m, c] == pytest.approx(wanted, rel=1e-3)


@pytest.mark.parametrize("spectra", [CWW, OLD], ids=["templates", "populations"])
def test_magnitudes_agree_with_galsim(spectra):
    """Absolute fluxes, to 0.1%, through galsim's own bandpasses."""
    bands = ("F435W", "F606W", "F814W", "F160W", "lsst_u", "lsst_i")
    for z in (0.15, 1.3):
        ours = 31.4 - 2.5 * np.log10(
            sed_fluxes(spectra, bands, np.array([z]), np.array([z]), np.array([0]))[0]
        )
        found = spectrum_set(spectra)
        seen = (1 + z) * found.wave
        # fast=False: photon counts are otherwise interpolated between the points, 0.3% off where steep
        table = galsim.LookupTable(seen, observed(spectra, 0, z, seen), interpolant="linear")
        sed = galsim.SED(table, wave_type="Ang", flux_type="flambda", fast=False)
        wanted = [sed.calculateMagnitude(bandpass(band).withZeropoint("AB")) for band in bands]
        np.testing.assert_allclose(ours, wanted, atol=1e-3)


def test_templates_have_the_stated_absolute_magnitude():
    """A nearby galaxy: apparent minus absolute is the distance modulus, K goes to 0."""
    every = np.arange(13)
    spectra, near = Spectra(templates=Templates()), np.full(13, 1e-4)
    flux = sed_fluxes(spectra, ("lsst_r",), near, near, every)[:, 0]
    modulus = 5 * np.log10(luminosity_distance(1e-4) * 1e5)
    np.testing.assert_allclose(31.4 - 2.5 * np.log10(flux), -20 + modulus, atol=2e-3)
    np.testing.assert_allclose(
        31.4 - 2.5 * np.log10(absolute_fluxes(spectra, "lsst_r", near, every)), -20, atol=1e-9
    )


def test_k_correction_of_a_power_law_is_closed_form():
    """f_nu constant: K = -2.5 lg (1 + z), and flux is (1 + z) L_nu / 4 pi D^2 in every band."""
    wave = nodes(np.geomspace(100, 30_000, 4000))
    z = np.array([0.1, 0.5, 2.0])
    seen = Projection(wave, ("F435W", "F160W"), "none").at(z)
    for one, at in zip(z, seen, strict=True):
        np.testing.assert_allclose(at.of(wave**-2.0), 1 + one, rtol=1e-4)
    k = k_correction(CWW, "F606W", "F606W", 1e-5 * np.ones(4), 1e-5 * np.ones(4), np.arange(4))
    np.testing.assert_allclose(k, 0.0, atol=1e-4)
    # m - M - DM of the same band, by hand
    far = np.array([0.8])
    flux = sed_fluxes(CWW, ("F814W",), far, far, np.array([2]))[0, 0]
    rest = absolute_fluxes(CWW, "F606W", far, np.array([2]))[0]
    wanted = -2.5 * np.log10(flux / rest) - 5 * np.log10(luminosity_distance(0.8) * 1e5)
    assert k_correction(CWW, "F606W", "F814W", far, far, np.array([2]))[0] == pytest.approx(wanted)


def test_a_step_in_spectrum_and_band_is_exact():
    """A triangle through a band, by hand: f_lambda of one node is its hat."""
    points, throughput = curve("F814W")
    wave = np.array([6000.0, 8000.0, 8100.0, 8300.0, 11_000.0])
    light = np.array([0.0, 0.0, 1.0, 0.0, 0.0])
    fine = np.linspace(8000.0, 8300.0, 300_001)
    s = np.interp(fine, points, throughput)
    top = np.trapezoid(np.interp(fine, wave, light) * fine * s, fine)
    whole = np.linspace(points[0], points[-1], 1_000_001)
    norm = np.trapezoid(np.interp(whole, points, throughput) / whole, whole)
    (seen,) = Projection(wave, ("F814W",), "none").at(np.zeros(1))
    assert seen.of(light)[0] == pytest.approx(top / norm, rel=1e-6)


def test_runs_of_nodes_that_meet():
    """Where one band's last node is the next band's first, nothing is divided by their distance."""
    low, high = curve("F435W")[0][[0, -1]], curve("F160W")[0][[0, -1]]
    wave = np.array([low[0], high[0], high[-1]])
    (seen,) = Projection(wave, ("F435W", "F160W"), "none").at(np.zeros(1))
    assert (seen.of(np.ones(3)) > 0).all()


def test_no_galaxy_depends_on_another():
    rng = np.random.default_rng(3)
    z_in, z = rng.uniform(0.1, 1.0, 40), rng.uniform(1.0, 2.5, 40)
    m = rng.integers(48, size=40)
    whole = sed_fluxes(Spectra(), HST, z_in, z, m)
    alone = np.concatenate(
        [sed_fluxes(Spectra(), HST, z_in[i : i + 1], z[i : i + 1], m[i : i + 1]) for i in range(40)]
    )
    np.testing.assert_array_equal(whole, alone)
    np.testing.assert_array_equal(whole[::-1], sed_fluxes(Spectra(), HST, z_in[::-1], z[::-1], m[::-1]))


def test_a_population_may_age_or_not():
    every, z = np.arange(48), np.full(48, 0.5)
    young = sed_fluxes(Spectra(), ("F814W",), np.full(48, 2.0), z, every)
    old = sed_fluxes(Spectra(), ("F814W",), z, z, every)
    assert (np.abs(old / young - 1) > 0.05).mean() > 0.8
    np.testing.assert_array_equal(
        sed_fluxes(CWW, ("F814W",), np.full(4, 2.0), z[:4], every[:4]),
        sed_fluxes(CWW, ("F814W",), z[:4], z[:4], every[:4]),
    )


def test_mixtures_are_linear_in_flux():
    names, weights = mixtures(("E", "Sbc", "Im"), 2)
    assert names == ("E", "0.50E+0.50Sbc", "Sbc", "0.50Sbc+0.50Im", "Im")
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    spectra, z = Spectra(templates=Templates(names=("E", "Sbc"), steps=2)), np.full(3, 0.7)
    flux = sed_fluxes(spectra, ("F606W",), z, z, np.arange(3))[:, 0]
    assert flux[1] == pytest.approx((flux[0] + flux[2]) / 2)
    assert set(spectrum_set(CWW).names) == set(SEDS)


def test_a_table_is_kept_and_mended(tmp_path, monkeypatch):
    monkeypatch.setenv("MOCKFORGE_CACHE", str(tmp_path))
    z, bands = np.array([0.3, 1.1]), ("F606W", "F160W")
    first = flux_table(CWW, bands, z)
    assert first.flux.shape == (2, 2, 4) and first.names == tuple(SEDS)
    (path,) = tmp_path.iterdir()
    np.testing.assert_array_equal(np.load(path), first.flux)
    np.testing.assert_array_equal(first.flux[1].T, sed_fluxes(CWW, bands, z[[1]], z[[1]], np.arange(4)))
    path.write_bytes(path.read_bytes()[:90])
    np.testing.assert_array_equal(flux_table(CWW, bands, z).flux, first.flux)
    np.testing.assert_array_equal(np.load(path), first.flux)
    flux_table(CWW, bands, z, igm="none")
    flux_table(OLD, bands, z)
    flux_table(OLD, bands, z, z_population=0.3)
    assert len(list(tmp_path.iterdir())) == 4
    monkeypatch.setenv("MOCKFORGE_CACHE", str(path))  # a file: nothing can be kept there
    np.testing.assert_array_equal(flux_table(CWW, bands, z).flux, first.flux)


def test_what_cannot_be_seen_is_reported():
    z = np.array([1.0, 30.0])
    with pytest.raises(InputError, match=r"F275W .* z = 30 .* covers 91 to 22050"):
        sed_fluxes(CWW, ("F606W", "F275W"), z, z, np.array([0, 0]))
    with pytest.raises(InputError, match="IRAC_ch4"):
        sed_fluxes(CWW, ("IRAC_ch4",), z[:1], z[:1], np.array([0]))
    with pytest.raises(InputError, match="did you mean 'F606W'"):
        sed_fluxes(CWW, ("F606",), z[:1], z[:1], np.array([0]))
    with pytest.raises(InputError, match="there are 4, counted from 0"):
        sed_fluxes(CWW, ("F606W",), z[:1], z[:1], np.array([4]))


def test_units():
    """A source of L_lambda = 1 sun per Angstrom at 10 pc, by hand."""
    assert njy_per_luminosity(1e-5) == pytest.approx(
        3.826e33 / (4 * np.pi * 3.0856776e19**2) / 2.99792458e18 * 1e32
    )
