"""Injected sources are marked in the preview."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from mockforge.batch import Batch
from mockforge.data.preview.preview import _circled
from mockforge.field.picture import marked
from tests.builders.tiny_datasets import SAVE, blobs, publish


def injected(shard: int) -> Batch:
    batch = blobs(shard)
    rows = {name: batch.tables["catalogue"][name] for name in ("sample", "label", "x", "y")}
    return batch.with_table("objects", rows | {"injected": rows["label"] == 2})


def test_a_circle_is_around_every_injected_object_and_no_other(tmp_path: Path) -> None:
    from PIL import Image

    pictures = []
    for name, make in (("with", injected), ("without", blobs)):
        with Image.open(publish(tmp_path / name, make, SAVE, shards=1) / "preview.png") as image:
            pictures.append(np.asarray(image).astype(int))
    changed = (np.abs(pictures[0] - pictures[1]).sum(axis=2) > 0)[80:]  # below the titles
    assert 3 * 40 < changed.sum() < 3 * 400  # three tiles of four have one


def test_a_circle_lies_where_the_object_is() -> None:
    rgb = np.zeros((60, 60, 3), dtype=np.uint8)
    seen = _circled(rgb, np.array([[5.0, 15.0]]), (20, 20))  # enlarged three times, y up
    y, x = np.nonzero(seen.max(axis=2) > 100)
    assert abs(x.mean() - (5.5 * 3 - 0.5)) < 0.6 and abs(59 - y.mean() - (15.5 * 3 - 0.5)) < 0.6
    assert np.array_equal(_circled(rgb, (), (20, 20)), rgb)
    assert marked(rgb, np.array([200.0]), np.array([200.0]), 5.0, (9, 9, 9)).shape == rgb.shape
