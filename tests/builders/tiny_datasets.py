"""Small datasets made by hand: Gaussian blobs on noise, and pairs of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from mockforge.batch import Batch
from mockforge.data.card.card import write_card
from mockforge.data.card.croissant import write_croissant
from mockforge.data.manifest import Manifest, write_manifest
from mockforge.data.preview.preview import write_preview
from mockforge.data.shards import write_shard
from mockforge.data.view import write_view
from mockforge.rng import Stream
from tests.builders.batches import IN_TURN, samples

ABOUT = {
    "bands": ("g", "r", "Z"),
    "pixel_scale_arcsec": 0.2,
    "unit": "nJy",
    "zeropoint_ab": 31.4,
    "psf_fwhm_arcsec": (0.8, 0.7, 0.9),
}
SAVE = {"image": "float32", "truth": "float32", "instances": "int32", "sky_rms": "float32"}
PAIRS = {"input": "float32", "target": "float32", "z_in": "float32", "z_out": "float32"}
RECIPE = "name: blobs\nseed: 1\nsamples: 12\nstages:\n  - image: {files: [a.fits]}\n  - detect: {}\n"
SPLITS = {"train": 0.5, "val": 0.25, "test": 0.25}


def blobs(shard: int, n: int = 4, side: int = 48, seed: int = 1) -> Batch:
    """n tiles of Gaussian blobs; sample 1 of each shard is empty sky."""
    rng = Stream(seed, ("shard", shard, "blobs")).numpy()
    y, x = np.mgrid[:side, :side]
    truth = np.zeros((n, 3, side, side), dtype=np.float32)
    instances = np.zeros((n, side, side), dtype=np.int32)
    rows: dict[str, list] = {c: [] for c in ("sample", "label", "x", "y", "flux_r", "sed", "blended", "bbox")}
    for i in range(n):
        for label in range(1, 1 if i == 1 else 4):
            x0, y0 = 10 + 13 * (label - 1) + rng.uniform(-2, 2), rng.uniform(8, side - 8)
            blob = np.exp(-0.5 * ((x - x0) ** 2 + (y - y0) ** 2) / 2.5**2)
            flux = rng.uniform(30, 300)
            truth[i] += (flux * rng.uniform(0.4, 1.2, 3)[:, None, None] * blob).astype(np.float32)
            instances[i][blob > 0.2] = label
            values = (shard * n + i, label, x0, y0, flux, "Sbc" if label % 2 else "elliptical", False)
            for name, value in zip(rows, (*values, (0, 0, 3, 3)), strict=True):
                rows[name].append(value)
    noise = rng.normal(0, 3.0, truth.shape).astype(np.float32)
    return samples(
        n,
        shard * n,
        splits=SPLITS,
        split=IN_TURN,
        arrays={
            "image": truth + noise,
            "truth": truth,
            "instances": instances,
            "sky_rms": np.full((n, 3), 3.0, dtype=np.float32),
        },
        tables={"catalogue": {name: np.array(values) for name, values in rows.items()}},
        attributes=ABOUT,
    )


def pairs(shard: int, n: int = 4, side: int = 32) -> Batch:
    """n pairs of a round galaxy and its smaller, fainter self."""
    rng = Stream(2, ("shard", shard, "pairs")).numpy()
    y, x = np.mgrid[:side, :side] - side / 2
    sample = np.arange(n) + shard * n
    z_in = rng.uniform(0.1, 0.5, n)
    z_out = z_in + rng.uniform(0.2, 1.0, n)
    radius = rng.uniform(1.5, 4, n)
    r = np.hypot(x, y)[None, None]
    colour = rng.uniform(0.3, 1, (n, 3, 1, 1))
    first = 100 * colour * np.exp(-r / radius[:, None, None, None])
    second = 20 * colour[:, ::-1] * np.exp(-r / (0.7 * radius[:, None, None, None]))
    arrays = {"input": first, "target": second, "z_in": z_in, "z_out": z_out}
    return samples(
        n,
        shard * n,
        splits=SPLITS,
        split=IN_TURN,
        arrays={k: v.astype(np.float32) for k, v in arrays.items()},
        tables={"galaxy": {"sample": sample, "radius_arcsec": radius}},
        attributes=ABOUT,
    )


def publish(folder: Path, make: Callable[[int], Batch], save: dict[str, str], shards: int = 3) -> Path:
    """A finished dataset in `folder`."""
    recipe = {"recipe": RECIPE}
    records = [write_shard(folder / "shards" / f"{k:05d}.h5", make(k), save, recipe) for k in range(shards)]
    manifest = Manifest(
        name=folder.name,
        recipe=RECIPE,
        recipe_digest="0123456789abcdef" * 4,
        shards=tuple(records),
        weights={"tiny": "ab" * 32},
        model_cards={"tiny": "---\nx: y\n---\n# Tiny\n\nPaints blobs."},
        made="2026-11-30",
    )
    write_view(folder, records)
    write_card(folder, manifest)
    write_croissant(folder, manifest)
    write_preview(folder, manifest)
    write_manifest(folder, manifest)
    return folder
