"""Pictures of the evaluation of a redshifter, as PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.evaluate.figures import plots, png
from mockforge.evaluate.redshift_truth import Pairs
from mockforge.picture import asinh_rgb

_SHOWN = 6
_COLOURS = ("#1b1b1b", "#b0b0b0", "#d08c1d", "#2f7fb8", "#7a3fa0")


def gallery(pairs: Pairs, made: Mapping[str, np.ndarray]) -> bytes:
    """Input, truth and every prediction of some galaxies, a column each."""
    chosen = np.linspace(0, len(pairs.image) - 1, min(_SHOWN, len(pairs.image))).astype(int)
    rows = {"input, own stretch": pairs.image, "truth": pairs.truth, **made}
    figure, axes = plots(len(rows) * len(chosen), width=1.35, height=1.35, columns=len(chosen))
    for r, (name, images) in enumerate(rows.items()):
        for k, i in enumerate(chosen):
            axis = axes[r * len(chosen) + k]
            own = pairs.image[i] if r == 0 else pairs.truth[i]
            axis.imshow(asinh_rgb(images[i], np.maximum(own.max(axis=(1, 2)), 1e-30) / 100))
            axis.set_xticks([])
            axis.set_yticks([])
            if k == 0:
                axis.set_ylabel(name.replace(", ", ",\n"), fontsize=7)
            if r == 0:
                axis.set_title(f"z {pairs.z_in[i]:.2f} to {pairs.z_out[i]:.2f}", fontsize=8)
    return png(figure)


def error_plot(pairs: Pairs, errors: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Median error against z_out of each method, all bands together."""
    figure, axes = plots(2, width=5.2, height=3.6, columns=2)
    edges = np.quantile(pairs.z_out, np.linspace(0, 1, min(8, 1 + len(pairs.z_out) // 20) + 1))
    for k, (axis, what) in enumerate(zip(axes, ("total flux", "half-light radius"), strict=True)):
        for (name, error), colour in zip(errors.items(), _COLOURS, strict=False):
            middle, curve = [], []
            for low, high in zip(edges, edges[1:], strict=False):
                values = error[k][(pairs.z_out >= low) & (pairs.z_out <= high)]
                values = values[np.isfinite(values)]
                if len(values):
                    middle.append((low + high) / 2)
                    curve.append(np.quantile(values, [0.16, 0.5, 0.84]))
            low, median, high = np.array(curve).reshape(-1, 3).T
            axis.plot(middle, median, color=colour, label=name, lw=1.5, marker=".")
            axis.fill_between(middle, low, high, color=colour, alpha=0.15, lw=0)
        axis.axhline(0, color="black", lw=0.5)
        axis.set_yscale("symlog", linthresh=0.1)
        axis.set_xlabel("z_out")
        axis.set_ylabel(f"{what}: prediction / truth - 1")
    axes[0].legend(fontsize=7)
    return png(figure)
