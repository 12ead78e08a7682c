"""Cosmologies: astropy's by name, or numbers."""

from __future__ import annotations

import astropy.cosmology
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from mockforge.errors import InputError
from mockforge.photometry.cosmology import (
    Cosmology,
    arcsec_per_kpc,
    cosmology_word,
    luminosity_distance,
    universe,
)
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.populations.composite import population_age
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates
from mockforge.recipe.read import plain
from mockforge.stages.sersic_sed import SersicSed

Z = np.array([0.1, 1.0, 4.0])


@pytest.mark.parametrize("name", astropy.cosmology.available)
def test_every_realisation_of_astropy(name):
    wanted = getattr(astropy.cosmology, name).luminosity_distance(Z).to_value("Mpc")
    np.testing.assert_allclose(luminosity_distance(Z, name), wanted, rtol=1e-9)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ({"H0": 70, "Om0": 0.3}, astropy.cosmology.FlatLambdaCDM(H0=70, Om0=0.3)),
        ({"H0": 70, "Om0": 0.3, "Ode0": 0.6}, astropy.cosmology.LambdaCDM(H0=70, Om0=0.3, Ode0=0.6)),
        ("H0=67.1, Om0=0.315, Ode0=0.685", astropy.cosmology.LambdaCDM(H0=67.1, Om0=0.315, Ode0=0.685)),
    ],
)
def test_numbers(given, wanted):
    word = cosmology_word(given)
    assert cosmology_word(word) == word
    np.testing.assert_allclose(luminosity_distance(Z, word), wanted.luminosity_distance(Z).value, rtol=1e-9)
    age = (wanted.age(0.5) - wanted.age(10)).to_value("Gyr")
    assert population_age(0.5, 10.0, word) == pytest.approx(age, rel=1e-5)


def test_in_a_recipe():
    stage = TypeAdapter(SersicSed).validate_python({"cosmology": {"H0": 70, "Om0": 0.3}})
    assert stage.cosmology == "H0=70.0,Om0=0.3"
    again = TypeAdapter(SersicSed).validate_python(plain(stage))
    assert again.cosmology == stage.cosmology == SersicSed(cosmology={"H0": 70, "Om0": 0.3}).cosmology


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ("Planck81", "did you mean 'Planck18'"),
        ({"H0": 0.7, "Om0": 0.3}, "H0 should be from 20 to 200, found 0.7"),
        ({"Om0": 0.3}, "without Ode0 it is flat"),
        ({"H0": 70, "Om0": 0.3, "w": -1}, "a cosmology is a name"),
        ({"H0": "x", "Om0": 0.3}, "H0 should be from"),
        ({"H0": True, "Om0": 0.3}, "H0 should be from"),
        (70, "a cosmology is a name"),
    ],
)
def test_what_is_none(given, words):
    with pytest.raises(InputError, match=words):
        cosmology_word(given)
    with pytest.raises(ValidationError, match=words):
        TypeAdapter(Cosmology).validate_python(given)


def test_functions_take_numbers_as_a_mapping():
    numbers = {"H0": 70, "Om0": 0.3, "Ode0": 0.9}
    wanted = astropy.cosmology.LambdaCDM(**numbers)
    np.testing.assert_allclose(
        luminosity_distance(Z, numbers), wanted.luminosity_distance(Z).value, rtol=1e-9
    )
    kpc = wanted.arcsec_per_kpc_proper(Z).value
    np.testing.assert_allclose(arcsec_per_kpc(Z, numbers), kpc, rtol=1e-9)
    assert universe(numbers).Ok0 == pytest.approx(-0.2)
    spectra, band, one = Spectra(templates=Templates()), ("F606W",), np.zeros(3, dtype=int)
    by_word = sed_fluxes(spectra, band, Z, Z, one, cosmology="H0=70,Om0=0.3,Ode0=0.9")
    np.testing.assert_array_equal(sed_fluxes(spectra, band, Z, Z, one, cosmology=numbers), by_word)
