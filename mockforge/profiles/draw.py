"""Galaxies on stamps: components times their spectra, with and without the PSF, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.lanes import spared
from mockforge.profiles.seen import draw_seen as draw_seen_at_two_scales
from mockforge.profiles.sersic import Sersics, sersic
from mockforge.profiles.through_psf import draw_at_once
from mockforge.profiles.two_scales import principal
from mockforge.torch_state import steadily

_BATCH = 256
"""Galaxies worked on together."""


@dataclass(frozen=True)
class GaussianKnots:
    """Gaussian knots, each (N, J) float64; those of a galaxy share one spectrum."""

    x: Tensor
    """Centre, pixels."""
    y: Tensor
    """Centre, pixels."""
    sigma: Tensor
    """Standard deviation, pixels."""
    weight: Tensor
    """Fraction of the knots' flux; 0 for a knot that is not there. A galaxy's add up to 1."""


@dataclass(frozen=True)
class DrawnStamps:
    """What `draw` returns, float32."""

    clean: Tensor
    """(N, C, H, W) nJy, before the PSF."""
    psf: Tensor | None
    """(N, C, H, W) nJy, seen through the PSF."""
    profile: Tensor
    """(N, K[+1], H, W) fraction of a component's flux in each pixel, before the PSF; knots last."""


@dataclass(frozen=True)
class _Space:
    """Where stamps are drawn: as `DrawnStamps`, without what is not wanted."""

    clean: Tensor | None
    psf: Tensor | None
    profile: Tensor | None


@steadily()
def draw(
    sersics: Sersics,
    knots: GaussianKnots | None,
    sed: Tensor,
    shape: tuple[int, int],
    psf: Transfer | None = None,
) -> DrawnStamps:
    """Paint galaxies on stamps: `image = sed x profile`, before the PSF and through it.

    Parameters
    ----------
    sersics : Sersics
        K components of N galaxies, (N, K) each.
    knots : GaussianKnots or None
        Their knots, (N, J) each; one component more in `sed`.
    sed : Tensor, (N, C, K[+1])
        Total flux of each component in each band, nJy, knots last.
    shape : (int, int)
        Height and width of a stamp, pixels.
    psf : Transfer or None
        That of `mockforge.observe.psf.transfer.transfer` for this shape and these bands. Light from
        beyond the stamp comes in as far as the PSF reaches.

    Returns
    -------
    DrawnStamps
        The images (N, C, H, W) without and with the PSF, nJy, and the profiles (N, K[+1], H, W) that add
        up to the share of a component's flux that falls on the stamp.
    """
    count, bands, components = sed.shape
    clean, profile = (_empty((count, of, *shape), sed.device) for of in (bands, components))
    seen = None if psf is None else _empty(clean.shape, sed.device)
    _draw_all(sersics, knots, sed, psf, _Space(clean, seen, profile))
    return DrawnStamps(clean, seen, profile)


@steadily()
def draw_seen(
    sersics: Sersics, knots: GaussianKnots | None, sed: Tensor, shape: tuple[int, int], psf: Transfer
) -> Tensor:
    """Return only `draw(...).psf`, the same to the last bit: galaxies without the PSF are not painted."""
    out = _empty((len(sed), sed.shape[1], *shape), sed.device)
    _draw_all(sersics, knots, sed, psf, _Space(None, out, None))
    return out


def _draw_all(
    sersics: Sersics, knots: GaussianKnots | None, sed: Tensor, psf: Transfer | None, out: _Space
) -> None:
    """Draw galaxies, some at a time, into `out`."""
    s = {name: value.double() for name, value in vars(sersics).items() if value is not None}
    if sersics.asymmetry is not None and not bool((sersics.asymmetry != 0).any()):
        del s["asymmetry"], s["asymmetry_angle"]
    shape = next(tuple(v.shape[2:]) for v in (out.psf, out.clean) if v is not None)
    if psf is not None and psf.shape != shape:
        raise ValueError(f"the PSF is made for stamps of {psf.shape}, not {shape}")
    psf = psf if psf is None else psf.on(sed.device)
    for i in range(0, len(sed), _BATCH):
        part = slice(i, i + _BATCH)
        own = None if knots is None else {name: v[part].double() for name, v in vars(knots).items()}
        _draw({name: value[part] for name, value in s.items()}, own, sed[part].float(), psf, _cut(out, part))


def _empty(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Space for float32; on a CPU NumPy's, which comes in huge pages: half the page faults."""
    if device.type != "cpu":
        return torch.empty(shape, device=device)
    return torch.from_numpy(np.empty(shape, dtype=np.float32))


def _cut(space: _Space, part: slice) -> _Space:
    """Return some of the galaxies, as views."""
    return _Space(*(None if v is None else v[part] for v in (space.clean, space.psf, space.profile)))


def _draw(
    s: dict[str, Tensor],
    knots: dict[str, Tensor] | None,
    weights: Tensor,
    psf: Transfer | None,
    out: _Space,
) -> None:
    """Draw some of the galaxies into `out`."""
    if psf is not None and out.psf is not None:
        _draw_seen(s, knots, weights, psf, out)
    elif out.profile is not None:
        _draw_profiles(s, out.profile)
    if out.profile is not None and out.clean is not None:
        if knots is not None:
            out.profile[:, s["x"].shape[1]] = _knots(knots, (out.profile.shape[2], out.profile.shape[3]))
        _mix(weights, out.profile, out.clean)


def _draw_seen(
    s: dict[str, Tensor], knots: dict[str, Tensor] | None, weights: Tensor, psf: Transfer, out: _Space
) -> None:
    """Draw some of the galaxies through the PSF, and their components before it where they are wanted."""
    assert out.psf is not None
    if weights.device.type != "cpu":
        draw_at_once(s, knots, weights, psf, out.psf)
    elif knots is None and s["x"].shape[1] * psf.mix.shape[1] < psf.mix.shape[0]:
        flat = {name: value.reshape(-1, 1) for name, value in s.items()}
        each = _empty((len(flat["x"]), psf.mix.shape[1], *out.psf.shape[2:]), weights.device)
        draw_seen_at_two_scales(flat, None, torch.ones((*each.shape[:2], 1)), principal(psf), each)
        both = (weights[:, :, :, None] * psf.mix[:, None, :]).flatten(2)
        _mix(both, each.unflatten(0, s["x"].shape).flatten(1, 2), out.psf)
    else:
        draw_seen_at_two_scales(s, knots, weights, psf, out.psf)
    if out.profile is not None:
        _draw_profiles(s, out.profile)


def _draw_profiles(s: dict[str, Tensor], out: Tensor) -> None:
    count, components = s["x"].shape
    flat = {name: value.reshape(-1) for name, value in s.items()}
    shape = (out.shape[2], out.shape[3])
    out[:, :components] = sersic(Sersics(**flat), shape).unflatten(0, (count, components))


def _mix(weights: Tensor, profile: Tensor, out: Tensor) -> None:
    """Spectra (N, C, K) times profiles (N, K, H, W), added up one after the other, into (N, C, H, W)."""
    for own, some, into in zip(weights[..., None, None], profile, out, strict=True):
        torch.mul(own[:, 0], some[0], out=into)
        for k in range(1, len(some)):
            into.addcmul_(own[:, k], some[k])


def knots_on_stamp(knots: GaussianKnots, shape: tuple[int, int]) -> Tensor:
    """Share of the flux of each galaxy's knots on stamps (height, width), (N,) float64."""
    scale, share = 0.5**0.5 / knots.sigma, knots.weight
    for place, size in ((knots.y, shape[0]), (knots.x, shape[1])):
        ends = [torch.erf(spared((edge - place) * scale))[: len(place)] for edge in (-0.5, size - 0.5)]
        share = share * (ends[1] - ends[0]) / 2
    return sum(share.unbind(dim=1), torch.zeros_like(share[:, 0]))


def _knots(knots: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    """Return the knots of each galaxy on a grid, (N, H, W), each pixel integrated."""
    place = [torch.arange(n + 1, device=knots["x"].device, dtype=torch.float64) - 0.5 for n in shape]
    scale = 0.5**0.5 / knots["sigma"][..., None]
    x = (place[1] - knots["x"][..., None]) * scale
    y = (place[0] - knots["y"][..., None]) * scale
    x, y = (torch.erf(spared(v))[: len(v)].diff(dim=-1).float() / 2 for v in (x, y))
    y = (y * knots["weight"].float()[..., None])[..., None]
    out = y[:, 0] * x[:, 0, None]
    for j in range(1, x.shape[1]):
        out += y[:, j] * x[:, j, None]
    return out
