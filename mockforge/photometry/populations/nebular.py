"""Light of ionised gas: emission lines and continuum for the ionising photons of a stellar population.

Case B recombination at 10^4 K and 100 electrons per cm^3. Lines relative to H beta by metallicity are
those of Anders & Fritze-v. Alvensleben 2003 (A&A 401, 1063, table 1: observed HII regions at low
metallicity, models of Stasinska 1984 above), hydrogen's those of Hummer & Storey 1987 (MNRAS 224, 801):
H alpha over H beta 2.863. The continuum (free-free, free-bound and two-photon of hydrogen, helium a tenth of
it) has the coefficients of Aller 1984 and Ferland 1980 (PASP 92, 596), as in Starburst99 (Leitherer et
al. 1999, ApJS 123, 3). Lyman alpha is left out: what leaves a galaxy of it is not known from its stars.
"""

from __future__ import annotations

import numpy as np

from mockforge.photometry.luminosity import SUN_ERG_S

LYMAN_LIMIT = 911.75
"""Angstrom; photons below it ionise hydrogen."""
H_BETA_ERG = 4.757e-13
"""Energy in H beta for each ionising photon (Anders & Fritze-v. Alvensleben 2003, section 2)."""
ALPHA_B = 2.59e-13
"""Recombinations to all levels but the first, cm^3/s (Osterbrock & Ferland 2006, table 2.1)."""
_LIGHT_ANGSTROM_S = 2.99792458e18
_PLANCK_ERG_S = 6.62607015e-27

_METALLICITY = (0.0004, 0.004, 0.008)
"""Mass fractions Z of the columns of _LINES; the first and the last hold beyond them."""

_LINES = np.array(
    [
        # Angstrom, over H beta at each metallicity; 3889 and 3970 with He I, [Ne III] and hydrogen's
        (1335.00, 0.000, 0.000, 0.110),  # C II
        (1663.00, 0.000, 0.058, 0.010),  # O III]
        (1909.00, 0.000, 0.000, 0.180),  # C III]
        (2141.00, 0.000, 0.000, 0.010),  # N II]
        (2326.00, 0.000, 0.000, 0.290),  # C II]
        (2798.00, 0.000, 0.310, 0.070),  # Mg II
        (3727.00, 0.489, 1.791, 3.010),  # [O II]
        (3869.00, 0.295, 0.416, 0.300),  # [Ne III]
        (3889.00, 0.203, 0.192, 0.107),
        (3970.00, 0.270, 0.283, 0.159),
        (4026.00, 0.015, 0.015, 0.015),  # He I
        (4068.60, 0.005, 0.017, 0.029),  # [S II]
        (4076.35, 0.002, 0.007, 0.011),
        (4363.00, 0.109, 0.066, 0.010),  # [O III]
        (4471.00, 0.036, 0.036, 0.050),  # He I
        (4711.00, 0.010, 0.014, 0.000),  # [Ar IV]
        (4958.91, 1.097, 1.617, 1.399),  # [O III]
        (5006.84, 3.159, 4.752, 4.081),
        (5199.00, 0.003, 0.010, 0.030),  # [N I]
        (5755.00, 0.000, 0.000, 0.010),  # [N II]
        (5876.00, 0.096, 0.108, 0.140),  # He I
        (6300.00, 0.008, 0.041, 0.130),  # [O I]
        (6312.00, 0.009, 0.017, 0.030),  # [S III]
        (6548.05, 0.005, 0.059, 0.136),  # [N II]
        (6583.45, 0.015, 0.175, 0.404),
        (6678.00, 0.026, 0.030, 0.030),  # He I
        (6716.00, 0.037, 0.188, 0.300),  # [S II]
        (6730.00, 0.029, 0.138, 0.210),
        (7065.00, 0.028, 0.023, 0.040),  # He I
        (7135.79, 0.027, 0.071, 0.035),  # [Ar III]
        (7319.99, 0.012, 0.027, 0.026),  # [O II]
        (7330.73, 0.007, 0.014, 0.014),
        (7751.11, 0.067, 0.176, 0.086),  # [Ar III]
        (9068.60, 0.000, 0.510, 0.945),  # [S III]
        (9530.85, 0.000, 0.000, 0.365),
        (10286.73, 0.000, 0.000, 0.048),  # [S II]
        (10320.49, 0.000, 0.000, 0.058),
        (10336.41, 0.000, 0.000, 0.054),
    ]
)

_HYDROGEN = np.array(
    [
        (4861.33, 1.0),
        (6562.80, 2.863),
        (4340.46, 0.468),
        (4101.73, 0.259),
        (3835.38, 0.0731),
        (3797.90, 0.0530),
        (18751.0, 0.339),
        (12818.1, 0.163),
        (10938.1, 0.0904),
        (10049.4, 0.0555),
        (40512.0, 0.0803),
        (26252.0, 0.0455),
        (21655.0, 0.0278),
    ]
)
"""Balmer, Paschen and Brackett lines, Angstrom and over H beta, at every metallicity."""

_EDGES = (
    912.0, 913.0, 1300.0, 1500.0, 1800.0, 2200.0, 2855.0, 3331.0, 3421.0, 3422.0, 3642.0, 3648.0, 5700.0,
    7000.0, 8207.0, 8209.0, 14583.0, 14585.0, 22787.0, 22789.0, 32813.0, 32815.0, 44680.0, 44682.0,
)  # fmt: skip
_GAMMA = (
    0.0, 2.11e-4, 5.647, 9.35, 9.847, 10.582, 16.101, 24.681, 26.736, 24.883, 29.979, 6.519, 8.773,
    11.545, 13.585, 6.333, 10.444, 7.023, 9.361, 7.59, 9.35, 8.32, 9.53, 8.87,
)  # fmt: skip
"""Emission coefficient of the continuum at _EDGES (Angstrom), 1e-40 erg cm^3 / s / Hz."""


def line_ratios(metallicity: float) -> tuple[np.ndarray, np.ndarray]:
    """Wavelengths (L,) in Angstrom and intensities (L,) over H beta of every line at Z.

    Linear in ln Z between the metallicities of the table.
    """
    x = np.log(metallicity)
    metals = np.array([np.interp(x, np.log(_METALLICITY), row) for row in _LINES[:, 1:]])
    return np.concatenate([_LINES[:, 0], _HYDROGEN[:, 0]]), np.concatenate([metals, _HYDROGEN[:, 1]])


def per_photon(wave: np.ndarray, metallicity: float) -> np.ndarray:
    """erg per Angstrom (W,) of nebular light on a grid of wavelengths, for each ionising photon.

    A line's energy goes to the two points about it, nearer the more: the integral over straight lines
    between the points is the line's, and so is its mean wavelength.
    """
    at, ratio = line_ratios(metallicity)
    inside = (at > wave[0]) & (at < wave[-1])
    at, energy = at[inside], H_BETA_ERG * ratio[inside]
    i = np.searchsorted(wave, at, side="right") - 1
    t = (at - wave[i]) / (wave[i + 1] - wave[i])
    area = np.gradient(wave)  # of the hat of each point
    area[1:-1] = 0.5 * (wave[2:] - wave[:-2])
    lines = np.bincount(i, energy * (1.0 - t), len(wave)) + np.bincount(i + 1, energy * t, len(wave))
    gamma = np.interp(wave, _EDGES, _GAMMA, left=0.0) * 1e-40
    return lines / area + gamma / ALPHA_B * _LIGHT_ANGSTROM_S / wave**2


def ionising_photons(wave: np.ndarray, luminosity: np.ndarray) -> np.ndarray:
    """Photons per second (...) below LYMAN_LIMIT of luminosities (..., W) in suns per Angstrom."""
    last = int(np.searchsorted(wave, LYMAN_LIMIT))
    x = np.append(wave[:last], LYMAN_LIMIT)
    t = (LYMAN_LIMIT - wave[last - 1]) / (wave[last] - wave[last - 1])
    end = luminosity[..., last - 1 : last] * (1 - t) + luminosity[..., last : last + 1] * t
    light = np.concatenate([luminosity[..., :last], end], axis=-1)
    energy = np.trapezoid(light * x, x, axis=-1) * SUN_ERG_S
    return energy / (_PLANCK_ERG_S * _LIGHT_ANGSTROM_S)


def with_gas(wave: np.ndarray, luminosity: np.ndarray, metallicity: float, escape: float) -> np.ndarray:
    """Luminosities (..., W) of stars and of the gas that they ionise, suns per Angstrom.

    A share `escape` of the ionising photons leaves; the others are absorbed, and come out as lines and
    continuum.
    """
    photons = ionising_photons(wave, luminosity)
    gas = (1.0 - escape) / SUN_ERG_S * photons[..., None] * per_photon(wave, metallicity)
    return np.where(wave < LYMAN_LIMIT, escape, 1.0) * luminosity + gas
