"""`mockforge evaluate` for fields: generated against real pixels, beside the real-against-real floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
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
from mockforge.evaluate.sky.local_rms import MESH, local_rms, rms_map
from mockforge.evaluate.sky.sample import PERIOD, Sample, Window, measure_sample
from mockforge.evaluate.sky.sections import Evaluation, side_by_side
from mockforge.extras import need_extra
from mockforge.field.field import Field
from mockforge.rng import Stream
from mockforge.sgan.model import SganModel, load_model

Told = Callable[[str], None]


@dataclass(frozen=True)
class ReferencePart:
    """Which part of a real field generated pixels are compared with."""

    rows: tuple[int, int] | None = None
    """(y0, y1): the reference proper, e.g. what was held out of training; the other rows serve for the
    floor and as the field that may have been memorised. None: all."""
    masked_columns: Sequence[tuple[int, int]] = ()
    """(x0, x1): columns that are left out."""
    mask_peaks_above: float | None = None
    """Real objects with a brighter peak (nJy, or the file's unit) are masked."""

    def window(self, height: int) -> tuple[int, int]:
        """Return the rows of a field of so many; InputError where they leave it."""
        first, last = self.rows or (0, height)
        if not 0 <= first < last <= height:
            raise InputError(
                f"rows {first}:{last}: the reference has rows 0 to {height}; first < last is required"
            )
        return first, last

    def mask(self, real: Field) -> np.ndarray:
        """Return which pixels (y, x) are not used; InputError where columns leave the field."""
        mask = np.zeros(real.shape[1:], dtype=bool) if real.mask is None else real.mask.copy()
        for left, right in self.masked_columns:
            if not 0 <= left < right <= real.shape[2]:
                raise InputError(
                    f"masked columns {left}:{right}: the reference has columns 0 to {real.shape[2]}"
                )
            mask[:, left:right] = True
        return mask


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
    """A model that paints the noiseless sky is observed with the local rms of the reference, so that the
    depth of a place does not tell them apart; true: with the rms of its own field instead."""

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


def evaluate_fields(
    reference: Sequence[str | Path] | str | Path,
    source: GeneratedFrom,
    part: ReferencePart = ReferencePart(),
    *,
    out: str | Path | None = None,
    card: str | Path | None = None,
    settings: Settings | None = None,
    told: Told = lambda _: None,
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
    settings = settings or Settings()
    source.check(card is not None)
    told("reading")
    files = [reference] if isinstance(reference, (str, Path)) else list(reference)
    real = Field.read(reference if isinstance(reference, (str, Path)) else files, **reading)
    told("generating")
    painter = None if source.model is None else load_model(source.model)
    generated, noted = _generated(source, painter, real, part, reading)
    report = evaluate_pixels(real, generated, part, seed=source.seed, settings=settings, told=told)
    if painter is not None and painter.clean and settings.controls:
        told("controls")
        report.sections.append(controls_section(painter, settings.controls, source.seed, source.device))
    report.facts = {"reference": [Path(name).name for name in files], **report.facts, **noted}
    if out is not None:
        report.write(Path(out))
    if card is not None and painter is not None:
        write_card(report, painter, Path(card))
    return report


def evaluate_pixels(
    real: Field,
    generated: Generated,
    part: ReferencePart = ReferencePart(),
    *,
    seed: int = 1,
    settings: Settings | None = None,
    told: Told = lambda _: None,
) -> Report:
    """`evaluate_fields` of pixels in memory: a real Field and generated images of the same bands and unit."""
    need_extra("report", "evaluation")
    settings, stream, start = settings or Settings(), Stream(seed, ("evaluate",)), time.monotonic()
    generated = generated.ordered(real.bands, real.unit)
    first, last = part.window(real.shape[1])
    side = _side(settings.block, last - first, real, generated)
    told("detecting")
    of_real = _reference(real, part, side)
    report = Report(f"{generated.what} against {', '.join(real.bands)} of a real field")
    report.facts = {
        "generated": generated.what,
        "bands": real.bands,
        "unit": real.unit,
        "reference rows": (first, last),
        "blocks": f"{of_real.reference.sum()} of {side} x {side} pixels, "
        f"{(~of_real.reference).sum()} in the rest",
        "masked": float(part.mask(real).mean()),
        "seed": seed,
        "settings": asdict(settings),
    }
    try:
        of_generated = measure_sample(
            generated.images, real.bands, side=side, masks=generated.masks, offsets=generated.offsets
        )
    except InputError as error:
        report.sections = [Section("Detection", verdicts=[Verdict("generated pixels", False, str(error))])]
        return report

    zeropoint = real.zeropoint_ab if real.zeropoint_ab is not None else 0.0
    report.sections = list(Evaluation.of(of_real, of_generated, zeropoint, settings, stream, told).sections())
    report.sections.insert(0, goals_section(report.sections, real.bands, generated.network))
    if settings.pictures:
        pictures, key = side_by_side(of_real, of_generated, stream)
        report.sections.insert(0, pictures)
        report.facts["key to the shuffled grid, row by row from the top (R real, G generated)"] = key
    report.facts["seconds"] = round(time.monotonic() - start, 1)
    return report


def _reference(real: Field, part: ReferencePart, side: int) -> Sample:
    """Return the real field, measured: the reference's rows, and those on either side of them."""
    first, last = part.window(real.shape[1])
    windows = [Window(0, first, last), Window(0, 0, first, False), Window(0, last, real.shape[1], False)]
    sample = measure_sample(
        [real.image], real.bands, side=side, windows=windows, masks=[part.mask(real)],
        mask_peaks_above=part.mask_peaks_above,
    )  # fmt: skip
    if not sample.reference.any():
        raise InputError(
            f"rows {first}:{last}: no unmasked block of {side} pixels fits; use more rows, smaller blocks"
        )
    return sample


def _generated(
    source: GeneratedFrom,
    painter: SganModel | None,
    real: Field,
    part: ReferencePart,
    reading: dict[str, Any],
) -> tuple[Generated, dict[str, str]]:
    """Return the generated pixels, as many as the reference's, and what to note of them."""
    first, last = part.window(real.shape[1])
    if painter is not None:
        return _painted(painter, real, part, source)
    if source.dataset is not None:
        return from_dataset(Path(source.dataset), (last - first) * real.shape[2]), {}
    keywords = {key: reading.get(key) for key in ("bands", "pixel_scale_arcsec")}
    return from_field(Path(str(source.field)), keywords), {}


def _painted(
    model: SganModel, real: Field, part: ReferencePart, source: GeneratedFrom
) -> tuple[Generated, dict[str, str]]:
    """Return the model's sky over the reference's rows, and what to note of its noise."""
    band_order(f"model {source.model}", model.bands, "nJy", real.bands, real.unit)  # before painting
    first, last = part.window(real.shape[1])
    noise, noted = None, "the model's own"
    if not model.clean:
        noted = "painted by the model with the sky"
    elif not source.own_noise:
        rms = local_rms(real.image[:, first:last], part.mask(real)[first:last])
        if rms is not None:
            own = np.array([model.instrument.rms_njy[model.bands.index(b)] for b in real.bands])
            ratios = np.median(rms, axis=(1, 2)) / own
            noise = rms_map(rms, real.bands, model)
            ratios_text = ", ".join(f"{b} {r:.3f}" for b, r in zip(real.bands, ratios, strict=True))
            noted = (
                f"the reference's local rms, in squares of {MESH} pixels: of the model's own {ratios_text}"
            )
    generated = from_model(model, last - first, real.shape[2], source.seed, source.device, noise)
    return generated, {"noise": noted}


def _side(wanted: int, height: int, real: Field, generated: Generated) -> int:
    """Side of the blocks: what is requested, or what fits; a multiple of the lattice, 64 at least.

    Tiles are cut into blocks that leave the least of them unused.
    """
    least = min(height, real.shape[2], *(min(i.shape[1:]) for i in generated.images))
    side = min(wanted, least) // PERIOD * PERIOD
    if side < 64:
        raise InputError(
            f"blocks of {side} pixels ({wanted} requested, the smallest image or window has {least}): at "
            "least 64 x 64 pixels are needed"
        )
    if len(generated.images) == 1:
        return side
    room = least - (PERIOD - 1 if (generated.offsets % PERIOD).any() else 0)
    return max(range(64, side + 1, PERIOD), key=lambda s: (room // s * s, s))
