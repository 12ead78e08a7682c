"""Pictures of the evaluation of a network that recovers, as PNG in memory."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.evaluate.figures import plots, png
from mockforge.evaluate.recover_truth import Stamps
from mockforge.picture import asinh_rgb

_SHOWN = 7
_COLOURS = ("#1b1b1b", "#2f7fb8", "#d08c1d", "#7a3fa0")


def gallery(stamps: Stamps, made: Mapping[str, np.ndarray]) -> bytes:
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
            bright = np.maximum(stamps.truth[i].max(axis=(1, 2)) / 60, stamps.rms[i] / step**2)
            axis.imshow(asinh_rgb(images[i], bright * (step**2 if r == 0 else 1)), interpolation="none")
            axis.set_xticks([])
            axis.set_yticks([])
            if k == 0:
                axis.set_ylabel(name.replace("-", "-\n"), fontsize=7)
            if r == 0:
                axis.set_title(f"{stamps.magnitude[i]:.1f} mag", fontsize=8)
    return png(figure)


def bias_plot(stamps: Stamps, errors: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> bytes:
    """Median error of flux and size against magnitude, with the middle 68%."""
    figure, axes = plots(2, width=5.2, height=3.6, columns=2)
    magnitude = stamps.magnitude
    edges = np.quantile(magnitude, np.linspace(0, 1, min(8, 1 + len(magnitude) // 20) + 1))
    for k, (axis, what) in enumerate(zip(axes, ("total flux", "half-light radius"), strict=True)):
        for (name, error), colour in zip(errors.items(), _COLOURS, strict=False):
            middle, curve = [], []
            for low, high in zip(edges, edges[1:], strict=False):
                values = error[k][(magnitude >= low) & (magnitude <= high)]
                values = values[np.isfinite(values)]
                if len(values):
                    middle.append((low + high) / 2)
                    curve.append(np.quantile(values, [0.16, 0.5, 0.84]))
            low, median, high = np.array(curve).reshape(-1, 3).T
            axis.plot(middle, median, color=colour, label=name, lw=1.5, marker=".")
            axis.fill_between(middle, low, high, color=colour, alpha=0.15, lw=0)
        axis.axhline(0, color="black", lw=0.5)
        axis.set_yscale("symlog", linthresh=0.1)
        axis.set_xlabel("AB magnitude of the stamp")
        axis.set_ylabel(f"{what}: recovered / truth - 1")
    axes[0].legend(fontsize=7)
    return png(figure)
