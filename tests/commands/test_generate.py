"""Fields of a scene on disk."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import partial

import numpy as np
import pytest
from astropy.table import Table
from click.testing import Result
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.field_painters import ScenePainter
from mockforge.commands.field_sources import SourcesFile
from mockforge.commands.generate import picture_of, write_fields
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.picture import asinh_rgb
from mockforge.mosaic.read import open_field
from mockforge.mosaic.spec import MosaicSpec
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.stream import Asked, spec_of
from tests.builders.tiny_forge import saved_forge

MODEL = SceneModel(bands=("F814W",), psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), stars=None, faintest=26.0)


def test_a_field_on_disk_is_the_window_of_its_sky(tmp_path):
    done = []
    (path,) = write_fields(ScenePainter("small", MODEL), (40, 70), [5], tmp_path / "out", done.append)
    assert path.name == "small-5.fits" and path.with_suffix(".png").stat().st_size > 0
    assert sum(done) == 40 * 70
    field = Field.read(path, extensions=["F814W"])
    np.testing.assert_array_equal(field.image, Scene(MODEL, 5)[0:40, 0:70].image)
    assert field.pixel_scale_arcsec == pytest.approx(0.06)


def test_a_learned_sky_is_written_with_its_sources(tmp_path):
    path = saved_forge(tmp_path / "m")
    words = [
        "generate",
        "--model",
        str(path),
        "--size",
        "48x64",
        "--seed",
        "3",
        "--out",
        str(tmp_path / "out"),
    ]
    asked = ["--depth", "26.5", "--seeing", "g=0.5", "--faintest", "27", "--star-fraction", "0.2"]
    done = CliRunner().invoke(app, [*words, *asked, "--quiet"])
    assert done.exit_code == 0, done.output
    field = Field.read(tmp_path / "out" / "tiny-3.fits")
    sky = Sky(path, 3, depth=26.5, seeing={"g": 0.5}, magnitude_limits=(None, 27.0), star_fraction=0.2)
    np.testing.assert_array_equal(field.image, sky[0:48, 0:64].image)
    assert field.truth is not None and field.psf_fwhm_arcsec[0] == pytest.approx(0.5, rel=0.02)
    table = Table.read(tmp_path / "out" / "tiny-3-sources.fits")
    assert list(table["id"]) == list(sky.sources(0, 48, 0, 64)["id"]) and "flux_g" in table.colnames
    refused = CliRunner().invoke(app, [*words, "--seeing", "0.01"])
    assert refused.exit_code == 2 and "seeing" in refused.stderr


def test_a_recipe_without_a_scene_is_refused(tmp_path):
    words = ["generate", "--scene", "segmentation", "--size", "32", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2 and "first stage is 'sgan'" in done.stderr
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--scene", "deblend"], "makes blends on stamps"),
        (["--scene", "scene_xdf_like", "--model", "other"], "exclude each other"),
    ],
)
def test_what_is_not_one_sky_is_refused(words, message, tmp_path):
    done = CliRunner().invoke(app, ["generate", *words, "--size", "32", "--out", str(tmp_path / "out")])
    assert done.exit_code == 2 and message in done.stderr


def run(*words: object) -> Result:
    return CliRunner().invoke(app, ["generate", *map(str, words)])


def test_one_file_is_streamed_with_its_sources_and_its_centre(tmp_path):
    path = saved_forge(tmp_path / "m")
    words = ("--model", path, "--size", 48, 64, "--seed", 3, "--noiseless", "--sources", "--center", 10, -20)
    out = tmp_path / "field.fits"
    done = run(*words, "-o", out, "--quiet")
    assert done.exit_code == 0, done.output
    field, sky = open_field(out), Sky(path, 3)[0:48, 0:64]
    np.testing.assert_array_equal(field[0:48, 0:64].image, sky.image)
    np.testing.assert_array_equal(field[5:20, 7:30].truth, sky.truth[:, 5:20, 7:30])
    assert field.header["MFSEED"] == 3 and field.header["MFSHA256"]
    if field.wcs is not None:
        np.testing.assert_allclose(field.wcs.wcs_pix2world(31.5, 23.5, 0), (10, -20), atol=1e-9)
    table, every = Table.read(tmp_path / "field-sources.fits"), Sky(path, 3).sources(0, 48, 0, 64)
    assert list(table["id"]) == list(every["id"]) and table["latent"].shape == every["latent"].shape
    assert table["ra"].unit == "deg" and abs(table["dec"] + 20).max() < 0.1
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.journal"))


def test_sources_of_many_windows_are_written_once_and_continued(tmp_path):
    sky = Sky(saved_forge(tmp_path / "m"), 3)
    spec = replace(spec_of(sky, (90, 130), Asked()), identity="this")
    every = sky.sources(0, 90, 0, 130)
    asked: list[tuple[int, ...]] = []

    class Small(MosaicSpec):
        window = 16

    small = Small(**{f.name: getattr(spec, f.name) for f in fields(MosaicSpec)})

    def table(*window: int, most: int = 99) -> Table:
        asked.append(window)
        if len(asked) > most:
            raise KeyboardInterrupt
        return sky.sources(*window)

    with SourcesFile(tmp_path / "a.fits", small, table):
        assert not (tmp_path / "a.fits").exists()
    whole = Table.read(tmp_path / "a.fits")
    assert sorted(whole["id"]) == sorted(every["id"]) and len(set(whole["id"])) == len(every)
    asked.clear()
    with pytest.raises(KeyboardInterrupt), SourcesFile(tmp_path / "b.fits", small, partial(table, most=7)):
        pass
    other = replace(small, identity="other")
    with (
        pytest.raises(InputError, match="of another command"),
        SourcesFile(tmp_path / "b.fits", other, table),
    ):
        pass
    asked.clear()
    with pytest.raises(RuntimeError, match="cut"), SourcesFile(tmp_path / "b.fits", small, table):
        assert len(asked) == 1 + 15 - 7  # the first window tells the columns
        raise RuntimeError("cut while the field is painted")
    asked.clear()
    with SourcesFile(tmp_path / "b.fits", small, table):
        assert len(asked) == 1
    assert (tmp_path / "a.fits").read_bytes() == (tmp_path / "b.fits").read_bytes()
    assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob("*.journal"))


def test_the_picture_of_a_large_field_shows_means(tmp_path, monkeypatch):
    monkeypatch.setattr("mockforge.commands.generate._LARGEST_PICTURE", 16)
    flux = np.random.default_rng(1).normal(0, 1, (1, 40, 50)).astype(np.float32)
    path = Field(flux, bands=("r",)).write(tmp_path / "f.fits")
    means = np.stack(
        [[b[i : i + 4, j : j + 4].mean() for j in range(0, 50, 4)] for b in flux for i in range(0, 40, 4)]
    )
    expected = asinh_rgb(means.reshape(1, 10, 13).astype(np.float32), bands=("r",))
    assert picture_of(path).shape == (10, 13, 3)
    assert np.abs(picture_of(path).astype(int) - expected).max() <= 1


def test_compressed_is_the_same_field_and_its_sources_lie_beside_it(tmp_path):
    model, common = saved_forge(tmp_path / "m"), ("--size", 70, "--seed", 3, "--sources")
    assert run("--model", model, *common, "-o", tmp_path / "a.fits").exit_code == 0
    for words in (("-o", tmp_path / "b.fits", "--compress"), ("-o", tmp_path / "c.fits.fz")):
        done = run("--model", model, *common, *words)
        assert done.exit_code == 0, done.output
    plain = open_field(tmp_path / "a.fits").read(0, 70, 0, 70)
    for name in ("b", "c"):
        np.testing.assert_array_equal(open_field(tmp_path / f"{name}.fits.fz").read(0, 70, 0, 70), plain)
        assert (tmp_path / f"{name}-sources.fits").is_file()
    assert not (tmp_path / "b.fits").exists()
    for words, sentence in (
        (("-o", tmp_path / "z.zarr", "--compress"), "a Zarr is compressed already"),
        (("-o", tmp_path / "folder", "--compress"), "is a folder"),
    ):
        done = run("--model", model, "--size", 64, *words)
        assert done.exit_code == 2 and sentence in " ".join(done.output.split()), done.output


def test_a_dry_run_says_what_it_will_take_and_writes_nothing(tmp_path):
    model = saved_forge(tmp_path / "m")
    done = run("--model", model, "--size", 87040, "-o", tmp_path / "field.fits", "--dry-run")
    assert done.exit_code == 0, done.output
    for word in ("tiles: 7,225 of 1024 x 1024", "bytes: ", "time: about", "memory: about"):
        assert word in done.output
    assert not list(tmp_path.glob("field*"))


def test_a_dry_run_of_the_largest_field_counts_its_tiles_without_listing_them(tmp_path):
    model = saved_forge(tmp_path / "m")
    done = run("--model", model, "--size", 900_000_000, "-o", tmp_path / "field.fits", "--dry-run")
    assert done.exit_code == 0 and "tiles: 772,477,514,649 of 1024 x 1024" in done.output, done.output


def test_what_cannot_be_is_refused_before_a_pixel(tmp_path):
    model, out = saved_forge(tmp_path / "m"), tmp_path / "field.fits"
    (tmp_path / "far.reg").write_text("image\npolygon(1000,1000,1100,1000,1100,1100)\n")
    for words, sentence in (
        (("--size", 0, "-o", out), "should be 3232 or 1024x2048"),
        (("--size", 64, "-o", out, "--footprint", tmp_path / "far.reg"), "no pixel of the field"),
        (("--size", 64, "-o", out, "-n", 2), "one file holds one"),
        (("--size", 5000, 1, "-o", out), "16 to"),
        (("--size", 64, "-o", tmp_path / "folder", "--cube"), "is a folder"),
    ):
        done = run("--model", model, *words)
        assert done.exit_code == 2 and sentence in done.output, done.output
    assert [p.name for p in tmp_path.iterdir() if p.name not in ("m", "far.reg")] == []


def test_a_scene_is_streamed_and_is_a_lazy_array(tmp_path):
    scene = Scene(MODEL, 5)
    path = scene.write(tmp_path / "scene.fits", (70, 90), window=32)
    np.testing.assert_array_equal(open_field(path).read(0, 70, 0, 90), scene[0:70, 0:90].image)
    pytest.importorskip("dask.array")
    lazy = scene.to_dask(1000, chunk=64)
    assert lazy.shape == (1, 1000, 1000)
    np.testing.assert_array_equal(lazy[:, 50:80, 10:30].compute(), scene[50:80, 10:30].image)


@pytest.mark.parametrize("name", ["field.fz", "field.fits.gz", "field.png"])
def test_a_folder_is_not_called_like_a_file(tmp_path, name):
    result = CliRunner().invoke(app, ["generate", "--size", "32", "--out", str(tmp_path / name)])
    assert result.exit_code != 0 and "name of a file" in " ".join(result.output.split())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("shape", ["big", (2.5, 50), (20, 20, 20), None])
def test_a_shape_is_a_side_or_two(shape, tmp_path):
    with pytest.raises(InputError, match="height, width"):
        Scene(MODEL, 5).write(tmp_path / "scene.fits", shape)
    assert not list(tmp_path.iterdir())


def test_a_dry_run_says_that_the_disk_is_too_small(tmp_path):
    done = run(
        "--model",
        saved_forge(tmp_path / "m"),
        "--size",
        9_000_000,
        "-o",
        tmp_path / "new" / "f.fits",
        "--dry-run",
    )
    assert done.exit_code == 0 and "disk: TOO SMALL" in done.output and "days" in done.output


def test_a_dry_run_of_a_folder_says_what_its_fields_take(tmp_path):
    model = saved_forge(tmp_path / "m")
    done = run("--model", model, "--size", 64, "-n", 3, "-o", tmp_path / "fields", "--dry-run")
    assert done.exit_code == 0, done.output
    assert "3 fields, 3 times the bytes" in done.output and "tiles: 1 of" in done.output
    assert not (tmp_path / "fields").exists()


def test_a_zarr_and_a_fits_of_one_name_have_tables_of_their_own(tmp_path):
    pytest.importorskip("zarr")
    model = saved_forge(tmp_path / "m")
    for name, table in (("a.zarr", "a.zarr-sources.fits"), ("a.fits", "a-sources.fits")):
        done = run("--model", model, "--size", 64, "--sources", "-o", tmp_path / name)
        assert done.exit_code == 0 and (tmp_path / table).is_file(), done.output
