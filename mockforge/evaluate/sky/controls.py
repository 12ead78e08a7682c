"""Controls of a model's sky, requested and obtained: depth, seeing and density of sources.

Each is measured on pixels as on a real field's, by no formula that the sky itself is made with:
depth from the scatter of point-source fluxes on empty sky, seeing from the stars and from the blur
that turns the model's sky into the one requested, density from detections.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np

from mockforge.evaluate.report.report import Row, Section, Verdict
from mockforge.field.field import Field
from mockforge.field.robust import sigma_mad
from mockforge.label.detect import detect
from mockforge.observe.measure import core_fwhm, stars
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.sky import Sky
from mockforge.stages.detect import Detect
from mockforge.train.parallel import usable
from mockforge.units import ZEROPOINT_NJY

TITLE = "Controls"
_FWHM = 2.0 * math.sqrt(2.0 * math.log(2.0))
_SIGMA = 5.0
"""A depth is the magnitude of a point source of so many sigma."""
_STEPS_MAG = (-0.5, 0.5, 1.0)
"""Depths that are requested, less the model's own."""
_BROADER = (1.2, 1.5)
"""Seeings that are requested, over the model's own."""
_ALLOWED = {"depth": 0.05, "seeing": 0.03, "density": 0.2}
"""Magnitudes; of the FWHM; of the factor, or twice its error where that is more."""
_CROP = 384
"""Pixels of the window the blur is fitted on."""


def controls_section(model: SganModel, side: int, seed: int, device: str) -> Section:
    """Compare controls requested and obtained, on noiseless skies of `side` pixels of a model.

    A control that the model lacks (its PSF or its pixel scale not known, no density as a condition) is
    named in the text and left out.
    """

    def sky(**asked: Any) -> Field:
        return Sky(model, seed, device=str(usable(device)), kept_tiles=0, **asked)[0:side, 0:side]

    section = Section(
        TITLE,
        f"On skies of {side} x {side} pixels of one seed. Depth: AB magnitude of a point source at "
        f"{_SIGMA:g} sigma, from the scatter of PSF-weighted fluxes on the sky less its truth. Seeing: "
        "FWHM in arcsec, that of the model's own PSF with the Gaussian that best turns the model's noiseless "
        "sky into the one requested; and that of the cores of the stars found. Density: detections relative "
        "to a sky without a requested density.",
    )
    own = sky()
    has_psf = model.psf_fwhm_arcsec is not None and model.pixel_scale_arcsec is not None
    rows = [*_depths(sky, own), *_seeings(sky, own)] if has_psf else []
    section.text += "" if has_psf else "\n\nDepth and seeing: the model's PSF in arcsec is not known."
    if model.density is None:
        section.text += "\n\nDensity: the model was not trained with it as a condition."
    else:
        rows += _densities(sky, own, model.density.low, model.density.high)
    section.rows = rows
    section.verdicts = [_verdict(row) for row in rows if row["allowed"] is not None]
    return section


def point_source_depth(noise: np.ndarray, fwhm_pix: float) -> tuple[float, float]:
    """AB magnitude of a point source at 5 sigma in `noise` (y, x) nJy, and its error.

    At every pixel the flux of a point source by PSF weights, sum(P d) / sum(P^2), with a Gaussian
    PSF of `fwhm_pix`; their robust scatter is the error of a flux, however pixels are correlated.
    """
    from scipy.ndimage import gaussian_filter

    # Of a Gaussian, sum(P^2) = 1 / (4 pi sigma^2) and weighting by it is filtering with it.
    sigma = fwhm_pix / _FWHM
    area = 4.0 * math.pi * sigma**2
    reach = math.ceil(4 * sigma)
    flux = area * gaussian_filter(noise.astype(np.float64), sigma, truncate=4.0)[reach:-reach, reach:-reach]
    scatter = float(sigma_mad(flux))
    # Fluxes are correlated as exp(-r^2 / 4 sigma^2). A scatter from median deviations has the relative
    # variance 1.36 / n of n independent values; 37% of it goes with the sum of the correlation's
    # square, area / 2, and the rest with that of its fourth power, area / 4.
    variance = 1.36 * (0.37 * area / 2 + 0.63 * area / 4) / flux.size
    error = 2.5 / math.log(10.0) * math.sqrt(variance)
    return ZEROPOINT_NJY - 2.5 * math.log10(_SIGMA * scatter), error


def added_blur(sharp: np.ndarray, blurred: np.ndarray, most: float) -> float:
    """Sigma in pixels, at most `most`, of the Gaussian that best turns `sharp` (y, x) into `blurred`."""
    from scipy.ndimage import gaussian_filter
    from scipy.optimize import minimize_scalar

    edge = min(math.ceil(5 * most), min(sharp.shape) // 4)
    inner = np.s_[edge:-edge, edge:-edge]

    def misfit(sigma: float) -> float:
        return float(((gaussian_filter(sharp, sigma, truncate=5.0) - blurred)[inner] ** 2).sum())

    best = minimize_scalar(misfit, bounds=(0.05, most), method="bounded", options={"xatol": 1e-3})
    return float(best.x)  # type: ignore[union-attr]


def stars_fwhm(field: Field) -> list[tuple[float, float]]:
    """FWHM in arcsec of the cores of a field's stars and the error of their median, per band.

    Stars are found on the image, as in a real field, and measured on the truth; NaN with too few.
    """
    assert field.truth is not None and field.pixel_scale_arcsec is not None
    table = detect(field.image, Detect(), bands=field.bands).table
    chosen = stars(table["flux_radius"].astype(float), table["snr"].astype(float))
    out = []
    for truth in field.truth:
        widths = np.array([core_fwhm(truth, table["x"][[i]], table["y"][[i]]) for i in chosen])
        widths = widths[np.isfinite(widths)] * field.pixel_scale_arcsec
        if len(widths) < 5:
            out.append((float("nan"), float("nan")))
            continue
        scatter = sigma_mad(widths)
        out.append((float(np.median(widths)), float(1.25 * scatter / math.sqrt(len(widths)))))
    return out


def _row(control: str, band: str | None, asked: float, obtained: float, error: float, allowed: bool) -> Row:
    return {
        "control": control,
        "band": band,
        "asked": asked,
        "obtained": obtained,
        "error": error,
        "allowed": _tolerance(control, asked, error) if allowed else None,
    }


def _tolerance(control: str, asked: float, error: float) -> float:
    """By how much what is obtained may differ from what was requested."""
    if control == "depth":
        return max(_ALLOWED["depth"], 3 * error)
    if control == "seeing":
        return _ALLOWED["seeing"] * asked
    return max(_ALLOWED["density"] * asked, 2 * error)


def _verdict(row: Row) -> Verdict:
    missed = abs(row["obtained"] - row["asked"])
    band = f", {row['band']}" if row["band"] else ""
    rule = f"obtained {row['obtained']:.4g}, to be within {row['allowed']:.2g}"
    return Verdict(f"{row['control']} {row['asked']:.4g}{band}", bool(missed <= row["allowed"]), rule)


def _depth(field: Field, band: int) -> tuple[float, float]:
    assert field.truth is not None and field.psf_fwhm_arcsec is not None and field.pixel_scale_arcsec
    width = field.psf_fwhm_arcsec[band] / field.pixel_scale_arcsec
    return point_source_depth(field.image[band] - field.truth[band], width)


def _depths(sky: Any, own: Field) -> Iterator[Row]:
    before = {b: round(_depth(own, i)[0], 1) for i, b in enumerate(own.bands)}
    for step in _STEPS_MAG:
        depths = {band: depth + step for band, depth in before.items()}
        field = sky(depth=depths)
        for i, band in enumerate(own.bands):
            yield _row("depth", band, depths[band], *_depth(field, i), True)


def _seeings(sky: Any, own: Field) -> Iterator[Row]:
    assert own.psf_fwhm_arcsec is not None and own.truth is not None and own.pixel_scale_arcsec
    for i, (band, star_fwhm) in enumerate(zip(own.bands, stars_fwhm(own), strict=True)):
        yield _row("own seeing, stars", band, own.psf_fwhm_arcsec[i], *star_fwhm, False)
    crop = np.s_[:_CROP, :_CROP]
    for times in _BROADER:
        seeing = {b: f * times for b, f in zip(own.bands, own.psf_fwhm_arcsec, strict=True)}
        field = sky(seeing=seeing)
        assert field.truth is not None
        for i, (band, star_fwhm) in enumerate(zip(own.bands, stars_fwhm(field), strict=True)):
            own_fwhm = own.psf_fwhm_arcsec[i]
            widest = 2.0 * seeing[band] / _FWHM / own.pixel_scale_arcsec
            sigma = added_blur(own.truth[i][crop], field.truth[i][crop], widest)
            obtained = math.hypot(own_fwhm, _FWHM * sigma * own.pixel_scale_arcsec)
            yield _row("seeing", band, seeing[band], obtained, float("nan"), True)
            yield _row("seeing, stars", band, seeing[band], *star_fwhm, False)


def _densities(sky: Any, own: Field, low: float, high: float) -> Iterator[Row]:
    count = partial(_detections, own.bands)
    mean = count(own.image)
    for density in sorted({max(low, 0.7), 1.0, min(high, 1.4)}):
        detections = count(sky(density=density).image)
        obtained = detections / max(mean, 1)
        error = obtained * math.sqrt(1 / max(detections, 1) + 1 / max(mean, 1))
        yield _row("density", None, density, obtained, error, True)


def _detections(bands: tuple[str, ...], image: np.ndarray) -> int:
    return len(detect(image, Detect(), bands=bands).table["x"])
