"""Pictures of a learned sky for the README: bright sources beside real ones, and the noiseless sky.

Run: python -m mockforge.bundle.sky_pictures MODEL FOLDER g.fits r.fits Z.fits
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

from mockforge.field.field import Field
from mockforge.field.picture import asinh_rgb, mosaic, save_png
from mockforge.label.detect import detect
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.stages.detect import Detect

ROWS = slice(1950, 2600)
"""Of the field: those that were held out."""
SEED, SIDE, NUMBER = 11, 60, 20
DEEP = 40.0
"""The noiseless sky is stretched so many times below the noise."""


def bright_stamps(image: np.ndarray, bands: tuple[str, ...]) -> list[np.ndarray]:
    """Return (C, SIDE, SIDE) pixels about the brightest galaxies, stars and cut ones left out."""
    table = detect(image, Detect(), bands=bands).table
    flux = np.mean([table[f"flux_{band}"] for band in bands], axis=0)
    wide = np.asarray(table["flux_radius"]) > 1.25 * np.median(np.sort(table["flux_radius"])[:60])
    peak = image.max(axis=0)
    out: list[np.ndarray] = []
    for row in np.argsort(-flux):
        y, x = (round(float(table[k][row])) - SIDE // 2 for k in ("y", "x"))
        inside = 0 <= y <= image.shape[1] - SIDE and 0 <= x <= image.shape[2] - SIDE
        if inside and wide[row] and peak[y : y + SIDE, x : x + SIDE].max() < 15000.0:
            out.append(image[:, y : y + SIDE, x : x + SIDE])
        if len(out) == NUMBER:
            break
    return out


def main(name: str, folder: str, *files: str) -> None:
    """Write `bright.png` (real above, painted below) and `noiseless.png` (observed beside noiseless)."""
    model = load_model(name)
    real = Field.read(
        [Path(f) for f in files], bands=model.bands, zeropoint=[0.0, 0.0, 30.0], pixel_scale_arcsec=0.2
    )
    sky, rms = Sky(model, SEED), np.array(model.rms_njy)  # type: ignore
    image, truth = sky.pixels(0, 650, 0, 2600)
    assert truth is not None
    level = np.nanmedian(real.image[:, ROWS], axis=(1, 2))[:, None, None]
    stamps = [bright_stamps(pixels, model.bands) for pixels in (real.image[:, ROWS] - level, image)]
    pictures = [asinh_rgb(stamp, rms, bands=model.bands) for row in stamps for stamp in row]
    save_png(Path(folder) / "bright.png", mosaic(pictures, columns=NUMBER, gap=2))
    window = np.s_[:, :400, :600]
    pair = [
        asinh_rgb(image[window], rms, bands=model.bands),
        asinh_rgb(truth[window], rms / DEEP, bands=model.bands),
    ]
    save_png(Path(folder) / "noiseless.png", mosaic(pair, columns=2))


if __name__ == "__main__":
    main(*sys.argv[1:])
