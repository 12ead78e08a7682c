"""Galaxies on stamps: components times their spectra, with and without the PSF, in one pass."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mockforge.observe.psf import Transfer
from mockforge.sky.seen import seen_knots, seen_sersics, spreads
from mockforge.sky.sersic import sersic

_BATCH = 256
"""Galaxies worked on together."""
_BLOCK = 2**17
"""Pixels of padded stamps transformed at once: they then stay in a core's cache."""


@dataclass(frozen=True)
class Sersics:
    """Sersic components, each (N, K) float64 on one device: component k of galaxy i."""

    x: Tensor
    """Centre, pixels; pixel centres are integers."""
    y: Tensor
    """Centre, pixels."""
    r_e: Tensor
    """Semi-major axis of the ellipse that holds half the light, pixels."""
    n: Tensor
    """Sersic index, 0.3 to 8."""
    axis_ratio: Tensor
    """Minor over major axis."""
    position_angle: Tensor
    """Of the major axis, degrees from +x towards +y."""
    asymmetry: Tensor
    """s of the factor (1 - s cos(phi - phi_0)), 0 to 1; phi is the azimuth in the ellipse, turned so
    that it is the angle from +x towards +y on the major axis (and everywhere for a round galaxy)."""
    asymmetry_angle: Tensor
    """phi_0, degrees: the faint side."""


@dataclass(frozen=True)
class Knots:
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
class Drawn:
    """What `draw` returns, float32."""

    clean: Tensor
    """(N, C, H, W) nJy, before the PSF."""
    psf: Tensor | None
    """(N, C, H, W) nJy, seen through the PSF."""
    profile: Tensor
    """(N, K[+1], H, W) fraction of a component's flux in each pixel, before the PSF; knots last."""


def draw(
    sersics: Sersics, knots: Knots | None, sed: Tensor, shape: tuple[int, int], psf: Transfer | None = None
) -> Drawn:
    """Paint galaxies on stamps of `shape` (height, width).

    `sed` (N, C, K[+1]) is the total flux in nJy of each component in each band, knots last. With
    `psf`, made by `mockforge.observe.psf.transfer` for this shape and these bands, the image
    through it as well; light from beyond the stamp comes in as far as the PSF reaches.
    """
    s = {name: value.double() for name, value in vars(sersics).items()}
    if not bool((sersics.asymmetry != 0).any()):
        del s["asymmetry"], s["asymmetry_angle"]
    if psf is not None and psf.shape != tuple(shape):
        raise ValueError(f"the PSF is made for stamps of {psf.shape}, not {tuple(shape)}")
    psf = psf if psf is None else psf.on(sed.device)
    parts = [
        _draw({name: value[i : i + _BATCH] for name, value in s.items()}, knots, sed, shape, psf, i)
        for i in range(0, sed.shape[0], _BATCH)
    ]
    return Drawn(
        torch.cat([p.clean for p in parts]),
        None if psf is None else torch.cat([p.psf for p in parts if p.psf is not None]),
        torch.cat([p.profile for p in parts]),
    )


def _draw(
    s: dict[str, Tensor],
    knots: Knots | None,
    sed: Tensor,
    shape: tuple[int, int],
    psf: Transfer | None,
    i: int,
) -> Drawn:
    """The galaxies from number `i` on."""
    count, components = s["x"].shape
    flat = {name: value.reshape(-1) for name, value in s.items()}
    weights = sed[i : i + count].float()
    own = None if knots is None else {name: v[i : i + count].double() for name, v in vars(knots).items()}
    profile = _pixels(flat, shape).unflatten(0, (count, components))
    if own is not None:
        profile = torch.cat([profile, _knots(own, shape)[:, None]], dim=1)
    clean = torch.bmm(weights, profile.flatten(2)).unflatten(2, shape)
    if psf is None:
        return Drawn(clean, None, profile)
    top, left = (psf.grid[0] - shape[0]) // 2, (psf.grid[1] - shape[1]) // 2
    window = (..., slice(top, top + shape[0]), slice(left, left + shape[1]))
    flat |= {"x": flat["x"] + left, "y": flat["y"] + top}
    principal = psf.mix.shape[1]
    seen = torch.empty((count * components, principal, *shape), device=sed.device)
    wide = spreads(flat, psf)
    for chosen, beyond in ((torch.nonzero(~wide)[:, 0], False), (torch.nonzero(wide)[:, 0], True)):
        for some in chosen.split(max(1, _BLOCK // (psf.grid[0] * psf.grid[1]))):
            if not len(some):
                continue
            part = {name: value[some] for name, value in flat.items()}
            seen[some] = seen_sersics(part, psf, _pixels(part, psf.grid) if beyond else None)[window]
    seen = seen.unflatten(0, (count, components))
    if own is not None:
        own |= {"x": own["x"] + left, "y": own["y"] + top}
        seen = torch.cat([seen, seen_knots(own, psf)[window][:, None]], dim=1)
    both = (weights[:, :, :, None] * psf.mix[:, None, :]).flatten(2)
    return Drawn(clean, torch.bmm(both, seen.flatten(1, 2).flatten(2)).unflatten(2, shape), profile)


def _pixels(flat: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    """Sersic components on a grid without PSF."""
    lopsided = (flat["asymmetry"], flat["asymmetry_angle"]) if "asymmetry" in flat else None
    names = ("x", "y", "r_e", "n", "axis_ratio", "position_angle")
    x, y, r_e, n, q, angle = (flat[name] for name in names)
    return sersic(x, y, r_e, n, q, angle, shape, asymmetry=lopsided)


def _knots(knots: dict[str, Tensor], shape: tuple[int, int]) -> Tensor:
    """The knots of each galaxy on a grid, (N, H, W), each pixel integrated."""
    place = [torch.arange(n + 1, device=knots["x"].device, dtype=torch.float64) - 0.5 for n in shape]
    scale = 0.5**0.5 / knots["sigma"][..., None]
    x = torch.erf((place[1] - knots["x"][..., None]) * scale).diff(dim=-1) / 2
    y = torch.erf((place[0] - knots["y"][..., None]) * scale).diff(dim=-1) / 2 * knots["weight"][..., None]
    return torch.bmm(y.float().transpose(1, 2), x.float())
