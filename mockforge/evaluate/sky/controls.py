"""Controls of a sky of sources, requested and obtained; and counterfactuals, pixel by pixel.

Each is measured as on a real field, by no formula that the sky itself is made with: depth from the
scatter of point-source fluxes on empty sky, seeing from a star that is painted alone, pixel scale and
density from detections, counts and clustering from the list of sources.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.evaluate.report.report import Row, Section, Verdict
from mockforge.evaluate.sky.control_measures import (
    counts_slope,
    point_source_depth,
    scale_between,
    star_fwhm,
)
from mockforge.evaluate.sky.counterfactuals import counterfactual_rows
from mockforge.evaluate.sky.spatial import clustering, error
from mockforge.label.detect import detect
from mockforge.rng import Stream
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.sky import Sky
from mockforge.stages.detect import Detect
from mockforge.units import ZEROPOINT_NJY

TITLE = "Controls"
_STEPS_MAG = (-0.5, 0.5, 1.0)
"""Depths that are requested, less the model's own."""
_SEEINGS = (0.8, 1.2, 1.5)
"""Seeings that are requested, over the model's own: the first is sharper than the field."""
_SCALES = (0.75, 1.5)
"""Pixel scales that are requested, over the model's own."""
_DENSITIES = (0.7, 1.4)
_SLOPES = (-0.2, 0.2)
"""Added to the model's own slope of the counts."""
_CLUSTERINGS = (0.0, 2.0)
_SHIFT_MAG = 0.3
_STAR = 31
"""Pixels from the edges of its window to a star that is painted alone."""
_FEWEST = 30
_BRIGHT_SNR = 30.0
_CLUSTERED = slice(1, 5)
"""Bins of separation, 8 to 128 pixels, in which clustering is compared."""


@dataclass(frozen=True)
class Tried:
    """A model's sky of one seed, on windows of one size, as it is and as is requested."""

    model: SganModel
    seed: int
    side: int
    stream: Stream

    def sky(self, **asked: Any) -> Sky:
        """Return the sky as requested."""
        return Sky(self.model, self.seed, **asked)

    def pixels(self, sky: Sky, side: int | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Observed and noiseless pixels of its window."""
        image, truth = sky.pixels(0, side or self.side, 0, side or self.side)
        assert truth is not None
        return image, truth

    def table(self, sky: Sky) -> dict[str, np.ndarray]:
        """Return the sources that lie in its window: place, mean flux over the bands, kind."""
        found = sky.sources(0, self.side, 0, self.side)
        columns = {name: np.asarray(found[name]) for name in ("x", "y", "star")}
        columns["flux"] = np.mean([np.asarray(found[f"flux_{b}"]) for b in self.model.bands], axis=0)
        inside = np.all([(columns[a] >= 0) & (columns[a] < self.side) for a in "xy"], axis=0)
        return {name: values[inside] for name, values in columns.items()}


def controls_section(model: SganModel, side: int, seed: int) -> Section:
    """Compare controls requested and obtained, on skies of `side` pixels of a model of sources.

    A control that the model lacks (its pixel scale or its stars not known) is named in the text and left out.
    """
    tried = Tried(model, seed, side, Stream(seed, ("evaluate", "controls")))
    own = tried.sky()
    image, truth = tried.pixels(own)
    section = Section(
        TITLE,
        f"On skies of {side} x {side} pixels of one seed. Depth: AB magnitude of a point source at 5 sigma, "
        "from the scatter, on the sky less its truth, of fluxes weighted by a Gaussian of the PSF's FWHM, as "
        "depths of surveys are stated (a PSF with wings is less deep). Seeing: FWHM in arcsec of a star "
        "painted alone. Pixel scale: by the places of detected sources. Density: detections relative to the "
        "model's own sky. Counts' slope, limits, stars and clustering: of the list of sources. Colour: of "
        "detected sources, in the two skies. Counterfactuals: the pixels that change although no light of "
        "the source was, or is, there.",
    )
    makers: list[Callable[[], Iterator[Row]]] = [
        lambda: _densities(tried, image),
        lambda: _counts(tried),
        lambda: _limits(tried, tried.table(own)),
        lambda: _stars(tried, tried.table(own)),
        lambda: _clustering(tried, tried.table(own)),
        lambda: _colours(tried, image),
        lambda: counterfactual_rows(own, side),
    ]
    if model.pixel_scale_arcsec:
        makers = [
            lambda: _depths(tried, image - truth),
            lambda: _seeings(tried),
            lambda: _scales(tried, image),
            *makers,
        ]
    else:
        section.text += "\n\nDepth, seeing and pixel scale: the model's pixel scale in arcsec is not known."
    if model.sources.stars is None:  # type: ignore
        section.text += "\n\nStar fraction: the training field had too few stars."
    section.rows = [row for maker in makers for row in maker()]
    section.verdicts = [_verdict(row) for row in section.rows if row["allowed"] is not None]
    return section


def _row(
    control: str, band: str | None, asked: float, obtained: float, error: float, allowed: float | None
) -> Row:
    """One control; `allowed` is by how much what is obtained may differ from what was requested."""
    return {
        "control": control, "band": band, "asked": asked, "obtained": obtained, "error": error,
        "allowed": allowed,
    }  # fmt: skip


def _verdict(row: Row) -> Verdict:
    missed = abs(row["obtained"] - row["asked"])
    band = f", {row['band']}" if row["band"] else ""
    rule = f"obtained {row['obtained']:.4g}, to be within {row['allowed']:.2g}"
    return Verdict(f"{row['control']} {row['asked']:.4g}{band}", bool(missed <= row["allowed"]), rule)


def _depths(tried: Tried, noise: np.ndarray) -> Iterator[Row]:
    model = tried.model
    widths = [float(f) for f in model.psf.fwhm_pix]  # type: ignore
    before = {b: round(point_source_depth(noise[i], widths[i])[0], 1) for i, b in enumerate(model.bands)}
    for step in _STEPS_MAG:
        asked = {band: depth + step for band, depth in before.items()}
        image, truth = tried.pixels(tried.sky(depth=asked))
        for i, band in enumerate(model.bands):
            found, error_mag = point_source_depth(image[i] - truth[i], widths[i])
            yield _row("depth", band, asked[band], found, error_mag, max(0.05, 3 * error_mag))


def _seeings(tried: Tried) -> Iterator[Row]:
    model, scale = tried.model, float(tried.model.pixel_scale_arcsec or 1.0)
    side = 2 * _STAR + 1
    star = {"x": [float(_STAR)], "y": [float(_STAR)], "star": [True]}
    star |= {f"flux_{band}": [1e6] for band in model.bands}

    def widths(**asked: Any) -> list[float]:
        truth = tried.pixels(tried.sky(sources=star, **asked), side)[1]
        return [scale * star_fwhm(band) for band in truth]

    own = widths()
    for times in _SEEINGS:
        asked = {band: times * width for band, width in zip(model.bands, own, strict=True)}
        for band, found in zip(model.bands, widths(seeing=asked), strict=True):
            yield _row("seeing", band, asked[band], found, float("nan"), 0.03 * asked[band])


def _scales(tried: Tried, image: np.ndarray) -> Iterator[Row]:
    own = float(tried.model.pixel_scale_arcsec or 1.0)
    places = _places(tried, image)
    for times in _SCALES:
        wanted = own * times
        seen, _ = tried.pixels(tried.sky(pixel_scale=wanted), round(tried.side / times))
        ratio = scale_between(places, _places(tried, seen), 1.0 / times, 3.0)
        yield _row("pixel scale", None, wanted, own / ratio, float("nan"), 0.005 * wanted)


def _densities(tried: Tried, image: np.ndarray) -> Iterator[Row]:
    mean = len(_places(tried, image, 0.0))
    for asked in _DENSITIES:
        detections = len(_places(tried, tried.pixels(tried.sky(density=asked))[0], 0.0))
        obtained = detections / max(mean, 1)
        scatter = obtained * math.sqrt(1 / max(detections, 1) + 1 / max(mean, 1))
        yield _row("density", None, asked, obtained, scatter, max(0.2 * asked, 3 * scatter))


def _counts(tried: Tried) -> Iterator[Row]:
    counts = tried.model.sources.galaxies  # type: ignore
    low, high = 1.02 * counts.faintest, 0.98 * counts.complete
    for step in _SLOPES:
        asked = counts.slope + step
        table = tried.table(tried.sky(counts_slope=asked))
        found, scatter = counts_slope(table["flux"][~table["star"]], low, high)
        if math.isfinite(found):
            yield _row("counts' slope", None, asked, found, scatter, max(0.05, 3 * scatter))


def _limits(tried: Tried, own: dict[str, np.ndarray]) -> Iterator[Row]:
    mags = ZEROPOINT_NJY - 2.5 * np.log10(own["flux"])
    if len(mags) < 2 * _FEWEST:
        return
    bright, faint = (round(float(v), 2) for v in np.percentile(mags, [30, 80]))
    table = tried.table(tried.sky(magnitude_limits=(bright, faint)))
    found = ZEROPOINT_NJY - 2.5 * np.log10(table["flux"])
    if len(found) >= _FEWEST:
        yield _row("brightest magnitude", None, bright, float(found.min()), float("nan"), 0.1)
        yield _row("faintest magnitude", None, faint, float(found.max()), float("nan"), 0.1)


def _stars(tried: Tried, own: dict[str, np.ndarray]) -> Iterator[Row]:
    if tried.model.sources.stars is None:  # type: ignore
        return
    share = float(tried.model.sources.star_fraction)  # type: ignore
    for asked in sorted({0.0, round(min(0.5, 2 * share), 3)}):
        table = tried.table(tried.sky(star_fraction=asked))
        scatter = math.sqrt(max(asked * (1 - asked), 1e-9) / max(len(table["star"]), 1))
        obtained = float(table["star"].mean())
        yield _row("star fraction", None, asked, obtained, scatter, max(0.005, 3 * scatter))


def _clustering(tried: Tried, own: dict[str, np.ndarray]) -> Iterator[Row]:
    before, scatter = _amplitude(tried, own)
    if not before > 5 * scatter:
        return  # the model's own sources are not clustered enough to measure a factor
    for asked in _CLUSTERINGS:
        found, of_found = _amplitude(tried, tried.table(tried.sky(clustering=asked)))
        obtained = found / before
        sigma = math.hypot(of_found / before, obtained * scatter / before)
        # pairs of groups are few: a window's own correlation scatters by more than Poisson's error
        yield _row("clustering", None, asked, obtained, sigma, max(0.5 * max(asked, 0.5), 3 * sigma))


def _amplitude(tried: Tried, table: dict[str, np.ndarray]) -> tuple[float, float]:
    """Mean two-point correlation of the galaxies at 8 to 128 pixels, and its error."""
    galaxies = ~table["star"]
    points = np.stack([table["y"][galaxies], table["x"][galaxies]], axis=1)
    rng = tried.stream.child("randoms").numpy()
    if len(points) > 3000:
        points = points[np.sort(rng.permutation(len(points))[:3000])]
    mask = np.zeros((tried.side, tried.side), dtype=bool)
    found = clustering([points], [mask], rng)
    scatter = error(found)[_CLUSTERED]
    w = found[0][_CLUSTERED]
    return float(w.mean()), float(np.sqrt((scatter**2).sum()) / len(w))


def _colours(tried: Tried, image: np.ndarray) -> Iterator[Row]:
    bands = tried.model.bands
    if len(bands) < 2:
        return
    shifted, _ = tried.pixels(tried.sky(colour_shift={bands[-1]: _SHIFT_MAG}))
    one, two = (_detected(tried, i) for i in (image, shifted))
    pairs = np.linalg.norm(one["place"][:, None] - two["place"][None], axis=2)
    match = pairs.argmin(axis=1)
    near = (pairs[np.arange(len(match)), match] < 1.0) & (one["snr"] > _BRIGHT_SNR)
    if np.count_nonzero(near) < 5:
        return
    change = -2.5 * np.log10(
        two["last"][match[near]] / two["first"][match[near]] / (one["last"][near] / one["first"][near])
    )
    change = change[np.isfinite(change)]
    scatter = float(1.25 * np.std(change) / math.sqrt(len(change)))
    name = f"{bands[-1]}-{bands[0]}"
    yield _row("colour shift", name, _SHIFT_MAG, float(np.median(change)), scatter, max(0.03, 3 * scatter))


def _detected(tried: Tried, image: np.ndarray) -> dict[str, np.ndarray]:
    bands = tried.model.bands
    table = detect(image, Detect(), bands=bands).table
    with np.errstate(invalid="ignore", divide="ignore"):
        first, last = (np.asarray(table[f"flux_{b}"], dtype=float) for b in (bands[0], bands[-1]))
        first, last = (np.where(f > 0, f, np.nan) for f in (first, last))
    place = np.stack([table["x"], table["y"]], axis=1).astype(float)
    return {"place": place, "snr": np.asarray(table["snr"], dtype=float), "first": first, "last": last}


def _places(tried: Tried, image: np.ndarray, least_snr: float = _BRIGHT_SNR) -> np.ndarray:
    """Places (n, 2) of the detections above a signal-to-noise."""
    found = _detected(tried, image)
    return found["place"][found["snr"] >= least_snr]
