"""`mockforge evaluate` for fields: generated against real pixels, beside the real-against-real floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.report.report import Report, Section, Verdict
from mockforge.evaluate.sky.card import write_card
from mockforge.evaluate.sky.controls import controls_section
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.generated import Generated, band_order, from_dataset, from_field, from_model
from mockforge.evaluate.sky.goals import goals_section
from mockforge.evaluate.sky.halves import Halves, halves_section
from mockforge.evaluate.sky.reference import Reference, ReferencePart, block_side
from mockforge.evaluate.sky.sample import Sample, measure_sample
from mockforge.evaluate.sky.sections import Evaluation, side_by_side
from mockforge.evaluate.sky.told import Told, told_of
from mockforge.extras import need_extra
from mockforge.field.field import Field
from mockforge.rng import Stream
from mockforge.sgan.model import SganModel, load_model

Say = Callable[[str], None]
WHOLE = ReferencePart()
"""All rows and columns of the real field."""


@dataclass(frozen=True)
class GeneratedFrom:
    """Where generated pixels come from: one of `model`, `dataset` and `field`."""

    model: str | Path | None = None
    """A bundled name or a path; a sky of `seed` is painted on `device`."""
    dataset: str | Path | None = None
    """A finished dataset's folder; its first tiles, as many as cover the reference."""
    field: str | Path | None = None
    """A FITS file with all bands."""
    seed: int = 1
    """Seed of the painted sky, and of what the evaluation draws."""
    device: str = "cpu"
    own_noise: bool = False
    """A model that paints the noiseless sky is observed with the local noise of the reference, kernels and
    all, so that a place does not tell them apart; true: with that of its own field instead."""
    other: Halves | None = None
    """Another model, trained on the other half of the field: asked whether either copies its half."""

    def check(self, card: bool) -> None:
        """InputError unless exactly one is given, and a model where its `card` is to be written."""
        sources = {"--model": self.model, "--dataset": self.dataset, "--field": self.field}
        given = [name for name, source in sources.items() if source is not None]
        if len(given) != 1:
            raise InputError(
                f"one of --model, --dataset and --field is expected, found {', '.join(given) or 'none'}"
            )
        if card and self.model is None:
            raise InputError("a card is that of a model; give one with --model")
        if self.other is not None and self.model is None:
            raise InputError("the other half's model is compared with a model; give one with --model")


def evaluate_fields(
    reference: Sequence[str | Path] | str | Path,
    source: GeneratedFrom,
    part: ReferencePart = WHOLE,
    *,
    out: str | Path | None = None,
    card: str | Path | None = None,
    settings: Settings | None = None,
    told: Say = lambda _: None,
    **reading: Any,
) -> Report:
    """Compare generated pixels with a real field.

    Parameters
    ----------
    reference
        FITS files of the real field, read as `mockforge.Field.read` does with `reading`.
    source
        Where the generated pixels come from.
    part
        Which part of the real field is used.
    out, card
        Folders that get `report.json` and `report.html`; the model's card with the results and its picture.
    told
        Called with the name of each step.

    Raises
    ------
    InputError
        Where a file cannot be read, bands or units do not match, or rows or columns leave the field.
    """
    need_extra("report", "evaluation")
    source.check(card is not None)
    told("reading")
    files = [reference] if isinstance(reference, (str, Path)) else list(reference)
    real = Field.read(reference if isinstance(reference, (str, Path)) else files, **reading)
    report, painter = evaluate_source(real, source, part, settings or Settings(), reading, told)
    report.facts = {"reference": [Path(name).name for name in files], **report.facts}
    if out is not None:
        report.write(Path(out))
    if card is not None and painter is not None:
        write_card(report, painter, Path(card))
    return report


def evaluate_source(
    real: Field,
    source: GeneratedFrom,
    part: ReferencePart,
    settings: Settings,
    reading: dict[str, Any],
    told: Say,
) -> tuple[Report, SganModel | None]:
    """Compare generated pixels with a real Field: the report, and the model that painted, if one did."""
    if source.model is None:
        told("generating")
        return evaluate_pixels(
            real, _stored(source, real, part, reading), part, seed=source.seed, settings=settings, told=told
        ), None
    painter = load_model(source.model)
    band_order(f"model {source.model}", painter.bands, "nJy", real.bands, real.unit)  # before painting
    if source.other is not None:
        source.other.check(real.shape[1])
    first, last = part.window(real.shape[1])
    side = block_side(settings.block, [(last - first, real.shape[2])], np.zeros((1, 2)))
    told("measuring the reference")
    reference = Reference.of(real, part, side)
    told("generating")
    tells = told_of(reference, painter, source.seed, source.device, source.own_noise)
    generated = _painted(painter, reference, tells, source, settings)
    report = _compared(reference, generated, source.seed, settings, told)
    report.facts |= tells.noted
    if source.other is not None:
        told("two halves")
        report.sections.append(_two_halves(reference, generated, source, source.other, settings))
    if painter.clean and settings.controls:
        told("controls")
        report.sections.append(controls_section(painter, settings.controls, source.seed))
    return report, painter


def evaluate_pixels(
    real: Field,
    generated: Generated,
    part: ReferencePart = WHOLE,
    *,
    seed: int = 1,
    settings: Settings | None = None,
    told: Say = lambda _: None,
) -> Report:
    """`evaluate_fields` of pixels in memory: a real Field and generated images of the same bands and unit."""
    need_extra("report", "evaluation")
    settings = settings or Settings()
    generated = generated.ordered(real.bands, real.unit)
    first, last = part.window(real.shape[1])
    shapes = [(last - first, real.shape[2]), *generated.shapes]
    side = block_side(settings.block, shapes, generated.offsets)
    told("measuring the reference")
    return _compared(Reference.of(real, part, side), generated, seed, settings, told)


def _compared(reference: Reference, generated: Generated, seed: int, settings: Settings, told: Say) -> Report:
    """Return the report of generated pixels, in the reference's bands, against the reference."""
    start, stream, real = time.monotonic(), Stream(seed, ("evaluate",)), reference.sample
    told("detecting")
    report = Report(f"{generated.what} against {', '.join(real.bands)} of a real field")
    report.facts = {
        "generated": generated.what,
        "bands": real.bands,
        "unit": reference.field.unit,
        "reference rows": reference.rows,
        "blocks": f"{real.reference.sum()} of {real.side} x {real.side} pixels, "
        f"{(~real.reference).sum()} in the rest",
        "masked": float(reference.part.mask(reference.field).mean()),
        "seed": seed,
        "settings": asdict(settings),
    }
    try:
        made = sample_of(generated, real)
        more = made if generated.more is None else sample_of(generated.more, real)
    except InputError as error:
        report.sections = [Section("Detection", verdicts=[Verdict("generated pixels", False, str(error))])]
        return report
    evaluation = Evaluation.of(real, made, more, reference.zeropoint, settings, stream, told)
    report.sections = list(evaluation.sections())
    report.sections.insert(0, goals_section(report.sections, real.bands, generated.network))
    if settings.pictures:
        pictures, key = side_by_side(real, made, stream)
        report.sections.insert(0, pictures)
        report.facts["key to the shuffled grid, row by row from the top (R real, G generated)"] = key
    report.facts["seconds"] = round(time.monotonic() - start, 1)
    return report


def sample_of(generated: Generated, real: Sample) -> Sample:
    """Measure generated pixels as the reference was, what is too bright masked too."""
    sample = measure_sample(
        generated.images, generated.bands, side=real.side, masks=generated.masks, offsets=generated.offsets,
        mask_peaks_above=real.most_peak,
    )  # fmt: skip
    return replace(sample, truths=generated.truths, gains=generated.gains)


def _two_halves(
    reference: Reference, generated: Generated, source: GeneratedFrom, other: Halves, settings: Settings
) -> Section:
    """Paint the other half's model as the first was, and compare both with the halves."""
    painter = load_model(other.model)
    tells = told_of(reference, painter, source.seed, source.device, source.own_noise)
    beside = _painted(painter, reference, tells, source, settings)
    pair = [sample_of(g.more or g, reference.sample) for g in (generated, beside)]
    rng = Stream(source.seed, ("evaluate", "halves")).numpy()
    return halves_section(reference.sample, pair, other.rows, settings, rng)


def _stored(source: GeneratedFrom, real: Field, part: ReferencePart, reading: dict[str, Any]) -> Generated:
    """Return the pixels of a dataset or a file, as many as the reference's."""
    first, last = part.window(real.shape[1])
    if source.dataset is not None:
        return from_dataset(Path(source.dataset), (last - first) * real.shape[2])
    keywords = {key: reading.get(key) for key in ("bands", "pixel_scale_arcsec")}
    return from_field(Path(str(source.field)), keywords)


def _painted(
    model: SganModel, reference: Reference, tells: Told, source: GeneratedFrom, settings: Settings
) -> Generated:
    """Return the model's sky over the reference's rows, and a larger one of its bright sources."""
    height, width = reference.shape
    made = from_model(model, (height, width), source.seed, source.device, tells.asked)
    if model.clean and settings.source_seeds:
        rows = round(min(settings.source_area * height, reference.field.shape[1]))
        more = from_model(model, (rows, width), source.seed, source.device, tells.bright)
        made = replace(made, more=more)
    return made.ordered(reference.field.bands, reference.field.unit)
