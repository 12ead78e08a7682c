"""Spectra: light of known velocity and dispersion as lines, integrated over channels.

A line is a Gaussian in wavelength, of the gas's dispersion and the line-spread function's width, added in
quadrature once; its flux in a channel is the difference of two error functions. The width of a channel
enters by that integral and nowhere else, so that narrow and wide channels show the same line.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.galaxies.cubes.body.doppler import C_KM_S, Convention, factor
from mockforge.galaxies.cubes.light.sight import Sight

_REACH = 4.5
"""Standard deviations of a line beyond which its wings are left out."""
LSF_CARD = "LSF once, in quadrature; lines by erf over channels"
"""What a header says of it."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """The channels of cubes, and the lines in them: B cubes of C channels and L lines."""

    edges: np.ndarray
    """(B, C + 1) or (1, C + 1): edges of the channels, Angstrom, rising."""
    at_rest: np.ndarray
    """(B, L) or (1, L): where each line of a gas at rest in its galaxy is seen, Angstrom, as the edges."""
    share: np.ndarray
    """(L,) or (B, L): each line's share of the flux."""
    lsf_sigma: np.ndarray
    """(B, L) or (1, L): standard deviation of the line-spread function there, Angstrom."""
    convention: Convention = "relativistic"

    def rows(self, which: slice) -> Spectrum:
        """Return the spectra of some of the cubes."""
        cut = {
            name: value[which] if value.ndim == 2 and len(value) > 1 else value
            for name, value in vars(self).items()
            if isinstance(value, np.ndarray)
        }
        return Spectrum(**cut, convention=self.convention)

    def between(self, first: int, end: int) -> Spectrum:
        """Return some of the channels."""
        return replace(self, edges=self.edges[:, first : end + 1])

    @property
    def channels(self) -> int:
        """The number of channels."""
        return self.edges.shape[1] - 1


def lsf_without_channel(sigma: np.ndarray, channel: float) -> np.ndarray:
    """Return the width of a line-spread function that was measured on sampled lines, without the channel's.

    sigma^2 - channel^2 / 12 (Sheppard 1898); InputError where nothing is left.
    """
    square = sigma**2 - channel**2 / 12
    if (square <= 0).any():
        raise InputError(
            f"a line-spread function of sigma {float(sigma.min()):.3g} Angstrom that includes channels of"
            f" {channel:g} Angstrom would be narrower than they are; leave out lsf_includes_channel"
        )
    return np.sqrt(square)


def spectra(sight: Sight, spectrum: Spectrum) -> Tensor:
    """Return the flux in every channel of every line of sight, (B, P, C), in the unit of `sight.light`.

    The sum over nodes is taken at the channels' edges, and differences afterwards.
    """
    out: Tensor | float = 0.0
    for line in range(spectrum.at_rest.shape[1]):
        edges, width, share = line_units(spectrum, line, sight.light)
        x = to_edges(sight.velocity, spectrum.convention)
        sigma = torch.sqrt(sight.variance + width**2)
        depth = (edges[:, None, None, :] - x[..., None]) / (math.sqrt(2) * sigma[..., None])
        below = torch.erf(depth)  # (B, P, S, C + 1)
        summed = torch.einsum("bps,bpsc->bpc", sight.light * (0.5 * share), below)
        out = out + summed.diff(dim=-1)
    assert isinstance(out, Tensor)
    return out


def profiles(velocity: Tensor, variance: Tensor, spectrum: Spectrum) -> Tensor:
    """Return the share of each channel in the light of gas (B, N), as (B, C, N): 1 where all lines lie there.

    Of a velocity and a variance, km/s and its square.
    """
    out: Tensor | float = 0.0
    x = to_edges(velocity, spectrum.convention)[:, None]
    for line in range(spectrum.at_rest.shape[1]):
        edges, width, share = line_units(spectrum, line, velocity)
        scale = torch.rsqrt(2 * (variance[:, None] + width**2))
        below = torch.erf((edges[..., None] - x) * scale)
        out = out + (0.5 * share) * below.diff(dim=1)
    assert isinstance(out, Tensor)
    return out


def reached(velocity: Tensor, variance: Tensor, spectrum: Spectrum) -> np.ndarray:
    """Return the channels that lines of gas (B, N) reach in any of the cubes; beyond is less than 1e-5."""
    v, x = variance.detach(), to_edges(velocity.detach(), spectrum.convention)
    there = np.zeros(spectrum.channels, bool)
    for line in range(spectrum.at_rest.shape[1]):
        edges, width, _ = line_units(spectrum, line, v)
        far = _REACH * torch.sqrt(v + width[:, 0] ** 2)
        low, high = (x - far).amin(dim=1, keepdim=True), (x + far).amax(dim=1, keepdim=True)
        there |= ((edges[:, 1:] > low) & (edges[:, :-1] < high)).any(dim=0).cpu().numpy()
    return np.flatnonzero(there)


def to_edges(velocity: Tensor, convention: Convention) -> Tensor:
    """Return c (d - 1) of velocities, km/s: on this axis wavelengths are linear."""
    if convention == "optical":
        return velocity
    return (
        C_KM_S * (factor(velocity, convention) - 1)
        if velocity.dtype == torch.float64
        else _near(velocity, convention)
    )


def _near(v: Tensor, convention: Convention) -> Tensor:
    """c (d - 1) to third order in v/c, which in float32 is better than the difference of two near ones."""
    beta = v / C_KM_S
    second, third = (0.5, 0.5) if convention == "relativistic" else (1.0, 1.0)
    return v * (1 + beta * (second + third * beta))


def line_units(spectrum: Spectrum, line: int, like: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Return a line's channel edges (B, C + 1), c (wavelength / at rest - 1), and LSF, share (B, 1, 1)."""
    rest = spectrum.at_rest[:, line : line + 1]
    edges = torch.as_tensor(C_KM_S * (spectrum.edges / rest - 1)).to(like)
    width = torch.as_tensor(C_KM_S * spectrum.lsf_sigma[:, line : line + 1] / rest).to(like)
    share = torch.as_tensor(np.atleast_2d(spectrum.share)[:, line : line + 1]).to(like)
    return edges, width[..., None], share[..., None]
