"""Histories against closed forms; populations against an integration of the library, star by star."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.photometry.bands import CANDELS_GOODSS
from mockforge.photometry.fluxes import reference_table, sed_fluxes, spectrum_set
from mockforge.photometry.igm import transmission
from mockforge.photometry.populations.bc03 import read_ised
from mockforge.photometry.populations.composite import Populations, population_age, population_set
from mockforge.photometry.populations.dust import attenuation
from mockforge.photometry.populations.sfh import (
    REFERENCE_SFH,
    AgeNodes,
    Burst,
    Constant,
    Delayed,
    DoublePowerLaw,
    Sfh,
    formed,
)
from mockforge.photometry.populations.simple import PopulationGrid, bundled_grid, ised_grid, pack, unpack
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates

TODAY = 13.6


def rate(sfh: Sfh, t: np.ndarray) -> np.ndarray:
    """Unnormalised star-formation rate."""
    chosen = sfh.chosen
    if isinstance(chosen, Delayed):
        return t * np.exp(-t / chosen.tau_gyr)
    assert isinstance(chosen, DoublePowerLaw)
    x = np.maximum(t, 1e-12) / chosen.tau_gyr
    return 1.0 / (x**chosen.alpha + x**-chosen.beta)


@pytest.mark.parametrize("sfh", [*REFERENCE_SFH, Sfh(delayed=Delayed(tau_gyr=0.7))], ids=repr)
def test_mass_is_the_integral_of_the_rate(sfh):
    t = np.linspace(0.0, TODAY, 400_001)
    steps = 0.5 * (rate(sfh, t[1:]) + rate(sfh, t[:-1])) * np.diff(t)
    wanted = np.concatenate([[0.0], np.cumsum(steps)]) / steps.sum()
    np.testing.assert_allclose(formed(sfh, TODAY)(t), wanted, atol=2e-5)
    assert formed(sfh, TODAY)(np.array([-1.0, 0.0]))[0] == 0


def test_constant_and_burst():
    t = np.array([-1.0, 0.0, 1.0, 2.0, 5.0])
    np.testing.assert_allclose(formed(Sfh(constant=Constant(duration_gyr=2.0)), TODAY)(t), [0, 0, 0.5, 1, 1])
    np.testing.assert_allclose(formed(Sfh(constant=Constant()), TODAY)(t)[2], 1 / TODAY)
    np.testing.assert_allclose(formed(Sfh(burst=Burst(time_gyr=1.0)), TODAY)(t), [0, 0, 1, 1, 1])


def test_mass_and_mean_age_survive_the_nodes():
    """A constant rate for 4 Gyr: mass 4 / TODAY, mean age 2 Gyr, young mass that of 10 Myr."""
    ages = AgeNodes.of(bundled_grid().age_yr, 1e7)
    young, old = ages.weights(Sfh(constant=Constant()), 4.0, TODAY)
    assert young.sum() + old.sum() == pytest.approx(4.0 / TODAY)
    assert ((young + old) @ ages.age) / (4.0 / TODAY) == pytest.approx(2.0, rel=1e-4)
    assert young.sum() == pytest.approx(0.01 / TODAY)
    one = ages.weights(Sfh(burst=Burst()), 3.3, TODAY)[1]
    assert one.sum() == pytest.approx(1.0) and one @ ages.age == pytest.approx(3.3)
    assert np.count_nonzero(one) == 2


def test_dust_is_the_law():
    young, old = attenuation(np.array([5500.0, 11000.0]), 1.0)
    np.testing.assert_allclose(-2.5 * np.log10(young), [1.0, 2**-0.7])
    np.testing.assert_allclose(-2.5 * np.log10(old), [0.3, 0.3 * 2**-0.7])


def test_ages_are_astropys():
    from astropy.cosmology import Planck18

    for z in (0.0, 0.013, 0.77, 2.0, 7.9):
        wanted = (Planck18.age(z) - Planck18.age(20.0)).to_value("Gyr")
        assert population_age(z, 20.0, "Planck18") == pytest.approx(wanted, abs=1e-6)
    with pytest.raises(InputError, match="followed to z = 60"):
        population_age(99.0, 20.0, "Planck18")


def test_packing_keeps_a_grid():
    age, wave = np.geomspace(1e5, 1e10, 60), np.linspace(1000.0, 9000.0, 40)
    light = (age[:, None] / 1e6) ** -0.8 * np.exp(-((wave / 4000 - np.log10(age)[:, None] / 9) ** 2))
    grid = PopulationGrid(age, np.array([0.004, 0.02]), wave, np.stack([light, 1.3 * light]))
    back = unpack(pack(grid))
    np.testing.assert_allclose(back.luminosity, grid.luminosity, rtol=1e-3)
    np.testing.assert_allclose(back.age_yr, age, rtol=1e-6)


def test_metallicity_is_linear_in_its_logarithm():
    grid = bundled_grid()
    middle = grid.at(np.sqrt(0.008 * 0.02))
    np.testing.assert_allclose(middle, 0.5 * (grid.at(0.008) + grid.at(0.02)))
    with pytest.raises(InputError, match=r"the grid has 0\.005 to 2\.5"):
        grid.at(0.1)


def test_no_light_before_the_first_stars():
    late = Spectra(populations=Populations(sfh=(Sfh(burst=Burst(time_gyr=3.0)),)))
    with pytest.raises(InputError, match=r"burst_t3_Z0\.1_Av0 has no stars at z = 4"):
        sed_fluxes(late, ("F160W",), np.array([4.0]), np.array([4.0]), np.array([0]))


def test_a_folder_without_a_library(tmp_path):
    with pytest.raises(InputError, match=r"no \.ised files"):
        ised_grid(tmp_path)


def test_bundled_against_the_whole_library(shared_data):
    """Band fluxes of every history, also of bursts, from z = 0.1 to 4: within 0.05%."""
    sfh = (*REFERENCE_SFH, Sfh(burst=Burst()), Sfh(constant=Constant()), Sfh(delayed=Delayed(tau_gyr=0.3)))
    bands = ("F275W", "F435W", "F814W", "F160W")
    folder = str(shared_data / "sps" / "bc03_chabrier_lr")
    both = [Spectra(populations=Populations(sfh=sfh, a_v=(0.0, 1.0), grid=g)) for g in ("bundled", folder)]
    every = np.arange(len(spectrum_set(both[0]).names))
    for z in (0.1, 1.0, 4.0):
        ours, theirs = (sed_fluxes(s, bands, every * 0 + z, every * 0 + z, every) for s in both)
        np.testing.assert_allclose(ours, theirs, rtol=5e-4)


def by_hand(folder, sfh: Sfh, metallicity: float, a_v: float, z: float, curves) -> np.ndarray:
    """Fluxes in nJy: the library's files, a fine grid of ages, a fine grid of wavelengths per band."""
    from astropy import units as u
    from astropy.cosmology import Planck18

    ssp = {p.metallicity: p for p in (read_ised(f) for f in folder.glob("*.ised"))}
    low, high = (0.0004, 0.004) if metallicity < 0.5 else (0.02, 0.02)
    t = 0.0 if low == high else np.log(metallicity * 0.02 / low) / np.log(high / low)
    age, wave = ssp[low].age_yr[1:] * 1e-9, ssp[low].wave
    light = ((1 - t) * ssp[low].luminosity + t * ssp[high].luminosity)[1:]
    now, today = (float((Planck18.age(x) - Planck18.age(20.0)).to_value(u.Gyr)) for x in (z, 0.0))
    edges = np.unique(np.concatenate([[0.0, 0.01], np.geomspace(1e-5, now, 6000), np.linspace(0, now, 6000)]))
    middle = 0.5 * (edges[1:] + edges[:-1])
    fine = np.linspace(0.0, today, 200_001)
    mass = rate(sfh, now - middle) * np.diff(edges) / np.trapezoid(rate(sfh, fine), fine)
    tau = a_v / 1.0857362 * (wave / 5500.0) ** -0.7
    weight = np.stack([np.interp(middle, age, row) for row in np.eye(len(age))], axis=1)
    young = middle < 0.01
    out = np.exp(-tau) * ((mass[young] @ weight[young]) @ light)
    out = 1e10 * (out + np.exp(-0.3 * tau) * ((mass[~young] @ weight[~young]) @ light))
    area = 4 * np.pi * Planck18.luminosity_distance(z).to_value(u.cm) ** 2
    fluxes = []
    for band, throughput in curves:
        seen = np.linspace(band[0], band[-1], 40_001)
        s = np.interp(seen, band, throughput)
        f = np.interp(seen / (1 + z), wave, out) * transmission(seen / (1 + z), z) * 3.826e33 / area / (1 + z)
        mean = np.trapezoid(f * seen * s, seen) / np.trapezoid(s / seen, seen)
        fluxes.append(mean / 2.99792458e18 * 1e32)
    return np.array(fluxes)


def test_the_reference_table_against_an_integration_by_hand(shared_data):
    """Bundled bands, populations and table against the files they came from: within 0.1%."""
    table, sps = reference_table(), shared_data / "sps"
    files = sorted((sps / "candels_goodss_filters").glob("*.txt"))
    curves = [np.loadtxt(f, unpack=True) for f in files]
    assert table.flux.shape == (39, 17, 48) and table.bands == CANDELS_GOODSS
    for r, m in ((0, 0), (12, 7), (20, 47), (38, 26), (38, 13)):
        sfh, rest = REFERENCE_SFH[m // 6], m % 6
        metallicity, a_v = (0.1, 1.0)[rest // 3], (0.0, 0.5, 1.0)[rest % 3]
        wanted = by_hand(sps / "bc03_chabrier_lr", sfh, metallicity, a_v, table.redshifts[r], curves)
        np.testing.assert_allclose(table.flux[r, :, m], wanted, rtol=1e-3)


def test_the_reference_table_is_what_the_code_makes():
    table, every = reference_table(), np.arange(48)
    for r in (0, 19, 38):
        z = np.full(48, table.redshifts[r])
        made = sed_fluxes(Spectra(), table.bands, z, z, every)
        np.testing.assert_allclose(table.flux[r].T, made, rtol=1e-6)


def test_an_old_burst_is_redder_than_the_template_e():
    """F435W - F606W at z = 1.5: 2.8 for 2 Gyr, 2.4 for 4 Gyr, and 1.2 for the template."""
    bursts = tuple(Sfh(burst=Burst(time_gyr=t)) for t in (2.0, 0.0))
    old = Spectra(populations=Populations(sfh=bursts, metallicity=(1.0,), a_v=(0.0,)))
    colours = []
    for spectra in (old, Spectra(templates=Templates(names=("E", "Im"), steps=1))):
        flux = sed_fluxes(spectra, ("F435W", "F606W"), np.full(2, 1.5), np.full(2, 1.5), np.arange(2))
        colours.append(-2.5 * np.log10(flux[:, 0] / flux[:, 1]))
    np.testing.assert_allclose(colours[0], [2.8, 2.4], atol=0.1)
    assert colours[1][0] == pytest.approx(1.2, abs=0.1)


def test_the_break_crosses_the_bands_where_it_should():
    """An old galaxy reddens by over a magnitude while the 4000 Angstrom break crosses F606W, and stops."""
    old = Spectra(
        populations=Populations(sfh=(Sfh(burst=Burst(time_gyr=1.0)),), metallicity=(1.0,), a_v=(0.0,))
    )
    enters, leaves = (edge / 4000.0 - 1.0 for edge in (4700.0, 7100.0))
    z = np.array([enters, leaves, leaves + 0.2])
    flux = sed_fluxes(old, ("F606W", "F814W"), np.full(3, 0.25), z, np.zeros(3, dtype=int))
    colour = -2.5 * np.log10(flux[:, 0] / flux[:, 1])
    assert colour[1] - colour[0] > 1.0
    assert abs(colour[2] - colour[1]) < 0.15


def test_a_set_evolves_and_a_population_does_not_have_to():
    found = population_set(Populations(), "Planck18")
    assert found.evolves and found.luminosity(1.0).shape == (48, len(found.wave))
    quenched = found.names.index("dpl_a5_b2_t1_Z1_Av0")
    rest = (found.wave > 4000) & (found.wave < 7000)
    assert found.row(0.1, quenched)[rest].sum() < 0.4 * found.row(2.0, quenched)[rest].sum()
    assert found.digest() == population_set(Populations(), "Planck18").digest()
    assert found.digest() != population_set(Populations(), "WMAP9").digest()
