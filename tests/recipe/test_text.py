"""What a recipe's text may hold: every odd scalar, tag and name is a sentence with its line."""

import os
from pathlib import Path

import pytest

from mockforge.config import Varying
from mockforge.errors import InputError
from mockforge.names import is_name
from mockforge.recipe.read import load, loads

RECIPE = """name: {name}
seed: 1
samples: 4
stages:
  - sersic_sed: {{bands: [F606W], r_e: {value}}}
save: {{input: float32}}
"""


def said(value: str = "3.0", name: str = "x") -> str:
    with pytest.raises(InputError) as caught:
        loads(RECIPE.format(name=name, value=value), "r.yaml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("!!bool maybe", "r.yaml:5: stages[0].sersic_sed.r_e: 'maybe' is not true or false"),
        ('!!int ""', "r.yaml:5: stages[0].sersic_sed.r_e: '' is not a whole number"),
        ("!!float abc", "'abc' is not a number"),
        ('"\\U00110000"', "r.yaml:5: is not YAML: an escape that names no character"),
        ('"\\ud800"', "surrogate"),
        ("!!map [1]", "is not part of a recipe"),
        ("!!seq {a: 1}", "is not part of a recipe"),
        ("!!str [a]", "is not part of a recipe"),
        ("9" * 5000, "is not a whole number"),
        ("1e308", "1e308 is beyond 1e+30"),
        ("1e999", "should be a finite number, found 1e999"),
        ("{uniform: [-1.7e308, 1.7e308]}", "-1.7e308 is beyond 1e+30"),
        ("{lognormal: [1, 1e5]}", "numbers are at most 1e+30"),
        ("{normal: [0, 9e29]}", "normal [0.0, 9e+29] reaches 9e+30"),
        ("{power_law: [1, 2, 1001]}", "slope 1001 is too steep"),
    ],
)
def test_an_odd_value_is_a_sentence_with_its_line(value: str, words: str):
    assert words in said(value)


@pytest.mark.parametrize("name", ["..", "a/b", "../../x", "é", "a b", '"a\\nb"', "a" * 101, ".hidden"])
def test_a_name_is_a_name(name: str):
    assert "name: should" in said(name=name)
    assert not is_name(name)
    assert is_name("kids-viking_9.v2")


def test_a_distribution_in_python_is_held_to_the_same_reach():
    for kind, values in (("fixed", (1e31,)), ("uniform", (-1e308, 1e308)), ("choice", (1.0, -1e40))):
        with pytest.raises(ValueError, match="numbers are at most"):
            Varying(kind, values)


def test_a_recipe_without_an_end_or_a_page_is_not_read(tmp_path: Path):
    os.mkfifo(tmp_path / "pipe.yaml")
    (tmp_path / "zero.yaml").symlink_to("/dev/zero")
    (tmp_path / "link.yaml").symlink_to("nowhere")
    with (tmp_path / "huge.yaml").open("wb") as stream:
        stream.truncate(10**12)  # sparse: takes no disk
    for name, words in (
        ("pipe", "no regular file but a pipe"),
        ("zero", "no regular file but a pipe, a device"),
        ("link", "a broken link"),
        ("huge", "has 1000000000000 bytes"),
    ):
        with pytest.raises(InputError, match=words):
            load(tmp_path / f"{name}.yaml")


def test_an_override_of_any_length_is_answered_in_a_line():
    for override in (".".join("a" * 20000) + "=1", "a" * 100_000 + "=1"):
        with pytest.raises(InputError) as caught:
            load("segmentation", [override])
        assert all(len(line) < 500 for line in str(caught.value).splitlines())
