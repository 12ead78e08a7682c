"""What redshift does to a galaxy: distance, angular size, dimming; each a pure function.

Cosmologies are astropy's, by name. Redshifts are arrays or numbers above 0; the result has
their shape, float64.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike

from mockforge.errors import InputError, nearest

Cosmology = Literal["WMAP1", "WMAP3", "WMAP5", "WMAP7", "WMAP9", "Planck13", "Planck15", "Planck18"]
"""The cosmologies that astropy knows by name."""

_ARCSEC = np.pi / 648_000.0
"""One arcsecond in radians."""


def _astropy(name: str) -> Any:
    if name not in get_args(Cosmology):
        raise InputError(f"unknown cosmology {name!r}{nearest(name, get_args(Cosmology))}")
    import astropy.cosmology

    return getattr(astropy.cosmology, name)


def luminosity_distance(z: ArrayLike, cosmology: str = "Planck18") -> np.ndarray:
    """Luminosity distance in Mpc. InputError for an unknown cosmology."""
    z = np.asarray(z, dtype=np.float64)
    return np.frombuffer(_distances(z.tobytes(), cosmology)).reshape(z.shape).copy()


@lru_cache(maxsize=64)
def _distances(z: bytes, cosmology: str) -> bytes:
    """The distances of float64 redshifts: each integrated once, however often it is asked for."""
    different, place = np.unique(np.frombuffer(z), return_inverse=True)
    return _astropy(cosmology).luminosity_distance(different).value[place].tobytes()


def angular_diameter_distance(z: ArrayLike, cosmology: str = "Planck18") -> np.ndarray:
    """Angular-diameter distance in Mpc: the luminosity distance over (1 + z)^2 (Etherington 1933)."""
    return luminosity_distance(z, cosmology) / (1.0 + np.asarray(z, dtype=np.float64)) ** 2


def arcsec_per_kpc(z: ArrayLike, cosmology: str = "Planck18") -> np.ndarray:
    """Angle under which one proper kpc is seen, in arcsec."""
    return 1e-3 / (angular_diameter_distance(z, cosmology) * _ARCSEC)


def size_factor(
    z_in: ArrayLike, z_out: ArrayLike, cosmology: str = "Planck18", *, angular_size: bool = True
) -> np.ndarray:
    """Angular size at `z_out` over that at `z_in` of one physical size; 1 when switched off."""
    if not angular_size:
        return np.ones(np.broadcast(z_in, z_out).shape)
    return angular_diameter_distance(z_in, cosmology) / angular_diameter_distance(z_out, cosmology)


def flux_factor(
    z_in: ArrayLike,
    z_out: ArrayLike,
    cosmology: str = "Planck18",
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
