"""A SGAN written to a folder: weights, what they mean, and the card."""

from __future__ import annotations

from pathlib import Path

from mockforge.sgan.card import model_card
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.train.model_files import write_model


def save_model(model: LatticeModel, folder: Path) -> Path:
    """Write `NAME.safetensors`, `NAME.json` and the card `NAME.md`; returns the JSON's path."""
    return write_model(folder, model.name, model.weights, model.to_json(), model_card(model))
