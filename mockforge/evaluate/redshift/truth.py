"""What a dataset of pairs says of itself: its images, the noiseless truth, and how it was made."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.data.torch.dataset import Dataset, load
from mockforge.data.torch.pairs import PAIR
from mockforge.errors import InputError
from mockforge.field.robust import sigma_mad
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.photometry.igm import Igm
from mockforge.photometry.spectra.spec import Spectra
from mockforge.recipe.read import loads
from mockforge.tasks.redshifter.geometry import centroid

_LIMIT = 512
"""Pairs that are measured, at most."""


@dataclass(frozen=True)
class MeasuredPairs:
    """The pairs that a redshifter is measured on; images (N,C,H,W) in nJy."""

    image: np.ndarray
    truth: np.ndarray
    """The target without noise."""
    truth_name: str
    """The array of the dataset that it is."""
    z_in: np.ndarray
    z_out: np.ndarray
    centre: np.ndarray
    """(N, 2) as (y, x), pixels: of the galaxy, on both images."""
    sigma: np.ndarray
    """(N, C) noise of the input's pixels: as recorded, else measured on the image."""
    bands: tuple[str, ...]
    pixel_scale_arcsec: float
    made: Made


@dataclass(frozen=True)
class Made:
    """How the pairs were made, as far as a classical analysis may know it."""

    spectra: Spectra = Spectra()  # noqa: RUF009  frozen
    igm: Igm = "inoue2014"
    evolving: bool = False
    cosmology: str = "Planck18"
    psf_in: Psf | None = None
    psf_out: Psf | None = None
    known: bool = False
    """Whether the dataset's recipe said so; else these are assumptions."""


def read_pairs(
    dataset: str, split: str, limit: int = _LIMIT, spectra: Spectra | None = None
) -> MeasuredPairs:
    """Return the first `limit` pairs of a split. InputError where the dataset holds no pairs."""
    data = load(dataset, split)
    data.needs(PAIR, "the evaluation of a redshifter")
    if not len(data):
        raise InputError(f"{dataset}: split {split!r} is empty; evaluate another one with `split`")
    if "pixel_scale_arcsec" not in data.attributes:
        raise InputError(f"{dataset}: does not say its pixel_scale_arcsec; build it with a source that does")
    truth = _truth_name(data)
    names = [*PAIR, truth, *(["input_rms"] if "input_rms" in data.arrays else [])]
    count = min(limit, len(data))
    samples = [data.sample(i, *dict.fromkeys(names)) for i in range(count)]
    columns = {name: np.stack([s[name].numpy() for s in samples]) for name in names}
    image = columns["input"]
    simulation = _made(data)
    return MeasuredPairs(
        image=image,
        truth=columns[truth],
        truth_name=truth,
        z_in=columns["z_in"].astype(np.float64),
        z_out=columns["z_out"].astype(np.float64),
        centre=_centres(data, [s["sample"] for s in samples], image),
        sigma=_sigma(image, columns.get("input_rms")),
        bands=tuple(str(b) for b in data.attributes["bands"]),
        pixel_scale_arcsec=float(data.attributes["pixel_scale_arcsec"]),
        made=simulation if spectra is None else Made(**{**vars(simulation), "spectra": spectra}),
    )


def _truth_name(data: Dataset) -> str:
    """Return the noiseless array behind `target`: itself, unless it was observed and another is kept."""
    first = data.sample(0)
    for name in ("target_psf", "target_clean"):
        if name in first and bool((first[name] == first["target"]).all()):
            return name  # the target has no noise
    observed = "target_rms" in first or "target_observed" in first
    available = [name for name in ("target_psf", "target_clean") if name in first]
    return available[0] if observed and available else "target"


def _centres(data: Dataset, samples: list[int], image: np.ndarray) -> np.ndarray:
    """From the table `galaxy` where it has x and y, else the centre of the light."""
    if "galaxy" in data.tables:
        table = data.table("galaxy")
        if {"x", "y"} <= set(table.colnames):
            row = {int(s): i for i, s in enumerate(table["sample"])}
            chosen = [row[s] for s in samples]
            return np.stack([np.asarray(table[c], np.float64)[chosen] for c in ("y", "x")], axis=1)
    import torch

    return centroid(torch.from_numpy(image)).numpy()


def _sigma(image: np.ndarray, recorded: np.ndarray | None) -> np.ndarray:
    """Noise of a pixel; without noise the scatter of the faint light, which weighs the bands alike."""
    floor = 1e-3 * image.std(axis=(2, 3)).max(axis=1, keepdims=True)
    if recorded is None:
        recorded = sigma_mad(image, axis=(2, 3))
    return np.maximum(recorded, floor).astype(np.float64) + 1e-30


def _made(data: Dataset) -> Made:
    """Spectra, hydrogen and PSFs from the recipe; assumptions where it is not one we can read."""
    try:
        stages = loads(str(data.attributes.get("recipe", "")), "the dataset's recipe").stages
    except InputError:
        stages = ()
    if not stages or not isinstance(getattr(stages[0].stage, "spectra", None), Spectra):
        return Made(psf_in=_gaussian(data.attributes, "in"), psf_out=_gaussian(data.attributes, "out"))
    source: Any = stages[0].stage
    psf_in, psf_out = (getattr(source, key, None) for key in ("psf_in", "psf_out"))
    for entry in stages[1:]:
        pairing = getattr(entry.stage, "pairing", None)
        if pairing is not None:
            if pairing.direction == "high_to_low":
                psf_in, psf_out = psf_out, psf_in
            psf_in = None if pairing.input == "clean" else psf_in
            psf_out = None if pairing.target == "clean" else psf_out
    return Made(
        spectra=source.spectra,
        igm=getattr(source, "igm", "inoue2014"),
        evolving=getattr(source, "population", "constant") == "evolving",
        cosmology=getattr(source, "cosmology", "Planck18"),
        psf_in=psf_in,
        psf_out=psf_out,
        known=True,
    )


def _gaussian(attributes: dict[str, Any], end: str) -> Psf | None:
    """Return a Gaussian of the recorded widths; None where there is no PSF."""
    keys = (f"psf_fwhm_{end}_arcsec", "psf_fwhm_arcsec")
    fwhm = next((attributes[key] for key in keys if key in attributes), None)
    if fwhm is None or not np.all(np.asarray(fwhm) > 0):
        return None
    return Psf(gaussian=Gaussian(fwhm_arcsec=tuple(float(f) for f in np.atleast_1d(fwhm))))
