"""`mockforge train` of a redshifter: the recipe's root, and from a dataset of pairs to weights."""

from __future__ import annotations

from typing import Any

from mockforge.config import Count, config
from mockforge.data.torch.dataset import Dataset
from mockforge.data.torch.pairs import PAIR
from mockforge.errors import InputError
from mockforge.photometry.cosmology import Cosmology
from mockforge.tasks.from_dataset import FromDataset, start
from mockforge.tasks.redshifter.config import RedshifterLoss, RedshifterNetwork, Unet
from mockforge.tasks.redshifter.geometry import Geometry, pivot_wavelengths
from mockforge.tasks.redshifter.learned import Learned
from mockforge.tasks.redshifter.model import Redshifter, load_redshifter
from mockforge.tasks.redshifter.task import RedshifterTask
from mockforge.tasks.splits import Split
from mockforge.train.config import Adam, TrainConfig


@config
class TrainRedshifter(FromDataset):
    """A recipe for `mockforge train`: a redshifter from a dataset of pairs."""

    wavelength_angstrom: tuple[float, ...] | None = None
    """Pivot wavelength of each band, where its name is not one that mockforge knows."""
    cosmology: Cosmology = "Planck18"
    """Cosmology of the first guess."""
    network: RedshifterNetwork = RedshifterNetwork(unet=Unet())
    """The network."""
    batch: Count = 16
    """Pairs in a batch."""
    turns: bool = True
    """Whether pairs are turned and mirrored at random."""
    loss: RedshifterLoss = RedshifterLoss()
    """What the U-Net is held to."""
    adam: Adam = Adam()
    """Learning rate."""
    train: TrainConfig = TrainConfig()
    """The loop: steps, precision, checkpoints."""

    opened = staticmethod(load_redshifter)

    def task(self, recipe_text: str = "") -> RedshifterTask:
        """Make a fresh network and the pairs."""
        return start(self, self.dataset, recipe_text, self._task, "pairs")

    def _task(self, data: Dataset, held_out: Dataset | None, notes: dict[str, Any]) -> RedshifterTask:
        pairs = Split(data, PAIR, Redshifter.what)
        bands = tuple(str(b) for b in data.attributes["bands"])
        wavelength = self.wavelength_angstrom or pivot_wavelengths(bands)
        if len(wavelength) != len(bands):
            raise InputError(
                f"wavelength_angstrom has {len(wavelength)} numbers for {len(bands)} bands "
                f"({', '.join(bands)})"
            )
        scale, learned = data.attributes.get("pixel_scale_arcsec"), Learned.of(data)
        model = Redshifter(
            name=self.name,
            network=self.network,
            bands=bands,
            geometry=Geometry(tuple(wavelength), self.cosmology),
            shape=(data.arrays["input"][1], data.arrays["input"][2]),
            pixel_scale_arcsec=float(scale) if scale is not None else None,
            redshifts=learned.reach,
            learned=learned,
            loss=self.loss,
            training=notes,
        )
        return RedshifterTask(
            model=model,
            samples=pairs,
            held_out=None if held_out is None else Split(held_out, PAIR, Redshifter.what),
            batch=self.batch,
            turns=self.turns,
            adam=self.adam,
            seed=self.seed,
        )
