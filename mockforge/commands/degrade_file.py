"""`mockforge degrade` of a field of any size: window by window, its noise drawn by place."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.batch import Batch
from mockforge.commands.degrade import coarse_wcs, degraded_header
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.mosaic.read import Mosaic
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic
from mockforge.observe.degrade.degrader import Grid, coarse_grid, padding
from mockforge.observe.degrade.labels import coarse_mask
from mockforge.observe.degrade.noise import TargetNoise
from mockforge.observe.degrade.optics import (
    DegradationSetup,
    DrawnSettings,
    about_of,
    drawn_of,
    fwhm_of,
    seen_through,
)
from mockforge.observe.noise.pixels import PixelNoise
from mockforge.observe.noise.spec import Noise
from mockforge.rng import Stream
from mockforge.scene.noise import NoiseOfPlaces
from mockforge.stages.degrade import Degrade

_MARGIN = 3
"""Times the padding of a whole image: light from so far off is within 1e-5 of the noise."""
_LEAST_MARGIN = 128
"""Fine pixels; a band-limited filter rings over as many."""


@dataclass(frozen=True)
class DegradedWindows:
    """Paints windows of the degraded field of a noiseless one."""

    mosaic: Mosaic
    stage: Degrade
    about: DegradationSetup
    drawn: DrawnSettings
    grid: Grid
    margin: int
    """Fine pixels read around a window."""
    models: list[PixelNoise] | None
    """Noise of each band; None: none is added."""
    noise: list[NoiseOfPlaces]

    def __call__(self, y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
        """Return `image`, `variance`, `truth` and `mask` of a window of coarse pixels."""
        field, grid = self._read(y0, y1, x0, x1)
        assert field.truth is not None
        factor = float(self.drawn.fwhm_factor[0])
        clean = seen_through(self.stage, self.about, field.truth, grid, factor)
        image, variance = clean.copy(), np.zeros_like(clean)
        for c, (model, noise) in enumerate(zip(self.models or (), self.noise, strict=True)):
            image[c] = noise.observed(clean[c : c + 1], y0, x0)[0]
            variance[c] = model.rms[0] ** 2
            if model.electrons is not None:
                variance[c] += np.clip(clean[c], 0, None) / model.electrons[0]
        mask = np.zeros(clean.shape[1:], dtype=bool)
        if field.mask is not None:
            width = max(map(fwhm_of, self.about.wanted))
            mask = coarse_mask(field.mask, grid, self.about.fine, width, self.stage.edge == "mirror")
        return {"image": image, "truth": clean, "variance": variance, "mask": mask[None].astype(np.uint8)}

    def _read(self, y0: int, y1: int, x0: int, x1: int) -> tuple[Field, Grid]:
        """Return the fine window that a coarse one needs, and the coarse pixels on it."""
        step, ends, starts = self.grid.step, [], []
        pairs = zip((y0, x0), (y1, x1), self.grid.start, self.mosaic.shape[1:], strict=True)
        for first, last, start, size in pairs:
            low = max(0, math.floor(start + step * first) - self.margin)
            high = min(size, math.ceil(start + step * (last - 1)) + 1 + self.margin)
            ends.append(slice(low, high))
            starts.append(start + step * first - low)
        return self.mosaic[ends[0], ends[1]], Grid((y1 - y0, x1 - x0), step, (starts[0], starts[1]))


def degrade_file(
    mosaic: Mosaic, stage: Degrade, seed: int, out: Path, advance: Callable[[int], None] | None = None
) -> tuple[Path, MosaicSpec]:
    """Write the noiseless plane of a field on disk as another telescope would observe it.

    As `degrade_field`, at any size and in little memory. The noise is drawn by place, so that it does not
    depend on the windows: other numbers than `degrade_field` draws, of the same law, and shot noise is
    Gaussian at any number of electrons.

    Raises
    ------
    InputError
        As `degrade_field`, and where a field cannot be degraded by windows: observed images, a sweep.
    """
    windows = windows_of(mosaic, stage, seed)
    spec = _spec(windows, seed)
    side = 512 if windows.grid.step > 1.5 else 1024
    return write_mosaic(out, spec, windows, window=side, advance=advance), spec


def windows_of(mosaic: Mosaic, stage: Degrade, seed: int) -> DegradedWindows:
    """Return what paints windows of the degraded field; errors as `degrade_file`."""
    if mosaic.unit != "nJy":
        raise InputError("the flux unit of the image is unknown: give the AB magnitude of pixel value 1")
    if mosaic.pixel_scale_arcsec is None:
        raise InputError("the pixel scale of the image is unknown: give it in arcsec")
    if stage.input != "truth":
        raise InputError(
            f"input: {stage.input} cannot be degraded window by window; take the noiseless image (--truth)"
        )
    if "truth" not in mosaic.planes:
        raise InputError(f"{mosaic.path}: has no noiseless image, and --truth needs it")
    if stage.sweep is not None:
        raise InputError("sweep: a field that is written window by window has one setting; take it out")
    if stage.psf is None and mosaic.psf_fwhm_arcsec is None:
        raise InputError("the PSF of the image is unknown: give its FWHM in arcsec (--psf-fwhm 0.7)")
    stage = replace(stage, labels=())
    nothing = np.broadcast_to(np.float32(0), (1, *mosaic.shape))  # of the shape alone, without its bytes
    known: dict[str, Any] = {
        "bands": mosaic.bands,
        "pixel_scale_arcsec": mosaic.pixel_scale_arcsec,
        "psf_fwhm_arcsec": mosaic.psf_fwhm_arcsec,
    }
    sample, stream = np.zeros(1, dtype=np.int64), Stream(seed, ("degrade",))
    batch = Batch(sample, sample, np.array(["train"]), arrays={"truth": nothing}, attributes=known)
    about = about_of(stage, batch)
    drawn = drawn_of(stage, about, 1, stream)
    phase = (float(drawn.phase_x[0]), float(drawn.phase_y[0]))
    grid = coarse_grid((mosaic.shape[1], mosaic.shape[2]), about.scale / about.fine, about.shape, phase)
    reach = max(padding(model) for model in about.wanted) / about.fine
    margin = max(_LEAST_MARGIN, math.ceil(_MARGIN * reach))
    models = _models(stage, about, drawn, stream)
    places = [NoiseOfPlaces(m, stream.child("by_place", c), 1) for c, m in enumerate(models or ())]
    return DegradedWindows(mosaic, stage, about, drawn, grid, margin, models, places)


def _models(
    stage: Degrade, about: DegradationSetup, drawn: DrawnSettings, stream: Stream
) -> list[PixelNoise] | None:
    """Return the noise of each band of the target, as the stage draws its depth."""
    if not stage.noisy:
        return None
    noise = stage.noise or Noise(survey=stage.to, survey_bands=about.bands)
    target = TargetNoise(noise, about.bands, [fwhm_of(model) for model in about.wanted])
    factor = 10 ** (-0.4 * drawn.depth_offset_mag) * noise.rms_factor.draw(
        stream.child("rms_factor").numpy(), 1
    )
    models = [target.pixel(c, about.scale) for c in range(len(about.bands))]
    return [replace(model, rms=model.rms * float(factor[0])) for model in models]


def _spec(windows: DegradedWindows, seed: int) -> MosaicSpec:
    """Return the planes and headers of the degraded field."""
    mosaic, about, grid = windows.mosaic, windows.about, windows.grid
    widths = tuple(fwhm_of(model) for model in about.wanted)
    blank = np.zeros((len(about.bands), 1, 1), dtype=np.float32)
    cards_from = Field(blank, about.bands, about.scale, widths)
    cards = tuple(cards_from.cards(i) for i in range(len(about.bands)))
    squared = tuple(cards_from.cards(i, 2) for i in range(len(about.bands)))
    planes = (
        Plane("image", about.bands, cards=cards),
        Plane("truth", tuple(f"TRUTH_{band}" for band in about.bands), cards=cards),
        Plane("variance", tuple(f"VAR_{band}" for band in about.bands), cards=squared),
        Plane("mask", ("MASK",), dtype="uint8"),
    )
    told = repr((windows.stage, seed, sorted(mosaic.stamps.items()), grid, about.scale))
    facts = {
        "bands": list(about.bands),
        "unit": "nJy",
        "zeropoint_ab": cards_from.zeropoint_ab,
        "pixel_scale_arcsec": about.scale,
        "psf_fwhm_arcsec": list(widths),
    }
    return MosaicSpec(
        *grid.shape,
        planes,
        wcs=None if mosaic.wcs is None else coarse_wcs(mosaic.wcs, grid),
        header=degraded_header(windows.stage.to, windows.stage.input, seed),
        identity=hashlib.sha256(told.encode()).hexdigest(),
        facts=facts,
    )
