"""`mockforge label` of a field of any size: its labels are found and written window by window."""

from __future__ import annotations

import errno
import hashlib
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mockforge._version import __version__
from mockforge.commands.label import (
    LARGEST_PICTURE,
    Labelled,
    about_of,
    notes_of,
    of_earlier_runs,
    with_psf,
)
from mockforge.commands.label_kept import Kept, Segmentation, file_of, kept_background, processes, table_of
from mockforge.commands.label_tables import described
from mockforge.errors import InputError
from mockforge.field.fits.check import Hdu, walk
from mockforge.field.picture import asinh_rgb, outline, save_png
from mockforge.files import from_home, replace_file
from mockforge.label.catalogue import with_sky
from mockforge.label.regions import regions
from mockforge.label.streamed import Background, Detector, Map, Window, background_of, pixels_of
from mockforge.label.windows import WINDOW, windows_of
from mockforge.lock import only_holder
from mockforge.mosaic.read import Mosaic, open_field
from mockforge.mosaic.rows import Column, TableSpec, TableWriter, check_table_name
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic
from mockforge.progress import Progress
from mockforge.stages.detect import Detect

IN_MEMORY = 4096 * 4096
"""Pixels of a band up to which an image is labelled in memory."""
_BYTES_A_PIXEL = 6.0
"""Of the labels 4; the rest holds objects as they are found, and the catalogue."""


def is_large(files: Sequence[str | Path], **reading: Any) -> bool:
    """Whether an image is to be labelled window by window: Zarr, or larger than `IN_MEMORY`."""
    if any(from_home(f).is_dir() for f in files):
        return True
    paths = [p for p in map(from_home, files) if p.is_file()]
    if sum(p.stat().st_size for p in paths) <= 4 * IN_MEMORY:
        return False
    if len(paths) == len(files) and all(_pixels_of(unit) <= IN_MEMORY for p in paths for unit in walk(p)):
        return False  # whichever of the images is meant
    return int(np.prod(open_field(files, **reading).shape[1:])) > IN_MEMORY


def _pixels_of(unit: Hdu) -> int:
    """Return the pixels of a plane of a unit."""
    return math.prod(unit.shape[-2:])


def label_field(
    files: Sequence[str | Path],
    out: str | Path,
    config: Detect | None = None,
    *,
    psf_fwhm_arcsec: Sequence[float] | None = None,
    catalogue: str = "fits",
    workers: int = 1,
    window: int = WINDOW,
    quiet: int = 1,
    **reading: Any,
) -> Labelled:
    """Label a field of any size: FITS or Zarr, never in memory as a whole.

    The objects are those of the whole field in memory, in the order of the windows. What was found is kept
    in `OUT/.unfinished` window by window, so that a run that was cut off continues; nothing appears under
    its own name before all is there.

    Parameters
    ----------
    files, out, config, psf_fwhm_arcsec, **reading
        As of `label_image`, and a Zarr field.
    catalogue
        "fits" or "parquet": `catalogue.fits` or `catalogue.parquet`.
    workers
        Processes that detect; the bytes do not depend on it.
    window
        Side of a window in pixels; it decides the numbers of the labels.
    quiet
        0 shows the progress.

    Raises
    ------
    InputError
        Where the image cannot be read or `out` not written.
    MockforgeError
        Where detection fails, or an object is larger than windows can be.
    """
    rule, out = config or Detect(), from_home(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; a folder for the labels is expected")
    check_table_name(out / f"catalogue.{catalogue}")
    field = open_field(files, **reading)
    if psf_fwhm_arcsec is not None:
        field = with_psf(field, tuple(psf_fwhm_arcsec))
    if field.zeropoint_ab is None and len(field.bands) > 1 and rule.detection_image != "snr":
        rule = replace(rule, detection_image="snr")  # a mean of unlike units means nothing
    lock = out.with_name(f"{out.name}.lock")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with only_holder(lock, f"{out}: another process writes there; wait for it, or choose another folder"):
            job = _searched(field, rule, out, window, workers, quiet, files)
            return job.written(out, catalogue, workers)
    except OSError as error:
        raise _unwritable(out, error) from error


def _searched(
    field: Mosaic,
    rule: Detect,
    out: Path,
    window: int,
    workers: int,
    quiet: int,
    files: Sequence[str | Path],
) -> _Job:
    """Find what no earlier run did; bad input leaves nothing of this one."""
    new, work = not out.exists(), out / ".unfinished"
    goes_on = False
    try:
        _unfinished(work, field, rule, window)
        goes_on = (work / "background.npz").exists()
        _check_disk(out, work, field)
        with processes(workers) as each:
            background = kept_background(work, partial(_background, field, rule, each, window, quiet))
            windows = list(windows_of((field.shape[1], field.shape[2]), window))
            _find(Kept(work, _detector(field, rule, background)), windows, each, quiet)
    except InputError:
        if not goes_on:
            shutil.rmtree(out if new else work, ignore_errors=True)
        raise
    return _Job(field, rule, background, work, windows, files, quiet)


def _unwritable(out: Path, error: OSError) -> InputError:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return InputError(
            f"{out}: cannot be written, the disk is full ({shutil.disk_usage(out).free:,} bytes are free);"
            " make room and type the same command: it continues where it stopped"
        )
    return InputError(f"{out}: cannot be written ({error.strerror or error})")


def _background(field: Mosaic, rule: Detect, each: Map, window: int, quiet: int) -> Background:
    """Measure the background, with its progress."""
    passes = 1 if len(field.bands) == 1 else 2
    with Progress(passes * field.shape[1] * field.shape[2], "background", "pixels", quiet) as progress:

        def counted(measure: Callable[[Any], Any], windows: list[Window]) -> Iterator[Any]:
            for cut, measured in zip(windows, each(measure, windows), strict=True):
                progress.advance(_pixels(cut))
                yield measured

        try:
            return background_of(field, rule, counted, window)
        except InputError as error:
            if str(field.path) in str(error):
                raise
            raise InputError(f"{field.path}: {error}") from error


def _detector(field: Mosaic, rule: Detect, background: Background) -> Detector:
    scale, fwhm = field.pixel_scale_arcsec, field.psf_fwhm_arcsec
    return Detector(field, rule, background, scale, fwhm, field.zeropoint_ab)


def _find(kept: Kept, windows: list[Window], each: Map, quiet: int) -> None:
    """Detect in all windows in which no earlier run did, with its progress."""
    missing = [cut for cut in windows if not file_of(kept.work, cut).exists()]
    with Progress(sum(map(_pixels, windows)), "detection", "pixels", quiet) as progress:
        progress.start_at(progress.total - sum(map(_pixels, missing)))
        for cut, _ in zip(missing, each(kept, missing), strict=True):
            progress.advance(_pixels(cut))


def _pixels(window: Window) -> int:
    return (window[1] - window[0]) * (window[3] - window[2])


def _check_disk(out: Path, work: Path, field: Mosaic) -> None:
    """InputError where the labels, and the objects as they are found, do not fit on the disk."""
    wanted = int(field.shape[1] * field.shape[2] * _BYTES_A_PIXEL)
    held = sum(f.stat().st_blocks * 512 for f in work.iterdir())
    free = shutil.disk_usage(out).free
    if wanted - held > free:
        there = f", of which {held:,} are there," if held else ""
        raise InputError(
            f"{out}: about {wanted:,} bytes are wanted for labels and catalogue{there} and {free:,} are free"
            " on the disk; choose another disk"
        )


def _unfinished(work: Path, field: Mosaic, rule: Detect, window: int) -> None:
    """Make the folder of what is found; what another field, rule or version left there is removed."""
    facts = [__version__, field.stamps, field.bands, field.njy_per_unit, asdict(rule), window, field.shape]
    facts += [field.pixel_scale_arcsec, field.psf_fwhm_arcsec, field.zeropoint_ab]
    identity = hashlib.sha256(repr(facts).encode()).hexdigest()
    mark = work / "identity"
    if not (mark.is_file() and mark.read_text() == identity):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        replace_file(mark, identity)


@dataclass(frozen=True)
class _Job:
    """A field whose windows all are searched, and what is written of it."""

    field: Mosaic
    rule: Detect
    background: Background
    work: Path
    windows: list[Window]
    files: Sequence[str | Path]
    quiet: int

    def written(self, out: Path, catalogue: str, workers: int) -> Labelled:
        """Write all files in the unfinished folder, and move them out at the end."""
        example = table_of(self.work, self.windows[0])
        counts, boxes, blended = self._counts()
        objects = sum(counts)
        first = [0, *np.cumsum(counts)[:-1].tolist()]
        names = ("segmentation.fits", f"catalogue.{catalogue}", "regions.reg", "overlay.png")
        notes = (*notes_of(self.field, objects), *self._notes_of_empty(), *of_earlier_runs(out, names))
        about = about_of(self.field, self.rule, notes, list(self.files), "each by itself")
        paint = Segmentation(self.work, self.windows, first, boxes, self.field.shape[2])
        self._catalogue(self.work / names[1], example, first, about)
        spec = MosaicSpec(
            self.field.shape[1], self.field.shape[2], (Plane("segmentation", ("segmentation",), "int32"),),
            self.field.wcs, {**about, "NOBJECTS": (objects, "largest label; 0 is sky")},
            identity=(self.work / "identity").read_text(), in_primary=True,
        )  # fmt: skip
        with Progress(spec.pixels, "segmentation", "pixels", self.quiet) as progress:
            write_mosaic(
                self.work / names[0], spec, paint, workers=workers, window=WINDOW, advance=progress.advance
            )
        save_png(self.work / names[3], self._overlay(paint))
        for name in names:
            (self.work / name).replace(out / name)
        shutil.rmtree(self.work)
        rms = tuple(mesh.global_rms for mesh in self.background.bands)
        field, written = self.field, tuple(out / name for name in names)
        return Labelled(out, written, objects, blended, field.bands, field.unit, rms, notes, field.origin)

    def _notes_of_empty(self) -> tuple[str, ...]:
        """Return what is to be said where pixels look as if they had no value."""
        if not self.background.empty:
            return ()
        return (
            f"{self.background.empty:.2%} of the pixels look as if they had no value (regions of one value,"
            " or marks such as -9999) and are used: where an image is read window by window, only NaN and a"
            " mask beside it hide pixels; write NaN there",
        )

    def _counts(self) -> tuple[list[int], np.ndarray, int]:
        """Return the number of objects of each window, the box of their pixels, and how many are blends."""
        counts, boxes, blended = [], np.zeros((len(self.windows), 4), dtype=np.int64), 0
        for i, window in enumerate(self.windows):
            table = table_of(self.work, window)
            counts.append(len(table["label"]))
            blended += int(np.count_nonzero(table["blended"]))
            if counts[-1]:
                low = [table[f"bbox_{axis}0"].min() for axis in "yx"]
                high = [table[f"bbox_{axis}1"].max() for axis in "yx"]
                boxes[i] = low[0], high[0], low[1], high[1]
        return counts, boxes, blended

    def _catalogue(
        self, path: Path, example: dict[str, np.ndarray], first: list[int], about: dict[str, Any]
    ) -> None:
        """Write the catalogue and the regions, a window at a time."""
        bands, unit = self.field.bands, self.field.unit
        columns = tuple(
            Column(name, str(values.dtype), *described(name, bands, unit))
            for name, values in example.items()
            if name != "cut"
        )
        table = TableWriter(path, TableSpec(columns, cards=about))
        with (self.work / "regions.reg").open("w", encoding="ascii") as region_file:
            for i, window in enumerate(self.windows):
                rows = table_of(self.work, window)
                rows["label"] = (rows["label"] + first[i]).astype(np.int32)
                if self.field.wcs is not None:
                    rows = with_sky(rows, self.field.wcs)
                table.append(rows)
                lines = regions(rows, self.field.wcs).splitlines(keepends=True)
                region_file.writelines(lines[3 if i else 0 :])
        table.close()

    def _overlay(self, paint: Segmentation) -> np.ndarray:
        """Return a picture of the field, thinned, with outlines."""
        bands, height, width = self.field.shape
        step = -(-max(height, width) // LARGEST_PICTURE)
        side = WINDOW // step * step
        flat = np.zeros((bands, -(-height // step), -(-width // step)), dtype=np.float32)
        labels = np.zeros(flat.shape[1:], dtype=np.int32)
        for y0, y1, x0, x1 in windows_of((height, width), side):
            image, mask = pixels_of(self.field, (y0, y1, x0, x1))
            for band, mesh in zip(image, self.background.bands, strict=True):
                band -= mesh.window(y0, y1, x0, x1).level
            if mask is not None:
                image[:, mask] = 0.0
            thin = image[:, ::step, ::step]
            where = np.s_[y0 // step : y0 // step + thin.shape[1], x0 // step : x0 // step + thin.shape[2]]
            flat[:, *where] = thin
            labels[where] = paint.labels(y0, y1, x0, x1)[::step, ::step]
        rms = np.array([mesh.global_rms for mesh in self.background.bands])
        return outline(asinh_rgb(flat, rms, bands=self.field.bands), labels)
