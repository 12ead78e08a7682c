"""A model of single galaxies from stamps, through all stages, by its recipe."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.galaxies import write_galaxies
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.galaxies.real.realgalaxy import RealGalaxies
from mockforge.recipe.read import load_training
from mockforge.sgan.learn.psf.stage import PsfChoice
from mockforge.sgan.single.model import load_galaxies
from mockforge.sgan.single.of_sky import galaxies_of_sky
from mockforge.sgan.single.open import open_galaxies
from mockforge.sgan.single.read import read_stamps
from mockforge.sgan.single.spec import GalaxyStamps, StampFolder
from mockforge.train.networks import describe
from tests.builders.galaxy_files import write_real
from tests.builders.tiny_forge import tiny_forge

COUNT, SIDE = 44, 48


@pytest.fixture(scope="module")
def stamps(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of galaxies of a known sky, a file each, with their table beside them."""
    folder = tmp_path_factory.mktemp("stamps") / "stamps"
    write_galaxies(galaxies_of_sky(tiny_forge(rms_njy=2.0), 5, least_snr=40.0), COUNT, SIDE, folder)
    return folder


def _recipe(stamps: Path, **more: str) -> list[str]:
    files = f"{{files: {{folder: {stamps}, psf: {{fwhm_pix: 3.15, beta: 3.5}}}}, side: {SIDE}}}"
    settings = {"name": "single", "stamps": files, "fit_steps": "8", "morphology.steps": "3", "folds": "2"}
    settings |= {"adversarial.steps": "2", "adversarial.check_steps": "2", "adversarial.batch": "8"}
    return [f"{key}={value}" for key, value in (settings | more).items()]


@pytest.fixture(scope="module")
def run(stamps: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run."""
    out = tmp_path_factory.mktemp("run") / "run"
    recipe, text = load_training("train_galaxies", _recipe(stamps))
    assert recipe.run(out, recipe_text=text) == out / "single.json"
    return out


def test_stamps_become_a_model_of_like_galaxies(run, stamps):
    model = load_galaxies(run)
    assert model.bands == ("g", "r") and model.pixel_scale_arcsec == 0.2
    np.testing.assert_allclose(model.noise.rms_njy, [2.0, 2.2], rtol=0.2)
    made = model.galaxies(seed=2).stamps(60, SIDE)
    true = galaxies_of_sky(tiny_forge(rms_njy=2.0), 5, least_snr=40.0).stamps(COUNT, SIDE)
    for what, most in (("log_radius", 0.25), ("log_n", 0.4)):
        assert abs(np.median(getattr(made.marks, what)) - np.median(getattr(true.marks, what))) < most
    flux = [np.median(np.log(s.marks.mean_flux)) for s in (made, true)]
    assert abs(flux[0] - flux[1]) < 0.6 and made.marks.shaped.all()
    page = (run / "index.html").read_text()
    assert all(f"{number}. " in page for number in range(1, 8)) and "7-compared.png" in page
    assert "single galaxies" in describe(run)["paints"]
    assert "nearest 5%" in page and "real, left out" in page
    card = (run / "single.md").read_text()
    assert "critic: " in card and "feature AUC, real against generated: 0." in card and "44" in card


def test_a_model_of_galaxies_is_written_by_generate(run, tmp_path):
    words = ["generate", "-m", str(run), "--galaxies", "2", "--size", "40", "--out", str(tmp_path / "s.fits")]
    done = CliRunner().invoke(app, [*words, "--quiet"])
    assert done.exit_code == 0, done.output
    image = Field.read(tmp_path / "s.fits").image
    np.testing.assert_array_equal(image[:2], load_galaxies(run).galaxies(1).stamps(2, 40).image[:, 0])
    refused = CliRunner().invoke(app, [*words, "--depth", "26"])
    assert refused.exit_code == 2 and "depth: for learned skies" in refused.stderr
    fields = CliRunner().invoke(app, ["generate", "-m", str(run), "--out", str(tmp_path / "fields")])
    assert fields.exit_code == 2 and "--galaxies" in fields.stderr and not (tmp_path / "fields").exists()


def test_a_run_is_resumed_and_not_begun_twice(run, stamps):
    with pytest.raises(InputError, match="already holds a run"):
        load_training("train_galaxies", _recipe(stamps))[0].run(run)
    said: list[str] = []
    before = (run / "single.safetensors").read_bytes()
    tested = run / "stages" / "5-tested.json"
    facts = json.loads(tested.read_text())["facts"]
    tested.unlink()  # as if stopped within it, its steps against the critic done
    load_training("train_galaxies", _recipe(stamps))[0].run(run, resume=True, told=said.append)
    assert sum(line.endswith("kept from before") for line in said) == 6
    assert json.loads(tested.read_text())["facts"] == facts
    assert (run / "single.safetensors").read_bytes() == before


def test_a_damaged_model_is_a_sentence(run, tmp_path):
    for path in run.glob("single.*"):
        (tmp_path / path.name).write_bytes(path.read_bytes())
    raw = bytearray((tmp_path / "single.safetensors").read_bytes())
    raw[-5] ^= 1
    (tmp_path / "single.safetensors").write_bytes(raw)
    with pytest.raises(InputError, match="damaged"):
        open_galaxies(tmp_path, 1)


def test_too_few_bright_galaxies_are_a_sentence(run, stamps, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    recipe, _ = load_training("train_galaxies", _recipe(stamps, **{"stamps.least_snr": "5000"}))
    with pytest.raises(InputError, match=r"lower stamps\.least_snr"):
        recipe.run(tmp_path / "run", resume=True)


def test_stamps_that_cannot_be_learned_are_sentences(stamps, tmp_path):
    psf = PsfChoice(fwhm_pix=3.0)
    with pytest.raises(InputError, match="no such folder"):
        read_stamps(GalaxyStamps(files=StampFolder(folder=str(tmp_path / "none"), psf=psf)))
    with pytest.raises(InputError, match="holds no FITS"):
        read_stamps(GalaxyStamps(files=StampFolder(folder=str(tmp_path), psf=psf)))
    with pytest.raises(InputError, match="show no stars"):
        read_stamps(GalaxyStamps(files=StampFolder(folder=str(stamps), psf=PsfChoice())))
    for path in sorted(stamps.glob("*-000?.fits"))[:5]:
        (tmp_path / path.name).write_bytes(path.read_bytes())
    with pytest.raises(InputError, match="5 galaxies can be used, at least 40"):
        read_stamps(GalaxyStamps(files=StampFolder(folder=str(tmp_path), psf=psf)))
    other = galaxies_of_sky(tiny_forge(("i",)), 1, least_snr=30.0)
    write_galaxies(other, 1, SIDE, tmp_path / "x")
    with pytest.raises(InputError, match="should be alike"):
        read_stamps(GalaxyStamps(files=StampFolder(folder=str(tmp_path), psf=psf)))
    for words, says in (
        (["stamps={side: 64}"], "give one of `real` and `files`"),
        (["stamps.side=65"], "an even number"),
        (["stamps.side=8"], "36"),
        (["morphology.least_snr=50"], r"give stamps\.least_snr"),
        (["adversarial.draws=9"], "give folds"),
        (["folds=1"], "2 or more"),
    ):
        with pytest.raises(InputError, match=says):
            load_training("train_galaxies", words)


def test_stamps_without_noise_cannot_be_learned(tmp_path):
    catalogue = write_real(tmp_path, np.full(3, 0.5))
    with pytest.raises(InputError, match="3 show no noise"):
        read_stamps(GalaxyStamps(real=RealGalaxies(catalogue=str(catalogue))))


def test_hst_stamps_are_read_with_their_psf_and_noise(shared_data):
    path = shared_data / "cosmos_stamps" / "real_galaxy_catalog_26_extension_example.fits"
    found = read_stamps(GalaxyStamps(real=RealGalaxies(catalogue=str(path)), bin=2, side=48))
    assert len(found) == 100 and found.image.shape[1:] == (1, 48, 48) and found.bands == ("F814W",)
    assert found.pixel_scale_arcsec == 0.06 and found.psf.samples == 2
    assert 0.1 < float(found.psf.fwhm_pix[0]) * 0.06 < 0.13 and found.psf_scatter < 0.05
    # four pixels of correlated noise scatter by more than twice one
    fine = read_stamps(GalaxyStamps(real=RealGalaxies(catalogue=str(path)), side=96))
    assert (found.rms > 2.5 * fine.rms).all()
    np.testing.assert_allclose(found.image.sum(), fine.image.sum(), rtol=0.02)


def test_evaluate_says_what_training_measured(run, tmp_path):
    done = CliRunner().invoke(app, ["evaluate", "-m", str(run), "--out", str(tmp_path / "report")])
    assert done.exit_code == 0, done.output
    assert "feature AUC, real against generated" in done.output
    assert (tmp_path / "report" / "report.html").exists()
