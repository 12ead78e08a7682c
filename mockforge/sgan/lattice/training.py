"""`mockforge train` of the published SGAN: the recipe's root, and from a field to trained weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from mockforge.config import config
from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.lattice.config import (
    AdamPair,
    AdversarialLoss,
    CriticChoice,
    CropSizes,
    GeneratorChoice,
    PackedCritic,
)
from mockforge.sgan.lattice.crops import FieldCrops
from mockforge.sgan.lattice.ensemble import of_member
from mockforge.sgan.lattice.model import LatticeModel, load_lattice
from mockforge.sgan.lattice.networks import PackedDiscriminator
from mockforge.sgan.lattice.painter import Scaling
from mockforge.sgan.lattice.prepare import Prepared, prepare
from mockforge.sgan.lattice.task import LatticeTask
from mockforge.sgan.training_field import TrainingField, read_training_field
from mockforge.train.config import TrainConfig
from mockforge.train.first_weights import first_weights
from mockforge.train.model_files import model_files
from mockforge.train.run import TrainRecipe


@config
class TrainLattice(TrainRecipe):
    """A recipe for `mockforge train`: the published SGAN from a real field."""

    start_from: str = ""
    """A model whose weights the generator begins with, where their shapes fit: a bundled model's name
    or a path. What depends on the number of bands begins fresh if that differs. Empty = all fresh."""
    field: TrainingField
    """The real field."""
    network: GeneratorChoice
    """The generator: `{smith2019: {}}`."""
    critic: CriticChoice = CriticChoice(packed=PackedCritic())
    """The discriminator."""
    crops: CropSizes = CropSizes()
    """Crop sizes and batch."""
    loss: AdversarialLoss = AdversarialLoss()
    """The adversarial loss."""
    adam: AdamPair = AdamPair()
    """Learning rates."""
    train: TrainConfig = TrainConfig()
    """The loop: steps, precision, checkpoints."""

    opened = staticmethod(load_lattice)

    def files_read(self) -> dict[str, Path]:
        """Return the model that it starts from."""
        return model_files(self.start_from) if self.start_from else {}

    def task(self, recipe_text: str = "") -> LatticeTask:
        """Fresh networks, the field and the losses."""
        field = read_training_field(self.field)
        ready = prepare(field.image, field.mask, self.field.cut)
        notes = self.notes(recipe_text, {"files": ", ".join(self.field.files)})
        return make_task(self, ready, field.bands, field.pixel_scale_arcsec, notes, field.origin)


def make_task(
    recipe: TrainLattice, ready: Prepared, bands: tuple[str, ...], pixel_scale_arcsec: float | None,
    notes: Mapping[str, object] | None = None, origin: Mapping[str, str] | None = None,
) -> LatticeTask:  # fmt: skip
    """Return the training task: fresh networks (weights from the recipe's seed), field, losses."""
    fwhm_arcsec = None
    if pixel_scale_arcsec and all(f == f for f in ready.psf_fwhm_pix):
        fwhm_arcsec = tuple(f * pixel_scale_arcsec for f in ready.psf_fwhm_pix)
    with first_weights(Stream(recipe.seed, ("weights",))):
        model = LatticeModel(
            name=recipe.name,
            network=recipe.network.chosen,
            bands=bands,
            instrument=ready.instrument,
            scaling=Scaling(tuple(c[0] for c in ready.clip), tuple(c[1] for c in ready.clip)),
            pixel_scale_arcsec=pixel_scale_arcsec,
            psf_fwhm_arcsec=fwhm_arcsec,
            training=dict(notes or {}),
        )
        if recipe.start_from:
            model = started(model, recipe.start_from)
        return LatticeTask(
            model=model,
            critic=PackedDiscriminator(recipe.critic.packed, len(bands)),
            field=FieldCrops(ready.image, ready.mask, recipe.crops.sizes),
            crops=recipe.crops,
            loss=recipe.loss,
            adam=recipe.adam,
            seed=recipe.seed,
            origin=dict(origin or {}),
        )


def started(model: LatticeModel, name: str) -> LatticeModel:
    """`model` with the weights of the model called `name` wherever names and shapes agree, else fresh ones.

    Raises InputError where fewer than half of the weights fit: the two are different networks.
    """
    source = load_lattice(name)
    weights = of_member(source.weights, 0, source.n_members, source.name)
    fresh = model.painter().generator.state_dict()
    fits = {k: v.to(fresh[k].dtype) for k, v in weights.items() if k in fresh and v.shape == fresh[k].shape}
    share = sum(v.numel() for v in fits.values()) / sum(v.numel() for v in fresh.values())
    if share < 0.5:
        raise InputError(
            f"start_from: {source.name} gives {share:.0%} of the network's weights, at least half are "
            "required; give network the same settings as that model's"
        )
    notes = {**model.training, "started_from": f"{source.name} ({share:.0%} of the weights)"}
    return replace(model, weights={**fresh, **fits}, training=notes)
