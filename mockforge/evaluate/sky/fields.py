"""`mockforge evaluate` for fields: generated against real pixels, beside the real-against-real floor."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
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
from mockforge.evaluate.sky.sample import PERIOD, Window, measure_sample
from mockforge.evaluate.sky.sections import Evaluation, side_by_side
from mockforge.extras import need_extra
from mockforge.field.field import Field
from mockforge.rng import Stream
from mockforge.sgan.model import SganModel, load_model

Told = Callable[[str], None]


def evaluate_fields(
    reference: Sequence[str | Path] | str | Path,
    *,
    model: str | Path | None = None,
    dataset: str | Path | None = None,
    field: str | Path | None = None,
    out: str | Path | None = None,
    card: str | Path | None = None,
    seed: int = 1,
    rows: tuple[int, int] | None = None,
    masked_columns: Sequence[tuple[int, int]] = (),
    mask_peaks_above: float | None = None,
    own_noise: bool = False,
    bands: Sequence[str] | None = None,
    extensions: Sequence[int | str] | int | str | None = None,
    zeropoint: float | Sequence[float] | None = None,
    pixel_scale_arcsec: float | None = None,
    mask_bits: Sequence[str | int] | str | int | None = None,
    device: str = "cpu",
    settings: Settings | None = None,
    told: Told = lambda _: None,
) -> Report:
    """Compare generated pixels with a real field; write `report.json` and `report.html` into `out`.

    One of `model` (a bundled name or a path; a sky of `seed` is painted on `device`), `dataset`
    (a finished dataset's folder; its first tiles, as many as cover the reference) and `field` (a
    FITS file with all bands) is given. `reference` is read as `mockforge.Field.read`
    does, with `bands`, `extensions`, `zeropoint`, `pixel_scale_arcsec` and `mask_bits`.

    - `rows` (y0, y1): the reference proper, e.g. what was held out of training; the other rows
      serve for the floor and as the field that may have been memorised. Default: all.
    - `masked_columns` (x0, x1): columns of the real field that are left out.
    - `mask_peaks_above`: real objects with a brighter peak (nJy, or the file's unit) are masked.
    - A model that paints the noiseless sky is observed with the local rms of the reference, so that
      the depth of a place does not tell them apart; `own_noise`: with the rms of its own field instead.
    - `card`: a folder that gets the model's card with what was found, NAME.md, and NAME.png.
    - `told` is called with the name of each step.

    Raises InputError where a file cannot be read, bands or units do not match, or rows or
    columns leave the field.
    """
    need_extra("report", "evaluation")
    settings = settings or Settings()
    _one_source(model, dataset, field)
    if card is not None and model is None:
        raise InputError("a card is that of a model; give one with --model")
    told("reading")
    real = Field.read(
        list(reference) if not isinstance(reference, (str, Path)) else reference,
        bands=bands, extensions=extensions, zeropoint=zeropoint, pixel_scale_arcsec=pixel_scale_arcsec,
        mask_bits=mask_bits,
    )  # fmt: skip
    first, last = _rows(rows, real.shape[1])
    told("generating")
    painter, noted = None, {}
    if model is not None:
        painter = load_model(model)
        band_order(f"model {model}", painter.bands, "nJy", real.bands, real.unit)  # before painting
        generated, noted = _painted(painter, real, (first, last), masked_columns, own_noise, seed, device)
    elif dataset is not None:
        generated = from_dataset(Path(dataset), (last - first) * real.shape[2])
    else:
        generated = from_field(Path(str(field)), {"bands": bands, "pixel_scale_arcsec": pixel_scale_arcsec})
    report = evaluate_pixels(
        real, generated, seed=seed, rows=rows, masked_columns=masked_columns,
        mask_peaks_above=mask_peaks_above, settings=settings, told=told,
    )  # fmt: skip
    if painter is not None and painter.clean and settings.controls:
        told("controls")
        report.sections.append(controls_section(painter, settings.controls, seed, device))
    names = [reference] if isinstance(reference, (str, Path)) else list(reference)
    report.facts = {"reference": [Path(n).name for n in names], **report.facts, **noted}
    if out is not None:
        report.write(Path(out))
    if card is not None and painter is not None:
        write_card(report, painter, Path(card))
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
    need_extra("report", "evaluation")
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

    zeropoint = real.zeropoint_ab if real.zeropoint_ab is not None else 0.0
    report.sections = list(Evaluation.of(one, two, zeropoint, settings, stream, told).sections())
    report.sections.insert(0, goals_section(report.sections, real.bands, generated.network))
    if settings.pictures:
        pictures, key = side_by_side(one, two, stream)
        report.sections.insert(0, pictures)
        report.facts["key to the shuffled grid, row by row from the top (R real, G generated)"] = key
    report.facts["seconds"] = round(time.monotonic() - start, 1)
    return report


def _painted(
    model: SganModel,
    real: Field,
    rows: tuple[int, int],
    masked_columns: Sequence[tuple[int, int]],
    own_noise: bool,
    seed: int,
    device: str,
) -> tuple[Generated, dict[str, str]]:
    """Return the model's sky over the reference's rows, and what to note of its noise."""
    window, noise, noted = np.s_[rows[0] : rows[1]], None, "the model's own"
    if not model.clean:
        noted = "painted by the model with the sky"
    elif not own_noise:
        found = local_rms(real.image[:, window], _masked(real, masked_columns)[window])
        if found is not None:
            own = np.array([model.instrument.rms_njy[model.bands.index(b)] for b in real.bands])
            ratios = np.median(found, axis=(1, 2)) / own
            noise = rms_map(found, real.bands, model)
            said = ", ".join(f"{b} {r:.3f}" for b, r in zip(real.bands, ratios, strict=True))
            noted = f"the reference's local rms, in squares of {MESH} pixels: of the model's own {said}"
    return from_model(model, rows[1] - rows[0], real.shape[2], seed, device, noise), {"noise": noted}


def _one_source(model: Any, dataset: Any, field: Any) -> None:
    given = [n for n, v in (("--model", model), ("--dataset", dataset), ("--field", field)) if v is not None]
    if len(given) != 1:
        raise InputError(
            f"one of --model, --dataset and --field is expected, found {', '.join(given) or 'none'}"
        )


def _rows(rows: tuple[int, int] | None, height: int) -> tuple[int, int]:
    first, last = rows or (0, height)
    if not 0 <= first < last <= height:
        raise InputError(
            f"rows {first}:{last}: the reference has rows 0 to {height}; first < last is required"
        )
    return first, last


def _masked(real: Field, columns: Sequence[tuple[int, int]]) -> np.ndarray:
    mask = np.zeros(real.shape[1:], dtype=bool) if real.mask is None else real.mask.copy()
    for left, right in columns:
        if not 0 <= left < right <= real.shape[2]:
            raise InputError(f"masked columns {left}:{right}: the reference has columns 0 to {real.shape[2]}")
        mask[:, left:right] = True
    return mask


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
