"""The goals of a sky's fidelity, each compared with what this evaluation measured.

A goal is stricter than the rules a report passes by: it is what a network is made for. The floor, and what
two parts of the real field have between them, stand beside each.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mockforge.evaluate.report.report import Report, Row, Section
from mockforge.evaluate.sky import classifier, sources
from mockforge.evaluate.sky.counts import KS_P, MEDIAN, colours
from mockforge.evaluate.sky.morphology import HOLZSCHUH, MEAN_WASSERSTEIN
from mockforge.evaluate.sky.noise import IN_PHASE, NOISE, SPIKE
from mockforge.evaluate.sky.scatter import FEATURE_SIGMAS, FIELD_SIGMAS, Scatter, limit

TITLE = "Goals"
PUBLISHED_BANDS = 3
"""Of Smith & Geach 2019, MNRAS 490, 4985; so are the other published numbers without a name."""
PUBLISHED_KS_P = (0.16, 0.63, 0.75)
PUBLISHED_MEDIAN = 0.02
PUBLISHED_GPU_HOURS = 1280.0
PUBLISHED_MPIX_S = 0.5
"""About that, of the published network in Keras on two CPU cores."""
_MEDIAN = 0.01
_MINUTES = 15.0
_MPIX_S = 3.3


def goals_section(sections: Sequence[Section], bands: Sequence[str], model: Mapping[str, Any]) -> Section:
    """One row per goal: published, measured, the real field's floor, wanted, and whether it is met.

    `sections` are those of the same report. `model` says of the network that painted the pixels
    what is known: the `minutes` of its training and their `device`, `mpix_s` painted a second and on what
    (`painted_on`); empty where no network did.
    """
    table = _Measured(sections)
    rows = [
        *_shapes(table), *_magnitudes(table, bands), *_classifiers(table), *_colours(table, bands),
        *_noise(table, bands), *_network(len(bands), model),
    ]  # fmt: skip
    return Section(
        TITLE,
        "The goals of a painted sky, beside published values (Smith & Geach 2019; morphology: Holzschuh "
        "et al. 2022). The goals are stricter than the rules this report passes by, and do not decide it: of "
        "a perfect sky, too, a quarter of the bands are below the 25th percentile of the floor's KS p, and "
        "half of all skies above the floor's median of a distance. The floor is the real field against "
        "itself in interleaved parts; real, apart is its reference against its other rows.",
        rows,
    )


def goals_compared(reports: Mapping[str, Report]) -> Section:
    """One row per goal, and for each report, by its label, what was found and whether that meets it."""
    rows: dict[tuple[str, str | None], Row] = {}
    for label, report in reports.items():
        found = next((s.rows for s in report.sections if s.title == TITLE), [])
        for row in found:
            goal = rows.setdefault(
                (row["goal"], row["band"]),
                {name: row[name] for name in ("goal", "band", "published", "floor", "real, apart", "wanted")},
            )
            met = {True: "yes", False: "no", None: ""}[row["met"]]
            value = row["found"] if isinstance(row["found"], str) else f"{row['found']:.3g}"
            goal[label] = f"{value} {met}".strip()
    met = {label: _count(report) for label, report in reports.items()}
    return Section(
        TITLE,
        "What each sky has, and whether that meets the goal. Met: "
        + "; ".join(f"{label} {yes} of {of}" for label, (yes, of) in met.items())
        + ". Floor and real, apart are those of the first; each report has its own.",
        list(rows.values()),
    )


def _count(report: Report) -> tuple[int, int]:
    """Goals met, and goals measured."""
    met = [row["met"] for s in report.sections if s.title == TITLE for row in s.rows]
    return sum(m is True for m in met), sum(m is not None for m in met)


class _Measured:
    """The rows and verdicts of a report's sections."""

    def __init__(self, sections: Sequence[Section]) -> None:
        rows = [row for s in sections for row in s.rows]
        self._rows = {(row.get("measure"), row.get("band")): row for row in rows}
        self._passed = {v.measure: v.passed for s in sections for v in s.verdicts}
        self._aucs = {
            (s.title, row["compared"]): Scatter.of_row(row)
            for s in sections
            for row in s.rows
            if "seeds" in row
        }

    def row(self, measure: str, band: str | None = None) -> Row | None:
        return self._rows.get((measure, band))

    def passed(self, measure: str, band: str) -> bool | None:
        return self._passed.get(f"{measure}, {band}")

    def auc(self, title: str, compared: str) -> Scatter | None:
        return self._aucs.get((title, compared))


def _row(
    what: str, band: str | None, published: Any, found: Row | None, floor: str, wanted: str, met: bool | None
) -> Row:
    """One goal; `floor` is the column of `found` that is the floor."""
    known = found or {}
    return {
        "goal": what,
        "band": band,
        "published": published,
        "found": known.get("generated", "not measured"),
        "error": known.get("error"),
        "floor": known.get(floor),
        "real, apart": known.get("real, apart"),
        "wanted": wanted,
        "met": met,
    }


def _shapes(table: _Measured) -> Iterator[Row]:
    found = table.row(MEAN_WASSERSTEIN)
    met = None if found is None else bool(found["generated"] <= found["floor 50%"])
    published = f"{HOLZSCHUH:g} (others' best)"
    title = "mean Wasserstein, morphology"
    yield _row(title, None, published, found, "floor 50%", "at most the floor's median", met)


def _magnitudes(table: _Measured, bands: Sequence[str]) -> Iterator[Row]:
    # The published bands are others: theirs stand beside a sky of as many, in order of wavelength.
    published = PUBLISHED_KS_P if len(bands) == PUBLISHED_BANDS else (None,) * len(bands)
    for band, published_p in zip(bands, published, strict=True):
        found = table.row(KS_P, band)
        met = None if found is None else bool(found["generated"] >= found["floor 25%"])
        yield _row("KS p, magnitudes", band, published_p, found, "floor 25%", "at least the floor's 25%", met)
    for band in bands:
        found = table.row(MEDIAN, band)
        met = None if found is None else bool(found["generated"] <= max(_MEDIAN, found["floor 95%"]))
        goal = f"{_MEDIAN:g}, or inside the floor (95%)"
        yield _row("median magnitude, |difference|", band, PUBLISHED_MEDIAN, found, "floor 95%", goal, met)


def _classifiers(table: _Measured) -> Iterator[Row]:
    found, floor = (table.auc(sources.TITLE, name) for name in (sources.GENERATED, sources.FLOOR))
    most = None if floor is None else sources.source_limit(floor)
    apart = table.auc(sources.TITLE, sources.APART)
    yield _auc("AUC of features, source by source", found, floor, apart, most, FEATURE_SIGMAS)
    found, floor = (table.auc(classifier.TITLE, name) for name in (classifier.GENERATED, classifier.FLOOR))
    most = None if found is None or floor is None else limit(found, floor, FIELD_SIGMAS)
    apart = table.auc(classifier.TITLE, classifier.APART)
    yield _auc("AUC of the field's classifier", found, floor, apart, most, FIELD_SIGMAS)


def _auc(
    title: str,
    found: Scatter | None,
    floor: Scatter | None,
    apart: Scatter | None,
    most: float | None,
    sigmas: float,
) -> Row:
    wanted = f"within {sigmas:g} sigma of the floor" + ("" if most is None else f": at most {most:.3f}")
    if found is None or floor is None or most is None:
        return _row(title, None, "not reported", None, "", wanted, None)
    known = {"generated": found.mean, "error": found.sigma, "floor": floor.mean}
    known["real, apart"] = None if apart is None else apart.mean  # type: ignore
    return _row(title, None, "not reported", known, "floor", wanted, bool(found.mean <= most))


def _colours(table: _Measured, bands: Sequence[str]) -> Iterator[Row]:
    for pair in (f"{a}-{b}" for a, b in colours(tuple(bands))):
        found = table.row(f"{pair}, KS D")
        met = None if found is None else bool(found["generated"] <= found["floor 95%"])
        yield _row(f"colour {pair}, KS D", None, None, found, "floor 95%", "inside the floor (95%)", met)


def _noise(table: _Measured, bands: Sequence[str]) -> Iterator[Row]:
    for measure in (*NOISE, SPIKE, IN_PHASE):
        lattice = measure in (SPIKE, IN_PHASE)
        wanted = "none above the real field's" if lattice else "holds: the report's rule"
        for band in bands:
            met = table.passed(measure, band)
            published = "plainly visible" if lattice else None
            yield _row(measure, band, published, table.row(measure, band), "floor 95%", wanted, met)


def _network(bands: int, model: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the goals of the network itself, as far as they can be read off here."""
    if (minutes := model.get("minutes")) is not None:
        title = f"fit and training, minutes on {model.get('device') or 'a device that was not noted'}"
        wanted = f"{_MINUTES:g} of {PUBLISHED_BANDS} bands on 2 CPU cores (published: on GPUs)"
        met = bool(minutes <= _MINUTES) if bands == PUBLISHED_BANDS else None
        yield _row(title, None, 60 * PUBLISHED_GPU_HOURS, {"generated": float(minutes)}, "", wanted, met)
    if (speed := model.get("mpix_s")) is not None:
        wanted = f"{_MPIX_S:g} of {PUBLISHED_BANDS} bands on 2 CPU cores"
        title = f"painting, Mpix/s on {model['painted_on']}"
        met = bool(speed >= _MPIX_S) if bands == PUBLISHED_BANDS else None
        yield _row(title, None, PUBLISHED_MPIX_S, {"generated": float(speed)}, "", wanted, met)
