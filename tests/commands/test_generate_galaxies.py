"""Single galaxies of a model on stamps."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.sgan.single.of_sky import galaxies_of_sky
from tests.builders.tiny_forge import saved_forge, tiny_forge
from tests.builders.untrained import untrained


def test_galaxies_are_centred_bright_and_the_same_however_many():
    galaxies = galaxies_of_sky(tiny_forge(), 3, least_snr=20.0)
    few, many = galaxies.stamps(3, 32), galaxies.stamps(6, 32)
    np.testing.assert_array_equal(few.image, many.image[:3])
    np.testing.assert_array_equal(few.marks.z, many.marks.z[:3])
    assert (many.snr >= 20.0).all() and many.truth.shape == (6, 2, 32, 32)
    line = np.arange(32) - 15.5
    total = many.truth.sum(axis=(1, 2, 3))
    for axis in (2, 3):
        off = (many.truth.sum(axis=(1, 5 - axis)) * line).sum(axis=1) / total
        assert np.abs(off).max() < 0.6  # morphology may be lopsided, places are the stamp's middle
    noise = many.image - many.truth
    assert noise[:, 0].std() == pytest.approx(galaxies.noise.field.rms_njy[0], rel=0.1)
    assert not np.array_equal(galaxies_of_sky(tiny_forge(), 4, least_snr=20.0).stamps(3, 32).truth, few.truth)


def test_stamps_of_a_learned_sky_hold_what_their_table_says():
    galaxies = galaxies_of_sky(tiny_forge(shaped=False), 1, least_snr=15.0, pixel_scale=0.1)
    stamps = galaxies.stamps(4, 128)
    columns, about = galaxies.columns(stamps)
    flux = np.stack([columns["flux_g"], columns["flux_r"]], axis=1)
    np.testing.assert_allclose(stamps.truth.sum(axis=(2, 3)), flux, rtol=0.03)
    assert galaxies.pixel_scale_arcsec == 0.1 and about["r_e"][0] == "pix"
    np.testing.assert_allclose(columns["r_e_arcsec"], 0.1 * columns["r_e"])


def test_galaxies_as_one_file_and_as_a_folder(tmp_path):
    model = str(saved_forge(tmp_path / "m"))
    words = ["generate", "-m", model, "--galaxies", "3", "--size", "32", "--least-snr", "15", "--quiet"]
    one = CliRunner().invoke(app, [*words, "--noiseless", "--out", str(tmp_path / "stamps.fits")])
    assert one.exit_code == 0, one.output
    folder = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "stamps")])
    assert folder.exit_code == 0, folder.output
    table = Table.read(tmp_path / "stamps-galaxies.fits")
    assert len(table) == 3 and (table["snr"] >= 15).all() and "latent" in table.colnames
    path = tmp_path / "stamps.fits"
    assert [u[1] for u in fits.info(path, output=False) or ()][1:] == ["g", "r", "TRUTH_g", "TRUTH_r"]
    cubes = {name: np.asarray(fits.getdata(path, name)) for name in ("r", "TRUTH_g")}
    assert cubes["r"].shape == (3, 32, 32) and fits.getheader(path, "g")["BUNIT"] == "nJy"
    for i in range(3):
        for name, cube in cubes.items():
            alone = np.asarray(fits.getdata(tmp_path / "stamps" / f"tiny-1-{i:04d}.fits", name))
            np.testing.assert_array_equal(alone, cube[i])
    assert (tmp_path / "stamps" / "tiny-1-galaxies.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--size", "40x30"], "squares"),
        (["--size", "8"], "16 to 512"),
        (["-n", "2"], "for fields"),
        (["--scene", "scene_xdf_like"], "for fields"),
        (["--least-snr", "-3"], "above 0"),
        (["--least-snr", "900000"], "fainter"),
        (["--out", "a.zarr"], "FITS"),
        (["--out", "a.png"], "name of a file"),
    ],
)
def test_what_stamps_cannot_be_is_a_sentence(tmp_path, monkeypatch, words, says):
    monkeypatch.chdir(tmp_path)
    model = str(saved_forge(tmp_path / "m"))
    done = CliRunner().invoke(app, ["generate", "-m", model, "--galaxies", "3", "--out", "a.fits", *words])
    assert done.exit_code == 2 and says in done.stderr and done.stderr.count("\n") == 1
    assert [p.name for p in tmp_path.iterdir()] == ["m"]
    alone = CliRunner().invoke(app, ["generate", "-m", model, "--least-snr", "3", "--out", "a"])
    assert alone.exit_code == 2 and "--galaxies" in alone.stderr


def test_a_network_of_pixels_has_no_galaxies(tmp_path):
    with pytest.raises(InputError, match="knows no galaxies"):
        galaxies_of_sky(untrained(tmp_path, "pixels", ("g", "r")))


def test_the_bundled_galaxies_of_hst_are_written_and_opened(tmp_path):
    words = ["generate", "-m", "hst-galaxies", "--galaxies", "3", "--noiseless", "--quiet"]
    done = CliRunner().invoke(app, [*words, "--out", str(tmp_path / "stamps.fits")])
    assert done.exit_code == 0, done.output
    found = mockforge.open_galaxies("hst-galaxies", seed=1).stamps(3)
    np.testing.assert_array_equal(found.image[:, 0], fits.getdata(tmp_path / "stamps.fits", "F814W"))
    assert found.truth.shape == (3, 1, 64, 64) and (found.truth.sum(axis=(1, 2, 3)) > 0).all()
    table = Table.read(tmp_path / "stamps-galaxies.fits")
    assert ((table["mag_F814W"] > 18) & (table["mag_F814W"] < 27)).all()
    with pytest.raises(InputError, match="degrade"):
        mockforge.open_galaxies("hst-galaxies", seeing=0.7)
