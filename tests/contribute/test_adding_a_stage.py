"""A stage is added by one class: of an installed package with an entry point, or a file and a row here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mockforge
from mockforge.errors import InputError
from mockforge.registry import STAGES

BRIGHTEN = '''
"""A stage of a package that is not mockforge."""

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import Count, Positive, config
from mockforge.rng import Stream


@config
class Flat(Stage):
    """Images of one brightness: a source, which reads nothing."""

    tile: Count = 8
    """Side, pixels."""

    def writes(self):
        return frozenset({"image"})

    def bands_after(self, bands):
        return ("g",)

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        image = np.ones((len(batch), 1, self.tile, self.tile), np.float32)
        return batch.with_arrays(image=image).with_attributes(bands=("g",), unit="nJy")


@config
class Brighten(Stage):
    """Multiply the images by a factor."""

    factor: Positive = 2.0
    """Times the flux of the source."""

    def reads(self):
        return frozenset({"image"})

    def writes(self):
        return frozenset({"image", "factors"})

    def tables(self):
        return frozenset({"factors"})

    def notices(self, tables):
        return [f"{len(tables['factors']['sample'])} samples are {self.factor:g} times as bright"]

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        table = {"sample": batch.sample, "factor": np.full(len(batch), self.factor)}
        return batch.with_arrays(image=batch.arrays["image"] * np.float32(self.factor)).with_table(
            "factors", table
        )
'''
RECIPE = """
name: brightened
seed: 1
samples: 4
shard_size: 2
stages:
  - flat: {tile: 8}
  - brighten: {factor: 3}
save: {image: float32}
"""


@pytest.fixture
def recipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, installed: Callable[..., None]) -> Path:
    """A recipe of a stage that an installed package gives."""
    entries = {"flat": "brightening:Flat", "brighten": "brightening:Brighten"}
    installed("brightening", {"mockforge.stages": entries}, BRIGHTEN)
    monkeypatch.chdir(tmp_path)
    Path("brightened.yaml").write_text(RECIPE)
    return Path("brightened.yaml")


def test_a_stage_of_an_installed_package_is_built_by_two_workers(recipe: Path) -> None:
    places = [place for place in sys.path if place.endswith("site-brightening")]
    path = os.pathsep.join([*places, *filter(None, [os.environ.get("PYTHONPATH")]), *sys.path])
    command = [sys.executable, "-m", "mockforge", "build", str(recipe), "--out", "made", "--workers", "2"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "4 samples are 3 times as bright" in done.stderr
    assert "- 4 samples are 3 times as bright." in Path("made", "README.md").read_text()
    data = mockforge.load("made")
    assert all((data[i]["image"] == 3).all() for i in range(len(data)))
    assert (data.table("factors")["factor"] == 3).all()


def test_its_unknown_key_is_answered_with_its_line(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("factor: 3", "factr: 3"))
    with pytest.raises(InputError, match=r"yaml:8: stages\[1\].brighten.factr: unknown key.*'factor'"):
        mockforge.build(recipe)


def test_its_table_is_not_named_in_save(recipe: Path) -> None:
    recipe.write_text(RECIPE.replace("image: float32", "factors: float32"))
    with pytest.raises(InputError, match=r"yaml:9: save.factors: is a table"):
        mockforge.build(recipe)


def test_what_is_no_stage_is_said_with_its_line(recipe: Path, installed: Callable[..., None]) -> None:
    installed("other", {"mockforge.stages": {"dimmed": "other:dimmed"}}, "def dimmed(): pass\n")
    recipe.write_text(RECIPE.replace("brighten: {factor: 3}", "dimmed: {}"))
    with pytest.raises(InputError, match=r"yaml:8: stages\[1\].dimmed: .*inherits mockforge.batch.Stage"):
        mockforge.build(recipe)


def test_inside_it_is_one_file_and_one_row(
    recipe: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a_new_stage.py").write_text(BRIGHTEN)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(STAGES.rows, "brighter", ("a_new_stage", "Brighten"))
    recipe.write_text(RECIPE.replace("brighten", "brighter"))
    folder = mockforge.build(recipe, "inside", workers=1, quiet=1)
    assert (mockforge.load(folder)[0]["image"] == 3).all()
