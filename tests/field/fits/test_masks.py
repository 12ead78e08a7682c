"""Masks of bits: defects are used, marks of sources never, and what is not known is asked."""

import numpy as np
import pytest
from astropy.io import fits

from mockforge.commands.label import label_image
from mockforge.errors import InputError
from mockforge.field.field import Field
from tests.builders.fits_files import PLACES, extensions, header, scene

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
    field = Field.read(path, **how)
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
    assert Field.read(files).mask.sum() == 256
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
        field = Field.read(extensions(tmp_path / f"{name}.fits", sci, (name, values, None, None)))
        assert field.variance[0, 50, 50] == pytest.approx(variance * 1e6) and name in field.origin["variance"]
    assert field.mask[:10].all() and field.mask.sum() == 1280
    field = Field.read(extensions(tmp_path / "w.fits", sci, ("WHT", weight, None, None)))
    assert field.variance is None and field.mask.sum() == 1280 and "WHT may be" in field.origin["variance"]


def test_the_highest_bit_of_a_signed_mask_is_a_plane(tmp_path):
    values = np.zeros((128, 128), np.int32)
    values[:2] = -(2**31)
    found, said = masked(tmp_path / "a.fits", values, planes(EDGE=31, BAD=0))
    assert found[:2].all() and not found[2:].any() and said.startswith("MASK: EDGE")


@pytest.mark.parametrize("name", ["BAD PIXEL MASK", "QUALITY_FLAGS", "FLG", "DQ_ARRAY", "IMAGE MASK"])
def test_masks_by_other_names(name, tmp_path):
    values = np.zeros((128, 128), np.uint8)
    values[:2] = 1
    found, said = masked(tmp_path / "a.fits", values, name=name)
    assert found[:2].all() and not found[2:].any() and said.startswith(name)


@pytest.mark.parametrize("name", ["OBJ_MASK", "SKYMASK", "GPM"])
def test_masks_of_something_else_are_not_used_and_said(name, tmp_path):
    found, said = masked(tmp_path / "a.fits", np.eye(128, dtype=np.uint8), name=name)
    assert not found.any() and f"{name!r} (128 x 128) is not used" in said


@pytest.mark.parametrize("comment", ["1 = good pixel", "0: bad", "True means valid", "good=1, bad=0"])
def test_a_mask_whose_comments_say_that_1_is_good(comment, tmp_path):
    values = np.ones((128, 128), np.uint8)
    values[:2] = 0
    head = fits.Header()
    head["COMMENT"] = comment
    found, said = masked(tmp_path / "a.fits", values, head)
    assert found[:2].all() and not found[2:].any() and "0 = not to be used" in said


@pytest.mark.parametrize("mark", [0.0, -1.0, np.nan, 1e10, np.inf])
@pytest.mark.parametrize("name", ["RMS", "ERR", "VARIANCE"])
def test_errors_that_are_none_say_that_nothing_was_observed(name, mark, tmp_path):
    sigma = np.full((128, 128), 2.0, np.float32)
    sigma[:2] = mark**2 if name == "VARIANCE" and mark > 0 else mark
    extensions(tmp_path / "a.fits", ("SCI", scene(), header("nJy"), None), (name, sigma, None, None))
    field = Field.read(tmp_path / "a.fits")
    assert field.mask[:2].all() and not field.mask[2:].any()
    assert np.isinf(field.variance[0, :2]).all()
    assert (field.variance[0, 2:] == (2.0 if name == "VARIANCE" else 4.0)).all()


def test_errors_of_zero_everywhere_are_none(tmp_path):
    zero = np.zeros((128, 128), np.float32)
    extensions(tmp_path / "a.fits", ("SCI", scene(), header("nJy"), None), ("ERR", zero, None, None))
    field = Field.read(tmp_path / "a.fits")
    assert (
        field.mask is None and field.variance is None and "ERR is above 0 in 0%" in field.origin["variance"]
    )


def test_errors_by_eso_convention_and_in_another_unit(tmp_path):
    four = np.full((128, 128), 4.0, np.float32)
    head = fits.Header({"HDUCLAS3": "MSE"})
    extensions(tmp_path / "a.fits", ("SCI", scene(), header("nJy"), None), ("ERR", four, head, None))
    assert (Field.read(tmp_path / "a.fits").variance == 4).all()
    head = fits.Header({"BUNIT": "uJy"})
    extensions(tmp_path / "b.fits", ("SCI", scene(), header("nJy"), None), ("ERR", four, head, None))
    with pytest.raises(InputError, match="errors are in uJy and the image in nJy"):
        Field.read(tmp_path / "b.fits")


def test_mask_bits_that_no_mask_has_are_said(tmp_path):
    extensions(tmp_path / "a.fits", ("SCI", scene(), header("nJy"), None))
    said = Field.read(tmp_path / "a.fits", mask_bits=["EDGE"]).origin["mask"]
    assert said == "none: no mask extension for the mask bits EDGE, every pixel has a value"
