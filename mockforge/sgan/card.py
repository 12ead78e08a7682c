"""The card of a trained SGAN: what it paints, what it was trained on, what it cannot do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from mockforge.train.model_files import training_notes


@dataclass(frozen=True)
class CardFacts:
    """What a model says of itself on its card."""

    what: str
    """What it paints, in a sentence or two."""
    titles: Sequence[str]
    """Heads of the table of its bands."""
    rows: Sequence[Sequence[str]]
    """A row a band."""
    training: Sequence[str] = ()
    """Lines before the notes of its training."""
    limits: Sequence[str] = ()
    """What it cannot do, a sentence each."""
    sections: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Further sections: title -> lines of Markdown."""


class Carded(Protocol):
    """A model that has a card."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def training(self) -> Mapping[str, Any]:
        """Return how it was trained."""
        ...

    def card_facts(self) -> CardFacts:
        """Return what it says of itself."""
        ...


def model_card(model: Carded, report: Mapping[str, Any] | None = None) -> str:
    """Markdown; everything in it is read from the model and, where given, from an evaluation of it.

    `report` is what `mockforge evaluate` writes as report.json, read; its key `picture`, where it
    has one, names the picture that stands beside the card.
    """
    facts = model.card_facts()
    lines = [f"# {model.name}", "", facts.what, "", *table(facts.titles, facts.rows)]
    for title, text in facts.sections.items():
        lines += ["", f"## {title}", "", *text]
    lines += ["", "## Training", "", *(f"- {line}" for line in facts.training)]
    lines += [f"- {key}: {value}" for key, value in training_notes(model.training).items()]
    if report is not None:
        lines += ["", *_against_the_real_field(report)]
    lines += ["", "## Limits", "", *(f"- {text}" for text in facts.limits), ""]
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
    return lines + table(("section", "rules", "hold", "do not hold"), [_rules(s) for s in judged])


def _rules(section: Mapping[str, Any]) -> tuple[str, ...]:
    verdicts = section["verdicts"]
    failed = [f"{v['measure']} ({v['rule']})" for v in verdicts if not v["passed"]]
    return section["title"], str(len(verdicts)), str(len(verdicts) - len(failed)), "; ".join(failed)


def _rows(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    titles = list(dict.fromkeys(name for row in rows for name in row))
    filled = [t for t in titles if any(row.get(t) is not None for row in rows)]
    return table(filled, [[_cell(row.get(name)) for name in filled] for row in rows])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return the lines of a table of Markdown; a bar within a cell would end it."""
    lines = [titles, ["---"] * len(titles), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return [f"| {' | '.join(line)} |" for line in lines]
