"""The page of figures: every row and step has a case, and the table says what was measured."""

from __future__ import annotations

from importlib import import_module

import pytest

from tests.benchmarks.growth import SERIES, case, grown
from tests.benchmarks.measure import Measured
from tests.benchmarks.table import ROWS, markdown


def test_every_row_has_its_cases():
    for row in ROWS.values():
        for module, name in (row.ours, *row.peers.values()):
            assert name in import_module(f"tests.benchmarks.rows.{module}").CASES, (module, name)


def test_every_step_of_growth_has_its_case():
    cases = import_module("tests.benchmarks.rows.growing").CASES
    assert {case(name, step)[1] for name, series in SERIES.items() for step in series.steps} == set(cases)


def test_the_table_says_how_many_times_as_fast():
    found = {
        "scene": {"now": Measured(2.5, 3.0), "before": Measured(5.0, 5.0), "GalSim": Measured(50.0, 50.0)},
        "blends": {"now": Measured(1.0, 1.0, 64), "BTK, HST": Measured(2.0, 2.0, 64)},
    }
    text = markdown(found, "a machine")
    assert "| 5 s | 2.5 s | 2 | GalSim 50 s (20×) | 2 s, not reached |" in text
    assert "|  | 64 blends/s |  | BTK, HST 32 blends/s (2×) | 60 blends/s, reached |" in text


def test_growth_is_the_exponent_of_the_last_step():
    measured = {1.0: Measured(1.0, 1.0), 2.0: Measured(2.0, 1.0), 4.0: Measured(8.0, 1.0)}

    def of(asked: tuple[str, str]) -> Measured | None:
        return measured.get(float(asked[1].split()[1]))

    assert "| 2.00 (1) |" in grown(["density"], of)


def test_what_cannot_be_measured_is_said(capsys):
    main = pytest.importorskip("tests.benchmarks.__main__")
    assert main.measured(("recipes", "no such case")) is None
    assert "no such case" in capsys.readouterr().err
