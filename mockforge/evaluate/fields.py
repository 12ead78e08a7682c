"""`mockforge evaluate` for fields: generated against real pixels, beside the real-against-real floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.counts import add_columns, completeness_limit, counts_section, shapes_section
from mockforge.evaluate.floor import Settings, interleaved
from mockforge.evaluate.generated import Generated, from_dataset, from_field, from_model
from mockforge.evaluate.report import Report, Section, Verdict
from mockforge.evaluate.sample import PERIOD, Sample, Window, measure_sample
from mockforge.field import Field
from mockforge.rng import Stream

Told = Callable[[str], None]


def evaluate_fields(
    reference: Sequence[str | Path] | str | Path,
    *,
    model: str | Path | None = None,
    dataset: str | Path | None = None,
    field: str | Path | None = None,
    out: str | Path | None = None,
    seed: int = 1,
    rows: tuple[int, int] | None = None,
    masked_columns: Sequence[tuple[int, int]] = (),
    mask_peaks_above: float | None = None,
    bands: Sequence[str] | None = None,
    extensions: Sequence[int | str] | int | str | None = None,
    zeropoint: float | Sequence[float] | None = None,
    pixel_scale_arcsec: float | None = None,
    device: str = "cpu",
    settings: Settings | None = None,
    told: Told = lambda _: None,
) -> Report:
    """Compare generated pixels with a real field; write `report.json` and `report.html` into `out`.

    One of `model` (a bundled name or a path; a sky of `seed` is painted on `device`), `dataset`
    (a finished dataset's folder; its first tiles, as many as cover the reference) and `field` (a
    FITS file with all bands) is given. `reference` is read as `mockforge.fits.read.read_field`
    does, with `bands`, `extensions`, `zeropoint` and `pixel_scale_arcsec`.

    - `rows` (y0, y1): the reference proper, e.g. what was held out of training; the other rows
      serve for the floor and as the field that may have been memorised. Default: all.
    - `masked_columns` (x0, x1): columns of the real field that are left out.
    - `mask_peaks_above`: real objects with a brighter peak (nJy, or the file's unit) are masked.
    - `told` is called with the name of each step.

    Raises InputError where a file cannot be read, bands or units do not match, or rows or
    columns leave the field.
    """
    from mockforge.fits.read import read_field

    settings = settings or Settings()
    _one_source(model, dataset, field)
    told("reading")
    real = read_field(
        list(reference) if not isinstance(reference, (str, Path)) else reference,
        bands=bands, extensions=extensions, zeropoint=zeropoint, pixel_scale_arcsec=pixel_scale_arcsec,
    )  # fmt: skip
    first, last = _rows(rows, real.shape[1])
    told("generating")
    if model is not None:
        generated = from_model(model, last - first, real.shape[2], seed, device)
    elif dataset is not None:
        generated = from_dataset(Path(dataset), (last - first) * real.shape[2])
    else:
        generated = from_field(Path(str(field)), {"bands": bands, "pixel_scale_arcsec": pixel_scale_arcsec})
    report = evaluate_pixels(
        real, generated, seed=seed, rows=rows, masked_columns=masked_columns,
        mask_peaks_above=mask_peaks_above, settings=settings, told=told,
    )  # fmt: skip
    names = [reference] if isinstance(reference, (str, Path)) else list(reference)
    report.facts = {"reference": [Path(n).name for n in names], **report.facts}
    if out is not None:
        report.write(Path(out))
    return report


def evaluate_pixels(
    real: Field,
    generated: Generated,
    *,
    seed: int = 1,
    rows: tuple[int, int] | None = None,
    masked_columns: Sequence[tuple[int, int]] = (),
    mask_peaks_above: float | None = None,
    settings: Settings | None = None,
    told: Told = lambda _: None,
) -> Report:
    """`evaluate_fields` of pixels in memory: a real Field and generated images of the same bands and unit."""
    settings, stream, start = settings or Settings(), Stream(seed, ("evaluate",)), time.monotonic()
    generated = generated.ordered(real.bands, real.unit)
    first, last = _rows(rows, real.shape[1])
    side = _side(settings.block, last - first, real, generated)
    mask = _masked(real, masked_columns)
    windows = [Window(0, first, last), Window(0, 0, first, False), Window(0, last, real.shape[1], False)]
    told("detecting")
    one = measure_sample(
        [real.image], real.bands, side=side, windows=windows, masks=[mask], mask_peaks_above=mask_peaks_above
    )
    if not one.reference.any():
        raise InputError(
            f"rows {first}:{last}: no unmasked block of {side} pixels fits; use more rows, smaller blocks"
        )
    report = Report(f"{generated.what} against {', '.join(real.bands)} of a real field")
    report.facts = {
        "generated": generated.what,
        "bands": real.bands,
        "unit": real.unit,
        "reference rows": (first, last),
        "blocks": f"{one.reference.sum()} of {side} x {side} pixels, {(~one.reference).sum()} in the rest",
        "masked": float(mask.mean()),
        "seed": seed,
        "settings": asdict(settings),
    }
    try:
        two = measure_sample(
            generated.images, real.bands, side=side, masks=generated.masks, offsets=generated.offsets
        )
    except InputError as error:
        report.sections = [Section("Detection", verdicts=[Verdict("generated pixels", False, str(error))])]
        return report
    report.sections = _sections(one, two, real, settings, stream, told)
    report.facts["seconds"] = round(time.monotonic() - start, 1)
    return report


def _sections(
    real: Sample, made: Sample, field: Field, settings: Settings, stream: Stream, told: Told
) -> list[Section]:
    from mockforge.evaluate import figures
    from mockforge.evaluate.classifier import classifier_section
    from mockforge.evaluate.memory import memory_section
    from mockforge.evaluate.morphology import morphology_section
    from mockforge.evaluate.noise import noise_of, noise_section
    from mockforge.evaluate.spatial import spatial_section

    for sample in (real, made):
        add_columns(sample, field.zeropoint_ab if field.zeropoint_ab is not None else 0.0)
    limits = {b: completeness_limit(real.table[f"mag_{b}"]) for b in real.bands}
    rng = {
        k: stream.child(k).numpy()
        for k in ("splits", "counts", "noise", "spatial", "shapes", "memory", "grid")
    }
    splits = interleaved(real, made, settings, rng["splits"])

    told("counts and colours")
    counts = counts_section(real, splits, limits, settings, rng["counts"])
    counts.pictures["Objects per magnitude; dotted: the completeness limit."] = figures.magnitude_histograms(
        real, made, limits
    )
    sizes = shapes_section(splits, limits, settings, rng["counts"])
    told("noise")
    noise = noise_of(real, made)
    noisy = noise_section(noise, splits, settings, rng["noise"])
    noisy.pictures["Pixel histogram, noise autocorrelation, noise power ratio."] = figures.noise_plots(
        noise, splits
    )
    noisy.pictures["Power of the noise in two dimensions (log): a lattice shows as dots."] = figures.spectra(
        noise, splits
    )
    told("positions")
    spatial, curves = spatial_section(real, made, splits, settings, rng["spatial"])
    spatial.pictures["Two-point correlation; positions modulo the stride."] = figures.position_plots(
        splits, curves
    )
    told("morphology")
    morphology, shapes = morphology_section(real, made, settings, rng["shapes"])
    if shapes:
        morphology.pictures["Morphology of the bright objects."] = figures.distributions(shapes)
    told("memorisation")
    memory, nearest = memory_section(real, made, settings, rng["memory"])
    if nearest is not None:
        caption = "Above, the generated objects nearest to the training field; below, their nearest there."
        memory.pictures[caption] = figures.closest_pairs(real, made, nearest)
    sections = [_pictures(real, made, rng["grid"]), counts, sizes, morphology, noisy, spatial, memory]
    if settings.classifier_blocks:
        classifier, scores = classifier_section(
            splits, settings, stream.child("classifier"), lambda n: told(f"classifier: {n}")
        )
        if scores is not None:
            caption = (
                "Above, the generated cutouts the classifier is surest of; below, those it takes for real."
            )
            classifier.pictures[caption] = figures.telling_cutouts(scores)
        sections.append(classifier)
    return sections


def _pictures(real: Sample, made: Sample, rng: np.random.Generator) -> Section:
    from mockforge.evaluate import figures

    section = Section(
        "Side by side", "Real left, generated right, in one colour stretch: that of the real sky's rms."
    )
    least = min(min(i.shape[1:]) for i in (*real.images, *made.images))
    section.pictures["Real, generated."] = figures.side_by_side(real, made, min(640, least), 1)
    section.pictures["Enlarged, with what was detected."] = figures.side_by_side(
        real, made, min(160, least), 4, detections=True
    )
    grid = figures.source_grid(real, made, 50, rng)
    if grid is not None:
        section.pictures[
            "Real and generated sources, shuffled, in one grey scale. The key stands at the end."
        ] = grid[0]
        section.text += (
            f"\n\nKey to the shuffled grid (R real, G generated; row by row from the top): {grid[1]}"
        )
    return section


def _one_source(model: Any, dataset: Any, field: Any) -> None:
    given = [n for n, v in (("--model", model), ("--dataset", dataset), ("--field", field)) if v is not None]
    if len(given) != 1:
        raise InputError(
            f"one of --model, --dataset and --field is wanted, found {', '.join(given) or 'none'}"
        )


def _rows(rows: tuple[int, int] | None, height: int) -> tuple[int, int]:
    first, last = rows or (0, height)
    if not 0 <= first < last <= height:
        raise InputError(f"rows {first}:{last}: the reference has rows 0 to {height}; first < last is wanted")
    return first, last


def _masked(real: Field, columns: Sequence[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros(real.shape[1:], dtype=bool) if real.mask is None else real.mask.copy()
    for left, right in columns:
        if not 0 <= left < right <= real.shape[2]:
            raise InputError(f"masked columns {left}:{right}: the reference has columns 0 to {real.shape[2]}")
        mask[:, left:right] = True
    return mask


def _side(wanted: int, height: int, real: Field, generated: Generated) -> int:
    """Side of the blocks: what is asked for, or what fits; a multiple of the lattice, 64 at least.

    Tiles are cut into blocks that leave the least of them unused.
    """
    least = min(height, real.shape[2], *(min(i.shape[1:]) for i in generated.images))
    side = min(wanted, least) // PERIOD * PERIOD
    if side < 64:
        raise InputError(
            f"blocks of {side} pixels (asked for {wanted}, the smallest image or window has {least}): at "
            "least 64 x 64 pixels are needed"
        )
    if len(generated.images) == 1:
        return side
    room = least - (PERIOD - 1 if (generated.offsets % PERIOD).any() else 0)
    return max(range(64, side + 1, PERIOD), key=lambda s: (room // s * s, s))
