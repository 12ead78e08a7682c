"""Where generated pixels come from: a model's sky, a dataset's tiles, or a FITS file."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.torch.dataset import load
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.sky import Sky
from mockforge.train.parallel import usable


@dataclass(frozen=True)
class Generated:
    """Generated images (band, y, x) of some bands in some unit, and where each lies on its sky."""

    images: list[np.ndarray]
    masks: list[np.ndarray | None]
    bands: tuple[str, ...]
    unit: str
    offsets: np.ndarray
    """(image, 2) int: y, x of pixel (0, 0) on the sky."""
    what: str
    network: Mapping[str, Any] = field(default_factory=dict)
    """What is known of the network that painted them: `goals.goals_section` says what it asks for."""
    truths: list[np.ndarray] = field(default_factory=list)
    """The images without noise, where they are known."""
    gains: tuple[float, ...] | None = None
    """(band,) electrons per unit of flux behind the photon noise; 0: none."""
    more: Generated | None = None
    """A larger sky of the same sources, for what needs many bright ones."""

    def ordered(self, bands: tuple[str, ...], unit: str) -> Generated:
        """Return the same with the reference's bands in its order.

        Raises InputError where a band is missing or the unit differs.
        """
        order = band_order(self.what, self.bands, self.unit, bands, unit)
        return replace(
            self,
            images=[i[order] for i in self.images],
            truths=[t[order] for t in self.truths],
            bands=bands,
            gains=None if self.gains is None else tuple(self.gains[i] for i in order),
            more=None if self.more is None else self.more.ordered(bands, unit),
        )

    @property
    def shapes(self) -> list[tuple[int, int]]:
        """Height and width of each image."""
        return [(image.shape[1], image.shape[2]) for image in self.images]


def band_order(
    what: str, found: tuple[str, ...], found_unit: str, bands: tuple[str, ...], unit: str
) -> list[int]:
    """Where each of the reference's `bands` is among those `found` in `what`.

    Raises InputError where a band is missing or the unit differs.
    """
    missing = [b for b in bands if b not in found]
    if missing and len(bands) == len(found):
        raise InputError(
            f"{what}: holds the bands {', '.join(found)}, the reference {', '.join(bands)};"
            f" where its files are those bands, name them so, in their order: --bands {','.join(found)}"
        )
    if missing:
        raise InputError(f"{what}: lacks the bands {', '.join(missing)}; it holds {', '.join(found)}")
    if unit != found_unit:
        raise InputError(
            f"{what}: pixels are in {found_unit}, the reference's in {unit};"
            " give the reference's AB magnitude of pixel value 1 with --zeropoint"
        )
    return [found.index(b) for b in bands]


def from_model(
    model: SganModel,
    shape: tuple[int, int],
    seed: int,
    device: str = "cpu",
    told: Mapping[str, Any] | None = None,
) -> Generated:
    """Return a window of a model's sky that begins where the map of the noise that it is told does.

    The centre of a map's first place is pixel (0, 0) of the sky, so that is half a mesh before.

    Parameters
    ----------
    model, seed, device
        As `mockforge.Sky` takes them.
    shape
        Height and width in pixels.
    told
        What the sky is told of the reference, keywords of `mockforge.Sky`: noise, density.
    """
    import torch

    height, width = shape
    torch_device = usable(device)
    sky = Sky(model, seed, device=str(torch_device), kept_tiles=0, **(told or {}))
    start = time.monotonic()
    first = corner_of(told)
    image, truth = sky.pixels(first, first + height, first, first + width)
    speed = height * width / 1e6 / max(time.monotonic() - start, 1e-9)
    threads = torch.get_num_threads()
    on_cpu = f"{threads} CPU thread{'s' * (threads > 1)}"
    network = {
        "minutes": minutes_of(model.training),
        "device": model.training.get("device"),
        "mpix_s": speed,
        "painted_on": on_cpu if torch_device.type == "cpu" else str(torch_device),
    }
    source = f"model {model.name}, seed {seed}"
    gains = None
    if truth is not None:
        noise = (told or {}).get("noise", model.noise)  # type: ignore
        gains = tuple(float(g) for g in noise.electrons_per_njy)
    corner = np.full((1, 2), first)
    truths = [] if truth is None else [truth]
    return Generated([image], [None], model.bands, "nJy", corner, source, network, truths, gains)


def corner_of(told: Mapping[str, Any] | None) -> int:
    """Row and column of the sky at which the map of the noise that it is told begins; 0 without one."""
    noise = (told or {}).get("noise")
    return 0 if noise is None else -(noise.mesh // 2)


def minutes_of(training: Mapping[str, Any]) -> float | None:
    """Minutes that a model's fit and training took, by its record; None where that does not say."""
    hours = training.get("hours")
    return 60.0 * float(hours) if hours is not None else training.get("minutes")


def from_field(path: Path, how: dict[str, Any]) -> Generated:
    """Return a generated field as a FITS file with all bands."""
    field = Field.read(path, **how)
    offset = [int(field.header.get(k, 0) or 0) for k in ("MFY0", "MFX0")]
    truths = [] if field.truth is None else [field.truth]
    return Generated(
        [field.image], [field.mask], field.bands, field.unit, np.array([offset]), str(path), truths=truths
    )


def from_dataset(path: Path, pixels: int) -> Generated:
    """Tiles of a dataset until they cover `pixels`; each is an image of its own."""
    dataset = load(path)
    dataset.needs(("image",), "evaluate")
    tile = dataset.arrays["image"][-2:]
    n = min(len(dataset), -(-pixels // (tile[0] * tile[1])))
    alike = dataset.arrays.get("truth") == dataset.arrays["image"]  # of degraded tiles it has smaller pixels
    names = ("image", "truth") if alike else ("image",)
    samples = [dataset.sample(i, *names) for i in range(n)]
    offsets = _corners(dataset, [s["sample"] for s in samples])
    dataset.close()
    bands = dataset.attributes.get("bands")
    if bands is None:
        raise InputError(f"{path}: does not say which bands its images hold")
    images = [s["image"].numpy() for s in samples]
    truths = [s["truth"].numpy() for s in samples if "truth" in s]
    unit = str(dataset.attributes.get("unit", "nJy"))
    what = f"dataset {path}, {n} tiles"
    return Generated(images, [None] * n, tuple(bands), unit, offsets, what, truths=truths)


def _corners(dataset: Any, samples: Sequence[int]) -> np.ndarray:
    """Where the tiles lie on their sky, (n, 2); zeros where the dataset does not say."""
    if "tile" not in dataset.tables:
        return np.zeros((len(samples), 2), dtype=int)
    table = dataset.table("tile")
    if "sky_y0" not in table.colnames:
        return np.zeros((len(samples), 2), dtype=int)
    where = {int(s): i for i, s in enumerate(table["sample"])}
    rows = [where[s] for s in samples]
    return np.stack([np.asarray(table[k])[rows] for k in ("sky_y0", "sky_x0")], axis=1).astype(int)
