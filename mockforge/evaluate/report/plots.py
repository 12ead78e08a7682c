"""Pictures and plots of a report, as PNG in memory."""

from __future__ import annotations

import io

import numpy as np


def picture(rgb: np.ndarray) -> bytes:
    """uint8 (y, x, 3) as a PNG."""
    from PIL import Image

    out = io.BytesIO()
    Image.fromarray(rgb).save(out, format="PNG", optimize=True)
    return out.getvalue()


def plots(n: int, width: float = 3.6, height: float = 3.0, columns: int = 3):
    """Return a figure of `n` axes without pyplot's global state: (figure, list of axes)."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    columns = min(n, columns)
    rows = -(-n // columns)
    figure = Figure(figsize=(width * columns, height * rows), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    axes = np.atleast_1d(figure.subplots(rows, columns)).ravel()
    for spare in axes[n:]:
        spare.remove()
    return figure, list(axes[:n])


def png(figure) -> bytes:
    """Return a matplotlib figure as a PNG."""
    out = io.BytesIO()
    figure.savefig(out, format="png", metadata={"Software": None})
    return out.getvalue()
