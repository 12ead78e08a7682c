"""How well a redshifter predicts galaxies at another redshift, in absolute flux and in size."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.held_out import held_out
from mockforge.evaluate.redshift.baselines import GEOMETRY, WHAT, baselines
from mockforge.evaluate.redshift.figures import error_plot, gallery
from mockforge.evaluate.redshift.truth import MeasuredPairs, read_pairs
from mockforge.evaluate.report.radii import half_light_radii
from mockforge.evaluate.report.relative_errors import (
    DARK,
    Errors,
    beats_strongest,
    bias_and_scatter,
    lit,
    misplaced_light,
    relative_errors,
    total_flux,
)
from mockforge.evaluate.report.report import Report, Row, Section, Verdict
from mockforge.extras import need_extra
from mockforge.photometry.spectra.spec import Spectra
from mockforge.tasks.redshifter.model import load_redshifter, predict

_BINS = 4
"""Bins of z_out, of equal numbers of pairs."""
_MEASURES = ("total flux", "half-light radius", "misplaced light")
_GAIN = 0.2
"""A network has learned something where its errors are smaller by this part than any without one: it
starts as one of those, so that less may be chance."""


def evaluate_redshifter(
    model: str | Path | None,
    dataset: str,
    *,
    split: str = "test",
    limit: int = 512,
    spectra: Spectra | None = None,
    device: str = "cpu",
    allow_training_split: bool = False,
) -> Report:
    """Compare a redshifter with what can be done without one, on a split of a dataset of pairs.

    `model` is a redshifter's file or folder, or None for the baselines alone. The truth is the
    target without noise, where the dataset has it; flux is the sum over the stamp, the radius is
    that of the circle about the known centre that holds half the light, measured alike on truth
    and predictions. `spectra` are those that the Sersic fit may use, by default the recipe's own.

    A model passes where its median errors of flux, of radius and of where the light lies are each
    a fifth smaller than those of the strongest baseline in that measure. An untrained U-Net is
    the baseline of band shift, size and distance, so it is the gain on it that was learned.
    InputError where model and dataset do not fit together, or where the model was trained on the split:
    with `allow_training_split` that is measured, without a verdict.
    """
    need_extra("report", "evaluation")
    began = time.monotonic()
    loaded = None if model is None else load_redshifter(model)
    pairs = read_pairs(dataset, split, limit, spectra)
    judged = loaded is not None and held_out(loaded, dataset, split, allow_training_split)
    predictions: dict[str, np.ndarray] = {}
    facts: Row = {
        "dataset": str(dataset),
        "split": split,
        "pairs": len(pairs.image),
        "truth": pairs.truth_name,
    }
    if loaded is not None:
        if loaded.bands != pairs.bands:
            raise InputError(
                f"model {loaded.name} has the bands {', '.join(loaded.bands)}, "
                f"{dataset} has {', '.join(pairs.bands)}; evaluate it on pairs in its own bands"
            )
        predictions[loaded.name] = predict(loaded, pairs.image, pairs.z_in, pairs.z_out, device=device)
        facts |= {"model": loaded.name, "network": loaded.kind, "weights": loaded.sha256}
    predictions |= baselines(pairs)
    errors = _errors(pairs, predictions)
    report = Report("Galaxies at another redshift", _sections(pairs, predictions, errors, judged), facts)
    report.facts["seconds"] = round(time.monotonic() - began, 1)
    return report


def _errors(pairs: MeasuredPairs, made: Mapping[str, np.ndarray]) -> Errors:
    flux, radius = total_flux(pairs.truth), half_light_radii(pairs.truth, pairs.centre)
    scored = lit(flux) & (radius > 0)
    true_values = np.where(scored, flux, np.nan), np.where(scored, radius, np.nan)
    relative = relative_errors(made, pairs.centre, true_values)
    return {
        name: (*errors, np.where(scored, misplaced_light(made[name], pairs.truth), np.nan))
        for name, errors in relative.items()
    }


def _sections(
    pairs: MeasuredPairs, made: Mapping[str, np.ndarray], errors: Errors, judged: bool
) -> list[Section]:
    edges = np.quantile(pairs.z_out, np.linspace(0, 1, _BINS + 1))
    bins = {
        f"{low:.2f} to {high:.2f}": (pairs.z_out >= low) & ((pairs.z_out < high) | (high == edges[-1]))
        for low, high in zip(edges, edges[1:], strict=False)
    }
    everyone = np.ones(len(pairs.z_out), dtype=bool)
    all_bands = range(len(pairs.bands))
    overall = Section("All bands and redshifts", _explained(pairs, errors))
    overall.rows = [{"method": name, **_scores(e, everyone, all_bands)} for name, e in errors.items()]
    overall.verdicts = _verdicts(errors) if judged else []
    by_band = [
        {"band": band, "method": name, **_scores(e, everyone, [c])}
        for c, band in enumerate(pairs.bands)
        for name, e in errors.items()
    ]
    by_redshift = [
        {"z_out": label, "method": name, **_scores(e, chosen, all_bands)}
        for label, chosen in bins.items()
        for name, e in errors.items()
    ]
    everything = [
        {"band": band, "z_out": label, "method": name, **_scores(e, chosen, [c])}
        for c, band in enumerate(pairs.bands)
        for label, chosen in bins.items()
        for name, e in errors.items()
    ]
    shown = "Galaxies of the split in three bands, a row for each method, all in the stretch of the truth"
    curves = "Error of total flux and of half-light radius against z_out: median and the middle 68%"
    pictures = {shown: gallery(pairs, made), curves: error_plot(pairs, errors)}
    return [
        overall,
        Section("Pictures", pictures=pictures),
        Section("By band", rows=by_band),
        Section("By redshift", rows=by_redshift),
        Section("By band and redshift", rows=everything),
    ]


def _explained(pairs: MeasuredPairs, errors: Errors) -> str:
    dark = float(np.isnan(next(iter(errors.values()))[0]).mean())
    methods = "\n\n".join(f"{name}: {description}." for name, description in WHAT.items())
    assumption = (
        "The fit knows the recipe's spectra, hydrogen and PSF."
        if pairs.made.known
        else "The dataset's recipe does not say its spectra: the fit assumes our default ones."
    )
    return (
        "Errors are relative, prediction over truth less one, in absolute flux (nJy): bias is their median, "
        "scatter 1.4826 times the median absolute deviation from it, error the median absolute error. "
        f"Bands with less than {DARK:g} of a galaxy's brightest band are left out ({dark:.1%} of all). "
        "Misplaced light is the sum over the stamp of |prediction - truth|, in units of the true flux. An "
        f"untrained U-Net is {GEOMETRY!r}: only the gain on it was learned.\n\n{methods}\n\n{assumption}"
    )


def _scores(errors: tuple[np.ndarray, ...], chosen: np.ndarray, bands: Sequence[int] | range) -> Row:
    """Return number, bias, scatter and median absolute error of flux and radius, and the misplaced light."""
    out: Row = {}
    for quantity, values in zip(("flux", "radius", _MEASURES[2]), errors, strict=True):
        selected = values[chosen][:, list(bands)]
        selected = selected[np.isfinite(selected)]
        out.setdefault("n", len(selected))
        if len(selected) and quantity == _MEASURES[2]:
            out[quantity] = float(np.median(selected))
        elif len(selected):
            out |= bias_and_scatter(quantity, selected)
            out[f"{quantity} error"] = float(np.median(np.abs(selected)))
    return out


def _verdicts(errors: Errors) -> list[Verdict]:
    """Return the model against the strongest method without a network, measure by measure."""
    return [beats_strongest(measure, k, errors, _GAIN) for k, measure in enumerate(_MEASURES)]
