"""`mockforge label`: the objects of a real image as files that DS9, TOPCAT and Python open."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from mockforge._version import __version__
from mockforge.commands.label_tables import Catalogue
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.check import quiet
from mockforge.field.fits.wcs import written
from mockforge.field.picture import asinh_rgb, outline
from mockforge.field.png import png_bytes
from mockforge.files import from_home
from mockforge.label.catalogue import with_sky
from mockforge.label.detect import detect
from mockforge.label.detection import Detection
from mockforge.label.regions import regions
from mockforge.mosaic.read import Mosaic
from mockforge.stages.detect import Detect

Image = TypeVar("Image", Field, Mosaic)

_CATALOGUES = ("catalogue.ecsv", "catalogue.fits", "catalogue.parquet")
LARGEST_PICTURE = 2048
"""Pixels; the overlay of a larger image is thinned."""
_SMALLEST_PICTURE = 900
"""Pixels; that of a smaller one is enlarged, up to four times, so that outlines hide less."""


@dataclass(frozen=True)
class Labelled:
    """What `label_image` found and wrote."""

    folder: Path
    files: tuple[Path, ...]
    objects: int
    blended: int
    bands: tuple[str, ...]
    unit: str
    sky_rms: tuple[float, ...]
    notes: tuple[str, ...]
    """Sentences the user should read, e.g. that the flux unit is unknown."""
    origin: Mapping[str, str]
    """Where zeropoint, pixel scale, PSF, mask and variance come from, a line each."""


def label_image(
    files: Sequence[str | Path] | str | Path,
    out: str | Path,
    config: Detect | None = None,
    *,
    psf_fwhm_arcsec: Sequence[float] | None = None,
    **reading: Any,
) -> Labelled:
    """Label an image: bands as files, extensions or planes.

    Parameters
    ----------
    files
        FITS: one file per band, or one file.
    out
        Folder of `segmentation.fits` (int32, 0 = sky), `catalogue.ecsv`, `catalogue.fits`, `regions.reg`
        (DS9, Kron ellipses) and `overlay.png`. All of them appear, or none.
    config
        The detection rule.
    psf_fwhm_arcsec
        FWHM of the PSF, one or one per band.
    **reading
        How the image is read, as `Field.read` takes it: `bands`, `extensions`, `zeropoint`,
        `pixel_scale_arcsec`, `mask_bits`. An image without a zeropoint is labelled in its own units:
        magnitudes are NaN and the files say so.

    Raises
    ------
    InputError
        Where the image cannot be read or `out` not written.
    MockforgeError
        Where detection fails.
    """
    rule, out = config or Detect(), from_home(out)
    if out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; a folder for the labels is expected")
    field = Field.read(files, **reading)
    if psf_fwhm_arcsec is not None:
        field = with_psf(field, tuple(psf_fwhm_arcsec))
    if field.zeropoint_ab is None and len(field.bands) > 1 and rule.detection_image != "snr":
        rule = replace(rule, detection_image="snr")  # a mean of unlike units means nothing
    detection = _detected(field, rule, files if isinstance(files, (str, Path)) else files[0])
    columns = detection.table if field.wcs is None else with_sky(detection.table, field.wcs)
    names = ("segmentation.fits", "catalogue.ecsv", "catalogue.fits", "regions.reg", "overlay.png")
    notes = (*notes_of(field, len(detection.table["label"])), *of_earlier_runs(out, names))
    about = about_of(field, rule, notes, files, "one after another over the image")
    shown = {name: column for name, column in columns.items() if name != "cut"}
    catalogue = Catalogue(shown, field.bands, field.unit, about)
    writers = {
        "segmentation.fits": lambda part: _write_segmentation(part, detection, field, about),
        "catalogue.ecsv": catalogue.write_ecsv,
        "catalogue.fits": catalogue.write_fits,
        "regions.reg": lambda part: part.write_text(regions(columns, field.wcs), encoding="ascii"),
        "overlay.png": lambda part: _write_overlay(part, field, detection),
    }
    written = _write_all(out, writers)
    blended = int(np.count_nonzero(columns["blended"]))
    rms = tuple(float(v) for v in detection.sky_rms)
    return Labelled(
        out, written, len(columns["label"]), blended, field.bands, field.unit, rms, notes, field.origin
    )


def _detected(field: Field, rule: Detect, first: str | Path) -> Detection:
    """Return what is detected on a field; InputError names its first file."""
    try:
        return detect(
            field.image,
            rule,
            bands=field.bands,
            mask=field.mask,
            truth=field.truth,
            pixel_scale_arcsec=field.pixel_scale_arcsec,
            psf_fwhm_arcsec=field.psf_fwhm_arcsec,
            zeropoint_ab=field.zeropoint_ab,
        )
    except InputError as error:
        raise InputError(f"{first}: {error}") from error


def with_psf(field: Image, fwhm: tuple[float, ...]) -> Image:
    """Return the field with PSFs as given, one for all bands or one per band."""
    if len(fwhm) not in (1, len(field.bands)) or not all(0 < v < 1000 for v in fwhm):
        raise InputError(
            f"PSF FWHM: {', '.join(f'{v:g}' for v in fwhm)} for {len(field.bands)} bands; arcsec above 0 are"
            " expected, one for all bands or one per band"
        )
    fwhm_by_band = fwhm if len(fwhm) == len(field.bands) else fwhm * len(field.bands)
    return replace(field, psf_fwhm_arcsec=fwhm_by_band, origin={**field.origin, "PSF": "FWHM as given"})


def notes_of(field: Field | Mosaic, objects: int) -> tuple[str, ...]:
    """Return what the user should know of the labels."""
    notes = []
    if field.zeropoint_ab is None:
        notes.append(
            "no zeropoint is known: fluxes are in the image's own units and magnitudes are NaN; give the AB"
            " magnitude of pixel value 1 with --zeropoint for nJy and magnitudes"
        )
        if len(field.bands) > 1:
            notes.append("the bands may differ in unit: objects were found on the mean of band / sky rms")
    if field.wcs is None:
        notes.append("no WCS: ra, dec and theta_sky are NaN")
    if field.pixel_scale_arcsec is None:
        notes.append("no pixel scale is known: the aperture is 5 pixels in radius")
    if not objects:
        notes.append("no object was found")
    return tuple(notes)


def of_earlier_runs(out: Path, names: Sequence[str]) -> tuple[str, ...]:
    """Return a sentence for each catalogue in the folder that this run does not write anew."""
    older = [name for name in _CATALOGUES if name not in names and (out / name).exists()]
    return tuple(f"{out / name} is of an earlier run and may be of other objects" for name in older)


def about_of(
    field: Field | Mosaic, rule: Detect, notes: tuple[str, ...], files: Any, blends: str
) -> dict[str, Any]:
    """Return what every written table and image says of itself: keyword of 8 letters -> value.

    `blends`: how blends are separated, see `label.blends`.
    """
    names = [files] if isinstance(files, (str, Path)) else list(files)
    about: dict[str, Any] = {"CREATOR": f"mockforge {__version__}", "BANDS": ",".join(field.bands)}
    about["FLUXUNIT"] = field.unit
    about["BLENDS"] = blends
    if field.zeropoint_ab is not None:
        about["MAGZERO"] = field.zeropoint_ab
    if field.pixel_scale_arcsec is not None:
        about["PIXSCALE"] = field.pixel_scale_arcsec
    about |= {f"FILE{i + 1}": Path(name).name for i, name in enumerate(names[:99])}
    about |= {f"NOTE{i + 1}": note for i, note in enumerate(notes)}
    about |= {f"RULE{i + 1}": f"{k} = {v}" for i, (k, v) in enumerate(asdict(rule).items())}
    return {key: _ascii(value) if isinstance(value, str) else value for key, value in about.items()}


def _ascii(text: str) -> str:
    """Return text that a FITS card holds: names of files may have letters that no card does."""
    plain = text.encode("ascii", "backslashreplace").decode()
    return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in plain)


def _write_segmentation(part: Path, found: Detection, field: Field, about: dict[str, Any]) -> None:
    from astropy.io import fits

    with quiet():
        header = fits.Header() if field.wcs is None else written(field.wcs)
        for key, value in about.items():
            header[key] = value
        header["NOBJECTS"] = (len(found.table["label"]), "largest label; 0 is sky")
        unit = fits.PrimaryHDU(found.instances, header=header)
        unit.add_checksum(when="checksum")
        with part.open("wb") as stream:
            fits.HDUList([unit]).writeto(stream)


def _write_overlay(part: Path, field: Field, found: Detection) -> None:
    longest = max(field.shape[1:])
    step, times = -(-longest // LARGEST_PICTURE), max(1, min(4, _SMALLEST_PICTURE // longest))
    thin = np.s_[::step, ::step]
    flat = np.stack([band[thin] - level[thin] for band, level in zip(field.image, found.levels, strict=True)])
    if field.mask is not None:
        flat[:, field.mask[thin]] = 0.0
    rgb = asinh_rgb(flat, found.sky_rms, bands=field.bands)
    labels = found.instances[thin]
    if times > 1:
        rgb, labels = (a.repeat(times, axis=0).repeat(times, axis=1) for a in (rgb, labels))
    part.write_bytes(png_bytes(outline(rgb, labels)))


def _write_all(out: Path, writers: dict[str, Any]) -> tuple[Path, ...]:
    """Every file under a temporary name first, then all renamed."""
    parts: list[Path] = []
    new = not out.exists()
    try:
        out.mkdir(parents=True, exist_ok=True)
        for name, write in writers.items():
            part = out / f"{name}.part"
            part.unlink(missing_ok=True)
            parts.append(part)
            write(part)
        for part in parts:
            part.replace(part.with_suffix(""))
    except OSError as error:
        _remove(parts, out if new else None)
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from error
    except BaseException:
        _remove(parts, out if new else None)
        raise
    return tuple(out / name for name in writers)


def _remove(parts: list[Path], folder: Path | None) -> None:
    for part in parts:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
    if folder is not None:
        with contextlib.suppress(OSError):
            folder.rmdir()
