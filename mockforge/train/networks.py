"""The networks of all kinds by the word in their models' JSON: opened and described through one table.

The table is `mockforge.registry.NETWORKS`; an installed package adds to it by an entry point of the group
`mockforge.networks`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mockforge.errors import InputError, nearest
from mockforge.registry import NETWORKS
from mockforge.train.model_files import model_path, network_kind


def kind_of(name: str | Path) -> str:
    """Return the word that says which network a model is, e.g. `unet`.

    Parameters
    ----------
    name
        A bundled model's name, or a path to its JSON, its weights or its folder.

    Raises
    ------
    InputError
        Where there is no such model, its JSON cannot be read, or no installed package has the network.
    """
    path = model_path(name)
    kind = network_kind(path)
    if kind not in NETWORKS:
        raise InputError(
            f"{path}: describes the network {kind[:40]!r}, which no installed package has"
            f"{nearest(kind, NETWORKS)}"
        )
    return kind


def open_model(name: str | Path) -> Any:
    """Open the model of a bundled name or a path, of whatever network.

    Raises
    ------
    InputError
        As `kind_of`, and where a file is missing, damaged or not the model it should be.
    """
    kind = kind_of(name)
    opened = getattr(NETWORKS.load(kind), "opened", None)
    if opened is None:
        raise InputError(
            f"{name}: the network {kind!r} of {NETWORKS.giver(kind)} opens no models: its training recipe "
            "should inherit mockforge.train.run.TrainRecipe and say what it has `opened`"
        )
    return opened(name)


def describe(name: str | Path) -> dict[str, str]:
    """Return what `mockforge info` prints of a model, fact by fact. Raises InputError as `open_model`."""
    return open_model(name).describe()
