"""Nebular light: photons and energy kept, equivalent widths and calibrations as published, off by default."""

import numpy as np
import pytest

from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.photometry.luminosity import SUN_ERG_S
from mockforge.photometry.populations.composite import Populations, population_set
from mockforge.photometry.populations.nebular import (
    H_BETA_ERG,
    LYMAN_LIMIT,
    ionising_photons,
    line_ratios,
    per_photon,
    with_gas,
)
from mockforge.photometry.populations.sfh import AgeNodes, Constant, Sfh
from mockforge.photometry.populations.simple import bundled_grid, ised_grid
from mockforge.photometry.spectra.spec import Spectra

GRID = bundled_grid()


def constant(gyr: float, metallicity: float = 0.02) -> np.ndarray:
    """Luminosity of a star-formation rate of 1 solar mass a year, kept up for some Gyr."""
    mass = AgeNodes.of(GRID.age_yr, 1e7).weights(Sfh(constant=Constant()), gyr, gyr).sum(axis=0)
    return gyr * 1e9 * (mass @ GRID.at(metallicity))


def width(gyr: float, line: float = 6562.8, ratio: float = 2.863) -> float:
    """Equivalent width in Angstrom, over stars and nebular continuum."""
    light = constant(gyr)
    both = with_gas(GRID.wave, light, 0.02, 0.0)
    energy = ratio * H_BETA_ERG * ionising_photons(GRID.wave, light) / SUN_ERG_S
    return float(energy / np.interp([line - 120, line + 190], GRID.wave, both).mean())


def test_the_photons_of_a_star_formation_rate():
    """Kennicutt 1998 (ARA&A 36, 189): SFR = 7.9e-42 L(H alpha), for a Salpeter mass function; 1.6 less
    for Chabrier's (Kennicutt & Evans 2012 have 5.4e-42 for Kroupa's)."""
    photons = ionising_photons(GRID.wave, constant(0.1))
    assert photons == pytest.approx(1.5e53, rel=0.1)
    assert 1.0 / (2.863 * H_BETA_ERG * photons) == pytest.approx(7.9e-42 / 1.6, rel=0.1)


def test_equivalent_widths_fall_as_the_continuum_grows():
    """Leitherer et al. 1999, figure 83: about 3000 Angstrom at 1 Myr, 200 to 400 at 100 Myr, 100 at 1 Gyr."""
    assert 2300 < width(0.001) < 3600
    assert 200 < width(0.1) < 400
    assert 80 < width(1.0) < 170


def test_lines_keep_their_energy_and_wavelength():
    light = per_photon(GRID.wave, 0.02)
    near = (GRID.wave > 6450) & (GRID.wave < 6640)
    ends = np.interp(GRID.wave[near], GRID.wave[near][[0, -1]], light[near][[0, -1]])
    lines, x = light[near] - ends, GRID.wave[near]
    at, ratio = line_ratios(0.02)
    mine = (at > 6450) & (at < 6640)
    assert np.trapezoid(lines, x) == pytest.approx(H_BETA_ERG * ratio[mine].sum(), rel=1e-3)
    middle = np.trapezoid(lines * x, x) / np.trapezoid(lines, x)
    assert middle == pytest.approx((at * ratio)[mine].sum() / ratio[mine].sum(), abs=0.1)


def test_photons_and_energy_are_kept():
    """What is absorbed below the Lyman limit bounds what comes out; Lyman alpha, left out, fits in."""
    light = constant(0.01)
    below = GRID.wave < LYMAN_LIMIT
    absorbed = np.trapezoid(np.where(below, light, 0.0), GRID.wave)
    out = with_gas(GRID.wave, light, 0.02, 0.0)
    more = np.trapezoid(np.where(below, 0.0, out - light), GRID.wave)
    lyman_alpha = 22.2 * H_BETA_ERG * ionising_photons(GRID.wave, light) / SUN_ERG_S
    assert more / absorbed > 0.4 and (more + lyman_alpha) / absorbed < 1.0
    assert not out[below].any()
    half = with_gas(GRID.wave, light, 0.02, 0.5)
    np.testing.assert_allclose(half[below], 0.5 * light[below])
    np.testing.assert_allclose((half - light)[~below], 0.5 * (out - light)[~below], atol=1e-12 * light.max())
    assert np.array_equal(with_gas(GRID.wave, light, 0.02, 1.0), light)


def test_the_continuum_has_its_jumps():
    """Balmer and Paschen jumps of f_nu: 29.98 to 6.52 and 13.59 to 6.33 (Aller 1984)."""
    wave = np.array([3641.0, 3649.0, 8206.0, 8210.0])
    f_nu = np.interp(wave, *(lambda w: (w, per_photon(w, 0.02) * w**2))(np.arange(3600.0, 8300.0, 0.5)))
    assert f_nu[0] / f_nu[1] == pytest.approx(29.979 / 6.519, rel=0.01)
    assert f_nu[2] / f_nu[3] == pytest.approx(13.585 / 6.333, rel=0.01)


def test_it_is_a_switch_and_off_by_default():
    sfh = (Sfh(constant=Constant()),)
    stars, gas = (
        Spectra(populations=Populations(sfh=sfh, metallicity=(0.2,), a_v=(0.0, 1.0), nebular=on))
        for on in (False, True)
    )
    assert Populations() == Populations(nebular=False)
    assert spectrum_set(stars).digest() != spectrum_set(gas).digest()
    assert spectrum_set(gas).names == ("const_Z0.2_Av0_neb", "const_Z0.2_Av1_neb")
    # [O III] and H beta are in IRAC's first channel; F160W has the ultraviolet continuum
    z = np.full(2, 6.8)
    bands = ("F160W", "IRAC_ch1")
    with_lines, without = (sed_fluxes(s, bands, z, z, np.arange(2)) for s in (gas, stars))
    excess = -2.5 * np.log10(with_lines / without)
    assert (excess[:, 1] < -0.15).all() and (np.abs(excess[:, 0]) < 0.1).all()
    dusty = with_lines[1] - without[1]
    assert (dusty < 0.8 * (with_lines[0] - without[0])).all()  # gas is behind the clouds' dust


def test_what_escapes_needs_the_switch():
    with pytest.raises(ValueError, match="escape_fraction has no effect without nebular: true"):
        Populations(escape_fraction=0.2)


def test_metallicities_between_those_of_the_table():
    for z, wanted in ((0.0001, 3.159), (0.004, 4.752), (0.05, 4.081)):
        at, ratio = line_ratios(z)
        assert ratio[at == 5006.84] == pytest.approx(wanted)


def test_bundled_photons_are_the_librarys(shared_data):
    """Ages to 20 Myr, where nearly all are made: within 0.1%."""
    whole = ised_grid(shared_data / "sps" / "bc03_chabrier_lr")
    age = np.geomspace(2e5, 2e7, 12)
    for z in (0.004, 0.02):
        ours, theirs = (np.interp(age, g.age_yr, ionising_photons(g.wave, g.at(z))) for g in (GRID, whole))
        np.testing.assert_allclose(ours, theirs, rtol=1e-3)


def test_every_population_is_finite_with_gas():
    found = population_set(Populations(nebular=True, escape_fraction=0.1), "Planck18")
    for z in (0.1, 2.0):
        light = found.luminosity(z)
        assert np.isfinite(light).all() and (light >= 0).all()
