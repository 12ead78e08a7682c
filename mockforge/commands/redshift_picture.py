"""A picture of a galaxy at z_in and at z_out."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mockforge.extras import need_extra
from mockforge.field.field import Field
from mockforge.field.picture import BALANCE, asinh_rgb, rgb_bands, save_figure
from mockforge.tasks.redshifter.learned import pixel_noise


def redshift_picture(
    before: Field, after: Field, z_in: float, z_out: float, path: Path, truth: Field | None = None
) -> None:
    """Write a PNG of the input beside the prediction, and beside the true target where there is one.

    The input has its own stretch, set by its peak and its noise; the others share one, set by the
    prediction's peak.
    """
    need_extra("report", "the picture", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    noise = float(np.sqrt(np.mean(pixel_noise(before.image) ** 2)))
    own, faint = _level(before), _level(after)
    shown = [
        (before, max(own, noise), noise, f"z = {z_in:g}: input"),
        (after, faint, 0.0, f"z = {z_out:g}: predicted"),
    ]
    if truth is not None:
        level = float(np.sqrt(np.mean(pixel_noise(truth.image) ** 2)))
        shown.append((truth, faint, level, f"z = {z_out:g}: true"))
    figure = Figure(figsize=(3.4 * len(shown), 4.2), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    for panel, (field, level, spread, title) in zip(figure.subplots(1, len(shown)), shown, strict=True):
        panel.imshow(asinh_rgb(field.image, level, bands=field.bands, noise=spread), interpolation="none")
        panel.set_title(title)
        panel.set(xticks=[], yticks=[])
        flux = field.image.sum(axis=(1, 2))
        panel.set_xlabel(f"{field.bands[flux.argmax()]} {flux.max():.4g} nJy", fontsize=8)
    colours = dict.fromkeys(before.bands[i] for i in rgb_bands(len(before.bands), before.bands))
    figure.supxlabel(f"{', '.join(colours)} from blue to red; {BALANCE}", fontsize=7)
    save_figure(figure, path)


def _level(field: Field) -> float:
    """Return the unit of a stretch that shows an image up to its peak."""
    return max(float(field.image.mean(axis=0).max()) / 60, 1e-30)
