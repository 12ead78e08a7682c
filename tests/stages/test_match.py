"""Detections joined with exact truth: hand-made cases, and a scene through the real detector."""

from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.label.completeness import detected_by, pure_by
from mockforge.label.matching import light_shared
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.stages.detect import Detect
from mockforge.stages.match import Match
from mockforge.stages.scene import SceneTiles
from tests.builders.batches import samples


def hand_made():
    """Two objects under one detection, one missed, one found; and a spurious detection."""
    labels = np.zeros((1, 2, 8, 16), dtype=np.int32)
    shares = np.zeros((1, 2, 8, 16), dtype=np.float32)
    truth = np.zeros((1, 1, 8, 16), dtype=np.float32)
    instances = np.zeros((1, 8, 16), dtype=np.int32)
    for label, (x0, x1), flux in ((1, (1, 4), 10.0), (2, (4, 6), 5.0), (3, (8, 10), 1.0), (4, (12, 15), 8.0)):
        labels[0, 0, 2:5, x0:x1], shares[0, 0, 2:5, x0:x1], truth[0, 0, 2:5, x0:x1] = label, 1.0, flux
    instances[0, 2:5, 1:6] = 1
    instances[0, 2:5, 12:15] = 2
    instances[0, 6:8, 0:3] = 3
    objects = {
        "sample": np.zeros(4, dtype=np.int64),
        "label": np.arange(1, 5, dtype=np.int32),
        "x": np.array([2.0, 4.5, 8.5, 13.0]),
        "y": np.full(4, 3.0),
        "inside": np.ones(4, dtype=bool),
        "fraction": np.ones(4),
        "star": np.array([False, False, False, True]),
        "magnitude": np.array([22.0, 23.0, 25.0, 22.5]),
        "true_flux_g": np.array([90.0, 30.0, 6.0, 72.0]),
    }
    catalogue = {
        "sample": np.zeros(3, dtype=np.int64),
        "label": np.arange(1, 4, dtype=np.int32),
        "x": np.array([2.8, 13.0, 1.0]),
        "y": np.array([3.0, 3.0, 6.5]),
        "flux_iso_g": np.array([125.0, 70.0, 5.0]),
    }
    image = truth + 0.1
    return samples(
        1,
        arrays={
            "instances": instances, "image": image, "truth": truth, "overlap_label": labels,
            "overlap_fraction": shares,
        },
        tables={"objects": objects, "catalogue": catalogue},
        attributes={"bands": ("g",), "pixel_scale_arcsec": 0.1},
    )  # fmt: skip


def test_each_case_gets_its_name():
    done = Match()(hand_made(), Stream(0))
    objects, catalogue = done.tables["objects"], done.tables["catalogue"]
    assert objects["detected_label"].tolist() == [1, 0, 0, 2]
    assert objects["detected"].tolist() == [True, False, False, True]
    assert objects["blended"].tolist() == [False, True, False, False]
    assert objects["missed"].tolist() == [False, False, True, False]
    assert catalogue["true_label"].tolist() == [1, 4, 0]
    assert catalogue["true_share"][:2] == pytest.approx([90 / 120, 1.0])
    assert catalogue["true_distance_arcsec"][0] == pytest.approx(0.08)
    assert catalogue["true_star"].tolist() == [False, True, False]
    assert catalogue["true_flux_g"][:2].tolist() == [90.0, 72.0] and np.isnan(catalogue["true_flux_g"][2])


def test_shares_of_completeness_and_purity():
    done = Match()(hand_made(), Stream(0))
    found = detected_by(done.tables["objects"], np.array([21.5, 22.8, 24.0, 26.0, 27.0]))
    assert found["count"].tolist() == [2, 1, 1, 0]
    assert found["detected"][:3].tolist() == [1.0, 0.0, 0.0] and np.isnan(found["detected"][3])
    assert found["blended"][:3].tolist() == [0.0, 1.0, 0.0]
    pure = pure_by(done.tables["catalogue"], np.array([0.0, 10.0, 200.0]), "flux_iso_g")
    assert pure["count"].tolist() == [1, 2] and pure["pure"].tolist() == [0.0, 1.0]


def test_light_is_counted_once():
    batch = hand_made()
    a = {k: v[0] for k, v in batch.arrays.items()}
    light = light_shared(a["instances"], a["truth"][0], a["overlap_label"], a["overlap_fraction"], 3, 4)
    assert light.sum() == pytest.approx(a["truth"].sum())
    assert light[1].tolist() == [90.0, 30.0, 0.0, 0.0] and light[0, 2] == 6.0


def test_nothing_detected_is_all_missed():
    batch = hand_made()
    empty = {k: v[:0] for k, v in batch.tables["catalogue"].items()}
    batch = batch.with_arrays(instances=np.zeros_like(batch.arrays["instances"]))
    done = Match()(batch.with_table("catalogue", empty), Stream(0))
    assert done.tables["objects"]["missed"].all() and len(done.tables["catalogue"]["true_label"]) == 0


def test_without_a_pixel_scale_it_says_so():
    batch = hand_made()
    with pytest.raises(InputError, match="pixel scale"):
        Match()(replace(batch, attributes={"bands": ("g",)}), Stream(0))


def test_a_scene_through_the_detector():
    """Bright compact objects are found, measured as they are, and nothing is invented."""
    stage = SceneTiles(
        bands=("F606W", "F814W"), psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.12)), tile=256, margin=32,
        faintest=27.0, brightest=22.0, noise=Noise(rms_njy=0.15), edge_mag_arcsec2=30.0,
    )  # fmt: skip
    batch = stage(samples(2), Stream(3))
    done = Match()(Detect(threshold=4.0)(batch, Stream(1)), Stream(2))
    objects, catalogue = done.tables["objects"], done.tables["catalogue"]
    compact = {name: column[objects["r_e_arcsec"] < 1.0] for name, column in objects.items()}
    found = detected_by(compact, np.array([20.0, 25.5]), "true_mag_F814W")
    assert found["count"][0] >= 5 and found["detected"][0] + found["blended"][0] > 0.9
    real = catalogue["true_label"] > 0
    assert real.mean() > 0.9
    clean = real & (catalogue["true_share"] > 0.97) & (catalogue["snr"] > 30) & ~catalogue["cut"]
    ratio = catalogue["flux_F814W"][clean] / catalogue["true_flux_F814W"][clean]
    assert clean.sum() >= 5 and np.median(ratio) == pytest.approx(0.95, abs=0.08)
