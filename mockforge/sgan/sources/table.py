"""A user's own catalogue as sources of a learned sky: what it does not say is drawn given what it says."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.sgan.sources.marks import LOG_N, MOST_ELLIPTICAL, Marks
from mockforge.sgan.sources.population import Population
from mockforge.units import ZEROPOINT_NJY

COLUMNS = ("x", "y", "ra", "dec", "r_e", "r_e_arcsec", "q", "pa", "n", "star")
"""Columns with a meaning, beside flux_<band> and mag_<band>. Others are left alone."""
_ROUNDS = 4
"""Times that the light in the bands which are not known is drawn given that in those which are."""


@dataclass(frozen=True)
class Grid:
    """The sky that a table's places and radii are on."""

    bands: tuple[str, ...]
    pixels_per_native: float = 1.0
    """Pixels of the sky per px of the model's grid."""
    pixel_scale_arcsec: float | None = None
    """Of the sky."""
    to_pixels: Callable[[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]] | None = None
    """From ra, dec in degrees to x, y in pixels of the sky."""


def marks_of_table(
    table: Mapping[str, Sequence[float] | np.ndarray],
    grid: Grid,
    population: Population,
    rng: np.random.Generator,
) -> Marks:
    """Return the sources of a catalogue, a row each, in its order.

    Parameters
    ----------
    table : mapping
        Columns by name: places `x`, `y` (px of the sky) or `ra`, `dec` (degrees); the light in at least one
        band, `flux_<band>` (nJy) or `mag_<band>` (AB), all of it; and, where known, `r_e` (px of the sky) or
        `r_e_arcsec`, the half-light radius along the major axis; `q`, its axis ratio; `pa`, degrees from +x
        towards +y; `n`, the Sersic index; `star`, true for point sources. A NaN is not known.
    grid : Grid
        Bands of the sky, its pixel scale and where ra and dec lie.
    population : Population
        From which what is not known is drawn, given what is.
    rng : Generator
        The table's own.

    Returns
    -------
    Marks
        Places in px of the sky, radii in native px.

    Raises
    ------
    InputError
        Where there is no place or no light, columns differ in length, or a number is out of range.
    """
    columns = {str(name): np.asarray(values) for name, values in table.items()}
    n = _length(columns)
    x, y = _places(columns, grid)
    star = _column(columns, "star", n, 0.0) > 0.5
    flux = _fluxes(columns, grid.bands, n)
    points = np.full((n, population.coordinates.shape.stop), np.nan)
    axis_ratio = _known_shapes(columns, grid, population, points)
    flux, marks = _lit(rng, flux, points, star, population)
    radius = marks.log_radius.copy()
    given = ~np.isnan(points[:, population.coordinates.shape.start]) & np.isnan(axis_ratio) & ~star
    radius[given] += 0.5 * np.log(marks.axis_ratio[given])  # from the major axis, now that q is drawn
    turn = 2.0 * np.deg2rad(_column(columns, "pa", n))
    turn = np.where(np.isnan(turn), rng.uniform(0.0, 2.0 * np.pi, n), turn)
    e = marks.ellipticity
    return marks.replace(
        x=x, y=y, flux=flux, log_radius=radius, e1=e * np.cos(turn), e2=e * np.sin(turn)
    ).check("the table of sources")


def _length(columns: Mapping[str, np.ndarray]) -> int:
    lengths = {name: len(values) if values.ndim == 1 else -1 for name, values in columns.items()}
    if not lengths or len(set(lengths.values())) > 1 or -1 in lengths.values():
        raise InputError(
            f"the table of sources should have columns of one length, a number a row; found {lengths}"
        )
    return next(iter(lengths.values()))


def _column(columns: Mapping[str, np.ndarray], name: str, n: int, empty: float = np.nan) -> np.ndarray:
    """Return a column as float64, `empty` where there is none."""
    if name not in columns:
        return np.full(n, empty)
    values = np.ma.filled(np.ma.asarray(columns[name], dtype=np.float64), np.nan)
    return np.where(np.isnan(values), empty, values)


def _places(columns: Mapping[str, np.ndarray], grid: Grid) -> tuple[np.ndarray, np.ndarray]:
    """Return x, y in px of the sky."""
    n = _length(columns)
    if "x" in columns and "y" in columns:
        x, y = _column(columns, "x", n), _column(columns, "y", n)
    elif "ra" in columns and "dec" in columns:
        if grid.to_pixels is None:
            raise InputError(
                "the table has ra and dec, but the sky has no pixel scale; give x and y in pixels"
            )
        x, y = grid.to_pixels(_column(columns, "ra", n), _column(columns, "dec", n))
    else:
        raise InputError(
            "the table of sources needs their places, x and y in pixels of the sky or ra and dec in degrees; "
            f"found the columns {', '.join(columns)}"
        )
    bad = ~(np.isfinite(x) & np.isfinite(y))
    if bad.any():
        raise InputError(f"the table of sources: row {int(bad.argmax())} has no place")
    return x, y


def _fluxes(columns: Mapping[str, np.ndarray], bands: tuple[str, ...], n: int) -> np.ndarray:
    """Return fluxes (N, C) nJy, NaN where not known; InputError where a row has none."""
    out = np.full((n, len(bands)), np.nan)
    for b, band in enumerate(bands):
        flux, mag = _column(columns, f"flux_{band}", n), _column(columns, f"mag_{band}", n)
        out[:, b] = np.where(np.isnan(flux), 10 ** (-0.4 * (mag - ZEROPOINT_NJY)), flux)
    wanted = [f"{kind}_{band}" for band in bands for kind in ("flux", "mag")]
    if not any(name in columns for name in wanted):
        near = [name for name in columns if name.startswith(("flux", "mag"))]
        raise InputError(
            f"the table of sources needs the light in at least one band of the sky{nearest(near[0], wanted)}"
            if near
            else f"the table of sources needs the light in at least one band of the sky; {', '.join(wanted)}"
        )
    faults = {
        "no flux in any band": np.isnan(out).all(axis=1),
        "a flux that is not positive": (out <= 0).any(axis=1),
        "an infinite flux": np.isinf(out).any(axis=1),
    }
    for what, bad in faults.items():
        if bad.any():
            row = int(bad.argmax())
            raise InputError(f"the table of sources: row {row} has {what}; leave NaN what is not known")
    return out


def _known_shapes(
    columns: Mapping[str, np.ndarray], grid: Grid, population: Population, points: np.ndarray
) -> np.ndarray:
    """Put what is known of radii, axis ratios and indices into points, in place; returns q (N,) or NaN."""
    n = len(points)
    c, (i, j) = population.coordinates, population.coordinates.ellipticity
    radius = _column(columns, "r_e", n)
    if "r_e_arcsec" in columns:
        if grid.pixel_scale_arcsec is None:
            raise InputError("the table has r_e_arcsec, but the sky has no pixel scale; give r_e in pixels")
        arcsec = _column(columns, "r_e_arcsec", n) / grid.pixel_scale_arcsec
        radius = np.where(np.isnan(radius), arcsec, radius)
    q, index = (_column(columns, name, n) for name in ("q", "n"))
    least_q = (1.0 - MOST_ELLIPTICAL) / (1.0 + MOST_ELLIPTICAL)
    for name, values, low, high in (
        ("r_e", radius, 1e-3, 1e4),
        ("q", q, least_q, 1.0),
        ("n", index, *np.exp(LOG_N)),
    ):
        bad = (values < low * (1 - 1e-9)) | (values > high * (1 + 1e-9))
        if bad.any():
            row = int(bad.argmax())
            raise InputError(
                f"the table of sources: row {row} has {name} = {values[row]:g}; {low:.3g} to {high:.3g} are "
                "painted, NaN where it is not known"
            )
    points[:, i] = (1.0 - q) / (1.0 + q)  # in any direction: what is drawn given it does not depend on that
    points[:, j] = np.where(np.isnan(q), np.nan, 0.0)
    points[:, c.shape.start] = np.log(radius / grid.pixels_per_native) + np.where(
        np.isnan(q), 0.0, 0.5 * np.log(q)
    )
    points[:, c.shape.stop - 1] = np.clip(np.log(index), *LOG_N)
    return q


def _lit(
    rng: np.random.Generator, flux: np.ndarray, points: np.ndarray, star: np.ndarray, population: Population
) -> tuple[np.ndarray, Marks]:
    """Return fluxes (N, C) with the bands that are not known drawn, and all other marks.

    The mean flux is the known bands' over their share of it, which is drawn given the mean: in turn.
    """
    known = ~np.isnan(flux)
    light = np.where(known, flux, 0.0).sum(axis=1)
    mean = light / known.sum(axis=1)
    whole = known.all(axis=1)
    c = population.coordinates
    rounds = 1 if whole.all() else _ROUNDS
    asked = points.copy()
    asked[whole, c.colours] = c.colour(flux[whole] / mean[whole, None]) if c.bands > 1 else 0.0
    for _ in range(rounds):
        asked[:, 0] = np.log(mean)
        marks = population.completed(rng, asked, star)
        share = marks.flux / marks.mean_flux[:, None]
        mean = np.where(whole, mean, light / np.where(known, share, 0.0).sum(axis=1))
    return np.where(known, flux, mean[:, None] * share), marks
