"""Copies of galaxies are found whichever way they are turned; a critic is kept only where it helps."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.field.copies import near_copies
from mockforge.sgan.learn.shapes.two_sample import FeatureAuc
from mockforge.sgan.single.compare import Shown
from mockforge.sgan.single.copies import distance_to
from mockforge.sgan.single.folds import SMOOTH, chosen

SIDE = 63


def _galaxies(angle: np.ndarray, seed: int, flux: float = 1.0) -> Shown:
    """Galaxies with knots of their own, turned by an angle, in a little noise."""
    rng, line = np.random.default_rng(seed), np.arange(SIDE) - SIDE // 2
    y, x = np.meshgrid(line, line, indexing="ij")
    images = []
    for a in angle:
        along, across = x * np.cos(a) + y * np.sin(a), y * np.cos(a) - x * np.sin(a)
        light = np.exp(-np.hypot(along / 9.0, across / 4.0))
        for _ in range(4):
            u, v = rng.normal(0, 7), rng.normal(0, 3)
            light = light + 2.0 * np.exp(-0.5 * ((along - u) ** 2 + (across - v) ** 2) / 2.0**2)
        images.append(flux * light)
    image = np.stack(images)[:, None] + 0.01 * rng.normal(size=(len(angle), 1, SIDE, SIDE))
    n = len(angle)
    return Shown(
        image, np.zeros((n, SIDE, SIDE), bool), np.zeros((n, 2)), angle, np.full(n, 50.0), np.ones((n, 1))
    )


def test_a_turned_and_fainter_copy_is_near_and_another_galaxy_is_not():
    rng = np.random.default_rng(1)
    trained = _galaxies(rng.uniform(-1.5, 1.5, 12), seed=5)
    copies = _galaxies(rng.uniform(-1.5, 1.5, 12), seed=5, flux=0.7)
    others = _galaxies(rng.uniform(-1.5, 1.5, 12), seed=6)
    near, far = distance_to(trained, copies), distance_to(trained, others)
    assert near.max() < 0.2 < far.min()
    assert distance_to(trained, trained).max() < 1e-6


def test_near_copies_are_counted_beyond_the_trend_with_brightness():
    rng = np.random.default_rng(2)
    snr = np.exp(rng.uniform(2, 5, 400))
    floor = snr**-0.5 * np.exp(rng.normal(0, 0.1, 400))
    like = near_copies(rng.permutation(floor), snr, floor, snr)
    same = near_copies(floor, snr, floor, snr)
    assert same.share == pytest.approx(0.05) and same.share <= same.most and same.closest > same.allowed
    copied = near_copies(0.3 * floor, snr, floor, snr)
    assert copied.share > copied.most and like.share > same.share


def _auc(*folds: float) -> FeatureAuc:
    values = np.array(folds)
    return FeatureAuc(float(values.mean()), 0.01, float(values.mean()), 0.01, values[None], (40, 160))


def test_a_critic_is_kept_only_where_galaxies_left_out_say_so():
    before = _auc(0.66, 0.64, 0.65, 0.63, 0.67)
    better, same = _auc(0.58, 0.57, 0.56, 0.58, 0.59), _auc(0.70, 0.60, 0.66, 0.61, 0.66)
    assert chosen({SMOOTH: _auc(0.9, 0.9), 0: before, 40: same, 80: better})[0] == 80
    steps, why = chosen({0: before, 40: same})
    assert steps == 0 and why.startswith("not kept")
    assert chosen({0: before}) == (0, "not tried")
    beyond = _auc(0.36, 0.34, 0.35, 0.33, 0.37)  # as far on the other side is no better
    assert chosen({0: before, 40: beyond})[0] == 0
