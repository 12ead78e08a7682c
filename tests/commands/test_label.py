"""`mockforge label`: files that other programs open, all or none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from PIL import Image

from mockforge.commands.label import label_image
from mockforge.commands.label_streamed import label_field
from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs
from mockforge.label.catalogue import with_sky
from mockforge.label.regions import regions
from tests.builders.small_disk import files_of_at_most

NAMES = ["catalogue.ecsv", "catalogue.fits", "overlay.png", "regions.reg", "segmentation.fits"]


@pytest.fixture
def field() -> Field:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:120, :150]
    image = rng.normal(0, 5, (2, 120, 150))
    for cx, cy in ((30, 30), (100, 80), (60, 90), (66, 93)):
        image += 900 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 6)
    return Field(image.astype(np.float32), ("g", "Z"), 0.2, wcs=tan_wcs((120, 150), 0.2))


def test_all_files_are_there_and_agree(field: Field, tmp_path: Path) -> None:
    done = label_image(field.write(tmp_path / "field.fits"), tmp_path / "labels")
    assert sorted(p.name for p in (tmp_path / "labels").iterdir()) == NAMES
    assert done.unit == "nJy" and done.objects == 4 and done.blended == 2 and done.notes == ()
    with fits.open(tmp_path / "labels" / "segmentation.fits", checksum=True) as units:
        labels = units[0].data
        assert units[0].header["CTYPE1"] == "RA---TAN" and labels.dtype.kind == "i"
        assert labels.max() == units[0].header["NOBJECTS"] == 4
    with fits.open(tmp_path / "labels" / "catalogue.fits", checksum=True) as units:
        head = units["CATALOGUE"].header
        assert head["TTYPE2"] == "x" and head["TUNIT2"] == "pix" and "centre" in head["TCOMM2"]
    text, binary = (Table.read(tmp_path / "labels" / f"catalogue.{kind}") for kind in ("ecsv", "fits"))
    assert text.colnames == binary.colnames and len(text) == 4
    assert binary["flux_err_g"].description == "g: error of the Kron flux, from the sky noise"
    assert str(text["flux_g"].unit) == "nJy" and "Kron" in text["flux_g"].description
    np.testing.assert_allclose(text["flux_Z"], binary["flux_Z"])
    np.testing.assert_allclose(text["ra"], field.wcs.pixel_to_world_values(text["x"], text["y"])[0])
    assert "threshold = 5.0" in text.meta.values()
    for row in text:
        assert labels[round(row["y"]), round(row["x"])] == row["label"]
    lines = (tmp_path / "labels" / "regions.reg").read_text().splitlines()
    assert lines[2] == "icrs" and sum(line.startswith("ellipse(") for line in lines) == 4
    assert f"ellipse({text['ra'][0]:.7f},{text['dec'][0]:+.7f}," in lines[3]
    with Image.open(tmp_path / "labels" / "overlay.png") as picture:
        assert picture.size == (600, 480)  # four times as large, to see more than outlines


@pytest.mark.parametrize("large", [False, True])
def test_names_of_files_may_have_letters_that_no_card_holds(
    field: Field, tmp_path: Path, large: bool
) -> None:
    path = field.write(tmp_path / "gr\u00fcn \u03b1.fits")
    if large:
        label_field([path], tmp_path / "labels")
    else:
        label_image(path, tmp_path / "labels")
    assert fits.getheader(tmp_path / "labels" / "segmentation.fits")["FILE1"] == "gr\\xfcn \\u03b1.fits"


def test_without_zeropoint_the_output_says_so(field: Field, tmp_path: Path) -> None:
    path = replace(field, unit="native", zeropoint_ab=None, wcs=None).write(tmp_path / "field.fits")
    done = label_image(path, tmp_path / "labels")
    assert done.unit == "native" and any("no zeropoint" in note for note in done.notes)
    table = Table.read(tmp_path / "labels" / "catalogue.ecsv")
    assert np.isnan(table["mag_g"]).all() and table["flux_g"].unit is None and np.isnan(table["ra"]).all()
    assert "no zeropoint" in table.meta["NOTE1"]
    assert "no zeropoint" in fits.getheader(tmp_path / "labels" / "segmentation.fits")["NOTE1"]
    assert "detection_image = snr" in table.meta.values()
    known = label_image(path, tmp_path / "known", zeropoint=25.0)
    assert known.unit == "nJy"


def test_the_overlay_has_a_dark_sky_where_the_sky_is_bright(field: Field, tmp_path: Path) -> None:
    ramp = np.linspace(5000, 9000, 150, dtype=np.float32)
    path = replace(field, image=field.image + ramp).write(tmp_path / "field.fits")
    label_image(path, tmp_path / "labels")
    with Image.open(tmp_path / "labels" / "overlay.png") as picture:
        assert np.median(np.asarray(picture)) < 60


def test_a_failure_leaves_no_folder(field: Field, tmp_path: Path) -> None:
    path = field.write(tmp_path / "field.fits")
    for size in (0, 3000, 20_000):  # nothing fits; the first files do; all but the segmentation
        with files_of_at_most(size), pytest.raises(InputError, match="cannot be written"):
            label_image(path, tmp_path / "labels")
        assert [p.name for p in tmp_path.iterdir()] == ["field.fits"]


def test_bad_input_writes_nothing(field: Field, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        label_image(tmp_path / "no.fits", tmp_path / "labels")
    assert not (tmp_path / "labels").exists()
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        label_image(field.write(tmp_path / "field.fits"), tmp_path / "file")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["field.fits", "file"]


def test_repeated_runs_give_equal_bytes(field: Field, tmp_path: Path) -> None:
    path = field.write(tmp_path / "field.fits")
    for name in ("a", "b"):
        label_image(path, tmp_path / name)
    for name in NAMES:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


@pytest.mark.parametrize("turn", [0.0, 35.0, 170.0])
def test_regions_lie_on_the_sky_where_there_is_a_wcs(field: Field, turn: float) -> None:
    wcs = tan_wcs((120, 150), 0.2, dec=61.0, rotation_deg=turn)
    columns = {"kron_radius": np.array([3.0]), "a": np.array([4.0]), "b": np.array([2.0])}
    columns |= {"x": np.array([30.0]), "y": np.array([100.0]), "theta": np.array([20.0])}
    columns |= {"truncated": np.array([False]), "blended": np.array([True]), "label": np.array([7])}
    columns = with_sky(columns, wcs)
    line = regions(columns, wcs).splitlines()[-1]
    assert line.endswith("# color=yellow text={7}")
    ra, dec, major, minor, angle = line[len("ellipse(") : line.index(")")].split(",")
    x, y = wcs.all_world2pix(float(ra), float(dec), 0)
    np.testing.assert_allclose((x, y), (30.0, 100.0), atol=0.002)
    assert float(major[:-1]) == pytest.approx(2 * float(minor[:-1]), rel=1e-3)
    assert float(major[:-1]) == pytest.approx(2.5 * 3.0 * 4.0 * 0.2, rel=1e-3) and major.endswith('"')
    assert float(angle) == pytest.approx((20.0 - turn) % 180.0, abs=0.1)  # from west where north is up
    image = regions(columns).splitlines()
    assert image[2] == "image" and image[3].startswith("ellipse(31.000,101.000,")
    wcs.wcs.cdelt = [-wcs.wcs.cdelt[0], wcs.wcs.cdelt[1]]  # mirrored
    assert regions(columns, wcs).splitlines()[2] == "image"


def test_tables_without_objects_are_read_by_astropy(field: Field, tmp_path: Path) -> None:
    noise = np.random.default_rng(4).normal(0, 5, field.shape).astype(np.float32)
    label_image(replace(field, image=noise).write(tmp_path / "field.fits"), tmp_path / "labels")
    for kind in ("ecsv", "fits"):
        table = Table.read(tmp_path / "labels" / f"catalogue.{kind}")
        assert len(table) == 0 and str(table["flux_g"].unit) == "nJy" and "no object" in table.meta["NOTE1"]
        assert table["snr"].description == "isophotal flux over its error on the detection image"
