"""Detection window by window against detection on the whole: the same objects, labels and fluxes."""

import dataclasses

import numpy as np
import pytest
import sep

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.label.detect import detect
from mockforge.label.mesh import cells_of, mesh_of
from mockforge.label.streamed import Detector, background_of
from mockforge.label.windows import windows_of
from mockforge.stages.detect import Detect


@dataclasses.dataclass(frozen=True)
class InMemory:
    """An image that is read as one on disk."""

    image: np.ndarray
    mask: np.ndarray | None = None
    bands: tuple[str, ...] = ("g", "r")

    @property
    def shape(self) -> tuple[int, int, int]:
        bands, height, width = self.image.shape
        return bands, height, width

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        mask = None if self.mask is None else self.mask[window]
        return Field(image=self.image[(slice(None), *window)].copy(), bands=self.bands, mask=mask)


@pytest.fixture(scope="module")
def image() -> np.ndarray:
    """Blends, objects on every border, and one across four windows of 150."""
    rng, side = np.random.default_rng(1), 600
    image = rng.normal(0, 1, (2, side, side)).astype(np.float32)
    y, x = np.mgrid[:side, :side]
    for _ in range(150):
        (cx, cy), sigma = rng.uniform(0, side, 2), rng.uniform(1.3, 4)
        image += rng.uniform(10, 200) * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2)
    image += 40 * np.exp(-0.5 * ((x - 300) ** 2 + (y - 300) ** 2) / 30**2)
    return image.astype(np.float32)


@pytest.mark.parametrize("masked", [False, True])
@pytest.mark.parametrize("words", [{}, {"matched_filter": True, "detection_image": "weighted"}])
def test_windows_give_the_catalogue_of_the_whole(image: np.ndarray, words: dict, masked: bool) -> None:
    mask = None
    if masked:
        mask = np.zeros(image.shape[1:], dtype=bool)
        mask[100:130] = mask[300:310, 295:300] = True
    rule, field = Detect(**words), InMemory(image, mask)
    whole = detect(image, rule, bands=field.bands, mask=mask, blends_alone=True)
    detector = Detector(field, rule, background_of(field, rule, map, 150))
    labels, tables, count = np.zeros(image[0].size, dtype=np.int32), [], 0
    for window in windows_of((600, 600), 150):
        found = detector(window)
        assert not labels[found.pixels].any()  # no pixel has two owners
        labels[found.pixels] = found.owner + count
        count += len(found.table["label"])
        tables.append(found.table)
    assert count == len(whole.table["label"]) > 100
    pairs = np.unique(np.stack([labels, whole.instances.ravel()]), axis=1)
    assert pairs.shape[1] == count + 1  # one to one, pixel by pixel
    order = pairs[0, 1:][np.argsort(pairs[1, 1:])] - 1
    for name, values in whole.table.items():
        streamed = np.concatenate([table[name] for table in tables])[order]
        if name != "label":
            np.testing.assert_allclose(streamed, values, rtol=1e-4, atol=1e-4, err_msg=name)


@pytest.mark.parametrize("shape", [(300, 410), (100, 64), (64, 64)])
@pytest.mark.parametrize("side", [1, 3, 5])
def test_the_mesh_is_seps(shape: tuple[int, int], side: int) -> None:
    rng = np.random.default_rng(1)
    image = rng.normal(0, 10, shape) + np.linspace(0, 100, shape[1]) + 500 * (rng.random(shape) < 0.01)
    image, mask = image.astype(np.float32), rng.random(shape) < 0.1
    mask[: shape[0] // 3, : shape[1] // 3] = True
    theirs = sep.Background(image, mask=mask, bw=64, bh=64, fw=side, fh=side)
    mesh = mesh_of(cells_of(image, mask, 64), 64, Detect(background_filter=side), "g")
    ours = mesh.window(0, shape[0], 0, shape[1])
    np.testing.assert_allclose(ours.level, theirs.back(), atol=1e-4)
    np.testing.assert_allclose(ours.rms, theirs.rms(), rtol=1e-5)
    assert mesh.global_rms == theirs.globalrms
    part = mesh.window(30, 60, 10, 50)
    np.testing.assert_allclose(part.level, ours.level[30:60, 10:50], atol=1e-5)


def test_a_field_without_noise_or_pixels_is_refused() -> None:
    for value, words in ((0.0, "no noise"), (np.nan, "no pixel is usable")):
        field = InMemory(np.full((1, 90, 90), value, dtype=np.float32), bands=("g",))
        with pytest.raises(InputError, match=words):
            background_of(field, Detect(), map, 64)
