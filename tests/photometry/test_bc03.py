"""The reader of `.ised` files: a made file, damaged ones, and the library's own numbers."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.photometry.populations.bc03 import read_ised

AGES = np.array([0.0, 1e6, 1e7, 1e9])
WAVES = np.array([1000.0, 2000.0, 3000.0])
LIGHT = np.arange(12.0).reshape(4, 3) + 1


def record(content: bytes, order: str) -> bytes:
    marker = np.array(len(content), order + "i4").tobytes()
    return marker + content + marker


def counted(values: np.ndarray, order: str) -> bytes:
    return np.array(len(values), order + "i4").tobytes() + values.astype(order + "f4").tobytes()


def ised(order: str = "<", text: bytes = b"Padova. X=0.70, Y=0.28, Z=0.02  ") -> bytes:
    spectra = b"".join(record(counted(row, order) + counted(np.zeros(5), order), order) for row in LIGHT)
    return record(counted(AGES, order) + text, order) + record(counted(WAVES, order), order) + spectra


@pytest.mark.parametrize("order", ["<", ">"])
def test_reads_either_byte_order(tmp_path, order):
    path = tmp_path / "one.ised"
    path.write_bytes(ised(order) + record(counted(np.zeros(4), order), order))
    found = read_ised(path)
    np.testing.assert_array_equal(found.age_yr, AGES)
    np.testing.assert_array_equal(found.wave, WAVES)
    np.testing.assert_array_equal(found.luminosity, LIGHT)
    assert found.metallicity == 0.02


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"# age wave flux in ASCII, long enough to look at", "not a file of Fortran records"),
        (b"", "not a file of Fortran records"),
        (ised()[:-6], "record 5 at byte .* is cut short or damaged"),
        (
            ised()[: -len(record(counted(LIGHT[0], "<") + counted(np.zeros(5), "<"), "<"))],
            "4 ages and 3 spectra",
        ),
        (ised(text=b"no metallicity"), "no 'Z='"),
        (ised().replace(counted(WAVES, "<"), counted(WAVES[::-1], "<")), "do not rise"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, message):
    path = tmp_path / "bad.ised"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        read_ised(path)
    with pytest.raises(InputError, match=r"none\.ised"):
        read_ised(tmp_path / "none.ised")


def test_the_library(shared_data):
    """Light per solar mass at solar metallicity: about 1400 suns at 3 Myr and 0.3 at 10 Gyr."""
    found = read_ised(shared_data / "sps" / "bc03_chabrier_lr" / "bc2003_lr_m62_chab_ssp.ised")
    assert found.luminosity.shape == (221, 1221)
    assert (found.metallicity, found.age_yr[0], found.age_yr[-1]) == (0.02, 0.0, 2e10)
    total = np.trapezoid(found.luminosity, found.wave, axis=1)
    np.testing.assert_allclose(np.interp([3e6, 1e10], found.age_yr, total), [1440, 0.30], rtol=0.25)
