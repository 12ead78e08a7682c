"""What is in a dataset, in a few lines of text."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mockforge.data.reader import Reader


def describe(path: str | Path) -> dict[str, str]:
    """Return what `mockforge info DATASET` shows: a name and a line of text for each fact, in order.

    Raises InputError where `path` is no finished dataset.
    """
    with Reader(path) as reader:
        manifest, about = reader.manifest, reader.attributes
        size = sum(record.bytes for record in manifest.shards)
        out = {
            "dataset": manifest.name,
            "samples": f"{len(reader)} ({counts(manifest.splits)})",
            "arrays": "; ".join(array_line(reader, name) for name in reader.arrays),
            "tables": "; ".join(f"{table}: {n} rows" for table, n in manifest.rows().items()) or "none",
        }
        out.update({key: plain(about[key]) + swept(reader, key) for key in KNOWN if key in about})
        out["shards"] = f"{len(manifest.shards)}, {size / 1e6:.1f} MB"
        out["recipe digest"] = manifest.recipe_digest
        if manifest.weights:
            out["reads"] = ", ".join(
                f"{name} sha256 {digest[:12]}" for name, digest in manifest.weights.items()
            )
        out["made"] = f"{manifest.made} with " + ", ".join(f"{k} {v}" for k, v in manifest.versions.items())
    return out


KNOWN = (
    "bands",
    "pixel_scale_arcsec",
    "psf_fwhm_arcsec",
    "truth_bands",
    "truth_pixel_scale_arcsec",
    "truth_psf_fwhm_arcsec",
    "psf_fwhm_in_arcsec",
    "psf_fwhm_out_arcsec",
    "unit",
    "zeropoint_ab",
)
"""Root attributes that say what a pixel is."""


_SWEPT = {"pixel_scale_arcsec": "pixel_scale", "psf_fwhm_arcsec": "fwhm_factor"}


def swept(reader: Reader, key: str) -> str:
    """Return what to add to a root attribute that differs by sample: the array that says how; else empty."""
    by = _SWEPT.get(key, "")
    if by not in reader.arrays:
        return ""
    return f" (each sample: array {by})" if by == "pixel_scale" else f" (each sample: times array {by})"


def array_line(reader: Reader, name: str) -> str:
    """`image (C,H,W) = (3, 256, 256) float32 nJy`, for one array."""
    shape, unit = reader.shapes[name], reader.units[name]
    size = " x ".join(str(n) for n in shape) or "one number"
    return " ".join(filter(None, (f"{name}:", size, str(reader.dtypes[name]), unit)))


def counts(splits: Any) -> str:
    """`train 410, val 51, test 51`."""
    return ", ".join(f"{split} {n}" for split, n in splits.items())


def plain(value: Any) -> str:
    """Return an attribute as text: lists with commas, numbers in six digits."""
    if isinstance(value, tuple):
        return ", ".join(plain(v) for v in value)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
