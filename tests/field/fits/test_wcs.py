"""World coordinates: frames, swapped axes, distortions, pixels that are not square, scales that disagree."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.io.fits.card import Card
from astropy.table import Table
from astropy.wcs import WCS

from mockforge.commands.label import label_image
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.wcs import pixels_of_sky, sky_of_pixels, written
from tests.builders.fits_files import header, image, scene

STEP = 0.2 / 3600
SIP = {"A_ORDER": 2, "B_ORDER": 2, "A_2_0": 1e-4, "B_0_2": 1e-4}


def without(*keys, **cards):
    head = header("nJy", **cards)
    for key in keys:
        del head[key]
    return head


NO_CD = ("CD1_1", "CD1_2", "CD2_1", "CD2_2")
FRAMES = {
    "galactic": header("nJy", ctype=("GLON-TAN", "GLAT-TAN")),
    "ecliptic": header("nJy", ctype=("ELON-TAN", "ELAT-TAN")),
    "FK4": header("nJy", RADESYS="FK4", EQUINOX=1950.0),
    "equinox alone": header("nJy", EQUINOX=1950.0),
    "FK5 of 1975": header("nJy", RADESYS="FK5", EQUINOX=1975.0),
    "rotated": without(*NO_CD, CDELT1=-STEP, CDELT2=STEP, CROTA2=30.0),
    "TPV": header("nJy", ctype=("RA---TPV", "DEC--TPV"), PV1_1=1.0, PV1_4=0.5, PV2_1=1.0),
    "SIP": header("nJy", ctype=("RA---TAN-SIP", "DEC--TAN-SIP"), **SIP),
    "CD and the default CDELT": header("nJy", CDELT1=1.0, CDELT2=1.0),
}


@pytest.mark.parametrize("name", FRAMES)
def test_catalogues_are_in_icrs_whatever_the_frame(name, tmp_path):
    head = FRAMES[name]
    path = image(tmp_path / "a.fits", head=head)
    label_image(path, tmp_path / "out")
    table = Table.read(tmp_path / "out" / "catalogue.ecsv")
    right = WCS(head).pixel_to_world(table["x"], table["y"]).icrs
    found = SkyCoord(table["ra"], table["dec"])
    assert len(table) == 4 and found.separation(right).arcsec.max() < 1e-5
    field = Field.read(path)
    x, y = pixels_of_sky(field.wcs, table["ra"], table["dec"])
    np.testing.assert_allclose((x, y), (table["x"], table["y"]), atol=1e-3)
    again = Field.read(field.write(tmp_path / "b.fits"))
    assert again.pixel_scale_arcsec == pytest.approx(0.2)
    np.testing.assert_allclose(sky_of_pixels(again.wcs, x, y), (table["ra"], table["dec"]), atol=1e-9)


def test_declination_first(tmp_path):
    plain = Field.read(image(tmp_path / "a.fits", head=header("nJy")))
    swap = header(
        "nJy",
        ra=2.0,
        dec=150.0,
        ctype=("DEC--TAN", "RA---TAN"),
        CD1_1=0.0,
        CD1_2=STEP,
        CD2_1=-STEP,
        CD2_2=0.0,
    )
    swapped = Field.read(image(tmp_path / "b.fits", head=swap))
    x, y = np.array([3.0, 90.0, 20.0]), np.array([5.0, 7.0, 110.0])
    np.testing.assert_allclose(sky_of_pixels(swapped.wcs, x, y), sky_of_pixels(plain.wcs, x, y), atol=1e-10)


def test_axes_in_arcsec(tmp_path):
    sky = {"CUNIT1": "arcsec", "CUNIT2": "arcsec", "CD1_1": -0.2, "CD2_2": 0.2}
    field = Field.read(image(tmp_path / "a.fits", head=header("nJy", ra=540000.0, dec=7200.0, **sky)))
    assert field.pixel_scale_arcsec == pytest.approx(0.2)
    assert sky_of_pixels(field.wcs, 63.5, 63.5) == pytest.approx((150.0, 2.0))
    flat = Field.read(image(tmp_path / "b.fits", head=header("nJy", ctype=("LINEAR", "LINEAR"), **sky)))
    assert flat.wcs is None and flat.pixel_scale_arcsec == pytest.approx(0.2)
    none = Field.read(image(tmp_path / "c.fits", head=header("nJy", ctype=("PIXEL", "PIXEL"))))
    assert none.wcs is None and none.pixel_scale_arcsec is None


def tables(path, shift):
    """An image whose pixels are moved along x by a lookup table (4, 4), as in HST's flt."""
    head = header("nJy", CPDIS1="LOOKUP", CPDIS2="LOOKUP")
    units = [fits.PrimaryHDU(), fits.ImageHDU(scene(), head, name="SCI")]
    for i in (1, 2):
        for text in (f"EXTVER: {i}", "NAXES: 2", "AXIS.1: 1", "AXIS.2: 2"):
            units[1].header.append(Card.fromstring(f"DP{i}     = '{text}'"))
        unit = fits.ImageHDU((shift if i == 1 else 0 * shift).astype(np.float32), name="WCSDVARR")
        unit.ver = i
        unit.header.update(CRVAL1=1.0, CRVAL2=1.0, CRPIX1=1.0, CRPIX2=1.0, CDELT1=42.0, CDELT2=42.0)
        units.append(unit)
    fits.HDUList(units).writeto(path)
    return path


def test_lookup_tables_become_polynomials_that_a_header_can_hold(tmp_path):
    y, x = np.indices((4, 4))
    path = tables(tmp_path / "a.fits", 2.0 + 0.02 * x - 0.01 * y)
    with fits.open(path) as units:
        right = WCS(units["SCI"].header, units).pixel_to_world_values(50, 80)
    field = Field.read(path)
    np.testing.assert_allclose(field.wcs.pixel_to_world_values(50, 80), right, atol=0.01 * STEP)
    again = Field.read(field.write(tmp_path / "b.fits"))
    np.testing.assert_allclose(again.wcs.pixel_to_world_values(50, 80), right, atol=0.01 * STEP)
    rough = np.random.default_rng(1).normal(0, 3, (4, 4))
    rough[1, 2] = 30.0
    with pytest.raises(InputError, match="lookup tables of distortion"):
        Field.read(tables(tmp_path / "c.fits", rough))
    with fits.open(path) as units, pytest.raises(InputError, match="cannot be written"):
        written(WCS(units["SCI"].header, units))


SENTENCES = {
    "not square": (header("nJy", CD2_2=2 * STEP), "not square.*0.2 x 0.4"),
    "skewed": (header("nJy", CD1_2=0.1 * STEP), "not square.*degrees"),
    "far from the equator": (
        header("nJy", ctype=("RA---CAR", "DEC--CAR"), dec=0.0, CRPIX2=-1.08e6),
        "not square",
    ),
    "no scale": (without(*NO_CD), "no pixel scale"),
    "one CDELT": (without(*NO_CD, CDELT1=-STEP), "other CDELT is not"),
    "too large": (header("nJy", scale=720.0), "720 arcsec.*--pixel-scale 720"),
    "too small": (header("nJy", scale=1e-4), "0.0001 arcsec"),
    "CD and CDELT": (header("nJy", CDELT1=-1.5 * STEP, CDELT2=1.5 * STEP), "0.3 arcsec.*0.2"),
    "PIXSCALE": (header("nJy", PIXSCALE=0.3), "PIXSCALE = 0.3 arcsec and the WCS says 0.2"),
    "SIP without -SIP": (header("nJy", **SIP), "without -SIP"),
    "table": (header("nJy", ctype=("RA---TAB", "DEC--TAB")), "unusable"),
    "the Sun": (header("nJy", ctype=("HPLN-TAN", "HPLT-TAN")), "unusable"),
    "one axis": (header("nJy", ctype=("RA---TAN", "WAVE")), "unusable"),
}


@pytest.mark.parametrize("case", SENTENCES)
def test_what_a_wcs_leaves_open_is_a_sentence(case, tmp_path):
    head, words = SENTENCES[case]
    with pytest.raises(InputError, match=words):
        Field.read(image(tmp_path / "a.fits", head=head))


def test_the_users_scale_settles_it(tmp_path):
    for case, scale in (("not square", 0.28284), ("too large", 720.0), ("PIXSCALE", 0.2), ("no scale", 0.2)):
        field = Field.read(
            image(tmp_path / f"{case}.fits", head=SENTENCES[case][0]), pixel_scale_arcsec=scale
        )
        assert field.pixel_scale_arcsec == scale and (field.wcs is None) == (case == "no scale")
        if case == "too large":
            assert Field.read(field.write(tmp_path / "out.fits")).pixel_scale_arcsec == 720.0


def test_bands_of_different_scale(tmp_path):
    files = [
        image(tmp_path / f"{s}.fits", head=header("nJy", ctype=(None, None), PIXSCALE=s)) for s in (0.2, 0.3)
    ]
    with pytest.raises(InputError, match=r"0\.3 arcsec and band.*0\.2"):
        Field.read(files)


@pytest.mark.parametrize("spelled", ["icrs", "  ICRS", "Icrs "])
def test_frames_in_small_letters(spelled, tmp_path):
    field = Field.read(image(tmp_path / "a.fits", head=header("nJy", RADESYS=spelled)))
    assert sky_of_pixels(field.wcs, 63.5, 63.5)[0] == pytest.approx(150.0)


@pytest.mark.parametrize("key", ["CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"])
def test_a_wcs_without_its_place_is_no_wcs_at_0(key, tmp_path):
    with pytest.raises(InputError, match=f"the WCS has no {key}"):
        Field.read(image(tmp_path / "a.fits", head=without(key)))
    with pytest.raises(InputError, match=f"{key} = '10:00:00'"):
        Field.read(image(tmp_path / "b.fits", head=header("nJy", **{key: "10:00:00"})))


def test_axes_in_a_spelling_of_their_own(tmp_path):
    with pytest.raises(InputError, match="CTYPE1 = 'RA--TAN'"):
        Field.read(image(tmp_path / "a.fits", head=header("nJy", ctype=("RA--TAN", "DEC-TAN"))))


def test_the_wcs_of_a_primary_without_pixels(tmp_path):
    primary = fits.PrimaryHDU(header=header("nJy"))
    fits.HDUList([primary, fits.ImageHDU(scene(), name="SCI")]).writeto(tmp_path / "a.fits")
    field = Field.read(tmp_path / "a.fits")
    assert field.pixel_scale_arcsec == 0.2 and field.wcs is not None
    assert field.origin["pixel scale"] == "0.2 arcsec from the WCS of the primary header"


@pytest.mark.parametrize(
    ("cards", "scale"),
    [({"PIXSCALE": "0.2"}, 0.2), ({"SECPIX1": -0.2, "SECPIX2": 0.2}, 0.2),
     ({"PIXSCALE": (30.0, "[mas/pix]")}, 0.03),
     ({"PIXSCALE": (0.2 / 3600, "[deg] side")}, 0.2), ({"PIXSCALE": (0.2, "[arcsec/pixel]")}, 0.2)],
)  # fmt: skip
def test_scale_cards_in_their_own_units(cards, scale, tmp_path):
    head = fits.Header({"BUNIT": "nJy"})
    for key, value in cards.items():
        head[key] = value
    assert Field.read(image(tmp_path / "a.fits", head=head)).pixel_scale_arcsec == pytest.approx(scale)


@pytest.mark.parametrize(
    ("cards", "words"),
    [({"SECPIX1": 0.2, "SECPIX2": 0.4}, "not square"), ({"PIXSCALE": 0.2, "SECPIX": 0.3}, "SECPIX = 0.3"),
     ({"PIXSCAL1": 0.2, "PIXSCAL2": 0.4}, "not square")],
)  # fmt: skip
def test_scale_cards_that_disagree(cards, words, tmp_path):
    path = image(tmp_path / "a.fits", head=fits.Header({"BUNIT": "nJy", **cards}))
    with pytest.raises(InputError, match=words):
        Field.read(path)
    assert Field.read(path, pixel_scale_arcsec=0.2).pixel_scale_arcsec == 0.2
    other = image(tmp_path / "b.fits", head=header("nJy", SECPIX1=0.2, SECPIX2=-0.4))
    with pytest.raises(InputError, match=r"SECPIX2 = 0.4 arcsec and the WCS says 0.2"):
        Field.read(other)
