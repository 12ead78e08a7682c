"""A small dataset of redshift pairs: Sersic galaxies with template spectra, made without a recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from mockforge.batch import Batch
from mockforge.data.manifest import Manifest, write_manifest
from mockforge.data.shards import write_shard
from mockforge.data.view import write_view
from mockforge.photometry.cosmology import arcsec_per_kpc
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates
from mockforge.profiles.sersic import Sersics, sersic
from mockforge.rng import Stream
from tests.builders import batches

BANDS = ("F606W", "F814W", "F125W")
SCALE = 0.1
SPECTRA = Spectra(templates=Templates(steps=1))
SAVE = {name: "float32" for name in ("input", "target", "z_in", "z_out")}


def galaxies(shard: int, n: int, side: int, noise: float) -> Batch:
    """n pairs; with `noise` (nJy, rms) on both images the truth is in `target_clean`."""
    rng = Stream(3, ("shard", shard)).numpy()
    z_in = rng.uniform(0.3, 0.8, n).astype(np.float32)
    z_out = (z_in + rng.uniform(0.2, 0.9, n)).astype(np.float32)
    spectrum = rng.integers(0, 4, n)
    x, y = (side - 1) / 2 + rng.uniform(-0.5, 0.5, (2, n))
    kpc, index, q = rng.uniform(2, 4, n), rng.uniform(0.8, 2.5, n), rng.uniform(0.4, 1, n)
    angle = rng.uniform(0, 180, n)
    images = {}
    for name, z in (("input", z_in), ("target", z_out)):
        flux = sed_fluxes(SPECTRA, BANDS, z_in, z, spectrum)
        parameters = (x, y, kpc * arcsec_per_kpc(z) / SCALE, index, q, angle)
        columns = (torch.from_numpy(np.asarray(v, np.float64)) for v in parameters)
        profile = sersic(Sersics(*columns), (side, side))
        images[name] = (profile.numpy()[:, None] * flux[:, :, None, None]).astype(np.float32)
    arrays = {**images, "z_in": z_in, "z_out": z_out}
    if noise:
        for name, image in images.items():
            arrays[f"{name}_clean"] = image
            arrays[name] = image + rng.normal(0, noise, image.shape).astype(np.float32)
            arrays[f"{name}_rms"] = np.full(image.shape[:2], noise, np.float32)
    sample = np.arange(n) + shard * n
    return batches.samples(
        n,
        shard * n,
        splits={"train": 0.5, "val": 0.25, "test": 0.25},
        split=batches.IN_TURN,
        arrays=arrays,
        tables={"galaxy": {"sample": sample, "x": x, "y": y, "z_in": z_in, "z_out": z_out}},
        attributes={"bands": BANDS, "pixel_scale_arcsec": SCALE, "unit": "nJy", "zeropoint_ab": 31.4},
    )


def publish(
    folder: Path, n: int = 16, side: int = 32, noise: float = 0.0, recipe: str = "made by hand"
) -> Path:
    """A finished dataset of 2 shards in `folder`: half of it train, a quarter val, a quarter test."""
    save = SAVE | ({k: "float32" for k in ("target_clean", "input_rms", "target_rms")} if noise else {})
    about = {"recipe": recipe}
    records = [
        write_shard(folder / "shards" / f"{k:05d}.h5", galaxies(k, n // 2, side, noise), save, about)
        for k in range(2)
    ]
    write_view(folder, records)
    manifest = Manifest(
        name=folder.name, recipe=recipe, recipe_digest="0" * 64, shards=tuple(records), made=""
    )
    write_manifest(folder, manifest)
    return folder
