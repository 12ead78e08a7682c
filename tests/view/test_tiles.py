"""Colours and tiles against the pixels of the field."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.picture import asinh_rgb
from mockforge.view.colour import NEUTRAL, colours_of
from mockforge.view.tiles import Levels, TileWriter, halved, jpeg_by_pillow, jpeg_by_vips, png_of
from tests.view.conftest import Held, field_of


def written(held, folder, encode=png_of):
    colours = colours_of(held)
    levels = TileWriter(held, colours, folder, ("normal",), encode).write()
    return colours, levels


def picture(folder, level, levels, layer=0):
    """The tiles of a level put together."""
    height, width = levels.size(level)
    rows, columns = levels.tiles(level)
    out = np.zeros((height, width, 3), dtype=np.uint8)
    for row in range(rows):
        for col in range(columns):
            tile = np.asarray(Image.open(folder / f"{layer}-normal/{level}/{col}_{row}.jpg").convert("RGB"))
            y, x = row * 256, col * 256
            assert tile.shape[:2] == (min(256, height - y), min(256, width - x))
            out[y : y + 256, x : x + 256] = tile
    return out


def test_levels_are_those_of_deep_zoom():
    levels = Levels(300, 700)
    assert levels.top == 10
    assert [levels.size(level) for level in (10, 9, 8, 0)] == [(300, 700), (150, 350), (75, 175), (1, 1)]
    assert levels.tiles(10) == (2, 3) and levels.count() == 6 + 2 + 9 * 1


def test_the_finest_level_is_the_field_in_one_stretch(held, tmp_path):
    colours, levels = written(held, tmp_path)
    whole = colours.rgb(held.field.image, "colour", "normal")
    np.testing.assert_array_equal(picture(tmp_path, levels.top, levels), whole)
    alone = colours.rgb(held.field.image, "r", "normal")
    np.testing.assert_array_equal(picture(tmp_path, levels.top, levels, layer=2), alone)


def test_coarser_levels_are_means_of_flux(held, tmp_path):
    colours, levels = written(held, tmp_path)
    flux = held.field.image[:, ::-1]  # from the top
    mean = flux.reshape(3, 150, 2, 350, 2).mean(axis=(2, 4))
    expected = colours.rgb(mean[:, ::-1], "colour", "normal", coarser=2)
    found = picture(tmp_path, levels.top - 1, levels)
    assert np.abs(found.astype(int) - expected).max() <= 1  # sums in another order


def test_blocks_meet_without_a_seam(tmp_path):
    """1100 pixels are more than a block of 1024: what is at its border is as in the whole."""
    held = Held(field_of(1100, 1030, ("g",)))
    colours, levels = written(held, tmp_path)
    assert held.largest <= 1024**2
    whole = colours.rgb(held.field.image, "g", "normal")
    np.testing.assert_array_equal(picture(tmp_path, levels.top, levels), whole)
    half = halved(held.field.image[:, ::-1])
    expected = colours.rgb(half[:, ::-1], "g", "normal", coarser=2)
    assert np.abs(picture(tmp_path, levels.top - 1, levels).astype(int) - expected).max() <= 1


@pytest.mark.parametrize("encode", [jpeg_by_pillow, jpeg_by_vips])
def test_both_makers_of_jpegs_show_the_same(encode, held):
    if encode is jpeg_by_vips:
        pytest.importorskip("pyvips")
    colours = colours_of(held)
    for shown in (
        colours.rgb(held.field.image, "colour", "normal"),
        colours.rgb(held.field.image, "g", "normal")[..., 0],
    ):
        back = np.asarray(Image.open(BytesIO(encode(shown))))
        assert back.shape == shown.shape
        assert np.abs(back.astype(int) - shown).mean() < 4


def test_halves_leave_out_what_is_not_known():
    flux = np.array([[[1.0, np.nan, 4.0], [3.0, 5.0, np.nan], [np.nan, np.nan, 8.0]]], dtype=np.float32)
    np.testing.assert_array_equal(halved(flux), [[[3.0, 4.0], [np.nan, 8.0]]])


def test_what_is_not_known_has_the_colour_of_the_page():
    held = Held(field_of(64, 80))
    flux = held.field.image.copy()
    flux[:, :10] = np.nan
    shown = colours_of(held).rgb(flux, "colour", "normal")
    assert (shown[-10:] == NEUTRAL).all() and not (shown[:-10] == NEUTRAL).all(axis=2).any()


def test_colours_are_those_of_pictures(held):
    """White is a flat spectrum: the viewer's colours are those of every other picture."""
    colours = colours_of(held)
    assert colours.rms == pytest.approx([1.0] * 3, rel=0.03)
    flat = held.field.image - np.array(colours.level, dtype=np.float32)[:, None, None]
    unit = float(np.sqrt(np.mean(np.square(colours.rms))))
    expected = asinh_rgb(flat, unit, bands=held.bands)
    np.testing.assert_array_equal(colours.rgb(held.field.image, "colour", "normal"), expected)


@pytest.mark.parametrize("stretch", ["faint", "normal", "bright"])
def test_a_band_alone_is_grey_as_pictures_of_one_band_are(held, stretch):
    from mockforge.view.config import STRETCHES

    colours = colours_of(held)
    rms = colours.rms[1]
    expected = asinh_rgb(
        held.field.image[1:2] - np.float32(colours.level[1]), rms * STRETCHES[stretch], black=-0.5 * rms
    )
    found = colours.rgb(held.field.image, "r", stretch)
    assert np.abs(found.astype(int) - expected).max() <= 1


def test_bands_as_given_are_red_green_and_blue(held):
    flux = np.zeros((3, 4, 4), dtype=np.float32)
    flux[0] = 30.0  # g alone
    shown = colours_of(held, ["g", "r", "Z"]).rgb(flux, "colour", "normal")[0, 0].astype(int)
    assert shown[0] > shown[2]  # g is red now
    shown = colours_of(held).rgb(flux, "colour", "normal")[0, 0].astype(int)
    assert shown[2] > shown[0]
    with pytest.raises(InputError, match="no band 'K'"):
        colours_of(held, ["K", "r", "g"])


def test_a_field_without_noise_or_light_is_shown_too():
    image = np.zeros((1, 40, 40), dtype=np.float32)
    assert colours_of(Held(Field(image, ("r",)))).rms == (1.0,)
    image[0, 5, 5] = 10.0
    colours = colours_of(Held(Field(image, ("r",))))
    assert colours.rgb(image, "r", "normal")[34, 5, 0] > 200
