"""The forecast of unrecognised blends: the published rule on places known, and a survey's sky."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.evaluate.forecast.blends import BlendRule, Places, sources_near, unrecognised
from mockforge.evaluate.forecast.forecast import Asked, Tile, forecast, share, steps
from mockforge.label.rule import DetectionRule
from mockforge.rng import Stream


def places(*rows):
    x, y, magnitude = np.array(rows, dtype=float).T
    return Places(x, y, magnitude)


def test_two_sources_under_one_detection_are_a_blend_and_under_two_are_none():
    truth = places((0, 0, 24), (0.5, 0, 25), (10, 0, 24), (10.8, 0, 24))
    detections = places((0.1, 0, 23.7), (10, 0, 24), (10.8, 0, 24))
    assert unrecognised(detections, truth, BlendRule()).tolist() == [True, False, False]
    sources, found = sources_near(detections, truth, BlendRule())
    assert sources.tolist() == [2, 2, 2] and found.tolist() == [1, 2, 2]


@pytest.mark.parametrize(
    ("neighbour", "rule"),
    [
        ((0.5, 0, 26.6), BlendRule()),  # 2.6 mag fainter
        ((0.5, 0, 28.1), BlendRule(magnitude_difference=9)),  # too faint to count at all
        ((1.2, 0, 24.0), BlendRule()),  # too far
    ],
)
def test_sources_that_do_not_count(neighbour, rule):
    assert not unrecognised(places((0, 0, 24)), places((0, 0, 24), neighbour), rule).any()


def test_a_detection_of_nothing_is_no_blend():
    assert not unrecognised(places((50, 50, 24)), places((0, 0, 24)), BlendRule()).any()


def test_a_share_and_its_error_by_tiles():
    rng = np.random.default_rng(1)
    tiles = [Tile(np.full(100, 24.0), rng.random(100) < 0.2, 1.0) for _ in range(50)]
    number, part, error = share(tiles, 23.5, 24.5, Stream(1))
    assert number == 5000 and part == np.mean([t.blend.mean() for t in tiles])
    assert error == pytest.approx((0.2 * 0.8 / 5000) ** 0.5, rel=0.25)
    assert share(tiles, 10, 11, Stream(1))[0] == 0


def test_a_figure_of_few_tiles_joins_magnitudes_until_a_point_is_of_enough():
    magnitude = np.repeat([20.1, 20.7, 21.2, 21.6, 22.1], [10, 15, 8, 40, 5])
    assert steps(magnitude, np.arange(20, 23, 0.5)) == [(20.0, 21.5), (21.5, 22.0)]
    assert steps(magnitude[:20], np.arange(20, 23, 0.5)) == []


@pytest.fixture(scope="module")
def report():
    return forecast(Asked("lsst-10yr", tiles=2, side=256))


def test_a_survey_is_forecast_beside_what_was_published(report):
    by_magnitude, beside = report.sections
    assert sum(row["detections"] for row in by_magnitude.rows) > 60
    assert all(0 <= row["blends"] <= 1 for row in by_magnitude.rows)
    assert beside.rows[0]["its share"] == 0.18 and 0 < beside.rows[1]["this survey"] < 0.6
    assert report.facts["bands"] == "lsst_i"
    assert next(iter(by_magnitude.pictures.values())).startswith(b"\x89PNG")


def test_a_sharper_telescope_joins_fewer(report):
    sharp = forecast(Asked("euclid-wide", tiles=2, side=512))
    row, blurred = sharp.sections[1].rows[1], report.sections[1].rows[1]
    assert row["this survey"] < blurred["this survey"]


def test_nothing_detected_is_a_sentence():
    asked = Asked("lsst-10yr", tiles=2, side=128, detection=DetectionRule(threshold=1e6))
    with pytest.raises(InputError, match="nothing was detected"):
        forecast(asked)


def test_the_command(tmp_path):
    words = ["forecast", "--to", "lsst-10yr", "--tiles", "2", "--size", "128", "--set", "threshold=5", "-q"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "out")])
    assert done.exit_code == 0, done.output
    written = json.loads((tmp_path / "out" / "report.json").read_text())
    assert written["facts"]["threshold, sigma"] == 5.0 and written["facts"]["matched filter"] is True


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--to", "lsst"], "lsst-10yr"),
        (["--to", "lsst-10yr", "--bands", "lsst_q"], "no band 'lsst_q'"),
        (["--to", "lsst-10yr", "--radius", "0"], "--radius: should be above 0"),
        (["--to", "lsst-10yr", "--faintest", "31"], "--faintest: should be between 10 and 28.5"),
        (["--to", "lsst-10yr", "--magnitude-difference", "nan"], "--magnitude-difference: should be above 0"),
        (["--to", "lsst-10yr", "--set", "threshhold=4"], "did you mean 'threshold'"),
    ],
)
def test_bad_words_are_sentences(words, said):
    done = CliRunner().invoke(app, ["forecast", *words])
    assert done.exit_code == 2 and said in done.output, done.output
