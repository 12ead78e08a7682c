"""Pictures of the evaluation of a redshifter, as PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.evaluate.redshift.truth import MeasuredPairs
from mockforge.evaluate.report.plots import plots, png
from mockforge.evaluate.report.relative_errors import Errors, error_curves
from mockforge.field.picture import asinh_rgb

_SHOWN = 6
_COLOURS = ("#1b1b1b", "#b0b0b0", "#d08c1d", "#2f7fb8", "#7a3fa0")


def gallery(pairs: MeasuredPairs, made: Mapping[str, np.ndarray]) -> bytes:
    """Input, truth and every prediction of some galaxies, a column each."""
    chosen = np.linspace(0, len(pairs.image) - 1, min(_SHOWN, len(pairs.image))).astype(int)
    rows = {"input, own stretch": pairs.image, "truth": pairs.truth, **made}
    figure, axes = plots(len(rows) * len(chosen), width=1.35, height=1.35, columns=len(chosen))
    for r, (name, images) in enumerate(rows.items()):
        for k, i in enumerate(chosen):
            axis = axes[r * len(chosen) + k]
            own = pairs.image[i] if r == 0 else pairs.truth[i]
            bright = max(float(own.mean(axis=0).max()), 1e-30) / 100
            axis.imshow(
                asinh_rgb(
                    images[i], bright, bands=pairs.bands, noise=float(pairs.sigma[i].mean()) * (r == 0)
                ),
                interpolation="none",
            )
            axis.set_xticks([])
            axis.set_yticks([])
            if k == 0:
                axis.set_ylabel(name.replace(", ", ",\n"), fontsize=7)
            if r == 0:
                axis.set_title(f"z {pairs.z_in[i]:.2f} to {pairs.z_out[i]:.2f}", fontsize=8)
    return png(figure)


def error_plot(pairs: MeasuredPairs, errors: Errors) -> bytes:
    """Median error against z_out of each method, all bands together."""
    return error_curves(pairs.z_out, errors, _COLOURS, "z_out", "prediction")
