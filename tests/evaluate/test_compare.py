"""An image beside a training set: what differs is said, what does not is not."""

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.data.manifest import Manifest, write_manifest
from mockforge.data.shards import write_shard
from mockforge.data.view import write_view
from mockforge.errors import InputError
from mockforge.evaluate.compare.compare import compare, told_apart
from mockforge.evaluate.compare.measures import measured, measures_of
from mockforge.field.field import Field
from mockforge.rng import Stream
from tests.builders.batches import samples

SCALE = 0.2


def sky(side, seed, noise=1.0, blur=1.2, density=6e-4, red=1.5):
    """Gaussian sources on white noise in two bands."""
    rng = np.random.default_rng(seed)
    image = rng.normal(0, noise, (2, side, side))
    yy, xx = np.mgrid[-8:9, -8:9]
    for _ in range(rng.poisson(density * side**2)):
        y, x = rng.integers(8, side - 8, 2)
        flux = 60 * rng.random() ** -0.8
        stamp = flux * np.exp(-(yy**2 + xx**2) / (2 * blur**2)) / (2 * np.pi * blur**2)
        image[:, y - 8 : y + 9, x - 8 : x + 9] += stamp * np.array([1.0, red])[:, None, None]
    return image.astype(np.float32)


def field(image):
    return Field(image=image, bands=("g", "r"), pixel_scale_arcsec=SCALE)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    tiles = np.stack([sky(192, 100 + i) for i in range(24)])
    about = {"bands": ("g", "r"), "unit": "nJy", "pixel_scale_arcsec": SCALE}
    batch = samples(len(tiles), arrays={"image": tiles}, attributes=about)
    made = [write_shard(folder / "shards" / "00000.h5", batch, {"image": "float32"}, {})]
    write_view(folder, made)
    write_manifest(folder, Manifest("trained", "", "", tuple(made)))
    return folder


def off(report):
    return {verdict.measure for verdict in report.sections[0].verdicts if not verdict.passed}


def test_another_piece_of_the_same_sky_is_like_it(trained):
    report = compare(field(sky(768, 1)), trained)
    assert off(report) == set() and report.passed
    assert report.sections[0].title == "The image is like the training set"
    assert len(report.sections[0].rows) == len(measures_of(("g", "r")))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"noise": 2.0}, {"noisier in g", "noisier in r"}),
        ({"noise": 0.5}, {"deeper in g", "deeper in r"}),
        ({"blur": 2.4}, {"blurrier"}),
        ({"red": 3.0}, {"redder in g - r"}),
        ({"density": 3e-3}, {"more crowded"}),
    ],
)
def test_what_differs_is_said(trained, changes, said):
    assert said <= off(compare(field(sky(768, 2, **changes)), trained))


def test_correlated_noise_is_seen(trained):
    image = sky(768, 3, noise=0.3)
    extra = np.random.default_rng(4).normal(0, 1, (2, 769, 769))
    image += ((extra[:, 1:, 1:] + extra[:, :-1, 1:] + extra[:, 1:, :-1] + extra[:, :-1, :-1]) / 2.1).astype(
        "f4"
    )
    found = off(compare(field(image), trained))
    assert {"noise in g more correlated", "noise in r more correlated"} <= found


def test_other_pixels_are_said(trained):
    assert "of other pixels" in off(compare(replace(field(sky(768, 1)), pixel_scale_arcsec=0.1), trained))


def test_the_measures_of_white_noise_are_known():
    image = np.random.default_rng(1).normal(0, [[[2.0]], [[5.0]]], (2, 256, 256)).astype(np.float32)
    values = dict(zip([m.name for m in measures_of(("a", "b"))], measured(image, SCALE), strict=True))
    assert values["sky rms a, nJy"] == pytest.approx(2, rel=0.02)
    assert values["sky rms b, nJy"] == pytest.approx(5, rel=0.02)
    assert abs(values["correlation of neighbouring pixels a"]) < 0.02
    assert np.isnan(values["size of sources, arcsec"])


def test_tiles_of_one_kind_are_not_told_apart_and_others_are():
    rng = np.random.default_rng(1)
    one, same = rng.normal(size=(2, 40, 8))
    assert abs(told_apart(one, same, Stream(1)) - 0.5) < 0.2
    assert told_apart(one, same + 2, Stream(1)) > 0.95
    assert told_apart(one[:3], same, Stream(1)) is None


def test_bad_input_is_a_sentence(trained):
    with pytest.raises(InputError, match="smaller than a tile"):
        compare(field(sky(128, 1)), trained)
    with pytest.raises(InputError, match="with --bands"):
        compare(Field(image=sky(256, 1)[:1], bands=("i",), pixel_scale_arcsec=SCALE), trained)
    with pytest.raises(InputError, match="--pixel-scale"):
        compare(Field(image=sky(256, 1), bands=("g", "r")), trained)
    with pytest.raises(InputError, match="masked by more than"):
        compare(replace(field(sky(256, 1)), mask=np.ones((256, 256), dtype=bool)), trained)


def test_the_command(trained, tmp_path):
    field(sky(400, 5)).write(tmp_path / "image.fits")
    words = ["compare", str(tmp_path / "image.fits"), "--dataset", str(trained), "-o", str(tmp_path / "out")]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert json.loads((tmp_path / "out" / "report.json").read_text())["facts"]["tiles of the image"] == 4
    missing = CliRunner().invoke(
        app, ["compare", str(tmp_path / "image.fits"), "--dataset", str(tmp_path / "no")]
    )
    assert missing.exit_code == 2 and "no" in missing.output


def test_bands_of_other_names_are_taken_in_their_order_and_it_is_said(trained):
    image = replace(field(sky(768, 1)), bands=("F606W", "F814W"))
    title = compare(image, trained).sections[0].title
    assert title == "The image is like the training set (F606W, F814W taken for g, r)"
