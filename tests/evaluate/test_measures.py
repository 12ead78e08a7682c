"""Each measure against a known answer."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import ks_2samp, wasserstein_distance

from mockforge.evaluate.sky.classifier import auc, classify
from mockforge.evaluate.sky.counts import completeness_limit, ks_distance, ks_probability
from mockforge.evaluate.sky.floor import Compared, Pick, Settings, interleaved, snake
from mockforge.evaluate.sky.memory import nearest
from mockforge.evaluate.sky.morphology import measure_shapes, wasserstein
from mockforge.evaluate.sky.noise import LAGS, noise_of, radial, spikes, surroundings
from mockforge.evaluate.sky.sample import Sample, measure_sample
from mockforge.evaluate.sky.spatial import SEPARATIONS, clustering, difference, error, modulo
from mockforge.rng import Stream

RNG = Stream(5, ("measures",))


def white(seed: int, height: int = 512, width: int = 512) -> np.ndarray:
    return Stream(seed, ("white",)).numpy().standard_normal((1, height, width)).astype(np.float32)


def sampled(image: np.ndarray, side: int = 64) -> Sample:
    return measure_sample([image], ("r",)[: len(image)], side=side)


def everything(sample: Sample) -> Pick:
    return Pick(sample, np.arange(len(sample.blocks)))


def test_ks_equals_scipys():
    rng = RNG.child("ks").numpy()
    a, b = rng.normal(size=70), np.round(rng.normal(0.4, size=90), 1)  # with ties
    assert ks_distance(a, b) == pytest.approx(ks_2samp(a, b).statistic)
    assert ks_probability(a, b) == pytest.approx(ks_2samp(a, b, method="asymp").pvalue)
    assert ks_distance(a, b[:4]) == np.inf and ks_probability(a, b[:4]) == 0.0


def test_the_completeness_limit_is_where_counts_turn_over():
    """dN/dm 10^(0.3 m) cut by a steep completeness curve at 24: the product peaks near 23.8."""
    rng = RNG.child("limit").numpy()
    m = 18 + np.log10(1 + rng.uniform(size=60_000) * (10 ** (0.3 * 8) - 1)) / 0.3
    seen = rng.uniform(size=len(m)) < 1 / (1 + np.exp((m - 24.0) / 0.15))
    fine = np.linspace(22, 25, 3001)
    peak = fine[np.argmax(10 ** (0.3 * fine) / (1 + np.exp((fine - 24.0) / 0.15)))]
    assert completeness_limit(m[seen]) == pytest.approx(peak, abs=0.15)
    assert completeness_limit(m[:10]) == np.inf


def test_sets_of_a_floor_are_disjoint_interleaved_and_of_equal_size():
    sample = sampled(white(1))
    splits = interleaved(sample, sample, Settings(splits=20), RNG.child("splits").numpy())
    rows = sample.blocks[:, 1]
    for a, b in splits.floor:
        assert not np.intersect1d(a.blocks, b.blocks).size
        assert len(a.blocks) == len(b.blocks) == 32
        assert abs(rows[a.blocks].mean() - rows[b.blocks].mean()) < 1  # pairs lie in one row
    steps = np.abs(np.diff(sample.blocks[snake(sample.blocks)][:, 1:], axis=0)).sum(axis=1)
    assert (steps == 64).all()


def test_autocorrelation_of_filtered_noise_is_the_filters():
    raw = white(2)[0]
    image = (raw + 0.5 * np.roll(raw, 1, axis=1) - 0.25 * np.roll(raw, 2, axis=0))[None]
    sample = sampled(image.astype(np.float32))
    found = noise_of(sample, sample).autocorrelation(everything(sample), 0)
    norm = 1 + 0.5**2 + 0.25**2
    wanted = {(0, 1): 0.5, (0, -1): 0.5, (2, 0): -0.25, (2, -1): -0.125, (0, 2): 0.0, (1, 0): 0.0}
    for (dy, dx), value in wanted.items():
        assert found[dy, LAGS + dx] == pytest.approx(value / norm, abs=0.015)


def test_radial_power_of_filtered_noise_is_the_transfer_function():
    raw = white(3)[0]
    image = sum(np.roll(raw, (j, i), (0, 1)) for j in (-1, 0, 1) for i in (-1, 0, 1))[None]
    one, two = sampled(white(4)), sampled((image / 3).astype(np.float32))
    noise = noise_of(one, two)
    f, flat = radial(noise.spectrum(everything(one), 0))
    box = radial(noise.spectrum(everything(two), 0))[1]
    fy, fx = np.fft.fftfreq(64)[:, None], np.fft.rfftfreq(64)[None]
    transfer = ((1 + 2 * np.cos(2 * np.pi * fy)) * (1 + 2 * np.cos(2 * np.pi * fx)) / 3) ** 2
    wanted = radial(transfer)[1]
    assert flat[f > 0.05] == pytest.approx(np.ones((f > 0.05).sum()), abs=0.1)
    low = (f > 0.05) & (f < 0.25)
    # 1.5 sigma connected pixels of correlated noise count as sources, which takes power away
    assert box[low] / box[low].mean() == pytest.approx(wanted[low] / wanted[low].mean(), rel=0.2)


def test_white_noise_has_no_lattice_and_an_injected_grating_is_found():
    plain = white(6, 512, 512)
    x = np.arange(512)
    marked = plain + 0.25 * np.cos(2 * np.pi * x / 8)[None, None].astype(np.float32)
    one, two = sampled(plain), sampled(marked)
    noise = noise_of(one, two)
    assert noise.spike(everything(one), 0) < 1.6
    assert noise.spike(everything(two), 0) > 5
    assert noise.in_phase(everything(one), 0) < 12
    assert noise.in_phase(everything(two), 0) > 40  # of 64 blocks


def test_the_lattice_test_looks_at_either_axis():
    flat = np.ones((64, 33))
    assert (spikes(surroundings(flat)) == 1.0).all()
    for y, x in ((8, 0), (32, 0), (0, 16), (0, 32), (0, 4)):
        spiked = flat.copy()
        spiked[y, x] = 3.0
        assert spikes(surroundings(spiked)).max() == 3.0
    flat[5, 0] = 3.0
    assert (spikes(surroundings(flat)) == 1.0).all()


def test_modulo_finds_a_lattice_of_positions():
    rng = RNG.child("modulo").numpy()
    even = rng.uniform(0, 1000, 4000)
    assert modulo(even) == pytest.approx(1.0, abs=0.6)
    assert modulo(16 * rng.integers(0, 60, 4000) + rng.normal(8, 3, 4000)) > 20
    assert modulo(even[:9]) == np.inf


def test_clustering_is_zero_for_random_points_and_not_for_pairs():
    rng = RNG.child("pairs").numpy()
    mask = np.zeros((600, 600), dtype=bool)
    mask[:, 200:300] = True
    points = rng.uniform(0, 600, (900, 2))
    points = points[~mask[tuple(points.astype(int).T)]]
    w = clustering([points], [mask], rng)
    assert np.abs(w[0] / error(w)).max() < 3.5
    twins = np.concatenate([points, points + rng.normal(0, 4, points.shape)])
    paired = clustering([twins], [mask], rng)
    extra = len(points) * (np.exp(-(4**2) / 32) - np.exp(-(8**2) / 32))  # twins 4 to 8 pixels apart
    chance = len(twins) ** 2 / 2 * np.pi * (8**2 - 4**2) / np.count_nonzero(~mask)
    assert paired[0, 0] == pytest.approx(extra / chance, rel=0.25)
    assert difference(w, paired) > 3
    assert difference(w, w) == 0.0 and len(w[0]) == len(SEPARATIONS) - 1


def test_wasserstein_is_scipys_in_units_of_the_scatter():
    rng = RNG.child("w").numpy()
    a, b = rng.normal(size=(50, 2)), rng.normal(0.5, 2, size=(40, 2))
    found = wasserstein(a, b, np.array([1.0, 2.0]))
    assert found == pytest.approx(
        [wasserstein_distance(a[:, 0], b[:, 0]), wasserstein_distance(a[:, 1], b[:, 1]) / 2]
    )


def test_shapes_of_a_round_exponential_disk():
    yy, xx = np.mgrid[:128, :128] - 64.0
    disk = 3000 * np.exp(-np.hypot(yy, xx) / 4.0)
    sample = sampled((white(8, 128, 128) + disk[None]).astype(np.float32))
    row = int(np.argmax(sample.table["snr"]))
    found = measure_shapes(sample, np.array([row])).values[0]
    assert found[0] == pytest.approx(1.678 * 4.0, rel=0.05)  # half-light radius of an exponential
    assert found[1] < 0.05  # ellipticity
    assert found[2] == pytest.approx(2.7, abs=0.15)  # concentration 5 lg(r80 / r20)
    assert abs(found[5]) < 0.1  # asymmetry


def test_a_turned_and_shifted_copy_is_found(real):
    one = measure_sample([real.image], real.bands, side=64)
    turned = np.ascontiguousarray(np.rot90(real.image[:, 20:340, 33:353], 1, (1, 2))[..., ::-1])
    copy = measure_sample([turned], real.bands, side=64)
    bright = np.flatnonzero(copy.table["snr"] > 40)
    found = nearest(copy, bright, one, np.arange(len(one.table["x"])), apart=False)
    assert np.median(found.distance) < 0.02
    mine = np.flatnonzero(one.table["snr"] > 40)
    other = nearest(one, mine, one, np.arange(len(one.table["x"])), apart=True)
    assert other.distance.min() > 5 * np.median(found.distance)


def test_auc_counts_pairs():
    rng = RNG.child("auc").numpy()
    score, positive = np.round(rng.normal(size=60), 1), rng.integers(0, 2, 60).astype(bool)
    up, down = score[positive][:, None], score[~positive][None]
    assert auc(score, positive) == pytest.approx((up > down).mean() + 0.5 * (up == down).mean())


def test_the_classifier_parts_what_differs_and_nothing_else():
    settings = Settings(classifier_epochs=6, classifier_folds=3)
    one = sampled(white(10, 320, 320))
    same, other = sampled(white(11, 320, 320)), sampled(1.25 * white(12, 320, 320))
    alike = classify(everything(one), everything(same), settings, RNG.child("a"))
    unlike = classify(everything(one), everything(other), settings, RNG.child("b"))
    assert alike is not None and unlike is not None
    assert alike.mean == pytest.approx(0.5, abs=0.2)
    assert unlike.mean > 0.95
    again = classify(everything(one), everything(other), settings, RNG.child("b"))
    assert again is not None and np.allclose(again.auc, unlike.auc, atol=0.02)


def test_what_the_real_field_does_not_define_fails_nothing():
    found = Compared(0.3, 0.1, np.array([np.inf]), float("nan"))
    assert found.row("D")["floor 50%"] == np.inf and found.verdict("D", 1.5).passed is True
    known = Compared(0.3, 0.1, np.arange(101) / 100, 0.0)
    assert known.row("D")["floor 95%"] == pytest.approx(0.95) and known.limit(2.0) == pytest.approx(1.9)
