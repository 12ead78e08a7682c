"""The preview of degraded images: what the coarse telescope sees beside the sharp truth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mockforge.data.preview.page import PAGE, joined, page, spread
from mockforge.data.reader import Reader
from mockforge.field.picture import BALANCE, asinh_rgb, outline, sky_rms

_SIDE = 200
"""Pixels of a panel."""


def degraded(reader: Reader) -> np.ndarray:
    """Up to nine samples: the coarse image, its noiseless version where it was saved, and the truth.

    All panels of a sample show the same piece of sky at one scale; objects are outlined on the truth.
    """
    shown = [name for name in ("image", "image_noiseless", "truth") if name in reader.arrays]
    if "truth" not in shown and "image_fine" in reader.arrays:
        shown.append("image_fine")
    maps = [name for name in ("instances_fine",) if name in reader.arrays]
    about = reader.attributes
    fine, coarse = float(about["truth_pixel_scale_arcsec"]), float(about["pixel_scale_arcsec"])
    panels = []
    for i in spread(reader, 9):
        sample = reader.read(i, [*shown, *maps])
        scales = {n: fine if n in ("truth", "image_fine") else coarse for n in shown}
        if "pixel_scale" in reader.arrays:
            own = float(reader.read(i, ["pixel_scale"])["pixel_scale"])
            scales = {n: fine if s == fine else own for n, s in scales.items()}
        field = max(max(sample[n].shape[-2:]) * s for n, s in scales.items())
        bands = {n: about.get("truth_bands" if n in ("truth", "image_fine") else "bands") for n in shown}
        row = [
            _panel(
                _colour(
                    sample[n], scales[n], sample["image"], coarse, bands[n], None if n == "image" else 0.0
                ),
                scales[n],
                field,
            )
            for n in shown
        ]
        if maps and shown[-1] == "truth":
            rgb = _colour(sample["truth"], fine, sample["image"], coarse, bands["truth"])
            row.append(_panel(outline(rgb, sample[maps[0]]), fine, field))
        panels.append(joined(row, axis=1))
    titles = {"image": "coarse", "image_noiseless": "without noise", "truth": "truth", "image_fine": "fine"}
    words = [titles[n] for n in shown] + (["objects"] if maps and shown[-1] == "truth" else [])
    columns = max(1, min(len(panels), 9 // len(words)))
    return page(reader, panels, columns, words * columns, f"each sample on one scale; {BALANCE}")


def _colour(
    image: np.ndarray,
    scale: float,
    coarse: np.ndarray,
    coarse_scale: float,
    bands: Sequence[str] | None,
    noise: float | None = 0.0,
) -> np.ndarray:
    """Asinh colour with the stretch of the coarse image's noise, per area of sky."""
    level = float(np.sqrt(np.mean(sky_rms(coarse) ** 2))) or max(float(np.abs(coarse).max()) / 30, 1e-30)
    return asinh_rgb(image, level * (scale / coarse_scale) ** 2, bands=bands, noise=noise)


def _panel(rgb: np.ndarray, scale: float, field: float) -> np.ndarray:
    """Return a picture at its size on the sky in the middle of a panel that is `field` arcsec wide."""
    from PIL import Image

    height, width = (max(1, min(_SIDE, round(n * scale / field * _SIDE))) for n in rgb.shape[:2])
    picture = Image.fromarray(rgb).resize((width, height), Image.Resampling.NEAREST)
    out = Image.new("RGB", (_SIDE, _SIDE), PAGE)
    out.paste(picture, ((_SIDE - width) // 2, (_SIDE - height) // 2))
    return np.asarray(out)
