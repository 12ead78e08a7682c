"""A turning disk: its parameters as tensors of one row a galaxy, and the choices that all rows share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

import torch
from torch import Tensor

from mockforge.errors import InputError, nearest
from mockforge.galaxies.cubes.body.curves import CURVES, speed
from mockforge.galaxies.cubes.body.doppler import Convention
from mockforge.galaxies.cubes.body.profiles import RADIAL, VERTICAL

PARAMETERS: dict[str, float] = {
    "x": 0.0,  # of the centre from that of the field, arcsec, to the right
    "y": 0.0,  # upwards
    "inclination": 45.0,  # degrees, 0 face-on, 90 edge-on
    "position_angle": 0.0,  # degrees from +x towards +y, of the receding end of the major axis
    "spin": 1.0,  # +1: turns from +x towards +y, and the side 90 degrees on is far; -1: the mirror image
    "flux": 1.0,  # of all lines together
    "r_half": 0.5,  # half-light radius seen face-on, arcsec
    "n": 1.0,  # Sersic index
    "height": 0.05,  # scale height, arcsec
    "v_max": 200.0,  # km/s
    "r_turn": 0.2,  # arcsec
    "velocity": 0.0,  # of the whole galaxy, km/s
    "sigma": 30.0,  # isotropic dispersion in the middle, km/s
    "sigma_scale": 0.0,  # scale length of its exponential decline, arcsec; 0: none
    "sigma_floor": 0.0,  # added in quadrature, km/s
    "v_radial": 0.0,  # outwards, km/s
    "v_bar": 0.0,  # streaming along a bar, km/s
    "r_bar": 0.5,  # where it is strongest, arcsec
    "bar_angle": 0.0,  # in the disk's plane from the major axis, degrees
    "warp_inclination": 0.0,  # degrees an r_half beyond `warp_start`
    "warp_angle": 0.0,  # of the position angle, degrees an r_half beyond `warp_start`
    "warp_start": 1.0,  # r_half
}
"""Parameter of a disk -> its default."""


@dataclass(frozen=True, eq=False)
class Disk:
    """Disks, one a row: every parameter of `PARAMETERS`, and clumps that turn with them."""

    values: Mapping[str, Tensor]
    """Parameter -> (B,)."""
    clumps: Clumps | None = None
    picture: Picture | None = None
    """Where their light lies on the sky, instead of a radial profile."""

    def __getattr__(self, name: str) -> Tensor:
        if name in PARAMETERS:
            return self.values[name]
        raise AttributeError(name)

    def __len__(self) -> int:
        return len(self.values["x"])

    def column(self, name: str, dimensions: int = 2) -> Tensor:
        """Return a parameter as (B, 1, ...) with so many axes of 1 behind."""
        return self.values[name].reshape(-1, *(1,) * dimensions)

    def rows(self, which: slice) -> Disk:
        """Return some of the disks."""
        clumps = None if self.clumps is None else self.clumps.rows(which)
        picture = None if self.picture is None else self.picture.rows(which)
        return Disk({name: value[which] for name, value in self.values.items()}, clumps, picture)

    def with_values(self, **values: Tensor) -> Disk:
        """Return the disks with these parameters instead."""
        return replace(self, values={**self.values, **values})


@dataclass(frozen=True, eq=False)
class Clumps:
    """Round clumps in the plane of each disk, (B, K)."""

    radius: Tensor
    """From the centre, arcsec."""
    azimuth: Tensor
    """In the plane from the receding major axis, degrees."""
    share: Tensor
    """Of the galaxy's flux; 0 where there is none."""
    size: Tensor
    """Standard deviation of the Gaussian, arcsec."""
    sigma: Tensor
    """Their own dispersion, km/s."""

    def rows(self, which: slice) -> Clumps:
        """Return those of some of the disks."""
        return Clumps(**{f.name: getattr(self, f.name)[which] for f in fields(self)})


@dataclass(frozen=True, eq=False)
class Picture:
    """Pictures of disks on the sky, their axes those of the cubes; see `picture`."""

    light: Tensor
    """(B, Y, X) of sum 1."""
    pixel: Tensor
    """(B,) arcsec."""
    x: Tensor
    """(B,) of the galaxy's centre, pixels of the picture, the first is 0."""
    y: Tensor

    def rows(self, which: slice) -> Picture:
        """Return those of some of the disks."""
        return Picture(**{f.name: getattr(self, f.name)[which] for f in fields(self)})

    def steps(self, axis: str, at: Tensor) -> Tensor:
        """Return places (B, ...) in pixels along x or y as arcsec from the galaxy's centre."""
        to = (-1, *(1,) * (at.ndim - 1))
        return (at - getattr(self, axis).reshape(to)) * self.pixel.reshape(to)


def disks(
    clumps: Clumps | None = None, dtype: Any = torch.float32, device: Any = "cpu", **values: Any
) -> Disk:
    """Return disks from numbers, arrays or tensors; what is not given has its default.

    Raises
    ------
    InputError
        For an unknown parameter.
    """
    unknown = [name for name in values if name not in PARAMETERS]
    if unknown:
        raise InputError(f"a disk has no parameter {unknown[0]!r}{nearest(unknown[0], PARAMETERS)}")
    every = {
        name: torch.as_tensor(values.get(name, default), dtype=dtype, device=device).reshape(-1)
        for name, default in PARAMETERS.items()
    }
    rows = max(len(value) for value in every.values())
    return Disk({name: value.expand(rows) for name, value in every.items()}, clumps)


@dataclass(frozen=True)
class Physics:
    """What all disks of a batch share."""

    radial: str = "exponential"
    vertical: str = "gaussian"
    curve: str | Callable[[Tensor], Tensor] = "arctan"
    """A key of `curves.CURVES`, or a function of the radius in arcsec, km/s."""
    thick: bool = False
    """Adds the dispersion h v/r of a thick disk."""
    thin: bool = False
    """Adds the dispersion v sqrt(h/r) of a thin disk."""
    profile: Callable[[Tensor], Tensor] | None = None
    """The isotropic dispersion instead of `sigma` and `sigma_scale`, a function of the radius in arcsec."""
    convention: Convention = "relativistic"

    def __post_init__(self) -> None:
        for what, name, table in (
            ("radial profile", self.radial, RADIAL),
            ("vertical profile", self.vertical, VERTICAL),
            ("rotation curve", self.curve, CURVES),
        ):
            if isinstance(name, str) and name not in table:
                raise InputError(f"unknown {what} {name!r}{nearest(name, table)}")

    def rotation(self, r: Tensor, v_max: Tensor, r_turn: Tensor) -> Tensor:
        """Return the rotation speed at radii `r` in arcsec, km/s; all broadcast."""
        if callable(self.curve):
            return self.curve(r).expand(torch.broadcast_shapes(r.shape, v_max.shape))
        return speed(self.curve, r, v_max, r_turn)
