"""What is learned of galaxies: a factor on the light of a smooth profile, from one coordinate network.

The network sees a place in the frame of its source (turned to the major axis, made round, in
half-light radii) as functions of radius and angle from which arms, bars, rings and lopsidedness are
sums, and the marks and the latent z of the source as scales and shifts of its layers (FiLM, Perez et
al. 2018). Fluxes stay: in every band the factor is brought to a mean of 1 over the light.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mockforge.errors import InputError
from mockforge.sgan.light.frame import Frame

LATENT = 6
WIDTH = 32
ACHROMATIC, CHROMATIC = 1.5, 0.7
"""Largest ln of the factor in all bands together, and of each band against their mean."""
_COORDINATES = 14
_PITCH = 4.0
"""Radians that a spiral turns in a factor e of radius: arms of a pitch angle of 27 degrees."""
_PIXELS = 1 << 14
"""Pixels worked on at a time."""
_FAR = 3.0
"""Marks farther from the training sources' mean, in their scatter, are taken to be as far as this."""


def marks_features(flux: Tensor, log_radius: Tensor, e1: Tensor, e2: Tensor, log_n: Tensor) -> Tensor:
    """Return the marks that the network is told, (N, 3 + C), none of which turns with the source.

    ln of the mean flux, ln of the half-light radius, |e|, ln n, and the C - 1 colours as ln of the
    flux over the mean of the bands, but for the last. `flux` (N, C) nJy, radii in native pixels.
    """
    mean = flux.mean(dim=1).clamp_min(1e-3)
    colours = torch.log((flux / mean[:, None]).clamp(0.02, 50.0))[:, :-1]
    ellipticity = torch.sqrt(e1 * e1 + e2 * e2 + 1e-12)
    plain = torch.stack([torch.log(mean), log_radius, ellipticity, log_n], dim=1)
    return torch.cat([plain, colours], dim=1)


class Modulation(nn.Module):
    """ln of the factor on a source's light per band, at places in its frame; 0 before training.

    Parameters
    ----------
    bands
        C.
    latent
        Numbers in z.
    width
        Channels of the two hidden layers.
    """

    mark_mean: Tensor
    mark_scale: Tensor

    def __init__(self, bands: int, latent: int = LATENT, width: int = WIDTH) -> None:
        super().__init__()
        self.bands, self.latent, self.width = bands, latent, width
        marks = 3 + bands
        self.register_buffer("mark_mean", torch.zeros(marks))
        self.register_buffer("mark_scale", torch.ones(marks))
        self.told = nn.Sequential(nn.Linear(marks + latent, 48), nn.SiLU(), nn.Linear(48, 4 * width))
        self.first = nn.Linear(_COORDINATES, width)
        self.second = nn.Linear(width, width)
        self.last = nn.Linear(width, 1 + bands)
        for values in (self.last.weight, self.last.bias):
            nn.init.zeros_(values)

    def normalise_to(self, features: Tensor) -> None:
        """Take the mean and scatter of the training sources' `marks_features` (N, M) as its units."""
        self.mark_mean.copy_(features.mean(dim=0))
        self.mark_scale.copy_(features.std(dim=0).clamp_min(1e-3))

    def forward(self, frame: Frame, marks: Tensor, z: Tensor) -> Tensor:
        """Return ln of the factor, (N, C, P), bounded by `ACHROMATIC` and `CHROMATIC`; 0 where all is faded.

        Parameters
        ----------
        frame
            P places of each of N sources.
        marks : Tensor
            (N, M) `marks_features`.
        z : Tensor
            (N, latent).
        """
        units = ((marks - self.mark_mean) / self.mark_scale).clamp(-_FAR, _FAR)
        told = self.told(torch.cat([units, z], dim=1))
        many = max(1, _PIXELS // frame.u.shape[1])  # so that a layer stays in a core's cache
        parts = [
            self._some(frame.rows(slice(i, i + many)), told[i : i + many]) for i in range(0, len(z), many)
        ]
        return torch.cat(parts) if parts else frame.u.new_zeros((0, self.bands, frame.u.shape[1]))

    def _some(self, frame: Frame, told: Tensor) -> Tensor:
        """Return `forward` of a few sources: of the pixels where there is something to modulate."""
        at, count = _lit(frame.fade), frame.fade.shape[1]
        u, v = (torch.gather(value, 1, at.clamp_max(count - 1)) for value in (frame.u, frame.v))
        scale1, shift1, scale2, shift2 = told.chunk(4, dim=1)
        light = _layer(coordinates(u, v), self.first, scale1, shift1)
        light = _layer(light, self.second, scale2, shift2)
        last = torch.baddbmm(self.last.bias[:, None], self.last.weight.expand(len(told), -1, -1), light)
        colour = CHROMATIC * torch.tanh(last[:, 1:])
        colour = colour - colour.mean(dim=1, keepdim=True)
        factor = ACHROMATIC * torch.tanh(last[:, :1]) + colour
        out = factor.new_zeros((len(told), self.bands, count + 1))
        return out.scatter(2, at[:, None].expand(-1, self.bands, -1), factor)[..., :count]

    def to_arrays(self, prefix: str = "modulation.") -> dict[str, np.ndarray]:
        """Return its weights as float32 arrays for a model's file."""
        state = self.state_dict()
        return {prefix + name: value.detach().cpu().float().numpy() for name, value in state.items()}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], bands: int, prefix: str = "modulation."
    ) -> Modulation:
        """Return the network of a model's file, ready to paint.

        Raises
        ------
        InputError
            Where weights are missing, of another shape, or not finite.
        """
        found = {
            name.removeprefix(prefix): np.asarray(v) for name, v in arrays.items() if name.startswith(prefix)
        }
        first, told = found.get("first.weight"), found.get("told.0.weight")
        if first is None or told is None or first.ndim != 2 or told.ndim != 2:
            raise InputError(
                f"model file: the weights {prefix}first and {prefix}told are missing; fetch it again"
            )
        latent, width = told.shape[1] - 3 - bands, first.shape[0]
        if not (0 < latent <= 64 and 0 < width <= 256):
            raise InputError(
                f"model file: {prefix}told.0.weight has {told.shape[1]} columns for {bands} bands and "
                f"{prefix}first.weight {width} rows; it is of another model, fetch it again"
            )
        with torch.random.fork_rng(devices=[]):  # first weights, which are not kept
            network = cls(bands, latent, width)
        for name, value in network.state_dict().items():
            array = found.get(name)
            if array is None or array.shape != tuple(value.shape) or not np.isfinite(array).all():
                shape = "nothing" if array is None else f"{array.shape}, or numbers that are not finite"
                raise InputError(
                    f"model file: {prefix}{name} should be {tuple(value.shape)}, found {shape}; "
                    "fetch it again"
                )
        if (found["mark_scale"] <= 0).any():
            raise InputError(f"model file: {prefix}mark_scale should be above 0; fetch the model again")
        network.load_state_dict({name: torch.from_numpy(found[name].copy()) for name in network.state_dict()})
        return network.eval().requires_grad_(False)


def coordinates(u: Tensor, v: Tensor) -> Tensor:
    """Return functions of the place that are smooth at the centre, (N, 14, P).

    With L = ln(1 + r): L, exp(-r), cos 3L and sin 3L (rings); L cos and L sin of m angles for m = 1, 2
    and 3 (lopsidedness, bars, three arms); and the cosine and sine of two-armed spirals wound either way.
    """
    square = u * u + v * v
    radius = torch.sqrt(square + 1e-12)
    log = torch.log1p(radius)
    about = torch.rsqrt(square + 0.02)  # angles fade towards the centre, where they have no meaning
    cos1, sin1 = u * about, v * about
    cos2, sin2 = cos1 * cos1 - sin1 * sin1, 2 * cos1 * sin1
    cos3, sin3 = cos2 * cos1 - sin2 * sin1, sin2 * cos1 + cos2 * sin1
    turn = 0.5 * _PITCH * torch.log(square + 0.1)
    cos, sin = torch.cos(turn), torch.sin(turn)
    spirals = (cos2 * cos, sin2 * sin, sin2 * cos, cos2 * sin)
    harmonics = [log * wave for wave in (cos1, sin1, cos2, sin2, cos3, sin3)]
    return torch.stack(
        [log, torch.exp(-radius), torch.cos(3 * log), torch.sin(3 * log), *harmonics, *spirals], 1
    )


def _lit(fade: Tensor) -> Tensor:
    """(N, Q) the pixels of each source that are not faded, in order; then P, for those that have fewer."""
    lit = fade > 0
    place = lit.cumsum(dim=1)
    most = max(int(place[:, -1].max()), 1)
    out = torch.full((len(fade), most), fade.shape[1], device=fade.device)
    rows, columns = lit.nonzero(as_tuple=True)
    out[rows, place[rows, columns] - 1] = columns
    return out


def _layer(values: Tensor, layer: nn.Linear, scale: Tensor, shift: Tensor) -> Tensor:
    """(N, F, P) -> (N, W, P): a layer whose rows each source scales and shifts."""
    weight = layer.weight * (1 + scale)[:, :, None]
    bias = layer.bias * (1 + scale) + shift
    return functional.silu(torch.baddbmm(bias[:, :, None], weight, values))


def modulated(stamps: Tensor, log_factor: Tensor, fade: Tensor) -> Tensor:
    """Return stamps times what is learned of them, the flux of each band the same to rounding.

    A pixel of light I becomes I (1 - w + w c exp(m)), w the fading: c brings the sum over the stamp,
    weighted by w, back to what it was, so that light beyond the fading stays untouched.

    Parameters
    ----------
    stamps : Tensor
        (N, S, S) of smooth profiles, in any unit.
    log_factor : Tensor
        (N, C, S * S), of `Modulation`.
    fade : Tensor
        (N, S * S), of the frame.

    Returns
    -------
    Tensor
        (N, C, S, S).
    """
    return (stamps.flatten(1)[:, None] + changes(stamps, log_factor, fade)).view(
        len(stamps), -1, *stamps.shape[1:]
    )


def changes(stamps: Tensor, log_factor: Tensor, fade: Tensor) -> Tensor:
    """Return `modulated` less the stamps themselves, (N, C, S * S): each sums to 0."""
    weighted = (stamps.flatten(1) * fade)[:, None]
    light = weighted * torch.exp(log_factor)
    total = light.sum(dim=2, keepdim=True)
    mean = weighted.sum(dim=2, keepdim=True) / torch.where(total > 0, total, 1.0)
    return light * mean - weighted


@dataclass(frozen=True)
class LightCurve:
    """Mean light along ellipses before and after, by which a trainer holds it: both (N, C, R)."""

    before: Tensor
    after: Tensor

    def change(self) -> Tensor:
        """ln of the ratio, 0 where there is no light."""
        some = (self.before > 0) & (self.after > 0)
        ones = torch.ones_like(self.before)
        return torch.log(torch.where(some, self.after, ones) / torch.where(some, self.before, ones))


def light_curve(stamps: Tensor, shaped: Tensor, frame: Frame, edges: Tensor) -> LightCurve:
    """Return the light in rings of a source's frame, between `edges` (R + 1,) half-light radii, ascending.

    `stamps` (N, S, S) and `shaped` (N, C, S, S) are a profile and what `modulated` made of it.
    """
    ring = torch.bucketize(frame.radius.detach(), edges) - 1
    inside = torch.stack([ring == i for i in range(len(edges) - 1)], dim=1).to(stamps)  # (N, R, P)
    after = torch.einsum("ncp,nrp->ncr", shaped.flatten(2), inside)
    before = torch.einsum("np,nrp->nr", stamps.flatten(1), inside)
    return LightCurve(before[:, None].expand_as(after), after)
