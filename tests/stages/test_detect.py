"""The stages `image`, `detect` and `select` on batches."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.batch import Batch
from mockforge.errors import InputError, MockforgeError
from mockforge.field.field import Field, tan_wcs
from mockforge.field.split_rows import row_bands
from mockforge.label.detect import detect
from mockforge.rng import Stream
from mockforge.stages.detect import Detect
from mockforge.stages.image import ImageTiles
from mockforge.stages.select import Select
from tests.builders.batches import samples

SPLITS = {"train": 0.8, "val": 0.1, "test": 0.1}


def empty(n: int, split: str = "train") -> Batch:
    return samples(n, splits=SPLITS, split=split)


@pytest.fixture(scope="module")
def whole() -> Field:
    rng = np.random.default_rng(7)
    y, x = np.mgrid[:600, :300]
    image = rng.normal(0, 5, (2, 600, 300))
    for _ in range(90):
        cx, cy, flux = rng.uniform(0, 300), rng.uniform(0, 600), 10 ** rng.uniform(2.2, 3.2)
        image += flux * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 5)
    return Field(image.astype(np.float32), ("g", "r"), 0.2, (0.7, 0.7), wcs=tan_wcs((600, 300), 0.2))


@pytest.fixture(scope="module")
def path(whole: Field, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return whole.write(tmp_path_factory.mktemp("field") / "field.fits")


def test_tiles_are_windows_of_the_field(whole: Field, path: Path) -> None:
    source = ImageTiles(files=str(path), tile=32, margin=10)
    batch = source(empty(5), Stream(1, ("shard", 0, "image")))
    assert batch.margin == 10 and batch.arrays["image"].shape == (5, 2, 52, 52)
    tile = batch.trimmed().arrays["image"]
    for i in range(5):
        x, y = batch.tables["tile"]["sky_x0"][i], batch.tables["tile"]["sky_y0"][i]
        np.testing.assert_array_equal(tile[i], whole.image[:, y : y + 32, x : x + 32])
    assert batch.attributes["bands"] == ("g", "r") and batch.attributes["unit"] == "nJy"
    again = source(empty(5), Stream(1, ("shard", 0, "image")))
    np.testing.assert_array_equal(again.arrays["image"], batch.arrays["image"])


def test_splits_never_share_a_pixel(path: Path) -> None:
    source = ImageTiles(files=str(path), tile=32, margin=4)
    rows = {}
    for name in SPLITS:
        y = source(empty(50, name), Stream(1, ("x",))).tables["tile"]["sky_y0"]
        rows[name] = (y.min() - 4, y.max() + 36)
    assert rows["train"][1] <= rows["val"][0] and rows["val"][1] <= rows["test"][0]


def test_rows_go_to_splits_in_proportion() -> None:
    assert row_bands(1000, 100, 50, SPLITS) == {"train": (0, 800), "val": (800, 900), "test": (900, 1000)}
    tight = row_bands(200, 100, 60, SPLITS)
    assert tight["test"][1] == 200 and all(b - a >= 60 for a, b in tight.values())
    assert row_bands(60, 60, 60, {"train": 1.0, "val": 0.0}) == {"train": (0, 60)}
    with pytest.raises(InputError, match="at least 60 x 180"):
        row_bands(179, 100, 60, SPLITS)


def test_masked_places_are_avoided_or_refused(whole: Field, tmp_path: Path) -> None:
    mask = np.zeros((600, 300), dtype=bool)
    mask[:, :200] = True
    path = replace(whole, mask=mask).write(tmp_path / "masked.fits")
    source = ImageTiles(files=str(path), tile=32, margin=0, max_masked_fraction=0.0)
    assert (source(empty(9), Stream(1)).tables["tile"]["sky_x0"] >= 200).all()
    with pytest.raises(MockforgeError, match="max_masked_fraction"):
        replace(source, tile=120)(empty(1), Stream(1))


def test_an_object_at_the_edge_keeps_the_label_of_the_field(whole: Field) -> None:
    """With the same threshold everywhere, tile masks are cut-outs of the field's mask."""
    image = whole.image
    m, t = 40, 64
    found = detect(image, Detect(background_mesh=600, local_rms=False)).instances > 0
    batch = _windows(image, t, m)
    out = Detect(background_mesh=600, local_rms=False)(batch, Stream(1)).trimmed()
    agree = total = 0
    for i, (y, x) in enumerate(_corners(image, t, m)):
        piece = found[y + m : y + m + t, x + m : x + m + t]
        agree += int(np.count_nonzero((out.arrays["instances"][i] > 0) & piece))
        total += int(np.count_nonzero((out.arrays["instances"][i] > 0) | piece))
    assert agree / total > 0.93  # what is left is the background of a window and of the field


def _corners(image: np.ndarray, t: int, m: int) -> list[tuple[int, int]]:
    side = t + 2 * m
    return [(y, x) for y in range(0, image.shape[1] - side, t) for x in range(0, image.shape[2] - side, t)]


def _windows(image: np.ndarray, t: int, m: int) -> Batch:
    side = t + 2 * m
    cut = np.stack([image[:, y : y + side, x : x + side] for y, x in _corners(image, t, m)])
    batch = empty(len(cut)).with_arrays(image=cut).with_attributes(bands=("g", "r"), zeropoint_ab=31.4)
    return replace(batch, margin=m)


def test_instances_are_dense_and_the_catalogue_holds_exactly_those(whole: Field) -> None:
    batch = Detect()(_windows(whole.image, 48, 16), Stream(1))
    table, tile = batch.tables["catalogue"], batch.trimmed()
    assert batch.arrays["sky_rms"].shape == (len(batch), 2)
    for i, labels in enumerate(tile.arrays["instances"]):
        rows = table["sample"] == i
        n = int(labels.max())
        assert sorted(np.unique(labels[labels > 0]).tolist()) == list(range(1, n + 1))
        assert table["label"][rows].tolist() == list(range(1, n + 1))
        assert set(np.unique(batch.arrays["instances"][i])) == set(range(n + 1))
        for k in np.flatnonzero(rows):
            y, x = np.nonzero(labels == table["label"][k])
            box = tuple(int(table[c][k]) for c in ("bbox_x0", "bbox_y0", "bbox_x1", "bbox_y1"))
            assert box == (x.min(), y.min(), x.max() + 1, y.max() + 1)
            assert table["area"][k] == len(x)
    assert table["cut"].any() and not table["cut"].all()


def test_positions_on_the_sky(whole: Field, path: Path) -> None:
    source = ImageTiles(files=str(path), tile=64, margin=0)
    batch = Detect()(source(empty(3), Stream(2)), Stream(2))
    table, tile = batch.tables["catalogue"], batch.tables["tile"]
    k = 0
    i = int(table["sample"][k])
    ra, dec = whole.wcs.pixel_to_world_values(
        table["x"][k] + tile["sky_x0"][i], table["y"][k] + tile["sky_y0"][i]
    )
    assert table["ra"][k] == pytest.approx(float(ra), abs=1e-8)
    assert table["dec"][k] == pytest.approx(float(dec), abs=1e-8)
    turned = (table["theta_sky"] - (table["theta"] - 90.0)) % 180.0  # north up, east left
    assert np.minimum(turned, 180.0 - turned).max() < 0.1


def test_select_counts_what_is_in_the_tile() -> None:
    labels = np.zeros((3, 20, 20), dtype=np.int32)
    labels[1, 8:12, 8:12] = 1
    labels[2, 8:12, 8:12], labels[2, 14, 14] = 1, 2
    labels[0, 0, 0] = 1  # in the margin alone
    masked = np.zeros((3, 20, 20), dtype=bool)
    masked[1, 5:15, 5:10] = True
    batch = replace(empty(3).with_arrays(instances=labels, mask=masked), margin=5)
    assert Select(min_objects=1)(batch, Stream(1)).sample.tolist() == [1, 2]
    assert Select(max_objects=1)(batch, Stream(1)).sample.tolist() == [0, 1]
    assert Select(min_objects=2, min_object_pixels=2)(batch, Stream(1)).sample.tolist() == []
    assert Select(max_masked_fraction=0.4)(batch, Stream(1)).sample.tolist() == [0, 2]
    with pytest.raises(ValueError, match="below min_objects"):
        Select(min_objects=3, max_objects=1)


def test_a_noiseless_sample_is_named() -> None:
    batch = empty(2).with_arrays(image=np.zeros((2, 1, 64, 64), np.float32))
    with pytest.raises(InputError, match=r"sample 0.*no noise"):
        Detect()(batch, Stream(1))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        ImageTiles(files=str(tmp_path / "no.fits"))(empty(1), Stream(1))
    fits.PrimaryHDU(np.random.default_rng(0).normal(0, 1, (64, 64))).writeto(tmp_path / "a.fits")
    with pytest.raises(InputError, match="need at least"):
        ImageTiles(files=str(tmp_path / "a.fits"))(empty(1), Stream(1))
