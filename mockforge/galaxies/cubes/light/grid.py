"""The spaxels of cubes with their PSF, and how finely what lies behind them is sampled."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mockforge.galaxies.cubes.light.blur import Blur, blur_of
from mockforge.observe.psf.models import PsfModel


@dataclass(frozen=True)
class Sampling:
    """How finely pixels and lines of sight are sampled."""

    inside: int = 2
    """Gauss and Legendre's points across a fine pixel, along x and along y."""
    nodes: int = 6
    """Nodes on each side of the brightest place of a line of sight."""
    fine: int = 1
    """Fine pixels across a spaxel, on which the PSF is applied: more than 1 where it is narrow."""
    rings: float = 1.0
    """Rings of the plane and points on them, over what the PSF and the lines ask for; see `ringed`."""
    faintest: float = 1e-3
    """Waves are left out of which the PSF leaves less; see `ringed`."""

    def finer(self) -> Sampling:
        """Return half as many points and nodes more, rounded up, and fainter waves."""
        return replace(
            self,
            inside=-(-3 * self.inside // 2),
            nodes=-(-4 * self.nodes // 3),
            rings=1.4 * self.rings,
            faintest=0.3 * self.faintest,
        )


@dataclass(frozen=True, eq=False)
class Grid:
    """The spaxels of cubes, with what lies beside them and is scattered in."""

    shape: tuple[int, int]
    """(y, x), spaxels."""
    scale: float
    """Arcsec."""
    psf: PsfModel | None = None
    margin: int = 0
    """Spaxels beside the field whose light is also followed."""
    padding: int = 16
    """Spaxels of zeros against what a Fourier transform wraps round."""

    @property
    def wide(self) -> tuple[int, int]:
        """The shape with the margin."""
        return self.shape[0] + 2 * self.margin, self.shape[1] + 2 * self.margin

    def edges(self, fine: int, like: Tensor) -> tuple[Tensor, Tensor]:
        """Return the edges of the fine pixels along y and x, arcsec from the middle of the field."""
        y, x = (
            (torch.arange(n * fine + 1, dtype=like.dtype, device=like.device) / fine - n / 2) * self.scale
            for n in self.wide
        )
        return y, x

    def blur(self, fine: int) -> Blur | None:
        """Return the PSF on fine pixels, None for none."""
        if self.psf is None:
            return None
        shape = (self.wide[0] * fine, self.wide[1] * fine)
        return blur_of(self.psf, shape, self.scale / fine, self.padding * fine)
