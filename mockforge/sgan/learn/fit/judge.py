"""Errors of what the scene fit found, and which of its sources are not to be trusted."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import REASONS, FittedScene
from mockforge.sgan.learn.fit.newton import BOUNDS, Light, Prior, covariances
from mockforge.sgan.learn.fit.windows import Window, derivatives
from mockforge.sgan.sources.marks import Marks

_MASKED = 0.15
"""Share of a source's light on masked pixels or outside of the field above which it is cut."""
_OWN = 0.35
"""Share of its own light in the light where it lies, below which a source is swallowed."""
_POOR = 6.0
"""Chi2 a pixel above which a fit is poor."""
_DIFFUSE = 1.5
"""Half-light radius over the seeing of a source nowhere above the rms that is a rest of the background: a
ghost of the telescope, the halo of a masked star, a step between detectors."""
_FAINT = 3.0
_FAR = 2.5
"""Scatters of the prior about the detection beyond which a source has moved away."""


def judged(
    field: LearnField, psf: PixelPsf, state: Any, groups: list[Window], light: Light, prior: Prior,
    seconds: float,
) -> FittedScene:  # fmt: skip
    """Return the fitted scene: marks, errors, flags."""
    shape, flux = state.shape, state.flux
    both, alone = covariances(shape, flux, groups, light, prior, psf)
    hidden, own, chi2, seen = _in_windows(shape, flux, groups, light, psf)
    error = both.clamp_min(0).sqrt().numpy()
    squared = ((flux**2) / alone).sum(1).numpy()
    snr = np.sqrt(np.maximum(squared - flux.shape[1], 0.0))
    marks = Marks.make(
        shape[:, 0].numpy(), shape[:, 1].numpy(), flux.numpy(), star=state.star,
        **{name: shape[:, i].numpy() for i, name in ((2, "log_radius"), (3, "e1"), (4, "e2"), (5, "log_n"))},
    )  # fmt: skip
    away = (torch.hypot(*(shape[:, :2] - state.start).T) / state.reach).numpy()
    bad = {
        "cut by a mask or the edge": hidden > _MASKED,
        "no light": (flux.mean(1).numpy() <= 0) | (snr < _FAINT),
        "swallowed by a neighbour": own < _OWN,
        "poor fit": chi2 > _POOR,
        "background": ~seen & ~state.star & (marks.log_radius > np.log(_DIFFUSE * np.mean(psf.fwhm_pix))),
        "at a bound": ~state.star & _at_bound(marks),
        "moved away": away > _FAR,
    }
    why = np.full(len(marks), "", dtype=f"U{max(map(len, REASONS))}")
    for reason in reversed(REASONS[1:]):
        why[bad[reason]] = reason
    return FittedScene(
        marks=marks,
        flux_err=error[:, 6:],
        log_radius_err=error[:, 2],
        e_err=np.sqrt((error[:, 3] ** 2 + error[:, 4] ** 2) / 2),
        log_n_err=error[:, 5],
        place_err=np.sqrt((error[:, 0] ** 2 + error[:, 1] ** 2) / 2),
        snr=snr,
        why=why,
        chi2=chi2,
        found_later=state.later,
        size_prior=state.size,
        model=light.model.numpy(),
        numbers=_numbers(field, light, marks, why, state, seconds),
    )


def _in_windows(
    shape: Tensor, flux: Tensor, groups: list[Window], light: Light, psf: PixelPsf
) -> tuple[np.ndarray, ...]:
    """(N,) each: masked share of light, own share of the light there, chi2 where it is visible, if it is."""
    hidden, own, chi2 = (torch.zeros(len(shape), dtype=torch.float64) for _ in range(3))
    visible = torch.zeros(len(shape), dtype=torch.bool)
    for window in groups:
        rows = window.rows
        mine = flux[rows].float()[:, :, None, None] * derivatives(shape, window, psf)[:, :, 0]
        weight, model = window.of(light.weight), window.of(light.model)
        mine = mine.clamp_min(0)
        known = weight > 0
        whole = mine.sum((1, 2, 3)).clamp_min(1e-9)
        hidden[rows] = 1.0 - ((mine * known).sum((1, 2, 3)) / whole).double()
        share = (mine / model.clamp_min(1e-9)).clamp(max=1.0) * known
        own[rows] = ((mine * share).sum((1, 2, 3)) / (mine * known).sum((1, 2, 3)).clamp_min(1e-9)).double()
        seen = known & (mine > window.of(light.rms))
        squares = window.of(light.residual) ** 2 * weight * seen
        chi2[rows] = (squares.sum((1, 2, 3)) / seen.sum((1, 2, 3)).clamp_min(1)).double()
        visible[rows] = seen.flatten(1).any(1)
    return hidden.numpy(), own.numpy(), chi2.numpy(), visible.numpy()


def _at_bound(marks: Marks) -> np.ndarray:
    near = 0.02
    low, high = BOUNDS["log_radius"]
    least, most = BOUNDS["log_n"]
    return (
        (marks.log_radius < low + near)
        | (marks.log_radius > high - near)
        | (marks.ellipticity > BOUNDS["e"] - near)
        | (marks.log_n < least + near)
        | (marks.log_n > most - near)
    )


def _numbers(
    field: LearnField, light: Light, marks: Marks, why: np.ndarray, state: Any, seconds: float
) -> dict[str, Any]:
    known = ~field.mask
    white = field.correlated[:, None, None].astype(np.float32)
    squares = light.residual.numpy() ** 2 * light.weight.numpy() * white**2
    lit = known & (light.model / light.rms).amax(0).gt(1.0).numpy()
    lit = lit if lit.any() else known
    counts = Counter(why.tolist())
    return {
        "sources": len(marks),
        "found on the residual": int(state.later.sum()),
        "good": counts.get("", 0),
        "stars": int((marks.star & (why == "")).sum()),
        "chi2 per pixel": [
            {"band": name, "all": float(s[known].mean()), "where sources are": float(s[lit].mean())}
            for name, s in zip(field.bands, squares, strict=True)
        ],
        "not good": [{"why": reason, "sources": counts[reason]} for reason in REASONS[1:] if counts[reason]],
        "fit seconds": round(seconds, 1),
    }
