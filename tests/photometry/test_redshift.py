"""Distances and the factors of redshift against closed forms."""

from __future__ import annotations

from typing import Any

import astropy.cosmology
import astropy.units as u
import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.photometry.cosmology import (
    angular_diameter_distance,
    arcsec_per_kpc,
    flux_factor,
    luminosity_distance,
    size_factor,
)

Planck18: Any = astropy.cosmology.Planck18
Z = np.array([0.05, 0.5, 1.6, 8.0])


def test_distances_are_astropys():
    np.testing.assert_allclose(luminosity_distance(Z), Planck18.luminosity_distance(Z).value)
    np.testing.assert_allclose(angular_diameter_distance(Z), Planck18.angular_diameter_distance(Z).value)
    wanted = Planck18.arcsec_per_kpc_proper(Z).to_value(u.arcsec / u.kpc)
    np.testing.assert_allclose(arcsec_per_kpc(Z), wanted)


def test_surface_brightness_falls_with_the_fourth_power():
    z_out = 3.0
    flux = flux_factor(Z, z_out)
    np.testing.assert_allclose(flux / size_factor(Z, z_out) ** 2, ((1 + Z) / (1 + z_out)) ** 4)
    np.testing.assert_allclose(flux, (luminosity_distance(Z) / luminosity_distance(z_out)) ** 2)


def test_switches_act_alone():
    np.testing.assert_allclose(flux_factor(0.3, 1.2, angular_size=False), (1.3 / 2.2) ** 4)
    np.testing.assert_allclose(flux_factor(0.3, 1.2, dimming=False), size_factor(0.3, 1.2) ** 2)
    assert flux_factor(0.3, 1.2, angular_size=False, dimming=False) == 1.0
    np.testing.assert_array_equal(size_factor(Z, 3.0, angular_size=False), 1.0)


def test_unknown_cosmology():
    with pytest.raises(InputError, match="did you mean 'Planck18'"):
        luminosity_distance(1.0, "Plank18")
