"""Composite stellar populations: histories, metallicities and dust over a grid of simple ones."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product
from pathlib import Path
from typing import Annotated

import numpy as np

from mockforge.config import Fraction, Limit, NonNegative, check_different, config
from mockforge.errors import InputError
from mockforge.files import named
from mockforge.photometry.cosmology import universe
from mockforge.photometry.populations.dust import CLOUD_LIFE_YR, attenuation
from mockforge.photometry.populations.nebular import with_gas
from mockforge.photometry.populations.sfh import REFERENCE_SFH, AgeNodes, Burst, Constant, Delayed, Sfh
from mockforge.photometry.populations.simple import SOLAR, PopulationGrid, bundled_grid, ised_grid
from mockforge.photometry.spectrum_set import SpectrumSet, digest_of

_MOST = 4096
"""Most spectra in one set."""

FORMED_SUNS = 1e10
"""Mass that every population has formed by z = 0, solar masses."""


_PAST = 0.02
"""Part of its greatest age by which stars may be older than a library knows: they hardly change."""

_FARTHEST = 60.0
"""Redshift to which ages are known."""


@config
class Populations:
    """Composite stellar populations: every history x metallicity x A_V is one spectrum.

    Bruzual & Charlot 2003 with a Chabrier initial mass function, attenuated as in Charlot & Fall 2000;
    stars alone, or with the gas that they ionise. Each forms 1e10 solar masses by z = 0, so that a
    population grows in luminosity as its history says.
    """

    sfh: tuple[Sfh, ...] = REFERENCE_SFH
    """Star-formation histories."""
    metallicity: tuple[Annotated[float, Limit(ge=0.005, le=2.5)], ...] = (0.1, 1.0)
    """Metallicities in suns (Z = 0.02 is 1)."""
    a_v: tuple[NonNegative, ...] = (0.0, 0.5, 1.0)
    """Attenuation in V, magnitudes, of stars younger than 10 Myr; older ones have 0.3 of it."""
    z_form: Annotated[float, Limit(gt=0, le=50)] = 20.0
    """Redshift of the first stars: age at z is the age of the Universe less that at `z_form`."""
    nebular: bool = False
    """Emission lines and nebular continuum of the ionising photons: ratios to H beta by metallicity of
    Anders & Fritze-v. Alvensleben 2003, continuum of Aller 1984 and Ferland 1980, case B at 10^4 K, without
    Lyman alpha; behind the dust of the stars that make them. Off: stars alone."""
    escape_fraction: Fraction = 0.0
    """With `nebular`, share of the ionising photons that leave the galaxy and make no nebular light."""
    grid: str = "bundled"
    """`bundled`, or a folder of Bruzual & Charlot's binary `.ised` files, one a metallicity."""

    def __post_init__(self) -> None:
        for key in ("sfh", "metallicity", "a_v"):
            check_different(key, getattr(self, key))
        if self.escape_fraction and not self.nebular:
            raise ValueError("escape_fraction has no effect without nebular: true")
        count = math.prod(len(getattr(self, key)) for key in ("sfh", "metallicity", "a_v"))
        if count > _MOST:
            raise ValueError(f"sfh x metallicity x a_v makes {count} spectra, at most {_MOST} are allowed")

    def spectra(self, cosmology: str) -> SpectrumSet:
        """Return the spectra, with ages in `cosmology`: `population_set`."""
        return population_set(self, cosmology)

    def files_read(self) -> dict[str, Path]:
        """Return the files of a grid that is the user's own."""
        if self.grid == "bundled":
            return {}
        return named(sorted(Path(self.grid).expanduser().glob("*.ised")))


def population_set(config: Populations, cosmology: str, grid: PopulationGrid | None = None) -> SpectrumSet:
    """Every history x metallicity x A_V, in this order, as one set that evolves with redshift.

    The age of the oldest stars at z is the age of the Universe less that at `z_form`; at or above
    `z_form` there is no light. `grid` is read from the configuration where it is not given.
    InputError for a grid that cannot be read, or a metallicity outside it.
    """
    grid = grid or (bundled_grid() if config.grid == "bundled" else ised_grid(Path(config.grid).expanduser()))
    parts = list(product(config.sfh, config.metallicity, config.a_v))
    gas_too = "_neb" if config.nebular else ""
    names = tuple(
        f"{sfh_name(sfh)}_Z{_short(metallicity)}_Av{_short(a_v)}{gas_too}" for sfh, metallicity, a_v in parts
    )
    simple = {z: _light(config, grid, z * SOLAR).astype(np.float32) for z in config.metallicity}
    ages = AgeNodes.of(grid.age_yr, CLOUD_LIFE_YR)
    newest_old = int(np.searchsorted(grid.age_yr, CLOUD_LIFE_YR, side="right"))
    leaves = {a: attenuation(grid.wave, a) for a in config.a_v}
    today = population_age(0.0, config.z_form, cosmology)
    gas = ("nebular 1", config.escape_fraction) if config.nebular else ()
    content = digest_of(
        config.sfh, config.metallicity, config.a_v, config.z_form, cosmology, grid.digest(), *gas
    )

    def row(z: float, m: int) -> np.ndarray:
        sfh, metallicity, a_v = parts[m]
        age = population_age(z, config.z_form, cosmology)
        if age > grid.age_yr[-1] * 1e-9 * (1.0 + _PAST):
            raise InputError(
                f"{names[m]}: its oldest stars are {age:.1f} Gyr old at z = {z:g} in {cosmology}, and the"
                f" library ends at {grid.age_yr[-1] * 1e-9:.1f} Gyr; lower z_form, or take another cosmology"
            )
        mass = ages.weights(sfh, age, today).astype(np.float32)
        if not mass.any():
            raise InputError(f"{names[m]} has no stars at z = {z:g}; let it start earlier, or stay below")
        young, old = leaves[a_v]
        light = simple[metallicity]
        # Young stars have no mass above the first age past the split, old ones none below the last before it.
        out = young * (mass[0, : newest_old + 1] @ light[: newest_old + 1])
        return FORMED_SUNS * (out + old * (mass[1, newest_old - 1 :] @ light[newest_old - 1 :]))

    return SpectrumSet(names, _parameters(parts), grid.wave, True, row, content)


def _light(config: Populations, grid: PopulationGrid, metallicity: float) -> np.ndarray:
    """Luminosities (A, W) of simple populations, with the gas that they ionise where it is requested."""
    stars = grid.at(metallicity)
    if not config.nebular:
        return stars
    return with_gas(grid.wave, stars, metallicity, config.escape_fraction)


def population_age(z: float, z_form: float, cosmology: str) -> float:
    """Gyr since the first stars; below 0 before them."""
    return universe_age(z, cosmology) - universe_age(z_form, cosmology)


def universe_age(z: float, cosmology: str) -> float:
    """Age of the Universe, Gyr: cubic between knots in x = ln(1 + z), where d age / dx = -1 / H."""
    knots, age, slope = _ages(cosmology)
    x = np.log1p(z)
    if x > knots[-1]:
        raise InputError(f"z = {z:g}: populations are followed to z = {np.expm1(knots[-1]):.0f}")
    i = min(int(x / knots[1]), len(knots) - 2)
    h, t = knots[1], x / knots[1] - i
    ends = age[i] * (1 + 2 * t) * (1 - t) ** 2 + age[i + 1] * t**2 * (3 - 2 * t)
    return float(ends + h * t * (1 - t) * (slope[i] * (1 - t) - slope[i + 1] * t))


@lru_cache(maxsize=8)
def _ages(cosmology: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    model = universe(cosmology)
    knots = np.linspace(0.0, np.log1p(_FARTHEST), 800)
    z, step = np.expm1(knots), knots[1]
    # Five Gauss points between two knots give the ages to 1e-13 of astropy's 800 integrals to infinity.
    node, weight = np.polynomial.legendre.leggauss(5)
    between = np.expm1(knots[:-1, None] + 0.5 * step * (node + 1.0))
    passed = (1.0 / model.H(between)).to_value("Gyr") @ weight * (0.5 * step)
    age = np.append(passed[::-1].cumsum()[::-1], 0.0) + model.age(z[-1]).to_value("Gyr")
    return knots, age, -(1.0 / model.H(z)).to_value("Gyr")


def sfh_name(sfh: Sfh) -> str:
    """Return a short name, such as `dpl_a3_b1_t1` (slopes and Gyr), `delayed_t1`, `const`, `burst`."""
    chosen = sfh.chosen
    if isinstance(chosen, Burst):
        return "burst" if chosen.time_gyr == 0 else f"burst_t{_short(chosen.time_gyr)}"
    if isinstance(chosen, Constant):
        return "const" if chosen.duration_gyr is None else f"const_t{_short(chosen.duration_gyr)}"
    if isinstance(chosen, Delayed):
        return f"delayed_t{_short(chosen.tau_gyr)}"
    return f"dpl_a{_short(chosen.alpha)}_b{_short(chosen.beta)}_t{_short(chosen.tau_gyr)}"


def _short(value: float) -> str:
    """Return the number in a few digits where these are exact, else in as many as it takes."""
    few = f"{value:g}"
    return few if float(few) == value else repr(float(value))


def _parameters(parts: list[tuple[Sfh, float, float]]) -> dict[str, np.ndarray]:
    """Columns for a table of galaxies; what a history does not have is nan."""

    def of(key: str) -> np.ndarray:
        values = [getattr(sfh.chosen, key, None) for sfh, _, _ in parts]
        return np.array([np.nan if v is None else v for v in values], dtype=np.float64)

    columns = {
        "metallicity": np.array([z for _, z, _ in parts]),
        "a_v": np.array([a for _, _, a in parts]),
        "sfh_alpha": of("alpha"),
        "sfh_beta": of("beta"),
        "sfh_tau_gyr": of("tau_gyr"),
        "sfh_time_gyr": of("time_gyr"),
        "sfh_duration_gyr": of("duration_gyr"),
    }
    return {key: column for key, column in columns.items() if not np.isnan(column).all()}
