"""`mockforge train` of a redshifter: the recipe's root, and from a dataset of pairs to weights."""

from __future__ import annotations

from pathlib import Path

from mockforge.config import Count, config
from mockforge.data.manifest import MANIFEST
from mockforge.data.torch.dataset import PAIR
from mockforge.errors import InputError
from mockforge.photometry.cosmology import Cosmology
from mockforge.rng import Stream
from mockforge.tasks.redshifter.config import Adam, Loss, Network, Unet
from mockforge.tasks.redshifter.geometry import Geometry, pivot_wavelengths
from mockforge.tasks.redshifter.learned import Learned
from mockforge.tasks.redshifter.model import Redshifter
from mockforge.tasks.redshifter.pairs import Pairs
from mockforge.tasks.redshifter.task import RedshifterTask
from mockforge.train.config import TrainConfig
from mockforge.train.dataset import about, splits
from mockforge.train.first_weights import first_weights
from mockforge.train.run import TrainRecipe


@config
class TrainRedshifter(TrainRecipe):
    """A recipe for `mockforge train`: a redshifter from a dataset of pairs."""

    dataset: str
    """Folder of a built dataset with `input`, `target`, `z_in` and `z_out`."""
    split: str = "train"
    """The split that is learned."""
    held_out: str = "val"
    """The split for previews and the validation loss; a dataset without it is no error."""
    wavelength_angstrom: tuple[float, ...] | None = None
    """Pivot wavelength of each band, where its name is not one that mockforge knows."""
    cosmology: Cosmology = "Planck18"
    """Cosmology of the first guess."""
    network: Network = Network(unet=Unet())
    """The network."""
    batch: Count = 16
    """Pairs in a batch."""
    turns: bool = True
    """Whether pairs are turned and mirrored at random."""
    loss: Loss = Loss()
    """What the U-Net is held to."""
    adam: Adam = Adam()
    """Learning rate."""
    train: TrainConfig = TrainConfig()
    """The loop: steps, precision, checkpoints."""

    def files_read(self) -> dict[str, Path]:
        """Return the dataset's manifest, which holds the digests of its shards."""
        return {"manifest of the dataset": Path(self.dataset).expanduser() / MANIFEST}

    def task(self, recipe_text: str = "") -> RedshifterTask:
        """Return a fresh network and the pairs."""
        return make_task(self, recipe_text)


def make_task(recipe: TrainRedshifter, recipe_text: str = "") -> RedshifterTask:
    """Return the training task: a fresh network (weights from the recipe's seed) and the pairs."""
    data, held_out = splits(recipe.dataset, recipe.split, recipe.held_out)
    data.needs(PAIR, "a redshifter")
    bands = tuple(str(b) for b in data.attributes["bands"])
    wavelength = recipe.wavelength_angstrom or pivot_wavelengths(bands)
    if len(wavelength) != len(bands):
        raise InputError(
            f"wavelength_angstrom has {len(wavelength)} numbers for {len(bands)} bands ({', '.join(bands)})"
        )
    scale = data.attributes.get("pixel_scale_arcsec")
    network, learned = recipe.network.chosen, Learned.of(data)
    with first_weights(Stream(recipe.seed, ("weights",))):
        model = Redshifter(
            name=recipe.name,
            network=network,
            bands=bands,
            geometry=Geometry(tuple(wavelength), recipe.cosmology),
            shape=(data.arrays["input"][1], data.arrays["input"][2]),
            pixel_scale_arcsec=float(scale) if scale is not None else None,
            redshifts=learned.reach,
            learned=learned,
            loss=recipe.loss,
            training=recipe.notes(recipe_text, about(data, "pairs"), batch=recipe.batch),
        )
        return RedshifterTask(
            model=model,
            pairs=Pairs(data),
            held_out=Pairs(held_out) if held_out is not None else None,
            batch=recipe.batch,
            turns=recipe.turns,
            adam=recipe.adam,
            seed=recipe.seed,
        )
