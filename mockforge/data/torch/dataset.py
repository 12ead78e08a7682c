"""A finished dataset in PyTorch.

>>> train = mockforge.load("datasets/segmentation", split="train")
>>> train[0]["image"].shape
torch.Size([3, 256, 256])
>>> loader = torch.utils.data.DataLoader(train, batch_size=16, shuffle=True)
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from mockforge.data.columns import meaning_of
from mockforge.data.reader import Reader
from mockforge.data.torch.cubes import Cube, CubeDataset
from mockforge.data.torch.detection import DetectionDataset
from mockforge.data.torch.pairs import PairDataset
from mockforge.data.torch.samples import Sample, typed, whole_number
from mockforge.errors import InputError, nearest


def load(
    path: str | Path,
    split: str | None = None,
    transform: Callable[[Sample], Any] | None = None,
    *,
    transforms: Callable[..., Any] | None = None,
    arrays: Sequence[str] | None = None,
) -> Dataset:
    """Open a finished dataset as a map-style torch Dataset.

    Parameters
    ----------
    path
        The dataset's folder, or its `dataset.h5`.
    split
        One of its splits; None for all samples.
    transform
        Called on each sample's dict; may return anything. It finds images as tv_tensors.Image and labels
        as tv_tensors.Mask, so that torchvision's transforms.v2 turn and crop all of them alike.
    transforms
        With torchvision's two arguments: that of `.as_detection()`, called as transforms(image, target),
        and of `.as_pairs()`, as transforms(input, target).
    arrays
        Names of the arrays to read, such as `["image"]`; None for all. It is what a sample's dict holds and
        `transform` finds. `.as_detection()`, `.as_pairs()` and `.as_cubes()` read those that they need.

    Returns
    -------
    Dataset
        `dataset[i]` is a dict of tensors: floating arrays float32 in nJy, e.g. `image` (C,H,W); integer
        arrays int64, e.g. `instances` (H,W); and `sample`, the sample's number, an int.

    Raises
    ------
    InputError
        For an unknown split or array, an unfinished build, a missing or damaged shard.
    """
    return Dataset(path, split, transform, transforms=transforms, arrays=arrays)


class Dataset(torch.utils.data.Dataset[Any]):
    """The samples of one split; `dataset[i]` is a dict of tensors, `dataset[2:5]` a Dataset of those.

    Floating arrays are float32 in the unit of `attributes["unit"]` (nJy), e.g. `image` (C,H,W);
    integer arrays are int64, e.g. `instances` (H,W); `sample` is the sample's number in the
    dataset, an int, as in the column `sample` of the tables. Files are opened when first read,
    anew in every process: safe with DataLoader workers by fork and by spawn, and picklable.

    Parameters
    ----------
    path, split, transform, transforms, arrays
        As of `load`, which opens one.

    Attributes
    ----------
    path : Path
        The dataset's folder.
    split : str or None
        The split; None for all samples.
    """

    def __init__(
        self,
        path: str | Path,
        split: str | None = None,
        transform: Callable[[Sample], Any] | None = None,
        *,
        transforms: Callable[..., Any] | None = None,
        arrays: Sequence[str] | None = None,
    ) -> None:
        for name, function in (("transform", transform), ("transforms", transforms)):
            if function is not None and not callable(function):
                raise InputError(f"{name}={function!r}: should be a function or a torchvision transform")
        self._reader = Reader(path)
        self.path = self._reader.folder
        self.split = split
        self.transform = transform
        self.transforms = transforms
        self._chosen = self._reader.arrays if arrays is None else self._choice(arrays)
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
        """Array -> shape of one sample, of the arrays that a sample holds."""
        return {name: self._reader.shapes[name] for name in self._chosen}

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Array -> shape of one sample, also of those that `arrays` left out."""
        return dict(self._reader.shapes)

    @property
    def kinds(self) -> dict[str, str]:
        """Array -> NumPy's letter for the kind of its numbers: f, i, u or b."""
        return {name: dtype.kind for name, dtype in self._reader.dtypes.items()}

    @property
    def units(self) -> dict[str, str]:
        """Array -> its unit as astropy spells it, "" where it has none."""
        return dict(self._reader.units)

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables."""
        return tuple(self._reader.tables)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, index: Any) -> Any:
        """Sample `index` as a dict, through the transform; of a slice, a Dataset of those samples.

        Raises IndexError beyond the ends, InputError for what is no whole number.
        """
        if isinstance(index, slice):
            part = copy(self)
            part._rows = self._rows[index]
            return part
        sample = self.sample(index)
        if self.transforms is not None and self.transform is None:
            raise InputError(
                "transforms=... has two arguments: it is for load(..., transforms=...).as_detection() or "
                ".as_pairs(); for the dict of a sample give transform=..."
            )
        return sample if self.transform is None else self.transform(typed(sample))

    def __iter__(self) -> Iterator[Any]:
        for index in range(len(self)):
            yield self[index]

    def sample(self, index: int, *arrays: str) -> Sample:
        """Sample `index` without the transform; only some arrays, of all there are, where they are named."""
        row = self._row(index)
        read = self._reader.read(row, arrays or self._chosen, np.int64)
        out: Sample = {name: _tensor(values) for name, values in read.items()}
        out["sample"] = int(self._reader.sample[row])
        return out

    def table(self, name: str) -> Any:
        """Return the rows of a table that belong to this split.

        Parameters
        ----------
        name
            One of `tables`, e.g. `catalogue` or `galaxy`.

        Returns
        -------
        astropy.table.Table
            Columns with units and descriptions; the column `sample` says whose row each is.

        Raises
        ------
        InputError
            For an unknown name.
        """
        from astropy.table import Column, Table

        columns, units = self._reader.table(name)
        if len(self) < len(self._reader):
            in_rows = np.isin(columns["sample"], self._reader.sample[self._rows])
            columns = {c: values[in_rows] for c, values in columns.items()}
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
        transform: Callable[..., Any] | None = None,
        scaling: Literal["asinh"] | None = "asinh",
        masks: str = "instances",
    ) -> DetectionDataset:
        """Return the split as torchvision's detection models take it: see DetectionDataset.

        Parameters
        ----------
        transforms, transform
            Called as transforms(image, target) and transform(image), as torchvision's own datasets do.
        scaling
            "asinh" of flux over the sky's rms; None leaves nJy.
        masks
            The array of objects: `instances`, what was detected, or another, such as `instances_truth`,
            what is there, or `amodal`, masks that overlap.

        Raises
        ------
        InputError
            Where the dataset lacks the arrays, or `masks` holds no objects.
        """
        return DetectionDataset(self, transforms or self.transforms, scaling, masks, transform)

    def as_pairs(
        self,
        transforms: Callable[..., Any] | None = None,
        *,
        transform: Callable[..., Any] | None = None,
        target_transform: Callable[..., Any] | None = None,
    ) -> PairDataset:
        """Return the split as tuples (input, target, z_in, z_out): see PairDataset.

        Parameters
        ----------
        transforms, transform, target_transform
            Called as transforms(input, target), transform(input) and target_transform(target), the last
            two first.

        Raises
        ------
        InputError
            Where the dataset holds no pairs.
        """
        return PairDataset(self, transforms or self.transforms, transform, target_transform)

    def as_cubes(self, *, transform: Callable[[Cube], Any] | None = None) -> CubeDataset:
        """Return the split as cubes with variance, maps of the truth and wavelengths: see CubeDataset.

        Parameters
        ----------
        transform
            Called as transform(sample) on each `Cube`.

        Raises
        ------
        InputError
            Where the dataset holds no cubes.
        """
        return CubeDataset(self, transform)

    def close(self) -> None:
        """Close the open files; reading again opens them again."""
        self._reader.close()

    def __repr__(self) -> str:
        shapes = ", ".join(f"{name} {tuple(shape)}" for name, shape in self.arrays.items())
        about, name = self.attributes, self._reader.manifest.name
        bands = about.get("bands", ())
        facts = [
            f"split {self.split or 'all'}, {len(self)} samples",
            *([f"bands {bands if isinstance(bands, str) else ', '.join(bands)}"] if bands else []),
            *([f'{about["pixel_scale_arcsec"]:g}" per pixel'] if "pixel_scale_arcsec" in about else []),
            *([str(about["unit"])] if "unit" in about else []),
        ]
        tables = f"; tables {', '.join(self.tables)}" if self.tables else ""
        return f"<mockforge.Dataset {name!r}: {', '.join(facts)}\n {shapes}{tables}>"

    def wanted(self, arrays: tuple[str, ...]) -> tuple[str, ...]:
        """Return what is read of a sample to make another form of `arrays`.

        Those alone or, where there is a transform, which may use any, the chosen ones too.
        """
        return arrays if self.transform is None else tuple(dict.fromkeys((*self._chosen, *arrays)))

    def needs(self, arrays: tuple[str, ...], what: str) -> None:
        """InputError naming the arrays that `what` needs and this dataset lacks."""
        missing = [name for name in arrays if name not in self._reader.shapes]
        if missing:
            raise InputError(
                f"{self.path}: {what} needs the arrays {', '.join(arrays)}; missing {', '.join(missing)}; "
                f"it holds {', '.join(self._reader.shapes)} (the recipe's `save` says which are kept)"
            )

    def _choice(self, arrays: Sequence[str]) -> tuple[str, ...]:
        """Return the names of `load(arrays=...)` once each; InputError where they are not of this dataset."""
        has = f"it has {', '.join(self._reader.arrays)}"
        names = arrays if isinstance(arrays, (list, tuple)) else ()
        if not names or not all(isinstance(name, str) for name in names):
            raise InputError(
                f"{self.path}: load(arrays={arrays!r}): should be a list of names, such as ['image']; {has}"
            )
        if unknown := [name for name in names if name not in self._reader.arrays]:
            raise InputError(f"{self.path}: load(arrays={list(names)}): no array {unknown[0]!r}; {has}")
        return tuple(dict.fromkeys(names))

    def _row(self, index: Any) -> int:
        index = whole_number(index)
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)} in split {self.split or 'all'}")
        return int(self._rows[index])


def _tensor(values: np.ndarray) -> torch.Tensor:
    """float32 for floats; int64 for integers, which is what torch's losses and indexing take."""
    if values.dtype.kind == "f":
        return torch.from_numpy(values.astype(np.float32, copy=False))
    return torch.from_numpy(values.astype(np.int64 if values.dtype.kind in "iu" else np.bool_, copy=False))
