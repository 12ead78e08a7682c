"""A scene's objects as an astropy Table, with units and descriptions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
from astropy.table import Column, Table

from mockforge.scene.objects import Objects
from mockforge.sky.place import sky_wcs

COLUMNS: dict[str, tuple[str, str]] = {
    "id": ("", "level/by/bx/row: what `without` and `edit` know it by"),
    "x": ("pix", "centre on the sky, to the right"),
    "y": ("pix", "centre on the sky, upwards"),
    "star": ("", "a star, not a galaxy"),
    "magnitude": ("mag", "AB magnitude in F160W"),
    "z": ("", "redshift, 0 for stars"),
    "r_e": ("arcsec", "half-light radius along the major axis, 0 for stars"),
    "n": ("", "Sersic index of the whole galaxy, 0 for stars and real images"),
    "axis_ratio": ("", "minor over major axis"),
    "position_angle": ("deg", "of the major axis, from +x towards +y"),
    "spectrum": ("", "row of the population's spectra, -1 for stars"),
    "temperature": ("K", "temperature of a star, 0 for galaxies"),
    "bulge_fraction": ("", "share of the light in F160W that is the bulge's"),
    "knot_fraction": ("", "share of the disk's light that is in knots"),
    "flux": ("nJy", "all of the light in each band"),
    "sed": ("nJy", "the same of disk or body, bulge, and knots or star"),
    "size": ("arcsec", "half-light radii of disk or body, and of the bulge"),
    "index": ("", "Sersic indices of both"),
    "knots": ("", "x, y from the centre and sigma in arcsec, and weight, of each knot"),
    "picture": ("", "number of the real galaxy whose image it has, -1 for none"),
    "turned": ("", "where an offset (x, y) in arcsec on that image comes to lie on the sky"),
    "side": ("pix", "side of the stamp that holds all of its light"),
}
"""Field of Objects, or `id` -> unit and description of its column."""


class ObjectTable(Table):
    """Galaxies and stars of a scene, a row each; columns are attributes too (`table.flux`)."""

    def __getattr__(self, name: str) -> np.ndarray:
        if name in COLUMNS and name in self.colnames:
            return np.asarray(self[name])
        raise AttributeError(f"the table of objects has no attribute {name!r}")


def catalogue_of(
    made: Objects, ids: np.ndarray, bands: Sequence[str], pixel_scale_arcsec: float, seed: int
) -> ObjectTable:
    """Return the objects as a Table, a row each: the columns of COLUMNS, and `ra`, `dec` by the sky's WCS.

    `ids` (N,) are the objects'; `flux` is (N, band) in the order of `meta["bands"]`.
    """
    columns = [
        Column(getattr(made, f.name), name=f.name, unit=unit or None, description=text or None)
        for f in fields(Objects)
        for unit, text in (COLUMNS.get(f.name, ("", "")),)
    ]
    ra, dec = sky_wcs((1, 1), pixel_scale_arcsec, 0, 0).all_pix2world(made.x, made.y, 0)
    sky = [
        Column(np.asarray(values), name=name, unit="deg", description=f"{text} (ICRS)")
        for name, values, text in (("ra", ra, "right ascension"), ("dec", dec, "declination"))
    ]
    meta = {"bands": tuple(bands), "pixel_scale_arcsec": pixel_scale_arcsec, "seed": seed}
    names = Column(ids, name="id", description=COLUMNS["id"][1])
    return ObjectTable([names, *columns[:2], *sky, *columns[2:]], meta=meta)
