"""Cutouts: images of single galaxies from files or a painted sky, cleaned of sky and neighbours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from mockforge.config import Index, config
from mockforge.errors import InputError
from mockforge.field.robust import SIGMA_PER_MAD, sigma_about
from mockforge.field.symmetries import turned
from mockforge.label.detect import detect
from mockforge.label.rule import DetectionRule
from mockforge.observe.measure import noise_autocorrelation, noise_kernel
from mockforge.rng import Stream

_LEAST_SKY = 0.05
"""Share of a cutout's pixels that must be free of sources for its sky to be measured there."""

_FAR = 5.0
"""Pixels by which a galaxy may be away from where it should be."""


@dataclass(frozen=True)
class Cutout:
    """One galaxy on an image of its own, nJy."""

    name: str
    image: np.ndarray
    """(b, y, x) float64"""
    centre: tuple[float, float]
    """(x, y) of the galaxy in pixels, the first pixel is 0."""
    mask: np.ndarray
    """(y, x) bool, true where a pixel must not be used."""
    psf: np.ndarray | None = None
    """(y, x) image of the PSF with its pixel, on the same scale; None where the source has one for all."""
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    """What the headers say, (b,)."""
    rms: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """(b,) rms of a pixel of the sky; empty where it is not known."""
    body: np.ndarray | None = None
    """(y, x) bool, the galaxy's own pixels, where it was detected."""
    photometry: Mapping[str, float] = field(default_factory=dict)
    """Fluxes of the whole galaxy in further bands, nJy; NaN where not known."""

    @property
    def noise(self) -> np.ndarray:
        """(b,) rms of a pixel of the sky; 0 where it is not known."""
        return self.rms if len(self.rms) else np.zeros(len(self.image))


class CutoutCatalogue(Protocol):
    """Galaxies that can be cut out one by one."""

    bands: tuple[str, ...]
    """Bands of every cutout, as `mockforge.photometry.bands` names them."""
    photometry: tuple[str, ...]
    """Bands of the further fluxes."""
    pixel_scale_arcsec: float
    redshifts: np.ndarray
    """(G,) redshift of each, NaN where it is not known and has to be drawn."""

    def cutout(self, i: int) -> Cutout:
        """Return the i-th galaxy. InputError where its file cannot be used."""
        ...


@config
class Cleaning:
    """What is done to a cutout before its galaxy is moved."""

    subtract_sky: bool = True
    """Subtract the median of the pixels without sources, band by band."""
    mask_neighbours: bool = True
    """Replace other objects by the pixels opposite the galaxy's centre, or by 0 where those are
    not free."""
    grow: Index = 3
    """Pixels by which objects are grown before either."""
    detect: DetectionRule = DetectionRule(
        threshold=2.5, min_pixels=8, background_mesh=256, local_rms=False, deblend_contrast=0.1
    )
    """How objects are distinguished from sky; the galaxy is the object at the centre, or the nearest."""

    @property
    def needed(self) -> bool:
        """Whether anything is to be done."""
        return self.subtract_sky or self.mask_neighbours


def cleaned(cutout: Cutout, rule: Cleaning, pixel_scale_arcsec: float) -> Cutout:
    """Return the cutout without sky and neighbours as `rule` says, centred on its galaxy.

    Masked pixels are filled as neighbours are. InputError, naming the cutout, where it cannot be
    measured.
    """
    bad, image = cutout.mask, np.where(cutout.mask, 0.0, cutout.image)
    if not rule.needed:
        return replace(cutout, image=mirrored(image, bad, cutout.centre))
    from skimage.segmentation import expand_labels

    try:
        sources = detect(image, rule.detect, mask=bad, pixel_scale_arcsec=pixel_scale_arcsec)
    except InputError as error:
        raise InputError(
            f"{cutout.name}: {error}; or set clean.subtract_sky and clean.mask_neighbours to false"
        ) from error
    labels = np.asarray(expand_labels(sources.instances, rule.grow))
    level, rms = _sky(image, (labels == 0) & ~bad)
    if rule.subtract_sky:
        image = image - level[:, None, None]
    out = replace(cutout, rms=rms)
    own = _nearest(sources.instances, sources.table, cutout.centre, cutout.name)
    if own:
        row = int(np.flatnonzero(sources.table["label"] == own)[0])
        out = replace(
            out, centre=(float(sources.table["x"][row]), float(sources.table["y"][row])), body=labels == own
        )
    if rule.mask_neighbours:
        bad = bad | ((labels != own) & (labels > 0))
    return replace(out, image=mirrored(image, bad, out.centre))


def mirrored(image: np.ndarray, bad: np.ndarray, centre: tuple[float, float]) -> np.ndarray:
    """(b, y, x) with each bad pixel (y, x) replaced by the one opposite `centre` (x, y), or by 0."""
    if not bad.any():
        return image
    y, x = np.nonzero(bad)
    opposite = np.rint(2 * centre[1] - y).astype(int), np.rint(2 * centre[0] - x).astype(int)
    h, w = bad.shape
    inside = (opposite[0] >= 0) & (opposite[0] < h) & (opposite[1] >= 0) & (opposite[1] < w)
    source = opposite[0].clip(0, h - 1), opposite[1].clip(0, w - 1)
    good = inside & ~bad[source]
    out = image.copy()
    out[:, y, x] = np.where(good, image[:, source[0], source[1]], 0.0)
    return out


def on_wider_sky(cutout: Cutout, margin: int, stream: Stream) -> Cutout:
    """Return the cutout with `margin` pixels of sky added on each side: noise like that of its edges.

    Without it a stamp wider than the cutout would show where the noise ends. The noise has the
    cutout's rms, or that of its outermost pixels where that is far less, and up to three pixels
    apart their correlation. Nothing but zeros is added where the rms is not known.
    """
    if margin <= 0:
        return cutout

    h, w = cutout.mask.shape
    edge = np.ones((h, w), dtype=bool)
    rim = max(4, min(h, w) // 8)
    edge[rim:-rim, rim:-rim] = False
    wide = (h + 2 * margin, w + 2 * margin)
    image = np.zeros((len(cutout.image), *wide))
    for b, rms in enumerate(cutout.noise):
        if rms > 0:
            level = cutout.image[b] - np.median(cutout.image[b][edge])
            sigma = SIGMA_PER_MAD * float(np.median(np.abs(level[edge])))
            rms = sigma if sigma < 0.7 * rms else rms  # catalogues are wrong at times
            calm = edge & ~cutout.mask & (np.abs(level) < 4 * rms)
            kernel = noise_kernel(noise_autocorrelation(level, calm, 3))
            white = stream.child(b).numpy().standard_normal(wide)
            image[b] = rms * np.fft.irfft2(np.fft.rfft2(white) * np.fft.rfft2(kernel, wide), wide)
    inner = (slice(margin, margin + h), slice(margin, margin + w))
    image[:, *inner] = cutout.image
    x, y = cutout.centre
    grown = {"mask": np.pad(cutout.mask, margin)}
    if cutout.body is not None:
        grown["body"] = np.pad(cutout.body, margin)
    return replace(cutout, image=image, centre=(x + margin, y + margin), **grown)


def _sky(image: np.ndarray, free: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Median and robust rms (b,) of the free pixels; of the edge where nearly none is free."""
    if free.mean() < _LEAST_SKY:
        free = np.ones_like(free)
        free[2:-2, 2:-2] = False
    values = image[:, free]
    level = np.median(values, axis=1)
    for _ in range(3):  # what remains of sources is clipped
        spread = sigma_about(values, level[:, None], axis=1)
        used = np.abs(values - level[:, None]) <= 3 * spread[:, None] + 1e-300
        level = np.array([np.median(v[u]) for v, u in zip(values, used, strict=True)])
    return level, sigma_about(values, level[:, None], axis=1)


def _nearest(instances: np.ndarray, table: Mapping[str, Any], centre: tuple[float, float], name: str) -> int:
    """Label of the object at the centre, or of the nearest; 0 where there is none.

    InputError where the nearest is another object: its centre farther than `_FAR` pixels and three
    times its size.
    """
    if not len(table["label"]):
        return 0
    y, x = (int(np.clip(round(c), 0, n - 1)) for c, n in zip(centre[::-1], instances.shape, strict=True))
    if instances[y, x]:
        return int(instances[y, x])
    distance = np.hypot(table["x"] - centre[0], table["y"] - centre[1])
    i = int(np.argmin(distance))
    if distance[i] > _FAR + 3 * float(table["a"][i]):
        raise InputError(
            f"{name}: no object is detected at its place ({centre[0]:.1f}, {centre[1]:.1f}); the nearest is "
            f"{distance[i]:.1f} pixels away, at ({table['x'][i]:.1f}, {table['y'][i]:.1f}). Correct the "
            "place, leave the galaxy out, or detect fainter ones (clean.detect.threshold)"
        )
    return int(table["label"][i])


def turned_cutout(cutout: Cutout, turn: int) -> Cutout:
    """Return the cutout and its PSF in another orientation."""
    (x, y), (h, w) = cutout.centre, cutout.image.shape[-2:]
    x, y = (w - 1 - x if turn & 1 else x), (h - 1 - y if turn & 2 else y)
    return replace(
        cutout,
        image=turned(cutout.image, turn),
        mask=turned(cutout.mask, turn),
        centre=(y, x) if turn & 4 else (x, y),
        psf=None if cutout.psf is None else turned(cutout.psf, turn),
        body=None if cutout.body is None else turned(cutout.body, turn),
    )
