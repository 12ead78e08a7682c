"""TrainRecover: the recipe's root, and from a dataset of degraded images to weights."""

from __future__ import annotations

from pathlib import Path

from mockforge.config import Count, NonNegative, config
from mockforge.data.manifest import MANIFEST
from mockforge.rng import Stream
from mockforge.tasks.recover.config import Adam, Critic, Loss, Network, Residual
from mockforge.tasks.recover.degraded import Degraded
from mockforge.tasks.recover.model import Recoverer
from mockforge.tasks.recover.task import RecoverTask
from mockforge.train.config import TrainConfig
from mockforge.train.dataset import about, splits
from mockforge.train.first_weights import first_weights
from mockforge.train.run import TrainRecipe


@config
class TrainRecover(TrainRecipe):
    """A recipe for `mockforge train`: a network that recovers sharp images from degraded ones."""

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

    def files_read(self) -> dict[str, Path]:
        """Return the dataset's manifest, which holds the digests of its shards."""
        return {"manifest of the dataset": Path(self.degraded).expanduser() / MANIFEST}

    def task(self, recipe_text: str = "") -> RecoverTask:
        """Fresh networks and the samples."""
        return make_task(self, recipe_text)


def make_task(recipe: TrainRecover, recipe_text: str = "") -> RecoverTask:
    """Return the training task: fresh networks (weights from the recipe's seed) and the samples."""
    data, held_out = splits(recipe.degraded, recipe.split, recipe.held_out)
    degraded = Degraded(data)
    with first_weights(Stream(recipe.seed, ("weights",))):
        model = Recoverer(
            name=recipe.name,
            network=recipe.network.chosen,
            scales=degraded.scales,
            rms_njy=degraded.rms(),
            training=recipe.notes(recipe_text, about(data, "samples"), batch=recipe.batch),
        )
        return RecoverTask(
            model=model,
            degraded=degraded,
            held_out=Degraded(held_out) if held_out is not None else None,
            batch=recipe.batch,
            critic=recipe.critic,
            loss=recipe.loss,
            adam=recipe.adam,
            crop=recipe.crop,
            extra_noise=recipe.extra_noise,
            seed=recipe.seed,
        )
