"""Noise on the two images of a pair, and the pair with its redshifts exchanged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from mockforge.batch import Batch
from mockforge.config import Varying
from mockforge.errors import InputError
from mockforge.observe.noise.pixels import add_noise
from mockforge.observe.noise.spec import Noise, pixel_noise
from mockforge.rng import Stream
from mockforge.train.parallel import usable

_CHUNK = 2**19
"""Pixels given noise at once: the work then stays in a core's cache."""
_GPU_CHUNK = 2**28
"""The same on a GPU: a gigabyte a copy."""
OTHER = {"in": "out", "out": "in", "input": "target", "target": "input"}


def exchanged(batch: Batch) -> Batch:
    """Return the batch with its redshifts exchanged, by name: `input` with `target`, `_in` with `_out`."""

    def renamed(columns: Mapping[str, Any]) -> dict[str, Any]:
        return {_exchanged_name(name): values for name, values in columns.items()}

    tables: dict[str, Any] = {name: renamed(t) if name == "galaxy" else t for name, t in batch.tables.items()}
    if "size_factor" in tables.get("galaxy", ()):
        tables["galaxy"]["size_factor"] = 1.0 / tables["galaxy"]["size_factor"]
    return replace(batch, arrays=renamed(batch.arrays), tables=tables, attributes=renamed(batch.attributes))


def _exchanged_name(name: str) -> str:
    return "_".join(OTHER.get(word, word) for word in name.split("_"))


def observed(
    batch: Batch, end: str, noise: Noise, stream: Stream, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """One end's images with noise, and the rms of their sky (N,C)."""
    flux, about = batch.arrays[end], batch.attributes
    bands, scale = about.get("bands"), about.get("pixel_scale_arcsec")
    if bands is None or scale is None:
        raise InputError(
            f"observe: needs the bands and the pixel scale of {end}, and no stage before gives them"
        )
    fwhm = about.get(f"psf_fwhm_{'in' if end == 'input' else 'out'}_arcsec", about.get("psf_fwhm_arcsec"))
    try:
        model = pixel_noise(noise, tuple(bands), float(scale), fwhm)
    except InputError as error:
        raise InputError(f"observe: noise_{'in' if end == 'input' else 'out'}: {error}") from error
    factor = _factors(noise.rms_factor, batch.draw, stream.child("rms_factor"))
    chosen = usable(device)
    alone = chosen.type == "cpu"
    size = max(1, (_CHUNK if alone else _GPU_CHUNK) // int(np.prod(flux.shape[1:])))
    out = np.empty(flux.shape, dtype=np.float32)
    for start in range(0, len(batch), size):
        part = slice(start, start + size)
        own = [stream.child(int(draw)) for draw in batch.draw[part]]
        generators = [s.torch() for s in own] if alone else own[0].torch(chosen)
        images = torch.from_numpy(np.ascontiguousarray(flux[part], dtype=np.float32)).to(chosen)
        chunk = torch.from_numpy(out[part])
        strength = torch.from_numpy(factor[part]).to(chosen)
        noisy = add_noise(images, model, generators, strength, out=chunk if alone else None)
        if not alone:
            chunk.copy_(noisy)
    return out, (factor[:, None] * model.rms).astype(np.float32)


def _factors(rms_factor: Varying, draw: np.ndarray, stream: Stream) -> np.ndarray:
    """Return a factor for each sample, (N,) float64, from a stream of its own."""
    if rms_factor.kind == "fixed":
        return np.full(len(draw), rms_factor.values[0])
    return np.array([rms_factor.draw(stream.child(int(d)).numpy(), 1)[0] for d in draw])
