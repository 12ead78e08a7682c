"""What redshift does to a galaxy: distance, angular size, dimming; each a pure function.

Cosmologies are astropy's, by name, or numbers (`cosmology_word`). Redshifts are arrays or numbers
above 0; the result has their shape, float64.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any

import numpy as np
from numpy.typing import ArrayLike

from mockforge.errors import InputError, nearest

_NUMBERS = {"H0": (20.0, 200.0), "Om0": (0.0, 2.0), "Ode0": (-1.0, 3.0)}
"""What may be said of a cosmology, and from where to where: km/s/Mpc and shares of the critical density."""

_ARCSEC = np.pi / 648_000.0
"""One arcsecond in radians."""


def cosmology_word(word: Any) -> str:
    """Return the one word for a cosmology: astropy's name of it, or `H0=70,Om0=0.3,Ode0=0.7`.

    Numbers may come as a mapping {H0: 70, Om0: 0.3, Ode0: 0.7}; without Ode0 it is flat. They are of
    matter and a cosmological constant alone, without radiation. InputError for anything else.
    """
    if isinstance(word, str) and "=" not in word:
        import astropy.cosmology

        if word in astropy.cosmology.available:
            return word
        raise InputError(
            f"unknown cosmology {word!r}{nearest(word, astropy.cosmology.available)}; or give numbers, such"
            " as {H0: 70, Om0: 0.3, Ode0: 0.7}"
        )
    numbers: Any = word
    if isinstance(word, str):
        numbers = dict(part.split("=", 1) for part in word.replace(" ", "").split(",") if "=" in part)
    if not isinstance(numbers, Mapping) or not {"H0", "Om0"} <= numbers.keys() <= _NUMBERS.keys():
        raise InputError(
            f"a cosmology is a name, such as Planck18, or {{H0: 70, Om0: 0.3, Ode0: 0.7}} (found {word!r});"
            " without Ode0 it is flat"
        )
    values = {}
    for key, (low, high) in _NUMBERS.items():
        if key not in numbers:
            continue
        try:
            values[key] = float(numbers[key])
        except (TypeError, ValueError):
            values[key] = float("nan")
        if isinstance(numbers[key], bool) or not low <= values[key] <= high:
            raise InputError(f"cosmology: {key} should be from {low:g} to {high:g}, found {numbers[key]!r}")
    return ",".join(f"{key}={value!r}" for key, value in values.items())


class _CosmologyWord:
    """Reads a cosmology in a recipe."""

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(cosmology_word)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        numbers = {
            key: {"type": "number", "minimum": low, "maximum": high} for key, (low, high) in _NUMBERS.items()
        }
        own = {"type": "object", "properties": numbers, "required": ["H0", "Om0"]}
        return {"anyOf": [{"type": "string"}, own | {"additionalProperties": False}]}


Cosmology = Annotated[str, _CosmologyWord()]
"""A cosmology in a configuration: see `cosmology_word`."""

CosmologyLike = str | Mapping[str, float]
"""A cosmology as functions take it: see `cosmology_word`."""


def universe(cosmology: CosmologyLike) -> Any:
    """Return the astropy cosmology of a word or of numbers. InputError as `cosmology_word`."""
    return _universe(cosmology_word(cosmology))


@lru_cache(maxsize=16)
def _universe(word: str) -> Any:
    import astropy.cosmology

    if "=" not in word:
        return getattr(astropy.cosmology, word)
    values = {key: float(value) for key, value in (part.split("=") for part in word.split(","))}
    kind = astropy.cosmology.LambdaCDM if "Ode0" in values else astropy.cosmology.FlatLambdaCDM
    return kind(**values)


def luminosity_distance(z: ArrayLike, cosmology: CosmologyLike = "Planck18") -> np.ndarray:
    """Luminosity distance in Mpc. InputError for an unknown cosmology."""
    z = np.asarray(z, dtype=np.float64)
    return np.frombuffer(_distances(z.tobytes(), cosmology_word(cosmology))).reshape(z.shape).copy()


@lru_cache(maxsize=64)
def _distances(z: bytes, cosmology: str) -> bytes:
    """Return the distances of float64 redshifts: each integrated once, however often it is requested."""
    different, place = np.unique(np.frombuffer(z), return_inverse=True)
    return _universe(cosmology).luminosity_distance(different).value[place].tobytes()


def angular_diameter_distance(z: ArrayLike, cosmology: CosmologyLike = "Planck18") -> np.ndarray:
    """Angular-diameter distance in Mpc: the luminosity distance over (1 + z)^2 (Etherington 1933)."""
    return luminosity_distance(z, cosmology) / (1.0 + np.asarray(z, dtype=np.float64)) ** 2


def arcsec_per_kpc(z: ArrayLike, cosmology: CosmologyLike = "Planck18") -> np.ndarray:
    """Angle under which one proper kpc is seen, in arcsec."""
    return 1e-3 / (angular_diameter_distance(z, cosmology) * _ARCSEC)


def size_factor(
    z_in: ArrayLike, z_out: ArrayLike, cosmology: CosmologyLike = "Planck18", *, angular_size: bool = True
) -> np.ndarray:
    """Angular size at `z_out` over that at `z_in` of one physical size; 1 when switched off."""
    if not angular_size:
        return np.ones(np.broadcast(z_in, z_out).shape)
    return angular_diameter_distance(z_in, cosmology) / angular_diameter_distance(z_out, cosmology)


def flux_factor(
    z_in: ArrayLike,
    z_out: ArrayLike,
    cosmology: CosmologyLike = "Planck18",
    *,
    angular_size: bool = True,
    dimming: bool = True,
) -> np.ndarray:
    """Bolometric flux at `z_out` over that at `z_in`: the solid angle times the surface brightness.

    The solid angle goes with the square of `size_factor`; the surface brightness falls by
    ((1 + z_in) / (1 + z_out))^4 (Tolman 1930). Both together are the inverse square of the
    luminosity distance, so no further factor is needed; each can be switched off alone.
    """
    size = size_factor(z_in, z_out, cosmology, angular_size=angular_size)
    if not dimming:
        return size**2
    ratio = (1.0 + np.asarray(z_in, dtype=np.float64)) / (1.0 + np.asarray(z_out, dtype=np.float64))
    return size**2 * ratio**4
