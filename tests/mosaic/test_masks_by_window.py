"""A mask means in every window what it means in the whole image."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.mosaic.read import open_field
from tests.builders.fits_files import extensions, header, scene

SIDE = 128


def written(path: Path, values: np.ndarray, head: fits.Header | None = None, name: str = "MASK") -> Path:
    return extensions(path, ("SCI", scene(), header("nJy"), None), (name, values, head, None))


def good_is_one() -> fits.Header:
    head = fits.Header()
    head["COMMENT"] = "1 = good, 0 = bad"
    return head


@pytest.mark.parametrize(
    ("marked", "head", "name"),
    [
        (slice(0, 50), None, "MASK"),  # windows of nothing but 1
        (slice(0, 50), good_is_one(), "MASK"),  # windows of nothing but 0, which is bad
        (slice(0, 50), None, "BAD PIXEL MASK"),
    ],
)
def test_windows_hide_what_the_whole_hides(
    marked: slice, head: fits.Header | None, name: str, tmp_path: Path
) -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[marked] = 1
    path = written(tmp_path / "a.fits", values if head is None else 1 - values, head, name)
    mask = Field.read(path).mask
    field = open_field(path)
    assert mask is not None and mask[:50].all() and not mask[50:].any()
    for y in range(0, SIDE, 32):
        np.testing.assert_array_equal(field.mask(y, y + 32, 0, 64), mask[y : y + 32, :64])


def test_a_mask_whose_meaning_is_not_known_is_refused_when_it_is_opened(tmp_path: Path) -> None:
    values = np.zeros((SIDE, SIDE), np.uint8)
    values[:3], values[90:] = 1, 6
    path = written(tmp_path / "a.fits", values)
    for read in (Field.read, open_field):
        with pytest.raises(InputError, match="holds other numbers than 0 and 1"):
            read(path)
    values[:] = 1
    values[:3] = 0
    path = written(tmp_path / "b.fits", values)
    for read in (Field.read, open_field):
        with pytest.raises(InputError, match="whether 1 means good or bad"):
            read(path)


@pytest.mark.parametrize("name", ["WHT", "INVVAR", "ERR", "VARIANCE"])
def test_what_was_not_observed_is_hidden(name: str, tmp_path: Path) -> None:
    values = np.full((SIDE, SIDE), 4.0, dtype=np.float32)
    values[:9] = 0.0
    path = written(tmp_path / "a.fits", values, name=name)
    whole, field = Field.read(path).mask, open_field(path)
    assert whole is not None and whole.sum() == 9 * SIDE
    np.testing.assert_array_equal(field.mask(0, SIDE, 0, SIDE), whole)
    assert not field.mask(32, 64, 0, 64).any() and f"where {name} is no number" in field.origin["mask"]
