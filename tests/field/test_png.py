"""PNG files: what Pillow reads is what was written."""

import io

import numpy as np
import pytest
from PIL import Image

from mockforge.field.png import png_bytes

RNG = np.random.default_rng(5)
NOISY = RNG.integers(0, 255, (37, 53, 4), dtype=np.uint8)
SMOOTH = np.add.outer(np.arange(90), np.arange(70)).astype(np.uint8)[..., None].repeat(4, axis=2)


@pytest.mark.parametrize("picture", [NOISY, SMOOTH, NOISY[:1, :1]])
@pytest.mark.parametrize("channels", [1, 3, 4])
def test_read_again_a_png_is_the_picture(picture, channels):
    picture = picture[..., 0] if channels == 1 else picture[..., :channels]
    with Image.open(io.BytesIO(png_bytes(picture))) as image:
        image.load()
        assert np.array_equal(np.asarray(image), picture)


def test_smooth_pictures_take_little_room():
    assert len(png_bytes(SMOOTH)) < SMOOTH.nbytes / 20
