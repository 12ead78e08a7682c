"""Colour pictures: which bands they show, what is white, outlines."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.field.picture import asinh_rgb, outline, outlined, rgb_bands
from mockforge.photometry.bands import BANDPASSES, CANDELS_GOODSS, curve
from mockforge.rng import Stream
from mockforge.wavelengths import wavelength_nm

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


def source(flux: tuple[float, ...], side: int = 41) -> np.ndarray:
    """A round source, (band, y, x), of a peak in each band."""
    y, x = np.mgrid[:side, :side] - side // 2
    return np.array(flux)[:, None, None] * np.exp(-0.5 * (x**2 + y**2) / 4.0**2)


@pytest.mark.parametrize("bands", [("F606W", "F814W", "F160W"), ("g", "r", "Z"), ("F814W", "F160W"), NINE])
@pytest.mark.parametrize("peak", [3.0, 40.0, 5e4])
def test_a_flat_spectrum_is_white_whatever_the_noise(bands, peak):
    image = source((peak,) * len(bands)).astype(np.float32)
    for rms in (1.0, np.geomspace(0.1, 20.0, len(bands)), None):
        rgb = asinh_rgb(image, rms, bands=bands).astype(int)
        assert (rgb.max(axis=2) - rgb.min(axis=2)).max() <= 2.55
    assert rgb[20, 20].min() > 0


def test_a_red_source_is_red_in_any_order_of_the_bands():
    bands, flux = ("F606W", "F814W", "F160W"), (20.0, 60.0, 180.0)
    rng = Stream(1, ("noise",)).numpy()
    rms = np.array([1.0, 2.0, 5.0])
    image = source(flux) + rng.normal(0, 1, (3, 41, 41)) * rms[:, None, None]
    wanted = asinh_rgb(image, rms, bands=bands)
    r, g, b = wanted[20, 20].astype(int)
    assert r > g > b and r > 1.5 * b
    for order in ([2, 0, 1], [1, 2, 0], [2, 1, 0]):
        named = tuple(bands[i] for i in order)
        again = asinh_rgb(image[order], rms[order], bands=named)
        np.testing.assert_allclose(again, wanted, atol=1)


def test_hue_is_kept_from_faint_to_bright():
    image = source((1.0, 2.0, 4.0))
    hues = []
    for factor in (10.0, 100.0, 1e3, 1e5):
        r, g, b = asinh_rgb(image * factor, 1.0, noise=0.0)[20, 20].astype(float)
        hues.append((g - b) / (r - b))
    np.testing.assert_allclose(hues, 1 / 3, atol=0.02)


def test_one_galaxy_has_one_colour_whatever_the_stretch():
    """Noise of other bands and another stretch: the same hue."""
    hues = []
    for rms in ((1.0, 1.0, 1.0), (0.1, 1.0, 9.0), (9.0, 1.0, 0.1)):
        r, g, b = asinh_rgb(source((300.0, 500.0, 900.0)), np.array(rms))[20, 20].astype(float)
        hues.append((g - b) / (r - b))
    np.testing.assert_allclose(hues, hues[0], atol=0.05)


@pytest.mark.parametrize("light", [(0, 0, 0), (255, 255, 255), (255, 90, 20), (80, 140, 255), (255, 220, 90)])
def test_a_line_is_unlike_the_light_it_lies_on(light):
    labels = np.zeros((12, 12), dtype=int)
    labels[3:9, 3:9] = 5
    rgb = np.zeros((12, 12, 3), dtype=np.uint8)
    rgb[labels[::-1] > 0] = light
    line = outline(rgb, labels)[12 - 1 - 3, 3].astype(int)
    assert np.abs(line - np.array(light)).sum() > 190 and line.sum() > 500


def test_an_outline_shows_on_any_colour():
    labels = np.zeros((12, 12), dtype=int)
    labels[4:8, 4:8], labels[4:8, 8:10] = 1, 2
    for grey in (0, 40, 128, 255):
        sky = np.full((12, 12, 3), grey, dtype=np.uint8)
        rgb = outlined(sky, labels, ((255, 210, 60), (90, 215, 255))).astype(int)
        line = rgb[12 - 1 - 4, 4]
        assert tuple(line) == (90, 215, 255)
        beside = (rgb[12 - 1 - 4, 3], rgb[12 - 1 - 5, 5])
        assert max(abs(line - other).sum() for other in beside) > 300


@pytest.mark.parametrize(
    ("name", "nm"),
    [
        *(("F098M", 986), ("F125W", 1249), ("candels_F160W", 1537), ("F277W", 2770), ("JWST-F444W", 4400)),
        *(
            ("F129", 1290),
            ("F213", 2130),
            ("hsc_g", 475),
            ("HSC-I2", 760),
            ("HSC-I", 760),
            ("Ks", 2150),
            ("I", 800),
        ),
        *(("i", 760), ("NISP_H", 1770), ("VIS", 715), ("IRAC_ch2", 4490), ("F1000W", 10000)),
        *(("NB921", 921), ("flux", None), ("W1", 3350)),
    ],
)
def test_a_band_lies_where_its_name_says(name, nm):
    found = wavelength_nm(name)
    assert found is None if nm is None else found == pytest.approx(nm, rel=0.03)


def test_every_curve_that_comes_along_lies_where_its_name_says():
    for name in (*BANDPASSES, *CANDELS_GOODSS):
        wave, throughput = curve(name)
        pivot = np.sqrt(np.trapezoid(wave * throughput, wave) / np.trapezoid(throughput / wave, wave)) / 10
        assert wavelength_nm(name) == pytest.approx(pivot, rel=0.07), name
