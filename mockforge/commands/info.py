"""What a dataset, a model or a FITS image is, in lines of text."""

from __future__ import annotations

from pathlib import Path

from mockforge.commands.facts import dataset_lines, in_lines
from mockforge.errors import InputError, nearest
from mockforge.field.field import Field
from mockforge.field.fits.bands import split_name
from mockforge.field.fits.check import regular
from mockforge.field.fits.wcs import sky_of_pixels
from mockforge.field.picture import sky_rms
from mockforge.recipe.bundled import bundled_recipes
from mockforge.train.model_files import bundled_models
from mockforge.train.networks import describe as describe_model

_FITS = (".fits", ".fit", ".fts", ".fz", ".gz", ".bz2")
_MODEL = (".json", ".safetensors")


def about(thing: str) -> list[str]:
    """Lines about a dataset's folder, a model's name, file or folder, or a FITS file.

    Raises InputError where it is none of these, with the nearest name of a model.
    """
    path = split_name(thing)[0]
    if thing in bundled_models():
        return in_lines(describe_model(thing))
    if path.name in ("dataset.h5", "manifest.json"):
        return dataset_lines(path.parent)
    if path.is_dir():
        if any(path.glob("*.safetensors")):
            return in_lines(describe_model(thing))
        return dataset_lines(path)
    if path.exists():
        regular(path)
    else:
        if thing in bundled_recipes():
            raise InputError(f"{thing}: is a recipe; `mockforge recipes {thing}` prints it")
        raise InputError(f"{thing}: no such dataset, model or FITS file{nearest(thing, bundled_models())}")
    if path.suffix in _MODEL:
        return in_lines(describe_model(thing))
    if path.suffix.lower() in _FITS or _starts_as_fits(path):
        return _field_lines(thing)
    if path.suffix == ".h5" and path.resolve().parent.name == "shards":
        raise InputError(f"{thing}: is a shard; name the dataset's folder, {path.parent.parent}")
    raise InputError(f"{thing}: neither a dataset's folder, nor a model (.json, .safetensors), nor FITS")


def _field_lines(name: str) -> list[str]:

    field = Field.read([name])
    _, height, width = field.shape
    rms = sky_rms(field.image)
    facts = {
        "image": name,
        "bands": ", ".join(field.bands),
        "size": f"{width} x {height} pixels (x, y)",
        "unit": field.unit if field.unit != "native" else "its own, no zeropoint is known",
        "sky rms": ", ".join(f"{band} {value:.4g}" for band, value in zip(field.bands, rms, strict=True)),
    }
    facts |= field.origin
    if field.psf_fwhm_arcsec:
        facts["PSF FWHM"] = ", ".join(f"{value:.3g}" for value in field.psf_fwhm_arcsec) + " arcsec"
    if field.wcs is not None:
        ra, dec = sky_of_pixels(field.wcs, (width - 1) / 2, (height - 1) / 2)
        facts["centre"] = f"{float(ra):.5f} {float(dec):.5f} deg (ICRS)"
    if field.mask is not None:
        facts["masked"] = f"{field.mask.mean():.2%} of the pixels"
    if field.truth is not None:
        facts["truth"] = "the noiseless image is in the file too"
    return in_lines(facts | _painted(field))


def _painted(field: Field) -> dict[str, str]:
    """Where a painted field comes from, in words, then its other cards."""
    words = {
        "MFMODEL": "model",
        "MFSHA256": "weights",
        "MFSEED": "seed",
        "MFY0": "first row",
        "MFX0": "first column",
        "MFSURVEY": "degraded to",
        "MFINPUT": "degraded from",
        "MFFROM": "recovered from",
    }
    return {words.get(key, key): _value(value) for key, value in field.header.items()}


def _starts_as_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"


def _value(card: object) -> str:
    return str(card[0] if isinstance(card, tuple) else card)
