"""A finished dataset in PyTorch.

>>> train = mockforge.load("datasets/segmentation", split="train")
>>> train[0]["image"].shape
torch.Size([3, 256, 256])
>>> loader = torch.utils.data.DataLoader(train, batch_size=16, shuffle=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch

from mockforge.data.reader import Reader
from mockforge.errors import InputError, nearest

if TYPE_CHECKING:
    from mockforge.data.detection import DetectionDataset

Sample = dict[str, Any]
PAIR = ("input", "target", "z_in", "z_out")


def load(
    path: str | Path, split: str | None = None, transform: Callable[[Sample], Any] | None = None
) -> Dataset:
    """Open a finished dataset as a map-style torch Dataset.

    `path` is the dataset's folder (or its `dataset.h5`); `split` is one of its splits, or None
    for all samples; `transform` is called on each sample's dict and may return anything.

    Raises InputError for an unknown split, an unfinished build, a missing or damaged shard.
    """
    return Dataset(path, split, transform)


class Dataset(torch.utils.data.Dataset[Any]):
    """The samples of one split; `dataset[i]` is a dict of tensors.

    Floating arrays are float32 in the unit of `attributes["unit"]` (nJy), e.g. `image` (C,H,W);
    integer arrays are int64, e.g. `instances` (H,W); `sample` is the sample's number in the
    dataset, an int, as in the column `sample` of the tables. Files are opened when first read,
    anew in every process: safe with DataLoader workers by fork and by spawn, and picklable.
    """

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        transform: Callable[[Sample], Any] | None = None,
    ) -> None:
        self._reader = Reader(path)
        self.path = self._reader.folder
        self.split = split
        self.transform = transform
        if split is None:
            self._rows = np.arange(len(self._reader))
        else:
            splits = self._reader.manifest.splits
            if split not in splits:
                raise InputError(f"{path}: no split {split!r}{nearest(split, splits)}")
            self._rows = np.flatnonzero(self._reader.split == split)

    @property
    def attributes(self) -> dict[str, Any]:
        """bands, pixel_scale_arcsec, unit, zeropoint_ab, psf_fwhm_arcsec, recipe, ..."""
        return self._reader.attributes

    @property
    def splits(self) -> dict[str, int]:
        """Every split of the dataset -> its samples."""
        return dict(self._reader.manifest.splits)

    @property
    def arrays(self) -> dict[str, tuple[int, ...]]:
        """Array -> shape of one sample."""
        return dict(self._reader.shapes)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._reader.tables)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: int) -> Any:
        sample = self.sample(index)
        return sample if self.transform is None else self.transform(sample)

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]

    def sample(self, index: int, *arrays: str) -> Sample:
        """Sample `index` without the transform; only some arrays where they are named."""
        row = self._row(index)
        read = self._reader.read(row, arrays or None)
        out: Sample = {name: _tensor(values) for name, values in read.items()}
        out["sample"] = int(self._reader.sample[row])
        return out

    def table(self, name: str) -> Any:
        """The rows of a table (`catalogue`, `galaxy`) that belong to this split.

        Returns an astropy Table whose columns have units; the column `sample` says whose row
        each is. Raises InputError for an unknown name.
        """
        from astropy.table import Column, Table

        from mockforge.data.columns import meaning_of

        columns, units = self._reader.table(name)
        if self.split is not None:
            mine = np.isin(columns["sample"], self._reader.sample[self._rows])
            columns = {c: values[mine] for c, values in columns.items()}
        return Table(
            [
                Column(values, name=c, unit=units[c] or None, description=meaning_of(c) or None)
                for c, values in columns.items()
            ],
            meta={"dataset": self._reader.manifest.name, "table": name, "split": self.split or "all"},
        )

    def as_detection(
        self,
        transforms: Callable[..., Any] | None = None,
        *,
        scaling: Literal["asinh"] | None = "asinh",
        masks: str = "instances",
    ) -> DetectionDataset:
        """The split as torchvision's detection models take it: see DetectionDataset.

        `masks` names the array of labels: `instances`, what was detected, or another, such as
        `instances_truth`, what is there.
        """
        from mockforge.data.detection import DetectionDataset

        return DetectionDataset(self, transforms, scaling, masks)

    def as_pairs(self) -> PairDataset:
        """The split as tuples (input, target, z_in, z_out): see PairDataset."""
        return PairDataset(self)

    def close(self) -> None:
        """Close the open files; reading again opens them again."""
        self._reader.close()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in self.arrays.items())
        name = self._reader.manifest.name
        return f"<mockforge dataset {name!r}, split={self.split}, {len(self)} x {{{shapes}}}>"

    def needs(self, arrays: tuple[str, ...], what: str) -> None:
        """InputError naming the arrays that `what` needs and this dataset lacks."""
        missing = [name for name in arrays if name not in self._reader.shapes]
        if missing:
            raise InputError(
                f"{self.path}: {what} needs the arrays {', '.join(arrays)}; missing {', '.join(missing)}; "
                f"it holds {', '.join(self._reader.shapes)} (the recipe's `save` says which are kept)"
            )

    def _row(self, index: int) -> int:
        index = int(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)} in split {self.split or 'all'}")
        return int(self._rows[index])


class PairDataset(torch.utils.data.Dataset[tuple[torch.Tensor, ...]]):
    """A redshifting set as tuples (input, target, z_in, z_out).

    `input` and `target` are float32 (C,H,W) in nJy; `z_in` and `z_out` float32 scalars. The
    dataset's `transform` is applied to the dict before.
    """

    def __init__(self, base: Dataset) -> None:
        base.needs(PAIR, "as_pairs()")
        self.base = base

    def __len__(self) -> int:
        return len(self.base)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, ...]:
        if self.base.transform is None:
            sample = self.base.sample(index, *PAIR)
        else:
            sample = self.base.transform(self.base.sample(index))
        return tuple(sample[name] for name in PAIR)


def _tensor(values: np.ndarray) -> torch.Tensor:
    """float32 for floats; int64 for integers, which is what torch's losses and indexing take."""
    if values.dtype.kind == "f":
        return torch.from_numpy(values.astype(np.float32, copy=False))
    return torch.from_numpy(values.astype(np.int64 if values.dtype.kind in "iu" else np.bool_, copy=False))
