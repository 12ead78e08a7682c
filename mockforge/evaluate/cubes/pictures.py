"""Pictures of fits: velocity maps of truth, fit and residual, and fitted against true parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from mockforge.evaluate.cubes.fits import Fit
from mockforge.evaluate.cubes.recovery import Recovered, error_of
from mockforge.evaluate.cubes.sample import MEASURED, Sample
from mockforge.evaluate.report.plots import plots, png
from mockforge.galaxies.cubes.body.disk import PARAMETERS, disks
from mockforge.galaxies.cubes.light.model import moments
from mockforge.galaxies.cubes.source.observed import physics_of

_SHOWN = 5
"""Galaxies whose maps are shown."""
_FAINT = 0.02
"""Spaxels fainter than this part of the brightest are left white."""
_COLOURS = ("#1f4e9c", "#c1440e", "#3f7d20", "#7a3b8f")


def velocity_maps(found: Sequence[Recovered], sample: Sample) -> bytes:
    """Return a PNG: a row for each of some galaxies, the true map and every fitter's map and residual."""
    shown = range(min(_SHOWN, len(sample.galaxies)))
    columns = 1 + 2 * len(found)
    figure, axes = plots(len(shown) * columns, width=2.1, height=1.9, columns=columns)
    for row in shown:
        galaxy = sample.galaxies[row]
        _, light = observed_velocity(galaxy.truth, sample)
        bright = light > _FAINT * light.max()
        limit = max(float(np.abs((galaxy.velocity - galaxy.truth["velocity"])[bright]).max()), 1.0)
        here = axes[row * columns : (row + 1) * columns]
        middle = galaxy.truth["velocity"]
        _map(here[0], np.where(bright, galaxy.velocity - middle, np.nan), limit, f"{galaxy.number}: truth")
        for k, one in enumerate(found):
            fit = one.fits[row]
            name, left, right = one.fitter.name, here[1 + 2 * k], here[2 + 2 * k]
            if fit is None:
                for axis in (left, right):
                    axis.axis("off")
                left.set_title(f"{name}: no fit", fontsize=8)
                continue
            velocity, _ = observed_velocity(fit.values, sample)
            star = "" if fit.converged else " (not converged)"
            _map(left, np.where(bright, velocity - middle, np.nan), limit, f"{name}{star}")
            off = np.where(bright, galaxy.velocity - velocity, np.nan)
            _map(right, off, 0.25 * limit, f"truth - {name}")
    return png(figure)


def observed_velocity(values: Mapping[str, float], sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Return the mean velocity (y, x) in km/s through the PSF, and the light, of a smooth disk."""
    given = {n: float(values[n]) for n in PARAMETERS if n in values}
    given["height"] = sample.thickness * given["r_half"]
    given["inclination"] = float(np.clip(given["inclination"], 0.5, 89.5))
    with torch.no_grad():
        maps = moments(disks(None, **given), physics_of(sample.cfg), sample.grid, sample.sampling)
    return maps.velocity_observed[0].numpy(), maps.flux_observed[0].numpy()


def _map(axis, values: np.ndarray, limit: float, title: str) -> None:
    image = axis.imshow(
        values, origin="lower", cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest"
    )
    axis.set_title(title, fontsize=8)
    axis.set_xticks([])
    axis.set_yticks([])
    bar = axis.figure.colorbar(image, ax=axis, fraction=0.046, pad=0.02)
    bar.ax.tick_params(labelsize=6)


def scatter(found: Sequence[Recovered], sample: Sample) -> bytes:
    """Return a PNG: fitted against true, a panel for each parameter; open where not converged."""
    figure, axes = plots(len(MEASURED), columns=3)
    for axis, (name, unit) in zip(axes, MEASURED.items(), strict=True):
        truth = np.array([g.truth[name] for g in sample.galaxies])
        for colour, one in zip(_COLOURS, found, strict=False):
            for galaxy, fit in zip(sample.galaxies, one.fits, strict=True):
                if fit is not None:
                    _point(
                        axis, galaxy.truth[name], error_of(name, fit, galaxy), _ends(fit, name), colour, fit
                    )
            axis.plot([], [], "o", color=colour, label=one.fitter.name)
        low, high = float(truth.min()), float(truth.max())
        pad = 0.15 * max(high - low, 0.1 * abs(high), 1e-3)
        axis.plot([low - pad, high + pad], [low - pad, high + pad], color="#888888", lw=0.8, zorder=0)
        axis.set_xlim(low - pad, high + pad)
        axis.set_xlabel(f"true {name.replace('_', ' ')} ({unit})", fontsize=8)
        axis.set_ylabel("fitted", fontsize=8)
        axis.tick_params(labelsize=7)
    axes[0].legend(fontsize=7, frameon=False)
    return png(figure)


def _ends(fit: Fit, name: str) -> tuple[float, float]:
    value = fit.values[name]
    return max(value - fit.low[name], 0.0), max(fit.high[name] - value, 0.0)


def _point(axis, true: float, off: float, ends: tuple[float, float], colour: str, fit: Fit) -> None:
    axis.errorbar(
        [true],
        [true + off],
        yerr=[[ends[0]], [ends[1]]],
        fmt="o",
        ms=3.5,
        lw=0.7,
        color=colour,
        mfc=colour if fit.converged else "white",
    )
