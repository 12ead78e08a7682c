"""`mockforge train` of a redshifter: the recipe's root, and from a dataset of pairs to weights."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from mockforge.config import Count, Index, config
from mockforge.data.dataset import Dataset, load
from mockforge.data.manifest import MANIFEST
from mockforge.errors import InputError
from mockforge.observe.redshift import Cosmology
from mockforge.redshifter.config import Adam, Loss, Network, Unet
from mockforge.redshifter.geometry import Geometry, pivot_wavelengths
from mockforge.redshifter.model import Redshifter
from mockforge.redshifter.pairs import Pairs
from mockforge.redshifter.task import RedshifterTask
from mockforge.rng import Stream
from mockforge.train.config import TrainConfig
from mockforge.train.loop import Report
from mockforge.train.run import run_training


@config
class TrainRedshifter:
    """A recipe for `mockforge train`: a redshifter from a dataset of pairs."""

    name: str
    """Name of the model; its files are NAME.safetensors and NAME.json."""
    source: str = ""
    """What the pairs are, in words, for the model's card."""
    seed: Index = 0
    """Seed of every random number of the run."""
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

    def run(
        self, out: Path, *, resume: bool = False, recipe_text: str = "", report: Report | None = None
    ) -> Path:
        """Train the recipe's redshifter into `out`; returns the model's JSON file.

        `report(step, losses)` is called once before (no losses) and after each step. Raises
        InputError where the dataset cannot be used or `out` holds another run, LossNotFinite
        where training breaks.
        """
        make = lambda: make_task(self, recipe_text)  # noqa: E731
        return run_training(self, make, out, resume=resume, recipe_text=recipe_text, report=report)


def make_task(recipe: TrainRedshifter, recipe_text: str = "") -> RedshifterTask:
    """The training task: a fresh network (weights from the recipe's seed) and the pairs."""
    pairs, held_out = _splits(recipe)
    data = pairs.data
    bands = tuple(str(b) for b in data.attributes["bands"])
    wavelength = recipe.wavelength_angstrom or pivot_wavelengths(bands)
    if len(wavelength) != len(bands):
        raise InputError(
            f"wavelength_angstrom has {len(wavelength)} numbers for {len(bands)} bands ({', '.join(bands)})"
        )
    scale = data.attributes.get("pixel_scale_arcsec")
    network = recipe.network.chosen
    with torch.random.fork_rng(devices=[]):  # layers draw their first weights from the global stream
        torch.set_rng_state(Stream(recipe.seed, ("weights",)).torch().get_state())
        model = Redshifter(
            name=recipe.name,
            network=network,
            bands=bands,
            geometry=Geometry(tuple(wavelength), recipe.cosmology),
            shape=(data.arrays["input"][1], data.arrays["input"][2]),
            pixel_scale_arcsec=float(scale) if scale is not None else None,
            redshifts=_reach(data),
            loss=recipe.loss,
            training=_notes(recipe, data, recipe_text),
        )
        return RedshifterTask(
            model=model,
            pairs=pairs,
            held_out=held_out,
            batch=recipe.batch,
            turns=recipe.turns,
            adam=recipe.adam,
            seed=recipe.seed,
        )


def _splits(recipe: TrainRedshifter) -> tuple[Pairs, Pairs | None]:
    """What is learned, and what is held out (None where the dataset has no such split)."""
    data = load(recipe.dataset, recipe.split)
    if not len(data):
        raise InputError(f"{recipe.dataset}: split {recipe.split!r} is empty; nothing to learn from")
    there = data.splits.get(recipe.held_out, 0) and recipe.held_out != recipe.split
    return Pairs(data), Pairs(load(recipe.dataset, recipe.held_out)) if there else None


def _reach(data: Dataset) -> tuple[float, float]:
    """Lowest and highest redshift of the first thousand pairs, two digits."""
    found = [
        float(value)
        for i in range(min(len(data), 1000))
        for name, value in data.sample(i, "z_in", "z_out").items()
        if name != "sample"
    ]
    return round(min(found), 2), round(max(found), 2)


def _notes(recipe: TrainRedshifter, data: Dataset, recipe_text: str) -> dict[str, object]:
    """What the model's card says of its data."""
    manifest = (data.path / MANIFEST).read_bytes()
    notes: dict[str, object] = {
        "source": recipe.source,
        "dataset": f"{data.path.name}, {len(data)} pairs of split {recipe.split}",
        "dataset_sha256": hashlib.sha256(manifest).hexdigest(),
        "seed": recipe.seed,
        "batch": recipe.batch,
    }
    if recipe_text:
        notes["recipe_sha256"] = hashlib.sha256(recipe_text.encode()).hexdigest()
    return notes
