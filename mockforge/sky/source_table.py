"""The sources of a sky as an astropy Table, with units and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np


def source_table(
    columns: Mapping[str, np.ndarray], about: Mapping[str, tuple[str, str]], meta: Mapping[str, Any]
) -> Any:
    """Return columns (N, ...) as a Table; `about` gives the unit ("" for none) and meaning of each."""
    from astropy.table import Column, Table

    made = []
    for name, values in columns.items():
        unit, text = about.get(name, ("", ""))
        made.append(Column(values, name=name, unit=unit or None, description=text or None))
    return Table(made, meta=dict(meta))
