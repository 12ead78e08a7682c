"""The goals of a sky's fidelity, each compared with what this evaluation measured.

A goal is stricter than the rules a report passes by: it is what a network is made for, and one
that is out of reach of the real field itself says so, since its floor stands beside it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mockforge.evaluate.report.report import Row, Section
from mockforge.evaluate.sky.counts import KS_P, MEDIAN
from mockforge.evaluate.sky.morphology import HOLZSCHUH, MEAN_WASSERSTEIN
from mockforge.evaluate.sky.noise import IN_PHASE, SPIKE

TITLE = "Goals"
PUBLISHED_BANDS = 3
"""Of Smith & Geach 2019, MNRAS 490, 4985; so are the other published numbers without a name."""
PUBLISHED_KS_P = (0.16, 0.63, 0.75)
PUBLISHED_MEDIAN = 0.02
PUBLISHED_GPU_HOURS = 1280.0
PUBLISHED_MPIX_S = 0.5
"""About that, of the published network in Keras on two CPU cores."""
_MEDIAN = 0.01
_OVER_FLOOR = 1.5
_AUC = (0.70, 0.60)
_BANDS = 9
_GPU_HOURS = 1.0
_MPIX_S = 3.0


def goals_section(sections: Sequence[Section], bands: Sequence[str], model: Mapping[str, Any]) -> Section:
    """One row per goal: published, measured, the real field's floor, wanted, and whether it is met.

    `sections` are those of the same report. `model` says of the network that painted the pixels
    what is known: its training's `hours` and `device`, `mpix_s` painted a second and on what
    (`painted_on`); empty where no network did.
    """
    table = _Measured(sections)
    rows = [*_magnitudes(table, bands), *_lattice(table, bands), *_shapes(table), *_classifier(table)]
    return Section(
        TITLE,
        "The goals of a painted sky, beside published values (Smith & Geach 2019; morphology: Holzschuh "
        "et al. 2022). The goals are stricter than the rules this report passes by, and do not decide it: of "
        "a perfect sky, too, a quarter of the bands are below the 25th percentile of the floor's KS p. The "
        "floor is the real field against itself.",
        [*rows, *_network(len(bands), model)],
    )


class _Measured:
    """The rows and verdicts of a report's sections."""

    def __init__(self, sections: Sequence[Section]) -> None:
        rows = [row for s in sections for row in s.rows]
        self._rows = {(row.get("measure", row.get("compared")), row.get("band")): row for row in rows}
        self._passed = {v.measure: v.passed for s in sections for v in s.verdicts}

    def row(self, measure: str, band: str | None = None) -> Row | None:
        return self._rows.get((measure, band))

    def passed(self, measure: str, band: str) -> bool | None:
        return self._passed.get(f"{measure}, {band}")


def _row(
    what: str, band: str | None, published: Any, found: Row | None, floor: str, wanted: str, met: bool | None
) -> Row:
    """One goal; `floor` is the column of `found` that is the floor."""
    return {
        "goal": what,
        "band": band,
        "published": published,
        "found": "not measured" if found is None else found["generated"],
        "error": None if found is None else found.get("error"),
        "floor": None if found is None else found.get(floor),
        "wanted": wanted,
        "met": met,
    }


def _magnitudes(table: _Measured, bands: Sequence[str]) -> Iterator[Row]:
    # The published bands are others: theirs stand beside a sky of as many, in order of wavelength.
    published = PUBLISHED_KS_P if len(bands) == PUBLISHED_BANDS else (None,) * len(bands)
    for band, published_p in zip(bands, published, strict=True):
        measured = table.row(KS_P, band)
        met = None if measured is None else measured["generated"] >= measured["floor 25%"]
        yield _row(
            "KS p, magnitudes", band, published_p, measured, "floor 25%", "at least the floor's 25%", met
        )
    for band in bands:
        measured = table.row(MEDIAN, band)
        met = None if measured is None else measured["generated"] <= max(_MEDIAN, measured["floor 95%"])
        goal = f"{_MEDIAN:g}, or inside the floor (95%)"
        yield _row("median magnitude, |difference|", band, PUBLISHED_MEDIAN, measured, "floor 95%", goal, met)


def _lattice(table: _Measured, bands: Sequence[str]) -> Iterator[Row]:
    for measure in (SPIKE, IN_PHASE):
        for band in bands:
            measured, met = table.row(measure, band), table.passed(measure, band)
            yield _row(
                measure, band, "plainly visible", measured, "floor 95%", "none above the real field's", met
            )


def _shapes(table: _Measured) -> Iterator[Row]:
    measured = table.row(MEAN_WASSERSTEIN)
    goal = f"under {HOLZSCHUH:g}, and under {_OVER_FLOOR:g} times the floor (50%)"
    met = (
        None
        if measured is None
        else measured["generated"] < min(HOLZSCHUH, _OVER_FLOOR * measured["floor 50%"])
    )
    title = "mean Wasserstein, morphology"
    yield _row(title, None, f"{HOLZSCHUH:g} (others' best)", measured, "floor 50%", goal, met)


def _classifier(table: _Measured) -> Iterator[Row]:
    measured, floor = table.row("generated"), table.row("floor")
    if measured is not None and floor is not None:
        measured = {"generated": measured["AUC"], "error": measured["error"], "floor": floor["AUC"]}
    for most in _AUC:
        met = None if measured is None else measured["generated"] < most
        yield _row("classifier AUC", None, "not reported", measured, "floor", f"under {most:.2f}", met)


def _network(bands: int, model: Mapping[str, Any]) -> Iterator[Row]:
    """Yield the goals of the network itself, as far as they can be read off here."""
    goal = str(_BANDS)
    yield _row("bands", None, PUBLISHED_BANDS, {"generated": bands}, "", goal, bands >= _BANDS)
    if (hours := model.get("hours")) is not None:
        title = f"training, hours on {model.get('device', 'a device that was not noted')}"
        goal = f"under {_GPU_HOURS:g} on one GPU (published: GPU hours)"
        measured: Row = {"generated": float(hours)}
        yield _row(title, None, PUBLISHED_GPU_HOURS, measured, "", goal, float(hours) < _GPU_HOURS)
    if (speed := model.get("mpix_s")) is not None:
        goal = f"{_MPIX_S:g} of {PUBLISHED_BANDS} bands on 2 CPU cores"
        title = f"painting, Mpix/s on {model['painted_on']}"
        met = bool(speed >= _MPIX_S) if bands == PUBLISHED_BANDS else None
        yield _row(title, None, PUBLISHED_MPIX_S, {"generated": float(speed)}, "", goal, met)
