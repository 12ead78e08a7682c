"""The preview of pairs shows what was saved, faint outskirts included."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mockforge.batch import Batch
from mockforge.data.preview.stretch import pictures
from mockforge.rng import Stream
from tests.builders.tiny_datasets import PAIRS, pairs, publish


def galaxy(size: int = 61) -> np.ndarray:
    """Three bands of an exponential disk, brightest pixel 1."""
    y, x = np.mgrid[:size, :size] - size // 2
    return np.repeat(np.exp(-np.hypot(x, y) / 4.0)[None], 3, axis=0).astype(np.float32)


def observed(shard: int, same: bool = True) -> Batch:
    """Pairs with their three states; `input` and `target` are the last, or others."""
    batch = pairs(shard)
    arrays = dict(batch.arrays)
    for end in ("input", "target"):
        noise = (
            Stream(shard, (end,))
            .numpy()
            .normal(0, 0.2 * arrays[end].max(), arrays[end].shape)
            .astype(np.float32)
        )
        arrays |= {f"{end}_clean": arrays[end], f"{end}_psf": arrays[end] * 0.9}
        arrays[f"{end}_observed"] = arrays[end] + noise
        arrays[end] = arrays[f"{end}_observed"] if same else arrays[end] * 0.5
    return replace(batch, arrays=arrays)


@pytest.mark.parametrize(("same", "columns"), [(True, 3), (False, 4)])
def test_states_stand_beside_each_other(tmp_path: Path, same: bool, columns: int) -> None:
    states = {f"{end}_{s}": "float32" for end in ("input", "target") for s in ("clean", "psf", "observed")}
    folder = publish(tmp_path / "states", lambda k: observed(k, same), PAIRS | states, shards=1)
    with Image.open(folder / "preview.png") as image:
        page = np.asarray(image).astype(int)
    side = 32 * (184 // 32)
    across = max(1, 6 // columns)
    panel = columns * side + 2 * (columns - 1)
    assert page.shape[1] >= across * panel
    left = (page.shape[1] - across * (panel + 6) - 6) // 2 + 6
    first = page[82 : 82 + side, left : left + side]
    noisy = page[82 : 82 + side, left + 2 * (side + 2) :][:, :side]
    rough = [np.abs(np.diff(p[: side // 2].mean(axis=2), axis=0)).mean() for p in (first, noisy)]
    assert rough[1] > 1.5 * rough[0]


def test_outskirts_of_a_noiseless_galaxy_show_on_a_black_sky() -> None:
    image = galaxy()
    (picture,) = pictures([image])
    shown = picture.mean(axis=2)[::-1]
    assert shown[30, 30] > 230
    at = round(30 + 4.0 * np.log(100))  # a hundredth of the core
    assert shown[30, at] > 40
    assert shown[0, 0] < 10


def test_noise_is_dark_and_does_not_hide_a_bright_galaxy() -> None:
    image = galaxy()
    noise = Stream(1).numpy().normal(0, 0.01, image.shape).astype(np.float32)
    clean, noisy = (p.mean(axis=2)[::-1] for p in pictures([image, image + noise]))
    assert np.median(noisy[:10]) < 60
    assert abs(noisy[30, 30] - clean[30, 30]) < 10


def test_pure_noise_and_empty_images_are_pictures_too() -> None:
    noise = Stream(2).numpy().normal(0, 1, (3, 32, 32)).astype(np.float32)
    for image in (noise, np.zeros_like(noise)):
        (picture,) = pictures([image])
        assert picture.shape == (32, 32, 3)
        assert picture.mean() < 128
