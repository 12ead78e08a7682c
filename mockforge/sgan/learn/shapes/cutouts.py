"""Source-centred cutouts: bright real sources, and painted ones on real source-free sky, by one rule.

Noise, background and neighbours under a painted source are then real by construction; what differs between
the two sides is the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mockforge.errors import InputError
from mockforge.field.symmetries import each_turned
from mockforge.label.bright import grown
from mockforge.rng import Stream
from mockforge.sgan.learn.shapes.features import Scale, centres, sky_level

MARGIN = 4
"""Pixels by which a stamp is larger than its cutout on each side: room to centre it."""


@dataclass(frozen=True)
class CutoutRule:
    """What a source must be to be compared, the same for real and painted ones."""

    fwhm_pix: float
    """FWHM of the PSF, the median of the bands."""
    noise_njy: tuple[float, ...]
    """Rms of the sky in a pixel of each band."""
    side: int = 65
    """Side of a cutout in pixels."""
    least_snr: float = 30.0
    """Least signal over noise within 1.4 FWHM of the centre, on the mean of the bands weighted by 1/rms^2."""
    most_peak_njy: float = float("inf")
    """Sources with a brighter pixel in any band are left out: fields mask their saturated stars."""

    @property
    def scale(self) -> Scale:
        """The unit of radii."""
        return Scale(self.fwhm_pix, self.side)

    @property
    def stamp_side(self) -> int:
        """Side of the stamps from which cutouts are taken."""
        return self.side + 2 * MARGIN


@dataclass(frozen=True)
class Cutouts:
    """N source-centred cutouts."""

    pixels: Tensor
    """(N, C, S, S) float32 nJy, sky level left in."""
    x: np.ndarray
    """(N,) float64 px: place of the middle pixel on the field; a painted source's is its patch of sky's."""
    y: np.ndarray
    """(N,) float64 px."""
    rows: np.ndarray
    """(N,) int64: rows of what was asked for that were taken."""

    def __len__(self) -> int:
        return len(self.pixels)

    def at(self, index: np.ndarray) -> Cutouts:
        """Return some of them; `index` is a mask or rows."""
        return Cutouts(self.pixels[torch.as_tensor(index)], self.x[index], self.y[index], self.rows[index])

    def turned(self, stream: Stream) -> Cutouts:
        """Return each turned and flipped at random by one of the eight symmetries."""
        turns = torch.randint(0, 8, (len(self),), generator=stream.torch())
        return replace(self, pixels=each_turned(self.pixels, turns))


def real_cutouts(
    image: np.ndarray, mask: np.ndarray, labels: np.ndarray,
    places: tuple[np.ndarray, np.ndarray], rule: CutoutRule,
) -> Cutouts:  # fmt: skip
    """Cut the bright, isolated sources of a real field.

    Parameters
    ----------
    image
        (C, y, x) nJy, background subtracted.
    mask
        (y, x) bool, true where pixels are not to be used.
    labels
        (y, x) int: which source owns a pixel, 0 = sky (`label.bright.sources`).
    places
        x and y (N,) px of the sources.
    """
    x, y = (np.asarray(v, dtype=np.float64) for v in places)
    rows = np.flatnonzero(_room(x, y, rule.stamp_side, mask.shape))
    column, row = np.rint(x[rows]).astype(np.int64), np.rint(y[rows]).astype(np.int64)
    kept = _whole(mask, rule.stamp_side)[row, column]
    kept[kept] = _alone(labels, row[kept], column[kept], rule)
    rows, row, column = rows[kept], row[kept], column[kept]
    return _taken(_stamps(image, row, column, rule.stamp_side), (column, row), rows, rule)


def painted_cutouts(
    light: Tensor, sky: Cutouts, rule: CutoutRule, stream: Stream,
    gains: Sequence[float] | None = None, select: bool = True,
) -> Cutouts:  # fmt: skip
    """Add painted sources to patches of real sky, one each.

    Parameters
    ----------
    light
        (N, C, T, T) noiseless nJy through the PSF, T odd and at least the rule's `stamp_side`, the source
        within a pixel of the middle. Its gradient is that of the cutouts.
    sky
        N patches, by `sky_patches`.
    stream
        The sources' own photon noise, where `gains` (C,), electrons per nJy, are known (above 0).
    select
        Whether the rule's signal over noise and peak decide; off, all N come back.
    """
    stamps = sky.pixels + _middle(light, rule.stamp_side)
    if gains is not None and any(g > 0 for g in gains):
        gain = torch.tensor([g if g > 0 else np.inf for g in gains], dtype=torch.float32)[:, None, None]
        noise = torch.randn(stamps.shape, generator=stream.torch())
        variance = _middle(light.detach(), rule.stamp_side).clamp_min(0.0) / gain
        stamps = stamps + noise * variance.sqrt()
    return _taken(stamps, (sky.x, sky.y), np.arange(len(stamps)), rule, select)


def sky_patches(
    image: np.ndarray, mask: np.ndarray, labels: np.ndarray, rule: CutoutRule, n: int, stream: Stream
) -> Cutouts:
    """Return `n` patches (n, C, T, T) of sky, T the rule's `stamp_side`, without a source in their middle.

    As far from the centre as a real source is alone; beyond, neighbours are what they are in the field.
    Each is turned at random. Raises InputError where the field has no such place.
    """
    side = rule.stamp_side
    free = np.flatnonzero(_whole(mask, side) & ~grown(labels > 0, round(rule.scale.clear)))
    if len(free) == 0:
        raise InputError(
            f"the field has no {side} x {side} patch whose middle {rule.scale.clear:.0f} pixels hold no "
            "source: painted sources cannot be compared on real sky; use a larger or less crowded field"
        )
    rng = stream.numpy()
    row, column = np.divmod(rng.choice(free, n, replace=len(free) < n), mask.shape[1])
    patches = _stamps(image, row, column, side)
    out = Cutouts(patches, column.astype(np.float64), row.astype(np.float64), np.arange(n))
    return out.turned(stream.child("turns"))


def _taken(
    stamps: Tensor, places: tuple[np.ndarray, np.ndarray], rows: np.ndarray, rule: CutoutRule,
    select: bool = True,
) -> Cutouts:  # fmt: skip
    """Centre stamps to the pixel by their light, and keep those that the rule wants."""
    if len(stamps) == 0:
        empty = stamps[:, :, MARGIN : MARGIN + rule.side, MARGIN : MARGIN + rule.side]
        x, y = (np.asarray(p, dtype=np.float64) for p in places)
        return Cutouts(empty, x, y, rows)
    with torch.no_grad():
        dx, dy = _off_middle(_mean(stamps, rule), rule)
    line = torch.arange(rule.side) + MARGIN
    index = torch.arange(len(stamps))[:, None, None]
    pixels = stamps.permute(0, 2, 3, 1)[
        index, (line + dy[:, None])[:, :, None], (line + dx[:, None])[:, None, :]
    ]
    pixels = pixels.permute(0, 3, 1, 2)
    # a stamp turned at random keeps its patch's place: what moves within it is noise to the folds
    x, y = (np.asarray(p, dtype=np.float64) + d.numpy() for p, d in zip(places, (dx, dy), strict=True))
    out = Cutouts(pixels, x, y, rows)
    return out.at(wanted(pixels, rule)) if select else out


def wanted(pixels: Tensor, rule: CutoutRule) -> np.ndarray:
    """Which cutouts (N, C, S, S) are bright enough and not too bright, (N,) bool."""
    with torch.no_grad():
        snr = signal_to_noise(pixels, rule)
        peak = (pixels - _level(pixels, rule)[..., None, None]).amax((1, 2, 3))
        return ((snr >= rule.least_snr) & (peak <= rule.most_peak_njy)).numpy()


def signal_to_noise(pixels: Tensor, rule: CutoutRule) -> Tensor:
    """Signal over sky noise (N,) within 1.4 FWHM of the light's centre, on the weighted mean of the bands."""
    mean = _mean(pixels, rule)
    x, y = centres(mean, rule.scale)
    line = torch.arange(rule.side, dtype=torch.float32)
    radius = torch.hypot(line[None, None, :] - x[:, None, None], line[None, :, None] - y[:, None, None])
    edge = 1.4 * rule.scale.unit
    flux = (mean * (edge - radius + 0.5).clamp(0.0, 1.0)).sum((1, 2))
    rms = sum(n**-2.0 for n in rule.noise_njy) ** -0.5
    return flux / (rms * (torch.pi * edge**2) ** 0.5)


def _mean(pixels: Tensor, rule: CutoutRule) -> Tensor:
    """Mean of the bands with weights 1 / rms^2, (N, S, S), less the sky."""
    weight = torch.tensor(rule.noise_njy, dtype=torch.float32) ** -2
    flat = pixels - _level(pixels, rule)[..., None, None]
    return torch.einsum("ncyx,c->nyx", flat, weight / weight.sum())


def _level(pixels: Tensor, rule: CutoutRule) -> Tensor:
    line = torch.arange(pixels.shape[-1], dtype=torch.float32) - pixels.shape[-1] // 2
    return sky_level(pixels, torch.hypot(line[:, None], line[None, :]) >= rule.scale.sky_from)[0]


def _off_middle(mean: Tensor, rule: CutoutRule) -> tuple[Tensor, Tensor]:
    """Whole pixels (N,) int64 by which the light's centre lies off the middle, at most MARGIN."""
    middle = mean.shape[-1] // 2
    x, y = centres(mean, Scale(rule.fwhm_pix, mean.shape[-1]))
    return tuple(torch.round(c - middle).long().clamp(-MARGIN, MARGIN) for c in (x, y))  # type: ignore[return-value]


def _room(x: np.ndarray, y: np.ndarray, side: int, shape: tuple[int, ...]) -> np.ndarray:
    """Whether a stamp about each place lies on the image."""
    half = side // 2
    column, row = np.rint(x), np.rint(y)
    return (column >= half) & (row >= half) & (column < shape[1] - half) & (row < shape[0] - half)


def _stamps(image: np.ndarray, row: np.ndarray, column: np.ndarray, side: int) -> Tensor:
    """Stamps (N, C, side, side) about pixels."""
    windows = np.lib.stride_tricks.sliding_window_view(image, (side, side), axis=(1, 2))
    stamps = windows[:, row - side // 2, column - side // 2].swapaxes(0, 1)
    return torch.from_numpy(np.ascontiguousarray(stamps, dtype=np.float32))


def _whole(mask: np.ndarray, side: int) -> np.ndarray:
    """Pixels (y, x) about which a stamp lies on the image and holds no masked pixel."""
    summed = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1), dtype=np.int64)
    summed[1:, 1:] = mask.cumsum(0, dtype=np.int64).cumsum(1)
    out = np.zeros(mask.shape, dtype=bool)
    if min(mask.shape) >= side:
        hidden = summed[side:, side:] - summed[:-side, side:] - summed[side:, :-side] + summed[:-side, :-side]
        half = side // 2
        out[half : half + hidden.shape[0], half : half + hidden.shape[1]] = hidden == 0
    return out


def _alone(labels: np.ndarray, row: np.ndarray, column: np.ndarray, rule: CutoutRule) -> np.ndarray:
    """Whether no other source owns a pixel within the clear middle about each, (N,) bool."""
    reach = round(rule.scale.clear)
    line = np.arange(-reach, reach + 1)
    disk = np.hypot(line[:, None], line[None, :]) <= reach
    out = np.zeros(len(row), dtype=bool)
    for i, (y, x) in enumerate(zip(row.tolist(), column.tolist(), strict=True)):
        window = labels[y - reach : y + reach + 1, x - reach : x + reach + 1]
        owners = window[disk & (window > 0)]
        own = labels[y, x]
        out[i] = own > 0 and bool((owners == own).all())
    return out


def _middle(light: Tensor, side: int) -> Tensor:
    """Cut the middle `side` pixels out of stamps."""
    cut = (light.shape[-1] - side) // 2
    if cut < 0 or light.shape[-1] % 2 == 0:
        raise InputError(
            f"painted stamps should have an odd side of at least {side} pixels, found {light.shape[-1]}"
        )
    return light[..., cut : cut + side, cut : cut + side]
