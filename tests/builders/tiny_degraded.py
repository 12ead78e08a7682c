"""A small dataset of degraded images: Gaussian galaxies, sharp and blurred, in closed form."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from scipy.special import erf

from mockforge.batch import Batch
from mockforge.data.manifest import Manifest, write_manifest
from mockforge.data.shards import write_shard
from mockforge.data.view import write_view
from mockforge.rng import Stream
from tests.builders import batches

BANDS, FINE_BANDS = ("hsc_r", "hsc_i"), ("F606W", "F814W")
COARSE, FINE = 0.168, 0.06
STEP = COARSE / FINE
SHAPE, FINE_SHAPE = 11, 32
SEEING, RMS = 4.0, 1.0
"""Sigma of the blur in fine pixels; rms in a coarse pixel, nJy."""
SAVE = {"image": "float32", "truth": "float32", "variance": "float32", "psf_out": "float32"}


def gaussian(x: np.ndarray, y: np.ndarray, sigma: np.ndarray, side: int) -> np.ndarray:
    """Share of the flux of Gaussians in each pixel, (N, side, side): exact integrals."""
    edges = np.arange(side + 1) - 0.5
    rows, columns = (
        0.5 * np.diff(erf((edges - place[:, None]) / (np.sqrt(2) * sigma[:, None])), axis=1)
        for place in (y, x)
    )
    return rows[:, :, None] * columns[:, None, :]


def samples(shard: int, n: int) -> Batch:
    """n stamps, a third of them with a neighbour."""
    rng = Stream(5, ("shard", shard)).numpy()
    centre, coarse_centre = (FINE_SHAPE - 1) / 2, (SHAPE - 1) / 2
    sample = np.arange(n) + shard * n
    truth, image = np.zeros((n, 2, FINE_SHAPE, FINE_SHAPE)), np.zeros((n, 2, SHAPE, SHAPE))
    rows: dict[str, list[np.ndarray]] = {name: [] for name in ("sample", "label", "x", "y")}
    for label in (1, 2):
        there = sample % 3 == 0 if label == 2 else np.ones(n, dtype=bool)
        away = rng.uniform(6, 9, n) if label == 2 else rng.uniform(0, 1, n)
        angle = rng.uniform(0, 2 * np.pi, n)
        x, y = centre + away * np.cos(angle), centre + away * np.sin(angle)
        sigma = rng.uniform(1.0, 2.0, n)
        flux = (
            np.where(there, 10 ** rng.uniform(2.3, 3.3, n), 0)[:, None, None, None]
            * np.array([1, 1.5])[:, None, None]
        )
        truth += flux * gaussian(x, y, sigma, FINE_SHAPE)[:, None]
        place = [(v - centre) / STEP + coarse_centre for v in (x, y)]
        image += flux * gaussian(*place, np.hypot(sigma, SEEING) / STEP, SHAPE)[:, None]
        for name, values in zip(rows, (sample, np.full(n, label), *place), strict=True):
            rows[name].append(values[there])
    image += rng.normal(0, RMS, image.shape)
    psf = gaussian(np.full(1, 5.0), np.full(1, 5.0), np.full(1, SEEING / STEP), 11)
    order = np.argsort(np.concatenate(rows["sample"]), kind="stable")
    return batches.samples(
        n,
        shard * n,
        splits={"train": 0.5, "val": 0.25, "test": 0.25},
        split=batches.IN_TURN,
        arrays={
            "image": image.astype(np.float32),
            "truth": truth.astype(np.float32),
            "variance": np.full(image.shape, RMS**2, np.float32),
            "psf_out": np.broadcast_to(psf, (n, 2, 11, 11)).astype(np.float32),
        },
        tables={"objects": {name: np.concatenate(values)[order] for name, values in rows.items()}},
        attributes={
            "bands": BANDS,
            "truth_bands": FINE_BANDS,
            "pixel_scale_arcsec": COARSE,
            "truth_pixel_scale_arcsec": FINE,
            "psf_fwhm_arcsec": (0.6, 0.6),
            "unit": "nJy",
            "zeropoint_ab": 31.4,
        },
    )


def publish(folder: Path, n: int = 48) -> Path:
    """A finished dataset of 2 shards in `folder`: half of it train, a quarter val, a quarter test."""
    records = [
        write_shard(folder / "shards" / f"{k:05d}.h5", samples(k, n // 2), SAVE, {"recipe": "made by hand"})
        for k in range(2)
    ]
    write_view(folder, records)
    manifest = Manifest(
        name=folder.name, recipe="made by hand", recipe_digest="0" * 64, shards=tuple(records), made=""
    )
    write_manifest(folder, manifest)
    return folder
