"""The source `sgan` of a learned sky: exact truth of every sample, and what was requested of each."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.config import Varying
from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.lattice import corners
from mockforge.stages.detect import Detect
from mockforge.stages.match import Match
from mockforge.stages.sgan import Sgan
from tests.builders.batches import samples
from tests.builders.tiny_forge import saved_forge

SHARD = Stream(11, ("shard", 0, "sgan"))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> str:
    return str(saved_forge(tmp_path_factory.mktemp("model")))


def test_samples_are_windows_of_one_sky_that_share_no_pixel(model):
    stage = Sgan(model=model, tile=48, margin=20)
    batch = samples(6, splits={"train": 0.9, "test": 0.1}, split=["train"] * 4 + ["test"] * 2)
    y, x = corners(batch, 48, 20, 128)
    assert len({(a, b) for a, b in zip(y.tolist(), x.tolist(), strict=True)}) == 6
    made = stage(batch.keep(np.isin(batch.sample, [1, 5])), SHARD)
    row = [int(made.tables["tile"][name][1]) for name in ("sky_y0", "sky_x0")]
    field = Sky(model, 11)[row[0] : row[0] + 48, row[1] : row[1] + 48]
    for name in ("image", "truth"):
        assert np.array_equal(made.trimmed().arrays[name][1], getattr(field, name))
    assert made.attributes["psf_fwhm_arcsec"] == pytest.approx((0.6, 0.66), rel=0.05)


def test_every_pixel_above_the_isophote_has_an_owner_and_every_source_a_row(model):
    stage = Sgan(model=model, tile=64, margin=16, isolated=3, amodal=3)
    made = stage(samples(2), SHARD)
    assert set(made.arrays) | set(made.tables) == stage.writes()
    out, table = made.trimmed().arrays, made.tables["objects"]
    first = table["sample"] == 0
    assert out["instances_visible"][0].max() <= first.sum() and (np.diff(table["label"][first]) == 1).all()
    assert np.abs(out["isolated"].sum(axis=1) - out["truth"]).max() < 1e-6 * out["truth"].max()
    alone = out["isolated"][0, 0].mean(axis=0)
    assert np.array_equal(out["amodal"][0, 0] > 0, alone > made.attributes["isophote_njy"])
    assert {"true_flux_g", "true_mag_r", "r_e_arcsec", "n", "star", "latent_3", "id"} <= set(table)
    assert (table["fraction"] <= 1).all() and table["visible_area"].sum() > 0


def test_what_is_detected_is_matched_with_what_is_there(model):
    made = Sgan(model=model, tile=96, margin=32)(samples(2), SHARD)
    found = Match(radius_arcsec=0.8)(Detect(threshold=3.0)(made, SHARD), SHARD)
    objects, catalogue = found.tables["objects"], found.tables["catalogue"]
    assert objects["detected"].any() and objects["missed"].any()
    assert (objects["detected"] | objects["blended"] | objects["missed"]).all()
    real = catalogue["true_label"] > 0
    assert real.mean() > 0.8
    ratio = catalogue["flux_r"][real] / catalogue["true_flux_r"][real]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.25)


def test_what_varies_is_drawn_for_each_sample_and_told(model):
    stage = Sgan(
        model=model, tile=32, margin=8, depth=Varying("uniform", (24.0, 27.0)),
        density=Varying("choice", (0.5, 1.5)), star_fraction=Varying("fixed", (0.3,)),
    )  # fmt: skip
    made = stage(samples(4), SHARD)
    tile = made.tables["tile"]
    assert len(np.unique(tile["sky_rms_g"])) == 4 and set(tile["density"]) <= {0.5, 1.5}
    noise = (made.arrays["image"] - made.arrays["truth"]).std(axis=(2, 3))
    assert noise[:, 0] == pytest.approx(tile["sky_rms_g"], rel=0.15)
    again = stage(samples(4).keep(np.array([False, False, True, True])), SHARD)
    assert np.array_equal(again.arrays["image"], made.arrays["image"][2:])


def test_what_the_model_cannot_do_is_said_before_any_work(model, tmp_path):
    with pytest.raises(InputError, match="no band 'K'"):
        Sgan(model=model, depth={"K": 25.0})
    with pytest.raises(ValueError, match="no ensemble"):
        Sgan(model=model, member=2)
    plain = str(saved_forge(tmp_path, pixel_scale_arcsec=None))
    with pytest.raises(InputError, match="pixel scale"):
        Sgan(model=plain, seeing=Varying("fixed", (0.8,)))
    with pytest.raises(ValueError, match="use isophote_sigma"):
        Sgan(model=plain, isophote_mag_arcsec2=26.0)
