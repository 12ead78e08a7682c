"""The forecast: a parametric sky as a survey sees it, detected; the share of blends nobody recognises."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.evaluate.forecast.blends import BlendRule, Places, unrecognised
from mockforge.evaluate.report.plots import plots, png
from mockforge.evaluate.report.report import Report, Row, Section
from mockforge.extras import need_extra
from mockforge.label.detect import detect
from mockforge.label.rule import DetectionRule
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Psf
from mockforge.observe.surveys.read import survey
from mockforge.observe.surveys.spec import Survey
from mockforge.photometry.bands import pivot_um
from mockforge.rng import Stream
from mockforge.scene.clustering import CELL
from mockforge.scene.model import Clustering, SceneModel
from mockforge.scene.scene import Scene
from mockforge.units import ZEROPOINT_NJY

_BAND_UM = 0.77
"""Pivot of the i band, in which unrecognised blends are counted unless told otherwise."""
_MARGIN_ARCSEC = 4.0
"""Detections nearer to a tile's edge are not counted: their neighbours may lie beyond it."""
_DETECTION = DetectionRule(threshold=3.0, matched_filter=True, detection_image="weighted")
"""Objects are what stands 3 sigma above the sky in the image through its PSF."""
_DRAWS = 400
"""Of the bootstrap over tiles."""
_FEWEST = 30
"""Detections that a point of the figure is of, at least: neighbouring magnitudes are joined until it is."""
_DEEPER = 1.5
"""Magnitudes by which the sky goes deeper, in F160W, than the sources that count."""


@dataclass(frozen=True)
class Published:
    """A share of unrecognised blends that was measured on real sky."""

    where: str
    share: float
    brightest: float
    faintest: float
    source: str


PUBLISHED = (
    Published(
        "Rubin DP1 (ComCam, ECDFS) against HST, i", 0.18, 23.0, 24.5,
        "SITCOMTN-128, doi.org/10.71929/rubin/2570850: the rule used here",
    ),
    Published(
        "COSMOS from the ground against HST, whole catalogue", 0.17, np.nan, np.nan,
        "Liang et al. 2025, arXiv:2503.16680: a rule of its own, not the one used here",
    ),
)  # fmt: skip


@dataclass(frozen=True)
class Asked:
    """What is forecast."""

    survey: str
    """Name or file."""
    bands: tuple[str, ...] | None = None
    """Bands to detect in, magnitudes are of the first; None: the one nearest to i."""
    tiles: int = 32
    side: int = 512
    """Pixels of the survey."""
    rule: BlendRule = field(default_factory=BlendRule)
    detection: DetectionRule = _DETECTION
    """How the survey finds its objects."""
    seed: int = 1


@dataclass(frozen=True)
class Tile:
    """Detections of a tile that count."""

    magnitude: np.ndarray
    blend: np.ndarray
    area_arcmin2: float


def forecast(asked: Asked, told: Callable[[str], None] | None = None) -> Report:
    """Paint a sky as a survey sees it, detect, and count the blends that were not recognised.

    Parameters
    ----------
    asked : Asked
        Survey, bands, how much sky, the rule.
    told : callable, optional
        Given a line after each tile.

    Returns
    -------
    Report
        Shares by magnitude with their errors, the published ones beside, and a figure.

    Raises
    ------
    InputError
        An unknown survey or band; no detections.
    """
    need_extra("report", "a forecast", "matplotlib", "jinja2")
    begun = time.monotonic()
    chosen = survey(asked.survey)
    bands = _bands(asked, chosen)
    scene = Scene(_model(asked, chosen, bands), asked.seed)
    found = []
    for number in range(asked.tiles):
        found.append(_tile(scene, asked, number))
        if told is not None:
            share = found[-1].blend.mean() if len(found[-1].blend) else 0.0
            told(f"tile {number + 1} of {asked.tiles}: {len(found[-1].blend)} detections, {share:.1%} blends")
    if not any(len(tile.blend) for tile in found):
        raise InputError(f"{asked.survey}: nothing was detected; lower the threshold, or take more tiles")
    return _report(asked, chosen, bands, found, time.monotonic() - begun)


def _bands(asked: Asked, chosen: Survey) -> tuple[str, ...]:
    if asked.bands is None:
        return (min(chosen.bands, key=lambda name: abs(np.log(_pivot(chosen, name) / _BAND_UM))),)
    for name in asked.bands:
        if name not in chosen.bands:
            raise InputError(f"{asked.survey} has no band {name!r}{nearest(name, chosen.bands)}")
    return asked.bands


def _pivot(chosen: Survey, name: str) -> float:
    return chosen.bands[name].wavelength_um or pivot_um(name)


def _model(asked: Asked, chosen: Survey, bands: tuple[str, ...]) -> SceneModel:
    """Return the sky through the PSF and with the noise of a survey; galaxies cluster as observed."""
    return SceneModel(
        bands=bands,
        pixel_scale_arcsec=chosen.pixel_scale_arcsec,
        psf=Psf(survey=asked.survey),
        noise=Noise(survey=asked.survey),
        faintest=min(30.0, asked.rule.faintest + _DEEPER),
        clustering=Clustering(),
    )


def _tile(scene: Scene, asked: Asked, number: int) -> Tile:
    """Paint and detect one tile; tiles lie so far apart that they share no source."""
    scale, side = scene.model.pixel_scale_arcsec, asked.side
    step = -(-(side + 2048) // CELL) * CELL
    y0, x0 = 0, number * step
    image, _ = scene.pixels(y0, y0 + side, x0, x0 + side)
    out = detect(
        image, asked.detection, bands=scene.model.bands, pixel_scale_arcsec=scale,
        psf_fwhm_arcsec=scene.psf_fwhm_arcsec, zeropoint_ab=ZEROPOINT_NJY,
    ).table  # fmt: skip
    detections = Places(out["x"] * scale, out["y"] * scale, out[f"mag_{scene.model.bands[0]}"])
    objects = scene.drawn(y0, y0 + side, x0, x0 + side)
    with np.errstate(divide="ignore"):
        magnitude = ZEROPOINT_NJY - 2.5 * np.log10(objects.flux[:, 0])
    truth = Places((objects.x - x0) * scale, (objects.y - y0) * scale, magnitude)
    blend = unrecognised(detections, truth, asked.rule)
    width = side * scale
    inside = [(v > _MARGIN_ARCSEC) & (v < width - _MARGIN_ARCSEC) for v in (detections.x, detections.y)]
    kept = inside[0] & inside[1] & np.isfinite(detections.magnitude)
    return Tile(detections.magnitude[kept], blend[kept], ((width - 2 * _MARGIN_ARCSEC) / 60) ** 2)


def share(tiles: Sequence[Tile], low: float, high: float, stream: Stream) -> tuple[int, float, float]:
    """Return how many detections lie between two magnitudes, the share of blends, and its error by tiles."""
    counts = np.array([np.count_nonzero((t.magnitude >= low) & (t.magnitude < high)) for t in tiles])
    blends = np.array(
        [np.count_nonzero(t.blend & (t.magnitude >= low) & (t.magnitude < high)) for t in tiles]
    )
    if counts.sum() == 0:
        return 0, np.nan, np.nan
    picked = stream.numpy().integers(0, len(tiles), (_DRAWS, len(tiles)))
    drawn, of = blends[picked].sum(axis=1), counts[picked].sum(axis=1)
    return int(counts.sum()), float(blends.sum() / counts.sum()), float(np.std(drawn / np.maximum(of, 1)))


def _report(
    asked: Asked, chosen: Survey, bands: tuple[str, ...], tiles: Sequence[Tile], seconds: float
) -> Report:
    stream = Stream(asked.seed, ("forecast",))
    magnitude = np.concatenate([t.magnitude for t in tiles])
    edges = np.arange(
        np.floor(np.percentile(magnitude, 1)), np.ceil(np.percentile(magnitude, 99.5)) + 0.5, 0.5
    )
    rows: list[Row] = []
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        number, part, error = share(tiles, low, high, stream.child(f"{low:g}"))
        if number:
            rows.append(
                {"magnitude": f"{low:g} to {high:g}", "detections": number, "blends": part, "+-": error}
            )
    beside: list[Row] = []
    for known in PUBLISHED:
        row: Row = {"published": known.where, "its share": known.share}
        if np.isfinite(known.brightest):
            number, part, error = share(tiles, known.brightest, known.faintest, stream.child("published"))
            row |= {
                "between": f"{known.brightest:g} and {known.faintest:g}",
                "this survey": part,
                "+-": error,
            }
        else:
            number, part, error = share(tiles, -np.inf, np.inf, stream.child("all"))
            row |= {"between": "all", "this survey": part, "+-": error}
        beside.append(row | {"detections": number, "source": known.source})
    area = sum(t.area_arcmin2 for t in tiles)
    rule = asked.rule
    words = (
        f"A detection is an unrecognised blend where, within {rule.radius_arcsec:g} arcsec of it, there are"
        " more true sources than detections; of the sources those count that are brighter than"
        f" {rule.faintest:g} in {bands[0]} and at most {rule.magnitude_difference:g} mag fainter than the"
        " brightest of them (SITCOMTN-128). Errors: bootstrap over tiles. Here the truth has every source of"
        " the painted population, however close; a catalogue from space misses what its own PSF joins."
        " Galaxies are smooth but for bulges and knots, and cluster by one power law."
    )
    facts: Row = {
        "survey": chosen.title,
        "bands": ", ".join(bands),
        "area, arcmin2": area,
        "detections per arcmin2": len(magnitude) / area,
        "threshold, sigma": asked.detection.threshold,
        "matched filter": asked.detection.matched_filter,
        "seed": asked.seed,
        "seconds": round(seconds, 1),
    }
    points = [
        (low, high, *share(tiles, low, high, stream.child(f"{low:g}")))
        for low, high in steps(magnitude, edges)
    ]
    figure = {"Share of detections that are unrecognised blends": _figure(points, chosen, bands[0])}
    return Report(
        f"Unrecognised blends in {chosen.title}",
        [Section("By magnitude", words, rows, figure), Section("Beside published shares", "", beside)],
        facts,
    )


def steps(magnitude: np.ndarray, edges: np.ndarray) -> list[tuple[float, float]]:
    """Return pairs of edges that join neighbouring steps until each has detections enough for a point.

    What is left at the faint end, too few for one, belongs to none.
    """
    joined, low = [], float(edges[0])
    for high in edges[1:]:
        if np.count_nonzero((magnitude >= low) & (magnitude < high)) >= _FEWEST:
            joined.append((low, float(high)))
            low = float(high)
    return joined


def _figure(points: Sequence[tuple[float, float, int, float, float]], chosen: Survey, band: str) -> bytes:
    """Draw the share and its error between pairs of magnitudes, the published one beside it."""
    figure, (axes,) = plots(1, width=5.0, height=3.4)
    low, high, _, part, error = np.array(points, dtype=float).reshape(-1, 5).T
    axes.errorbar(
        (low + high) / 2, part, error, (high - low) / 2, fmt="o", ms=4, capsize=2, label=chosen.title
    )
    for known in PUBLISHED:
        if np.isfinite(known.brightest):
            axes.hlines(
                known.share, known.brightest, known.faintest, colors="k", linestyles="--", label=known.where
            )
    axes.set_xlabel(f"{band} magnitude (AB)")
    axes.set_ylabel("unrecognised blends")
    axes.set_ylim(0, 1.3 * axes.get_ylim()[1])  # room for the legend
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return png(figure)
