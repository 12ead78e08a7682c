"""The picture of stage 3: the field's sources as dots, what is drawn from the model beside them."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.extras import installed
from mockforge.rng import Stream
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.population.stage import COUNTED, LearnedPopulation
from mockforge.sgan.sources.marks import Marks

_REAL, _DRAWN = "#1f3b73", "#d1495b"
_INCHES, _DOTS_PER_INCH = (13.0, 7.5), 90


def population_picture(
    field: LearnField, scene: FittedScene, learned: LearnedPopulation, stream: Stream
) -> np.ndarray | None:
    """Return the picture, uint8 (y, x, 3); None where matplotlib is not installed.

    Counts, sizes, ellipticities and two colours of as many drawn sources as the field has, the two-point
    function, and detections in the field and in a rehearsed one.
    """
    if not installed("matplotlib"):
        return None
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    panels = figure.subplots(2, 3)
    real = scene.marks.rows(np.isin(scene.why, COUNTED) & (scene.marks.mean_flux > 0))
    drawn = _drawn(field, learned, stream)
    _counts(panels[0, 0], field, real, drawn, learned)
    _against_flux(panels[0, 1], real, drawn, "log_radius", "ln half-light radius (px)")
    _against_flux(panels[0, 2], real, drawn, "ellipticity", "|e| = (a-b)/(a+b), as fitted")
    _colours(panels[1, 0], field, real, drawn)
    _clustering(panels[1, 1], learned)
    _detections(panels[1, 2], learned)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def _drawn(field: LearnField, learned: LearnedPopulation, stream: Stream) -> Marks:
    """Return sources of the model on an area as large as the field has, at no place."""
    model, rng = learned.model, stream.child("picture").numpy()
    parts = [model.galaxies.draw(rng, rng.poisson(model.galaxies.number() * field.area_pix))]
    if model.stars:
        parts.append(model.stars.draw(rng, rng.poisson(model.stars.number() * field.area_pix)))
    star = np.concatenate([np.full(len(p), i == 1) for i, p in enumerate(parts)])
    return model.population.draw(rng, np.concatenate(parts), star)


def _counts(axes: Any, field: LearnField, real: Marks, drawn: Marks, learned: LearnedPopulation) -> None:
    for marks, colour, name in ((real, _REAL, "fitted"), (drawn, _DRAWN, "drawn")):
        for star, style in ((False, "-"), (True, ":")):
            flux = np.sort(marks.mean_flux[marks.star == star])[::-1]
            if len(flux):
                label = f"{name}, {'stars' if star else 'galaxies'}"
                axes.plot(flux, np.arange(1, len(flux) + 1), style, color=colour, label=label)
    axes.axvline(learned.model.galaxies.complete, color="0.7", lw=1)
    axes.set(xscale="log", yscale="log", xlabel="mean flux (nJy)", ylabel="sources brighter, on the field")
    axes.legend(fontsize=8, frameon=False)


def _against_flux(axes: Any, real: Marks, drawn: Marks, mark: str, label: str) -> None:
    for marks, colour, name in ((real, _REAL, "fitted"), (drawn, _DRAWN, "drawn")):
        rows = np.flatnonzero(~marks.star)
        axes.plot(
            marks.mean_flux[rows], getattr(marks, mark)[rows], ".", ms=2, color=colour, label=name, alpha=0.5
        )
    axes.set(xscale="log", xlabel="mean flux (nJy)", ylabel=label)


def _colours(axes: Any, field: LearnField, real: Marks, drawn: Marks) -> None:
    bands = field.bands
    if len(bands) < 2:
        axes.set_axis_off()
        return
    least = np.quantile(real.mean_flux, 0.6)
    for marks, colour in ((real, _REAL), (drawn, _DRAWN)):
        bright = marks.rows((marks.mean_flux > least) & (marks.flux > 0).all(axis=1))
        magnitude = -2.5 * np.log10(bright.flux)
        across = magnitude[:, 0] - magnitude[:, 1]
        up = magnitude[:, 1] - magnitude[:, 2] if len(bands) > 2 else np.log10(bright.mean_flux)
        axes.plot(across, up, ".", ms=2.5, color=colour, alpha=0.5)
    last = f"{bands[1]} - {bands[2]}" if len(bands) > 2 else "log mean flux (nJy)"
    axes.set(xlabel=f"{bands[0]} - {bands[1]}", ylabel=last, xlim=(-1.5, 3.5))
    axes.set_ylim(-1.5, 3.5) if len(bands) > 2 else None


def _clustering(axes: Any, learned: LearnedPopulation) -> None:
    pairs = learned.pairs
    if pairs is None:
        axes.set_axis_off()
        return
    axes.errorbar(pairs.middle, pairs.w, pairs.error, fmt="o", ms=3, color=_REAL)
    theta = np.geomspace(pairs.edges[0], pairs.edges[-1], 100)
    axes.plot(theta, learned.model.density.correlation(theta), color=_DRAWN)
    axes.axhline(0.0, color="0.7", lw=1)
    axes.set(xscale="log", xlabel="separation (px)", ylabel="w of galaxies")


def _detections(axes: Any, learned: LearnedPopulation) -> None:
    seen = learned.rehearsal
    if seen is None:
        axes.set_axis_off()
        return
    middle = np.exp(0.5 * (seen.edges[1:] + seen.edges[:-1]))
    axes.errorbar(
        middle, seen.real, np.sqrt(seen.real), fmt="o", ms=3, color=_REAL, label="detected, the field"
    )
    axes.plot(middle, seen.painted, color=_DRAWN, label="detected, a painted field")
    axes.set(xscale="log", yscale="log", xlabel="peak over noise", ylabel="detections")
    axes.legend(fontsize=8, frameon=False)
