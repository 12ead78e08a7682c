"""Errors of total flux and half-light radius, relative to the truth: made, summed up, drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from mockforge.evaluate.report.plots import plots, png
from mockforge.evaluate.report.radii import half_light_radii
from mockforge.evaluate.report.report import Row, Verdict
from mockforge.field.robust import sigma_about

DARK = 1e-3
"""A band whose true flux is below this fraction of the brightest band's is not scored."""

Pair = tuple[np.ndarray, np.ndarray]
"""Of the total flux, and of the half-light radius, (N,C); NaN = not scored."""
Errors = Mapping[str, tuple[np.ndarray, ...]]
"""Method -> relative errors."""


def total_flux(image: np.ndarray) -> np.ndarray:
    """(N,C) of images (N,C,y,x)."""
    return image.sum(axis=(2, 3), dtype=np.float64)


def lit(flux: np.ndarray) -> np.ndarray:
    """Which of the bands' true fluxes (N,C) are bright enough to be scored."""
    return flux > DARK * flux.max(axis=1, keepdims=True)


def relative_errors(made: Mapping[str, np.ndarray], centre: np.ndarray, truth: Pair) -> Errors:
    """Of the images (N,C,y,x) of each method, given the true fluxes and radii."""
    flux, radius = truth
    return {
        name: (total_flux(image) / flux - 1, half_light_radii(image, centre) / radius - 1)
        for name, image in made.items()
    }


def misplaced_light(image: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """(N,C): sum of |image - truth| over the pixels, in units of the truth's total; images (N,C,y,x)."""
    misplaced = np.abs(image - truth).sum(axis=(2, 3), dtype=np.float64)
    return misplaced / np.maximum(np.abs(total_flux(truth)), 1e-30)


def beats_strongest(measure: str, k: int, errors: Errors, gain: float) -> Verdict:
    """Whether the first method beats every other by the part `gain`.

    It is held to the median absolute error, `k` of `errors`.
    """
    (_, own_error), *others = (
        (name, float(np.nanmedian(np.abs(method_errors[k])))) for name, method_errors in errors.items()
    )
    best, best_error = min(others, key=lambda one: one[1])
    rule = (
        f"median absolute error {own_error:.3g} < {1 - gain:g} x {best_error:.3g} "
        f"({best}, {strongest(len(others))})"
    )
    return Verdict(measure, own_error < (1 - gain) * best_error, rule)


def strongest(count: int) -> str:
    """Return what a rule says of the method that a network is compared with."""
    return f"the strongest of {count} non-neural baselines"


def bias_and_scatter(what: str, errors: np.ndarray) -> Row:
    """Median of errors, none of which is NaN, and 1.4826 times the median absolute deviation from it."""
    bias = float(np.median(errors))
    return {f"{what} bias": bias, f"{what} scatter": float(sigma_about(errors, bias))}


def error_curves(x: np.ndarray, errors: Errors, colours: Sequence[str], across: str, made: str) -> bytes:
    """Median error of flux and size, all bands together, against `x` (N,), with the middle 68%, as PNG.

    `across` is what x is called, `made` what is compared with the truth.
    """
    figure, axes = plots(2, width=5.2, height=3.6, columns=2)
    edges = np.quantile(x, np.linspace(0, 1, min(8, 1 + len(x) // 20) + 1))
    for k, (axis, quantity) in enumerate(zip(axes, ("total flux", "half-light radius"), strict=True)):
        for (name, error), colour in zip(errors.items(), colours, strict=False):
            middle, curve = [], []
            for low, high in zip(edges, edges[1:], strict=False):
                values = error[k][(x >= low) & (x <= high)]
                values = values[np.isfinite(values)]
                if len(values):
                    middle.append((low + high) / 2)
                    curve.append(np.quantile(values, [0.16, 0.5, 0.84]))
            low, median, high = np.array(curve).reshape(-1, 3).T
            axis.plot(middle, median, color=colour, label=name, lw=1.5, marker=".")
            axis.fill_between(middle, low, high, color=colour, alpha=0.15, lw=0)
        axis.axhline(0, color="black", lw=0.5)
        axis.set_yscale("symlog", linthresh=0.1)
        axis.set_xlabel(across)
        axis.set_ylabel(f"{quantity}: {made} / truth - 1")
    axes[0].legend(fontsize=7)
    return png(figure)
