"""Galaxies through a PSF at two scales: from their transforms, without their cusps ever being sampled.

The transform of a Sersic profile is known, a function of the elliptical frequency alone, and an image
through a PSF is the inverse transform of the product. With the transfer functions parted as `two_scales`
does, it is the sum of a smooth image of the padded stamp, and of a tile round each component's centre, on
whose frequencies all higher ones fold back. What copies of a galaxy a grid away bring in is taken off.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from mockforge.observe.psf.transfer import Transfer
from mockforge.profiles.copies import copies, nearest
from mockforge.profiles.lanes import each_transform, spared
from mockforge.profiles.sersic import Sersics, form_of, sersic, sersic_b
from mockforge.profiles.sersic_tables import rows
from mockforge.profiles.through_psf import phase_of, stretched, transformed
from mockforge.profiles.two_scales import Tile, roomy, samples, tile, wide
from mockforge.profiles.zones import times

_BLOCK = 2**18
"""Frequencies worked on at once: they then stay in a core's cache."""
_SIDES = (30, 60, 120)
"""Pixels on a side of tiles, for galaxies the thinner the larger."""
_REACH = (4.5, 2.8)
"""Pixels from the centre within which high frequencies are, over r_e and times the axis ratio."""
_BLURRED = 3e-4
"""Where a PSF changes copies by more than this of the galaxy's peak, the padded grid is twice as large."""
_SIDE_OF_KNOTS = 24
"""Pixels on a side of tiles of knots, which are smooth."""
_LITTLE = 2e-4
"""High frequencies that add less than this to the peak of an image are left out of it."""
_LITTLE_OF_KNOT = 6e-4
"""The same of a knot, which is a small part of its galaxy."""

Part = dict[str, Tensor]
"""Numbers of M components, (M,) float64 each: x, y, r_e, n, ... or of knots: x, y, sigma, weight."""


@dataclass(frozen=True)
class _Tables:
    """Transforms of N galaxies' components, (N, K, ...) each, even ones first; those of lopsided ones."""

    each: tuple[Tensor, ...]

    def of(self, which: Tensor | slice, k: int) -> list[Tensor]:
        return [table[which, k] for table in self.each]


def draw_seen(s: Part, knots: Part | None, weights: Tensor, psf: Transfer, out: Tensor) -> None:
    """Draw galaxies through the PSF of each band into `out` (N, C, H, W) float32.

    `s` holds K components of each, (N, K), and `knots` their knots, (N, J), in pixels of the stamp; `weights`
    (N, C, K[+1]) float32 is the flux of each component in each band, that of the knots last.
    """
    crowded = _crowded(s, psf)
    if bool(crowded.any()):
        for which, larger in ((~crowded, psf), (crowded, roomy(psf))):
            if not len(i := torch.nonzero(which)[:, 0]):
                continue
            image = out.new_empty((len(i), *out.shape[1:]))
            _draw_seen(_part(s, i), None if knots is None else _part(knots, i), weights[i], larger, image)
            out[i] = image
    else:
        _draw_seen(s, knots, weights, psf, out)


def _crowded(s: Part, psf: Transfer) -> Tensor:
    """Which galaxies (N,) have copies so bright and thin in the stamp that the PSF matters to them.

    The brightness changes by spread^2 / 2 times its second derivative, across a thin galaxy's ridge that of
    R / (R q)^2 along its radius.
    """
    part = {name: spared(s[name].reshape(-1)) for name in ("x", "y", "r_e", "n", "axis_ratio")}
    b, distance = sersic_b(part["n"]), nearest(part["y"], part["x"], psf.grid, psf.shape)
    fwhm = float(psf.fwhm_arcsec.max()) / psf.pixel_scale_arcsec
    spread = 1 / 12 + (fwhm / 2.355) ** 2
    depth, core = (b * (r / part["r_e"]) ** (1 / part["n"]) for r in (distance, distance.clamp_max(1.0)))
    change = 0.5 * spread * depth / (part["n"] * distance**2 * part["axis_ratio"] ** 2)
    crowded = torch.exp(core - depth) * change.clamp_max(1.0) > _BLURRED
    return crowded[: s["x"].numel()].view(s["x"].shape).any(dim=1)


def _draw_seen(s: Part, knots: Part | None, weights: Tensor, psf: Transfer, out: Tensor) -> None:
    """Draw galaxies on one padded grid."""
    inside = _inside(s, psf)
    kinds = ("hankel0", "hankel1") if "asymmetry" in s else ("hankel0",)
    flat = s["n"].reshape(-1)
    tables = _Tables(tuple(rows(k, flat, torch.float32).unflatten(0, s["n"].shape) for k in kinds))
    components = s["x"].shape[1]
    own = weights.clone()
    own[:, :, :components] *= inside[:, None]
    size = max(1, _BLOCK // wide(psf).basis[0, ..., 0].numel())
    for i in range(0, len(weights), size):
        part = slice(i, i + size)
        some = None if knots is None else _part(knots, part)
        _draw_smooth(_part(s, part), [t[part] for t in tables.each], some, own[part], psf, out[part])
    for k in range(components):
        one = {name: value[:, k] for name, value in s.items()}
        _add_tiles_of(one, tables, k, own[:, :, k], psf, out)
        _take_copies_off(one, own[:, :, k], psf, out)
        for i in torch.nonzero(~inside[:, k])[:, 0].tolist():  # so far off that its PSF does not matter
            pixels = sersic(Sersics(**{name: value[i : i + 1] for name, value in one.items()}), psf.shape)
            out[i].addcmul_(weights[i, :, k, None, None], pixels)
    if knots is not None:
        _add_tiles_of_knots(knots, weights[:, :, -1], psf, out)


def _part(part: Part, which: Tensor | slice) -> Part:
    return {name: value[which] for name, value in part.items()}


def _inside(part: Part, psf: Transfer) -> Tensor:
    """Whether a centre is on the padded grid."""
    margin = [(g - n) // 2 for g, n in zip(psf.grid, psf.shape, strict=True)]
    return (
        (part["y"] > -0.5 - margin[0])
        & (part["y"] < psf.grid[0] - margin[0] - 0.5)
        & (part["x"] > -0.5 - margin[1])
        & (part["x"] < psf.grid[1] - margin[1] - 0.5)
    )


def _draw_smooth(
    s: Part, tables: list[Tensor], knots: Part | None, weights: Tensor, psf: Transfer, out: Tensor
) -> None:
    """Draw the low frequencies of galaxies."""
    low = wide(psf)
    margin = [(g - n) // 2 for g, n in zip(psf.grid, psf.shape, strict=True)]
    total = torch.empty((*weights.shape[:2], *low.basis.shape[1:3]), dtype=torch.complex64, device=out.device)

    def put(light: Tensor, k: int) -> None:
        light, weight = torch.view_as_real(light)[:, None], weights[:, :, k, None, None, None]
        if k == 0:
            torch.mul(light, weight, out=torch.view_as_real(total))
        else:
            torch.view_as_real(total).addcmul_(light, weight)

    for k in range(s["x"].shape[1]):
        own = {name: v[:, k] for name, v in s.items()}
        light = transformed(stretched(own), [t[:, k] for t in tables], low.ky[:, None], low.kx)
        wave = (
            phase_of(own["y"] + margin[0], low.ky)[:, :, None]
            * phase_of(own["x"] + margin[1], low.kx)[:, None]
        )
        put(times(wave, light), k)
    if knots is not None:
        put(_waves_of_knots(knots, _inside(knots, psf), low.ky, low.kx, margin), s["x"].shape[1])
    if low.basis.is_complex():
        total.mul_(low.basis)
    else:
        torch.view_as_real(total).mul_(low.basis)
    window = (slice(margin[0], margin[0] + psf.shape[0]), slice(margin[1], margin[1] + psf.shape[1]))
    each_transform(total[..., : psf.grid[1] // 2 + 1], psf.grid, window, out)


def _waves_of_knots(knots: Part, inside: Tensor, ky: Tensor, kx: Tensor, margin: Sequence[int]) -> Tensor:
    """Transform of each galaxy's knots, (N, ky, kx)."""
    sigma = knots["sigma"].float()[..., None]
    weight = (knots["weight"] * inside).float()[..., None]
    along = phase_of(knots["y"] + margin[0], ky) * (torch.exp(-0.5 * (sigma * ky) ** 2) * weight)
    across = phase_of(knots["x"] + margin[1], kx) * torch.exp(-0.5 * (sigma * kx) ** 2)
    light = along[:, 0, :, None] * across[:, 0, None]
    for j in range(1, along.shape[1]):
        light.addcmul_(along[:, j, :, None], across[:, j, None])
    return light


def _add_tiles_of(one: Part, tables: _Tables, k: int, weight: Tensor, psf: Transfer, out: Tensor) -> None:
    """Add the high frequencies of a component of each galaxy, in tiles as large as it needs."""
    sampled = samples(psf)
    if len(sampled.classes) == 1:
        return
    seen = _blocks(sampled.ky, len(weight), lambda part: transformed(
        {name: v[..., 0] for name, v in stretched(_part(one, part)).items()}, tables.of(part, k),
        sampled.ky, sampled.kx).abs())  # fmt: skip
    zones = sampled.needed(seen, _LITTLE)
    reach = torch.minimum(_REACH[0] * one["r_e"], _REACH[1] / one["axis_ratio"])
    side = (reach[:, None] > torch.tensor(_SIDES[:-1], device=reach.device) / 2).sum(dim=1)
    for i, chosen in enumerate(_SIDES):
        if psf.optics.radial is None:  # with spikes, which are wide and sharp
            chosen = max(chosen, _SIDES[1])
        for count in sampled.classes[1:]:
            which = torch.nonzero((side == i) & (zones == count))[:, 0]
            if not len(which):
                continue
            fine = tile(psf, chosen).nearest(count)

            def light(some: Tensor, fine: Tile = fine) -> Tensor:
                g = {name: v[..., 0] for name, v in stretched(_part(one, some)).items()}
                return transformed(g, tables.of(some, k), fine.ky, fine.kx)

            for some in _pieces(which, fine):
                _add_tiles(light(some), _part(one, some), some, weight[some], fine, out)


def _add_tiles_of_knots(knots: Part, weight: Tensor, psf: Transfer, out: Tensor) -> None:
    """Add the high frequencies of each galaxy's knots."""
    count = knots["x"].shape[1]
    there = (_inside(knots, psf) & (knots["weight"] > 0)).reshape(-1)
    flat = {name: v.reshape(-1) for name, v in knots.items()}
    sampled = samples(psf)
    if len(sampled.classes) == 1:
        return
    sigma = flat["sigma"].float()[:, None]

    def seen(ky: Tensor, kx: Tensor, some: Tensor | slice) -> Tensor:
        return torch.exp(-0.5 * sigma[some] ** 2 * (ky**2 + kx**2))

    zones = sampled.needed(
        _blocks(sampled.ky, len(sigma), lambda p: seen(sampled.ky, sampled.kx, p)), _LITTLE_OF_KNOT
    )
    for number in sampled.classes[1:]:
        which = torch.nonzero(there & (zones == number))[:, 0]
        fine = tile(psf, _SIDE_OF_KNOTS if psf.optics.radial else _SIDES[1]).nearest(number)
        for some in _pieces(which, fine):
            galaxy = torch.div(some, count, rounding_mode="floor")
            own = weight[galaxy] * flat["weight"][some].float()[:, None]
            _add_tiles(seen(fine.ky, fine.kx, some), _part(flat, some), galaxy, own, fine, out)


def _blocks(k: Tensor, count: int, of) -> Tensor:
    size = max(1, _BLOCK // len(k))
    return torch.cat([of(slice(i, i + size)) for i in range(0, count, size)])


def _pieces(which: Tensor, fine: Tile) -> Iterator[Tensor]:
    size = max(1, _BLOCK // len(fine.ky))
    return (which[i : i + size] for i in range(0, len(which), size))


def _add_tiles(light: Tensor, own: Part, galaxy: Tensor, weight: Tensor, fine: Tile, out: Tensor) -> None:
    """Add tiles of components whose transforms are `light` (M, frequencies) to those galaxies."""
    tiles = _tiles(light, own, fine)
    corner = [(_pixel(own[name]).long() - fine.side // 2).tolist() for name in "yx"]
    weight = weight[:, :, None, None]
    for i, image, flux, *at in zip(galaxy.tolist(), tiles, weight, *corner, strict=True):
        y, x = (_overlap(c, fine.side, n) for c, n in zip(at, out.shape[2:], strict=True))
        if y is not None and x is not None:
            out[i, :, y[0], x[0]].addcmul_(flux, image[:, y[1], x[1]])


def _tiles(light: Tensor, own: Part, fine: Tile) -> Tensor:
    """Return tiles through the PSF of each band, (M, C, side, side), the centre in the middle pixel."""
    zones = len(fine.turns)
    light = light.unflatten(1, (zones, -1))
    place = {name: fine.side // 2 + (own[name] - _pixel(own[name])) for name in "yx"}
    turns = torch.stack([place["y"], place["x"]], dim=1)[:, None] * fine.turns
    turns = 2 * math.pi * torch.remainder(spared(turns.sum(dim=2)), 1.0)
    cos, sin = (f(turns).float()[: len(light), :, None] for f in (torch.cos, torch.sin))
    if light.is_complex():
        real, imag = light.real * cos + light.imag * sin, light.imag * cos - light.real * sin
    else:
        real, imag = light * cos, light * -sin
    even, odd = fine.basis
    folded = [real.new_zeros((len(light), len(even), light.shape[2])) for _ in range(2)]
    for z, n in enumerate(fine.reached):  # in `fine.order` the first n bands have light there
        for into, part in zip(folded, (real, imag), strict=True):
            into[:, :n].addcmul_(part[:, None, z], even[:n, z])
        if odd is not None:
            folded[0][:, :n].addcmul_(imag[:, None, z], odd[:n, z], value=-1)
            folded[1][:, :n].addcmul_(real[:, None, z], odd[:n, z])
    wave = phase_of(place["y"], fine.own[0])[:, :, None] * phase_of(place["x"], fine.own[1])[:, None]
    spectra = torch.complex(*folded).unflatten(2, wave.shape[1:]) * wave[:, None]
    spectra = spectra[:, fine.order, :, : fine.side // 2 + 1]
    return each_transform(spectra, (fine.side, fine.side), (slice(None), slice(None)))


def _pixel(place: Tensor) -> Tensor:
    """Return the pixel that a centre is in."""
    return torch.floor(place + 0.5)


def _overlap(corner: int, side: int, size: int) -> tuple[slice, slice] | None:
    """Pixels of the stamp that a tile from `corner` on covers, and which of the tile's they are."""
    first, last = max(corner, 0), min(corner + side, size)
    return (slice(first, last), slice(first - corner, last - corner)) if first < last else None


def _take_copies_off(one: Part, weight: Tensor, psf: Transfer, out: Tensor) -> None:
    which, added = copies(one, form_of(Sersics(**one)), psf.grid, psf.shape)
    for i, image in zip(which.tolist(), added, strict=True):
        out[i].addcmul_(weight[i, :, None, None], image, value=-1)
