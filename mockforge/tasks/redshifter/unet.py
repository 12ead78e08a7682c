"""The conditional U-Net: a first guess from geometry, then what bands and pixels still need."""

from __future__ import annotations

import math
from collections.abc import Mapping
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mockforge.tasks.redshifter.config import RedshifterLoss, Unet
from mockforge.tasks.redshifter.geometry import FirstGuess, Geometry, exactly

_STEEPEST = 8.0
"""Largest change of a band's flux that the network can ask for, in e-folds."""
_BRIGHTEST = 14.0
"""Largest stretched pixel: exp(14) times the scale."""
_SEEN = (1 / 6, 1 / 16)
"""Windows, in sides of the stamp, in which the network sees the fluxes of the bands."""
_HELD = (math.inf, 1 / 6, 1 / 12, 1 / 24, 1 / 48)
"""Windows in which its fluxes are held to the target's, from the stamp to a pixel or two."""
_FAINTEST = 1e-3
"""A band's scale is never below this fraction of the brightest band's."""


class ConditionedBlock(nn.Module):
    """Two 3 x 3 convolutions on top of what comes in; the condition scales and shifts between them."""

    def __init__(self, wide_in: int, wide_out: int, embedding: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(wide_in, wide_out, 3, padding=1)
        self.steer = nn.Linear(embedding, 2 * wide_out)
        self.norm = nn.GroupNorm(_groups(wide_out), wide_out)
        self.second = nn.Conv2d(wide_out, wide_out, 3, padding=1)
        self.skip = nn.Conv2d(wide_in, wide_out, 1) if wide_in != wide_out else nn.Identity()

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """(N, wide_in, H, W) and (N, embedding) to (N, wide_out, H, W)."""
        scale, shift = self.steer(condition)[:, :, None, None].chunk(2, dim=1)
        inner = F.silu(self.norm(self.first(F.silu(x))) * (1 + scale) + shift)
        return self.skip(x) + self.second(inner)


class UnetRedshifter(nn.Module):
    """A galaxy at z_in to the same galaxy at z_out; see `mockforge.tasks.redshifter.config.Unet`.

    The prediction is scale * sinh(stretched first guess + what the network adds), so the stretch
    can be undone, the scale of every sample is kept, and flux is absolute. Before training the
    network adds nothing. Faint pixels change by addition, bright ones by a factor.
    """

    def __init__(
        self, spec: Unet, bands: int, geometry: Geometry, loss: RedshifterLoss | None = None
    ) -> None:
        super().__init__()
        self.spec, self.loss = spec, loss or RedshifterLoss()
        self.guess = FirstGuess(geometry)
        wide, e = spec.widths, spec.embedding
        facts = 5 + 3 * bands  # of the redshifts, and three sets of colours
        self.embed = nn.Sequential(nn.Linear(facts, 2 * e), nn.SiLU(), nn.Linear(2 * e, e), nn.SiLU())
        self.spectrum = nn.Sequential(
            *(nn.Linear(facts, 2 * e), nn.SiLU(), nn.Linear(2 * e, 2 * e), nn.SiLU()),
            _zero(nn.Linear(2 * e, bands)),
        )
        self.enter = nn.Conv2d(2 * bands, wide[0], 3, padding=1)
        self.down = nn.ModuleList(_blocks(n, n, spec.blocks, e) for n in wide[:-1])
        self.coarser = nn.ModuleList(nn.Conv2d(a, b, 2, stride=2) for a, b in pairwise(wide))
        self.middle = _blocks(wide[-1], wide[-1], spec.blocks, e)
        self.finer = nn.ModuleList(nn.Conv2d(b, a, 1) for a, b in pairwise(wide))
        self.up = nn.ModuleList(_blocks(2 * n, n, spec.blocks, e) for n in wide[:-1])
        self.leave = _zero(nn.Conv2d(wide[0], bands, 3, padding=1))
        self.to(memory_format=torch.channels_last)  # a fifth faster, on the CPU too

    def forward(self, image: Tensor, z_in: Tensor, z_out: Tensor) -> Tensor:
        """Return the galaxy at `z_out`, (N,C,H,W) in the unit of `image` (N,C,H,W); z (N,)."""
        half = torch.is_autocast_enabled(image.device.type)
        with exactly(image):
            return self._predicted(image, z_in, z_out, half)

    def _predicted(self, image: Tensor, z_in: Tensor, z_out: Tensor, half: bool) -> Tensor:
        guess = self.guess(image, z_in, z_out)
        facts = torch.cat([self._redshifts(z_in, z_out), self._colours(image, guess)], dim=1)
        gain = _STEEPEST * torch.tanh(self.spectrum(facts) / _STEEPEST)
        guess = guess * torch.exp(gain)[:, :, None, None]
        scale = self.spec.softening * band_scale(guess)
        stretched = torch.asinh(image / (self.spec.softening * band_scale(image)))
        start = torch.asinh(guess / scale)
        with torch.autocast(image.device.type, torch.bfloat16, enabled=half):  # the convolutions alone
            change = self._pixels(torch.cat([start, stretched], dim=1), self.embed(facts)).float()
        return scale * torch.sinh((start + change).clamp(-_BRIGHTEST, _BRIGHTEST))

    def losses(
        self, image: Tensor, target: Tensor, z_in: Tensor, z_out: Tensor, source: torch.Generator
    ) -> Mapping[str, Tensor]:
        """Named losses: of stretched pixels, and of the flux in each band."""
        predicted = self(image, z_in, z_out)
        with exactly(image):
            scale = self.loss.softening * band_scale(target, self.loss.faintest)
            pixels = (torch.asinh(predicted / scale) - torch.asinh(target / scale)).abs().mean()
            return {"loss/pixels": pixels, "loss/flux": self.loss.flux * self._flux_error(predicted, target)}

    def _flux_error(self, made: Tensor, target: Tensor) -> Tensor:
        """Mean error of the log flux of the stamp and of windows; linear where a band is dark."""
        windows = _windows(target.shape[2:], target.device, _HELD)
        flux, true_flux = (torch.einsum("nchw,khw->nkc", v, windows) for v in (made, target))
        floor = self.loss.faintest * true_flux.abs().amax(dim=2, keepdim=True).clamp_min(1e-30)
        return (torch.asinh(flux / floor) - torch.asinh(true_flux / floor)).abs().mean()

    def _redshifts(self, z_in: Tensor, z_out: Tensor) -> Tensor:
        size, flux = self.guess.factors(z_in, z_out)
        rows = [z_in, z_out, torch.log((1 + z_out) / (1 + z_in)), torch.log(size), torch.log(flux) / 4]
        return torch.stack([row.float() for row in rows], dim=1)

    def _colours(self, image: Tensor, guess: Tensor) -> Tensor:
        """Flux of each band relative to the brightest: outer and inner input, and the first guess."""
        windows = _windows(image.shape[2:], image.device, _SEEN)
        rows = [
            *torch.einsum("nchw,khw->nkc", image, windows).unbind(dim=1),
            torch.einsum("nchw,hw->nc", guess, windows[0]),
        ]
        brightest = [row.abs().amax(dim=1, keepdim=True).clamp_min(1e-30) for row in rows]
        return torch.cat(
            [torch.asinh(row / (_FAINTEST * top)) / 4 for row, top in zip(rows, brightest, strict=True)],
            dim=1,
        )

    def _pixels(self, x: Tensor, condition: Tensor) -> Tensor:
        height, width = x.shape[2:]
        multiple = 2 ** len(self.coarser)
        x = F.pad(x, (0, -width % multiple, 0, -height % multiple), mode="replicate")
        x = self.enter(x)
        skips = []
        for blocks, coarser in zip(self.down, self.coarser, strict=True):
            x = _through(blocks, x, condition)
            skips.append(x)
            x = coarser(x)
        x = _through(self.middle, x, condition)
        for blocks, finer, beside in zip(
            reversed(self.up), reversed(self.finer), reversed(skips), strict=True
        ):
            x = F.interpolate(finer(x), scale_factor=2.0, mode="nearest")
            x = _through(blocks, torch.cat([x, beside], dim=1), condition)
        return self.leave(F.silu(x))[:, :, :height, :width]


def band_scale(image: Tensor, faintest: float = _FAINTEST) -> Tensor:
    """Return the rms of each band of each sample, (N,C,1,1), at least a fraction of the brightest band's."""
    rms = image.square().mean(dim=(2, 3), keepdim=True).sqrt()
    return torch.maximum(rms, faintest * rms.amax(dim=1, keepdim=True)).clamp_min(1e-30).detach()


def _windows(shape: torch.Size, device: torch.device, widths: tuple[float, ...]) -> Tensor:
    """(K, H, W): Gaussians about the stamp's centre, their sigmas in units of its side."""
    y = torch.arange(shape[0], device=device)[:, None] - (shape[0] - 1) / 2
    x = torch.arange(shape[1], device=device)[None, :] - (shape[1] - 1) / 2
    square = (y**2 + x**2) / min(shape) ** 2
    return torch.stack([torch.exp(-square / (2 * s**2)) for s in widths])


def _blocks(wide_in: int, wide_out: int, count: int, embedding: int) -> nn.ModuleList:
    return nn.ModuleList(
        ConditionedBlock(wide_in if k == 0 else wide_out, wide_out, embedding) for k in range(count)
    )


def _through(blocks: nn.Module, x: Tensor, condition: Tensor) -> Tensor:
    for block in blocks:  # type: ignore[attr-defined]
        x = block(x, condition)
    return x


def _groups(wide: int) -> int:
    return next(g for g in (8, 4, 2, 1) if wide % g == 0)


def _zero(layer: nn.Module) -> nn.Module:
    """Return the layer with weights of zero: it then starts by changing nothing."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
    return layer
