"""The card of a trained SGAN: what it paints, what it was trained on, what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mockforge.sgan.model import SganModel
from mockforge.train.model_files import training_notes


def model_card(model: SganModel, report: Mapping[str, Any] | None = None) -> str:
    """Markdown; everything in it is read from the model and, where given, from an evaluation of it.

    `report` is what `mockforge evaluate` writes as report.json, read; its key `picture`, where it
    has one, names the picture that stands beside the card.
    """
    widths = model.psf_fwhm_arcsec or (None,) * len(model.bands)
    rows: list[tuple[str, ...]] = []
    instrument = model.instrument
    for band, rms, fwhm, kernel in zip(
        model.bands, instrument.rms_njy, widths, instrument.noise_kernel, strict=True
    ):
        seeing = f"{fwhm:.2f}" if fwhm else "not known"
        next_pixel = sum(a * b for row in kernel for a, b in zip(row[:-1], row[1:], strict=True))
        rows.append((band, f"{rms:.4g}", seeing, f"{next_pixel:+.2f}"))
    titles = ("band", "sky rms (nJy)", "PSF FWHM of the stars (arcsec)", "noise correlation at 1 pixel")
    if instrument.electrons_per_njy:
        titles += ("electrons per nJy",)
        rows = [(*r, f"{gain:.3g}") for r, gain in zip(rows, instrument.electrons_per_njy, strict=True)]
    lines = [f"# {model.name}", "", _what(model), "", *_table(titles, rows), "", "## Training", ""]
    if model.members:
        steps = ", ".join(str(step) for step in sorted(model.members))
        lines += [f"- {model.n_members} members, the averaged weights of steps {steps}; one paints a sky"]
    lines += [f"- {key}: {value}" for key, value in training_notes(model.training).items()]
    if report is not None:
        lines += ["", *_against_the_real_field(report)]
    lines += ["", "## Limits", "", *(f"- {text}" for text in _limits(model)), ""]
    return "\n".join(lines)


def _against_the_real_field(report: Mapping[str, Any]) -> list[str]:
    """Return what an evaluation found: its goals, its controls, and which of its rules hold."""
    facts, sections = report["facts"], {s["title"]: s for s in report["sections"]}
    lines = ["## Against the real field", ""]
    if report.get("picture"):
        lines += [f"![Real left, generated right]({report['picture']})", ""]
    rows = facts["reference rows"]
    lines += [
        f"By `mockforge evaluate`: {facts['generated']}, against rows {rows[0]} to {rows[1]} of "
        f"{', '.join(facts['reference'])}. Noise of the sky: {facts['noise']}. The floor is the real field "
        "against itself, in interleaved blocks.",
    ]
    for title in ("Goals", "Controls"):
        if title in sections and sections[title]["rows"]:
            lines += ["", f"{title}:", "", *_rows(sections[title]["rows"])]
    judged = [s for s in sections.values() if s["verdicts"]]
    lines += ["", "Rules of the report:", ""]
    return lines + _table(("section", "rules", "hold", "do not hold"), [_rules(s) for s in judged])


def _rules(section: Mapping[str, Any]) -> tuple[str, ...]:
    verdicts = section["verdicts"]
    failed = [f"{v['measure']} ({v['rule']})" for v in verdicts if not v["passed"]]
    return section["title"], str(len(verdicts)), str(len(verdicts) - len(failed)), "; ".join(failed)


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    titles = list(dict.fromkeys(name for row in rows for name in row))
    filled = [t for t in titles if any(row.get(t) is not None for row in rows)]
    return _table(filled, [[_cell(row.get(name)) for name in filled] for row in rows])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return a table of Markdown; a bar within a cell would end it."""
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]


def _what(model: SganModel) -> str:
    scale = f" at {model.pixel_scale_arcsec:g} arcsec per pixel" if model.pixel_scale_arcsec else ""
    if model.clean:
        return (
            f"A `forge` SGAN that paints the noiseless sky in {', '.join(model.bands)}{scale}, in nJy. "
            "The observed image is that sky seen through the field's measured PSF and noise, "
            "so that every sample has a truth."
        )
    return (
        f"A `smith2019` SGAN (Smith & Geach 2019) that paints observed pixels in "
        f"{', '.join(model.bands)}{scale}, in nJy, noise and all."
    )


def _limits(model: SganModel) -> list[str]:
    out = ["Its galaxies resemble those of the training field; none is a real object."]
    if model.clean:
        out += [
            "The noise of a sky is as deep as the training field, place by place."
            if model.instrument.rms_map
            else "The noise of a sky is even: the training field's median depth everywhere.",
            "No photon noise of the sources is added."
            if not model.instrument.electrons_per_njy
            else "Photon noise of the sources is added by the gains above.",
        ]
        if model.density is not None:
            low, high = model.density.low, model.density.high
            out.append(f"It was trained on densities of sources from {low:.2f} to {high:.2f} times the mean.")
    return [*out, "What the training field's mask hid (saturated stars, for example) it was not trained on."]
