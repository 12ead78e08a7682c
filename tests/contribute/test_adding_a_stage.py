"""A stage is added by one class: of an installed package with an entry point, or a file and a row here."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import mockforge
from mockforge.engine.worker import make_batch
from mockforge.errors import InputError, MockforgeError
from mockforge.recipe.read import load
from mockforge.recipe.schema import schema
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


@pytest.mark.parametrize(
    ("returned", "problem"),
    [
        ("None", "should return a mockforge.batch.Batch, and returned None"),
        ("batch.with_arrays(image=3)", "made 'image' a int; should be a numpy array"),
        ("batch.with_arrays(image=batch.arrays['image'][:1])", "made 1 rows of 'image' for 2 samples"),
        ("concatenate([batch, batch])", "returned sample 0 and 1 others more than once"),
        ("replace(batch, sample=batch.sample + 7)", "returned sample 7 and 1 others, which it was not given"),
        ("batch.with_table('t', {'x': np.ones(2)})", "the table 't' without the column 'sample'"),
        ("batch.with_table('t', {'sample': batch.sample, 'x': np.ones(1)})", "columns of unequal length"),
        ("batch.with_table('t', {'sample': batch.sample + 1})", "the table 't' with rows of sample 2"),
        ("batch.with_arrays(image=np.array(['a', 'b']))", "'image' should hold numbers, found <U1"),
        ("exit(3)", "failed: SystemExit: 3"),
    ],
)
def test_what_it_may_not_return_names_its_package(
    recipe: Path, installed: Callable[..., None], returned: str, problem: str
) -> None:
    name = f"faulty{abs(hash(returned))}"  # each a module of its own
    call = BRIGHTEN.index("        table = {")
    text = BRIGHTEN[:call] + f"        return {returned}\n"
    text = text.replace('"image", "factors"', '"image"').replace('{"factors"}', "()")
    head = "from dataclasses import replace\nfrom sys import exit\nfrom mockforge.batch import concatenate\n"
    installed(name, {"mockforge.stages": {"faulty": f"{name}:Brighten"}}, head + text)
    recipe.write_text(RECIPE.replace("brighten: {factor: 3}", "faulty: {}"))
    with pytest.raises(MockforgeError) as refused:
        make_batch(load(recipe), 0)
    assert problem in str(refused.value)
    assert f"of the package {name} 1.0" in str(refused.value) or "numbers" in problem


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (BRIGHTEN.replace("def __call__", "def called"), "is no stage: it has no method `writes`"),
        (BRIGHTEN.replace('return frozenset({"image"})', 'return "image"'), "a frozenset of names, found"),
    ],
)
def test_what_is_missing_of_it_names_its_package(
    recipe: Path, installed: Callable[..., None], text: str, problem: str
) -> None:
    name = f"lacking{abs(hash(problem))}"
    text = text.replace("def writes", "def written") if "no method" in problem else text
    installed(name, {"mockforge.stages": {"lacking": f"{name}:Brighten"}}, text)
    recipe.write_text(RECIPE.replace("brighten: {factor: 3}", "lacking: {}"))
    with pytest.raises(InputError) as refused:
        load(recipe)
    assert problem in str(refused.value) and f"of the package {name} 1.0" in str(refused.value)


def test_the_schema_leaves_a_broken_one_out(recipe: Path, installed: Callable[..., None]) -> None:
    installed("no_stage", {"mockforge.stages": {"no_stage": "no_stage:Plain"}}, "class Plain: pass\n")
    with pytest.warns(UserWarning, match="left out the stage 'no_stage' of the package no_stage 1.0"):
        stages = schema()["properties"]["stages"]["items"]["oneOf"]
    titles = [stage["title"] for stage in stages]
    assert "brighten" in titles and "detect" in titles and "no_stage" not in titles
