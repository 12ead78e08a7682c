"""A trained redshifter as two small files: weights (safetensors) and what they mean (JSON).

>>> model = load_redshifter("runs/redshifter")
>>> predict(model, image, z_in, z_out)        # (N,C,H,W) nJy in, the same at z_out out
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.errors import InputError
from mockforge.tasks.redshifter.card import redshifter_card
from mockforge.tasks.redshifter.config import Cvae, Loss, Unet
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.learned import Learned
from mockforge.tasks.redshifter.make import make_network
from mockforge.tasks.redshifter.model_file import RedshifterFile
from mockforge.torch_state import steadily
from mockforge.train.first_weights import first_weights
from mockforge.train.model_files import (
    count_parameters,
    load,
    training_notes,
    weights_of,
    with_weights,
    write_model,
)
from mockforge.train.parallel import usable
from mockforge.train.weights import check_painted
from mockforge.units import ZEROPOINT_NJY

_SPECS: dict[str, type[Unet] | type[Cvae]] = {"unet": Unet, "cvae": Cvae}


@dataclass(frozen=True)
class Redshifter:
    """A redshifter's configuration, bands, stamp and weights."""

    name: str
    network: Unet | Cvae
    bands: tuple[str, ...]
    geometry: Geometry
    shape: tuple[int, int]
    """Height and width of the stamps it was trained on, pixels."""
    pixel_scale_arcsec: float | None = None
    redshifts: tuple[float, float] = (0.0, 0.0)
    """Lowest and highest redshift it was trained on."""
    learned: Learned = field(default_factory=Learned)
    """Ranges of its training set, of which `redshifts` are those of both ends."""
    loss: Loss = field(default_factory=Loss)
    training: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    sha256: str = ""
    """Digest of the weights file."""

    @property
    def kind(self) -> str:
        """unet or cvae."""
        return next(kind for kind, spec in _SPECS.items() if isinstance(self.network, spec))

    def network_with_weights(self) -> nn.Module:
        """Return the network with these weights (fresh ones where there are none), on the CPU."""
        make = lambda: make_network(  # noqa: E731
            self.network, len(self.bands), self.geometry, self.loss, self.shape
        )
        return with_weights(make, self.weights or None, self.name)

    def trained(self, network: nn.Module, history: Mapping[str, Any]) -> Redshifter:
        """Return this model with the weights of `network` and a record of how they came about."""
        return replace(self, weights=weights_of(network), training={**self.training, **history})

    def save(self, folder: Path) -> Path:
        """Write `NAME.safetensors`, `NAME.json` and the card `NAME.md`; returns the JSON's path."""
        found = {
            "network": {self.kind: asdict(self.network)},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "geometry": asdict(self.geometry),
            "shape": list(self.shape),
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "redshifts": list(self.redshifts),
            "learned": asdict(self.learned),
            "loss": asdict(self.loss),
            "training": dict(self.training),
        }
        return write_model(folder, self.name, self.weights, found, redshifter_card(self))

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of a redshifter."""
        with first_weights():
            n = count_parameters(self.network_with_weights())
        rows = {
            "model": self.name,
            "network": f"{self.kind}, {n:,} parameters",
            "predicts": "a galaxy's image at another redshift, in nJy",
            "bands": ", ".join(self.bands),
            "stamp": f"{self.shape[0]} x {self.shape[1]} pixels",
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
            "redshifts": f"{self.redshifts[0]:g} to {self.redshifts[1]:g}",
            "PSF FWHM": _widths(self.bands, self.learned.psf_fwhm_in_arcsec),
            "cosmology": self.geometry.cosmology,
        }
        return rows | training_notes(self.training) | {"sha256": self.sha256}


def load_redshifter(name: str | Path) -> Redshifter:
    """Return a redshifter by path, weights checked against their recorded sha256.

    Raises InputError where a file is missing, unreadable, damaged or of another kind.
    """
    return load(name, RedshifterFile, _make)


@steadily(None)
@torch.no_grad()
def predict(
    model: Redshifter, image: Any, z_in: Any, z_out: Any, *, device: str = "cpu", batch: int = 64
) -> np.ndarray:
    """Each galaxy at its `z_out`: (N,C,H,W) float32 nJy from `image` (N,C,H,W) nJy.

    `z_in` and `z_out` are (N,) or numbers above 0; `device` is cpu, cuda, ... or auto.
    Deterministic: on a CPU galaxies go through the network one by one, and their pixels do not depend
    on the others', to the last bit; on another device `batch` at once, and they may differ by rounding.
    InputError where the image does not have the model's bands, or (a cvae) not its size, or the device
    is not there.
    """
    image = torch.as_tensor(np.asarray(image, dtype=np.float32))
    wanted = (len(model.bands), *(model.shape if model.kind == "cvae" else image.shape[2:]))
    if image.ndim != 4 or tuple(image.shape[1:]) != wanted:
        raise InputError(
            f"model {model.name} takes images of shape (galaxy, {', '.join(map(str, wanted))}) "
            f"in {', '.join(model.bands)}; found {tuple(image.shape)}"
        )
    redshifts = [
        torch.as_tensor(np.broadcast_to(np.asarray(z, np.float32), len(image)).copy()) for z in (z_in, z_out)
    ]
    if any(not bool((z > 0).all()) for z in redshifts):
        raise InputError("redshifts should be above 0")
    place = usable(device)
    network = model.network_with_weights().to(place).eval()
    parts = zip(*(v.split(1 if place.type == "cpu" else batch) for v in (image, *redshifts)), strict=True)
    made = torch.cat([network(*(v.clone().to(place) for v in part)).cpu() for part in parts])
    if bool(torch.isfinite(image).all()):
        check_painted(made, model.name)
    return made.numpy()


def _widths(bands: tuple[str, ...], known: tuple[float, ...] | None) -> str:
    return ", ".join(f"{b} {f:.3g} arcsec" for b, f in zip(bands, known or (), strict=False)) or "not known"


def _make(found: RedshifterFile, weights: dict[str, Tensor]) -> Redshifter:
    return Redshifter(
        name=found.name,
        network=found.network.chosen,
        bands=found.bands,
        geometry=found.geometry,
        shape=found.shape,
        pixel_scale_arcsec=found.pixel_scale_arcsec,
        redshifts=found.redshifts,
        learned=found.learned,
        loss=found.loss,
        training=found.training,
        weights=weights,
        sha256=found.sha256,
    )
