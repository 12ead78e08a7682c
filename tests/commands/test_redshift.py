"""A trained redshifter used: fields and files in, fields out, and what it has not learned as a sentence."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from mockforge.commands.redshift import redshifted
from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs
from mockforge.tasks.redshifter.config import RedshifterNetwork, Unet
from mockforge.tasks.redshifter.learned import Learned, pixel_noise
from mockforge.tasks.redshifter.model import load_redshifter, predict
from mockforge.tasks.redshifter.training import TrainRedshifter
from mockforge.train.config import TrainConfig
from tests.builders import tiny_pairs

BANDS = tiny_pairs.BANDS


@pytest.fixture(scope="module")
def dataset(tmp_path_factory) -> Path:
    return tiny_pairs.publish(tmp_path_factory.mktemp("pairs") / "tiny", n=16, noise=0.5)


@pytest.fixture(scope="module")
def path(dataset, tmp_path_factory) -> Path:
    recipe = TrainRedshifter(
        name="tiny", seed=1, dataset=str(dataset),
        network=RedshifterNetwork(unet=Unet(widths=(8, 8), embedding=8)),
        batch=4, train=TrainConfig(steps=2, device="cpu", preview_steps=0),
    )  # fmt: skip
    return recipe.run(tmp_path_factory.mktemp("run") / "run")


@pytest.fixture(scope="module")
def model(path):
    loaded = load_redshifter(path)
    return replace(loaded, learned=replace(loaded.learned, psf_fwhm_in_arcsec=(0.05, 0.07, 0.1)))


@pytest.fixture(scope="module")
def pair(dataset) -> dict:
    return mockforge.load(dataset, split="train").sample(0)


def stamp(pair, **changes) -> Field:
    image = pair["input"].numpy()
    about = {
        "image": image, "bands": BANDS, "pixel_scale_arcsec": 0.1, "psf_fwhm_arcsec": (0.05, 0.07, 0.1),
        "wcs": tan_wcs(image.shape, 0.1),
    }  # fmt: skip
    return Field(**(about | changes))


def larger(pair) -> Field:
    """The stamp with its corner at (x, y) = (20, 10) in 100 x 80 pixels of the same noise."""
    image = np.random.default_rng(1).normal(0, 0.5, (3, 80, 100)).astype(np.float32)
    image[:, 10:42, 20:52] = pair["input"].numpy()
    return stamp(pair, image=image, wcs=tan_wcs(image.shape, 0.1))


def redshifts(pair) -> dict[str, float]:
    return {name: float(pair[name]) for name in ("z_in", "z_out")}


def test_what_was_learned_is_recorded(path, dataset):
    learned = load_redshifter(path).learned
    z = [redshifts(s) for s in mockforge.load(dataset, split="train")]
    for name in ("z_in", "z_out"):
        ends = min(one[name] for one in z), max(one[name] for one in z)
        assert getattr(learned, name) == pytest.approx(ends, abs=6e-4)
    assert learned.stretch[0] > 1
    assert learned.noise_njy == pytest.approx([0.5] * 3, rel=0.3)


def test_noise_is_told_from_light():
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:60, :60] - 29.5
    light = 500 * np.exp(-np.hypot(x, y) / 9)
    found = pixel_noise((light + rng.normal(0, [[[0.3]], [[2.0]]], (2, 60, 60))).astype(np.float32))
    assert found == pytest.approx([0.3, 2.0], rel=0.25)


def test_a_field_is_what_predict_makes_of_it(model, pair):
    before = stamp(pair)
    after = mockforge.redshift(before, model, **redshifts(pair))
    assert np.array_equal(after.image, predict(model, before.image[None], **redshifts(pair))[0])
    assert after.bands == BANDS and after.unit == "nJy" and after.pixel_scale_arcsec == 0.1
    assert after.wcs.wcs.crval == pytest.approx(before.wcs.wcs.crval)
    assert after.header["MFSHA256"][0] == model.sha256
    turned = stamp(
        pair, image=before.image[::-1].copy(), bands=BANDS[::-1], psf_fwhm_arcsec=(0.1, 0.07, 0.05), wcs=None
    )
    again = mockforge.redshift(turned, model, **redshifts(pair))
    assert np.array_equal(again.image, after.image) and again.wcs is None


def test_a_stamp_is_cut_from_a_larger_image(model, pair):
    z = redshifts(pair)
    whole, wanted = larger(pair), mockforge.redshift(stamp(pair), model, **z)
    with pytest.raises(InputError, match=r"32 x 32.*100 x 80.*near --center 3[56],2[56]\).*--center middle"):
        mockforge.redshift(whole, model, **z)
    cut = mockforge.redshift(whole, model, center=(35.5, 25.5), **z)
    assert np.array_equal(cut.image, wanted.image)
    here, there = cut.wcs.pixel_to_world(15, 15), whole.wcs.pixel_to_world(35, 25)
    assert here.separation(there).arcsec < 1e-3
    with pytest.raises(
        InputError, match=r"leaves the image of 100 x 80; .*x from 15.5 to 83.5 and y from 15.5"
    ):
        mockforge.redshift(whole, model, center="5,40", **z)
    with pytest.raises(InputError, match="X,Y in pixels from 0, or middle"):
        mockforge.redshift(whole, model, center="here", **z)
    with pytest.raises(InputError, match=r"centred [+-]\d.* off the stamp's middle"):
        mockforge.redshift(whole, model, center=(31, 29), **z)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bands": ("g", "r", "i")}, "takes the bands F606W, F814W, F125W, the image has g, r, i"),
        ({"pixel_scale_arcsec": 0.06}, "pixels of 0.1 arcsec, the image has 0.06"),
        ({"unit": "native"}, "flux unit of the image is unknown"),
        ({"image": np.full((3, 32, 32), np.nan, np.float32)}, "1024 pixels of the image are not finite"),
        ({"image": np.zeros((3, 32, 32), np.float32)}, "is 0 in every pixel"),
        ({"image": np.ones((3, 30, 30), np.float32)}, "32 x 32 pixels .*, the image has 30 x 30"),
    ],
)
def test_another_image_is_refused(changes, said, model, pair):
    for word in ({}, {"extrapolate": True}):
        with pytest.raises(InputError, match=said):
            mockforge.redshift(stamp(pair, **changes), model, **redshifts(pair), **word)


@pytest.mark.parametrize(
    ("changes", "z", "said"),
    [
        ({}, {"z_out": 5.0}, r"z_out is 5, it was trained on \d"),
        ({}, {"z_in": 0.05}, r"z_in is 0.05, it was trained on 0\.\d"),
        ({}, {"z_in": 0.7, "z_out": 0.5}, r"\(1 \+ z_out\) / \(1 \+ z_in\) is 0.88"),
        (
            {"psf_fwhm_arcsec": (0.05, 0.07, 0.2)},
            {},
            "PSF in F125W has a FWHM of 0.2 arcsec before the pixel, it was trained on 0.1",
        ),
        ({"noise": 5.0}, {}, r"noise in F606W is \d.*, it was trained on up to 0\.\d"),
        ({"mask": np.eye(32, dtype=bool)}, {}, "32 of its 1024 pixels are masked"),
    ],
)
def test_what_was_not_learned_needs_the_users_word(changes, z, said, model, pair):
    changes = dict(changes)
    if "noise" in changes:
        noise = np.random.default_rng(4).normal(0, changes.pop("noise"), (3, 32, 32))
        changes["image"] = pair["input"].numpy() + noise.astype(np.float32)
    before, z = stamp(pair, **changes), redshifts(pair) | z
    with pytest.raises(InputError, match=f"{said}.*--extrapolate"):
        mockforge.redshift(before, model, **z)
    assert np.isfinite(mockforge.redshift(before, model, extrapolate=True, **z).image).all()


def test_what_is_lost_in_the_noise_is_said(model, pair):
    noise = np.random.default_rng(5).normal(0, 0.5, (3, 32, 32)).astype(np.float32)
    (note,) = redshifted(stamp(pair, image=noise), model, **redshifts(pair)).notes
    assert "times its noise" in note
    assert not redshifted(stamp(pair), model, **redshifts(pair)).notes


def test_a_model_that_recorded_only_its_reach_still_has_it(model, pair):
    old = replace(model, learned=Learned())
    with pytest.raises(InputError, match="z_out is 5, it was trained on"):
        mockforge.redshift(stamp(pair), old, z_in=0.5, z_out=5.0)
    with pytest.raises(InputError, match="z_in is -1; a redshift above 0"):
        mockforge.redshift(stamp(pair), old, z_in=-1.0, z_out=1.0, extrapolate=True)


def test_the_command_writes_fits_and_picture(path, pair, tmp_path):
    source, out, picture = (
        stamp(pair).write(tmp_path / "in.fits"),
        tmp_path / "out.fits",
        tmp_path / "out.png",
    )
    z = redshifts(pair)
    words = ["redshift", str(source), "-m", str(path), "-o", str(out), "--picture", str(picture)]
    words += ["--z-in", str(z["z_in"]), "--z-out", str(z["z_out"])]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert "F606W" in done.stdout and str(out) in done.stdout and picture.stat().st_size > 5000
    back = Field.read(out)
    assert back.bands == BANDS and back.zeropoint_ab == 31.4 and back.wcs is not None
    wanted = mockforge.redshift(source, path, **z).image
    assert np.array_equal(back.image, wanted)
    with fits.open(out) as opened:
        cards = opened[0].header
        assert (cards["Z_IN"], cards["Z_OUT"]) == (z["z_in"], z["z_out"])
        assert cards["MFSHA256"] == load_redshifter(path).sha256
        assert opened["F606W"].header["BUNIT"] == "nJy" and opened["F606W"].header["MAGZERO"] == 31.4


def test_a_pair_of_a_dataset_is_shown_with_its_truth(path, dataset, tmp_path):
    words = ["redshift", str(dataset), "--row", "0", "-m", str(path), "-o", str(tmp_path / "out.fits")]
    done = CliRunner().invoke(app, [*words, "--extrapolate"])
    assert done.exit_code == 0 and ", true " in done.stdout, done.output
    done = CliRunner().invoke(app, [*words[:3], "99", *words[4:]])
    assert done.exit_code == 2 and "row 99" in done.stderr and "0 to 3" in done.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nosuch.fits", "-o", "x.fits", "--z-in", "0.5", "--z-out", "1"), "nosuch.fits"),
        (("nosuch.fits", "--z-in", "0.5", "--z-out", "1"), "--out, or --picture"),
        (
            ("in.fits", "-o", "x.fits", "--z-in", "0.5", "--z-out", "1", "--model", "kids-viking"),
            "redshifter",
        ),
        (("in.fits", "-o", "x.fits"), "--z-in and --z-out"),
        (("in.fits", "-o", ".", "--z-in", "0.5", "--z-out", "1"), "is a folder"),
        (
            ("in.fits", "-o", "x.fits", "--z-in", "0.5", "--z-out", "1", "--psf-fwhm", "1,2"),
            "2 numbers for 3",
        ),
    ],
)
def test_bad_input_exits_2_and_writes_nothing(words, said, path, pair, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    stamp(pair).write("in.fits")
    model = () if "--model" in words else ("--model", str(path))
    done = CliRunner().invoke(app, ["redshift", *words, *model])
    assert done.exit_code == 2 and done.stderr.startswith("mockforge: ") and said in done.stderr
    assert [p.name for p in tmp_path.iterdir()] == ["in.fits"]
