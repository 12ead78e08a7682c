"""What a dataset, a model or a FITS image is, in lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mockforge.errors import InputError, nearest

_FITS = (".fits", ".fit", ".fts", ".fz", ".gz", ".bz2")
_MODEL = (".json", ".safetensors")


def about(thing: str) -> list[str]:
    """Lines about a dataset's folder, a model's name, file or folder, or a FITS file.

    Raises InputError where it is none of these, with the nearest name of a model.
    """
    from mockforge.sgan.model import bundled_models, describe

    path = Path(thing)
    if thing in bundled_models():
        return _lines(describe(thing))
    if path.name == "dataset.h5":
        return dataset_lines(path.parent)
    if path.is_dir():
        if any(path.glob("*.safetensors")):
            return _lines(describe(thing))
        return dataset_lines(path)
    if not path.exists():
        raise InputError(f"{thing}: no such dataset, model or FITS file{nearest(thing, bundled_models())}")
    if path.suffix in _MODEL:
        return _lines(describe(thing))
    if path.suffix.lower() in _FITS or _starts_as_fits(path):
        return _field_lines(path)
    raise InputError(f"{thing}: neither a dataset's folder, nor a model (.json, .safetensors), nor FITS")


def dataset_lines(folder: str | Path) -> list[str]:
    """Lines about a dataset, and how to go on from it."""
    from mockforge.data.describe import describe

    load = f"mockforge.load({str(folder)!r}, split='train')"
    return _lines({**describe(folder), "look at": str(Path(folder) / "preview.png"), "in Python": load})


def _field_lines(path: Path) -> list[str]:
    from mockforge.fits.read import read_field
    from mockforge.picture import sky_rms

    field = read_field([path])
    _, height, width = field.shape
    rms = sky_rms(field.image)
    facts = {
        "image": str(path),
        "bands": ", ".join(field.bands),
        "size": f"{width} x {height} pixels (x, y)",
        "unit": field.unit if field.unit != "native" else "its own, no zeropoint is known",
        "sky rms": ", ".join(f"{band} {value:.4g}" for band, value in zip(field.bands, rms, strict=True)),
    }
    if field.pixel_scale_arcsec:
        facts["pixel scale"] = f"{field.pixel_scale_arcsec:.4g} arcsec"
    if field.psf_fwhm_arcsec:
        facts["PSF FWHM"] = ", ".join(f"{value:.3g}" for value in field.psf_fwhm_arcsec) + " arcsec"
    if field.wcs is not None:
        sky = field.wcs.pixel_to_world((width - 1) / 2, (height - 1) / 2)
        facts["centre"] = f"{sky.to_string('decimal', precision=5)} deg"
    if field.mask is not None:
        facts["masked"] = f"{field.mask.mean():.2%} of the pixels"
    if field.truth is not None:
        facts["truth"] = "the noiseless image is there"
    facts |= {key: _value(value) for key, value in field.header.items()}
    return _lines(facts)


def _starts_as_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _value(card: object) -> str:
    return str(card[0] if isinstance(card, tuple) else card)


def _lines(facts: Mapping[str, str]) -> list[str]:
    width = max((len(key) for key in facts), default=0)
    return [f"{key + ':':<{width + 2}}{value}" for key, value in facts.items()]
