"""The real field that is learned: its files, and which part of it is used."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated

import numpy as np

from mockforge.config import Index, Limit, Positive, config
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.files import located
from mockforge.label.bright import without_columns


@config
class Cut:
    """Which part of a field is trained on."""

    rotate_deg: float = 0.0
    """Turn the field by this angle, counter-clockwise, before anything else is cut."""
    rows: tuple[Index, Index] | None = None
    """First and last-plus-one row to train on, the rest is held out; none = all."""
    columns: tuple[Index, Index] | None = None
    """First and last-plus-one column to train on; none = all."""
    masked_columns: tuple[tuple[Index, Index], ...] = ()
    """Ranges of columns (first, last plus one) to leave out: a seam, a bad amplifier."""
    mask_peaks_above: Positive | None = None
    """Objects whose peak exceeds this in any band (field unit) are masked: saturated stars."""
    mask_grow: Index = 12
    """Pixels by which those masks are grown."""
    background_mesh: Annotated[int, Limit(ge=16)] = 128
    """Side in pixels of the mesh of the background that is subtracted."""


@config
class TrainingField:
    """The real field to learn: aligned bands, as files, extensions or planes."""

    files: tuple[str, ...]
    """One FITS file per band, from blue to red; or one file with all bands."""
    folder: str = "."
    """Where the files are; relative paths start from here."""
    bands: tuple[str, ...] | None = None
    """Names of the bands, in the order of the files."""
    extensions: tuple[int | str, ...] | None = None
    """Extension of each file (or of each band in the one file); by default the first image."""
    zeropoint: float | tuple[float, ...] | None = None
    """AB magnitude of one count, for all bands or each; needed where the headers do not say."""
    sha256: tuple[str, ...] | None = None
    """Digests of the files, checked before they are read, so that a run is of known data."""
    pixel_scale_arcsec: Positive | None = None
    """Pixel scale where the headers hold no WCS."""
    mask_bits: tuple[int | str, ...] | None = None
    """Bits of a mask beside the bands that make a pixel unusable; by default known planes of defects."""
    cut: Cut = Cut()
    """What of it to use."""

    def files_read(self) -> dict[str, Path]:
        """Return the files, whatever folder they are in now."""
        folder = Path(self.folder).expanduser()
        return {f"file {name}": located(folder / Path(name).expanduser()) for name in self.files}


def read_training_field(spec: TrainingField) -> Field:
    """Return the recipe's field in nJy."""
    paths = [Path(spec.folder).expanduser() / Path(name).expanduser() for name in spec.files]
    _check_digests(paths, spec.sha256 or ())
    zeropoint = list(spec.zeropoint) if isinstance(spec.zeropoint, tuple) else spec.zeropoint
    return Field.read(
        paths,
        bands=spec.bands,
        extensions=spec.extensions,
        zeropoint=zeropoint,
        pixel_scale_arcsec=spec.pixel_scale_arcsec,
        mask_bits=spec.mask_bits,
        require_njy=True,
    )


def _check_digests(paths: list[Path], wanted: tuple[str, ...]) -> None:
    if wanted and len(wanted) != len(paths):
        raise InputError(f"field.sha256 has {len(wanted)} digests for {len(paths)} files; give one each")
    for path, digest in zip(paths, wanted, strict=False):
        if not path.is_file():
            raise InputError(f"{path}: no such file; see field.files and field.folder")
        with path.open("rb") as stream:
            computed = hashlib.file_digest(stream, "sha256").hexdigest()
        if computed != digest.lower():
            raise InputError(f"{path}: sha256 is {computed}, field.sha256 says {digest}; download it again")


def cut_out(image: np.ndarray, mask: np.ndarray | None, cut: Cut) -> tuple[np.ndarray, np.ndarray]:
    """Return the part of a field that is trained on, and a mask of its own.

    Parameters
    ----------
    image : ndarray
        (band, y, x), any unit.
    mask : ndarray or None
        (y, x) bool, true where a pixel must not be used.
    cut : Cut
        The turn, the window and the columns left out.

    Returns
    -------
    image : ndarray
        (band, y, x) float32, a copy.
    mask : ndarray
        (y, x) bool, a copy: `mask`, what the turn made new, and the masked columns.

    Raises
    ------
    InputError
        Where the window lies outside the field, or 95% of it is masked.
    """
    mask = np.zeros(image.shape[1:], dtype=bool) if mask is None else mask
    if cut.rotate_deg:
        image, mask = _rotate(image, mask, cut.rotate_deg)
    window = _window(cut, image.shape[1:])
    image = np.array(image[(slice(None), *window)], dtype=np.float32, order="C")
    mask = mask[window].copy()
    without_columns(mask, cut.masked_columns, window[1].start)
    if mask.mean() > 0.95:
        raise InputError(f"{mask.mean():.0%} of the field is masked: nothing is left to train on")
    return image, mask


def _window(cut: Cut, shape: tuple[int, ...]) -> tuple[slice, slice]:
    out = []
    for name, ends, size in (("rows", cut.rows, shape[0]), ("columns", cut.columns, shape[1])):
        first, last = ends or (0, size)
        if first >= last or last > size:
            raise InputError(
                f"field.cut.{name} [{first}, {last}]: the field has {name} 0 to {size}; "
                "first < last is required"
            )
        out.append(slice(first, last))
    return out[0], out[1]


def _rotate(image: np.ndarray, mask: np.ndarray, angle: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the field turned about its centre, on a canvas that holds all of it; what is new is masked."""
    from skimage.transform import rotate

    turned = [rotate(band, angle, resize=True, order=3, preserve_range=True) for band in image]
    hidden = rotate(mask.astype(np.float32), angle, resize=True, order=1, cval=1) > 1e-3
    return np.stack(turned).astype(np.float32), hidden
