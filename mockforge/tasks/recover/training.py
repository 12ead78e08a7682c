"""TrainRecover: the recipe's root, and from a dataset of degraded images to weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mockforge.config import Count, NonNegative, config
from mockforge.data.torch.dataset import Dataset
from mockforge.tasks.from_dataset import manifest_of, start
from mockforge.tasks.recover.config import AdversarialAdam, Critic, RecovererLoss, RecovererNetwork, Residual
from mockforge.tasks.recover.degraded import DegradedSplit
from mockforge.tasks.recover.model import Recoverer, load_recoverer
from mockforge.tasks.recover.task import RecoverTask
from mockforge.train.config import TrainConfig
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
    network: RecovererNetwork = RecovererNetwork(residual=Residual())
    """The network."""
    critic: Critic = Critic()
    """The discriminator, where `loss.adversarial` is above 0."""
    batch: Count = 16
    """Samples in a batch."""
    crop: Count | None = 48
    """Side in fine pixels of the random windows that are learned; null: whole stamps, as the cgan."""
    extra_noise: NonNegative = 1.0
    """Noise of up to so many times their own is added to half of the images, so that it knows depths."""
    loss: RecovererLoss = RecovererLoss()
    """What the network is held to."""
    adam: AdversarialAdam = AdversarialAdam()
    """Learning rates."""
    train: TrainConfig = TrainConfig()
    """The loop: steps, precision, checkpoints."""

    opened = staticmethod(load_recoverer)

    def files_read(self) -> dict[str, Path]:
        """Return the dataset's manifest, which holds the digests of its shards."""
        return manifest_of(self.degraded)

    def task(self, recipe_text: str = "") -> RecoverTask:
        """Fresh networks (weights from the recipe's seed) and the samples."""
        return start(self, self.degraded, recipe_text, self._task)

    def _task(self, data: Dataset, held_out: Dataset | None, notes: dict[str, Any]) -> RecoverTask:
        degraded = DegradedSplit(data)
        model = Recoverer(
            name=self.name,
            network=self.network,
            scales=degraded.scales,
            rms_njy=degraded.rms(),
            training=notes,
        )
        return RecoverTask(
            model=model,
            samples=degraded,
            held_out=None if held_out is None else DegradedSplit(held_out),
            batch=self.batch,
            critic=self.critic,
            loss=self.loss,
            adam=self.adam,
            crop=self.crop,
            extra_noise=self.extra_noise,
            seed=self.seed,
        )
