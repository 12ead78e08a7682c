"""Generated pixels from a dataset, a model's file and a FITS file."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.evaluate.sky import generated
from mockforge.evaluate.sky.fields import evaluate_pixels
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.generated import from_dataset, from_field, from_model
from mockforge.evaluate.sky.sample import measure_sample
from mockforge.field.field import Field
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from tests.builders.painted_model import PaintedModel, PaintedSky
from tests.builders.painted_sky import BANDS, sky
from tests.builders.tiny_datasets import blobs, publish
from tests.builders.untrained import untrained


def placed(shard: int):
    """Tiles that say where on their sky they lie."""
    batch = blobs(shard, side=160)
    places = {"sample": batch.sample, "sky_y0": 100 * batch.sample + 5, "sky_x0": 7 + 0 * batch.sample}
    return batch.with_table("tile", places)


def test_a_datasets_tiles_cover_what_is_asked_for_and_know_their_place(tmp_path):
    folder = publish(tmp_path / "tiles", placed, {"image": "float32"}, shards=2)
    made = from_dataset(folder, 5 * 160 * 160 - 1)
    assert len(made.images) == 5 and made.images[0].shape == (3, 160, 160)
    assert made.bands == ("g", "r", "Z") and made.unit == "nJy"
    assert made.offsets.tolist() == [[100 * i + 5, 7] for i in range(5)]
    assert np.array_equal(made.images[4], placed(1).arrays["image"][0])
    turned = made.ordered(("Z", "g", "r"), "nJy")
    assert np.array_equal(turned.images[0][1], made.images[0][0])
    with pytest.raises(InputError, match="lacks the bands Ks"):
        made.ordered(("g", "Ks"), "nJy")
    with pytest.raises(InputError, match="--zeropoint"):
        made.ordered(("g", "r", "Z"), "native")


def test_blocks_of_tiles_start_on_the_lattice(tmp_path):
    made = from_dataset(publish(tmp_path / "tiles", placed, {"image": "float32"}), 160 * 160)
    sample = measure_sample(made.images, made.bands, side=64, offsets=made.offsets)
    assert ((sample.blocks[:, 1:] + made.offsets[sample.blocks[:, 0]]) % 16 == 0).all()


def test_tiles_are_compared_like_one_field():
    tiles = [sky(20 + i, 128, 256) for i in range(4)]
    real = Field(image=sky(1, 256, 512), bands=BANDS, pixel_scale_arcsec=0.2)
    quick = Settings(
        block=128,
        splits=10,
        bootstraps=2,
        morphology_objects=0,
        classifier_blocks=0,
        source_seeds=0,
        pictures=False,
    )
    from mockforge.evaluate.sky.generated import Generated

    made = Generated(tiles, [None] * 4, BANDS, "nJy", np.zeros((4, 2), dtype=int), "tiles")
    report = evaluate_pixels(real, made, settings=quick)
    titles = {s.title: s.passed for s in report.sections}
    assert titles["Noise"] is True and titles["Counts and magnitudes"] is True


def test_a_model_paints_and_a_field_is_read(tmp_path):
    model = load_model(untrained(tmp_path, "tiny", ("g", "r")))
    made = from_model(model, (70, 90), 3)
    field = Sky(model, 3)[0:70, 0:90]
    assert np.array_equal(made.images[0], field.image) and made.bands == ("g", "r")
    assert made.truths == [] and made.more is None
    window = Sky(model, 3)[16:86, 5:95]
    read = from_field(window.write(tmp_path / "window.fits"), {})
    assert np.array_equal(read.images[0], window.image) and read.offsets.tolist() == [[16, 5]]


def test_a_sky_of_sources_comes_with_its_truth_from_where_the_noise_begins(monkeypatch):
    monkeypatch.setattr(generated, "Sky", PaintedSky)
    made = from_model(PaintedModel(), (64, 90), 3)
    assert made.gains == (0.0, 0.0) and made.offsets.tolist() == [[0, 0]]
    told = from_model(PaintedModel(), (64, 90), 3, told={"noise": PaintedModel().noise})
    assert told.offsets.tolist() == [[-64, -64]]
    turned = replace(made, more=told).ordered(("r", "g"), "nJy")
    assert turned.more is not None
    assert np.array_equal(turned.more.truths[0][0], told.truths[0][1])
