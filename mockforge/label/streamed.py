"""Detection on a field of any size, window by window, equal to that on the whole field in memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from mockforge.errors import InputError, MockforgeError
from mockforge.field.field import Field
from mockforge.label.catalogue import measure
from mockforge.label.detect import extraction_of, kernel_of, mean_of, weights_of
from mockforge.label.detection import SkyBackground
from mockforge.label.empty import empty_pixels
from mockforge.label.mesh import Mesh, cells_of, mesh_of
from mockforge.label.rule import DetectionRule
from mockforge.label.windows import LARGEST_MARGIN, MARGIN, Region, cut_by_edge, reach_beyond

Window = tuple[int, int, int, int]
Map = Callable[[Callable[[Any], Any], list[Any]], Iterator[Any]]
"""As the built-in `map`: in order, here or in other processes."""


class OnDisk(Protocol):
    """A field that is read window by window, as `mockforge.open_field` opens it."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """(band, y, x)."""
        ...

    @property
    def bands(self) -> tuple[str, ...]:
        """Names of the bands."""
        ...

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return a window, its mask among it."""
        ...


@dataclass(frozen=True)
class Cells:
    """Measures level and noise of the mesh cells of a window, in each band or in their weighted mean."""

    field: OnDisk
    cell: int
    weights: np.ndarray | None = None

    def __call__(self, window: Window) -> tuple[np.ndarray, int, int]:
        """Return (image, 2, cell y, cell x), the number of usable pixels, and how many look empty."""
        image, mask = pixels_of(self.field, window)
        images = image if self.weights is None else mean_of(image, self.weights)[None]
        usable = image[0].size if mask is None else int(np.count_nonzero(~mask))
        empty = empty_pixels(image, mask) if self.weights is None else 0
        return np.stack([cells_of(one, mask, self.cell) for one in images]), usable, empty


def pixels_of(field: OnDisk, window: Window) -> tuple[np.ndarray, np.ndarray | None]:
    """Return image (band, y, x), 0 where it is not usable, and where that is."""
    y0, y1, x0, x1 = window
    part = field[y0:y1, x0:x1]
    unusable = np.asarray(~np.isfinite(part.image).all(axis=0))
    if part.mask is not None:
        unusable |= part.mask
    image = np.where(unusable, np.float32(0), part.image).astype(np.float32, copy=False)
    return image, unusable if unusable.any() else None


@dataclass(frozen=True)
class Background:
    """The background of a field."""

    bands: tuple[Mesh, ...]
    mean: Mesh | None
    """Of the mean of several bands."""
    masked: bool
    """Whether a pixel of the field is not usable."""
    empty: float = 0.0
    """Share of the pixels that are used and look as if they had no value."""


def background_of(field: OnDisk, rule: DetectionRule, each: Map, side: int) -> Background:
    """Return the background of a field, read in windows of about `side` pixels."""
    cell = min(rule.background_mesh, *field.shape[1:])
    per_band, usable, empty = _assembled(Cells(field, cell), each, side)
    pixels = field.shape[1] * field.shape[2]
    masked, empty_share = usable < pixels, empty / pixels
    bands = tuple(mesh_of(c, cell, rule, name) for c, name in zip(per_band, field.bands, strict=True))
    if len(bands) == 1:
        return Background(bands, None, masked, empty_share)
    weights = weights_of(np.array([b.global_rms for b in bands], dtype=np.float32), rule)
    mean = mesh_of(_assembled(Cells(field, cell, weights), each, side)[0][0], cell, rule, "detection image")
    return Background(bands, mean, masked, empty_share)


def _assembled(measure_cells: Cells, each: Map, side: int) -> tuple[np.ndarray, int, int]:
    """Return the statistics of all cells, the number of usable pixels, and how many look empty."""
    (ny, nx), cell = measure_cells.field.shape[1:], measure_cells.cell
    step = max(side // cell, 1) * cell
    starts = [range(0, n, step) for n in (ny, nx)]
    windows = [(y, min(y + step, ny), x, min(x + step, nx)) for y in starts[0] for x in starts[1]]
    images = 1 if measure_cells.weights is not None else len(measure_cells.field.bands)
    out = np.full((images, 2, -(-ny // cell), -(-nx // cell)), np.nan, dtype=np.float32)
    usable = empty = 0
    for (y0, _, x0, _), (part, count, without) in zip(windows, each(measure_cells, windows), strict=True):
        j, i = y0 // cell, x0 // cell
        out[:, :, j : j + part.shape[2], i : i + part.shape[3]] = part
        usable += count
        empty += without
    if not usable:
        raise InputError("no pixel is usable; every one is masked or NaN")
    return out, usable, empty


@dataclass(frozen=True)
class Found:
    """The objects of one window."""

    table: dict[str, np.ndarray]
    """Columns of the catalogue; `label` counts from 1, places from the field's first pixel."""
    pixels: np.ndarray
    """(n,) int64: pixels of the objects, y * width + x in the field, also beyond the window."""
    owner: np.ndarray
    """(n,) int32: label of each."""


@dataclass(frozen=True)
class Detector:
    """Finds and measures the objects of a window; sent to worker processes."""

    field: OnDisk
    rule: DetectionRule
    background: Background
    pixel_scale_arcsec: float | None = None
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    zeropoint_ab: float | None = None

    def __call__(self, window: Window) -> Found:
        """Return the objects of a window, equal to those of the whole field.

        Raises MockforgeError where one reaches farther than `LARGEST_MARGIN`.
        """
        margin = MARGIN
        while True:
            found = self._found(Region(window, self.field.shape[1:], margin))
            if found is not None:
                return found
            if margin >= LARGEST_MARGIN:
                y0, y1, x0, x1 = window
                raise MockforgeError(
                    f"an object of rows {y0} to {y1}, columns {x0} to {x1} reaches over"
                    f" {LARGEST_MARGIN} pixels beyond them; raise `threshold`, use a smaller"
                    " `background_mesh`, or mask it"
                )
            margin *= 2

    def _found(self, region: Region) -> Found | None:
        """Objects of the window; None where the region is too small for one of them."""
        y0, y1, x0, x1 = region.ends
        image, mask = pixels_of(self.field, region.ends)
        if mask is None and self.background.masked:  # sep fills masked neighbours up only where a mask is
            mask = np.zeros(image.shape[1:], dtype=bool)
        skies = [mesh.window(y0, y1, x0, x1) for mesh in self.background.bands]
        chosen, sky = self._detection_image(image, skies, region)
        kernel = kernel_of(self.rule, self.pixel_scale_arcsec, self.psf_fwhm_arcsec)
        edge = 1 if kernel is None else len(kernel) // 2 + 1
        edge *= 2  # what is about a blend belongs to it
        extraction = extraction_of(chosen, sky, self.rule, mask, kernel, blends_alone=True)
        if cut_by_edge(region, extraction.instances, edge):
            return None
        for band, one in zip(image, skies, strict=True):
            band -= one.level
        scale = self.pixel_scale_arcsec
        table = measure(
            extraction,
            list(image),
            [one.rms for one in skies],
            self.field.bands,
            aperture_pixels=self.rule.aperture_radius_arcsec / scale if scale else 5.0,
            zeropoint_ab=self.zeropoint_ab,
        )
        own = region.owned(extraction.objects["xpeak"], extraction.objects["ypeak"])
        table = {name: column[own] for name, column in table.items()}
        if reach_beyond(region, table, edge + self.rule.min_pixels):
            return None
        return _in_field(table, own, extraction.instances, region)

    def _detection_image(
        self, image: np.ndarray, skies: list[SkyBackground], region: Region
    ) -> tuple[np.ndarray, SkyBackground]:
        if self.background.mean is None:
            return image[0] - skies[0].level, skies[0]
        rms = np.array([mesh.global_rms for mesh in self.background.bands], dtype=np.float32)
        sky = self.background.mean.window(*region.ends)
        return mean_of(image, weights_of(rms, self.rule)) - sky.level, sky


def _in_field(table: dict[str, np.ndarray], own: np.ndarray, instances: np.ndarray, region: Region) -> Found:
    """Return a window's own objects with places counted from the field's first pixel."""
    y0, _, x0, _ = region.ends
    number = np.zeros(len(own) + 1, dtype=np.int32)
    number[1:][own] = np.arange(1, int(own.sum()) + 1)
    labels = number[instances]
    y, x = np.nonzero(labels)
    moved = {"x": x0, "bbox_x0": x0, "bbox_x1": x0, "y": y0, "bbox_y0": y0, "bbox_y1": y0}
    table = {
        name: (column + np.asarray(moved[name]).astype(column.dtype)) if name in moved else column
        for name, column in table.items()
    }
    table["label"] = np.arange(1, len(table["x"]) + 1, dtype=np.int32)
    pixels = (y + y0).astype(np.int64) * region.shape[1] + (x + x0)
    return Found(table, pixels, labels[y, x])
