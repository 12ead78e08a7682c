"""The table `objects`: every true parameter of a scene's objects, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mockforge.galaxies.population import SPECTRA
from mockforge.photometry.fluxes import spectrum_set
from mockforge.scene.objects import Objects
from mockforge.sky.labels import Known, Labelled, objects_of


def objects_table(
    bands: Sequence[str],
    tile: int,
    made: Objects,
    found: Labelled,
    origin: tuple[int, int],
    ids: np.ndarray | None = None,
) -> dict[str, np.ndarray]:
    """Columns of the objects in the order of their labels.

    Places in pixels of the tile, whose first pixel is `origin` (y, x) on the sky; `ids` (N,) of all `made`.
    """
    table = objects_of(found, Known(made.x, made.y, made.flux, marks_of(made), ids), bands, tile, origin)
    return table | {"occlusion_order": _places(made.z[found.order]), "stamp": made.side[found.order]}


def _places(z: np.ndarray) -> np.ndarray:
    """1 for the nearest, 2 for the next, ...; stars, at redshift 0, first."""
    out = np.empty(len(z), dtype=np.int32)
    out[np.argsort(z, kind="stable")] = np.arange(1, len(z) + 1)
    return out


def marks_of(made: Objects) -> dict[str, np.ndarray]:
    """Return what is known of objects beside place and flux, as the table has it, (N,) each."""
    names = np.array([*spectrum_set(SPECTRA).names, ""])
    return {
        "star": made.star,
        "magnitude": made.magnitude,
        "z": made.z,
        "r_e_arcsec": made.r_e,
        "n": made.n,
        "axis_ratio": made.axis_ratio,
        "position_angle": made.position_angle,
        "bulge_fraction": made.bulge_fraction,
        "knot_fraction": made.knot_fraction,
        "temperature_k": made.temperature,
        "sed": made.spectrum,
        "sed_name": np.where(made.star, "star", names[made.spectrum]),
    }
