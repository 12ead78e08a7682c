"""The frame of a source: its pixels turned to the major axis, made round, in half-light radii."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mockforge.sgan.light.stamps import MOST_ELLIPTICAL

SOFTENING = 0.7
"""Native pixels: what is smaller than this is seen through it, so that pixels of points lie not far out."""
HELD = 3.0
"""Half-light radii up to which light is modulated in full."""
FADED = 5.0
"""Half-light radii beyond which it is not: wings stay those of the profile."""


@dataclass(frozen=True)
class Frame:
    """Where P pixels of N stamps lie in their sources, each (N, P)."""

    u: Tensor
    """Along the major axis, in softened half-light radii."""
    v: Tensor
    """Along the minor axis, stretched so that isophotes are circles; its sign is the parity's."""
    fade: Tensor
    """1 where light is modulated in full, 0 far out."""

    def rows(self, i: slice | Tensor) -> Frame:
        """Return the frames of some sources."""
        return Frame(self.u[i], self.v[i], self.fade[i])

    @property
    def radius(self) -> Tensor:
        """(N, P) distance from the centre, half-light radii."""
        return torch.hypot(self.u, self.v)


@dataclass(frozen=True)
class Shapes:
    """Places and shapes of N sources as tensors (N,), on the grid of the stamps that are made of them."""

    dx: Tensor
    """Pixels from the middle of a stamp."""
    dy: Tensor
    log_radius: Tensor
    """ln of the half-light radius in pixels of the stamp."""
    e1: Tensor
    e2: Tensor
    log_n: Tensor
    mirrored: Tensor
    """bool: parity."""

    def __len__(self) -> int:
        return len(self.dx)

    def rows(self, i: slice | Tensor) -> Shapes:
        """Return some of the sources."""
        return Shapes(*(value[i] for value in vars(self).values()))

    @property
    def marks(self) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor, Tensor]:
        """What `stamps.stamps` takes first, in its order."""
        return self.dx, self.dy, self.log_radius, self.e1, self.e2, self.log_n


def frame_of(shapes: Shapes, half: int, softening: float = SOFTENING) -> Frame:
    """Return where the pixels of square stamps lie in their sources.

    Parameters
    ----------
    shapes
        N sources.
    half : int
        Pixels from the middle of a stamp to its edge; P = (2 half + 1)^2, row by row.
    softening : float
        `SOFTENING` in pixels of the stamp: 0.7 times their number along a native pixel.
    """
    e1, e2 = shapes.e1, shapes.e2
    e = torch.where(e1 * e1 + e2 * e2 > 1e-12, torch.sqrt(e1 * e1 + e2 * e2 + 1e-20), 0.0)
    e = e.clamp_max(MOST_ELLIPTICAL)
    ratio = (1 - e) / (1 + e)
    angle = torch.where(e > 0, 0.5 * torch.atan2(e2, torch.where(e > 0, e1, 1.0)), 0.0)
    square = torch.exp(2 * shapes.log_radius)
    major, minor = (torch.sqrt(square * s + softening**2) for s in (1 / ratio, ratio))
    cos, sin = torch.cos(angle), torch.sin(angle)
    parity = torch.where(shapes.mirrored, -1.0, 1.0).to(minor)
    g = torch.arange(-half, half + 1, device=cos.device, dtype=cos.dtype)
    x = (g - shapes.dx[:, None])[:, None, :]
    y = (g - shapes.dy[:, None])[:, :, None]
    along, across = (cos / major, sin / major), (-sin * parity / minor, cos * parity / minor)
    u, v = ((x * a[:, None, None] + y * b[:, None, None]).flatten(1) for a, b in (along, across))
    return Frame(u, v, fading(torch.sqrt(u * u + v * v + 1e-12)))


def reach(log_radius: Tensor, e1: Tensor, e2: Tensor, softening: float = SOFTENING) -> Tensor:
    """Return how far from its centre along x or y a source is modulated, pixels (N,)."""
    e = torch.hypot(e1, e2).clamp_max(MOST_ELLIPTICAL)
    return FADED * torch.sqrt(torch.exp(2 * log_radius) * (1 + e) / (1 - e) + softening**2)


def fading(radius: Tensor) -> Tensor:
    """1 within `HELD` half-light radii, 0 beyond `FADED`, with continuous slope and curvature between."""
    t = ((radius - HELD) * (1 / (FADED - HELD))).clamp(0, 1)
    return 1 - t * t * t * ((6 * t - 15) * t + 10)
