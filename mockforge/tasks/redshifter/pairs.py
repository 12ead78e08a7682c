"""A pair of a built dataset as fields, and batches turned at random."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from mockforge.data.torch.dataset import load
from mockforge.data.torch.pairs import PAIR
from mockforge.errors import InputError
from mockforge.field.field import Field


@dataclass(frozen=True)
class Pair:
    """One pair of a dataset, as fields."""

    input: Field
    target: Field
    z_in: float
    z_out: float


def read_pair(folder: str | Path, split: str | None, row: int) -> Pair:
    """Pair `row` of a split of a dataset; InputError where there is none or it says no bands."""
    data = load(folder, split)
    data.needs(PAIR, "redshift")
    if not 0 <= row < len(data):
        raise InputError(f"{folder}: row {row} of split {split or 'all'}, it has rows 0 to {len(data) - 1}")
    about = data.attributes
    missing = [key for key in ("bands", "pixel_scale_arcsec") if key not in about]
    if missing:
        raise InputError(f"{folder}: does not say its {' and '.join(missing)}")
    sample = data.sample(row, *PAIR)

    def field(end: str, name: str) -> Field:
        fwhm = about.get(f"psf_fwhm_{end}_arcsec", about.get("psf_fwhm_arcsec"))
        return Field(
            image=sample[name].numpy(),
            bands=tuple(str(b) for b in about["bands"]),
            pixel_scale_arcsec=float(about["pixel_scale_arcsec"]),
            psf_fwhm_arcsec=None if fwhm is None else tuple(float(f) for f in fwhm),
        )

    return Pair(field("in", "input"), field("out", "target"), float(sample["z_in"]), float(sample["z_out"]))
