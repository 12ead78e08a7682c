"""Sources of noiseless images against closed forms, brute force, and what was painted."""

from __future__ import annotations

import ctypes
from dataclasses import replace

import numpy as np
import pytest

from mockforge.batch import Batch
from mockforge.data.columns import meaning_of
from mockforge.errors import InputError, MockforgeError
from mockforge.label.noiseless import Separated, SeparationRule, grown, in_one_piece, separate
from mockforge.rng import Stream
from mockforge.stages.detect import Detect
from mockforge.stages.match import Match
from mockforge.stages.separate import Separate
from tests.builders.batches import samples

BANDS = ("g", "r")
SIGMA = 3.0


def gaussian(peak: float, x: float, y: float, sigma: float = SIGMA, side: int = 96) -> np.ndarray:
    """A round Gaussian (side, side) of this peak."""
    rows, columns = np.mgrid[:side, :side]
    return peak * np.exp(-0.5 * ((columns - x) ** 2 + (rows - y) ** 2) / sigma**2)


def found(
    *sources: np.ndarray, isophote: float = 1.0, contrast: float = 1e-4, reach: float = 1.0
) -> Separated:
    """What is separated of the sum, twice as bright in r as in g, at an isophote of 1."""
    mean = np.sum(sources, axis=0)
    truth = np.stack([mean * 2 / 3, mean * 4 / 3])
    rule = SeparationRule(1.0, min_pixels=5, levels=32, contrast=contrast, reach=reach)
    return separate(truth, BANDS, rule, zeropoint_ab=31.4)


def batch(truth: np.ndarray, rms: float, margin: int = 0, **attributes: object) -> Batch:
    """Samples of noiseless images (N, band, y, x) with white noise of this rms in each band."""
    noise = np.random.default_rng(5).normal(0.0, 1.0, truth.shape) * rms
    about = {"bands": BANDS, "pixel_scale_arcsec": 0.2, "zeropoint_ab": 31.4, **attributes}
    return samples(
        len(truth), margin=margin, attributes=about,
        arrays={"truth": truth.astype(np.float32), "image": (truth + noise).astype(np.float32)},
    )  # fmt: skip


def test_a_lone_gaussian_has_the_values_of_the_formula() -> None:
    peak = 1000.0
    table = found(gaussian(peak, 47.3, 48.8)).table
    assert table["label"].tolist() == [1]
    assert table["x"][0] == pytest.approx(47.3, abs=0.01) and table["y"][0] == pytest.approx(48.8, abs=0.01)
    whole = 2 * np.pi * SIGMA**2 * peak
    assert table["area"][0] == pytest.approx(2 * np.pi * SIGMA**2 * np.log(peak), rel=0.02)
    # within the isophote all but 1 / peak of the light, and beyond it nearly the rest
    assert table["true_flux_iso_g"][0] == pytest.approx(2 / 3 * whole * (1 - 1 / peak), rel=2e-4)
    assert table["true_flux_r"][0] == pytest.approx(4 / 3 * whole, rel=1e-6)
    assert table["true_mag_r"][0] == pytest.approx(31.4 - 2.5 * np.log10(4 / 3 * whole), abs=1e-6)
    assert table["a"][0] == pytest.approx(SIGMA, rel=0.02) and table["b"][0] == pytest.approx(SIGMA, rel=0.02)
    assert table["half_light_radius_pix"][0] == pytest.approx(SIGMA * np.sqrt(2 * np.log(2)), abs=0.15)
    assert not table["deblended"][0] and not table["truncated"][0]


def test_axes_and_angle_of_an_elliptical_source() -> None:
    rows, columns = np.mgrid[:96, :96] - 48.0
    angle = np.radians(30.0)
    u = columns * np.cos(angle) + rows * np.sin(angle)
    v = rows * np.cos(angle) - columns * np.sin(angle)
    table = found(1e4 * np.exp(-0.5 * ((u / 6.0) ** 2 + (v / 3.0) ** 2))).table
    assert table["a"][0] == pytest.approx(6.0, rel=0.01) and table["b"][0] == pytest.approx(3.0, rel=0.02)
    assert table["theta"][0] == pytest.approx(30.0, abs=0.1)


def test_a_faint_source_in_the_wings_of_a_bright_one_is_one_of_its_own() -> None:
    """The detector's rule, a share of the flux, cannot: it has a five-hundredth of its neighbour's."""
    rows, columns = np.mgrid[:96, :96]
    bright = 2000.0 * np.exp(-np.hypot(columns - 40.0, rows - 48.0) / 6.0)
    faint = gaussian(40.0, 70, 48, 2.0)
    both = found(bright, faint)
    assert len(both.table["label"]) == 2 and both.table["deblended"].all()
    assert both.table["x"][1] == pytest.approx(70, abs=0.5)
    assert both.instances[48, 70] == 2 and both.instances[48, 40] == 1
    # a pixel has one owner; what it loses to its neighbour and gains from it nearly cancel
    assert both.table["true_flux_iso_g"][1] == pytest.approx(2 / 3 * faint.sum(), rel=0.1)
    assert len(found(bright, faint, contrast=1.0).table["label"]) == 1
    noisy = batch(np.stack([bright + faint] * 2)[None], 0.01)
    assert len(Detect(background_mesh=96)(noisy, Stream(1)).tables["catalogue"]["label"]) == 1


def test_labels_go_by_brightness_and_light_is_that_of_the_pixels() -> None:
    made = found(gaussian(20.0, 20, 20), gaussian(300.0, 70, 20), gaussian(80.0, 50, 75), reach=0.0)
    assert np.round(made.table["x"]).tolist() == [70, 50, 20]
    mean = gaussian(20.0, 20, 20) + gaussian(300.0, 70, 20) + gaussian(80.0, 50, 75)
    for label in (1, 2, 3):
        own = made.instances == label
        assert made.table["true_flux_g"][label - 1] == pytest.approx(2 / 3 * mean[own].sum())
        assert made.table["true_flux_iso_g"][label - 1] == pytest.approx(2 / 3 * mean[own].sum())
        assert made.table["area"][label - 1] == own.sum()
    assert (made.instances > 0).sum() == (mean > 1.0).sum()  # every pixel above the isophote has an owner


def test_light_below_the_isophote_goes_to_the_nearest_within_reach() -> None:
    labels = np.zeros((40, 50), dtype=np.int32)
    labels[5:15, 5:15], labels[20:24, 30:34], labels[21, 10] = 1, 2, 3
    spread = grown(labels, 0.7)
    inside = [np.argwhere(labels == k) for k in (1, 2, 3)]
    reach = [0.7 * np.sqrt(len(p) / np.pi) for p in inside]
    for y, x in np.ndindex(labels.shape):
        distance = [np.hypot(*(p - (y, x)).T).min() for p in inside]
        k = int(np.argmin(distance))
        tied = sorted(distance)[1] - distance[k] < 1e-9
        if not tied:
            assert spread[y, x] == (k + 1 if distance[k] <= reach[k] else 0)
    assert (grown(labels, 0.0) == labels).all()
    assert not grown(np.zeros((4, 4), dtype=np.int32), 1.0).any()


def test_a_source_is_in_one_piece() -> None:
    labels = np.zeros((12, 20), dtype=np.int32)
    labels[2:10, 2:10], labels[2:10, 10:16] = 1, 2
    whole = labels.copy()
    labels[4, 12], labels[5, 13], labels[2, 15], labels[6, 4] = 1, 1, 1, 2  # specks, two of them touching
    assert (in_one_piece(labels) == whole).all()
    labels[2:10, 10], whole[2:10, 10] = 0, 0  # what is no source's stays so
    assert (in_one_piece(labels) == whole).all()
    assert not in_one_piece(np.zeros((5, 5), dtype=np.int32)).any()


def test_nothing_above_the_isophote() -> None:
    made = found(gaussian(0.5, 48, 48))
    assert not made.instances.any() and all(len(column) == 0 for column in made.table.values())
    full = batch(np.stack([np.stack([gaussian(50.0, 48, 48)] * 2), np.zeros((2, 96, 96))]), 1.0)
    done = Separate()(full, Stream(0))
    assert done.tables["objects"]["sample"].tolist() == [0]
    assert not done.arrays["instances_truth"][1].any()


def test_what_ran_before_changes_nothing() -> None:
    """sep deals out pixels between parts with the C library's random numbers, if it does."""
    sky = [gaussian(100.0, 30 + 9 * k, 40 + 4 * (k % 3), 3.0 + k % 2) for k in range(5)]
    first = found(*sky).instances
    libc = ctypes.CDLL(None)
    for _ in range(37):
        libc.rand()
    found(gaussian(40.0, 30, 30), gaussian(40.0, 36, 30))
    assert (found(*sky).instances == first).all()


def test_the_isophote_is_half_of_the_noise_or_as_stated() -> None:
    mean = gaussian(1000.0, 48, 48)
    noisy = batch(np.stack([mean, mean])[None], rms=4.0)
    done = Separate()(noisy, Stream(0))
    half = 0.5 * 4.0 / np.sqrt(2)  # of the mean of two bands
    stated = 31.4 - 2.5 * np.log10(half / 0.2**2)
    assert done.tables["objects"]["isophote_mag_arcsec2"][0] == pytest.approx(stated, abs=0.05)
    assert (done.arrays["instances_truth"] > 0).sum() == pytest.approx((mean > half).sum(), abs=6)
    again = Separate(isophote_mag_arcsec2=24.0)(noisy, Stream(0))
    limit = 10 ** (-0.4 * (24.0 - 31.4)) * 0.04
    assert ((again.arrays["instances_truth"][0] > 0) == (mean > limit)).all()
    assert Separate().reads() == {"truth", "image"}
    assert Separate(isophote_mag_arcsec2=24.0).reads() == {"truth"}


def test_a_tile_inside_its_margin() -> None:
    mean = gaussian(500.0, 15.5, 48) + gaussian(200.0, 48, 48) + gaussian(300.0, 6, 20, 1.5)
    cut = batch(np.stack([mean, mean])[None], rms=1.0, margin=16)
    done = Separate()(cut, Stream(0))
    table, labels = done.tables["objects"], done.trimmed().arrays["instances_truth"][0]
    assert table["label"].tolist() == [1, 2] and set(np.unique(labels)) == {0, 1, 2}
    assert table["x"] == pytest.approx([-0.5, 32.0], abs=0.02)
    assert table["fraction"] == pytest.approx([0.5, 1.0], abs=1e-3)
    assert table["inside"].tolist() == [False, True] and table["cut"].tolist() == [True, False]
    assert table["area"].tolist() == np.bincount(labels.ravel())[1:].tolist()
    assert (table["bbox_x0"][0], table["bbox_x1"][0]) == (0, np.nonzero(labels == 1)[1].max() + 1)


def test_exact_objects_of_a_source_stay() -> None:
    mean = gaussian(500.0, 48, 48)
    scene = batch(np.stack([mean, mean])[None], rms=1.0).with_table("objects", {"sample": np.array([0, 0])})
    done = Separate()(scene, Stream(0))
    assert len(done.tables["objects"]["sample"]) == 2 and done.tables["separated"]["label"].tolist() == [1]


def test_what_cannot_be_done_is_said() -> None:
    mean = gaussian(500.0, 48, 48)
    silent = batch(np.stack([mean, mean])[None], rms=0.0)
    with pytest.raises(InputError, match=r"separate: sample 0: .*isophote_mag_arcsec2"):
        Separate()(silent, Stream(0))
    assert Separate(isophote_mag_arcsec2=25.0)(silent, Stream(0)).tables["objects"]["label"].tolist() == [1]
    lost = replace(silent, attributes={"bands": BANDS})
    with pytest.raises(InputError, match="needs the pixel scale"):
        Separate(isophote_mag_arcsec2=25.0)(lost, Stream(0))


def test_too_much_above_the_isophote_is_explained(monkeypatch: pytest.MonkeyPatch) -> None:
    import sep

    def full(*_: object, **__: object) -> None:
        raise Exception("object deblending overflow: limit of 65536 sub-objects reached")

    monkeypatch.setattr(sep, "extract", full)  # of a library: 65536 parts are no quick test
    with pytest.raises(MockforgeError, match="raise `isophote_sigma`"):
        found(gaussian(100.0, 48, 48))


def test_detections_are_matched_with_what_was_separated() -> None:
    """A bright source, two that the detector takes for one, and one below its threshold."""
    mean = gaussian(400.0, 20, 20) + gaussian(100.0, 60, 60, 2.0) + gaussian(6.0, 69, 60, 1.5)
    mean = mean + gaussian(6.0, 20, 75)
    noisy = batch(np.stack([mean, mean])[None], rms=3.0)
    done = Match(radius_arcsec=0.3)(
        Detect(background_mesh=96)(Separate()(noisy, Stream(0)), Stream(1)), Stream(2)
    )
    objects, catalogue = done.tables["objects"], done.tables["catalogue"]
    places = {"alone": (20, 20), "bright": (60, 60), "near": (69, 60), "faint": (20, 75)}
    where = {
        name: int(np.argmin(np.hypot(objects["x"] - x, objects["y"] - y))) for name, (x, y) in places.items()
    }
    assert len(set(where.values())) == 4 == len(objects["label"])
    assert objects["detected"][[where["alone"], where["bright"]]].all()
    assert all(meaning_of(name) for name in objects)
    assert objects["missed"][where["faint"]] and not objects["detected"][where["near"]]
    assert sorted(catalogue["true_label"].tolist()) == sorted(
        objects["label"][[where["alone"], where["bright"]]].tolist()
    )
    ratio = catalogue["flux_g"] / catalogue["true_flux_g"]
    assert ratio == pytest.approx(np.ones(2), abs=0.15) and "true_star" not in catalogue


def test_match_says_what_is_missing() -> None:
    mean = gaussian(400.0, 20, 20)
    noisy = Detect(background_mesh=96)(batch(np.stack([mean, mean])[None], rms=3.0), Stream(1))
    bare = noisy.with_table("objects", {"sample": np.array([0])})
    with pytest.raises(InputError, match="put the stage `separate` before it"):
        Match()(bare, Stream(0))
