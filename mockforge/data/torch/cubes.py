"""Cubes as (cube, target), with the variance and the maps of the truth."""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from typing import Any, NamedTuple

import torch

from mockforge.data.torch.samples import Samples

MAPS = (
    *("flux_map", "velocity_map", "dispersion_map"),
    *("flux_observed", "velocity_observed", "dispersion_observed", "snr_map", "snr_mask"),
)
"""Maps of a target, as far as the dataset has them."""


class Cube(NamedTuple):
    """A sample of `as_cubes()`; `CubeDataset.units` has the units."""

    cube: torch.Tensor
    """(C, H, W) float32, with noise."""
    variance: torch.Tensor
    """(C, H, W) float32; zeros where there is no noise."""
    maps: dict[str, torch.Tensor]
    """Name -> (H, W): velocities and dispersions in km/s."""
    wavelength: torch.Tensor
    """(C,) float64, Angstrom."""


class CubeDataset(torch.utils.data.Dataset[Cube]):
    """Integral-field cubes with their variance, maps of the truth and wavelengths.

    Parameters
    ----------
    base
        The split; its own `transform` is applied to the dict before.
    transform
        Called last as transform(sample) on each `Cube`.

    Raises
    ------
    InputError
        Where the dataset has no cubes with wavelengths.
    """

    def __init__(self, base: Samples, transform: Callable[[Cube], Any] | None = None) -> None:
        base.needs(("cube", "wavelength"), "as_cubes()")
        self.base, self.transform = base, transform
        self.names = tuple(name for name in MAPS if name in base.shapes)

    @property
    def units(self) -> dict[str, str]:
        """Array -> unit, as astropy spells it."""
        return {n: self.base.units.get(n, "") for n in ("cube", "cube_variance", "wavelength", *self.names)}

    def __len__(self) -> int:
        return len(self.base)

    def __repr__(self) -> str:
        return f"<as_cubes() of {self.base!r}>"

    def __getitem__(self, index: Any) -> Any:
        """Return a `Cube`; of a slice, a CubeDataset of those samples."""
        if isinstance(index, slice):
            part = copy(self)
            part.base = self.base[index]
            return part
        has = "cube_variance" in self.base.shapes
        names = ("cube", "wavelength", *self.names, *(["cube_variance"] if has else []))
        sample = self.base.sample(index, *self.base.wanted(names))
        if self.base.transform is not None:
            sample = self.base.transform(sample)
        variance = sample["cube_variance"] if has else torch.zeros_like(sample["cube"])
        maps = {name: sample[name] for name in self.names}
        out = Cube(sample["cube"], variance, maps, sample["wavelength"])
        return out if self.transform is None else self.transform(out)
