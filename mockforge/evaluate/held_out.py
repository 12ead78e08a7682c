"""Whether a network is measured on what it has not learned."""

from __future__ import annotations

from mockforge.data.torch.dataset import load
from mockforge.errors import InputError
from mockforge.tasks.splits import dataset_digest, dataset_seed, learned_split
from mockforge.tasks.trained import Trained


def held_out(model: Trained, dataset: str, split: str, allow_training_split: bool = False) -> bool:
    """Whether the samples of a split are other ones than those that a network learned.

    They are not, or may not be, in the split that it was trained on, of whichever dataset; and in another
    dataset built with the seed of the one it was trained on, since that seed and a sample's number
    make the sample, whatever split it falls into. Then raises InputError, unless allowed.
    """
    data = load(dataset, split)
    training = model.training
    same = training.get("dataset_sha256") == dataset_digest(data)
    seed = dataset_seed(data)
    if split == learned_split(training):
        fault = (
            "was trained on this very split" if same else f"was trained on the split {split!r} of its dataset"
        )
        others = ", ".join(name for name, count in data.splits.items() if name != split and count)
        instead = f"evaluate another split ({others or 'this dataset has none'})"
    elif seed is not None and not same and seed == training.get("dataset_seed"):
        fault = (
            f"was trained on another dataset built with the same seed, {seed}, whose samples may be among "
            "these"
        )
        instead = f"build it with another seed (seed={seed + 1})"
    else:
        return True
    if allow_training_split:
        return False
    raise InputError(
        f"{dataset}: model {model.name} {fault}, so its errors here would say nothing of other galaxies; "
        f"{instead}, or give --allow-training-split"
    )
