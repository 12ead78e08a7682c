"""Sources one by one: the same kind of source passes, a lattice's arcs fail, whatever the noise."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.sample import Sample, Window, measure_sample
from mockforge.evaluate.sky.scatter import Scatter, limit
from mockforge.evaluate.sky.sources import (
    APART,
    FLOOR,
    GENERATED,
    fwhm_of,
    source_limit,
    sources_section,
)
from mockforge.rng import Stream
from tests.builders.standing_sources import arc, disk, standing

BANDS = ("g", "r")
FAST = Settings(source_seeds=3)


def measured(seed: int, profile, windows=None) -> Sample:
    image, truth = standing(seed, profile)
    return replace(measure_sample([image], BANDS, side=128, windows=windows), truths=[truth])


@pytest.fixture(scope="module")
def real() -> Sample:
    return measured(1, disk, [Window(0, 0, 400), Window(0, 400, 900, False)])


def test_other_sources_of_the_same_kind_pass(real):
    section = sources_section(real, measured(2, disk), FAST, Stream(1, ("same",)))
    rows = {row["compared"]: row for row in section.rows if "compared" in row}
    assert section.passed is True and set(rows) >= {GENERATED, FLOOR, APART}
    assert rows[GENERATED]["AUC"] == pytest.approx(0.5, abs=0.12)
    assert len(rows[FLOOR]["seeds"]) == 6


def test_arcs_fail_with_and_without_a_truth(real):
    made = measured(3, arc)
    for sample in (made, replace(made, truths=())):
        section = sources_section(real, sample, FAST, Stream(1, ("arcs",)))
        assert section.passed is False
        assert next(r["AUC"] for r in section.rows if r.get("compared") == GENERATED) > 0.9
    assert "on their own sky" in section.text
    told = [row for row in section.rows if "feature" in row]
    assert len(told) == 6 and told[0]["KS D"] >= told[-1]["KS D"] > 0.3


def test_the_noise_of_the_painted_sky_tells_nothing(real):
    """A truth is added to the real sky: noise in its own image does not enter."""
    image, truth = standing(2, disk)
    noisier = truth + 1.3 * (image - truth)
    made = replace(measure_sample([noisier.astype(np.float32)], BANDS, side=128), truths=[truth])
    assert sources_section(real, made, FAST, Stream(1, ("same",))).passed is True


def test_too_few_sources_are_a_sentence():
    image, truth = standing(4, disk, side=400)
    few = replace(measure_sample([image], BANDS, side=128), truths=[truth])
    section = sources_section(few, few, FAST, Stream(1, ("few",)))
    assert section.passed is None and "Not measured" in section.text


def test_the_unit_of_length_is_that_of_compact_sources(real):
    assert 3.0 < fwhm_of(real) < 5.0


def test_limits_are_sigmas_above_a_floor_that_is_chance_at_least():
    floor = Scatter((0.48, 0.52))
    assert source_limit(floor) == pytest.approx(0.5 + 2 * floor.sigma / np.sqrt(2))
    assert source_limit(Scatter((0.38, 0.42))) == pytest.approx(0.5 + 2 * floor.sigma / np.sqrt(2))
    assert limit(Scatter((0.6,)), Scatter((0.51,)), 1.0) == pytest.approx(0.51)
    assert limit(Scatter((0.6, 0.6), 0.03), Scatter((0.51, 0.51), 0.04), 1.0) == pytest.approx(0.56)
    row = floor.row("floor")
    assert Scatter.of_row(row).sigma == pytest.approx(floor.sigma)
