"""An endless sky: any window, any order, the same pixels to the last bit."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.commands.field_painters import of_model
from mockforge.commands.generate import write_fields
from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.lattice.config import Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.painter import Scaling
from mockforge.sgan.lattice.save import save_model
from mockforge.sgan.lattice.tiles import TILE
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.lattice import corners
from mockforge.sky.plane import NoisePlane
from mockforge.stages.sgan import Sgan
from tests.builders.batches import samples

KERNEL = ((0.0, 0.1, 0.0), (0.1, 0.98, 0.1), (0.0, 0.1, 0.0))
INSTRUMENT = Instrument(rms_njy=(3.0, 5.0), psf_fwhm_pix=(3.0, 4.0), noise_kernel=(KERNEL, KERNEL))


@pytest.fixture(scope="module")
def smith() -> LatticeModel:
    made = LatticeModel(
        "tiny", Smith2019(z_channels=6, widths=(12, 8, 8, 8)), ("g", "r"), INSTRUMENT,
        scaling=Scaling((-10.0, -20.0), (100.0, 200.0)), pixel_scale_arcsec=0.2, psf_fwhm_arcsec=(0.7, 0.6),
    )  # fmt: skip
    return made.trained(made.painter().generator, {"steps": 0})


def test_a_window_is_the_same_bits_from_any_larger_window(smith):
    one, two = Sky(smith, 7, kept_tiles=0), Sky(smith, 7)
    first = one[-40:200, 90:300].image[:, 40:140, 30:120]
    second = two[-130:100, 100:420].image[:, 130:230, 20:110]
    assert np.array_equal(first, second)
    assert np.array_equal(first, two[0:100, 120:210].image)
    assert first.std() > 0


def test_tiles_join_without_a_seam(smith):
    """What canonical tiles paint is what one large run of the network paints."""
    painter, sky = smith.painter(), Sky(smith, 3)
    first = painter.generator.halo * 16
    side = painter.span(first, 2 * TILE)
    z = torch.from_numpy(sky._tiles._z.window(-4, side - 4, -4, side - 4))[None]
    with torch.no_grad():
        whole = painter.window(z, first, 2 * TILE)[0].numpy()
    painted = sky[0 : 2 * TILE, 0 : 2 * TILE].image
    assert np.abs(painted - whole).max() < 1e-4 * np.abs(whole).max()


def test_skies_differ_by_seed_and_have_one_wcs(smith):
    a, b = Sky(smith, 1)[0:64, 0:64], Sky(smith, 2)[0:64, 0:64]
    assert np.abs(a.image - b.image).max() > 0.0
    moved = Sky(smith, 1)[10:74, 20:84]
    here = moved.wcs.pixel_to_world(0, 0)
    assert here.separation(a.wcs.pixel_to_world(20, 10)).arcsec < 1e-6


def test_a_window_needs_both_ends(smith):
    for bad in (np.s_[0:10], np.s_[0:10, :5], np.s_[0:10, 5:5], np.s_[0:10:2, 0:5]):
        with pytest.raises(InputError, match=r"sky|window"):
            Sky(smith)[bad]


def test_noise_plane_is_white_and_keyed_by_position():
    plane = NoisePlane(Stream(1, ("p",)), 2, 16, kept=2)
    whole = plane.window(-20, 60, -30, 50)
    assert np.array_equal(whole[:, 5:9, 40:61], plane.window(-15, -11, 10, 31))
    assert np.array_equal(whole, plane.window(-20, 60, -30, 50, threads=3))
    none = NoisePlane(Stream(1, ("p",)), 2, 16, kept=0)
    assert np.array_equal(whole, none.window(-20, 60, -30, 50))
    assert abs(whole.mean()) < 0.03
    assert whole.std() == pytest.approx(1.0, abs=0.03)


def test_a_wide_sky_draws_each_number_once(smith, monkeypatch):
    """What is kept is enough for a row of tiles in a strip and the next row."""
    drawn, draw = [], NoisePlane._draw  # watched: what is drawn twice gives the same pixels, only slower
    monkeypatch.setattr(NoisePlane, "_draw", lambda p, place: drawn.append((p, place)) or draw(p, place))
    sky = Sky(smith, 1, kept_tiles=0)
    sky.pixels(0, 3 * TILE, 0, 8 * TILE)
    assert {plane for plane, _ in drawn} == {sky._tiles._z}
    assert len(drawn) == len(set(drawn))


def test_a_model_survives_its_files_and_damage_is_found(smith, tmp_path):
    path = save_model(smith, tmp_path)
    found = load_model(path)
    assert found == replace(smith, weights=found.weights, sha256=found.sha256, training=dict(smith.training))
    assert np.array_equal(Sky(found, 1)[0:32, 0:32].image, Sky(smith, 1)[0:32, 0:32].image)
    weights = tmp_path / "tiny.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    path.write_text(path.read_text() + "\n")  # a new time stamp: read again
    with pytest.raises(InputError, match="sha256"):
        load_model(path)


def test_the_card_says_what_the_model_was_measured_to_be(smith, tmp_path):
    card = (
        save_model(replace(smith, training={"steps": 7, "source": ""}), tmp_path)
        .with_suffix(".md")
        .read_text()
    )
    assert "| g | 3 | 0.70 | +0.20 |" in card  # twice 0.1 x 0.98: the kernel's autocorrelation
    assert "- steps: 7" in card
    assert "- source" not in card


def test_what_a_lattice_cannot_do_is_a_sentence(smith):
    for asked in ({"depth": 25.0}, {"seeing": 1.0}, {"density": 1.2}, {"rms": 3.0}):
        with pytest.raises(InputError, match="paints observed pixels"):
            Sky(smith, **asked)


def test_files_of_the_lattice_that_is_gone_are_refused_with_a_sentence(tmp_path):
    (tmp_path / "old.json").write_text('{"network": {"forge": {"z_channels": 32}}}')
    (tmp_path / "old.safetensors").write_bytes(b"")
    with pytest.raises(InputError, match=r"old.json: is of the lattice network .* train again"):
        load_model(tmp_path / "old.json")


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(InputError, match="did you mean"):
        load_model("redshiftr")


def test_source_cuts_windows_that_share_no_pixel(smith, tmp_path):
    stage = Sgan(model=str(save_model(smith, tmp_path)), tile=48, margin=20)
    assert stage.writes() == {"image", "tile"}
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
    assert made.trimmed().arrays["image"].shape == (3, 2, 48, 48)
    sky = Sky(smith, 11)
    row = made.tables["tile"]["sky_y0"][1], made.tables["tile"]["sky_x0"][1]
    assert np.array_equal(
        made.trimmed().arrays["image"][1], sky[row[0] : row[0] + 48, row[1] : row[1] + 48].image
    )


def test_generate_on_a_device_this_machine_lacks_writes_nothing(smith, tmp_path):
    with pytest.raises(InputError, match="device 'cuda:99': not usable here"):
        write_fields(
            of_model(save_model(smith, tmp_path / "model"), "cuda:99"), (16, 16), [1], tmp_path / "out"
        )
    assert not (tmp_path / "out").exists()


def test_generate_writes_fields_that_say_what_they_are(smith, tmp_path):
    from astropy.io import fits

    painter = of_model(save_model(smith, tmp_path / "model"))
    path = write_fields(painter, (60, 200), [5, 6], tmp_path / "out")[1]
    with fits.open(path) as units:
        assert [u.name for u in units[1:]] == ["g", "r"]
        assert units[0].header["MFSEED"] == 6
        assert len(units[0].header["MFSHA256"]) == 64
        header = units[1].header
        assert (header["BUNIT"], header["MAGZERO"], header["PIXSCALE"]) == ("nJy", 31.4, 0.2)
        assert "CTYPE1" in header
        assert units[1].data.shape == (60, 200)
    assert path.with_suffix(".png").exists()
