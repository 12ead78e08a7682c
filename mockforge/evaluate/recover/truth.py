"""What a network that recovers is compared with: a split of a dataset of degraded images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.data.torch.dataset import Dataset, load
from mockforge.errors import InputError
from mockforge.tasks.recover.degraded import Scales, sky_level
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class MeasuredStamps:
    """Samples of a split, nJy."""

    image: np.ndarray
    """(N,C,h,w): coarse, with noise."""
    truth: np.ndarray
    """(N,C,H,W): fine, without noise."""
    rms: np.ndarray
    """(N,C) of the sky in a coarse pixel."""
    psf: np.ndarray | None
    """(C,s,s): the PSF of the coarse image with its pixel, where the dataset has it."""
    owner: np.ndarray
    """(M,) index of the sample of each object; the one in the middle first."""
    x: np.ndarray
    """(M,) fine pixels."""
    y: np.ndarray
    scales: Scales

    @property
    def magnitude(self) -> np.ndarray:
        """AB magnitude of all the light of a stamp in the middle band, (N,)."""
        total = self.truth[:, len(self.scales.bands) // 2].sum(axis=(1, 2), dtype=np.float64)
        return ZEROPOINT_NJY - 2.5 * np.log10(np.maximum(total, 1e-9))

    @property
    def count(self) -> np.ndarray:
        """Objects of each sample, (N,)."""
        return np.bincount(self.owner, minlength=len(self.image))

    @property
    def centre(self) -> np.ndarray:
        """(N,2): y, x of the first object of each sample, of the stamp where there is none."""
        out = np.tile((np.array(self.truth.shape[2:]) - 1) / 2, (len(self.image), 1))
        first, where = np.unique(self.owner, return_index=True)
        out[first] = np.stack([self.y[where], self.x[where]], axis=1)
        return out


def read_stamps(dataset: str, split: str, limit: int) -> MeasuredStamps:
    """Return the first samples of a split; InputError where the dataset is none of degraded images."""
    data = load(dataset, split)
    scales = Scales.of(data)
    if not len(data):
        raise InputError(f"{dataset}: split {split!r} is empty; nothing to evaluate")
    has_psf = "psf_out" in data.arrays
    names = ("image", "truth", "variance", *(("psf_out",) if has_psf else ()))
    samples = [data.sample(i, *names) for i in range(min(limit, len(data)))]
    image, truth = (np.stack([s[name].numpy() for s in samples]) for name in ("image", "truth"))
    return MeasuredStamps(
        image=image,
        truth=truth,
        rms=np.stack([sky_level(s["variance"]).numpy() for s in samples]),
        psf=samples[0]["psf_out"].numpy() if has_psf else None,
        **_objects(data, np.array([s["sample"] for s in samples]), scales),
        scales=scales,
    )


def _objects(data: Dataset, samples: np.ndarray, scales: Scales) -> dict[str, np.ndarray]:
    """Owners and places in fine pixels; empty where the dataset has no table of objects."""
    if "objects" not in data.tables:
        return {"owner": np.zeros(0, dtype=np.int64), "x": np.zeros(0), "y": np.zeros(0)}
    table = data.table("objects")
    index = {int(sample): i for i, sample in enumerate(samples)}
    in_samples = np.array([int(s) in index for s in table["sample"]], dtype=bool)
    table = table[in_samples]
    owner = np.array([index[int(s)] for s in table["sample"]], dtype=np.int64)
    order = np.lexsort((np.asarray(table["label"]), owner))
    return {
        "owner": owner[order],
        **{
            axis: ((np.asarray(table[axis]) - (coarse - 1) / 2) * scales.step + (fine - 1) / 2)[order]
            for axis, coarse, fine in zip("yx", scales.shape, scales.fine, strict=True)
        },
    }
