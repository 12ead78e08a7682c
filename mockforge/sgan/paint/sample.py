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
    known = Known(marks.x, marks.y, marks.flux, marks_columns(sky, marks), sky.endless.ids(*window))
    table = objects_of(found, known, sky.model.bands, tile, corner)
    return {"image": sky.observed(found.arrays["truth"], y - m, x - m), **found.arrays}, table


def marks_columns(sky: LearnedSky, marks: Marks) -> Arrays:
    """Return the marks of sources as the table `objects` has them, (N,) each."""
    columns = sky.how.table(marks)
    size = {"r_e_pix": columns["r_e"]}
    if sky.how.grid.pixel_scale_arcsec:
        size = {"r_e_arcsec": columns["r_e"] * sky.how.grid.pixel_scale_arcsec}
    latent = {f"latent_{k + 1}": marks.z[:, k] for k in range(marks.z.shape[1])}
    return {
        "star": marks.star,
        **size,
        "n": columns["n"],
        "axis_ratio": columns["q"],
        "position_angle": columns["pa"],
        "shaped": marks.shaped,
        "mirrored": marks.mirrored,
        **latent,
    }
