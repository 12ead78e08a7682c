"""`mockforge label` of a field of any size: its labels are found and written window by window."""

from __future__ import annotations

import hashlib
import multiprocessing
import os
import shutil
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mockforge._version import __version__
from mockforge.commands.label import Labelled, about_of, described, notes_of, with_psf
from mockforge.errors import InputError, MockforgeError
from mockforge.field.picture import asinh_rgb, outline, save_png
from mockforge.files import appearing, from_home, replace_file
from mockforge.label.catalogue import with_sky
from mockforge.label.regions import regions
from mockforge.label.streamed import Background, Detector, Map, Window, background_of, pixels_of
from mockforge.label.windows import WINDOW, windows_of
from mockforge.mosaic.read import Mosaic, open_field
from mockforge.mosaic.rows import Column, TableSpec, TableWriter, check_table_name
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic
from mockforge.progress import Progress
from mockforge.stages.detect import Detect

IN_MEMORY = 4096 * 4096
"""Pixels of a band up to which an image is labelled in memory."""
_LARGEST_PICTURE = 2048
"""Pixels; the overlay of a larger field is thinned."""


def is_large(files: Sequence[str | Path]) -> bool:
    """Whether an image is to be labelled window by window: Zarr, or larger than `IN_MEMORY`."""
    if any(from_home(f).is_dir() for f in files):
        return True
    size = sum(p.stat().st_size for p in map(from_home, files) if p.is_file())
    return size > 4 * IN_MEMORY and int(np.prod(open_field(files).shape[1:])) > IN_MEMORY


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
    new = not out.exists()
    try:
        work = _unfinished(out, field, rule, window)
        with (
            processes(workers) as each,
            Progress(field.shape[1] * field.shape[2], "label", "pixels", quiet) as p,
        ):
            background = background_of(field, rule, each, window)
            scale, fwhm = field.pixel_scale_arcsec, field.psf_fwhm_arcsec
            detector = Detector(field, rule, background, scale, fwhm, field.zeropoint_ab)
            windows = list(windows_of((field.shape[1], field.shape[2]), window))
            for cut, _ in zip(windows, each(Kept(work, detector), windows), strict=True):
                p.advance((cut[1] - cut[0]) * (cut[3] - cut[2]))
        job = _Job(field, rule, background, work, windows, files)
        return job.written(out, catalogue, workers)
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from error
    except InputError:
        if new:
            shutil.rmtree(out, ignore_errors=True)
        raise


def _unfinished(out: Path, field: Mosaic, rule: Detect, window: int) -> Path:
    """Return the folder of what is found; what another field, rule or version left there is removed."""
    facts = [__version__, field.stamps, field.bands, field.njy_per_unit, asdict(rule), window, field.shape]
    facts += [field.pixel_scale_arcsec, field.psf_fwhm_arcsec, field.zeropoint_ab]
    identity = hashlib.sha256(repr(facts).encode()).hexdigest()
    work = out / ".unfinished"
    mark = work / "identity"
    if not (mark.is_file() and mark.read_text() == identity):
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        replace_file(mark, identity)
    return work


@dataclass(frozen=True)
class Kept:
    """Detects a window and keeps what is found, unless it was kept before."""

    work: Path
    detector: Detector

    def __call__(self, window: Window) -> None:
        """Leave the window's objects in its file."""
        path = _file_of(self.work, window)
        if path.exists():
            return
        found = self.detector(window)
        arrays: dict[str, Any] = {f"column {name}": values for name, values in found.table.items()}
        with appearing(path) as part, part.open("wb") as stream:
            np.savez(stream, pixels=found.pixels, owner=found.owner, **arrays)


def _file_of(work: Path, window: Window) -> Path:
    return work / f"{window[0]}-{window[2]}.npz"


@dataclass(frozen=True)
class Segmentation:
    """Paints the labels of any window from what was found in windows; sent to worker processes."""

    work: Path
    windows: list[Window]
    first: list[int]
    """Objects before those of each window."""
    boxes: np.ndarray
    """(window, 4): y0, y1, x0, x1 of the pixels of its objects."""
    width: int

    def labels(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return (y, x) int32, 0 = sky."""
        out = np.zeros((y1 - y0, x1 - x0), dtype=np.int32)
        b = self.boxes
        near = (b[:, 0] < y1) & (b[:, 1] > y0) & (b[:, 2] < x1) & (b[:, 3] > x0)
        for i in np.flatnonzero(near):
            with np.load(_file_of(self.work, self.windows[i])) as found:
                y, x = np.divmod(found["pixels"], self.width)
                inside = (y >= y0) & (y < y1) & (x >= x0) & (x < x1)
                out[y[inside] - y0, x[inside] - x0] = found["owner"][inside] + self.first[i]
        return out

    def __call__(self, y0: int, y1: int, x0: int, x1: int) -> dict[str, np.ndarray]:
        """Return the plane of labels as `write_mosaic` takes it."""
        return {"segmentation": self.labels(y0, y1, x0, x1)[None]}


@dataclass(frozen=True)
class _Job:
    """A field whose windows all are searched, and what is written of it."""

    field: Mosaic
    rule: Detect
    background: Background
    work: Path
    windows: list[Window]
    files: Sequence[str | Path]

    def written(self, out: Path, catalogue: str, workers: int) -> Labelled:
        """Write all files in the unfinished folder, and move them out at the end."""
        tables = [self._table(w) for w in self.windows[:1]]
        counts, boxes, blended = self._counts()
        objects = sum(counts)
        first = [0, *np.cumsum(counts)[:-1].tolist()]
        notes = notes_of(self.field, objects)
        about = about_of(self.field, self.rule, notes, list(self.files))
        paint = Segmentation(self.work, self.windows, first, boxes, self.field.shape[2])
        names = ("segmentation.fits", f"catalogue.{catalogue}", "regions.reg", "overlay.png")
        self._catalogue(self.work / names[1], tables[0], first, about)
        spec = MosaicSpec(
            self.field.shape[1], self.field.shape[2], (Plane("segmentation", ("segmentation",), "int32"),),
            self.field.wcs, {**about, "NOBJECTS": (objects, "largest label; 0 is sky")},
            identity=(self.work / "identity").read_text(),
        )  # fmt: skip
        write_mosaic(self.work / names[0], spec, paint, workers=workers, window=WINDOW)
        save_png(self.work / names[3], self._overlay(paint))
        for name in names:
            (self.work / name).replace(out / name)
        shutil.rmtree(self.work)
        rms = tuple(mesh.global_rms for mesh in self.background.bands)
        field, written = self.field, tuple(out / name for name in names)
        return Labelled(out, written, objects, blended, field.bands, field.unit, rms, notes, field.origin)

    def _table(self, window: Window) -> dict[str, np.ndarray]:
        with np.load(_file_of(self.work, window)) as found:
            mark = "column "
            return {n.removeprefix(mark): found[n] for n in found.files if n.startswith(mark)}

    def _counts(self) -> tuple[list[int], np.ndarray, int]:
        """Return the number of objects of each window, the box of their pixels, and how many are blends."""
        counts, boxes, blended = [], np.zeros((len(self.windows), 4), dtype=np.int64), 0
        for i, window in enumerate(self.windows):
            table = self._table(window)
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
                rows = self._table(window)
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
        step = -(-max(height, width) // _LARGEST_PICTURE)
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


@contextmanager
def processes(workers: int) -> Iterator[Map]:
    """Give a `map` in order, here or in worker processes that end when this one does."""
    if workers <= 1:
        yield map
        return
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(workers, context, _end_with, (os.getpid(),))
    try:
        yield partial(pool.map)
    except BrokenProcessPool as error:
        raise MockforgeError(
            "a worker process was killed (out of memory?); type the same command with fewer --workers: it"
            " continues where it stopped"
        ) from error
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with(parent: int) -> None:
    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
