"""Masks of bits: defects are used, marks of sources never, and what is not known is asked."""

import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.fits.read import read_field
from mockforge.label.image import label_image

sys.path.insert(0, str(Path(__file__).parent))
from fits_files import PLACES, extensions, header, scene

NAMES = {"BAD": 0, "SAT": 1, "INTRP": 2, "CR": 3, "EDGE": 4, "DETECTED": 5, "NO_DATA": 8}


def bits(edge: int = 4, detected: int = 5) -> np.ndarray:
    y, x = np.indices((128, 128))
    out = np.zeros((128, 128), np.int32)
    for px, py in PLACES:
        out[(x - px) ** 2 + (y - py) ** 2 < 64] |= 1 << detected
    out[:2] |= 1 << edge
    return out


def planes(**names: int) -> fits.Header:
    return fits.Header({f"HIERARCH MP_{name}": bit for name, bit in names.items()})


def masked(path, values, head=None, name="MASK", primary=None, **how):
    extensions(path, ("SCI", scene(), header("nJy"), None), (name, values, head, None), **(primary or {}))
    field = read_field(path, **how)
    return np.zeros((128, 128), bool) if field.mask is None else field.mask, field.origin["mask"]


@pytest.mark.parametrize("names", [NAMES, {"DETECTED": 1, "EDGE": 9}])
def test_planes_that_the_header_names(names, tmp_path):
    values = bits(names["EDGE"], names["DETECTED"])
    found, said = masked(tmp_path / "a.fits", values, planes(**names))
    assert found[:2].all() and not found[2:].any()
    assert said == "MASK: EDGE; not DETECTED (1.56%)"
    assert label_image(tmp_path / "a.fits", tmp_path / "out").objects == 4


def test_what_a_set_bit_means_is_asked_where_it_is_not_known(tmp_path):
    strange = bits() | (np.indices((128, 128))[1] == 3) * (1 << 12)
    cases = {
        "unknown plane": (strange, planes(**NAMES, FOO=12), r"FOO \(bit 12\).*--mask-bits"),
        "unnamed bit": (strange, planes(**NAMES), "bit 12, without a name"),
        "no cards": (bits(), None, "bits 4, 5 are set.*--mask-bits"),
        "labels": (np.minimum(bits(), 3), None, "no card says"),
        "1 is good": (np.ones((128, 128), np.uint8), None, "1 in 100%.*--mask-bits all"),
        "fractions": (np.full((128, 128), 0.5, np.float32), None, "fractions"),
    }
    for i, (values, head, words) in enumerate(cases.values()):
        with pytest.raises(InputError, match=words):
            masked(tmp_path / f"{i}.fits", values, head)


def test_the_user_says_which_bits(tmp_path):
    assert masked(tmp_path / "a.fits", bits(), mask_bits=[4])[0].mean() == pytest.approx(2 / 128)
    assert masked(tmp_path / "b.fits", bits(), planes(**NAMES), mask_bits=["DETECTED"])[0][40, 40]
    assert not masked(tmp_path / "c.fits", bits(), mask_bits="none")[0].any()
    assert masked(tmp_path / "d.fits", bits(), mask_bits="all")[0][40, 40]
    with pytest.raises(InputError, match=r"'EDGES' is no plane.*BAD, SAT"):
        masked(tmp_path / "e.fits", bits(), planes(**NAMES), mask_bits=["EDGES"])


def test_masks_of_zero_and_one(tmp_path):
    rows = np.zeros((128, 128))
    rows[3] = 1
    for i, values in enumerate((rows.astype(np.uint8), 255 * rows.astype(np.uint8), rows.astype(np.float32))):
        found, said = masked(tmp_path / f"{i}.fits", values)
        assert found[3].all() and found.sum() == 128 and "not to be used" in said


@pytest.mark.parametrize(
    ("name", "primary", "bad", "good"),
    [
        ("DQ", {"TELESCOP": "HST", "INSTRUME": "ACS"}, 4096, 64 + 32),
        ("DQ", {"TELESCOP": "HST", "INSTRUME": "WFC3", "DETECTOR": "IR"}, 4, 512),
        ("DQ", {"TELESCOP": "JWST", "INSTRUME": "NIRCAM"}, 1, 2**2 + 2**20),
        ("MSK", {"INSTRUME": "DECam"}, 512, 32),
    ],
)
def test_data_quality_of_known_instruments(name, primary, bad, good, tmp_path):
    values = np.zeros((128, 128), np.int32)
    values[:4], values[7] = good, bad
    found, said = masked(tmp_path / "a.fits", values, None, name, primary)
    assert found[7].all() and found.sum() == 128 and name in said


def test_names_in_the_manner_of_pan_starrs(tmp_path):
    cards = {"MSKNAM00": "CR", "MSKVAL00": 16, "MSKNAM01": "STARCORE", "MSKVAL01": 32}
    values = np.zeros((128, 128), np.int16)
    values[:2], values[9:20] = 16, 32
    assert masked(tmp_path / "a.fits", values, fits.Header(cards))[0].sum() == 256


def test_every_file_brings_its_own_mask_and_one_of_another_size_is_said(tmp_path):
    files = []
    for i, band in enumerate("gr"):
        rows = np.zeros((128, 128), np.uint8)
        rows[3 + i] = 1
        units = ("IMAGE", scene(seed=i), header("nJy"), None), ("MASK", rows, None, None)
        files.append(extensions(tmp_path / f"{band}.fits", *units))
    assert read_field(files).mask.sum() == 256
    small, said = masked(tmp_path / "s.fits", np.ones((9, 9), np.uint8))
    assert not small.any() and "of another size" in said


def test_noise_beside_the_image(tmp_path):
    sci = ("SCI", scene(), header("uJy"), None)
    weight = np.where(np.indices((128, 128))[0] > 9, 4.0, 0.0).astype(np.float32)
    flat = np.ones((128, 128))
    for name, values, variance in (
        ("ERR", 2 * flat, 4.0),
        ("VARIANCE", 3 * flat, 3.0),
        ("INVVAR", weight, 0.25),
    ):
        field = read_field(extensions(tmp_path / f"{name}.fits", sci, (name, values, None, None)))
        assert field.variance[0, 50, 50] == pytest.approx(variance * 1e6) and name in field.origin["variance"]
    assert field.mask[:10].all() and field.mask.sum() == 1280
    field = read_field(extensions(tmp_path / "w.fits", sci, ("WHT", weight, None, None)))
    assert field.variance is None and field.mask.sum() == 1280 and "WHT may be" in field.origin["variance"]
