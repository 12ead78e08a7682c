"""Fields through a network, the command line, and the demonstration."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.recover import recover_field
from mockforge.commands.recover_demo import demonstrate
from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs
from mockforge.tasks.recover.config import RecovererNetwork, Residual
from mockforge.tasks.recover.degraded import Scales
from mockforge.tasks.recover.model import Recoverer, load_recoverer, predict

BANDS = ("hsc_r", "hsc_i", "hsc_z")


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """An untrained model, which interpolates."""
    scales = Scales(
        *(BANDS, ("F606W", "F775W", "F814W"), 0.168, 0.06, (21, 21), (64, 64)),
        *((0.75, 0.61, 0.68), (0.05, 0.06, 0.07)),
    )
    made = Recoverer(
        name="fresh", network=RecovererNetwork(residual=Residual(widths=(4, 4), fine_width=2)), scales=scales,
        rms_njy=(3.6, 4.4, 9.0),
    )  # fmt: skip
    return made.trained(made.network_with_weights(), {}).save(tmp_path_factory.mktemp("model"))


def size_of(picture: Path) -> tuple[int, int]:
    with Image.open(picture) as opened:
        return opened.size


def field(**changes) -> Field:
    image = np.random.default_rng(2).normal(0, 4, (3, 40, 50)).astype(np.float32)
    image[:, 20, 31] += 900
    mask = np.zeros((40, 50), dtype=bool)
    mask[4:8, 10:12] = True
    about = {
        "image": image, "bands": BANDS, "pixel_scale_arcsec": 0.168, "mask": mask,
        "wcs": tan_wcs(image.shape, 0.168, 150, 2, rotation_deg=30),
    }  # fmt: skip
    return Field(**(about | changes))


def test_a_field_keeps_flux_place_and_mask(model):
    before = field()
    after = recover_field(before, model)
    assert after.shape == (3, 112, 140) and after.bands == ("F606W", "F775W", "F814W")
    y, x = np.unravel_index(after.image[0].argmax(), after.image[0].shape)
    here, there = before.wcs.pixel_to_world(31, 20), after.wcs.pixel_to_world(x, y)
    assert here.separation(there).arcsec < 0.06
    assert after.image[0].sum() == pytest.approx(before.image[0].sum(), abs=4 * np.sqrt(before.image[0].size))
    assert after.mask.mean() == pytest.approx(before.mask.mean(), rel=0.1)
    sky = after.wcs.pixel_to_world(*np.argwhere(after.mask).mean(axis=0)[::-1])
    assert sky.separation(before.wcs.pixel_to_world(10.5, 5.5)).arcsec < 0.06


def test_bands_are_put_in_order(model):
    before = field()
    turned = field(image=before.image[::-1].copy(), bands=BANDS[::-1])
    assert np.array_equal(recover_field(turned, model).image, recover_field(before, model).image)


def test_the_noise_may_be_measured_known_or_given(model):
    loaded = load_recoverer(model)
    before = field(mask=None, wcs=None)
    given = recover_field(before, loaded, rms_njy=4.0).image
    known = recover_field(
        field(mask=None, wcs=None, variance=np.full(before.shape, 16.0, np.float32)), loaded
    )
    assert np.array_equal(given, known.image)
    assert np.allclose(given, predict(loaded, before.image[None])[0], atol=0.05)


def test_another_seeing_needs_the_users_word(model):
    before = field(psf_fwhm_arcsec=(0.75, 1.1, 0.7))
    with pytest.raises(
        InputError,
        match=r"PSF in hsc_i has a FWHM of 1.1 arcsec.*it was trained on 0.61.*--extrapolate",
    ):
        recover_field(before, model)
    assert recover_field(before, model, extrapolate=True).shape == (3, 112, 140)
    assert recover_field(field(psf_fwhm_arcsec=(0.75, 0.62, 0.7)), model).shape == (3, 112, 140)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"bands": ("g", "r", "i")}, "takes the bands hsc_r, hsc_i, hsc_z, the image has g, r, i"),
        ({"pixel_scale_arcsec": 0.2, "wcs": None}, "pixels of 0.168 arcsec, the image has 0.2"),
        ({"pixel_scale_arcsec": None, "wcs": None}, "pixel scale of the image is unknown"),
        ({"unit": "native"}, "flux unit of the image is unknown"),
        ({"image": np.zeros((3, 40, 50), np.float32)}, "above 0 in every band"),
    ],
)
def test_what_cannot_be_recovered_is_a_sentence(changes, said, model):
    with pytest.raises(InputError, match=said):
        recover_field(field(**changes), model)


def test_the_command_writes_fits_and_picture(model, tmp_path):
    source = field().write(tmp_path / "in.fits")
    out, picture = tmp_path / "out.fits", tmp_path / "out.png"
    words = ["recover", str(source), "--model", str(model), "-o", str(out), "--picture", str(picture)]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[0] == '140 x 112 pixels (x, y) of 0.06" in F606W, F775W, F814W'
    back = Field.read(out)
    assert back.bands == ("F606W", "F775W", "F814W") and back.pixel_scale_arcsec == pytest.approx(0.06)
    assert np.allclose(
        back.image[:, ~back.mask], recover_field(field(), model).image[:, ~back.mask], rtol=1e-5
    )
    assert size_of(picture) == (2 * 112 + 12, 112)


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("nosuch.fits", "-o", "x.fits"),
        ("--demo", "x.png", "--model", "nosuch"),
        ("--demo", "x.png", "--model", "kids-viking"),
        ("in.fits", "--demo", "x.png"),
        ("in.fits",),
    ],
)
def test_bad_input_exits_2_and_writes_nothing(words, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, ["recover", *words])
    assert done.exit_code == 2 and done.stderr.startswith("mockforge: ") and not list(tmp_path.iterdir())


def test_a_model_that_recovers_is_no_sgan(model):
    from mockforge.sgan.model import load_model

    with pytest.raises(InputError, match="it is a residual, expected a SGAN"):
        load_model(model)


def test_the_demonstration_shows_four_panels(model, tmp_path):
    found = demonstrate(model, seed=4)
    assert found.redshift < 2 and found.magnitude < 26
    assert found.truth.shape == found.recovered.shape == (3, 64, 64) and found.image.shape == (3, 21, 21)
    out = tmp_path / "demo.png"
    done = CliRunner().invoke(app, ["recover", "--demo", str(out), "--model", str(model), "--seed", "4"])
    assert done.exit_code == 0, done.output
    wide, high = size_of(out)
    assert wide > 3 * high
