"""Two halves: a model that copies its half is found, one that has learned the kind is not."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.halves import Halves, halves_section
from mockforge.evaluate.sky.sample import Sample, Window, measure_sample
from mockforge.rng import Stream
from tests.builders.painted_sky import BANDS, sky

SETTINGS = Settings(memory_snr=20.0)
ROWS = ((0, 250), (250, 500))


@pytest.fixture(scope="module")
def field() -> np.ndarray:
    return sky(1, 700, 400)


@pytest.fixture(scope="module")
def real(field) -> Sample:
    windows = [Window(0, 500, 700), Window(0, 0, 500, False)]
    return measure_sample([field], BANDS, side=64, windows=windows)


def measured(image: np.ndarray) -> Sample:
    return measure_sample([np.ascontiguousarray(image)], BANDS, side=64)


def judged(real: Sample, one: Sample, two: Sample):
    return halves_section(real, [one, two], ROWS, SETTINGS, Stream(1, ("halves",)).numpy())


def test_models_that_have_learned_the_kind_pass(real):
    section = judged(real, measured(sky(3, 250, 400)), measured(sky(4, 250, 400)))
    assert section.passed is True and len(section.verdicts) == 4
    assert any(r["measure"] == "other: median distance to what the other model painted" for r in section.rows)


def test_a_model_that_copies_its_half_fails_and_the_other_does_not(real, field):
    copied = measured(field[:, :250, ::-1])
    found = {v.measure: v.passed for v in judged(real, copied, measured(sky(4, 250, 400))).verdicts}
    assert found["model, not nearer to its own half"] is False and found["model, share of copies"] is False
    assert found["other, not nearer to its own half"] is True and found["other, share of copies"] is True


def test_without_rows_of_neither_half_nothing_is_judged(real):
    rows = ((0, 350), (350, 700))
    one = measured(sky(3, 250, 400))
    section = halves_section(real, [one, one], rows, SETTINGS, Stream(1, ("x",)).numpy())
    assert section.passed is None and "Too few" in section.text


@pytest.mark.parametrize("rows", [((0, 300), (200, 500)), ((0, 300), (300, 800)), ((9, 9), (10, 20))])
def test_halves_lie_in_the_field_and_apart(rows):
    with pytest.raises(InputError, match="none of them in both"):
        Halves("other", rows).check(700)
