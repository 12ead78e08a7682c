"""Which extensions are bands, and which stand beside one; chips, cubes, files that never end."""

import bz2
import gzip
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData, StdDevUncertainty

from mockforge.commands.info import about
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.check import walk
from tests.builders.fits_files import extensions, header, image, scene

BESIDE = ("INVVAR", "SIGMA", "NOISE", "COVERAGE", "FLAGS", "BPM", "QUALITY", "BACKGROUND", "MODEL", "STD",
          "UNC", "UNCERT", "VAR_POISSON", "EXPMAP", "residual", "SCI_ERR", "CON", "WEIGHT")  # fmt: skip


@pytest.mark.parametrize("name", BESIDE)
def test_what_stands_beside_an_image_is_no_band(name, tmp_path):
    sigma = 1 + 0.01 * np.random.default_rng(2).random((128, 128), dtype=np.float32)
    path = extensions(tmp_path / "f.fits", ("DATA", scene(), header("nJy"), None), (name, sigma, None, None))
    assert Field.read(path).bands == ("f",)


def test_maps_among_the_files_are_no_bands(tmp_path):
    files = [tmp_path / f"x_{what}.fits" for what in ("f160w_sci", "f160w_rms", "f160w_wht", "f105w-mask")]
    for seed, path in enumerate(files):
        image(path, scene(seed=seed), fits.Header({"FILTER": "F160W"}))
    assert Field.read(files[1]).bands == ("F160W",)
    for path, what in zip(files[1:], ("a noise map", "a weight map", "a mask"), strict=True):
        with pytest.raises(InputError, match=rf"{path.name}: by its name {what}.*--bands"):
            Field.read([files[0], path])
    assert Field.read(files[:2], bands=["a", "b"]).bands == ("a", "b")


def test_ccddata_of_astropy(tmp_path):
    sigma = 1 + 0.01 * np.random.default_rng(2).random((128, 128))
    mask = np.zeros((128, 128), bool)
    mask[5] = True
    data = CCDData(scene().astype(float), unit="nJy", uncertainty=StdDevUncertainty(sigma), mask=mask)
    data.write(tmp_path / "ccd.fits")
    field = Field.read(tmp_path / "ccd.fits")
    assert field.bands == ("ccd",) and field.mask[5].all() and field.mask.sum() == 128
    np.testing.assert_allclose(field.variance[0], sigma**2, rtol=1e-5)


@pytest.mark.parametrize("names", [("DATA", None), ("DATA", "THUMBNAIL"), (None, None, None), ("S29", "N1")])
def test_images_that_do_not_say_what_they_are_are_listed_and_asked_for(names, tmp_path):
    path = extensions(tmp_path / "f.fits", *((n, scene(seed=i), None, None) for i, n in enumerate(names)))
    with pytest.raises(InputError, match=rf"{len(names)} images are in it.*--extensions 1,2"):
        Field.read(path)
    assert Field.read(path, extensions=1).bands
    assert Field.read(path, bands=["g", "r", "i"][: len(names)]).shape[0] == len(names)


@pytest.mark.parametrize("names", [("G", "R"), ("VIS_FLUX", "NIR_Y_FLUX"), ("F814W", "F160W")])
def test_names_of_filters_are_bands_and_each_has_its_own_noise(names, tmp_path):
    stems = [n.removesuffix("_FLUX") for n in names]
    units = [(n, scene(seed=i), None, None) for i, n in enumerate(names)]
    units += [(f"{s}_RMS", np.full((128, 128), 2.0 + i), None, None) for i, s in enumerate(stems)]
    field = Field.read(extensions(tmp_path / "f.fits", *units))
    assert field.bands == names
    assert field.variance[:, 0, 0] == pytest.approx([4.0, 9.0])


def chips(path):
    units = []
    for version in (1, 2):
        dq = np.zeros((128, 128), np.int16)
        dq[10 * version] = 4
        units += [("SCI", scene(seed=version), header("nJy", ra=150 + version), version)]
        units += [("ERR", np.ones((128, 128)), None, version), ("DQ", dq, None, version)]
    return extensions(path, *units, TELESCOP="HST", INSTRUME="ACS")


def test_the_chips_of_an_exposure_are_chosen_by_the_user(tmp_path):
    path = chips(tmp_path / "flt.fits")
    with pytest.raises(InputError, match=r"2 images are called SCI \(extensions 1 \(SCI,1\), 4 \(SCI,2\)\)"):
        Field.read(path)
    for word in (f"{path}[4]", f"{path}[SCI,2]"):
        field = Field.read(word)
        assert field.mask[20].all() and field.mask.sum() == 128
        np.testing.assert_array_equal(field.image[0][~field.mask], scene(seed=2)[~field.mask])
    assert Field.read(path, extensions="SCI,1").mask[10].all()


@pytest.mark.parametrize("kind", ["STOKES", "WAVE", "FREQ"])
def test_cubes_of_other_things_than_bands(kind, tmp_path):
    head = header("nJy", CTYPE3=kind, CRVAL3=1.0, CDELT3=1.0, CRPIX3=1.0)
    path = image(tmp_path / "cube.fits", np.stack([scene(), scene(seed=2)]), head)
    with pytest.raises(InputError, match=f"cube along {kind}"):
        Field.read(path)
    assert Field.read(path, bands=["a", "b"]).bands == ("a", "b")


def test_a_files_name_that_is_no_name_of_a_band_is_not_taken(tmp_path):
    assert Field.read(image(tmp_path / "err.fits")).bands == ("band",)


# --- files without an end ----------------------------------------------------------------------


def bomb(path: Path) -> Path:
    """A .gz of 100 kB that claims 3.6 GB, and holds a hundredth of it."""
    head = fits.PrimaryHDU(np.zeros((1, 1), np.float32)).header
    head["NAXIS1"] = head["NAXIS2"] = 30_000
    with gzip.open(path, "wb", compresslevel=1) as stream:
        stream.write(head.tostring(padding=True).encode())
        stream.write(bytes(36_000_000))
    return path


def test_files_that_would_never_end_are_sentences(tmp_path):
    fifo = tmp_path / "pipe.fits"
    os.mkfifo(fifo)
    for path in (fifo, Path("/dev/zero"), Path("/dev/null")):
        for read in (Field.read, walk, about):
            with pytest.raises(InputError, match="no regular file"):
                read(str(path) if read is about else path)
    path = bomb(tmp_path / "bomb.fits.gz")
    tracemalloc.start()
    with pytest.raises(InputError, match=r"3,600,000,000 bytes.*gunzip"):
        Field.read(path)
    assert tracemalloc.get_traced_memory()[1] < 20e6
    tracemalloc.stop()


def test_what_follows_the_last_image_is_not_read(tmp_path):
    path = image(tmp_path / "a.fits", head=header("nJy"))
    whole = path.read_bytes()
    long = tmp_path / "long.fits"
    long.write_bytes(whole)
    os.truncate(long, 10**12)  # a sparse terabyte of zeros
    (tmp_path / "b.fits.gz").write_bytes(gzip.compress(whole + bytes(10**7), 1))
    (tmp_path / "c.fits.bz2").write_bytes(bz2.compress(whole))
    for other in (long, tmp_path / "b.fits.gz", tmp_path / "c.fits.bz2"):
        np.testing.assert_array_equal(Field.read(other).image[0], scene())


@pytest.mark.parametrize("kind", ["u1", "i2", "u2", "i4", "u4", "i8", "u8", "f8"])
def test_every_type_of_pixel(kind, tmp_path):
    values = np.round(np.abs(scene()) * 2).astype(kind)
    field = Field.read(image(tmp_path / "a.fits", values, header("nJy")))
    assert field.mask is None
    np.testing.assert_array_equal(field.image[0], values.astype(np.float32))


def test_the_sentence_names_images_of_one_name_by_number(tmp_path):
    hdus = [
        fits.PrimaryHDU(),
        fits.CompImageHDU(scene(), header()),
        fits.CompImageHDU(scene(seed=2), header()),
    ]
    fits.HDUList(hdus).writeto(tmp_path / "a.fits.fz")
    with pytest.raises(InputError, match=r"as a.fits.fz\[1\], or all"):
        Field.read(tmp_path / "a.fits.fz")
