"""Fields to FITS and back, and their place on the sky."""

import gzip
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs


@pytest.fixture
def field() -> Field:
    rng = np.random.default_rng(1)
    image = rng.normal(0, 10, (2, 40, 60)).astype(np.float32)
    mask = np.zeros((40, 60), dtype=bool)
    mask[3:5, 7:9] = True
    return Field(
        image=np.where(mask, np.float32(0), image),
        bands=("z", "Z"),
        pixel_scale_arcsec=0.2,
        psf_fwhm_arcsec=(0.7, 0.8),
        mask=mask,
        truth=image * 0.5,
        wcs=tan_wcs(image.shape, 0.2, ra=10.0, dec=-30.0, rotation_deg=20.0),
        header={"SEED": (7, "seed of the sky"), "MODEL": "kids-viking", "A long keyword": 1.5},
    )


def test_a_field_survives_the_disk(field: Field, tmp_path: Path) -> None:
    path = field.write(tmp_path / "deep" / "field.fits")
    back = Field.read(path)
    assert back.bands == ("z", "Z") and back.unit == "nJy" and back.zeropoint_ab == 31.4
    assert back.pixel_scale_arcsec == 0.2 and back.psf_fwhm_arcsec == (0.7, 0.8)
    assert back.mask is not None and back.truth is not None
    np.testing.assert_array_equal(back.image, field.image)
    np.testing.assert_array_equal(back.mask, field.mask)
    np.testing.assert_array_equal(back.truth, field.truth)
    assert back.header["SEED"] == 7 and back.header["MODEL"] == "kids-viking"
    np.testing.assert_allclose(
        back.wcs.pixel_to_world_values(5, 30), field.wcs.pixel_to_world_values(5, 30), rtol=0, atol=1e-9
    )
    assert list(tmp_path.rglob("*.part")) == []


def test_headers_say_the_unit_and_checksums_hold(field: Field, tmp_path: Path) -> None:
    path = field.write(tmp_path / "field.fits")
    with fits.open(path, checksum=True) as units:  # a wrong checksum warns, and warnings are errors
        names = [u.name.upper() for u in units]
        assert names == ["PRIMARY", "Z", "Z", "TRUTH_Z", "TRUTH_Z", "MASK"]
        head = units[1].header
        assert (head["BUNIT"], head["MAGZERO"], head["PIXSCALE"]) == ("nJy", 31.4, 0.2)
        assert all("CHECKSUM" in u.header and "DATASUM" in u.header for u in units)


def test_comments_of_cards_are_whole_or_not_there(field: Field, tmp_path: Path) -> None:
    cards = {"DIGEST": ("a" * 64, "sha256 of the weights"), "SEED": (7, "seed of the sky")}
    path = Field(image=field.image, bands=field.bands, header=cards).write(tmp_path / "field.fits")
    head = fits.getheader(path)
    assert (head["DIGEST"], head.comments["DIGEST"]) == ("a" * 64, "")
    assert head.comments["SEED"] == "seed of the sky"


def test_equal_fields_give_equal_bytes(field: Field, tmp_path: Path) -> None:
    first = field.write(tmp_path / "a.fits").read_bytes()
    time.sleep(1.1)  # a date in the header would show
    assert field.write(tmp_path / "b.fits").read_bytes() == first


def test_a_cutout_keeps_its_place_on_the_sky(field: Field) -> None:
    part = field.cutout(10, 30, 20, 50)
    assert part.shape == (2, 20, 30)
    np.testing.assert_allclose(
        part.wcs.pixel_to_world_values(0, 0), field.wcs.pixel_to_world_values(20, 10), rtol=0, atol=1e-10
    )
    with pytest.raises(InputError, match="not inside the field"):
        field.cutout(10, 50, 0, 10)


def test_the_wcs_has_north_up_and_east_left() -> None:
    wcs = tan_wcs((100, 100), 0.5, ra=10.0, dec=0.0)
    (ra, dec), (ra1, _), (_, dec1) = (
        wcs.pixel_to_world_values(*p) for p in ((49.5, 49.5), (50.5, 49.5), (49.5, 50.5))
    )
    assert ra == pytest.approx(10.0) and dec == pytest.approx(0.0)
    assert (ra - ra1) * 3600 == pytest.approx(0.5, rel=1e-6) and (dec1 - dec) * 3600 == pytest.approx(
        0.5, rel=1e-6
    )


def test_windows_of_one_sky_share_a_wcs() -> None:
    whole = tan_wcs((100, 100), 0.2, reference=(0.0, 0.0))
    window = tan_wcs((10, 10), 0.2, reference=(-30.0, -40.0))
    np.testing.assert_allclose(
        whole.pixel_to_world_values(33, 44), window.pixel_to_world_values(3, 4), atol=1e-10
    )


def test_an_unwritable_place_is_named(field: Field, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written"):
        field.write(tmp_path / "file" / "field.fits")


def test_a_name_says_what_is_written(field: Field, tmp_path: Path) -> None:
    for name in ("x.png", "x.h5", "x.fits.fz"):
        with pytest.raises(InputError, match=r"ends in \.fits"):
            field.write(tmp_path / name)
    assert not list(tmp_path.iterdir())
    packed = field.write(tmp_path / "x.fits.gz").read_bytes()
    assert gzip.decompress(packed) == field.write(tmp_path / "x.fits").read_bytes()
    assert field.write(tmp_path / "x.fits.gz").read_bytes() == packed
    np.testing.assert_array_equal(Field.read(tmp_path / "x.fits.gz").image, field.image)
