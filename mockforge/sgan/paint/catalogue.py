"""The sources of a learned sky as a table for its user."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.sgan.paint.marks_table import MarksTable, columns_of
from mockforge.sgan.sources.marks import Marks
from mockforge.sky.source_table import source_table


def catalogue_of(marks: Marks, ids: np.ndarray, how: MarksTable, seed: int) -> Any:
    """Return sources as a Table: `id`, the columns of `columns_of`, and what follows from them."""
    grid = how.grid
    about = {"id": ("", "its name on this sky: level/by/bx/row"), **columns_of(grid.bands)}
    about |= {f"mag_{band}": ("mag", f"AB magnitude of all of its light in {band}") for band in grid.bands}
    about |= {"ra": ("deg", "right ascension (ICRS)"), "dec": ("deg", "declination (ICRS)")}
    about |= {"r_e_arcsec": ("arcsec", "half-light radius along the major axis, 0 for stars")}
    values = {**how.table(marks), **how.derived(marks)}
    first = [name for name in ("x", "y", "ra", "dec") if name in values]
    order = (*first, *(name for name in values if name not in first))
    columns = {"id": ids, **{name: values[name] for name in order}}
    meta = {"bands": grid.bands, "pixel_scale_arcsec": grid.pixel_scale_arcsec, "seed": seed}
    return source_table(columns, about, meta)
