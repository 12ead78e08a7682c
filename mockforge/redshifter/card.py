"""The card of a trained redshifter: what it predicts, what it learned from, what it cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mockforge.train.model_files import training_notes

if TYPE_CHECKING:
    from mockforge.redshifter.model import Redshifter

_WHAT = {
    "unet": "A conditional U-Net on top of a first guess from geometry",
    "cvae": "The conditional variational autoencoder of the original experiment",
}


def redshifter_card(model: Redshifter) -> str:
    """Markdown; everything in it is read from the model."""
    scale = f" at {model.pixel_scale_arcsec:g} arcsec a pixel" if model.pixel_scale_arcsec else ""
    low, high = model.redshifts
    lines = [
        f"# {model.name}",
        "",
        f"{_WHAT[model.kind]}: from the image of a galaxy at z_in to its image at z_out, in nJy, in "
        f"{', '.join(model.bands)}, stamps of {model.shape[0]} x {model.shape[1]} pixels{scale}.",
        "",
        "## Training",
        "",
        *(f"- {key}: {value}" for key, value in training_notes(model.training).items()),
        "",
        "## Limits",
        "",
        f"- It learned redshifts from {low:g} to {high:g} and {model.geometry.cosmology}; beyond it guesses.",
        "- Its galaxies are those of its dataset: other spectra, shapes, PSFs and depths it has never seen.",
        "- It predicts one image, the likely one; the spread of what is possible is not given.",
        "- Light beyond the reach of the input's bands is inferred from the spectra of the dataset.",
        "",
    ]
    return "\n".join(lines)
