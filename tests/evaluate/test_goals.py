"""The goals: met and missed as the numbers of the report say."""

from __future__ import annotations

import pytest

from mockforge.evaluate.report.report import Report, Row, Section, Verdict
from mockforge.evaluate.sky import classifier, sources
from mockforge.evaluate.sky.counts import KS_P, MEDIAN
from mockforge.evaluate.sky.goals import goals_compared, goals_section
from mockforge.evaluate.sky.morphology import MEAN_WASSERSTEIN
from mockforge.evaluate.sky.noise import IN_PHASE, NOISE, SPIKE
from mockforge.evaluate.sky.scatter import Scatter

BANDS = ("g", "r", "Z")
GOOD = {
    "p": 0.2,
    "median": 0.015,
    "noise": True,
    "shapes": 0.03,
    "source": 0.52,
    "field": 0.54,
    "colour": 0.1,
}


def measured(measure: str, value: float, floor: tuple[float, float, float], band: str | None = None) -> Row:
    row = {"measure": measure, "generated": value, "error": 0.01, "real, apart": 0.2}
    row |= dict(zip(("floor 25%", "floor 50%", "floor 95%"), floor, strict=True))
    return row | ({"band": band} if band else {})


def sections(**numbers: float) -> list[Section]:
    """A report in which every band has the same numbers."""
    n = GOOD | numbers
    counts = [measured(KS_P, n["p"], (0.2, 0.5, 0.9), b) for b in BANDS]
    counts += [measured(MEDIAN, n["median"], (0.002, 0.004, 0.015), b) for b in BANDS]
    kinds = (*NOISE, SPIKE, IN_PHASE)
    noise = [measured(m, 1.1, (1.0, 1.1, 1.3), b) for m in kinds for b in BANDS]
    verdicts = [Verdict(f"{m}, {b}", bool(n["noise"]), "") for m in kinds for b in BANDS]
    shapes = [measured(MEAN_WASSERSTEIN, n["shapes"], (0.02, 0.03, 0.05))]
    colours = [measured(f"{c}, KS D", n["colour"], (0.03, 0.05, 0.1)) for c in ("g-r", "r-Z")]
    told = []
    for room, found, floor in ((sources, n["source"], (0.49, 0.51)), (classifier, n["field"], (0.5, 0.54))):
        rows = [Scatter((found, found)).row(room.GENERATED), Scatter(floor).row(room.FLOOR)]
        told.append(Section(room.TITLE, rows=rows))
    return [Section("c", rows=counts), Section("m", rows=shapes), Section("k", rows=colours),
            Section("n", rows=noise, verdicts=verdicts), *told]  # fmt: skip


def met(rows: list[Row]) -> dict[str, list[bool | None]]:
    out: dict[str, list[bool | None]] = {}
    for row in rows:
        out.setdefault(row["goal"], []).append(row["met"])
    return out


@pytest.mark.parametrize(
    ("numbers", "missed"),
    [
        ({}, set()),
        ({"p": 0.19}, {"KS p, magnitudes"}),
        ({"median": 0.016}, {"median magnitude, |difference|"}),
        ({"noise": False}, {*NOISE, SPIKE, IN_PHASE}),
        ({"shapes": 0.031}, {"mean Wasserstein, morphology"}),  # the floor's median
        (
            {"source": 0.521},
            {"AUC of features, source by source"},
        ),  # 2 sigma of all: 0.5 + 2 * 0.0141 / 1.414
        ({"field": 0.55}, {"AUC of the field's classifier"}),  # 1 sigma: 0.52 + 0.028
        ({"colour": 0.101}, {"colour g-r, KS D", "colour r-Z, KS D"}),
    ],
)
def test_each_goal_is_met_or_missed_by_its_own_number(numbers, missed):
    found = met(goals_section(sections(**numbers), BANDS, {}).rows)
    assert {goal for goal, values in found.items() if not all(values)} == missed
    assert len(found) == 13 and len(found["KS p, magnitudes"]) == 3


def test_floor_and_real_apart_stand_beside_each_goal():
    rows = goals_section(sections(), BANDS, {}).rows
    shapes = next(r for r in rows if r["goal"] == "mean Wasserstein, morphology")
    assert (shapes["found"], shapes["floor"], shapes["real, apart"]) == (0.03, 0.03, 0.2)
    by_field = next(r for r in rows if r["goal"] == "AUC of the field's classifier")
    assert by_field["floor"] == pytest.approx(0.52) and "at most 0.548" in by_field["wanted"]


def test_a_network_is_held_to_cost_and_speed():
    model = {"minutes": 12.0, "device": "CPU", "mpix_s": 2.0, "painted_on": "2 CPU threads"}
    found = met(goals_section([], BANDS, model).rows)
    assert found["fit and training, minutes on CPU"] == [True]
    assert found["painting, Mpix/s on 2 CPU threads"] == [False]
    nine = met(goals_section([], tuple("ugriZYJHK"), model).rows)
    assert nine["painting, Mpix/s on 2 CPU threads"] == [None]  # the goal is of three bands


def test_what_was_not_measured_is_neither_met_nor_missed():
    section = goals_section([], BANDS, {})
    assert section.rows
    assert all(r["found"] == "not measured" and r["met"] is None for r in section.rows)
    assert section.passed is None  # goals do not decide a report


def test_several_skies_stand_in_one_table():
    one, two = (Report("t", [goals_section(sections(shapes=v), BANDS, {})]) for v in (0.03, 0.7))
    table = goals_compared({"new": one, "old": two})
    row = next(r for r in table.rows if r["goal"] == "mean Wasserstein, morphology")
    assert row["new"] == "0.03 yes" and row["old"] == "0.7 no" and row["floor"] == 0.03
    assert "new 29 of 29" in table.text and "old 28 of 29" in table.text
