"""Measured features of source-centred cutouts: what a critic and a classifier can police with few sources.

A convolutional classifier is blind at a thousand cutouts; a few dozen numbers with a meaning are not. All are
differentiable in the pixels, and the same for a cutout and its turned or flipped twin.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from mockforge.errors import InputError

RINGS = ((0.0, 0.33), (0.33, 0.64), (0.64, 0.94), (0.94, 1.36), (1.36, 1.82), (2.4, 3.3))
"""Inner and outer radii in PSF FWHM; the ring between 1.82 and 2.4 follows from the others and the total."""
_TOTAL, _SHAPE, _COLOUR = 2.4, 2.1, 1.8
"""Apertures in FWHM: of the total, of asymmetry and peakiness, of the colour structure."""
_INNER, _OUTER = 0.9, 1.5
"""Sigmas in FWHM of the Gaussian windows of the moments."""
_SKY = 6.0
"""FWHM from the centre at which the local background begins."""
_REGISTERED = 0.3
"""Pixels by which the centre of a band may lie off that of all bands."""
_MOST_CHANNELS = 3
"""More bands than this are averaged into so many neighbouring groups: structure needs few channels."""


@dataclass(frozen=True)
class Scale:
    """The pixels of a PSF FWHM on cutouts of `side`, kept small enough for sky to be left around."""

    fwhm_pix: float
    side: int

    def __post_init__(self) -> None:
        if self.side % 2 == 0 or self.side < 33:
            raise InputError(f"cutouts have an odd side of at least 33 pixels, found {self.side}")
        if not self.fwhm_pix > 0:
            raise InputError(f"the PSF's FWHM should be above 0 pixels, found {self.fwhm_pix}")

    @property
    def unit(self) -> float:
        """Pixels of one FWHM; at least 2, so that the inner ring holds a pixel."""
        return min(max(self.fwhm_pix, 2.0), (self.side // 2 - 4) / 4.0)

    @property
    def sky_from(self) -> float:
        """Radius in pixels at which the local background begins."""
        return min(_SKY * self.unit, self.side // 2 - 4.0)

    @property
    def clear(self) -> float:
        """Radius in pixels within which a cutout has no other source, and nothing is measured beyond."""
        return RINGS[-1][1] * self.unit


def features(
    cutouts: Tensor, fwhm_pix: float | Sequence[float], noise_njy: Sequence[float] | None = None
) -> Tensor:
    """Measure source-centred cutouts.

    Per channel: log total, six rings of the light curve, asymmetry under half a turn, m = 2 moment,
    peakiness and, of more than one channel, the scatter of its shape about the others' (11 each); of the
    mean: outer m = 2 moment, its alignment with the inner one, m = 3 and m = 4 moments. A channel is a
    band; more than three bands are averaged into three neighbouring groups, and each band adds its log
    total and its concentration.

    Parameters
    ----------
    cutouts : Tensor
        (N, C, S, S) nJy, float32, S odd: one source near the middle of each, any sky level.
    fwhm_pix
        FWHM of the PSF, a number or one a band, of which the median is taken: the unit of all radii.
    noise_njy
        Rms of the sky in a pixel of each band; by default measured in each cutout. Bands are averaged
        with these weights, and totals below 5 sigma do not divide.

    Returns
    -------
    Tensor
        (N, F), 37 for three bands. It has the gradient of `cutouts`; the centre has none.
    """
    if cutouts.ndim != 4 or cutouts.shape[2] != cutouts.shape[3]:
        raise InputError(f"cutouts should be (N, C, S, S), found {tuple(cutouts.shape)}")
    scale = Scale(_one_fwhm(fwhm_pix), cutouts.shape[-1])
    parts = [_features(part, scale, noise_njy) for part in cutouts.float().split(128)]
    return torch.cat(parts) if parts else cutouts.new_zeros((0, len(feature_names(cutouts.shape[1]))))


def feature_names(bands: int) -> list[str]:
    """Names of the columns of `features`, e.g. `0.asymmetry`."""
    n = min(bands, _MOST_CHANNELS)
    names = ["log_total", *(f"ring{i}" for i in range(len(RINGS))), "asymmetry", "m2", "peakiness"]
    names += ["colour"] if n > 1 else []
    out = [f"{k}.{name}" for name in names for k in range(n)]
    out += [f"mean.{name}" for name in ("m2_outer", "twist", "m3", "m4")]
    if bands > _MOST_CHANNELS:
        out += [f"band{k}.{name}" for name in ("log_total", "core") for k in range(bands)]
    return out


def _one_fwhm(fwhm_pix: float | Sequence[float]) -> float:
    values = [float(f) for f in (fwhm_pix if isinstance(fwhm_pix, Sequence) else (fwhm_pix,))]
    usable = sorted(f for f in values if math.isfinite(f) and f > 0)
    if not usable:
        raise InputError(f"the PSF's FWHM should be above 0 pixels, found {fwhm_pix}")
    return usable[len(usable) // 2]


def _features(cutouts: Tensor, scale: Scale, noise_njy: Sequence[float] | None) -> Tensor:
    """`features` of a part of the cutouts, few enough for the memory."""
    bands, middle = cutouts.shape[1], scale.side // 2
    rows, columns = _grid(scale.side, cutouts)
    sky = torch.hypot(rows - middle, columns - middle) >= scale.sky_from
    level, measured = sky_level(cutouts, sky)
    pixels = cutouts - level[..., None, None]
    noise = measured if noise_njy is None else cutouts.new_tensor(noise_njy).expand(len(cutouts), -1)
    groups = _groups(bands)
    if len(groups) == bands:
        channels, channel_noise = pixels, noise
    else:
        channels, channel_noise = _averaged(pixels, noise, groups)
    mean, mean_noise = _averaged(pixels, noise, [range(bands)])
    x, y = centres(mean[:, 0], scale)
    dx, dy = columns[None] - x[:, None, None], rows[None] - y[:, None, None]
    radius = torch.sqrt(dx**2 + dy**2)
    out = _of_channels(channels, channel_noise, (dx, dy, radius), scale)
    out += _of_mean(mean, mean_noise, dx, dy, scale)
    if len(groups) != bands:
        total = _total(pixels, noise, radius, scale)
        core = _within(pixels, radius, 0.64 * scale.unit) / total
        out += [torch.log(total), core]
    return torch.cat(out, dim=1)


def sky_level(cutouts: Tensor, sky: Tensor) -> tuple[Tensor, Tensor]:
    """Local background and its rms, (N, C) each: median and 1.4826 MAD of the pixels of `sky` (S, S)."""
    ring = cutouts.detach()[:, :, sky]
    level = ring.median(-1).values
    rms = 1.4826 * (ring - level[..., None]).abs().median(-1).values
    return level, rms.clamp_min(1e-12)


def centres(image: Tensor, scale: Scale) -> tuple[Tensor, Tensor]:
    """Sub-pixel centres x, y (N,) of images (N, S, S): a Gaussian-windowed centroid.

    The window has the sigma of the PSF, and a step is twice the moment: SExtractor's XWIN (Bertin 2006).
    """
    with torch.no_grad():
        middle, sigma = scale.side // 2, 0.6 * scale.unit
        reach = min(middle, math.ceil(4.0 + 4.0 * sigma))  # beyond, the window is 0
        image = image[:, middle - reach : middle + reach + 1, middle - reach : middle + reach + 1]
        line = torch.arange(-reach, reach + 1, device=image.device, dtype=torch.float32)
        x = y = image.new_zeros(len(image))
        for _ in range(8):
            dx, dy = line - x[:, None], line - y[:, None]
            wide, high = (torch.exp(-0.5 * (d / sigma) ** 2) for d in (dx, dy))
            light = image * high[:, :, None] * wide[:, None, :]
            total = light.sum((1, 2))
            total = torch.where(total > 0, total, torch.inf)  # nothing there: the middle
            x = (x + 2.0 * (light.sum(1) * dx).sum(1) / total).clamp(-4.0, 4.0)
            y = (y + 2.0 * (light.sum(2) * dy).sum(1) / total).clamp(-4.0, 4.0)
        return x + middle, y + middle


def _grid(side: int, like: Tensor) -> tuple[Tensor, Tensor]:
    line = torch.arange(side, device=like.device, dtype=torch.float32)
    return line[:, None].expand(side, side), line[None, :].expand(side, side)


def _groups(bands: int) -> list[range]:
    """Bands in order, each its own channel, or in three neighbouring groups."""
    n = min(bands, _MOST_CHANNELS)
    edges = [round(i * bands / n) for i in range(n + 1)]
    return [range(a, b) for a, b in zip(edges[:-1], edges[1:], strict=True)]


def _averaged(pixels: Tensor, noise: Tensor, groups: Sequence[range]) -> tuple[Tensor, Tensor]:
    """Bands averaged by groups with weights 1 / noise^2: pixels (N, G, S, S) and their rms (N, G)."""
    images, rms = [], []
    for group in groups:
        weight = noise[:, list(group)] ** -2
        images.append(
            (pixels[:, list(group)] * (weight / weight.sum(1, keepdim=True))[..., None, None]).sum(1)
        )
        rms.append(weight.sum(1) ** -0.5)
    return torch.stack(images, dim=1), torch.stack(rms, dim=1)


def _disk(radius: Tensor, edge: float) -> Tensor:
    """Share of each pixel (N, S, S) within `edge` px, by a ramp one pixel wide: smooth in the centre."""
    return (edge - radius + 0.5).clamp(0.0, 1.0)


def _within(pixels: Tensor, radius: Tensor, edge: float) -> Tensor:
    return torch.einsum("ncyx,nyx->nc", pixels, _disk(radius, edge))


def _total(pixels: Tensor, noise: Tensor, radius: Tensor, scale: Scale) -> Tensor:
    """Flux (N, C) within 2.4 FWHM, never below 5 sigma, smoothly: it divides."""
    edge = _TOTAL * scale.unit
    floor = 5.0 * noise * math.sqrt(math.pi) * edge
    flux = _within(pixels, radius, edge)
    return 0.5 * (flux + torch.sqrt(flux**2 + floor**2))


def _of_channels(
    pixels: Tensor, noise: Tensor, places: tuple[Tensor, Tensor, Tensor], scale: Scale
) -> list[Tensor]:
    dx, dy, radius = places
    total = _total(pixels, noise, radius, scale)
    unit = scale.unit
    out = [torch.log(total)]
    edges = sorted({e for ring in RINGS for e in ring if e > 0})
    grown = {e: _within(pixels, radius, e * unit) for e in edges} | {0.0: torch.zeros_like(total)}
    out += [(grown[b] - grown[a]) / total for a, b in RINGS]
    smooth = _smoothed(pixels, 0.3 * unit)
    shape = _disk(radius, _SHAPE * unit)[:, None]
    registered = _registered(smooth, pixels, dx, dy, scale)
    out.append(((registered - _half_turned(registered, dx, dy)).abs() * shape).sum((2, 3)) / total)
    real, imaginary = _moment(pixels, dx, dy, _INNER * unit, 2)
    out.append(_length(real, imaginary, total * unit**2))
    out.append(torch.sqrt((smooth**2 * shape).sum((2, 3)) + 1e-12) * unit / total)
    if pixels.shape[1] > 1:
        profile = registered / total[..., None, None]
        unlike = profile - profile.mean(dim=1, keepdim=True)
        inside = _disk(radius, _COLOUR * unit)[:, None]
        out.append(torch.sqrt((unlike**2 * inside).sum((2, 3)) + 1e-12) * unit)
    return out


def _of_mean(mean: Tensor, noise: Tensor, dx: Tensor, dy: Tensor, scale: Scale) -> list[Tensor]:
    """Moments of the mean of the bands: outer m = 2, its alignment with the inner, m = 3, m = 4."""
    unit = scale.unit
    total = _total(mean, noise, torch.sqrt(dx**2 + dy**2), scale)
    inner = _moment(mean, dx, dy, _INNER * unit, 2)
    outer = _moment(mean, dx, dy, _OUTER * unit, 2, scale.clear)
    along = inner[0] * outer[0] + inner[1] * outer[1]
    twist = along / (_length(*inner) * _length(*outer) + 1e-3 * (total * unit**2) ** 2)
    out = [_length(*outer, total * unit**2), twist]
    return out + [_length(*_moment(mean, dx, dy, _INNER * unit, m), total * unit**m) for m in (3, 4)]


def _moment(
    pixels: Tensor, dx: Tensor, dy: Tensor, sigma: float, m: int, edge: float | None = None
) -> tuple[Tensor, Tensor]:
    """Real and imaginary part of the sum of light times (x + i y)^m in a Gaussian window, (N, C) each."""
    square = dx**2 + dy**2
    window = torch.exp(-0.5 * square / sigma**2)
    if edge is not None:
        window = window * _disk(torch.sqrt(square), edge)
    real, imaginary = dx, dy
    for _ in range(m - 1):
        real, imaginary = real * dx - imaginary * dy, real * dy + imaginary * dx
    return (
        torch.einsum("ncyx,nyx->nc", pixels, real * window),
        torch.einsum("ncyx,nyx->nc", pixels, imaginary * window),
    )


def _length(real: Tensor, imaginary: Tensor, over: Tensor | float = 1.0) -> Tensor:
    """Modulus, with a gradient at 0 too."""
    return torch.sqrt((real / over) ** 2 + (imaginary / over) ** 2 + 1e-10)


def _smoothed(pixels: Tensor, sigma: float) -> Tensor:
    """Pixels convolved with a Gaussian of `sigma` px, edges mirrored."""
    reach = max(2, math.ceil(3.0 * sigma))
    line = torch.arange(-reach, reach + 1, device=pixels.device, dtype=torch.float32)
    row = torch.exp(-0.5 * (line / sigma) ** 2)
    row = row / row.sum()
    flat = F.pad(pixels.flatten(0, 1)[:, None], (reach,) * 4, mode="reflect")
    flat = F.conv2d(F.conv2d(flat, row[None, None, None, :]), row[None, None, :, None])
    return flat[:, 0].unflatten(0, pixels.shape[:2])


def _registered(smooth: Tensor, pixels: Tensor, dx: Tensor, dy: Tensor, scale: Scale) -> Tensor:
    """`smooth` (N, C, S, S) with each channel moved from its own centre to that of all.

    Bands of a survey are registered to a few hundredths of a pixel, which is not a shape.
    """
    n, channels = pixels.shape[:2]
    middle = scale.side // 2
    shared = (middle - dx[:, middle, middle], middle - dy[:, middle, middle])
    own = (c.view(n, channels) for c in centres(pixels.flatten(0, 1), scale))
    x, y = (
        (c - together[:, None]).clamp(-_REGISTERED, _REGISTERED).flatten()[:, None, None]
        for c, together in zip(own, shared, strict=True)
    )
    rows, columns = _grid(scale.side, pixels)
    return _sampled(smooth.flatten(0, 1)[:, None], columns + x, rows + y).view_as(smooth)


def _half_turned(pixels: Tensor, dx: Tensor, dy: Tensor) -> Tensor:
    """Pixels (N, C, S, S) turned by 180 degrees about the centre, cubic between pixels."""
    rows, columns = _grid(pixels.shape[-1], pixels)
    return _sampled(pixels, columns - 2.0 * dx, rows - 2.0 * dy)


def _sampled(pixels: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """Pixels (N, C, S, S) at other places x, y (N, S, S), cubic between pixels, 0 outside."""
    middle = pixels.shape[-1] // 2
    grid = torch.stack([(x - middle) / middle, (y - middle) / middle], dim=-1)
    return F.grid_sample(pixels, grid, mode="bicubic", padding_mode="zeros", align_corners=True)
