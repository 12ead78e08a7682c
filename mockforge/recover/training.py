"""TrainRecover: the recipe's root, and from a dataset of degraded images to weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from mockforge.config import Count, NonNegative, config
from mockforge.config import Index as Whole
from mockforge.data.dataset import load
from mockforge.data.manifest import MANIFEST
from mockforge.errors import InputError
from mockforge.recover.config import Adam, Critic, Loss, Network, Residual
from mockforge.recover.degraded import Degraded
from mockforge.recover.model import Recoverer
from mockforge.recover.task import RecoverTask
from mockforge.rng import Stream
from mockforge.train.config import TrainConfig
from mockforge.train.loop import Report
from mockforge.train.run import run_training


@config
class TrainRecover:
    """A recipe for `mockforge train`: a network that recovers sharp images from degraded ones."""

    name: str
    """Name of the model; its files are NAME.safetensors and NAME.json."""
    source: str = ""
    """What the images are, in words, for the model's card."""
    seed: Whole = 0
    """Seed of every random number of the run."""
    degraded: str
    """Folder of a built dataset with `image`, `truth` and `variance`, as the stage `degrade` writes."""
    split: str = "train"
    """The split that is learned."""
    held_out: str = "val"
    """The split for previews and the validation loss; a dataset without it is no error."""
    network: Network = Network(residual=Residual())
    """The network."""
    critic: Critic = Critic()
    """The discriminator, where `loss.adversarial` is above 0."""
    batch: Count = 16
    """Samples in a batch."""
    crop: Count | None = 48
    """Side in fine pixels of the random windows that are learned; null: whole stamps, as the cgan."""
    extra_noise: NonNegative = 1.0
    """Noise of up to so many times their own is added to half of the images, so that it knows depths."""
    loss: Loss = Loss()
    """What the network is held to."""
    adam: Adam = Adam()
    """Learning rates."""
    train: TrainConfig = TrainConfig()
    """The loop: steps, precision, checkpoints."""

    def run(
        self, out: Path, *, resume: bool = False, recipe_text: str = "", report: Report | None = None
    ) -> Path:
        """Train the recipe's network into `out`; returns the model's JSON file.

        `report(step, losses)` is called once before (no losses) and after each step. Raises
        InputError where the dataset cannot be used or `out` holds another run, LossNotFinite
        where training breaks.
        """
        make = lambda: make_task(self, recipe_text)  # noqa: E731
        return run_training(self, make, out, resume=resume, recipe_text=recipe_text, report=report)


def make_task(recipe: TrainRecover, recipe_text: str = "") -> RecoverTask:
    """The training task: fresh networks (weights from the recipe's seed) and the samples."""
    degraded, held_out = _splits(recipe)
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global stream
        torch.set_rng_state(Stream(recipe.seed, ("weights",)).torch().get_state())
        model = Recoverer(
            name=recipe.name,
            network=recipe.network.chosen,
            scales=degraded.scales,
            rms_njy=degraded.rms(),
            training=_notes(recipe, degraded, recipe_text),
        )
        return RecoverTask(
            model=model,
            degraded=degraded,
            held_out=held_out,
            batch=recipe.batch,
            critic=recipe.critic,
            loss=recipe.loss,
            adam=recipe.adam,
            crop=recipe.crop,
            extra_noise=recipe.extra_noise,
            seed=recipe.seed,
        )


def _splits(recipe: TrainRecover) -> tuple[Degraded, Degraded | None]:
    """What is learned, and what is held out (None where the dataset has no such split)."""
    data = load(recipe.degraded, recipe.split)
    if not len(data):
        raise InputError(f"{recipe.degraded}: split {recipe.split!r} is empty; nothing to learn from")
    there = data.splits.get(recipe.held_out, 0) and recipe.held_out != recipe.split
    return Degraded(data), Degraded(load(recipe.degraded, recipe.held_out)) if there else None


def _notes(recipe: TrainRecover, degraded: Degraded, recipe_text: str) -> dict[str, object]:
    """What the model's card says of its data."""
    data = degraded.data
    notes: dict[str, object] = {
        "source": recipe.source,
        "dataset": f"{data.path.name}, {len(data)} samples of split {recipe.split}",
        "dataset_sha256": hashlib.sha256((data.path / MANIFEST).read_bytes()).hexdigest(),
        "seed": recipe.seed,
        "batch": recipe.batch,
    }
    if recipe_text:
        notes["recipe_sha256"] = hashlib.sha256(recipe_text.encode()).hexdigest()
    return notes
