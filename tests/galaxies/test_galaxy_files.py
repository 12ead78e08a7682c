"""Users' files as galaxies: what is read, and what is said of what cannot be."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import galsim
import numpy as np
import pydantic
import pytest
from astropy.io import fits
from astropy.table import Table

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.stages.redshift_images import RedshiftImages, catalogue
from tests.builders.batches import samples
from tests.builders.galaxy_files import PSF, drawn, galaxy, small, write_files, write_real

STREAM = Stream(11, ("shard", 3, "redshift_images"))


def config(galaxies: dict[str, Any], **keys) -> RedshiftImages:
    """The configuration as a recipe gives it."""
    return pydantic.TypeAdapter(RedshiftImages).validate_python(small(galaxies, **keys))


def plain(folder: Path, **columns) -> Path:
    image = drawn(galsim.Convolve(galaxy(0), PSF) * 3000, 81, 0.05)
    return write_files(folder, [image[None]] * 2, ["F814W"], [0.3, 0.6], noise=0.5, **columns)


def files(path: Path, **keys) -> dict[str, Any]:
    psf = {"gaussian": {"fwhm_arcsec": 0.1}}
    return {"files": {"catalogue": str(path), "bands": ["F814W"], "psf": psf, **keys}}


@pytest.mark.parametrize("kind", ["plain", "gz", "scaled"])
def test_stamps_of_any_storage_are_read(tmp_path, kind):
    path = write_real(tmp_path, [0.5, 0.9])
    wanted = [
        catalogue(config({"real": {"catalogue": str(path)}}).galaxies).cutout(i).image for i in range(2)
    ]
    planes = [np.asarray(fits.getdata(tmp_path / "images.fits", ext=i), dtype="f4") for i in (1, 2)]
    made: list[Any] = [fits.PrimaryHDU(), *(fits.ImageHDU(p) for p in planes)]
    name = "new.fits.gz" if kind == "gz" else "new.fits"
    if kind == "scaled":
        made = [fits.PrimaryHDU()]
        for plane in planes:
            made.append(fits.ImageHDU(plane))
            made[-1].scale("int32", bscale=plane.max() / 2e9)
    fits.HDUList(made).writeto(tmp_path / name)
    table = Table.read(path)
    table["GAL_FILENAME"] = [name] * 2
    table.write(tmp_path / "other.fits")
    Table.read(tmp_path / "real_fits.fits").write(tmp_path / "other_fits.fits")
    found = catalogue(config({"real": {"catalogue": str(tmp_path / "other.fits")}}).galaxies)
    for i in range(2):
        np.testing.assert_allclose(found.cutout(i).image, wanted[i], atol=1e-6 * wanted[i].max())
    table["GAL_HDU"] = [7, 8]
    table.write(tmp_path / "other.fits", overwrite=True)
    with pytest.raises(InputError, match=r"no image in extension 7, which other\.fits names"):
        catalogue(config({"real": {"catalogue": str(tmp_path / "other.fits")}}).galaxies).cutout(0)


def test_a_file_a_band_and_a_place_on_a_larger_image(tmp_path):
    path = plain(tmp_path, x=[40.0, 40.0], y=[40.0, 40.0])
    for i in range(2):
        (tmp_path / f"galaxy{i}.fits").rename(tmp_path / f"galaxy{i}_F814W.fits")
    table = Table.read(path)
    table["file"] = [f"galaxy{i}_{{band}}.fits" for i in range(2)]
    table["X"] = table["x"] + 1  # a second column of that name in capitals does not matter
    table.remove_column("X")
    table.write(tmp_path / "t.csv")
    cut = catalogue(config(files(tmp_path / "t.csv", side=31)).galaxies).cutout(1)
    assert cut.image.shape == (1, 31, 31)
    assert cut.centre == pytest.approx((15.0, 15.0), abs=0.2)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"file": ["galaxy0.fits", "nowhere.fits"]}, r"nowhere\.fits: no such file"),
        ({"z": [-1.0, np.nan]}, "no row has a redshift"),
        ({"x": [200.0, 200.0], "y": [3.0, 3.0]}, r"centre \(200, 3\) is not on the image"),
    ],
)
def test_bad_rows_are_sentences(tmp_path, change, words):
    path = plain(tmp_path)
    table = Table.read(path)
    for key, values in change.items():
        table[key] = values
    table.write(path, overwrite=True)
    with pytest.raises(InputError, match=words):
        config(files(path))(samples(6), STREAM)


def test_bad_files_are_sentences(tmp_path):
    real = {"real": {"catalogue": str(write_real(tmp_path, [0.5, 0.9]))}}
    with pytest.raises(InputError, match="no such catalogue"):
        config(files(tmp_path / "nothing.csv"))(samples(1), STREAM)
    path = plain(tmp_path)
    table = Table.read(path)
    table.rename_column("z", "redshift")
    table.write(path, overwrite=True)
    with pytest.raises(InputError, match="no column 'z'"):
        config(files(path))(samples(1), STREAM)
    (tmp_path / "text.csv").write_bytes(b"\x00\x01,\xff")
    with pytest.raises(InputError, match="cannot be read as a table"):
        config(files(tmp_path / "text.csv"))(samples(1), STREAM)
    with pytest.raises(InputError, match="unknown spectrum 'Sb'; did you mean 'Sbc'"):
        config(real, spectrum="Sb")(samples(1), STREAM)
    with pytest.raises(InputError, match="no z_out is above a galaxy"):
        config(real, spectrum="Im", z_out=0.2)(samples(1), STREAM)
    with pytest.raises(pydantic.ValidationError, match="exactly one of real, files, sky"):
        config({})


def test_no_psf_and_no_unit_are_sentences(tmp_path):
    path = plain(tmp_path)
    with pytest.raises(InputError, match="no PSF is known"):
        config(files(path, psf=None))(samples(1), STREAM)
    for i in range(2):
        fits.delval(tmp_path / f"galaxy{i}.fits", "BUNIT", ext=1)
    with pytest.raises(InputError, match="zeropoint"):
        config(files(path))(samples(1), STREAM)


def test_digests_change_with_the_files(tmp_path):
    path = plain(tmp_path)
    stage = config(files(path))
    before = stage.fingerprint()
    assert len(before) == 3
    fits.setval(tmp_path / "galaxy1.fits", "OBJECT", value="changed", ext=1)
    assert sum(before[k] != v for k, v in stage.fingerprint().items()) == 1
