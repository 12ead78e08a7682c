"""The whole evaluation: passes a fresh realisation of the same sky, fails what is bad."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.evaluate.report.report import Report
from mockforge.evaluate.sky.fields import GeneratedFrom, evaluate_fields, evaluate_pixels
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.generated import Generated, from_model
from mockforge.evaluate.sky.reference import ReferencePart
from mockforge.field.field import Field
from mockforge.sgan.model import load_model
from tests.builders.painted_sky import BANDS, RMS, sky
from tests.builders.untrained import untrained

WHOLE = Settings(
    block=64, splits=20, bootstraps=4, morphology_objects=14, morphology_snr=30.0, memory_snr=30.0,
    classifier_epochs=4, classifier_folds=3, classifier_seeds=1, source_seeds=0,
)  # fmt: skip
SMALL = replace(WHOLE, morphology_objects=0, pictures=False)
QUICK = replace(SMALL, classifier_blocks=0)
ROWS = (224, 448)


@pytest.fixture(scope="module")
def fresh() -> np.ndarray:
    """Another sky of the same kind, of the reference's size."""
    return sky(2, ROWS[1] - ROWS[0], 512)


def evaluated(real: Field, image: np.ndarray, settings: Settings = SMALL, rows=ROWS) -> Report:
    made = Generated([image], [None], BANDS, "nJy", np.zeros((1, 2), dtype=int), "test pixels")
    return evaluate_pixels(real, made, ReferencePart(rows), settings=settings)


def failed(report: Report) -> set[str]:
    """Titles of the sections that fail, and the measures."""
    return {s.title for s in report.sections if s.passed is False} | {
        v.measure for s in report.sections for v in s.verdicts if not v.passed
    }


def test_a_fresh_realisation_of_the_same_sky_passes(real, fresh):
    report = evaluated(real, fresh)
    assert not failed(report) and report.passed is True
    goals, *others = report.sections
    assert goals.title == "Goals"
    assert len(others) == 7 and all(s.verdicts for s in others)


@pytest.mark.slow
def test_a_whole_report_with_morphology_and_pictures(real, fresh, tmp_path):
    report = evaluated(real, fresh, WHOLE)
    assert not failed(report) and report.passed is True
    titles = [s.title for s in report.sections]
    assert titles[0] == "Side by side" and "Morphology" in titles and len(titles) == 10
    page = report.write(tmp_path)[1].read_text()
    assert page.count("data:image/png;base64,") == 10
    key = next(v for k, v in report.facts.items() if k.startswith("key"))
    assert {"R", "G"} <= set(key) and len(key.replace(" / ", "")) <= 100


def test_smoothed_noise_fails(real, fresh):
    from scipy.ndimage import gaussian_filter

    smooth = np.stack([gaussian_filter(band, 1.0) for band in fresh])
    smooth *= (RMS / (1.4826 * np.median(np.abs(smooth), axis=(1, 2))))[:, None, None]
    bad = failed(evaluated(real, smooth.astype(np.float32)))
    assert {"Noise", "autocorrelation, g", "Two-sample classifier"} <= bad


def test_shuffled_pixels_fail(real, fresh):
    order = np.random.Generator(np.random.Philox(3)).permutation(fresh[0].size)
    shuffled = fresh.reshape(2, -1)[:, order].reshape(fresh.shape)
    bad = failed(evaluated(real, shuffled, QUICK))
    assert {"Counts and magnitudes", "autocorrelation, g"} <= bad


def test_a_copied_training_image_fails_by_memory_alone(real):
    bad = failed(evaluated(real, real.image[:, : ROWS[0]]))
    assert bad == {"Memorisation", "share of near copies", "nearest of all"}


def test_an_untrained_network_fails(real, tmp_path):
    model = load_model(untrained(tmp_path, "untrained", BANDS))
    made = from_model(model, (ROWS[1] - ROWS[0], 512), 1)
    report = evaluate_pixels(real, made, ReferencePart(ROWS), settings=QUICK)
    assert {"Counts and magnitudes", "Noise"} <= failed(report)
    report.as_html()


def test_pixels_without_noise_are_a_failed_report(real):
    report = evaluated(real, np.zeros((2, 224, 512), dtype=np.float32))
    assert report.passed is False and "no noise" in "\n".join(report.lines())


def test_a_grating_and_a_lattice_of_positions_fail(real, fresh):
    """The fingerprint of a stride, in the noise and in the places of the sources."""
    x = np.arange(512)
    marked = fresh + (1.5 * np.cos(2 * np.pi * x / 8)).astype(np.float32)
    assert "lattice, in phase, g" in failed(evaluated(real, marked, QUICK))


def test_the_same_seed_gives_the_same_report(real, fresh):
    one, two = (evaluated(real, fresh, QUICK, rows=None) for _ in range(2))
    one.facts["seconds"] = two.facts["seconds"]
    assert one.as_json() == two.as_json()
    assert one.passed is True  # without rows the whole field is the reference
    assert "each of its objects against the others" in one.sections[-1].text


def test_from_files_to_a_report(real, fresh, tmp_path):
    real.write(tmp_path / "real.fits")
    replace(real, image=fresh).write(tmp_path / "made.fits")
    report = evaluate_fields(
        tmp_path / "real.fits",
        GeneratedFrom(field=tmp_path / "made.fits"),
        ReferencePart(ROWS),
        out=tmp_path / "out",
        settings=QUICK,
    )
    assert report.passed is True and report.facts["reference"] == ["real.fits"]
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["report.html", "report.json"]


def test_wrong_input_is_a_sentence(real, fresh, tmp_path):
    real.write(tmp_path / "real.fits")
    here = tmp_path / "real.fits"
    with pytest.raises(InputError, match="one of --model, --dataset and --field"):
        evaluate_fields(here, GeneratedFrom())
    with pytest.raises(InputError, match="rows 0 to 448"):
        evaluate_fields(here, GeneratedFrom(field=here), ReferencePart((400, 500)))
    with pytest.raises(InputError, match="columns 0 to 512"):
        evaluate_fields(here, GeneratedFrom(field=here), ReferencePart(masked_columns=[(500, 600)]))
    with pytest.raises(InputError, match="at least 64 x 64"):
        evaluated(real, fresh[:, :40])
    other = Generated([fresh], [None], ("r", "i"), "nJy", np.zeros((1, 2), dtype=int), "FILE")
    with pytest.raises(InputError, match="--bands r,i"):
        evaluate_pixels(real, other)
