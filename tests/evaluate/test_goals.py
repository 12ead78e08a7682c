"""The goals: met and missed as the numbers of the report say."""

from __future__ import annotations

import pytest

from mockforge.evaluate.report.report import Row, Section, Verdict
from mockforge.evaluate.sky.counts import KS_P, MEDIAN
from mockforge.evaluate.sky.goals import goals_section
from mockforge.evaluate.sky.morphology import HOLZSCHUH, MEAN_WASSERSTEIN
from mockforge.evaluate.sky.noise import IN_PHASE, SPIKE

BANDS = ("g", "r", "Z")


def measured(measure: str, value: float, floor: tuple[float, float, float], band: str | None = None) -> Row:
    row = {"measure": measure, "generated": value, "error": 0.01, "real, apart": 0.0}
    row |= dict(zip(("floor 25%", "floor 50%", "floor 95%"), floor, strict=True))
    return row | ({"band": band} if band else {})


def sections(p: float, median: float, spike: bool, wasserstein: float, auc: float) -> list[Section]:
    """A report in which every band has the same numbers."""
    counts = [measured(KS_P, p, (0.2, 0.5, 0.9), b) for b in BANDS]
    counts += [measured(MEDIAN, median, (0.002, 0.004, 0.015), b) for b in BANDS]
    noise = [measured(m, 3.0 if spike else 1.1, (1.0, 1.1, 1.3), b) for m in (SPIKE, IN_PHASE) for b in BANDS]
    verdicts = [Verdict(f"{m}, {b}", not spike, "") for m in (SPIKE, IN_PHASE) for b in BANDS]
    told = [{"compared": n, "AUC": a, "error": 0.02} for n, a in (("generated", auc), ("floor", 0.5))]
    shapes = [measured(MEAN_WASSERSTEIN, wasserstein, (0.02, 0.03, 0.05))]
    return [Section("c", rows=counts), Section("m", rows=shapes),
            Section("n", rows=noise, verdicts=verdicts), Section("t", rows=told)]  # fmt: skip


def met(rows: list[Row]) -> dict[str, list[bool | None]]:
    out: dict[str, list[bool | None]] = {}
    for row in rows:
        out.setdefault(row["goal"], []).append(row["met"])
    return out


@pytest.mark.parametrize(
    ("numbers", "missed"),
    [
        ((0.2, 0.015, False, 0.044, 0.59), set()),
        ((0.19, 0.015, False, 0.044, 0.59), {"KS p, magnitudes"}),
        ((0.2, 0.016, False, 0.044, 0.59), {"median magnitude, |difference|"}),
        ((0.2, 0.015, True, 0.044, 0.59), {SPIKE, IN_PHASE}),
        ((0.2, 0.015, False, 0.046, 0.59), {"mean Wasserstein, morphology"}),  # 1.5 times the floor
    ],
)
def test_each_goal_is_met_or_missed_by_its_own_number(numbers, missed):
    found = met(goals_section(sections(*numbers), BANDS, {}).rows)
    assert found.pop("bands") == [False]
    assert found.pop("classifier AUC") == [True, True]
    assert {goal for goal, values in found.items() if not all(values)} == missed
    assert [len(v) for v in found.values()] == [3, 3, 3, 3, 1]


def test_the_better_of_others_is_a_limit_where_the_floor_is_high():
    rows = sections(0.3, 0.0, False, HOLZSCHUH, 0.65)
    rows[1].rows[0]["floor 50%"] = 0.2
    found = met(goals_section(rows, BANDS, {}).rows)
    assert found["mean Wasserstein, morphology"] == [False]
    assert found["classifier AUC"] == [True, False]


def test_a_network_is_held_to_bands_cost_and_speed():
    model = {"hours": 0.4, "device": "NVIDIA H200", "mpix_s": 2.0, "painted_on": "2 CPU threads"}
    found = met(goals_section([], BANDS, model).rows)
    assert found["training, hours on NVIDIA H200"] == [True]
    assert found["painting, Mpix/s on 2 CPU threads"] == [False]
    nine = met(goals_section([], tuple("ugriZYJHK"), model).rows)
    assert nine["bands"] == [True]
    assert nine["painting, Mpix/s on 2 CPU threads"] == [None]  # the goal is of three bands


def test_what_was_not_measured_is_neither_met_nor_missed():
    section = goals_section([], BANDS, {})
    rows = [r for r in section.rows if r["goal"] != "bands"]
    assert rows and all(r["found"] == "not measured" and r["met"] is None for r in rows)
    assert section.passed is None  # goals do not decide a report
