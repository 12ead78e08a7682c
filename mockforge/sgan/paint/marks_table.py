"""The sources of a learned sky as columns with units, and back: what a user reads, edits and gives."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.sources.marks import LOG_N, MOST_ELLIPTICAL, Marks
from mockforge.sgan.sources.population import Population
from mockforge.sgan.sources.table import Grid, marks_of_table
from mockforge.sky.place import sky_wcs
from mockforge.units import ZEROPOINT_NJY

_LARGEST = 1e4
"""Pixels of the largest half-light radius, as of catalogues."""
_LEAST_FACTOR = 1e-3
"""Of the size of a source that is there; the largest is its inverse."""
_LEAST_Q = (1.0 - MOST_ELLIPTICAL) / (1.0 + MOST_ELLIPTICAL)


def columns_of(bands: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return the columns of a table of sources that can be changed: name -> unit and meaning."""
    return {
        "x": ("pix", "centre on the sky, to the right"),
        "y": ("pix", "centre on the sky, upwards"),
        "star": ("", "a point source"),
        **{f"flux_{band}": ("nJy", f"all of its light in {band}") for band in bands},
        "r_e": ("pix", "half-light radius along the major axis, pixels of the sky, 0 for stars"),
        "q": ("", "axis ratio, minor over major"),
        "pa": ("deg", "of the major axis, from +x towards +y"),
        "n": ("", "Sersic index, 0 for stars"),
        "shaped": ("", "whether it has learned morphology"),
        "mirrored": ("", "parity of its morphology"),
        "latent": ("", "z of its morphology, about N(0, 1)"),
    }


@dataclass(frozen=True)
class MarksTable:
    """How the marks of a sky's sources are written as columns.

    Marks have places in pixels of the sky and radii in those of the model's native grid; columns have
    pixels of the sky for both.
    """

    grid: Grid

    def table(self, marks: Marks) -> dict[str, np.ndarray]:
        """Return the columns (N, ...) of sources that can be changed."""
        q, galaxy = marks.axis_ratio, ~marks.star
        major = np.exp(marks.log_radius) / np.sqrt(q) * self.grid.pixels_per_native
        return {
            "x": marks.x,
            "y": marks.y,
            "star": marks.star,
            **{f"flux_{band}": marks.flux[:, i] for i, band in enumerate(self.grid.bands)},
            "r_e": np.where(galaxy, major, 0.0),
            "q": np.where(galaxy, q, 1.0),
            "pa": np.where(galaxy, np.degrees(marks.angle), 0.0),
            "n": np.where(galaxy, np.exp(marks.log_n), 0.0),
            "shaped": marks.shaped,
            "mirrored": marks.mirrored,
            "latent": marks.z,
        }

    def derived(self, marks: Marks) -> dict[str, np.ndarray]:
        """Return further columns (N,): magnitudes, and where the pixel scale is known ra, dec and arcsec."""
        with np.errstate(invalid="ignore", divide="ignore"):
            mags = ZEROPOINT_NJY - 2.5 * np.log10(np.where(marks.flux > 0, marks.flux, np.nan))
        out = {f"mag_{band}": mags[:, i] for i, band in enumerate(self.grid.bands)}
        scale = self.grid.pixel_scale_arcsec
        if scale:
            ra, dec = sky_wcs((1, 1), scale, 0, 0).all_pix2world(marks.x, marks.y, 0)
            out |= {"ra": np.asarray(ra), "dec": np.asarray(dec)}
            out["r_e_arcsec"] = self.table(marks)["r_e"] * scale
        return out

    def changed(self, marks: Marks, values: Mapping[str, np.ndarray]) -> Marks:
        """Return marks (N,) with some of the columns of `table` set to `values` (N, ...).

        Raises InputError for a number that no source can have.
        """
        now = self.table(marks)
        for name, value in values.items():
            given = _flags(name, value) if now[name].dtype == bool else np.asarray(value, now[name].dtype)
            now[name] = given.reshape(now[name].shape)
        _check(now, set(values))
        parts: dict[str, Any] = {
            name: now[name] for name in ("x", "y", "star", "shaped", "mirrored") if name in values
        }
        parts |= {"z": now["latent"]} if "latent" in values else {}
        if any(name.startswith("flux_") for name in values):
            parts["flux"] = np.stack([now[f"flux_{band}"] for band in self.grid.bands], axis=1)
        if {"r_e", "q", "pa"} & values.keys():
            q, sized = now["q"], now["r_e"] > 0
            e, turn = (1.0 - q) / (1.0 + q), 2.0 * np.radians(now["pa"])
            radius = np.maximum(now["r_e"], 1e-9) * np.sqrt(q) / self.grid.pixels_per_native
            parts |= {"e1": e * np.cos(turn), "e2": e * np.sin(turn)}
            parts["log_radius"] = np.where(sized, np.log(radius), marks.log_radius)
        if "n" in values:
            parts["log_n"] = np.where(now["n"] > 0, np.log(np.maximum(now["n"], 1e-9)), marks.log_n)
        return marks.replace(**parts)


class MarksEditor:
    """What may be changed of a source of a learned sky (`mockforge.sky.process.Editor`).

    Beside the columns of `MarksTable`: factors on flux and size, and a reduced shear of the source about
    its centre. What a new source's row does not say is drawn from the population, given what it says.
    """

    def __init__(self, how: MarksTable, population: Population, stream: Stream) -> None:
        self.how, self.population, self.stream = how, population, stream
        own = columns_of(how.grid.bands)
        self.columns: dict[str, tuple[str, str]] = {
            **own,
            "flux_factor": ("", "times the flux in all bands"),
            "size_factor": ("", "times the half-light radius"),
            "g1": ("", "reduced shear of its shape about its centre; flux and area are kept"),
            "g2": ("", "likewise"),
        }
        derived = (*(f"mag_{band}" for band in how.grid.bands), "ra", "dec", "r_e_arcsec")
        self.new: Sequence[str] = (*own, *derived)
        self.marks: Sequence[str] = (*own, *derived)

    def table(self, sources: Marks) -> dict[str, np.ndarray]:
        """Return what sources are now."""
        return {**self.how.table(sources), **self.how.derived(sources)}

    def changed(self, sources: Marks, values: Mapping[str, np.ndarray]) -> Marks:
        """Return the sources with other marks; InputError for a number that no source can have."""
        made = sources
        if "flux_factor" in values:
            made = made.replace(flux=made.flux * _factor("flux_factor", values)[:, None])
        if "size_factor" in values:
            larger = np.log(_factor("size_factor", values, _LEAST_FACTOR, 1.0 / _LEAST_FACTOR))
            made = made.replace(log_radius=made.log_radius + larger)
        own = {name: value for name, value in values.items() if name in self.how.table(made)}
        made = self.how.changed(made, own) if own else made
        if {"g1", "g2"} & values.keys():
            none = np.zeros(len(made))
            made = sheared(made, values.get("g1", none), values.get("g2", none))
        return made

    def added(self, values: Mapping[str, np.ndarray]) -> Marks:
        """Return new sources; InputError where a column that is needed is missing."""
        return catalogue_marks(values, self.how, self.population, self.stream)


def catalogue_marks(table: Any, how: MarksTable, population: Population, stream: Stream) -> Marks:
    """Return the marks of a user's catalogue: an astropy Table or columns by name.

    As `mockforge.sgan.sources.table.marks_of_table`; `shaped`, `mirrored` and `latent` are taken too.
    """
    names = getattr(table, "colnames", None) or (list(table) if isinstance(table, Mapping) else None)
    if not names:
        raise InputError(
            "sources: an astropy Table or a dict of columns is expected (x, y, flux_<band> or mag_<band>, "
            f"r_e, q, pa, n, star), found {table!r:.60}"
        )
    columns = {name: table[name] for name in names}
    own = {
        name: np.asarray(columns.pop(name)) for name in ("latent", "shaped", "mirrored") if name in columns
    }
    columns = {name: column for name, column in columns.items() if np.ndim(column) == 1 and name != "id"}
    known = np.ma.filled(np.ma.asarray(columns.get("star", False)), False)
    if known.dtype.kind == "f":
        known = np.nan_to_num(known, nan=0.0)  # not known: a galaxy
    star = _flags("star", known)
    for name in ("r_e", "n", "r_e_arcsec"):  # a star's are 0 in tables of ours: not known
        if name in columns:
            values = np.ma.filled(np.ma.asarray(columns[name], dtype=np.float64), np.nan)
            columns[name] = np.where(star & (values <= 0), np.nan, values)
    marks = marks_of_table(columns, how.grid, population, stream.numpy())
    return how.changed(marks, own) if own else marks


def sheared(marks: Marks, g1: np.ndarray, g2: np.ndarray) -> Marks:
    """Return sources whose ellipses are sheared by g (Seitz & Schneider 1997); area and flux are kept.

    e' = (e + g) / (1 + g* e) for |e| = (a - b) / (a + b).
    """
    e = marks.e1 + 1j * marks.e2
    g = np.asarray(g1, dtype=np.float64) + 1j * np.asarray(g2, dtype=np.float64)
    if not (np.abs(g) < 0.5).all():
        raise InputError(f"g1, g2: a shear is below 0.5, found {np.abs(g).max():g}")
    e = np.where(marks.star, e, (e + g) / (1.0 + np.conj(g) * e))
    e = e * np.minimum(1.0, MOST_ELLIPTICAL / np.maximum(np.abs(e), 1e-9))
    return marks.replace(e1=e.real, e2=e.imag)  # type: ignore


def _factor(
    name: str, values: Mapping[str, np.ndarray], low: float = 0.0, high: float = np.inf
) -> np.ndarray:
    factor = np.asarray(values[name], dtype=np.float64)
    bad = ~(np.isfinite(factor) & (factor >= low) & (factor <= high))
    if bad.any():
        wanted = f"{low:g} to {high:g}" if np.isfinite(high) else f"{low:g} or more"
        raise InputError(f"{name}: should be {wanted}, found {factor[bad][0]:g}")
    return factor


def _flags(name: str, values: Any) -> np.ndarray:
    """Return what is true or false as bool (N,); InputError for anything but these, 0 and 1."""
    given = np.asarray(values)
    bad = ~np.isin(given, (0, 1)) if given.dtype.kind in "fiub" else np.ones(given.shape, dtype=bool)
    if bad.any():
        raise InputError(f"{name}: should be true or false, 1 or 0, found {given[bad].tolist()[0]!r:.80}")
    return given.astype(bool)


def _check(columns: Mapping[str, np.ndarray], given: set[str]) -> None:
    """InputError where a number is none that a source can have."""
    star, r_e, q, n = columns["star"], columns["r_e"], columns["q"], columns["n"]
    low, high = np.exp(LOG_N)
    sized, indexed = (r_e > 0) & (r_e <= _LARGEST), (n >= low - 1e-9) & (n <= high + 1e-9)
    faults = {  # of a star too: what is given and can't be is a mistake, whether or not it is painted
        "r_e": (~(sized | star & (r_e == 0)), f"pixels above 0 to {_LARGEST:g}, or `star` true"),
        "q": (~((q >= _LEAST_Q - 1e-9) & (q <= 1)), f"{_LEAST_Q:.2f} to 1"),
        "n": (~(indexed | star & (n == 0)), f"{low:.1f} to {high:.1f}"),
    }
    for name in given:
        if name.startswith("flux_"):
            flux = columns[name]
            faults[name] = (~(np.isfinite(flux) & (flux >= 0)), "nJy, 0 or more")
    for name in sorted(given | ({"r_e", "n"} if "star" in given else set())):
        values = columns[name]
        bad, wanted = faults.get(name, (~np.isfinite(values.astype(np.float64)), "finite"))
        if bad.any():
            row = int(np.flatnonzero(bad.reshape(len(values), -1).any(axis=1))[0])
            raise InputError(f"{name}: should be {wanted}, found {values[row]} in row {row}")
