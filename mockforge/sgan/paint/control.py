"""Control: what is requested of a sky, in its model's numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.model import SganModel


@dataclass(frozen=True)
class RmsMap:
    """The sky rms over a field, nJy per pixel, between whose meshes it runs linearly."""

    njy: np.ndarray
    """(bands, ny, nx): element (i, j) belongs to the square from pixel (i, j) times `mesh`."""
    mesh: int
    """Side of a square in pixels."""


def check_lattice(model: SganModel, **asked: Any) -> None:
    """InputError where a model that paints observed pixels is asked for other ones."""
    for name, value in asked.items():
        if value is not None:
            raise InputError(
                f"{name}: {model.name} paints observed pixels, noise and PSF included, and has no {name}"
                " to set; choose a model of the network `forge`"
            )
