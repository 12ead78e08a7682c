"""An endless sky: any window, any order, the same pixels to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.commands.generate import of_model, write_fields
from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.config import Forge, Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.sky import TILE, Sky
from mockforge.sgan.painter import Scaling
from mockforge.sgan.save import save_model
from mockforge.sky.lattice import corners
from mockforge.sky.plane import NoisePlane
from mockforge.stages.sgan import Sgan
from tests.builders.batches import samples
from tests.builders.lumpy_sky import lumpy

SMALL = Forge(z_channels=8, widths=(16, 12, 8, 8), dilations=(1, 2), density=False)
KERNEL = ((0.0, 0.1, 0.0), (0.1, 0.98, 0.1), (0.0, 0.1, 0.0))
INSTRUMENT = Instrument(rms_njy=(3.0, 5.0), psf_fwhm_pix=(3.0, 4.0), noise_kernel=(KERNEL, KERNEL))


@pytest.fixture(scope="module")
def forge() -> SganModel:
    made = SganModel(
        "tiny", SMALL, ("g", "r"), INSTRUMENT,
        pixel_scale_arcsec=0.2, psf_fwhm_arcsec=(0.7, 0.6),
    )  # fmt: skip
    return lumpy(made)


@pytest.fixture(scope="module")
def smith() -> SganModel:
    made = SganModel(
        "tiny-smith", Smith2019(z_channels=6, widths=(12, 8, 8, 8)), ("g", "r"), INSTRUMENT,
        scaling=Scaling((-10.0, -20.0), (100.0, 200.0)),
    )  # fmt: skip
    return made.trained(made.painter().generator, {"steps": 0})


@pytest.mark.parametrize("kind", ["forge", "smith"])
def test_a_window_is_the_same_bits_from_any_larger_window(kind, request):
    model = request.getfixturevalue(kind)
    one, two = Sky(model, 7, kept_tiles=0), Sky(model, 7)
    first = one[-40:200, 90:300].image[:, 40:140, 30:120]
    second = two[-130:100, 100:420].image[:, 130:230, 20:110]
    assert np.array_equal(first, second)
    assert np.array_equal(first, two[0:100, 120:210].image)
    assert first.std() > 0


@pytest.mark.parametrize("kind", ["forge", "smith"])
def test_tiles_join_without_a_seam(kind, request):
    """What canonical tiles paint is what one large run of the network paints."""
    model = request.getfixturevalue(kind)
    sky = Sky(model, 3)
    painter = model.painter()
    cells, before = 2 * TILE // 16, painter.generator.halo + -(-painter.reach // 16)
    side, spare = painter.cells(2 * TILE + -painter.reach % 16), -painter.reach % 16
    z = torch.from_numpy(sky._z.window(-before, side - before, -before, side - before))[None]
    with torch.no_grad():
        whole = painter.flux(z, 2 * TILE + spare)[0, :, spare:, spare:].numpy()
    field = sky[0 : cells * 16, 0 : cells * 16]
    painted = field.truth if field.truth is not None else field.image
    assert np.abs(painted - whole).max() < 1e-4 * np.abs(whole).max()


def test_noise_is_what_the_truth_lacks(forge):
    field = Sky(forge, 1)[0:256, 0:256]
    noise = field.image - field.truth
    assert noise.std(axis=(1, 2)) == pytest.approx([3.0, 5.0], rel=0.03)


def test_skies_differ_by_seed_and_have_one_wcs(forge):
    a, b = Sky(forge, 1)[0:64, 0:64], Sky(forge, 2)[0:64, 0:64]
    assert np.abs(a.image - b.image).max() > 1.0
    moved = Sky(forge, 1)[10:74, 20:84]
    here = moved.wcs.pixel_to_world(0, 0)
    assert here.separation(a.wcs.pixel_to_world(20, 10)).arcsec < 1e-6


def test_a_window_needs_both_ends(forge):
    for bad in (np.s_[0:10], np.s_[0:10, :5], np.s_[0:10, 5:5], np.s_[0:10:2, 0:5]):
        with pytest.raises(InputError, match=r"sky|window"):
            Sky(forge)[bad]


def test_noise_plane_is_white_and_keyed_by_position():
    plane = NoisePlane(Stream(1, ("p",)), 2, 16, kept=2)
    whole = plane.window(-20, 60, -30, 50)
    assert np.array_equal(whole[:, 5:9, 40:61], plane.window(-15, -11, 10, 31))
    assert np.array_equal(whole, plane.window(-20, 60, -30, 50, threads=3))
    none = NoisePlane(Stream(1, ("p",)), 2, 16, kept=0)
    assert np.array_equal(whole, none.window(-20, 60, -30, 50))
    assert abs(whole.mean()) < 0.03
    assert whole.std() == pytest.approx(1.0, abs=0.03)


def test_a_wide_sky_draws_each_number_once(forge, monkeypatch):
    """What is kept is enough for a row of tiles in a strip and the next row."""
    drawn, draw = [], NoisePlane._draw  # watched: what is drawn twice gives the same pixels, only slower
    monkeypatch.setattr(NoisePlane, "_draw", lambda p, place: drawn.append((p, place)) or draw(p, place))
    sky = Sky(forge, 1, kept_tiles=0)
    sky.pixels(0, 3 * TILE, 0, 8 * TILE)
    assert {plane for plane, _ in drawn} == {sky._white, sky._z}  # no gain, no photon noise
    assert len(drawn) == len(set(drawn))
    assert all(len(plane._blocks) <= plane.kept for plane in (sky._white, sky._z))


def test_a_model_survives_its_files_and_damage_is_found(forge, tmp_path):
    path = save_model(forge, tmp_path)
    found = load_model(path)
    assert found == replace(forge, weights=found.weights, sha256=found.sha256, training=dict(forge.training))
    assert np.array_equal(Sky(found, 1)[0:32, 0:32].image, Sky(forge, 1)[0:32, 0:32].image)
    weights = tmp_path / "tiny.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    path.write_text(path.read_text() + "\n")  # a new time stamp: read again
    with pytest.raises(InputError, match="sha256"):
        load_model(path)


def test_the_card_says_what_the_model_was_measured_to_be(forge, tmp_path):
    card = (
        save_model(replace(forge, training={"steps": 7, "source": ""}), tmp_path)
        .with_suffix(".md")
        .read_text()
    )
    assert "| g | 3 | 0.70 | +0.20 |" in card  # twice 0.1 x 0.98: the kernel's autocorrelation
    assert "- steps: 7" in card
    assert "- source" not in card


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(InputError, match="did you mean 'kids-viking'"):
        load_model("kids-vikin")


def test_source_cuts_windows_that_share_no_pixel(forge, tmp_path):
    stage = Sgan(model=str(save_model(forge, tmp_path)), tile=48, margin=20)
    assert stage.writes() == {"image", "truth", "tile"}
    n = 70
    batch = samples(n, splits={"train": 0.9, "test": 0.1}, split=["train"] * 66 + ["test"] * 4)
    y, x = corners(batch, stage.tile, stage.margin, TILE)
    windows = [(a - 20, a + 68, b - 20, b + 68) for a, b in zip(y, x, strict=True)]
    for i, p in enumerate(windows):
        for q in windows[:i]:
            assert p[1] <= q[0] or q[1] <= p[0] or p[3] <= q[2] or q[3] <= p[2]
    few = batch.keep(np.isin(batch.sample, [0, 65, 69]))
    made = stage(few, Stream(11, ("shard", 0, "sgan")))
    assert made.arrays["image"].shape == (3, 2, 88, 88)
    assert made.trimmed().arrays["truth"].shape == (3, 2, 48, 48)
    sky = Sky(forge, 11)
    row = made.tables["tile"]["sky_y0"][1], made.tables["tile"]["sky_x0"][1]
    assert np.array_equal(
        made.trimmed().arrays["image"][1], sky[row[0] : row[0] + 48, row[1] : row[1] + 48].image
    )


def test_generate_on_a_device_this_machine_lacks_writes_nothing(forge, tmp_path):
    with pytest.raises(InputError, match="device 'cuda:99': not usable here"):
        write_fields(
            of_model(save_model(forge, tmp_path / "model"), "cuda:99"), (16, 16), [1], tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_generate_writes_fields_that_say_what_they_are(forge, tmp_path):
    from astropy.io import fits

    painter = of_model(save_model(forge, tmp_path / "model"))
    path = write_fields(painter, (60, 200), [5, 6], tmp_path / "out")[1]
    with fits.open(path) as units:
        assert [u.name for u in units[1:]] == ["g", "r", "TRUTH_g", "TRUTH_r"]
        assert units[0].header["MFSEED"] == 6
        assert len(units[0].header["MFSHA256"]) == 64
        header = units[1].header
        assert (header["BUNIT"], header["MAGZERO"], header["PIXSCALE"]) == ("nJy", 31.4, 0.2)
        assert "CTYPE1" in header
        assert units[1].data.shape == (60, 200)
    assert path.with_suffix(".png").exists()
