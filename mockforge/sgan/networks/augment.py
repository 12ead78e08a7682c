"""Adaptive augmentation of the discriminator's input, against memorisation of a small field.

Karras et al. 2020 (arXiv:2006.06676), with what the sky itself does not change under: turns by any
angle and shifts by parts of a pixel. Flips, quarter turns and whole pixels are drawn for every crop
anyway. A scale of the brightness is left out: a field's depth and counts are what is learned.

Real and generated crops, both as observed, go through one operator with one probability, so the
generator gains nothing by painting what a turn leaves behind. The operator resamples by Fourier
shifts of rows and columns, which keep white noise white and its rms to a per cent; interpolation
by a cubic would lower both rms alike, and blur what the discriminator is to judge.

What a turn brings in from outside is the crop mirrored at its edges. Larger crops, cut after the
turn, would have twice the pixels to paint, and far fewer places in a small, masked field.
"""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mockforge.rng import Stream
from mockforge.sgan.lattice.instrument import full_precision
from mockforge.train.adversarial import Logits
from mockforge.train.parallel import total

TARGET = 0.6
"""Mean sign of the logits of real crops that is held; the published value."""
HIGHEST = 0.8
"""Probability beyond which the paper sees augmentations leak into what is generated."""
BATCHES = 4
"""Batches to a mean sign, as published."""
CROPS = 100_000
"""Real crops that take the probability from 0 to 1: a small field is memorised early."""


class Augment(nn.Module):
    """Turns and shifts crops (n, bands, s, s), each with probability `p`, which follows the logits.

    `p` and the tally of the batches since its last step are buffers: they belong to a checkpoint.
    """

    p: Tensor
    tally: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("p", torch.zeros(()))
        self.register_buffer("tally", torch.zeros(3))

    def forward(self, crops: Tensor, stream: Stream) -> Tensor:
        """Return the crops, some of them turned by up to 45 degrees or shifted by up to half a pixel."""
        p, n = float(self.p), len(crops)
        if p == 0.0:
            return crops
        rng = stream.numpy()
        angle = np.where(rng.random(n) < p, rng.uniform(-45.0, 45.0, n), 0.0)
        shift = np.where(rng.random((n, 1)) < p, rng.uniform(-0.5, 0.5, (n, 2)), 0.0)
        chosen = np.flatnonzero((angle != 0.0) | shift.any(axis=1))
        if len(chosen) == 0:
            return crops
        rows = torch.from_numpy(chosen).to(crops.device)
        changed = moved(crops.index_select(0, rows), angle[chosen], shift[chosen])
        return crops.index_copy(0, rows, changed)

    @torch.no_grad()
    def follow(self, real: Logits, crops: int) -> None:
        """Step `p` up where the discriminator is surer of `crops` real crops than the target, else down.

        `real` are their logits, positive for "real", one tensor per scale; scales count alike.
        """
        sign = torch.stack([x.float().sign().mean() for x in real]).mean()
        count = torch.full_like(sign, float(crops))
        self.tally += torch.stack([torch.ones_like(sign), count, count * sign])
        if int(self.tally[0]) < BATCHES:
            return
        _, count, signs = total(self.tally)
        self.p += torch.sign(signs / count - TARGET) * count / CROPS
        self.p.clamp_(0.0, HIGHEST)
        self.tally.zero_()


def moved(crops: Tensor, angle_deg: np.ndarray, shift: np.ndarray) -> Tensor:
    """Crops (n, bands, s, s), each turned about its centre, then shifted; float32.

    `angle_deg` (n,), in the sense of `torch.rot90`; `shift` (n, 2) y, x in pixels. Quarter turns are
    exact. The rest is three shears (Unser, Thevenaz & Yaroslavsky 1995), of which each is Fourier
    shifts along an axis: linear in the crops, differentiable, and white noise stays white.
    """
    quarters = np.rint(angle_deg / 90.0)
    turned = [torch.rot90(c, int(q), (-2, -1)) for c, q in zip(crops, quarters, strict=True)]
    remaining_rad = np.deg2rad(angle_deg - 90.0 * quarters)
    size = crops.shape[-1]
    pad = size // 2
    with full_precision(crops):
        wide = F.pad(torch.stack(turned).float(), (pad, pad, pad, pad), mode="reflect")
        place = np.arange(size + 2 * pad) - (size + 2 * pad - 1) / 2.0
        wide = wide * _disc(place, size).to(wide)
        lean, rise = -np.tan(remaining_rad / 2.0)[:, None], np.sin(remaining_rad)[:, None]
        dy, dx = shift.T[:, :, None]
        wide = _slid(wide, lean * place)
        wide = _slid(wide.transpose(-1, -2), rise * place - dy).transpose(-1, -2)
        wide = _slid(wide, lean * (place - dy) - dx)
    return wide[..., pad : pad + size, pad : pad + size]


def _slid(image: Tensor, by: np.ndarray) -> Tensor:
    """Each row of image (n, bands, rows, x) read `by` (n, rows) pixels further on, going round."""
    width = image.shape[-1]
    far = torch.from_numpy(by.astype(np.float32)).to(image.device)
    angle = 2.0 * torch.pi * far[:, None, :, None] * torch.fft.rfftfreq(width, device=image.device)
    phase = torch.polar(torch.ones_like(angle), angle)
    return torch.fft.irfft(torch.fft.rfft(image) * phase, n=width)


def _disc(place: np.ndarray, size: int) -> Tensor:
    """1 wherever a turned crop is read, 0 before the wide image ends, smooth between, (y, x).

    Sheared rows and columns go round at the ends of the wide image: what would jump there rings
    through all of them. No shear brings to the ends what lies within 0.92 `size` of the centre.
    """
    inner, outer = size / math.sqrt(2.0) + 1.0, 0.92 * size
    beyond = np.clip((np.hypot(place[:, None], place) - inner) / (outer - inner), 0.0, 1.0)
    return torch.from_numpy(0.5 + 0.5 * np.cos(np.pi * beyond))
