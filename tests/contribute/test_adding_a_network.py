"""A network with its training task is added from outside by three files and one row of the table.

An installed package of three modules and an entry point of the group `mockforge.networks` is trained,
opened and described by the public words; with a second entry point it is evaluated.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from mockforge.recipe.schema import schema
from mockforge.train.networks import open_model
from tests.builders import tiny_datasets

NETWORK = '''
"""Where the objects of an image are, pixel by pixel: configuration and network."""

from torch import nn

from mockforge.config import Width, config, one_of


@config
class Footprints:
    """Two convolutions, in units of the sky's rms."""

    width: Width = 8
    """Filters."""


@config
class Network:
    """The one network."""

    footprints: Footprints | None = None

    def __post_init__(self):
        one_of(self)


def make_network(spec, bands):
    return nn.Sequential(nn.Conv2d(bands, spec.width, 3, padding=1), nn.SiLU(), nn.Conv2d(spec.width, 1, 1))
'''

MODEL = '''
"""A trained network of footprints: what its two files say."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from mockforge.config import Bands, Limit
from mockforge.tasks.trained import Trained
from mockforge.train.model_file import check_bands, one_each

from footprints_network import Network, make_network


@dataclass(frozen=True, kw_only=True)
class FootprintFinder(Trained):
    """A network that finds the footprints of objects."""

    what: ClassVar[str] = "a network of footprints"

    network: Network
    bands: Bands
    rms_njy: tuple[Annotated[float, Limit(gt=0)], ...]

    def check(self):
        one_each(bands=self.bands, rms_njy=self.rms_njy)
        check_bands("bands", self.bands)

    def blank(self):
        return make_network(self.network.footprints, len(self.bands))

    def facts(self):
        return {"finds": "the footprints of objects", "bands": ", ".join(self.bands)}
'''

TRAINING = '''
"""From a dataset of labelled images to a network of footprints."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from mockforge.config import Count, config
from mockforge.evaluate.report.report import Report, Section
from mockforge.tasks.from_dataset import DatasetTask, FromDataset, start
from mockforge.tasks.splits import Split
from mockforge.train.config import Adam, TrainConfig

from footprints_model import FootprintFinder
from footprints_network import Footprints, Network


@config
class TrainFootprints(FromDataset):
    """A recipe for `mockforge train`: a network of footprints from labelled images."""

    network: Network = Network(footprints=Footprints())
    """The network."""
    batch: Count = 4
    """Images in a batch."""
    adam: Adam = Adam()
    """Learning rate."""
    train: TrainConfig = TrainConfig()
    """The loop."""

    opened = FootprintFinder.open

    def task(self, recipe_text=""):
        return start(self, self.dataset, recipe_text, self._task)

    def _task(self, data, held_out, notes):
        model = FootprintFinder(
            name=self.name, network=self.network, bands=tuple(data.attributes["bands"]),
            rms_njy=tuple(data.sample(0)["sky_rms"].tolist()), training=notes,
        )
        samples, others = labelled(data), None if held_out is None else labelled(held_out)
        return FootprintTask(model, samples, others, self.batch, self.adam, self.seed)


def labelled(data):
    return Split(data, ("image", "instances"), "footprints")


@dataclass
class FootprintTask(DatasetTask):
    """Pixel by pixel: object or sky."""

    learned: ClassVar[str] = "footprints"

    def losses(self, phase, stream):
        return self._compared(self.network, *self.draw(stream.child("rows").numpy()))

    def held_out_losses(self, network, rows):
        return self._compared(network, *self.shown.batch(rows))

    def _compared(self, network, image, labels):
        unit = image.new_tensor(self.model.rms_njy)[:, None, None]
        loss = binary_cross_entropy_with_logits(network(image / unit)[:, 0], (labels > 0).float())
        return {"loss/footprint": loss}


def evaluate(model, dataset, *, split, limit, device, allow_training_split):
    return Report("Footprints", [Section("Pixels", rows=[{"split": split}])])
'''

ROWS = {
    "mockforge.networks": {"footprints": "footprints:TrainFootprints"},
    "mockforge.evaluations": {"footprints": "footprints:evaluate"},
}
FILES = {"footprints_network.py": NETWORK, "footprints_model.py": MODEL, "footprints.py": TRAINING}
RECIPE = """\
name: finder
dataset: {dataset}
network: {{footprints: {{width: 6}}}}
train: {{steps: 3, device: cpu, preview_steps: 0}}
"""


@pytest.fixture
def package(installed: Callable[..., None], tmp_path: Path) -> None:
    installed("footprints", ROWS, TRAINING)
    for name in ("footprints_network.py", "footprints_model.py"):
        (tmp_path / "site-footprints" / name).write_text(FILES[name])


def call(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_a_network_with_its_training_task_is_three_files_and_a_row(package: None, tmp_path: Path) -> None:
    dataset = tiny_datasets.publish(tmp_path / "blobs", tiny_datasets.blobs, tiny_datasets.SAVE)
    recipe = tmp_path / "my_recipe.yaml"
    recipe.write_text(RECIPE.format(dataset=dataset))
    call("train", recipe, "--out", tmp_path / "run")

    model = open_model(tmp_path / "run")
    assert model.kind == "footprints" and model.training["steps"] == 3
    assert "validation footprint" in model.training
    image = torch.as_tensor(mockforge.load(dataset, "test")[0]["image"])[None]
    assert model.network_with_weights()(image).shape == (1, 1, *image.shape[2:])

    said = call("info", tmp_path / "run")
    assert "footprints, " in said and "finds:" in said and "blobs, 6 samples of split train" in said
    assert "# finder" in (tmp_path / "run" / "finder.md").read_text()
    said = call("evaluate", "--model", tmp_path / "run", "--dataset", dataset)
    assert "Footprints" in said and "test" in said

    again = call("train", recipe, "train.steps=4", "--out", tmp_path / "run", "--resume")
    assert again.strip() == str(tmp_path / "run" / "finder.json")
    assert "TrainFootprints" in schema(training=True)["$defs"]


def test_it_is_small() -> None:
    lines = sum(text.count("\n") for text in FILES.values())
    assert len(FILES) <= 4 and lines <= 500
    assert len(ROWS["mockforge.networks"]) == 1


def test_without_the_package_its_models_are_named_so(tmp_path: Path) -> None:
    (tmp_path / "m.json").write_text('{"network": {"footprintz": {}}}')
    (tmp_path / "m.safetensors").write_bytes(b"")
    done = CliRunner().invoke(app, ["info", str(tmp_path / "m.json")])
    assert done.exit_code == 2
    assert "describes the network 'footprintz', which no installed package has" in done.output.replace(
        "\n", " "
    )


def test_what_opens_no_models_names_its_package(installed: Callable[..., None], tmp_path: Path) -> None:
    installed("no_opener", {"mockforge.networks": {"closed": "no_opener:Plain"}}, "class Plain: pass\n")
    (tmp_path / "m.json").write_text('{"network": {"closed": {}}}')
    (tmp_path / "m.safetensors").write_bytes(b"")
    done = CliRunner().invoke(app, ["info", str(tmp_path / "m.json")])
    assert done.exit_code == 2
    assert "the network 'closed' of the package no_opener 1.0 opens no models" in " ".join(
        done.output.split()
    )
