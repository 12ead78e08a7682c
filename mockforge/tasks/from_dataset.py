"""Training on a built dataset: what the recipes of such networks share, and what their tasks do alike.

A network's root in a recipe is a `FromDataset`, its task a `DatasetTask`:

>>> @config
... class TrainDenoiser(FromDataset):
...     network: Network = Network(unet=Unet())
...     train: TrainConfig = TrainConfig()
...     opened = Denoiser.open
...     def task(self, recipe_text: str = "") -> DenoiserTask:
...         return start(self, self.dataset, recipe_text, self._task)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.config import config
from mockforge.data.manifest import MANIFEST
from mockforge.data.torch.dataset import Dataset
from mockforge.rng import Stream
from mockforge.tasks.splits import Split, about, splits, validation
from mockforge.tasks.trained import Trained
from mockforge.train.config import Adam
from mockforge.train.first_weights import first_weights
from mockforge.train.members import Member
from mockforge.train.run import TrainRecipe
from mockforge.train.task import Phase

T = TypeVar("T")


@config
class FromDataset(TrainRecipe):
    """A recipe for `mockforge train`: a network from a dataset."""

    dataset: str
    """Folder of a built dataset."""
    split: str = "train"
    """The split that is learned."""
    held_out: str = "val"
    """The split for previews and the validation loss; a dataset without it is no error."""

    def files_read(self) -> dict[str, Path]:
        """Return the dataset's manifest, which holds the digests of its shards."""
        return manifest_of(self.dataset)


class _Recipe(Protocol):
    """What `start` asks of a recipe."""

    @property
    def seed(self) -> int: ...
    @property
    def split(self) -> str: ...
    @property
    def held_out(self) -> str: ...
    @property
    def batch(self) -> int: ...
    def notes(self, recipe_text: str, about: Mapping[str, object], **more: object) -> dict[str, Any]: ...


def manifest_of(folder: str) -> dict[str, Path]:
    """Return the manifest of the dataset in `folder`, by what it is called among the files that are read."""
    return {"manifest of the dataset": Path(folder).expanduser() / MANIFEST}


def start(
    recipe: _Recipe,
    folder: str,
    recipe_text: str,
    make: Callable[[Dataset, Dataset | None, dict[str, Any]], T],
    samples: str = "samples",
) -> T:
    """Make the task that `make` makes of a recipe whose dataset is in `folder`.

    Parameters
    ----------
    make
        Called as make(split that is learned, split held out or None, notes for the model's
        `training`); networks made in it have weights of the recipe's seed.
    samples
        What the samples are called in the model's card.

    Raises
    ------
    InputError
        Where the dataset cannot be read or the split is empty, and what `make` raises.
    """
    data, held_out = splits(folder, recipe.split, recipe.held_out)
    notes = recipe.notes(recipe_text, about(data, samples), batch=recipe.batch)
    with first_weights(Stream(recipe.seed, ("weights",))):
        return make(data, held_out, notes)


@dataclass
class DatasetTask:
    """What such tasks share: one network, whose average is exported as the model.

    A subclass adds `losses`, with which it is a `mockforge.train.task.Task`, and may show a preview.
    """

    model: Trained
    samples: Split
    """The split that is learned."""
    held_out: Split | None
    """Samples for previews and the loss on what was not trained on."""
    batch: int
    adam: Adam
    seed: int = 0

    learned: ClassVar[str] = "network"
    """What the network is called in checkpoints and among the streams of random numbers."""

    def __post_init__(self) -> None:
        self.network: nn.Module = self.model.network_with_weights()
        self.networks: Mapping[str, nn.Module] = {self.learned: self.network}
        a = self.adam
        self.phases: tuple[Phase, ...] = (Phase(self.learned, self.learned, a.rate, a.beta1, a.beta2),)
        self.averaged: tuple[str, ...] = (self.learned,)
        self.ensemble = False

    @property
    def shown(self) -> Split:
        """The samples of previews: held out ones where there are any."""
        return self.held_out or self.samples

    def to(self, device: Any) -> None:
        """Move the samples to `device`."""
        for split in (self.samples, self.held_out):
            if split is not None:
                split.to(torch.device(device))

    def draw(self, rng: np.random.Generator) -> tuple[Tensor, ...]:
        """Draw a batch of the samples, with replacement."""
        return self.samples.batch(rng.integers(0, len(self.samples), self.batch))

    def held_out_losses(self, network: nn.Module, rows: np.ndarray) -> Mapping[str, Tensor]:
        """Losses of some samples held out, for the model's record; none unless a subclass says them."""
        return {}

    @torch.no_grad()
    def validation(self, network: nn.Module) -> dict[str, float]:
        """Mean losses over all the samples held out."""
        if self.held_out is None:
            return {}
        return validation(len(self.held_out), lambda rows: self.held_out_losses(network, rows))

    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """Show the state of training as a picture, uint8 (y, x, 3); none unless a subclass makes one."""
        return None

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Write the model: NAME.safetensors, NAME.json and its card NAME.md."""
        network = averages[self.learned]
        self.model.trained(network, {**history, **self.validation(network)}).save(folder)
