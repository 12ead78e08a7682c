"""A report: the same content on the terminal, in JSON and in one HTML file."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.evaluate.report.report import Report, Section, Verdict, as_text

PNG = b"\x89PNG\r\n\x1a\nnot really"


def report() -> Report:
    rows = [{"band": "g", "D": np.float32(0.25), "n": np.int64(3)}, {"band": "<r>", "p": float("nan")}]
    good = Verdict("KS", True, "D 0.25 <= 0.30")
    bad = Verdict("median", False, "0.2 > 0.1")
    return Report(
        "generated against real",
        [Section("counts", "One.\n\nTwo.", rows, {"a & b": PNG}, [good, bad]), Section("pictures")],
        {"seed": 3, "blocks": (1, 2)},
    )


def test_verdicts_join_to_one_word() -> None:
    whole = report()
    assert whole.passed is False and whole.sections[1].passed is None
    whole.sections[0].verdicts.pop()
    assert whole.passed is True
    assert Report("empty").passed is None


def test_lines_align_the_table_and_name_each_verdict() -> None:
    lines = report().lines()
    assert "counts: FAIL" in lines
    header = next(line for line in lines if "band" in line)
    row = next(line for line in lines if "0.25" in line and "D" not in line)
    assert header.index("D") == row.index("0.25")
    assert "  FAIL  median: 0.2 > 0.1" in lines and lines[-1] == "overall: FAIL"


def test_files_are_whole_and_html_stands_alone(tmp_path) -> None:
    files = report().write(tmp_path / "new")
    assert sorted(p.name for p in (tmp_path / "new").iterdir()) == ["report.html", "report.json"]
    read = json.loads(files[0].read_text())
    assert read["passed"] is False and read["facts"] == {"seed": 3, "blocks": [1, 2]}
    assert read["sections"][0]["rows"][1] == {"band": "<r>", "p": None}
    page = files[1].read_text()
    assert "&lt;r&gt;" in page and "<r>" not in page
    assert not re.search(r"(src|href)=\"(?!data:|#)", page)
    assert "<p>Two.</p>" in page


def test_a_folder_that_cannot_be_is_a_sentence(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="cannot be written"):
        report().write(tmp_path / "file" / "out")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (float("nan"), ""),
        (True, "yes"),
        (0.123456, "0.1235"),
        (12345.6, "12346"),
        ((1, 2.5), "1, 2.5"),
    ],
)
def test_cells(value, text) -> None:
    assert as_text(value) == text
