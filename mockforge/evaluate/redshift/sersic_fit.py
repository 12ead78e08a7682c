"""Sersic fits of many small images at once, all bands together: what a classical analysis knows."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.draw import draw
from mockforge.profiles.sersic import Sersics

_STEPS = torch.tensor([0.02, 0.02, 0.01, 0.02, 0.01, 0.01], dtype=torch.float64)
"""Of the finite differences: x, y (pixels), ln r_e, ln n, and the two ellipticities."""
_LOWEST = (-np.inf, -np.inf, np.log(0.3), np.log(0.35), -0.85, -0.85)
_HIGHEST = (np.inf, np.inf, np.inf, np.log(7.5), 0.85, 0.85)
_ROUND = 0.85
"""Largest ellipticity (1 - q) / (1 + q): an axis ratio of 0.08."""
_GAIN = 1e-3
"""A step that lowers chi squared by less ends the fit."""
_CHUNK = 32
"""Galaxies fitted at once: their images and derivatives then stay in memory that is near."""


@dataclass(frozen=True)
class SersicFit:
    """The best Sersic profile of each galaxy; all float64."""

    parameters: np.ndarray
    """(N, 6): x, y (pixels), ln r_e (pixels), ln n, e cos 2 theta, e sin 2 theta, e = (1 - q) / (1 + q)."""
    flux: np.ndarray
    """(N, C) total flux in each band."""
    error: np.ndarray
    """(N, C) standard error of the flux, all else known."""


def fit_sersics(
    image: np.ndarray, sigma: np.ndarray, centre: np.ndarray, radius: np.ndarray, psf: Transfer | None = None
) -> SersicFit:
    """Fit one profile in all bands, with a free flux in each, to every image.

    `image` (N,C,H,W); `sigma` (N,C), the noise of a pixel; `centre` (N,2), (y, x), and `radius` (N,)
    in pixels, where to start; `psf`, the transfer functions of the bands. Levenberg (1944) and
    Marquardt (1963) in six parameters; the fluxes are linear and solved for at each step, as in
    the variable projection of Golub & Pereyra (1973) with Kaufman's derivatives (1975).
    Started from two Sersic indices, 1 and 3; the better fit is kept.
    """
    parts = []
    for start in range(0, len(image), _CHUNK):
        part = slice(start, start + _CHUNK)
        problem = _Problem(image[part], sigma[part], psf)
        fits = [problem.solve(problem.start(centre[part], radius[part], n)) for n in (1.0, 3.0)]
        better = (fits[1][1] < fits[0][1])[:, None]
        best = torch.where(better, fits[1][0], fits[0][0])
        parts.append((best, *problem.fluxes(best)))
    return SersicFit(*(torch.cat(column).numpy() for column in zip(*parts, strict=True)))


def paint(
    parameters: np.ndarray, flux: np.ndarray, shape: tuple[int, int], psf: Transfer | None
) -> np.ndarray:
    """Images (N,C,H,W) float32 of profiles with `parameters` (N,6) and total `flux` (N,C)."""
    sed = torch.from_numpy(np.asarray(flux, dtype=np.float64))[:, :, None]
    drawn = draw(_sersics(torch.from_numpy(parameters)), None, sed, shape, psf)
    return (drawn.clean if drawn.psf is None else drawn.psf).numpy()


@dataclass
class _Problem:
    """A chunk of galaxies: pixels in units of their noise, (N, C, H W)."""

    image: np.ndarray
    sigma: np.ndarray
    psf: Transfer | None

    def __post_init__(self) -> None:
        self.shape = self.image.shape[2:]
        scaled = self.image / self.sigma[:, :, None, None]
        self.data = torch.from_numpy(scaled.reshape(*scaled.shape[:2], -1).astype(np.float64))
        self.weight = torch.from_numpy(1.0 / self.sigma**2)  # of a squared unit of flux

    def start(self, centre: np.ndarray, radius: np.ndarray, n: float) -> Tensor:
        """Round profiles of index `n`."""
        out = np.zeros((len(centre), 6))
        out[:, 0], out[:, 1], out[:, 2], out[:, 3] = centre[:, 1], centre[:, 0], np.log(radius), np.log(n)
        return torch.from_numpy(out)

    def solve(self, p: Tensor, iterations: int = 40) -> tuple[Tensor, Tensor]:
        """Parameters and what they leave unexplained (chi squared less a constant), (N, 6) and (N,)."""
        best = self.left(p, slice(None))
        damping = torch.full_like(best, 1e-2)
        active = torch.arange(len(p))
        for _ in range(iterations):
            normal, gradient = self.derivatives(p[active], active)
            diagonal = torch.diagonal(normal, dim1=1, dim2=2)
            floor = 1e-9 * diagonal.amax(dim=1, keepdim=True).clamp_min(1e-300)
            damped = normal + torch.diag_embed(damping[active][:, None] * diagonal + floor)
            step = torch.linalg.solve(damped, gradient)
            trial = _held(p[active] + step.clamp(-0.7, 0.7), self.shape)
            misfit = self.left(trial, active)
            good = misfit < best[active]
            gain = torch.where(good, best[active] - misfit, torch.inf)
            p[active[good]], best[active[good]] = trial[good], misfit[good]
            damping[active] = torch.where(good, damping[active] * 0.2, damping[active] * 8).clamp_min(1e-7)
            active = active[(gain > _GAIN + 1e-9 * self.power(active)) & (damping[active] < 1e4)]
            if not len(active):
                break
        return p, best

    def power(self, which: Tensor) -> Tensor:
        """Return the sum of the squared pixels, (N,)."""
        return self.data[which].square().sum(dim=(1, 2)).clamp_min(1e-300)

    def left(self, p: Tensor, which: Tensor | slice) -> Tensor:
        """Minus the part of the squared pixels that the best fluxes explain, (N,)."""
        model = self.model(p)
        dot, norm = self._onto(model, which)
        return -(self.weight[which] * dot.clamp_min(0) ** 2 / norm).sum(dim=1)

    def fluxes(self, p: Tensor) -> tuple[Tensor, Tensor]:
        """Best flux of each band and its standard error, (N, C) each."""
        dot, norm = self._onto(self.model(p), slice(None))
        return dot / norm, (1 / (norm * self.weight)).sqrt()

    def derivatives(self, p: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return the normal matrix (N,6,6) and right side (N,6) of a step, the fluxes projected out."""
        model = self.model(p)
        dot, norm = self._onto(model, which)
        flux = (dot / norm).clamp_min(0)
        slopes = []
        for k, step in enumerate(_STEPS):
            moved = p.clone()
            moved[:, k] += step
            slopes.append((self.model(moved) - model) / step)
        slope = torch.stack(slopes, dim=2)  # (N, C or 1, 6, pixels)
        along = torch.einsum("nckp,ncp->nck", slope, model) / norm[:, : model.shape[1], None]
        slope = slope - along[..., None] * model[:, :, None]
        gram = torch.einsum("nckp,nclp->nckl", slope, slope)
        weight = flux**2 * self.weight[which]
        if model.shape[1] == 1:
            normal = gram[:, 0] * weight.sum(dim=1)[:, None, None]
        else:
            normal = (gram * weight[:, :, None, None]).sum(dim=1)
        noise = self.weight[which].sqrt()
        pull = torch.einsum("nckp,ncp->nck", slope.expand(-1, noise.shape[1], -1, -1), self.data[which])
        return normal, (pull * (flux * noise)[:, :, None]).sum(dim=1)

    def model(self, p: Tensor) -> Tensor:
        """Profiles of unit flux, (N, C or 1, pixels): one per band only where there is a PSF."""
        unit_flux = torch.ones(
            len(p), len(self.psf.mix) if self.psf is not None else 1, 1, dtype=torch.float64
        )
        drawn = draw(_sersics(p), None, unit_flux, self.shape, self.psf)
        return (drawn.clean if drawn.psf is None else drawn.psf).flatten(2).double()

    def _onto(self, model: Tensor, which: Tensor | slice) -> tuple[Tensor, Tensor]:
        """<model, image> and <model, model> in each band, (N, C) each, in units of flux."""
        sigma = self.weight[which].rsqrt()
        dot = (model * self.data[which]).sum(dim=2) * sigma
        return dot, model.square().sum(dim=2).clamp_min(1e-30).expand_as(dot)


def _held(p: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Return the parameters within their limits."""
    low, high = (torch.tensor(v, dtype=p.dtype) for v in (_LOWEST, _HIGHEST))
    top = torch.tensor(
        [shape[1] - 1.0, shape[0] - 1.0, np.log(4.0 * max(shape)), *[np.inf] * 3], dtype=p.dtype
    )
    p = torch.minimum(torch.maximum(p, low), torch.minimum(high, top))
    p[:, :2] = p[:, :2].clamp_min(0)
    e = torch.hypot(p[:, 4], p[:, 5])[:, None].clamp_min(1e-12)
    return torch.cat([p[:, :4], p[:, 4:] * (_ROUND / e).clamp_max(1)], dim=1)


def _sersics(p: Tensor) -> Sersics:
    e = torch.hypot(p[:, 4], p[:, 5]).clamp_max(0.9)
    columns = (
        *(p[:, 0], p[:, 1], p[:, 2].exp(), p[:, 3].exp().clamp(0.31, 7.9)),
        (1 - e) / (1 + e),
        torch.rad2deg(0.5 * torch.atan2(p[:, 5], p[:, 4])),
        *(torch.zeros(len(p), dtype=p.dtype),) * 2,
    )
    return Sersics(*(c[:, None] for c in columns))
