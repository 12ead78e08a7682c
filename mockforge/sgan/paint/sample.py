"""One sample of a learned sky: its pixels, its exact truth, and its rows of `objects`."""

from __future__ import annotations

import numpy as np

from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sgan.sources.marks import Marks
from mockforge.sky.labels import Known, Wanted, labelled, objects_of

Arrays = dict[str, np.ndarray]


def sample_of(sky: LearnedSky, corner: tuple[int, int], tile: int, wanted: Wanted) -> tuple[Arrays, Arrays]:
    """Return the arrays of a tile with its margin, and the rows of `objects`.

    Parameters
    ----------
    sky
        Painted and observed as requested.
    corner : (int, int)
        First row and column of the tile on the sky.
    tile : int
        Its side, pixels.
    wanted : Wanted
        Which truth is made, and the margin.

    Returns
    -------
    arrays : dict
        `image` (C, H, W) nJy, observed, and those of `mockforge.sky.labels.labelled`.
    objects : dict
        A row per source with light in the tile: place, true flux and magnitude in every band, shape, kind,
        latent, areas.
    """
    (y, x), m = corner, wanted.margin
    window = (y - m, y + tile + m, x - m, x + tile + m)
    side = tile + 2 * m
    layers = list(sky.layers(window))
    found = labelled(lambda: layers, len(layers), (len(sky.model.bands), side, side), wanted)
    marks = sky.endless.sources(*window)
    grid = sky.control.grid
    columns = marks_columns(marks, grid.scale_arcsec, grid.pixels_per_native)
    known = Known(marks.x, marks.y, marks.flux, columns, sky.endless.ids(*window))
    table = objects_of(found, known, sky.model.bands, tile, corner)
    return {"image": sky.observed(found.arrays["truth"], y - m, x - m), **found.arrays}, table


def marks_columns(marks: Marks, pixel_scale_arcsec: float | None, pixels_per_native: float) -> Arrays:
    """Return the marks of sources as the table `objects` has them, (N,) each.

    Radii along the major axis are in arcsec where the pixel scale is known, else in pixels, of the sky.
    """
    galaxy, q = ~marks.star, marks.axis_ratio
    major = np.where(galaxy, np.exp(marks.log_radius) / np.sqrt(q) * pixels_per_native, 0.0)
    size = {"r_e_arcsec": major * pixel_scale_arcsec} if pixel_scale_arcsec else {"r_e_pix": major}
    latent = {f"latent_{k + 1}": marks.z[:, k] for k in range(marks.z.shape[1])}
    return {
        "star": marks.star,
        **size,
        "n": np.where(galaxy, np.exp(marks.log_n), 0.0),
        "axis_ratio": np.where(galaxy, q, 1.0),
        "position_angle": np.where(galaxy, np.degrees(marks.angle), 0.0),
        "shaped": marks.shaped,
        "mirrored": marks.mirrored,
        **latent,
    }
