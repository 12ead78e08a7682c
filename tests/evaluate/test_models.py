"""Models of a published network against a real field: as they paint, their card, several at once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.evaluate.sky.fields import GeneratedFrom, evaluate_fields
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.reference import ReferencePart
from mockforge.evaluate.sky.skies import evaluate_skies
from tests.builders.painted_sky import BANDS
from tests.builders.untrained import untrained

FAST = Settings(
    block=64, splits=6, bootstraps=3, morphology_objects=0, classifier_blocks=0, source_seeds=0, controls=0
)


def test_a_published_model_is_evaluated_as_it_paints(tmp_path, real):
    path = untrained(tmp_path, "published", BANDS)
    real.write(tmp_path / "real.fits")
    report = evaluate_fields(
        tmp_path / "real.fits", GeneratedFrom(path), ReferencePart((224, 448)),
        settings=replace(FAST, controls=256), out=tmp_path / "out", card=tmp_path / "card",
    )  # fmt: skip
    assert report.passed is False and "painted by the model" in report.facts["noise"]
    assert not any(s.title == "Controls" for s in report.sections)  # it has none
    facts = json.loads((tmp_path / "out" / "report.json").read_text())["facts"]
    assert facts["noise"] == report.facts["noise"]
    assert "smith2019" in (tmp_path / "card" / "published.md").read_text()
    goals = next(s for s in report.sections if s.title == "Goals").rows
    assert next(r["found"] for r in goals if r["goal"] == "fit and training, minutes on CPU") == 6.0


def test_several_models_stand_in_one_table_with_a_report_each(tmp_path, real):
    real.write(tmp_path / "real.fits")
    sources = {name: GeneratedFrom(untrained(tmp_path / name, name, BANDS)) for name in ("one", "two")}
    report = evaluate_skies(
        tmp_path / "real.fits", sources, ReferencePart((224, 448)),
        settings=replace(FAST, pictures=False), out=tmp_path / "out",
    )  # fmt: skip
    assert report.sections[0].title == "Goals" and report.passed is False
    assert {"one", "two", "floor", "real, apart"} <= set(report.sections[0].columns())
    assert all((tmp_path / "out" / name / "report.html").exists() for name in (".", "one", "two"))


def test_a_card_is_a_models(tmp_path, real):
    real.write(tmp_path / "real.fits")
    with pytest.raises(InputError, match="card is that of a model"):
        evaluate_fields(tmp_path / "real.fits", GeneratedFrom(field=tmp_path / "real.fits"), card=tmp_path)


def test_the_command_writes_a_card(tmp_path, real, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real.write(tmp_path / "real.fits")
    untrained(tmp_path / "m", "tiny", BANDS)
    words = ["evaluate", "--model", "m", "--reference", "real.fits"]
    words += ["--quick", "--quiet", "--rows", "224:448"]
    result = CliRunner().invoke(app, [*words, "--card", "card"])
    assert result.exit_code == 0, result.output
    assert "painted by the model" in (tmp_path / "card" / "tiny.md").read_text()
    wrong = CliRunner().invoke(app, ["evaluate", "--dataset", "m", "--card", "other"])
    assert wrong.exit_code == 2 and "--card" in wrong.stderr and not (tmp_path / "other").exists()
    several = CliRunner().invoke(app, [*words, "--skies", "2", "--out", "two"])
    assert several.exit_code == 0 and "m-seed-2" in several.output
    assert (tmp_path / "two" / "m-seed-1" / "report.json").exists()


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["--halves", "0:9,9:20"], "give the other model too"),
        (["--other", "m", "--skies", "2"], "one --model and one sky"),
        (["--other", "m"], "such as 0:975,975:1950"),
        (["--other", "m", "--halves", "0:300,200:400"], "none of them in both"),
        (["--model", "n/m"], "different names"),
        (["--skies", "2", "--card", "c"], "card of one model"),
    ],
)
def test_what_does_not_go_together_is_a_sentence(tmp_path, real, monkeypatch, more, said):
    monkeypatch.chdir(tmp_path)
    real.write(tmp_path / "real.fits")
    untrained(tmp_path / "m", "tiny", BANDS)
    words = ["evaluate", "--model", "m", "--reference", "real.fits", "--quick", "--quiet"]
    result = CliRunner().invoke(app, [*words, *more])
    assert result.exit_code == 2 and said in " ".join(result.stderr.split())
