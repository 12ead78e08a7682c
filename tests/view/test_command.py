"""The command `view` refuses what would be passed over."""

import numpy as np
import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.field.field import Field
from tests.builders.tiny_forge import saved_forge


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["FIELD", "--seed", "3"], "--seed: for a model or a scene"),
        (["FIELD", "--port", "8000"], "--port: for a model or a scene"),
        (["FIELD", "--flight", "f.gif", "--out", "v"], "--out: for a viewer"),
        (["FIELD", "--layered", "f.png", "--flight", "f.gif"], "exclude each other"),
        (["FIELD", "--layered", "f.txt"], "the picture is a PNG"),
        (["FIELD", "--flight", "f.avi"], "is a .gif or a .mp4"),
        (["FIELD", "--bands", "r,x,y"], "no band 'x'"),
        (["FIELD", "--stretch", "loud"], "--stretch: 'loud'"),
        (["FIELD", "--masks", "FIELD"], "pixels are not integers"),
        (["kids-viking", "--out", "v"], "served and not stored"),
        (["kids-viking", "--objects", "FIELD"], "--objects are those of a file"),
        (["nosuch"], "no such file, model or recipe"),
        (["segmentation"], "`scene`"),
    ],
)
def test_what_cannot_be_is_a_sentence_and_writes_nothing(words, sentence, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    image = np.random.default_rng(1).normal(0, 1, (3, 32, 32)).astype(np.float32)
    Field(image, bands=("g", "r", "i")).write(tmp_path / "field.fits")
    words = [str(tmp_path / "field.fits") if word == "FIELD" else word for word in words]
    result = CliRunner().invoke(app, ["view", *words])
    assert result.exit_code == 2 and sentence in " ".join(result.output.split()), result.output
    assert [p.name for p in tmp_path.iterdir()] == ["field.fits"]


def test_sources_of_another_sky_are_not_shown(tmp_path):
    model = saved_forge(tmp_path / "m")
    words = ["generate", "--model", str(model), "--size", "64", "-o", str(tmp_path / "f.fits"), "--quiet"]
    for more, shown in ((["--seed", "3", "--sources"], True), (["--seed", "4"], False)):
        assert CliRunner().invoke(app, [*words, *more]).exit_code == 0
        seen = CliRunner().invoke(
            app, ["view", str(tmp_path / "f.fits"), "--out", str(tmp_path / "v"), "--quiet"]
        )
        assert seen.exit_code == 0, seen.output
        assert ("of another sky" in seen.output) is not shown
        assert (tmp_path / "v" / "objects" / "true").exists() is shown
