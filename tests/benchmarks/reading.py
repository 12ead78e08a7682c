"""How fast a segmentation set is read: `python tests/benchmarks/reading.py [FOLDER]`.

Without a folder it makes 4 shards of 64 tiles, 256 x 256 in 3 bands with 16 objects each.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from torch.utils.data import DataLoader

from mockforge.batch import Batch
from mockforge.data.dataset import load
from mockforge.data.manifest import Manifest, write_manifest
from mockforge.data.shards import write_shard
from mockforge.data.view import write_view
from mockforge.rng import Stream

TILES, SIDE = 64, 256


def tiles(shard: int) -> Batch:
    """64 tiles of noise with 16 boxes each."""
    rng = Stream(1, ("shard", shard)).numpy()
    instances = np.zeros((TILES, SIDE, SIDE), dtype=np.int32)
    for tile in instances:
        for label in range(1, 17):
            y, x = rng.integers(0, SIDE - 12, 2)
            tile[y : y + 12, x : x + 9] = label
    sample = np.arange(TILES) + TILES * shard
    image = rng.normal(0, 3, (TILES, 3, SIDE, SIDE)).astype(np.float32)
    return Batch(
        sample=sample,
        draw=sample,
        split=np.full(TILES, "train"),
        arrays={"image": image, "instances": instances, "sky_rms": np.full((TILES, 3), 3, np.float32)},
        attributes={"bands": ("g", "r", "Z"), "unit": "nJy"},
    )


def made(folder: Path) -> Path:
    """A finished dataset of four shards in `folder`."""
    save = {"image": "float32", "instances": "int32", "sky_rms": "float32"}
    records = []
    for k in range(4):
        batch, start = tiles(k), time.perf_counter()
        records.append(write_shard(folder / "shards" / f"{k:05d}.h5", batch, save, {}))
        print(f"write a shard: {TILES / (time.perf_counter() - start):8.0f} samples/s")
    write_view(folder, records)
    write_manifest(folder, Manifest("bench", "", "", tuple(records)))
    return folder


def rate(what: str, work: Callable[[], int]) -> None:
    """Print how many samples a second `work` reads."""
    start = time.perf_counter()
    print(f"{what:42s}{work() / (time.perf_counter() - start):8.0f} samples/s")


def main(folder: Path) -> None:
    """All measurements on one dataset."""
    data = load(folder)
    order = np.random.default_rng(0).integers(0, len(data), 600).tolist()
    rate("first pass over the files", lambda: sum(1 for _ in data))
    rate("random reads, image", lambda: sum(len(data.sample(i, "image")) > 0 for i in order))
    rate(
        "random reads, image and instances",
        lambda: sum(len(data.sample(i, "image", "instances")) > 0 for i in order),
    )
    rate("random reads, everything", lambda: sum(len(data[i]) > 0 for i in order))
    detection = data.as_detection()
    _ = detection[0]  # imports torchvision
    rate("random reads, as_detection", lambda: sum(len(detection[i]) > 0 for i in order))
    for workers in (0, 2):
        plain = DataLoader(data, 16, shuffle=True, num_workers=workers, persistent_workers=workers > 0)
        boxes = DataLoader(
            detection,
            16,
            shuffle=True,
            num_workers=workers,
            persistent_workers=workers > 0,
            collate_fn=detection.collate,
        )
        for loader, what in ((plain, "dicts"), (boxes, "as_detection")):
            for _ in loader:  # starts the workers
                continue
            rate(
                f"DataLoader, {workers} workers, {what}",
                lambda loader=loader: sum(
                    len(b[0]) if isinstance(b, tuple) else len(b["image"]) for b in loader
                ),
            )


if __name__ == "__main__":
    if len(sys.argv) > 1:
        main(Path(sys.argv[1]))
    else:
        with tempfile.TemporaryDirectory() as scratch:
            main(made(Path(scratch)))
