"""What may be changed of a scene's objects, and what becomes of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.scene.reach import with_sides
from mockforge.scene.shear import lens, sheared
from mockforge.sky.place import sky_wcs

COLUMNS: dict[str, tuple[str, str]] = {
    "x": ("pix", "centre on the sky, to the right"),
    "y": ("pix", "centre on the sky, upwards"),
    "flux": ("nJy", "all of the light in each band; its parts keep their shares"),
    "flux_factor": ("", "times the flux in all bands"),
    "r_e": ("arcsec", "half-light radius along the major axis; all parts grow with it"),
    "size_factor": ("", "times the size of all parts"),
    "axis_ratio": ("", "minor over major axis"),
    "position_angle": ("deg", "of the major axis, from +x towards +y"),
    "g1": ("", "reduced shear on top of what it has; stars have none"),
    "g2": ("", "likewise"),
}
"""Columns of a table of changes -> unit and meaning. New objects have those of `objects(...)`."""
_SHAPE = ("r_e", "axis_ratio", "position_angle")


@dataclass(frozen=True)
class SceneEditor:
    """Changes objects of a scene."""

    model: SceneModel

    @property
    def columns(self) -> Mapping[str, tuple[str, str]]:
        """Columns of a table of changes -> unit and meaning."""
        return COLUMNS

    @property
    def new(self) -> Sequence[str]:
        """Columns that a new object may have."""
        return tuple(f.name for f in fields(Objects))

    @property
    def marks(self) -> Sequence[str]:
        """Columns of the table of objects."""
        return (*self.new, "ra", "dec")

    def table(self, sources: Objects) -> Mapping[str, np.ndarray]:
        """Return what the objects are now."""
        ra, dec = sky_wcs((1, 1), self.model.pixel_scale_arcsec, 0, 0).all_pix2world(sources.x, sources.y, 0)
        return vars(sources) | {"ra": np.asarray(ra), "dec": np.asarray(dec)}

    def changed(self, sources: Objects, values: Mapping[str, np.ndarray]) -> Objects:
        """Return the objects with other places, fluxes, sizes and shapes."""
        _check(values, len(self.model.bands))
        for name in _SHAPE:
            if name in values and sources.star.any():
                raise InputError(
                    f"{name!r} of a star is to be {values[name][sources.star][0]}: a star has none"
                )
        out = replace(sources, **{name: _floats(values[name]) for name in ("x", "y") if name in values})
        flux = _floats(values.get("flux", out.flux))
        out = _brightened(out, flux * _floats(values.get("flux_factor", np.ones(len(out))))[:, None])
        return with_sides(self.model, _shaped(out, values))

    def added(self, values: Mapping[str, np.ndarray]) -> Objects:
        """Return new objects: stars, or galaxies of one Sersic profile unless their parts are given too."""
        _check(values, len(self.model.bands))
        star = np.asarray(values.get("star", np.zeros(len(next(iter(values.values()), [])))), dtype=bool)
        needed = ("x", "y", "flux") if star.all() else ("x", "y", "flux", "r_e", "n")
        for name in needed:
            if name not in values:
                raise InputError(
                    f"a new {'star' if star.all() else 'galaxy'} has no {name!r}: give {', '.join(needed)}"
                    + ("" if star.all() else ", or `star`")
                )
        blank = _blank(self.model, star, values)
        made = replace(blank, **{k: np.asarray(v, getattr(blank, k).dtype) for k, v in values.items()})
        if "sed" in values:
            made = _brightened(replace(made, flux=made.sed.sum(axis=2)), made.flux)
        return with_sides(self.model, made)


def _check(values: Mapping[str, np.ndarray], bands: int) -> None:
    """InputError for values that no object can have."""
    limits = {
        "flux": (0.0, np.inf), "flux_factor": (0.0, np.inf), "r_e": (1e-6, 1e4), "size_factor": (1e-6, 1e6),
        "axis_ratio": (0.01, 1.0), "n": (0.2, 8.0), "position_angle": (-1e6, 1e6),
    }  # fmt: skip
    flags = np.asarray(values.get("star", False))
    if not np.isin(flags, (0, 1)).all():
        raise InputError(f"'star' of an object is true or false, 1 or 0; found {flags.tolist()!s:.80}")
    star = flags.astype(bool)
    for name, (low, high) in limits.items():
        if name not in values:
            continue
        value = _floats(values[name])
        bad = ~((value >= low) & (value <= high) & np.isfinite(value))
        bad = bad & ~star if bad.ndim == 1 else bad  # a star's shape is none
        if bad.any():
            raise InputError(f"{name!r} of an object is to be {value[bad][0]:g}; it is {low:g} to {high:g}")
    if "flux" in values and np.shape(values["flux"])[1:] != (bands,):
        shape = np.shape(values["flux"])
        raise InputError(f"'flux' is (objects, bands) nJy, {bands} bands; found an array of {shape}")
    g = np.hypot(_floats(values.get("g1", 0.0)), _floats(values.get("g2", 0.0)))
    if not (g < 0.9).all():
        raise InputError(f"the shear of an object is to be {np.max(g):g}; it is below 0.9")


def _floats(values: object) -> np.ndarray:
    return np.asarray(values, dtype=np.float64)


def _brightened(made: Objects, flux: np.ndarray) -> Objects:
    """Return the objects with another flux (N, C); parts keep their shares of each band."""
    none = made.flux <= 0
    ratio = np.divide(flux, made.flux, out=np.zeros_like(flux), where=~none)
    sed = made.sed * ratio[..., None]
    part = np.where(made.star, 2, 0)[:, None]
    rows, columns = np.arange(len(made))[:, None], np.arange(flux.shape[1])
    sed[rows, columns, part] += np.where(none, flux, 0.0)
    fainter = np.maximum(flux.mean(axis=1), 1e-30) / np.maximum(made.flux.mean(axis=1), 1e-30)
    return replace(made, flux=flux, sed=sed, magnitude=made.magnitude - 2.5 * np.log10(fainter))


def _shaped(made: Objects, values: Mapping[str, np.ndarray]) -> Objects:
    """Return the objects larger, rounder, turned and sheared: all parts by one linear map of the sky."""
    one = np.ones(len(made))
    scale = _floats(values.get("size_factor", one)).copy()
    if "r_e" in values:
        scale *= _floats(values["r_e"]) / made.r_e
    q = _floats(values.get("axis_ratio", made.axis_ratio))
    angle = _floats(values.get("position_angle", made.position_angle))
    squeezed = np.zeros((len(made), 2, 2))
    squeezed[:, 0, 0], squeezed[:, 1, 1] = 1.0, q / made.axis_ratio
    same = (q == made.axis_ratio) & (angle == made.position_angle)
    place = np.where(same[:, None, None], np.eye(2), _turn(angle) @ squeezed @ _turn(-made.position_angle))
    stretch, q, angle = one.copy(), q.copy(), angle.copy()
    g1, g2 = (_floats(values.get(name, 0.0 * one)) for name in ("g1", "g2"))
    for i in np.flatnonzero((g1 != 0) | (g2 != 0)).tolist():
        k, g = slice(i, i + 1), (float(g1[i]), float(g2[i]))
        stretch[k], q[k], angle[k] = sheared(q[k], angle[k], *g)
        place[i] = lens(*g) @ place[i]
    galaxy = ~made.star
    knots = made.knots.copy()
    knots[..., :2] = scale[:, None, None] * np.einsum("nij,nkj->nki", place, knots[..., :2])
    knots[..., 2] *= scale[:, None]

    def of_galaxies(new: np.ndarray, old: np.ndarray) -> np.ndarray:
        return np.where(galaxy.reshape(-1, *[1] * (new.ndim - 1)), new, old)

    return replace(
        made,
        r_e=of_galaxies(made.r_e * scale * stretch, made.r_e),
        axis_ratio=of_galaxies(q, made.axis_ratio),
        position_angle=of_galaxies(angle, made.position_angle),
        size=of_galaxies(made.size * (scale * stretch)[:, None], made.size),
        knots=of_galaxies(knots, made.knots),
        turned=of_galaxies(scale[:, None, None] * (place @ made.turned), made.turned),
    )


def _turn(angle: np.ndarray) -> np.ndarray:
    """Rotations (N, 2, 2) by angles in degrees."""
    c, s = np.cos(np.deg2rad(angle)), np.sin(np.deg2rad(angle))
    return np.stack([np.stack([c, -s], -1), np.stack([s, c], -1)], -2)


def _blank(model: SceneModel, star: np.ndarray, values: Mapping[str, np.ndarray]) -> Objects:
    """Return objects of the given fluxes and sizes, all else as plain as can be."""
    count, flux, zero = len(star), _floats(values["flux"]), np.zeros(len(star))
    own = np.where(star, model.pixel_scale_arcsec, _floats(values.get("r_e", zero)))
    sed = np.zeros((*flux.shape, 3))
    sed[..., 0], sed[..., 2] = np.where(star[:, None], 0.0, flux), np.where(star[:, None], flux, 0.0)
    knots = np.zeros((count, 1, 4))
    knots[:, 0, 2:] = 0.02 * model.pixel_scale_arcsec, 1.0  # a star is a point
    return Objects(
        x=zero, y=zero, star=star, magnitude=np.full(count, np.nan), z=np.where(star, 0.0, np.nan),
        r_e=zero, n=zero, axis_ratio=np.ones(count), position_angle=zero, spectrum=np.full(count, -1),
        temperature=zero, bulge_fraction=zero, knot_fraction=zero, flux=flux, sed=sed,
        size=np.stack([own, own], axis=1),
        index=np.stack([np.where(star, 1.0, _floats(values.get("n", zero))), np.ones(count)], axis=1),
        knots=knots, picture=np.full(count, -1, dtype=np.int64), turned=np.tile(np.eye(2), (count, 1, 1)),
        side=np.zeros(count, dtype=np.int64),
    )  # fmt: skip
