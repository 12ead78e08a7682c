"""Whether an image is of the sky that a model was trained on: measure by measure, and a classifier."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.compare.measures import Measure, measured, measures_of
from mockforge.evaluate.report.report import Report, Row, Section, Verdict
from mockforge.field.field import Field
from mockforge.rng import Stream

_TILES = 48
"""Tiles of either side that are measured, at most."""
_FEWEST_TILES = 6
"""Of the training set, so that its range means something."""
_RANGE = (5, 95)
"""Percentiles of the training set's tiles between which an image is like them."""
_MASKED = 0.3
"""Tiles of the image with more masked pixels are left out."""
_SMALLEST = 64
"""Side of a tile, pixels."""


@dataclass(frozen=True)
class Tiles:
    """Measures of tiles, (tile, measure)."""

    values: np.ndarray
    bands: tuple[str, ...]
    pixel_scale_arcsec: float
    side: int


def compare(field: Field, dataset: str | Path, split: str | None = None, seed: int = 1) -> Report:
    """Say how far an image lies from a training set.

    Parameters
    ----------
    field : Field
        The image, nJy.
    dataset : path
        A dataset with the array `image` of tiles.
    split : str, optional
        Its split; all samples otherwise.
    seed : int
        Chooses the tiles where there are more than are measured.

    Returns
    -------
    Report
        A row a measure with the image's value and the range of the training set, a verdict on each.

    Raises
    ------
    InputError
        A dataset without tiles in nJy, other bands, an image smaller than a tile.
    """
    stream = Stream(seed, ("compare",))
    trained = _of_dataset(dataset, split, stream.child("dataset"))
    chosen = _same_bands(field, trained, dataset)
    image = _of_image(field, chosen, trained.side, stream.child("image"))
    measures = measures_of(trained.bands)
    rows, verdicts = [], [_scale(image, trained)]
    for i, measure in enumerate(measures):
        row, verdict = _judged(measure, image.values[:, i], trained.values[:, i])
        rows.append(row)
        if verdict is not None:
            verdicts.append(verdict)
    apart = told_apart(image.values, trained.values, stream.child("classifier"))
    facts: Row = {
        "training set": str(dataset),
        "tiles of the training set": len(trained.values),
        "tiles of the image": len(image.values),
        "side of a tile, pixels": trained.side,
        "bands": ", ".join(trained.bands),
        "image read as": ", ".join(chosen),
        "classifier, AUC": apart,
    }
    words = (
        f"Each measure is of tiles of {trained.side} pixels; an image is like the training set where its"
        f" median lies within the {_RANGE[0]} to {_RANGE[1]}% of the training set's tiles, or little beyond."
        " The classifier (logistic, on these measures, five-fold) tells how often a tile of the image is"
        " ranked above one of the training set: 0.5 is not at all, 1 always. It gives no verdict: two parts"
        " of one sky are told apart too where they hold other galaxies."
    )
    taken = "" if chosen == trained.bands else f" ({', '.join(chosen)} taken for {', '.join(trained.bands)})"
    section = Section(conclusion(verdicts) + taken, words, rows, {}, verdicts)
    return Report(f"An image beside {dataset}", [section], facts)


def conclusion(verdicts: Sequence[Verdict]) -> str:
    """Return what it comes to, a sentence."""
    off = [verdict.measure for verdict in verdicts if not verdict.passed]
    if not off:
        return "The image is like the training set"
    return f"The image is not like the training set: it is {'; '.join(off)}"


def _of_dataset(dataset: str | Path, split: str | None, stream: Stream) -> Tiles:
    from mockforge.data.torch.dataset import load

    data = load(dataset, split)
    data.needs(("image",), "a comparison with an image")
    about = data.attributes
    shape = data.arrays["image"]
    if about.get("unit", "nJy") != "nJy" or "bands" not in about or len(shape) != 3:
        raise InputError(f"{dataset}: its images should be (band, y, x) in nJy, with the bands' names")
    if min(shape[1:]) < _SMALLEST:
        raise InputError(
            f"{dataset}: tiles of {shape[1]} x {shape[2]} pixels hold too little sky to measure; at least"
            f" {_SMALLEST} x {_SMALLEST} are needed"
        )
    if len(data) < _FEWEST_TILES:
        raise InputError(f"{dataset}: holds {len(data)} tiles; at least {_FEWEST_TILES} are needed")
    scale = float(about["pixel_scale_arcsec"])
    picked = stream.numpy().permutation(len(data))[:_TILES]
    values = [measured(data.sample(int(i), "image")["image"].numpy(), scale) for i in picked]
    return Tiles(np.array(values), tuple(about["bands"]), scale, int(shape[1]))


def _same_bands(field: Field, trained: Tiles, dataset: str | Path) -> tuple[str, ...]:
    """Return the image's bands that stand for those of the training set: by name, or by their order."""
    if set(trained.bands) <= set(field.bands):
        return trained.bands
    if len(field.bands) != len(trained.bands):
        raise InputError(
            f"the image has the bands {', '.join(field.bands)}, {dataset} has {', '.join(trained.bands)}:"
            " name those that stand for them, in that order, with --bands"
        )
    return tuple(field.bands)


def _of_image(field: Field, bands: tuple[str, ...], side: int, stream: Stream) -> Tiles:
    if field.pixel_scale_arcsec is None:
        raise InputError("the image's pixel scale is not known; give --pixel-scale")
    height, width = field.image.shape[1:]
    if min(height, width) < side:
        raise InputError(f"the image of {height} x {width} pixels is smaller than a tile of {side} x {side}")
    planes = field.image[[field.bands.index(name) for name in bands]]
    places = [(y, x) for y in range(0, height - side + 1, side) for x in range(0, width - side + 1, side)]
    values: list[np.ndarray] = []
    for i in stream.numpy().permutation(len(places)):
        y, x = places[i]
        cut = (slice(y, y + side), slice(x, x + side))
        tile = planes[:, *cut]
        hidden = np.asarray(~np.isfinite(tile).all(axis=0))
        if field.mask is not None:
            hidden |= field.mask[cut]
        if hidden.mean() <= _MASKED:
            mask = hidden if hidden.any() else None
            values.append(measured(np.ascontiguousarray(tile), field.pixel_scale_arcsec, mask))
        if len(values) == _TILES:
            break
    if not values:
        raise InputError(
            f"every tile of {side} x {side} pixels of the image is masked by more than {_MASKED:.0%}"
        )
    return Tiles(np.array(values), bands, field.pixel_scale_arcsec, side)


def _scale(image: Tiles, trained: Tiles) -> Verdict:
    ratio = image.pixel_scale_arcsec / trained.pixel_scale_arcsec
    same = abs(ratio - 1) < 0.02
    rule = f"{image.pixel_scale_arcsec:.4g} arcsec, trained on {trained.pixel_scale_arcsec:.4g}"
    return Verdict("pixel scale" if same else "of other pixels", same, rule)


def _judged(measure: Measure, image: np.ndarray, trained: np.ndarray) -> tuple[Row, Verdict | None]:
    """Return the row of a measure, and whether the image is like the training set in it."""
    row: Row = {"measure": measure.name}
    image, trained = image[np.isfinite(image)], trained[np.isfinite(trained)]
    if not len(image) or len(trained) < _FEWEST_TILES:
        return row | {"image": None, "training set": None, "from": None, "to": None}, None
    value, middle = float(np.median(image)), float(np.median(trained))
    low, high = (float(v) for v in np.percentile(trained, _RANGE))
    row |= {"image": value, "training set": middle, "from": low, "to": high}
    if measure.kind == "ratio":
        low, high = low / (1 + measure.tolerance), high * (1 + measure.tolerance)
        off = f"{value / middle:.2f} times" if middle else f"{value:.3g} against 0"
    else:
        low, high = low - measure.tolerance, high + measure.tolerance
        off = f"{value - middle:+.2f}"
    inside = low <= value <= high
    name = measure.name if inside else (measure.more if value > high else measure.less)
    return row, Verdict(name, inside, f"{off}; like it between {low:.3g} and {high:.3g}")


def told_apart(one: np.ndarray, other: np.ndarray, stream: Stream, folds: int = 5) -> float | None:
    """Return the AUC of a logistic classifier of two sets of tiles, cross-validated; None for too few tiles.

    Parameters
    ----------
    one, other : ndarray
        (tile, measure); NaN becomes the mean.
    stream : Stream
        Of the folds.
    """
    from scipy.optimize import minimize

    if min(len(one), len(other)) < folds:
        return None
    x = np.concatenate([one, other])
    x = x[:, np.isfinite(x).any(axis=0)]
    x = np.where(np.isfinite(x), x, np.nanmean(x, axis=0))
    x = (x - x.mean(axis=0)) / np.maximum(x.std(axis=0), 1e-9)
    y = np.r_[np.ones(len(one)), np.zeros(len(other))]
    fold = np.empty(len(y), dtype=np.int64)
    for members in (np.flatnonzero(y == 1), np.flatnonzero(y == 0)):
        fold[stream.child(str(len(members))).numpy().permutation(members)] = np.arange(len(members)) % folds
    score = np.empty(len(y))
    for k in range(folds):
        fit, held = fold != k, fold == k
        weight = np.where(y[fit] == 1, 0.5 / y[fit].sum(), 0.5 / (1 - y[fit]).sum())

        def loss(
            w: np.ndarray, a: np.ndarray = x[fit], b: np.ndarray = y[fit], c: np.ndarray = weight
        ) -> float:
            z = (2 * b - 1) * (a @ w[1:] + w[0])
            return float(np.sum(c * np.logaddexp(0, -z)) + 0.02 * np.sum(w[1:] ** 2))

        w = minimize(loss, np.zeros(x.shape[1] + 1), method="L-BFGS-B").x
        score[held] = x[held] @ w[1:] + w[0]
    above = (score[y == 1][:, None] > score[y == 0]).mean() + 0.5 * (
        score[y == 1][:, None] == score[y == 0]
    ).mean()
    return float(above)
