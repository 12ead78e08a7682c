"""What pixel values mean: units in every spelling, zeropoints in AB, ST and Vega, and contradictions."""

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.flux_unit import flux_unit
from tests.builders.fits_files import extensions, header, image, scene

HST = {"PHOTFLAM": 7e-20, "PHOTPLAM": 8047.0, "scale": 0.05}
HST_AB = -2.5 * np.log10(7e-20) - 5 * np.log10(8047.0) - 2.408

RATES = ("ELECTRONS/S", "e-/s", "e/s", "cps", "counts s-1", "count s-1", "electron s**-1", "ct s^-1",
         "DN/sec", "electrons per second", "ADU/s", "counts/(s)", "Counts / Second", "e-/s/pix")  # fmt: skip
TOTALS = ("ELECTRONS", "COUNTS", "COUNT", "ct", "ADU", "DN", "e", "e-", "electron", "photons")


@pytest.mark.parametrize("unit", RATES + TOTALS)
def test_counts_are_per_second_or_of_the_whole_exposure(unit):
    found = flux_unit(unit)
    assert (found.kind, found.second) == ("counts", unit in RATES)


@pytest.mark.parametrize(
    ("unit", "zeropoint"),
    [("mJy", 16.4), ("MJy", -6.1), ("UJY", 23.9), ("µJy", 23.9), ("nJy/pixel", 31.4), ("10^-9 Jy", 31.4),
     ("nanomaggy", 22.5), ("erg / (s cm2 Hz)", -48.6), ("W m-2 Hz-1", -56.1), ("kJy", 1.4)],
)  # fmt: skip
def test_flux_units(unit, zeropoint):
    found = flux_unit(unit)
    assert found.kind == "flux" and found.zeropoint == pytest.approx(zeropoint)


@pytest.mark.parametrize(
    ("unit", "kind"),
    [("MJY", "ambiguous"), ("mjy", "ambiguous"), ("MJY/SR", "ambiguous"), ("mag", "magnitude"),
     ("foo", "unknown"), ("mag/arcsec2", "magnitude"), ("luptitude", "magnitude"), ("log10(Jy)", "magnitude"),
     ("DN/gain", "unknown"), ("", "none"), ("none", "none"), ("MJy/sr", "brightness"),
     ("Jy beam-1", "brightness"), ("maggies", "flux")],
)  # fmt: skip
def test_other_units(unit, kind):
    assert flux_unit(unit).kind == kind


def factor(path, **how):
    field = Field.read(path, **how)
    assert field.unit == "nJy"
    return float(field.image.max() / scene().max()), field.origin["zeropoint"]


def test_hst_files_use_photflam_and_not_photzpt(tmp_path):
    head = header("ELECTRONS/S", PHOTZPT=-21.1, **HST)
    found, said = factor(image(tmp_path / "a.fits", head=head))
    assert found == pytest.approx(10 ** (0.4 * (31.4 - HST_AB)), rel=1e-5)
    assert said == "25.9511 AB from PHOTFLAM, PHOTPLAM"
    native = Field.read(image(tmp_path / "b.fits", head=header("ELECTRONS/S", PHOTZPT=-21.1)))
    assert native.unit == "native" and "PHOTZPT is the constant" in native.origin["zeropoint"]


@pytest.mark.parametrize("unit", TOTALS)
def test_counts_of_the_exposure_are_divided_by_it(unit, tmp_path):
    found, said = factor(image(tmp_path / "a.fits", head=header(unit, EXPTIME=1000.0, **HST)))
    assert found == pytest.approx(10 ** (0.4 * (31.4 - HST_AB)) / 1000, rel=1e-5) and "EXPTIME 1000 s" in said


def test_surface_brightness_uses_the_pixels_area(tmp_path):
    sr = np.radians(0.031 / 3600) ** 2
    heads = {
        "jwst": header("MJy/sr", scale=0.031, PIXAR_SR=sr),
        "irac": header("MJy/sr", scale=0.031),
    }
    for name, head in heads.items():
        assert factor(image(tmp_path / f"{name}.fits", head=head))[0] == pytest.approx(1e15 * sr, rel=1e-3)
    beam = header("Jy/beam", scale=0.6, BMAJ=5 / 3600, BMIN=4 / 3600)
    found = factor(image(tmp_path / "radio.fits", head=beam))[0]
    assert found == pytest.approx(1e9 * 0.36 / (1.1331 * 20), rel=1e-3)


VEGA = [
    (header("DN", scale=1.375, MAGZP=20.5, TELESCOP="WISE", BAND=1), 20.5 + 2.699),
    (header("DN", scale=2.75, MAGZP=22.5, TELESCOP="WISE", BAND="W2"), 22.5 + 3.339),
    (header("DN", scale=1.0, MAGZP=19.9, TELESCOP="FLWO", FILTER="k"), 19.9 + 1.85),
    (header("DN", scale=1.0, MAGZP=20.9, ORIGIN="2MASS", FILTER="j"), 20.9 + 0.91),
    (header("ADU", scale=0.34, PHOTZP=24.5, PHOTSYS="VEGA", INSTRUME="VIRCAM", FILTER="J"), 24.5 + 0.916),
    (header("DN", MAGZP=25.0, ABMAGZP=25.9, MAGSYS="Vega"), 25.9),
    (header("DN", MAGZERO=26.0, MAGSYS="STMAG", PHOTPLAM=8047.0), 26 - 5 * np.log10(8047.0) + 18.692),
    (header(None, FLUXMAG0=10**10.8), 27.0),
    (header(None, MAGZERO=30.0), 30.0),
    (header("", PHOTZP=0.0, PHOTSYS="AB"), 0.0),
]


@pytest.mark.parametrize(("head", "zeropoint"), VEGA)
def test_zeropoints_of_other_systems_become_ab(head, zeropoint, tmp_path):
    found = factor(image(tmp_path / "a.fits", head=head))[0]
    assert -2.5 * np.log10(found) + 31.4 == pytest.approx(zeropoint, abs=2e-3)


def test_a_vega_zeropoint_of_an_unknown_band_is_said_and_not_used(tmp_path):
    head = header("DN", MAGZERO=25.0)
    head.comments["MAGZERO"] = "Vega magnitude of one count"
    field = Field.read(image(tmp_path / "a.fits", head=head))
    assert field.unit == "native" and "is a Vega magnitude" in field.origin["zeropoint"]
    zero = Field.read(image(tmp_path / "b.fits", head=header(MAGZERO=0.0)))
    assert zero.unit == "native" and "--zeropoint 0" in zero.origin["zeropoint"]


SENTENCES = {
    "MJY": (header("MJY"), "--zeropoint 16.4.*--zeropoint -6.1"),
    "logarithmic": (header("mag"), "not linear in flux"),
    "luptitudes": (header("luptitudes"), "not linear in flux"),
    "asinh, half": (header(BSOFTEN=15.0), "BOFFSET = None"),
    "per beam": (header("JY/BEAM"), "BMAJ, BMIN"),
    "no BUNIT": (header(EXPTIME=1000.0, **HST), "25.9511.* or .*33.4511"),
    "no EXPTIME": (header("ADU", **HST), "no EXPTIME"),
    "no pivot": (header("ELECTRONS/S", PHOTFLAM=7e-20), "no PHOTPLAM"),
    "per wavelength": (header("erg/s/cm2/A"), "pivot"),
    "two cards": (header("ELECTRONS/S", MAGZERO=25.0, **HST), "25 AB from MAGZERO.*25.9511 AB from PHOTFLAM"),
    "unit and card": (header("uJy", MAGZERO=25.0), "23.9 AB from BUNIT uJy, and 25 AB"),
    "scaled by SCAMP": (header(MAGZERO=30.0, FLXSCALE=0.25), "FLXSCALE = 0.25"),
    "beyond": (header(MAGZERO=75.0), "--zeropoint 75"),
    "below": (header(MAGZERO=-5.0), "--zeropoint -5"),
    "PIXAR_SR": (header("MJy/sr", PIXAR_SR=2.3e-14), "2.3e-14 sr, and the pixel scale 9.402e-13"),
    "system": (header("DN", MAGZERO=25.0, MAGSYS="Gunn"), "'Gunn'"),
    "near infrared": (header("DN", MAGZP=25.0, FILTER="Ks"), "as often Vega as AB.*--zeropoint 25"),
    "CASU": (header("ADU", MAGZPT=23.0, INSTRUME="VIRCAM", FILTER="Ks", EXPTIME=10.0), "here 27.327"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_what_is_ambiguous_or_contradicts_itself_is_a_sentence(case, tmp_path):
    head, words = SENTENCES[case]
    with pytest.raises(InputError, match=words):
        Field.read(image(tmp_path / "a.fits", head=head))


def test_the_users_word_settles_it_and_both_values_are_said(tmp_path):
    for i, case in enumerate(("MJY", "two cards", "beyond", "no BUNIT", "CASU", "PIXAR_SR")):
        path = image(tmp_path / f"{i}.fits", head=SENTENCES[case][0])
        assert factor(path, zeropoint=31.4)[0] == pytest.approx(1.0)
    said = factor(image(tmp_path / "n.fits", head=header("nJy")), zeropoint=25.0)[1]
    assert said == "25 AB as given (the header says 31.4 AB from BUNIT nJy: not used)"


def test_exposure_times_that_disagree(tmp_path):
    unit = ("SCI", scene(), header("ELECTRONS", EXPTIME=500.0, **HST), None)
    with pytest.raises(InputError, match="EXPTIME = 500 in the extension and 1000"):
        Field.read(extensions(tmp_path / "a.fits", unit, EXPTIME=1000.0))


def test_asinh_pixels_of_pan_starrs_are_made_linear(tmp_path):
    stored = 2.5 / np.log(10) * np.arcsinh((scene() - 0.1) / 30.0)
    head = header(BSOFTEN=15.0, BOFFSET=0.1, EXPTIME=100.0)
    head["HIERARCH FPA.ZP"] = 25.0
    field = Field.read(image(tmp_path / "a.fits", stored, head))
    np.testing.assert_allclose(field.image[0], scene() * 10 ** (0.4 * 1.4), rtol=1e-4, atol=1e-4)
    assert "asinh" in field.origin["also"]


@pytest.mark.parametrize("key", ["MAG_ZERO", "ZPT", "PHOT_C", "CALIB_ZP", "ZPT_0001"])
def test_cards_that_may_be_a_zeropoint_are_named(key, tmp_path):
    field = Field.read(image(tmp_path / "a.fits", head=header(**{key: 25.5})))
    assert (
        field.unit == "native" and f"what {key} = 25.5 means; --zeropoint 25.5" in field.origin["zeropoint"]
    )


@pytest.mark.parametrize(
    ("cards", "words"),
    [
        ({**HST, "unit": "ELECTRONS/S", "PHOTFNU": 1e-6}, "give 25.9511 AB .* and PHOTFNU 23.9"),
        ({"unit": "MJy/sr", "PIXAR_SR": 9.402e-13, "PIXAR_A2": 0.09}, "PIXAR_SR says .* and PIXAR_A2"),
        ({"unit": "Jy/beam", "BMAJ": 1.0, "BMIN": 1.0}, "a beam of .* pixels.*arcsec"),
        ({"MAGZPT": 25.5, "FILTER": "R"}, "in the filter R it is as often Vega"),
        ({"MAGZPT": 25.5, "FILTER": "V_Bessell"}, "in the filter V_Bessell"),
        ({"ZP": 25.5, "FILTER": "Ks_HAWKI"}, "near infrared"),
        ({"ZP": 25.5, "FILTER": "J_MKO"}, "near infrared"),
        ({"MAGZERO": 25.5, "MAGSYS": "ABSOLUTE"}, "system 'ABSOLUTE'"),
        ({"unit": "SB mag/arcsec^2"}, "magnitudes or logarithms"),
    ],
)
def test_further_contradictions_and_doubts(cards, words, tmp_path):
    with pytest.raises(InputError, match=words):
        Field.read(image(tmp_path / "a.fits", head=header(**cards)))


def test_unwise_and_an_ab_card_beside_one_without_a_system(tmp_path):
    def ab(name, **cards):
        field = Field.read(image(tmp_path / name, head=header(**cards)))
        return 31.4 - 2.5 * np.log10(field.njy_per_unit[0])

    assert ab("a.fits", MAGZP=22.5, BAND=2, UNW_SKY=0.1) == pytest.approx(22.5 + 3.339)
    assert ab("b.fits", ABMAGZP=25.0, MAGZP=23.6, FILTER="H") == pytest.approx(25.0)
    assert ab("c.fits", ZP=25.0, FILTER="r") == pytest.approx(25.0)
    assert ab("d.fits", ZP=25.96, FILTER="F160W") == pytest.approx(25.96)


@pytest.mark.parametrize(
    "comment", ["mag of 1 count/s", "zeropoint for 1 s exposure", "[mag] ADU per sec", "1-sec zeropoint"]
)
def test_a_zeropoint_of_one_second(comment, tmp_path):
    def read(name, **cards):
        head = header(**cards)
        head["MAGZERO"] = (25.0, comment)
        return Field.read(image(tmp_path / name, head=head)).origin["zeropoint"]

    with pytest.raises(InputError, match=r"--zeropoint 25` if they are, or `--zeropoint 32.5` if of EXPTIME"):
        read("a.fits", unit="adu", EXPTIME=1000.0)
    with pytest.raises(InputError, match="MAGZERO = 25 is of one second"):
        read("b.fits")
    assert read("c.fits", unit="adu/s", EXPTIME=1000.0).startswith("25 AB")
    assert read("d.fits", unit="adu", EXPTIME=1.0).startswith("25 AB")
