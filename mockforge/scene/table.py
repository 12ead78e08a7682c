"""The table `objects`: every true parameter of a scene's objects, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mockforge.galaxies.population import SPECTRA
from mockforge.photometry.fluxes import spectrum_set
from mockforge.scene.objects import Objects
from mockforge.sky.truth import Truth
from mockforge.units import ZEROPOINT_NJY


def objects_table(
    bands: Sequence[str], tile: int, made: Objects, found: Truth, order: np.ndarray, origin: tuple[int, int]
) -> dict[str, np.ndarray]:
    """Columns of the objects `order` (rows of `made`, in the order of their labels).

    Places in pixels of the tile, whose first pixel is `origin` (y, x) on the sky.
    """
    o = made.rows(order)
    names = np.array([*spectrum_set(SPECTRA).names, "star"])
    x, y = o.x - origin[1], o.y - origin[0]
    inside = (x > -0.5) & (x < tile - 0.5) & (y > -0.5) & (y < tile - 0.5)
    mean = o.flux.mean(axis=1)
    table: dict[str, np.ndarray] = {
        "label": np.arange(1, len(o) + 1, dtype=np.int32),
        "x": x,
        "y": y,
        "inside": inside,
        "star": o.star,
        "magnitude": o.magnitude,
        "z": o.z,
        "r_e_arcsec": o.r_e,
        "n": o.n,
        "axis_ratio": o.axis_ratio,
        "position_angle": o.position_angle,
        "bulge_fraction": o.bulge_fraction,
        "knot_fraction": o.knot_fraction,
        "temperature_k": o.temperature,
        "sed": o.spectrum,
        "sed_name": names[o.spectrum],
    }
    for i, band in enumerate(bands):
        table[f"true_flux_{band}"] = o.flux[:, i]
        table[f"true_mag_{band}"] = ZEROPOINT_NJY - 2.5 * np.log10(np.maximum(o.flux[:, i], 1e-30))
    return table | {
        "fraction": np.minimum(found.light[order] / mean, 1.0),
        "amodal_area": found.amodal_area[order],
        "visible_area": found.visible_area[order],
        "blendedness": found.blendedness[order],
        "occlusion_order": _places(o.z),
        "stamp": o.side,
    }


def _places(z: np.ndarray) -> np.ndarray:
    """1 for the nearest, 2 for the next, ...; stars, at redshift 0, first."""
    out = np.empty(len(z), dtype=np.int32)
    out[np.argsort(z, kind="stable")] = np.arange(1, len(z) + 1)
    return out
