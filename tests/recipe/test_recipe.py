"""Recipes: what is read, and how faulty ones are refused."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.recipe.read import bundled_recipes, load, load_stage, load_training, loads

GOOD = """\
# a comment
name: tiny
seed: 5
samples: 20
shard_size: 4
splits: {train: 0.8, val: 0.2}
stages:
  - noise:
      level: {uniform: [0.5, 2]}
  - bright: {threshold: 1.5}
save: {image: float32, instances: int32}
"""


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_stages: None) -> None:
    monkeypatch.chdir(tmp_path)


def write(text: str) -> str:
    Path("x.yaml").write_text(text)
    return "x.yaml"


def replaced(old: str, new: str) -> str:
    assert old in GOOD
    return GOOD.replace(old, new)


def test_a_good_recipe_is_typed_and_frozen() -> None:
    recipe = load(write(GOOD))
    assert (recipe.name, recipe.seed, recipe.samples, recipe.shards) == ("tiny", 5, 20, 5)
    assert [s.name for s in recipe.stages] == ["noise", "bright"]
    assert recipe.stages[0].stage.level.values == (0.5, 2.0)
    assert recipe.weights == {"good": "abc"}
    with pytest.raises(AttributeError):
        recipe.stages[1].stage.threshold = 3


MALFORMED = {
    "unknown key": (
        ("threshold: 1.5", "treshold: 1.5"),
        "x.yaml:10: stages[1].bright.treshold: unknown key; did you mean 'threshold'? (found 1.5)",
    ),
    "nested unknown key": (
        ("level: {uniform: [0.5, 2]}", "shape: {heigth: 3}"),
        "x.yaml:9: stages[0].noise.shape.heigth: unknown key; did you mean 'height'? (found 3)",
    ),
    "unknown stage": (
        ("- bright:", "- brigt:"),
        "x.yaml:10: stages[1].brigt: unknown stage; did you mean 'bright'?",
    ),
    "not YAML": (("splits: {train: 0.8, val: 0.2}", "splits: {train: 0.8"), "x.yaml:7: is not YAML"),
    "duplicate key": (
        ("samples: 20", "samples: 20\nseed: 6"),
        "x.yaml:5: seed: is given twice, first on line 3",
    ),
    "two stages in one": (
        ("  - bright: {threshold: 1.5}", "  - bright: {threshold: 1.5}\n    drop: {}"),
        "x.yaml:10: stages[1]: an item of stages has one stage (and a `name:` at most), found bright, drop",
    ),
    "no stages": (
        ("  - noise:\n      level: {uniform: [0.5, 2]}\n  - bright: {threshold: 1.5}", "  []"),
        "x.yaml:7: stages: should be a list of stages such as `- detect: {}`; found []",
    ),
    "first is no source": (
        ("  - noise:\n      level: {uniform: [0.5, 2]}\n", ""),
        "x.yaml:8: stages[0].bright: cannot be first, it reads 'image'; start with a source: sgan",
    ),
    "a second source": (
        ("save:", "  - noise: {}\nsave:"),
        "x.yaml:11: stages[2]: 'noise' is also the name of stages[0]",
    ),
    "save what nobody writes": (
        ("save: {image: float32", "save: {imagge: float32"),
        "x.yaml:11: save.imagge: no stage writes an array 'imagge'; did you mean 'image'?",
    ),
    "save a table": (("instances: int32", "galaxy: int32"), "x.yaml:11: save.galaxy: is a table"),
    "unknown type": (("int32", "int23"), "x.yaml:11: save.instances: should be 'float16', "),
    "shares": (
        ("val: 0.2", "val: 0.3"),
        "x.yaml:6: splits: the shares should sum to 1, found 0.8 + 0.3 = 1.1",
    ),
    "out of range": (("samples: 20", "samples: 0"), "x.yaml:4: samples: should be >= 1 (found 0)"),
    "wrong type": (
        ("samples: 20", "samples: many"),
        'x.yaml:4: samples: should be a whole number (found "many")',
    ),
    "not a whole number": (("seed: 5", "seed: 5.5"), "x.yaml:3: seed: should be a whole number (found 5.5)"),
    "unknown distribution": (
        ("uniform", "unifrom"),
        "x.yaml:9: stages[0].noise.level: unknown distribution 'unifrom'; did you mean 'uniform'?",
    ),
    "distribution out of range": (
        ("[0.5, 2]", "[-0.5, 2]"),
        "x.yaml:9: stages[0].noise.level: should be > 0, and uniform reaches -0.5",
    ),
    "not one of": (
        ("threshold: 1.5", "detection_image: meen"),
        "x.yaml:10: stages[1].bright.detection_image: should be 'mean' or 'weighted'; did you mean 'mean'?",
    ),
    "missing": (("name: tiny\n", ""), "x.yaml:1: name: is missing: Name of the dataset"),
    "name": (("name: tiny", "name: ../up"), "x.yaml:2: name: should be of letters"),
    "tag": (("seed: 5", "seed: !!python/object:os.system 5"), "x.yaml:3: seed: tag "),
    "alias": (
        ("{uniform: [0.5, 2]}", "&a {uniform: [0.5, 2]}\n      shape: *a"),
        "x.yaml:10: stages[0].noise.shape: aliases",
    ),
    "not a number": (
        ("threshold: 1.5", "threshold: .nan"),
        "x.yaml:10: stages[1].bright.threshold: should be a finite",
    ),
    "found by the stage": (
        ("level: {uniform: [0.5, 2]}", "model: bad"),
        "x.yaml:8: stages[0].noise: no model 'bad'",
    ),
    "bare word": (
        ("- bright: {threshold: 1.5}", "- bright"),
        "x.yaml:10: stages[1]: should be one stage with",
    ),
}


@pytest.mark.parametrize("fault", MALFORMED)
def test_a_malformed_recipe_is_refused_and_nothing_is_written(fault: str) -> None:
    change, wanted = MALFORMED[fault]
    path = write(replaced(*change))
    result = CliRunner().invoke(app, ["build", path, "--out", "out"])
    assert result.exit_code == 2
    assert result.stderr.startswith("mockforge: ") and wanted in result.stderr
    assert "Traceback" not in result.stderr
    assert [p.name for p in Path().iterdir()] == ["x.yaml"]


@pytest.mark.parametrize(
    "raw", [b"", b"- a\n", b"\xff\xfe\x00", b"[" * 1500, b"just words", b"a: 1\n---\nb: 2\n", b"a: \x01\n"]
)
def test_what_is_no_recipe_at_all_is_refused(raw: bytes) -> None:
    Path("x.yaml").write_bytes(raw)
    with pytest.raises(InputError, match=r"x.yaml:\d+: "):
        load("x.yaml")


def test_every_problem_is_reported_at_once_in_the_order_of_the_lines() -> None:
    text = (
        replaced("samples: 20", "samples: -1")
        .replace("threshold", "treshold")
        .replace("val: 0.2", "val: 0.1")
    )
    with pytest.raises(InputError) as caught:
        load(write(text.replace("image: float32", "img: float32")), ["stages.noise.margn=2", "nonsense"])
    lines = str(caught.value).splitlines()
    starts = [
        "x.yaml:4",
        "x.yaml:6",
        "x.yaml:10",
        "x.yaml:11",
        "override 'nonsense'",
        "override 'stages.noise.margn=2'",
    ]
    assert [line.startswith(s) for line, s in zip(lines, starts, strict=True)] == [True] * 6


def test_a_missing_file_names_the_nearest() -> None:
    write(GOOD)
    with pytest.raises(InputError, match=r"did you mean 'x.yaml'"):
        load("y.yaml")


def test_overrides() -> None:
    words = ["samples=8", "stages.bright.threshold=4", "stages.0.noise.shape.height=2", "splits={train: 1}"]
    recipe = load(write(GOOD), [*words, "stages.noise.level={normal: [3, 0.1]}", "save.image=float16"])
    assert recipe.samples == 8 and recipe.splits == {"train": 1.0}
    assert recipe.stages[1].stage.threshold == 4.0
    assert recipe.stages[0].stage.shape.height == 2
    assert recipe.stages[0].stage.level.kind == "normal"
    assert recipe.save["image"] == "float16"


@pytest.mark.parametrize(
    ("override", "wanted"),
    [
        ("stages.brigt.threshold=1", "no stage 'brigt' in this recipe; did you mean 'bright'?"),
        ("stages.7.noise.margin=1", "stages has 2 items"),
        ("sampels=3", "sampels: unknown key; did you mean 'samples'? (found 3)"),
        ("samples=three", 'samples: should be a whole number (found "three")'),
        ("stages.bright.threshold.0=3", "stages[1].bright.threshold has no keys, it is 1.5"),
        ("stages.noise.shape.heigth=3", "unknown key; did you mean 'height'?"),
        ("stages.noise.margin.a=3", "stages[0].noise.margin: should be a whole number"),
        ("seed.x=3", "seed has no keys, it is 5"),
        ("stages.bright={threshold: [", "is not YAML"),
        ("=3", "should be key=value"),
    ],
)
def test_a_faulty_override_is_named(override: str, wanted: str) -> None:
    with pytest.raises(InputError) as caught:
        load(write(GOOD), [override])
    assert str(caught.value).startswith(f"override {override!r}: ") and wanted in str(caught.value)


def test_a_stage_twice_has_a_name_and_overrides_find_it() -> None:
    text = replaced("save:", "  - bright: {threshold: 3}\n    name: faint\nsave:")
    recipe = load(write(text), ["stages.faint.threshold=2", "stages.bright.threshold=1"])
    assert [(s.name, s.kind) for s in recipe.stages] == [
        ("noise", "noise"),
        ("bright", "bright"),
        ("faint", "bright"),
    ]
    assert [s.stage.threshold for s in recipe.stages[1:]] == [1.0, 2.0]
    assert loads(recipe.text(), "again").document() == recipe.document()


def test_the_digest_is_of_what_a_recipe_means() -> None:
    recipe = load(write(GOOD))
    shuffled = GOOD.replace("# a comment\n", "").replace("seed: 5\nsamples: 20", "samples: 20\nseed: 5")
    same = load(
        write(shuffled.replace("[0.5, 2]", "[0.50, 2.0]").replace("1.5}", "1.5, detection_image: mean}"))
    )
    assert same.digest() == recipe.digest()
    assert loads(recipe.text(), "resolved").digest() == recipe.digest()
    assert load(write(GOOD), ["seed=6"]).digest() != recipe.digest()


def test_settings_of_one_stage() -> None:
    assert load_stage("bright", ["threshold=3"]).threshold == 3.0
    with pytest.raises(InputError, match="did you mean 'threshold'"):
        load_stage("bright", ["thresold=3"])


def test_the_schema_knows_every_stage() -> None:
    from mockforge.recipe import schema as recipe_schema
    from tests.builders import tiny_stages

    made = json.loads(json.dumps(recipe_schema.schema()))
    assert made["$schema"].endswith("2020-12/schema") and "stages" in made["required"]
    items = {item["title"]: item for item in made["properties"]["stages"]["items"]["oneOf"]}
    assert set(items) == set(recipe_schema.STAGES) > set(tiny_stages.STAGES)
    noise = made["$defs"][items["noise"]["properties"]["noise"]["anyOf"][0]["$ref"].rsplit("/", 1)[-1]]
    assert noise["additionalProperties"] is False
    assert noise["properties"]["level"]["description"] == "rms of the noise, nJy"


# that of real galaxies reads files, and is built in test_recipes_build
@pytest.mark.parametrize(
    "name", [n for n in bundled_recipes() if not n.startswith(("train_", "redshift_images"))]
)
def test_bundled_recipes_are_good(name: str) -> None:
    assert load(name).samples > 0


TRAINING = """\
name: mine
dataset: datasets/pairs
network:
  unet: {widths: [8, 16]}
"""


def test_a_training_recipe_is_of_the_network_its_keys_are_of() -> None:
    made, text = load_training(write(TRAINING), ["batch=4"])
    assert (type(made).__name__, made.batch, made.network.chosen.widths) == ("TrainRedshifter", 4, (8, 16))
    assert load_training(write(text))[0] == made
    assert type(load_training("train_field")[0]).__name__ == "TrainForge"
    assert type(load_training("train_smith2019")[0]).__name__ == "TrainLattice"
    assert type(load_training("train_redshifter")[0]).__name__ == "TrainRedshifter"
    assert type(load_training("train_recover")[0]).__name__ == "TrainRecover"


@pytest.mark.parametrize(
    ("change", "wanted"),
    [
        (("dataset: datasets/pairs", "field: {files: [a.fits]}\ndataset: x"), "x.yaml:3: dataset: a recipe"),
        (("dataset: datasets/pairs", "split: train"), "x.yaml:1: dataset: is missing: Folder of a built"),
        (("unet", "unte"), "x.yaml:4: network.unte: unknown key; did you mean 'unet'?"),
        (("[8, 16]", "[8, 0]"), "x.yaml:4: network.unet.widths[1]: should be >= 1"),
        (("  unet: {widths: [8, 16]}", "  unet: {}\n  cvae: {}"), "x.yaml:3: network: needs exactly one of"),
        (("name: mine", "name: mine\nstages: []"), "x.yaml:2: stages: this is a recipe for `mock"),
    ],
)  # fmt: skip
def test_a_faulty_training_recipe_is_refused(change: tuple[str, str], wanted: str) -> None:
    assert change[0] in TRAINING
    with pytest.raises(InputError) as caught:
        load_training(write(TRAINING.replace(*change)))
    assert wanted in str(caught.value)


def test_the_schema_of_training_recipes_has_every_root() -> None:
    from mockforge.recipe.schema import schema

    made = json.loads(json.dumps(schema(training=True)))
    roots = [made["$defs"][one["$ref"].rsplit("/", 1)[-1]] for one in made["oneOf"]]
    keys = [{"field", "stamps", "dataset", "degraded"} & set(root["required"]) for root in roots]
    # the last one names its network
    assert keys == [{"field"}, {"stamps"}, {"dataset"}, {"degraded"}, {"field"}]
    assert "network" in roots[-1]["required"] and "network" not in roots[0]["required"]
    assert all(root["additionalProperties"] is False for root in roots)


def test_a_models_name_is_no_path():
    with pytest.raises(InputError, match="should be of letters"):
        load_training("train_recover", ["name=../elsewhere"])
