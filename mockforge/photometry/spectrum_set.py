"""A set of spectra that a configuration resolves to: names, parameters, luminosities."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True, eq=False)
class SpectrumSet:
    """M spectra on one rest-frame wavelength grid.

    Luminosities are in solar luminosities per Angstrom. `parameters` are numeric columns (M,)
    for a table of galaxies. `row(z_population, m)` gives one spectrum (W,) as its stars are at
    z_population; where `evolves` is false every redshift gives the same.
    """

    names: tuple[str, ...]
    parameters: Mapping[str, np.ndarray]
    wave: np.ndarray
    evolves: bool
    row: Callable[[float, int], np.ndarray]
    content: str

    def luminosity(self, z_population: float) -> np.ndarray:
        """Every spectrum, (M, W), as its stars are at `z_population`."""
        return np.stack([self.row(float(z_population), m) for m in range(len(self.names))])

    def digest(self) -> str:
        """sha256 of what the set is made from; equal digests give equal luminosities."""
        return self.content


def kept(found: SpectrumSet, wave: np.ndarray, most: int = 4096) -> SpectrumSet:
    """Return the same spectra on a finer grid, linear between their points; up to `most` rows stay in memory.

    A row is made in the same way whether it is kept or not.
    """
    rows: dict[tuple[float, int], np.ndarray] = {}

    def row(z: float, m: int) -> np.ndarray:
        key = (z if found.evolves else 0.0, m)
        if key not in rows:
            if len(rows) >= most:
                rows.clear()
            rows[key] = np.interp(wave, found.wave, found.row(*key))
            rows[key].flags.writeable = False  # it is handed out again
        return rows[key]

    return replace(found, wave=wave, row=row)


def digest_of(*parts: object) -> str:
    """sha256 over arrays (bytes, shape, type) and anything else (its repr)."""
    digest = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            digest.update(repr((part.shape, part.dtype.str)).encode())
            digest.update(np.ascontiguousarray(part).tobytes())
        else:
            digest.update(repr(part).encode())
    return digest.hexdigest()


def fixed_set(
    names: tuple[str, ...], wave: np.ndarray, luminosity: np.ndarray, parameters: Mapping[str, np.ndarray]
) -> SpectrumSet:
    """Return a set that does not evolve: `luminosity` (M, W) at every redshift."""
    luminosity.flags.writeable = False
    content = digest_of(names, wave, luminosity)
    return SpectrumSet(names, parameters, wave, False, lambda z, m: luminosity[m], content)
