"""Fitting a turning disk to a cube: Levenberg and Marquardt's steps through the model that made cubes.

Every derivative is exact, by forward-mode differentiation of the same torch code: one row of a batch for each
parameter. Errors are those of the Fisher matrix, F = J^T J with J the derivatives of the cube over its noise.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor
from torch.autograd import forward_ad

from mockforge.errors import InputError
from mockforge.galaxies.cubes.body.disk import Disk, Physics, disks
from mockforge.galaxies.cubes.body.doppler import C_KM_S
from mockforge.galaxies.cubes.light.channels import Spectrum
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.model import cubes

FREE = ("x", "y", "flux", "r_half", "inclination", "position_angle", "v_max", "r_turn", "velocity", "sigma")
"""What is fitted; all else is given."""
_LOGARITHMIC = {"flux", "r_half", "v_max", "r_turn", "sigma"}
"""Fitted as logarithms: they are positive."""
_BOUNDS = {"inclination": (3.0, 88.0), "r_turn": (0.02, 3.0), "sigma": (1.0, 400.0), "v_max": (1.0, 800.0)}
"""Between which parameters stay; `r_turn` in half-light radii."""
_STARTS = ((30.0, 0.0), (50.0, 0.0), (70.0, 0.0), (50.0, 180.0))
"""Inclinations from which a fit starts, and turns of the guessed angle, degrees: the best is taken on.

Noise may turn the guess round, and no small step leads back."""


@dataclass(frozen=True)
class Fitted:
    """What a fit found."""

    values: dict[str, float]
    """Parameter -> value, in the units of `disk.PARAMETERS`."""
    errors: dict[str, float]
    """Parameter -> standard deviation by the Fisher matrix."""
    chi2: float
    """Of the cube, over its degrees of freedom."""
    steps: int
    converged: bool


@dataclass(frozen=True, eq=False)
class Observed:
    """A cube, and what is known of how it was made."""

    cube: Tensor
    """(C, y, x), in the unit of the disk's flux per channel of a spaxel."""
    variance: Tensor
    """(C, y, x); 0 where there is no spaxel."""
    physics: Physics
    grid: Grid
    spectrum: Spectrum
    thickness: float = 0.15
    """Scale height over half-light radius."""


def fit(observed: Observed, sampling: Sampling | None = None, most: int = 40) -> Fitted:
    """Return the disk that fits a cube best, and its errors.

    Parameters
    ----------
    observed : Observed
        The cube.
    sampling : Sampling, optional
        How finely the model is sampled at the end; it begins more coarsely.
    most : int
        Steps at most.

    Raises
    ------
    InputError
        A cube and a variance of other shapes than the spaxels and channels, or without positive flux.
    """
    shape = (observed.spectrum.channels, *observed.grid.shape)
    if tuple(observed.cube.shape) != shape or tuple(observed.variance.shape) != shape:
        raise InputError(
            f"a fit wants a cube and a variance of {shape}, found {tuple(observed.cube.shape)} and"
            f" {tuple(observed.variance.shape)}"
        )
    guess = first_guess(observed)
    coarse = Sampling(1, 4, (sampling or Sampling()).fine, rings=0.8, faintest=3e-3)
    turned = [
        {**guess, "inclination": i, "position_angle": guess["position_angle"] + turn} for i, turn in _STARTS
    ]
    tried = [_descend(observed, start, coarse, 8) for start in turned]
    best = min(tried, key=lambda t: t.chi2)
    return _descend(observed, best.values, sampling or Sampling(2, 6), most)


def first_guess(observed: Observed) -> dict[str, float]:
    """Return parameters near those of a cube, from its moments; InputError where it has no light."""
    noise = observed.variance.clamp_min(1e-30).sqrt()
    there = observed.variance > 0
    light = torch.where(there & (observed.cube > 1.5 * noise), observed.cube, torch.zeros_like(noise))
    image, total = light.sum(dim=0), float(light.sum())
    if not total > 0:
        raise InputError("a fit wants a cube with light above its noise; found none")
    y, x = (
        (torch.arange(n, dtype=image.dtype) - (n - 1) / 2) * observed.grid.scale for n in observed.grid.shape
    )
    x0, y0 = float((image.sum(0) * x).sum()) / total, float((image.sum(1) * y).sum()) / total
    dx, dy = x[None, :] - x0, y[:, None] - y0
    spread = float((image * (dx**2 + dy**2)).sum()) / total / 2
    edges = torch.as_tensor(observed.spectrum.edges[0])
    share = np.atleast_2d(observed.spectrum.share)[0]
    rest = float((observed.spectrum.at_rest[0] * share).sum() / share.sum())
    v = C_KM_S * (0.5 * (edges[1:] + edges[:-1]) / rest - 1)
    v = v.to(image)[:, None, None]
    weight = image.clamp_min(1e-30)
    field = (light * v).sum(dim=0) / weight
    mean = float((field * image).sum()) / total
    slope_x = float((image * dx * (field - mean)).sum()) / total
    slope_y = float((image * dy * (field - mean)).sum()) / total
    width = float((light * (v - field) ** 2).sum()) / total
    scatter = float((image * (field - mean) ** 2).sum()) / total
    return {
        "x": x0,
        "y": y0,
        "flux": max(float((observed.cube * there).sum()), 0.3 * total),
        "r_half": float(np.sqrt(max(0.5 * spread, observed.grid.scale**2))),
        "inclination": 50.0,
        "position_angle": float(np.degrees(np.arctan2(slope_y, slope_x))),
        "v_max": float(np.clip(2.5 * np.sqrt(scatter), 40.0, 350.0)),
        "r_turn": 0.3 * float(np.sqrt(max(0.5 * spread, observed.grid.scale**2))),
        "velocity": mean,
        "sigma": float(np.clip(0.6 * np.sqrt(width), 15.0, 100.0)),
    }


def _descend(observed: Observed, start: Mapping[str, float], sampling: Sampling, most: int) -> Fitted:
    """Return where Levenberg and Marquardt's steps from `start` end."""
    at, damping, chi2, converged = _vector(start), 1e-2, float("inf"), False
    weight = torch.where(observed.variance > 0, observed.variance.clamp_min(1e-30).rsqrt(), 0.0)
    residual, jacobian = _residual(observed, at, weight, sampling)
    chi2, steps = float(residual @ residual), 0
    while steps < most and not converged:
        steps += 1
        fisher = jacobian @ jacobian.T
        pull = jacobian @ residual
        change = torch.linalg.solve(fisher + damping * torch.diag(fisher.diagonal().clamp_min(1e-12)), pull)
        trial = _within(at + change)
        new_residual, new_jacobian = _residual(observed, trial, weight, sampling)
        new = float(new_residual @ new_residual)
        if new < chi2:
            converged = chi2 - new < 1e-3
            at, residual, jacobian, chi2 = trial, new_residual, new_jacobian, new
            damping = max(damping / 5, 1e-7)
        else:
            damping *= 6
            converged = damping > 1e5
    return _fitted(observed, at, jacobian, chi2, steps, converged)


def _fitted(
    observed: Observed, at: Tensor, jacobian: Tensor, chi2: float, steps: int, converged: bool
) -> Fitted:
    """Return values and errors in the units of the parameters."""
    fisher = jacobian @ jacobian.T
    scale = fisher.diagonal().clamp_min(1e-30).sqrt()
    covariance = torch.linalg.pinv(fisher / scale[:, None] / scale[None]) / scale[:, None] / scale[None]
    deviation = covariance.diagonal().clamp_min(0).sqrt()
    values = {name: float(value) for name, value in _values(at).items()}
    errors = {
        name: float(d) * (values[name] if name in _LOGARITHMIC else 1.0)
        for name, d in zip(FREE, deviation, strict=True)
    }
    values["position_angle"] %= 360
    count = int((observed.variance > 0).sum()) - len(FREE)
    return Fitted(values, errors, chi2 / max(count, 1), steps, converged)


def _vector(values: Mapping[str, float]) -> Tensor:
    numbers = [np.log(values[n]) if n in _LOGARITHMIC else values[n] for n in FREE]
    return _within(torch.tensor(numbers, dtype=torch.float64))


def _values(at: Tensor) -> dict[str, Tensor]:
    return {n: at[..., i].exp() if n in _LOGARITHMIC else at[..., i] for i, n in enumerate(FREE)}


def _within(at: Tensor) -> Tensor:
    """Return a vector whose parameters are in their bounds."""
    at = at.clone()
    for name, (low, high) in _BOUNDS.items():
        i = FREE.index(name)
        shift = float(at[FREE.index("r_half")]) if name == "r_turn" else 0.0
        low, high = (np.log(low) + shift, np.log(high) + shift) if name in _LOGARITHMIC else (low, high)
        at[i] = at[i].clamp(low, high)
    return at


def _residual(observed: Observed, at: Tensor, weight: Tensor, sampling: Sampling) -> tuple[Tensor, Tensor]:
    """Return (cube - model) / noise, (M,), and the model's derivatives over the noise, (parameters, M)."""
    count = len(FREE)
    with torch.no_grad(), forward_ad.dual_level(), warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch's own, of the parts that it loads for this
        rows = forward_ad.make_dual(at.expand(count, count).contiguous(), torch.eye(count, dtype=at.dtype))
        disk = _disk(_values(rows), observed.thickness)
        model = cubes(disk, observed.physics, observed.grid, observed.spectrum, replace(sampling))
        primal, tangent = forward_ad.unpack_dual(model)
    assert tangent is not None
    scale = weight.reshape(-1).to(primal.dtype)
    residual = (observed.cube.reshape(-1).to(primal.dtype) - primal[0].reshape(-1)) * scale
    jacobian = tangent.reshape(count, -1) * scale
    return residual.to(torch.float64), jacobian.to(torch.float64)


def _disk(values: dict[str, Tensor], thickness: float) -> Disk:
    """Return disks of these parameters, float32; tangents stay with them."""
    rows = len(values["x"])
    base = disks(x=torch.zeros(rows))
    single = {name: value.to(torch.float32) for name, value in values.items()}
    return base.with_values(**single, height=single["r_half"] * thickness)
