"""Generated galaxies beside real ones: a contact sheet, and whether a small classifier tells them apart."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from mockforge.field.picture import asinh_rgb, mosaic
from mockforge.rng import Stream
from mockforge.sgan.learn.shapes.features import features
from mockforge.sgan.learn.shapes.two_sample import feature_auc
from mockforge.sgan.single.model import GalaxyModel
from mockforge.sgan.single.read import StampSet
from mockforge.sgan.sources.marks import Marks

_LEAST = 40
"""Galaxies a side below which nothing is measured."""
_REPEATS = 8
"""Ways to halve the real galaxies."""
_FOLDS = 4
_COLUMNS, _ROWS = 12, 4
_BAND = 20
"""Rows of white between real and generated galaxies."""


@dataclass(frozen=True, eq=False)
class Shown:
    """N galaxies on S x S pixels, each within a pixel of the middle."""

    image: np.ndarray
    """(N, C, S, S) nJy, 0 where masked."""
    mask: np.ndarray
    """(N, S, S) bool."""
    looks: np.ndarray
    """(N, 2) ln flux and ln radius."""
    snr: np.ndarray
    """(N,)."""
    rms: np.ndarray
    """(N, C) nJy."""


def real_galaxies(stamps: StampSet, marks: Marks, snr: np.ndarray) -> Shown:
    """Return real galaxies, moved by whole pixels to the middle; `marks` have places on their stamps."""
    side = stamps.image.shape[-1]
    line = np.arange(side)
    images, masks = [], []
    for i, (x, y) in enumerate(zip(marks.x, marks.y, strict=True)):
        rows, columns = (line + round(float(v) - 0.5 * (side - 1)) for v in (y, x))
        inside = ((rows >= 0) & (rows < side))[:, None] & ((columns >= 0) & (columns < side))
        at = np.ix_(rows.clip(0, side - 1), columns.clip(0, side - 1))
        mask = stamps.mask[i][at] | ~inside
        images.append(np.where(mask, 0.0, stamps.image[i][(slice(None), *at)]))
        masks.append(mask)
    return Shown(np.stack(images), np.stack(masks), _looks(marks), snr, stamps.rms)


def generated_galaxies(model: GalaxyModel, real: Shown, n: int, least_snr: float, seed: int) -> Shown:
    """Return `n` generated galaxies, with mask and noise level of the real one nearest in flux and size.

    So tight stamps are compared with tight ones, deep with deep.
    """
    made = model.galaxies(seed, least_snr).stamps(n, real.mask.shape[-1])
    looks = _looks(made.marks)
    scale = real.looks.std(axis=0) + 1e-6
    away = (((looks[:, None] - real.looks) / scale) ** 2).sum(axis=2)
    like = away.argmin(axis=1)
    mask, rms = real.mask[like], real.rms[like]
    noise = (made.image - made.truth) * (rms / model.noise.rms_njy)[..., None, None]
    return Shown(np.where(mask[:, None], 0.0, made.truth + noise), mask, looks, made.snr, rms)


def compared_with(
    real: Shown, model: GalaxyModel, least_snr: float, stream: Stream
) -> tuple[dict[str, Any], np.ndarray]:
    """Return facts and a picture of a model's galaxies against real ones.

    The floor is the real galaxies in two halves; one half is compared with as many generated ones, and with
    the same ones painted without their morphology.
    """
    seed = int(stream.child("seed").numpy().integers(1 << 30))
    n = max(2 * len(real.image), _COLUMNS * _ROWS)
    made = generated_galaxies(model, real, n, least_snr, seed)
    rms = tuple(float(v) for v in model.noise.rms_njy)
    picture = _picture(real, made, np.array(rms))
    if len(real.image) < 2 * _LEAST:
        return {"not measured": f"a feature AUC needs {2 * _LEAST} real galaxies"}, picture
    sets = {"generated": made}
    if model.modulation is not None:
        smooth = replace(model, modulation=None)
        sets["smooth profiles"] = generated_galaxies(smooth, real, n, least_snr, seed)

    def measured(shown: Shown) -> np.ndarray:
        odd = torch.from_numpy(shown.image[..., 1:, 1:].astype(np.float32))
        with torch.no_grad():
            return features(odd, [float(f) for f in model.psf.fwhm_pix], rms).numpy()

    values = _aucs(measured(real), {name: measured(shown) for name, shown in sets.items()}, stream)
    rows = [
        {"real against": name, "feature AUC": float(v.mean()), "scatter over halvings": float(v.std(ddof=1))}
        for name, v in values.items()
    ]
    single = {f"feature AUC, real against {name}": round(float(v.mean()), 3) for name, v in values.items()}
    return {**single, "real galaxies": len(real.image), "told apart by features": rows}, picture


def _aucs(real: np.ndarray, sets: dict[str, np.ndarray], stream: Stream) -> dict[str, np.ndarray]:
    """Return AUCs (repeats,) of half of the real galaxies against the other, and against each set."""
    out: dict[str, list[float]] = {name: [] for name in ("real", *sets)}
    for i in range(_REPEATS):
        own = stream.child("halves", i)
        rng = own.numpy()
        a, b = np.array_split(rng.permutation(len(real)), 2)
        for name, other in (("real", real[b]), *sets.items()):
            other = other if name == "real" else other[rng.permutation(len(other))[: len(b)]]
            folds, others = (np.arange(len(v)) % _FOLDS for v in (a, other))
            out[name].append(feature_auc(real[a], other, folds, others, own.child(name), seeds=0).logistic)
    return {name: np.array(values) for name, values in out.items()}


def _looks(marks: Marks) -> np.ndarray:
    return np.stack([np.log(np.maximum(marks.mean_flux, 1e-6)), marks.log_radius], axis=1)


def _picture(real: Shown, made: Shown, rms: np.ndarray) -> np.ndarray:
    """Return the most significant real galaxies above as many generated ones, in one stretch."""
    parts = []
    for shown in (real, made):
        rows = np.arange(min(len(shown.image), len(real.image)))
        best = rows[np.argsort(-shown.snr[rows], kind="stable")][: _COLUMNS * _ROWS]
        parts.append(mosaic([asinh_rgb(shown.image[i], rms) for i in best], columns=_COLUMNS))
    width = max(p.shape[1] for p in parts)
    padded = [np.pad(p, ((0, 0), (0, width - p.shape[1]), (0, 0)), constant_values=255) for p in parts]
    return np.concatenate([padded[0], np.full((_BAND, width, 3), 255, dtype=np.uint8), padded[1]])
