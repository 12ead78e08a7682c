"""Reading a segmentation set: 256 tiles of 256 x 256 in 3 bands with their masks, in four shards.

Samples are read in random order. h5py reads the same from the shards, a memory copy from arrays that are in
memory already.
"""

from __future__ import annotations

import tempfile
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import Measured, least, main

SHARDS, TILES, SIDE, READ = 4, 64, 256, 256
ARRAYS = ("image", "instances", "instances_visible", "truth", "sky_rms")
SAVE = dict(zip(ARRAYS, ("float32", "int32", "int32", "float32", "float32"), strict=True))


def tiles(shard: int) -> Any:
    """64 tiles of noise with 16 boxes each."""
    from mockforge.rng import Stream
    from tests.builders.batches import samples

    rng = Stream(1, ("shard", shard)).numpy()
    masks = np.zeros((TILES, SIDE, SIDE), dtype=np.int32)
    for tile in masks:
        for label in range(1, 17):
            y, x = rng.integers(0, SIDE - 12, 2)
            tile[y : y + 12, x : x + 9] = label
    truth = np.zeros((TILES, 3, SIDE, SIDE), dtype=np.float32)
    truth += masks[:, None]
    image = truth + rng.normal(0, 3, truth.shape).astype(np.float32)
    arrays = {
        "image": image, "instances": masks, "instances_visible": masks, "truth": truth,
        "sky_rms": np.full((TILES, 3), 3, np.float32),
    }  # fmt: skip
    return samples(TILES, TILES * shard, arrays=arrays, attributes={"bands": ("g", "r", "Z"), "unit": "nJy"})


def written(folder: Path, shards: int = SHARDS) -> list[Any]:
    """Shards of a dataset, and their records."""
    from mockforge.data.shards import write_shard

    batch = tiles(0)
    made = []
    for k in range(shards):
        own = batch if k == 0 else tiles(k)
        made.append(write_shard(folder / "shards" / f"{k:05d}.h5", own, SAVE, {}))
    return made


def dataset(folder: Path) -> Path:
    """A finished dataset."""
    from mockforge.data.manifest import Manifest, write_manifest
    from mockforge.data.view import write_view

    made = written(folder)
    write_view(folder, made)
    write_manifest(folder, Manifest("bench", "", "", tuple(made)))
    return folder


def each(items: Iterable[object]) -> None:
    """Go through the items and keep none."""
    deque(items, maxlen=0)


def order() -> list[int]:
    """Samples in random order."""
    return np.random.default_rng(2).integers(0, SHARDS * TILES, READ).tolist()


def case(work: Callable[[Path], Callable[[], object]], count: float = READ) -> Callable[[], Measured]:
    """Measure what is made of a dataset's folder."""

    def measure() -> Measured:
        import torch

        torch.set_num_threads(1)
        with tempfile.TemporaryDirectory() as folder:
            return least(work(dataset(Path(folder))), count, 5)

    return measure


def all_arrays(folder: Path) -> Callable[[], object]:
    """All five arrays of a sample."""
    import mockforge

    data = mockforge.load(folder)
    return lambda: each(data[i] for i in order())


def image_alone(folder: Path) -> Callable[[], object]:
    """The image, chosen in `load`."""
    import mockforge

    data = mockforge.load(folder, arrays=["image"])
    return lambda: each(data[i] for i in order())


def detections(folder: Path) -> Callable[[], object]:
    """Image, boxes and masks for torchvision."""
    import mockforge

    data = mockforge.load(folder).as_detection()
    return lambda: each(data[i] for i in order())


def by_h5py(folder: Path) -> Callable[[], object]:
    """The same five arrays from the shards, which stay open."""
    import h5py

    with ExitStack() as stack:
        paths = sorted((folder / "shards").glob("*.h5"))
        files = [stack.enter_context(h5py.File(path, "r")) for path in paths]
        stack.pop_all()
    return lambda: each([files[i // TILES][name][i % TILES] for name in ARRAYS] for i in order())


def memory(folder: Path) -> Callable[[], object]:
    """The same five arrays copied in memory."""
    arrays = [tiles(k).arrays for k in range(SHARDS)]
    return lambda: each([arrays[i // TILES][name][i % TILES].copy() for name in ARRAYS] for i in order())


def joining() -> Measured:
    """Write the one file over the shards."""
    from mockforge.data.view import write_view

    with tempfile.TemporaryDirectory() as folder:
        made = written(Path(folder), 8)
        return least(lambda: write_view(folder, made), len(made), 5)


CASES = {
    "all arrays": case(all_arrays),
    "all arrays, h5py": case(by_h5py),
    "all arrays, memory": case(memory),
    "image": case(image_alone),
    "detections": case(detections),
    "joining": joining,
}

if __name__ == "__main__":
    main(CASES)
