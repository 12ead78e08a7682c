"""Labels on disk: the windows of a segmentation, wherever it is kept."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.mosaic.labels import open_labels, own_labels

SHAPE = (70, 90)
LABELS = np.random.default_rng(3).integers(0, 5, SHAPE).astype(np.int32)


def zarr_of(path, **arrays):
    zarr = pytest.importorskip("zarr")
    group = zarr.create_group(path, zarr_format=3)
    for name, values in arrays.items():
        group.create_array(name, data=values, chunks=(*(1,) * (values.ndim - 2), 32, 32))
    return path


def test_windows_of_every_form(tmp_path):
    image, own = fits.ImageHDU(np.zeros(SHAPE, np.float32), name="g"), fits.ImageHDU(LABELS, name="labels")
    fits.HDUList([fits.PrimaryHDU(), image, own]).writeto(tmp_path / "a.fits")
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(LABELS)]).writeto(tmp_path / "b.fits.fz")
    fits.PrimaryHDU(LABELS[None]).writeto(tmp_path / "c.fits")
    for name in ("a.fits", "b.fits.fz", "c.fits"):
        with open_labels(tmp_path / name, SHAPE) as window:
            np.testing.assert_array_equal(window(10, 33, 5, 71), LABELS[10:33, 5:71])
            np.testing.assert_array_equal(window(0, 70, 89, 90), LABELS[:, 89:])
    with own_labels(tmp_path / "a.fits", SHAPE) as own:
        assert list(own) == ["labels"]
        np.testing.assert_array_equal(own["labels"](1, 2, 3, 60), LABELS[1:2, 3:60])
    with own_labels(tmp_path / "a.fits", (70, 91)) as own:
        assert own == {}


def test_windows_of_a_zarr(tmp_path):
    path = zarr_of(tmp_path / "z.zarr", image=np.zeros((2, *SHAPE), np.float32), segmentation=LABELS[None])
    for opened in (open_labels, own_labels):
        with opened(path, SHAPE) as found:
            window = found if opened is open_labels else found["segmentation"]
            np.testing.assert_array_equal(window(10, 33, 5, 71), LABELS[10:33, 5:71])
    with (
        pytest.raises(InputError, match="of integers"),
        open_labels(zarr_of(tmp_path / "n.zarr", image=np.zeros((2, *SHAPE), np.float32)), SHAPE),
    ):
        pass
    (tmp_path / "folder").mkdir()
    with pytest.raises(InputError, match="no Zarr"), open_labels(tmp_path / "folder", SHAPE):
        pass


def test_what_is_no_image_of_labels(tmp_path):
    fits.PrimaryHDU(LABELS.astype("f4")).writeto(tmp_path / "f.fits")
    fits.PrimaryHDU().writeto(tmp_path / "e.fits")
    fits.PrimaryHDU(LABELS).writeto(tmp_path / "s.fits")
    (tmp_path / "t.fits").write_text("no FITS")
    for name, shape, sentence in (
        ("f.fits", SHAPE, "not integers but BITPIX = -32"),
        ("e.fits", SHAPE, "no image"),
        ("s.fits", (70, 91), "90 x 70 pixels .x, y., the field is 91 x 70"),
        ("t.fits", SHAPE, "not a FITS file"),
        ("gone.fits", SHAPE, "no such file"),
    ):
        with pytest.raises(InputError, match=sentence), open_labels(tmp_path / name, shape):
            pass
