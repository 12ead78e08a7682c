"""How fast a segmentation set is written and read: 256 tiles, 256 x 256 in 3 bands, 16 objects each.

Run: pytest tests/benchmarks/bench_reading.py --benchmark-columns=min,median,rounds
Each row reads or writes the number of samples its extra info names; `samples_per_s` is the rate.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from torch.utils.data import DataLoader

from mockforge.batch import Batch
from mockforge.data.manifest import Manifest, write_manifest
from mockforge.data.shards import write_shard
from mockforge.data.torch.dataset import Dataset, load
from mockforge.data.view import write_view
from mockforge.rng import Stream
from tests.builders.batches import samples

SHARDS, TILES, SIDE = 4, 64, 256
SAVE = {"image": "float32", "instances": "int32", "sky_rms": "float32"}
READ = 256
"""Samples read at random in one round."""


def tiles(shard: int) -> Batch:
    """64 tiles of noise with 16 boxes each."""
    rng = Stream(1, ("shard", shard)).numpy()
    instances = np.zeros((TILES, SIDE, SIDE), dtype=np.int32)
    for tile in instances:
        for label in range(1, 17):
            y, x = rng.integers(0, SIDE - 12, 2)
            tile[y : y + 12, x : x + 9] = label
    image = rng.normal(0, 3, (TILES, 3, SIDE, SIDE)).astype(np.float32)
    return samples(
        TILES,
        TILES * shard,
        arrays={"image": image, "instances": instances, "sky_rms": np.full((TILES, 3), 3, np.float32)},
        attributes={"bands": ("g", "r", "Z"), "unit": "nJy"},
    )


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A finished dataset of four shards."""
    folder = tmp_path_factory.mktemp("reading")
    made = [write_shard(folder / "shards" / f"{k:05d}.h5", tiles(k), SAVE, {}) for k in range(SHARDS)]
    write_view(folder, made)
    write_manifest(folder, Manifest("bench", "", "", tuple(made)))
    return load(folder)


def measured(benchmark: Any, samples: int, work: Callable[[], object], rounds: int = 5) -> None:
    """Time `work`, which handles `samples` samples, after one round that is not counted."""
    benchmark.pedantic(work, rounds=rounds, warmup_rounds=1)
    benchmark.extra_info["samples"] = samples
    benchmark.extra_info["samples_per_s"] = samples / benchmark.stats.stats.median


def each(items: Iterable[object]) -> None:
    """Go through the items and keep none: what is kept would be paged in, not reused."""
    deque(items, maxlen=0)


def test_writing_a_shard(benchmark: Any, tmp_path: Path) -> None:
    batch = tiles(0)
    measured(benchmark, TILES, lambda: write_shard(tmp_path / "00000.h5", batch, SAVE, {}))


@pytest.mark.parametrize("arrays", [("image",), ("image", "instances"), ()], ids=["image", "both", "all"])
def test_random_reads(benchmark: Any, data: Dataset, arrays: tuple[str, ...]) -> None:
    order = Stream(2).numpy().integers(0, len(data), READ).tolist()
    measured(benchmark, READ, lambda: each(data.sample(i, *arrays) for i in order))


def test_random_detections(benchmark: Any, data: Dataset) -> None:
    detection = data.as_detection()
    order = Stream(2).numpy().integers(0, len(data), READ).tolist()
    measured(benchmark, READ, lambda: each(detection[i] for i in order))


@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("kind", ["dicts", "detections"])
def test_a_loader(benchmark: Any, data: Dataset, kind: str, workers: int) -> None:
    detection = data.as_detection()
    options = {"num_workers": workers, "persistent_workers": workers > 0, "batch_size": 16, "shuffle": True}
    if workers:
        options["multiprocessing_context"] = "spawn"
    if kind == "dicts":
        loader = DataLoader(data, **options)
    else:
        loader = DataLoader(detection, collate_fn=detection.collate, **options)
    measured(benchmark, len(data), lambda: each(loader), rounds=3)
