"""A trained network that recovers, as two small files: weights (safetensors) and what they mean (JSON).

>>> model = load_recoverer("recover-hsc")
>>> predict(model, image)        # (N,C,h,w) nJy of a coarse image in, (N,C,H,W) of a fine one out
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
from mockforge.field.picture import sky_rms
from mockforge.tasks.recover.card import recoverer_card
from mockforge.tasks.recover.config import Cgan, Residual
from mockforge.tasks.recover.degraded import Scales, depth_of, fine_unit
from mockforge.tasks.recover.grid import fine_shape, upsampled
from mockforge.tasks.recover.model_file import RecovererFile
from mockforge.tasks.recover.networks import make_network
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

SPECS: dict[str, type[Residual] | type[Cgan]] = {"residual": Residual, "cgan": Cgan}
"""The word in a model's file that says its network -> its configuration."""
TILE = 512
"""Fine pixels on a side that are recovered at once."""


@dataclass(frozen=True)
class Recoverer:
    """Configuration, pixels and bands of both telescopes, and weights."""

    name: str
    network: Residual | Cgan
    scales: Scales
    rms_njy: tuple[float, ...]
    """Usual rms of the sky in a coarse pixel of the training set, nJy, per band."""
    training: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    sha256: str = ""
    """Digest of the weights file."""

    @property
    def kind(self) -> str:
        """residual or cgan."""
        return next(kind for kind, spec in SPECS.items() if isinstance(self.network, spec))

    def network_with_weights(self) -> nn.Module:
        """Return the network with these weights (fresh ones where there are none), on the CPU."""
        s = self.scales
        make = lambda: make_network(self.network, len(s.bands), s.shape, s.fine)  # noqa: E731
        return with_weights(make, self.weights or None, self.name)

    def trained(self, network: nn.Module, history: Mapping[str, Any]) -> Recoverer:
        """Return this model with the weights of `network` and a record of how they came about."""
        return replace(self, weights=weights_of(network), training={**self.training, **history})

    def save(self, folder: Path) -> Path:
        """Write `NAME.safetensors`, `NAME.json` and the card `NAME.md`; returns the JSON's path."""
        found = {
            "network": {self.kind: asdict(self.network)},
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "scales": asdict(self.scales),
            "rms_njy": list(self.rms_njy),
            "training": dict(self.training),
        }
        return write_model(folder, self.name, self.weights, found, recoverer_card(self))

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of it."""
        s = self.scales
        known = s.psf_fwhm_arcsec or ()
        with first_weights():
            n = count_parameters(self.network_with_weights())
        rows = {
            "model": self.name,
            "network": f"{self.kind}, {n:,} parameters",
            "recovers": f"the image at {s.fine_arcsec:g} arcsec from one at {s.coarse_arcsec:g}, in nJy",
            "from bands": ", ".join(s.bands),
            "to bands": ", ".join(s.fine_bands),
            "image": f"{s.shape[0]} x {s.shape[1]} pixels" if self.kind == "cgan" else "any size",
            "sky rms": ", ".join(f"{b} {r:.4g} nJy" for b, r in zip(s.bands, self.rms_njy, strict=True)),
            "PSF FWHM": ", ".join(f"{b} {f:.2f} arcsec" for b, f in zip(s.bands, known, strict=False))
            or "not known",
        }
        return rows | training_notes(self.training) | {"sha256": self.sha256}


def load_recoverer(name: str | Path) -> Recoverer:
    """Return a network that recovers, by name or path, weights checked against their recorded sha256.

    Raises InputError where a file is missing, unreadable, damaged or of another kind.
    """
    return load(name, RecovererFile, _make)


@steadily(None)
@torch.no_grad()
def predict(
    model: Recoverer, image: Any, rms: Any = None, *,
    shape: tuple[int, int] | None = None, device: str = "cpu", batch: int = 64,
) -> np.ndarray:  # fmt: skip
    """Return the fine images (N,C,H,W) float32 nJy of coarse ones (N,C,h,w) nJy, sky subtracted.

    `rms` (N,C) is that of their sky noise in nJy, by default measured on each image. `shape`
    (H, W), by default the fine pixels that fit whole: the middles of both images fall together.
    Large images are recovered in overlapping tiles, with the result of the whole. Deterministic: on a
    CPU images go through the network one by one, and their pixels do not depend on the others', to the
    last bit; on another device up to `batch` at once, and they may differ by rounding. InputError where
    the image does not have the model's bands, or (a cgan) not its size, has no noise, or the device is
    not there.
    """
    given = np.asarray(image, dtype=np.float32)
    bands = model.scales.bands
    if given.ndim != 4 or given.shape[1] != len(bands):
        raise InputError(
            f"model {model.name} takes images of shape (image, {len(bands)}, y, x) in {', '.join(bands)}; "
            f"found {given.shape}"
        )
    if model.kind == "cgan" and given.shape[2:] != model.scales.shape:
        raise InputError(
            f"model {model.name} takes stamps of {model.scales.shape[0]} x {model.scales.shape[1]} pixels "
            f"only, found {given.shape[2]} x {given.shape[3]}; a `residual` network takes any"
        )
    step = model.scales.step
    fine = model.scales.fine if model.kind == "cgan" else shape or fine_shape(given.shape[2:], step)
    if min(fine) < 1:
        raise InputError(f"an image of {given.shape[2]} x {given.shape[3]} pixels is too small")
    level = _levels(model, given, rms)
    place = usable(device)
    network = model.network_with_weights().to(place).eval()
    out = np.empty((len(given), len(bands), *fine), dtype=np.float32)
    size = 1 if place.type == "cpu" else max(1, min(batch, batch * TILE**2 // 64 // (fine[0] * fine[1])))
    for start in range(0, len(given), size):
        part = torch.from_numpy(given[start : start + size]).to(place)
        unit = fine_unit(torch.from_numpy(level[start : start + size]).to(place), step)
        base = upsampled(part, fine, step)
        out[start : start + size] = _tiled(network, base, unit, depth_of(unit, model.rms_njy, step))
    if np.isfinite(given).all():
        check_painted(torch.from_numpy(out), model.name)
    return out


def _levels(model: Recoverer, image: np.ndarray, rms: Any) -> np.ndarray:
    measured = np.stack([sky_rms(one) for one in image]) if rms is None else np.asarray(rms)
    level = np.broadcast_to(measured, image.shape[:2]).astype(np.float32)
    if not (np.isfinite(level).all() and (level > 0).all()):
        raise InputError(
            f"model {model.name}: the rms of the sky noise should be above 0 in every band"
            f" (found {np.unique(level)[:3].tolist()}); give it in nJy, or an image with noise"
        )
    return level


def _tiled(network: nn.Module, base: Tensor, unit: Tensor, depth: Tensor) -> np.ndarray:
    """Return the network's image, tile by tile where it is large."""
    height, width = base.shape[2:]
    if max(height, width) <= TILE or not hasattr(network, "reach"):
        return network(base, unit, depth).float().cpu().numpy()
    out = np.empty(tuple(base.shape), dtype=np.float32)
    reach = int(network.reach)  # type: ignore[arg-type]
    for y in range(0, height, TILE):
        for x in range(0, width, TILE):
            y0, x0 = max(0, y - reach), max(0, x - reach)
            y1, x1 = min(height, y + TILE), min(width, x + TILE)
            window = base[:, :, y0 : min(height, y1 + reach), x0 : min(width, x1 + reach)]
            made = network(window, unit, depth)[:, :, y - y0 : y1 - y0, x - x0 : x1 - x0]
            out[:, :, y:y1, x:x1] = made.float().cpu().numpy()
    return out


def _make(found: RecovererFile, weights: dict[str, Tensor]) -> Recoverer:
    return Recoverer(
        name=found.name,
        network=found.network.chosen,
        scales=found.scales,
        rms_njy=found.rms_njy,
        training=found.training,
        weights=weights,
        sha256=found.sha256,
    )
