"""A learned sky from a FITS file, through all stages, by its recipe."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mockforge import Sky
from mockforge.errors import InputError
from mockforge.recipe.read import load_training
from mockforge.sgan.model import load_model
from tests.builders.tiny_forge import tiny_forge

SIDE = 224


@pytest.fixture(scope="module")
def field(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A painted field of one band as a FITS file: what was learned is known."""
    path = tmp_path_factory.mktemp("field") / "field.fits"
    Sky(tiny_forge(("r",), rms_njy=2.0), seed=3, density=1.5)[0:SIDE, 0:SIDE].write(path)
    return path


def _recipe(field: Path, **more: str) -> list[str]:
    settings = {
        "name": "learned", "field.folder": str(field.parent), "field.files": "[field.fits]",
        "field.cut.background_mesh": "64", "psf": "{fwhm_pix: 3.0, beta: 3.5}", "fit.steps": "8",
        "population.rehearsals": "0", "morphology.steps": "4", "adversarial": "null", "noise.mesh": "64",
    }  # fmt: skip
    return [f"{key}={value}" for key, value in (settings | more).items()]


@pytest.fixture(scope="module")
def run(field: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[str]]:
    """The folder of a run, and what it said."""
    out, said = tmp_path_factory.mktemp("run") / "run", []
    recipe, text = load_training("train_field", _recipe(field))
    assert recipe.run(out, recipe_text=text, told=said.append) == out / "learned.json"
    return out, said


def test_a_field_becomes_a_sky(run):
    out, said = run
    model = load_model(out)
    assert model.bands == ("r",) and "minutes" in model.training
    assert [line.split(":")[0] for line in said if line.endswith(" s")] == [
        "psf", "fit", "population", "noise", "morphology", "adversarial",
    ]  # fmt: skip
    window = Sky(model, seed=1)[0:256, 0:256]
    assert np.isfinite(window.image).all() and window.truth is not None
    true = tiny_forge(("r",), rms_njy=2.0)
    np.testing.assert_allclose(model.rms_njy, true.rms_njy, rtol=0.15)
    np.testing.assert_allclose(model.psf.fwhm_pix, true.psf.fwhm_pix, rtol=0.01)
    counts = [sources.galaxies.number(low=600.0) for sources in (model.sources, true.sources)]
    assert 0.5 < counts[0] / (1.5 * counts[1]) < 2.0  # some hundred sources, clustered and blended
    page = (out / "index.html").read_text()
    assert all(f"{number}. " in page for number in range(1, 7)) and "not asked for" in page


def test_a_run_goes_on_and_says_what_it_kept(run, field):
    out, _ = run
    said: list[str] = []
    recipe, text = load_training("train_field", _recipe(field, **{"morphology": "null"}))
    with pytest.raises(InputError, match="already holds a run"):
        recipe.run(out, recipe_text=text)
    recipe.run(out, recipe_text=text, resume=True, told=said.append)
    kept = [line.split(":")[0] for line in said if "kept" in line]
    assert kept == ["psf", "fit", "population", "noise"]
    assert load_model(out).modulation is None


def test_a_run_that_never_was_is_not_resumed(field, tmp_path):
    recipe, text = load_training("train_field", _recipe(field))
    with pytest.raises(InputError, match="nothing to resume"):
        recipe.run(tmp_path / "none", recipe_text=text, resume=True)
