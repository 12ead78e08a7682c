"""Several skies against one real field, in one table: models beside each other, or seeds of one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mockforge.evaluate.report.report import Report, Section, Verdict
from mockforge.evaluate.sky.fields import WHOLE, GeneratedFrom, Say, evaluate_source
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.goals import goals_compared
from mockforge.evaluate.sky.reference import ReferencePart
from mockforge.extras import need_extra
from mockforge.field.field import Field


def evaluate_skies(
    reference: Sequence[str | Path] | str | Path,
    sources: Mapping[str, GeneratedFrom],
    part: ReferencePart = WHOLE,
    *,
    out: str | Path | None = None,
    settings: Settings | None = None,
    told: Say = lambda _: None,
    **reading: Any,
) -> Report:
    """Compare several skies with one real field: models, or seeds of one, in one table of the goals.

    Parameters
    ----------
    sources
        Label -> where the pixels come from.
    out
        A folder that gets the table, and under each label the report of that sky.
    """
    need_extra("report", "evaluation")
    files = [reference] if isinstance(reference, (str, Path)) else list(reference)
    told("reading")
    real = Field.read(reference if isinstance(reference, (str, Path)) else files, **reading)
    reports = {}
    for label, source in sources.items():
        source.check(False)
        report, _ = evaluate_source(
            real,
            source,
            part,
            settings or Settings(),
            reading,
            lambda step, name=label: told(f"{name}: {step}"),
        )
        report.facts = {"reference": [Path(name).name for name in files], **report.facts}
        reports[label] = report
        if out is not None:
            report.write(Path(out) / label)
    facts = {
        label: {k: report.facts[k] for k in ("generated", "noise", "density", "seconds") if k in report.facts}
        for label, report in reports.items()
    }
    both = Report(f"{len(reports)} skies against {', '.join(real.bands)} of a real field", facts=facts)
    both.sections = [goals_compared(reports), *(_held(label, report) for label, report in reports.items())]
    if out is not None:
        both.write(Path(out))
    return both


def _held(label: str, report: Report) -> Section:
    """Return one section with the rules of a report that do not hold."""
    section = Section(label, f"By its own report, in the folder {label}.")
    section.verdicts = [
        Verdict(f"{s.title}: {v.measure}", v.passed, v.rule)
        for s in report.sections
        for v in s.verdicts
        if not v.passed
    ]
    rules = [v.passed for s in report.sections for v in s.verdicts]
    section.rows = [{"rules": len(rules), "hold": sum(rules)}]
    return section
