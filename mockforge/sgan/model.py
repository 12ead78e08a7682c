"""Trained SGANs of either kind, by name: a lattice that paints pixels, or sources at places."""

from __future__ import annotations

from pathlib import Path

from mockforge.errors import InputError
from mockforge.sgan.forge import ForgeModel, load_forge
from mockforge.sgan.lattice.model import LatticeModel, load_lattice
from mockforge.train.described import parse_json
from mockforge.train.model_files import bundled_models, model_path, network_kind

__all__ = [
    "ForgeModel",
    "LatticeModel",
    "SganModel",
    "bundled_models",
    "describe",
    "load_model",
    "model_path",
]

SganModel = ForgeModel | LatticeModel


def load_model(name: str | Path) -> SganModel:
    """Return a model by name or path; every field and number of it is checked.

    Parameters
    ----------
    name
        A bundled model's name, or a path to its JSON, its weights or its folder.

    Raises
    ------
    InputError
        Where a file is missing, unreadable or damaged, is not a SGAN's, or is of the lattice network
        `forge` that is gone.
    """
    path = model_path(name)
    kind = network_kind(path)
    if kind == "smith2019":
        return load_lattice(path)
    if kind == "forge":
        _refuse_lattice(path)
        return load_forge(path)
    if kind == "galaxies":
        raise InputError(
            f"{path}: is a model of single galaxies, which paints no sky; write its galaxies with `mockforge "
            "generate --galaxies N`"
        )
    raise InputError(
        f"{path}: not a model for this: it is a {kind[:40]}, expected a SGAN: forge or smith2019;"
        " `mockforge info` of it says what it does"
    )


def _refuse_lattice(path: Path) -> None:
    """InputError where a file describes the lattice network that was called `forge` before."""
    network = parse_json(path.read_bytes())["network"]["forge"]
    if isinstance(network, dict) and "z_channels" in network:
        raise InputError(
            f"{path}: is of the lattice network `forge` of earlier versions of mockforge, which is gone: a"
            " sky is painted source by source now, so that every pixel has an owner; use the bundled"
            " kids-viking, or train again on your field: `mockforge train train_field field.files=...`"
        )


def describe(name: str | Path) -> dict[str, str]:
    """Return what `mockforge info` prints of the model called `name`."""
    return load_model(name).describe()
