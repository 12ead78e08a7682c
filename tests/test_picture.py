"""Which bands a colour picture shows."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.picture import asinh_rgb, rgb_bands

NINE = ("u", "g", "r", "i", "Z", "Y", "J", "H", "Ks")


@pytest.mark.parametrize(
    ("bands", "chosen"),
    [
        (NINE, ("g", "r", "i")),
        (("lsst_u", "lsst_g", "lsst_r", "lsst_i", "lsst_z", "lsst_y"), ("lsst_g", "lsst_r", "lsst_i")),
        (("g", "r", "Z"), ("g", "r", "Z")),
        (("u", "g", "r"), ("u", "g", "r")),
        (("u", "g", "r", "Z"), ("g", "r", "Z")),
        (("F435W", "F606W", "F775W", "F814W", "F105W"), ("F435W", "F775W", "F105W")),
    ],
)
def test_bands_are_chosen_by_name(bands, chosen):
    assert tuple(bands[i] for i in rgb_bands(len(bands), bands)) == chosen


def test_without_names_the_outermost_and_the_middle():
    assert rgb_bands(9) == (0, 4, 8)


def test_a_picture_of_nine_bands_shows_g_r_and_i_alone():
    image = np.zeros((9, 8, 8), dtype=np.float32)
    image[1, 2, 3], image[2, 4, 4], image[3, 5, 1] = 30.0, 30.0, 30.0
    rgb = asinh_rgb(image, np.ones(9), bands=NINE)
    assert rgb[7 - 2, 3].argmax() == 2 and rgb[7 - 4, 4].argmax() == 1 and rgb[7 - 5, 1].argmax() == 0
    other = image.copy()
    other[[0, 4, 5, 6, 7, 8]] = 50.0
    assert np.array_equal(asinh_rgb(other, np.ones(9), bands=NINE), rgb)
    assert not np.array_equal(asinh_rgb(other, np.ones(9)), rgb)
