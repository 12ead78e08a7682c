"""Pictures of the evaluation of a network that recovers, as PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.evaluate.recover.truth import MeasuredStamps
from mockforge.evaluate.report.plots import plots, png
from mockforge.evaluate.report.relative_errors import Errors, error_curves
from mockforge.field.picture import asinh_rgb

_SHOWN = 7
_COLOURS = ("#1b1b1b", "#2f7fb8", "#d08c1d", "#7a3fa0")


def gallery(stamps: MeasuredStamps, made: Mapping[str, np.ndarray]) -> bytes:
    """Degraded image, truth and every recovered one of some samples, a column each."""
    chosen = np.argsort(stamps.magnitude)[
        np.linspace(0, len(stamps.image) - 1, min(_SHOWN, len(stamps.image))).astype(int)
    ]
    rows = {"degraded": stamps.image, "truth": stamps.truth, **made}
    figure, axes = plots(len(rows) * len(chosen), width=1.35, height=1.35, columns=len(chosen))
    step = stamps.scales.step
    for r, (name, images) in enumerate(rows.items()):
        for k, i in enumerate(chosen):
            axis = axes[r * len(chosen) + k]
            noise = float(np.sqrt(np.mean(stamps.rms[i] ** 2))) / step**2
            bright = max(float(stamps.truth[i].mean(axis=0).max()) / 60, noise)
            bands = stamps.scales.bands if r == 0 else stamps.scales.fine_bands
            rgb = asinh_rgb(
                images[i],
                bright * (step**2 if r == 0 else 1),
                bands=bands,
                noise=noise * (step**2 if r == 0 else 0),
            )
            axis.imshow(rgb, interpolation="none")
            axis.set_xticks([])
            axis.set_yticks([])
            if k == 0:
                axis.set_ylabel(name.replace("-", "-\n"), fontsize=7)
            if r == 0:
                axis.set_title(f"{stamps.magnitude[i]:.1f} mag", fontsize=8)
    return png(figure)


def bias_plot(stamps: MeasuredStamps, errors: Errors) -> bytes:
    """Median error of flux and size against magnitude, with the middle 68%."""
    return error_curves(stamps.magnitude, errors, _COLOURS, "AB magnitude of the stamp", "recovered")
