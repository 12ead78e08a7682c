"""Depth, seeing and density of a model's skies, asked against obtained, with a picture of each.

Run: python tests/benchmarks/controls.py kids-viking [controls.png] [side]

Wider than what `mockforge evaluate` asks: depths from 2 magnitudes above the model's own to 4 below
its noise, the surveys whose bands are like the model's, seeings to three times its own, and all
the densities that its field taught. Each is measured on pixels:
- depth: five times the robust scatter of PSF-weighted fluxes on the sky less its truth; and the rms
  of the sky as the detection measures it on the image, over the rms that was requested;
- seeing: the Gaussian that best turns the sky as it is into the one asked for; and the cores of the
  stars that are found on the image;
- density: detections over those of a sky with none requested, several seeds.
"""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.sky.controls import added_blur, point_source_depth, stars_fwhm
from mockforge.field.field import Field
from mockforge.field.picture import asinh_rgb, mosaic, save_png
from mockforge.label.detect import detect, sky_of
from mockforge.observe.surveys.read import names as surveys
from mockforge.sgan.lattice.instrument import FWHM_PER_SIGMA
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.control import control
from mockforge.sgan.paint.sky import Sky
from mockforge.stages.detect import Detect

STEPS_MAG = (-2.0, -1.0, 0.0, 1.0, 2.0, 4.0)
BROADER = (1.02, 1.1, 1.3, 1.6, 2.0, 3.0)
DENSITIES = 6
SEEDS = (1, 2, 3)
CROP = 384
"""Pixels of the window that a blur is fitted on."""
SHOWN = 288
"""Pixels on a side of a picture."""


def painted(model: SganModel, side: int, seed: int = 1, **asked: Any) -> Field:
    """A field of a sky with these requests."""
    return Sky(model, seed, kept_tiles=0, **asked)[0:side, 0:side]


def noise_of(field: Field) -> np.ndarray:
    """Noise alone, (band, y, x)."""
    assert field.truth is not None
    return field.image - field.truth


def depths(model: SganModel, side: int) -> Iterator[str]:
    """A line for each depth that is requested, of all bands."""
    assert model.psf_fwhm_arcsec is not None and model.pixel_scale_arcsec is not None
    width = [f / model.pixel_scale_arcsec for f in model.psf_fwhm_arcsec]
    own = [point_source_depth(n, w)[0] for n, w in zip(noise_of(painted(model, side)), width, strict=True)]
    yield "own depth     " + "  ".join(f"{b} {d:.2f}" for b, d in zip(model.bands, own, strict=True))
    for step in STEPS_MAG:
        asked = {band: round(d + step, 1) for band, d in zip(model.bands, own, strict=True)}
        field, cells = painted(model, side, depth=asked), []
        wanted = control(model, depth=asked).instrument.rms_njy
        for i, (band, noise) in enumerate(zip(model.bands, noise_of(field), strict=True)):
            found, error = point_source_depth(noise, width[i])
            seen = sky_of(field.image[i], Detect(), None, band).global_rms / wanted[i]
            cells.append(f"{band} {asked[band]:.1f} -> {found:.3f} +- {error:.3f} (sky rms x {seen:.3f})")
        yield "depth         " + "  ".join(cells)


def of_surveys(model: SganModel, side: int) -> Iterator[str]:
    """A line for each survey with bands like the model's: rms obtained over the survey's."""
    for name in surveys():
        try:
            wanted = control(model, depth=name).instrument.rms_njy
        except InputError:
            continue
        noise = noise_of(painted(model, side, depth=name))
        rms = [1.4826 * np.median(np.abs(n)) / w for n, w in zip(noise, wanted, strict=True)]
        cells = (f"{b} {w:.3g} nJy x {r:.3f}" for b, w, r in zip(model.bands, wanted, rms, strict=True))
        yield f"{name:14}" + "  ".join(cells)


def seeings(model: SganModel, side: int) -> Iterator[str]:
    """A line for each seeing that is requested, of all bands."""
    assert model.psf_fwhm_arcsec is not None and model.pixel_scale_arcsec is not None
    own, crop = painted(model, side), np.s_[:CROP, :CROP]
    assert own.truth is not None
    found = (f"{b} {f:.3f} (stars {s:.3f} +- {e:.3f})" for b, f, (s, e) in _with_stars(own))
    yield "own seeing    " + "  ".join(found)
    for times in BROADER:
        asked = {b: round(times * f, 3) for b, f in zip(model.bands, model.psf_fwhm_arcsec, strict=True)}
        field, cells = painted(model, side, seeing=asked), []
        assert field.truth is not None
        for i, (band, _, (star, error)) in enumerate(_with_stars(field)):
            before = model.psf_fwhm_arcsec[i]
            most = 2.0 * asked[band] / FWHM_PER_SIGMA / model.pixel_scale_arcsec
            sigma = added_blur(own.truth[i][crop], field.truth[i][crop], most)
            obtained = math.hypot(before, FWHM_PER_SIGMA * sigma * model.pixel_scale_arcsec)
            cells.append(f"{band} {asked[band]:.3f} -> {obtained:.3f} (stars {star:.3f} +- {error:.3f})")
        yield "seeing        " + "  ".join(cells)


def _with_stars(field: Field) -> Iterator[tuple[str, float, tuple[float, float]]]:
    assert field.psf_fwhm_arcsec is not None
    return zip(field.bands, field.psf_fwhm_arcsec, stars_fwhm(field), strict=True)


def densities(model: SganModel, side: int) -> Iterator[str]:
    """A line for each density that is requested."""
    if model.density is None:
        yield "density       the model was taught none"
        return
    mean = [_detections(painted(model, side, seed)) for seed in SEEDS]
    yield f"own density   {np.mean(mean):.0f} detections on {side} x {side} pixels"
    for asked in np.geomspace(model.density.low * 1.001, model.density.high * 0.999, DENSITIES):
        found = [_detections(painted(model, side, seed, density=float(asked))) for seed in SEEDS]
        ratio = sum(found) / sum(mean)
        error = ratio * math.sqrt(1 / sum(found) + 1 / sum(mean))
        yield f"density       {asked:.2f} -> {ratio:.3f} +- {error:.3f}"


def _detections(field: Field) -> int:
    return len(detect(field.image, Detect(), bands=field.bands).table["x"])


def picture(model: SganModel) -> np.ndarray:
    """One window: as it is, 2 magnitudes deeper, twice as blurred, and of least and most density."""
    assert model.psf_fwhm_arcsec is not None
    deeper = {b: r / 10**0.8 for b, r in zip(model.bands, model.instrument.rms_njy, strict=True)}
    blurred = {b: 2.0 * f for b, f in zip(model.bands, model.psf_fwhm_arcsec, strict=True)}
    asked: list[dict[str, Any]] = [{}, {"rms": deeper}, {"seeing": blurred}]
    if model.density is not None:
        asked += [{"density": model.density.low * 1.001}, {"density": model.density.high * 0.999}]
    rms = np.array(model.instrument.rms_njy)
    pictures = [asinh_rgb(painted(model, SHOWN, **how).image, rms, bands=model.bands) for how in asked]
    return mosaic(pictures, columns=len(pictures))


def main(name: str, out: str = "controls.png", side: str = "1024") -> None:
    """Print the table and write the picture."""
    model = load_model(name)
    for table in (depths, of_surveys, seeings, densities):
        start = time.perf_counter()
        for line in table(model, int(side)):
            print(line, flush=True)
        print(f"              ({time.perf_counter() - start:.0f} s)")
    save_png(Path(out), picture(model))


if __name__ == "__main__":
    main(*sys.argv[1:])
