"""Fields of a scene on disk."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.generate import ScenePainter, write_fields
from mockforge.field.field import Field
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.sgan.paint.sky import Sky
from tests.builders.tiny_forge import saved_forge

MODEL = SceneModel(bands=("F814W",), psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), stars=None, faintest=26.0)


def test_a_field_on_disk_is_the_window_of_its_sky(tmp_path):
    done = []
    (path,) = write_fields(ScenePainter("small", MODEL), (40, 70), [5], tmp_path / "out", done.append)
    assert path.name == "small-5.fits" and path.with_suffix(".png").stat().st_size > 0
    assert sum(done) == 40 * 70
    field = Field.read(path, extensions=["F814W"])
    np.testing.assert_array_equal(field.image, Scene(MODEL, 5)[0:40, 0:70].image)
    assert field.pixel_scale_arcsec == pytest.approx(0.06)


def test_a_learned_sky_is_written_with_its_sources(tmp_path):
    path = saved_forge(tmp_path / "m")
    words = [
        "generate",
        "--model",
        str(path),
        "--size",
        "48x64",
        "--seed",
        "3",
        "--out",
        str(tmp_path / "out"),
    ]
    asked = ["--depth", "26.5", "--seeing", "g=0.5", "--faintest", "27", "--star-fraction", "0.2"]
    done = CliRunner().invoke(app, [*words, *asked, "--quiet"])
    assert done.exit_code == 0, done.output
    field = Field.read(tmp_path / "out" / "tiny-3.fits")
    sky = Sky(path, 3, depth=26.5, seeing={"g": 0.5}, magnitude_limits=(None, 27.0), star_fraction=0.2)
    np.testing.assert_array_equal(field.image, sky[0:48, 0:64].image)
    assert field.truth is not None and field.psf_fwhm_arcsec[0] == pytest.approx(0.5, rel=0.02)
    table = Table.read(tmp_path / "out" / "tiny-3-sources.fits")
    assert list(table["id"]) == list(sky.sources(0, 48, 0, 64)["id"]) and "flux_g" in table.colnames
    refused = CliRunner().invoke(app, [*words, "--seeing", "0.01"])
    assert refused.exit_code == 2 and "seeing" in refused.stderr


def test_a_recipe_without_a_scene_is_refused(tmp_path):
    words = ["generate", "--scene", "segmentation", "--size", "32", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "first stage is 'sgan'" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scene", "deblend"], "makes blends on stamps"),
        (["--scene", "scene_xdf_like", "--model", "other"], "exclude each other"),
    ],
)
def test_what_is_not_one_sky_is_refused(words, message, tmp_path):
    done = CliRunner().invoke(app, ["generate", *words, "--size", "32", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2 and message in done.stderr
