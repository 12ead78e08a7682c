"""Measured features of cutouts, the cutter, and the classifier on them."""

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.learn.shapes.cutouts import CutoutRule, painted_cutouts, real_cutouts, sky_patches
from mockforge.sgan.learn.shapes.features import feature_names, features
from mockforge.sgan.learn.shapes.two_sample import auc, feature_auc, folds_by_place, real_floor

FWHM = 3.4
NOISE = (10.0, 12.0, 20.0)


def blobs(n, rng, *, bands=3, side=73, lopsided=0.0, shift=0.5):
    """Elongated Gaussians (n, bands, side, side) nJy, sub-pixel centres, one arm heavier by `lopsided`."""
    flux = 8000.0 * np.exp(0.5 * rng.normal(size=n))
    width, q, angle = 2.0 + rng.random(n), 0.7 + 0.3 * rng.random(n), np.pi * rng.random(n)
    dx, dy = rng.uniform(-shift, shift, (2, n))
    line = np.arange(side) - side // 2
    x, y = line[None, None, :] - dx[:, None, None], line[None, :, None] - dy[:, None, None]
    c, s = np.cos(angle)[:, None, None], np.sin(angle)[:, None, None]
    u, v = c * x + s * y, (-s * x + c * y) / q[:, None, None]
    w = width[:, None, None]
    light = np.exp(-0.5 * (u**2 + v**2) / w**2) * (1 + lopsided * np.tanh(u / w) * np.hypot(u, v) / w)
    light = light.clip(0) / light.clip(0).sum((1, 2), keepdims=True)
    colour = np.array([0.5, 1.0, 1.5, *[2.0] * 6])[:bands]
    return torch.from_numpy(flux[:, None, None, None] * colour[:, None, None] * light[:, None]).float()


def noisy(light, rng, noise=NOISE):
    rms = torch.tensor(noise)[:, None, None]
    return light + rms * torch.from_numpy(rng.normal(size=tuple(light.shape))).float()


@pytest.mark.parametrize("bands", [1, 3, 9])
def test_features_do_not_change_when_turned_or_flipped(bands):
    rng = np.random.default_rng(1)
    cutouts = noisy(blobs(6, rng, bands=bands, side=65), rng, (10.0,) * bands)
    measured = features(cutouts, FWHM, (10.0,) * bands)
    assert measured.shape == (6, len(feature_names(bands)))
    for turned in (cutouts.rot90(1, (2, 3)), cutouts.flip(3), cutouts.flip(2).rot90(3, (2, 3))):
        torch.testing.assert_close(features(turned, FWHM, (10.0,) * bands), measured, rtol=2e-3, atol=2e-3)


def test_features_hardly_change_with_a_shift_of_half_a_pixel_or_a_sky_level():
    centred, shifted = (blobs(40, np.random.default_rng(2), side=65, shift=s) for s in (0.0, 0.5))
    scatter = features(centred, FWHM, NOISE).std(0)
    apart = (features(shifted + 50.0, FWHM, NOISE) - features(centred, FWHM, NOISE)).abs().mean(0)
    names = np.array(feature_names(3))
    small = (apart < 0.25 * scatter + 0.02).numpy()
    assert small.all(), names[~small]


def test_features_have_a_gradient_even_of_empty_sky():
    cutouts = torch.zeros(3, 3, 65, 65)
    cutouts[1] = noisy(blobs(1, np.random.default_rng(3), side=65), np.random.default_rng(3))[0]
    cutouts.requires_grad_(True)
    features(cutouts, FWHM, NOISE).sum().backward()
    assert torch.isfinite(cutouts.grad).all() and cutouts.grad[1].abs().sum() > 0


def test_a_lopsided_source_is_asymmetric():
    even, odd = (blobs(20, np.random.default_rng(4), side=65, lopsided=a) for a in (0.0, 0.6))
    column = feature_names(3).index("1.asymmetry")
    assert (features(odd, FWHM, NOISE) - features(even, FWHM, NOISE))[:, column].mean() > 0.05


def test_auc_is_half_for_equals_and_one_for_others():
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=(2, 300, 6))
    folds = rng.integers(0, 5, (2, 300))
    equal = feature_auc(a, b, *folds, Stream(1), seeds=2)
    assert abs(equal.logistic - 0.5) < 4 * equal.logistic_error + 0.02
    other = feature_auc(a, b + 3.0 * (np.arange(6) == 0), *folds, Stream(1), seeds=2)
    assert other.logistic > 0.95 and other.network > 0.95 and other.above(equal) > 5
    wider = feature_auc(a, b * 3, *folds, Stream(1), seeds=2)  # only a network sees a scatter
    assert wider.network > wider.logistic + 0.1 and wider.auc == wider.network
    assert wider.folds.shape == (3, 5) and wider.sources == (300, 300)


def test_auc_counts_ties_half_and_asks_for_enough_sources():
    assert auc(np.array([1.0, 2.0]), np.array([1.0, 0.0])) == pytest.approx(0.875)
    few = np.zeros((10, 3))
    with pytest.raises(InputError, match="at least 40"):
        feature_auc(few, few, np.arange(10), np.arange(10), Stream(1))


def test_folds_by_place_differ_between_neighbouring_blocks():
    y, x = np.mgrid[0:8, 0:8] * 256 + 5
    folds = folds_by_place(x, y)
    assert set(folds.ravel()) == set(range(5))
    assert (folds[1:] != folds[:-1]).all() and (folds[:, 1:] != folds[:, :-1]).all()


@pytest.fixture(scope="module")
def field():
    """Bright sources at random, noise, and their labels."""
    rng = np.random.default_rng(6)
    places = rng.integers(40, 860, (400, 2))
    apart = np.hypot(*(places[:, None] - places[None]).transpose(2, 0, 1)) < 24
    places = places[~(np.tril(apart, -1)).any(1)]
    image = np.zeros((3, 900, 900), dtype=np.float32)
    for (x, y), light in zip(places, blobs(len(places), rng).numpy(), strict=True):
        image[:, y - 36 : y + 37, x - 36 : x + 37] += light
    labels = np.zeros((900, 900), dtype=np.int32)
    for i, (x, y) in enumerate(places):
        labels[y - 6 : y + 7, x - 6 : x + 7] = i + 1
    return noisy(torch.from_numpy(image), rng).numpy(), np.zeros((900, 900), bool), labels, places.T


RULE = CutoutRule(FWHM, NOISE)


def test_sources_are_cut_the_same_way_real_or_painted(field):
    image, mask, labels, places = field
    real = real_cutouts(image, mask, labels, places, RULE)
    assert len(real) > 100 and real.pixels.shape[1:] == (3, 65, 65)
    sky = sky_patches(image, mask, labels, RULE, 200, Stream(7))
    assert sky.pixels.shape == (200, 3, 73, 73)
    made = painted_cutouts(blobs(200, np.random.default_rng(8), shift=2.0), sky, RULE, Stream(9))
    measured = [features(c.turned(Stream(3)).pixels, FWHM, NOISE) for c in (real, made)]
    folds = [folds_by_place(c.x, c.y, 90) for c in (real, made)]
    result = feature_auc(*measured, *folds, Stream(1), seeds=1)
    assert result.logistic < 0.5 + 3 * result.logistic_error + 0.05
    light = blobs(200, np.random.default_rng(8), shift=0.0)
    with_photons = painted_cutouts(light, sky, RULE, Stream(9), (0.1, 1.0, 0.0), select=False)
    without = painted_cutouts(light, sky, RULE, Stream(9), select=False)
    extra = (with_photons.pixels - without.pixels)[:, :, 28:37, 28:37].std((0, 2, 3))
    assert extra[0] > 2 * extra[1] > 0 and extra[2] == 0  # a band of unknown gain has none


def test_the_floor_of_equal_halves_is_near_one_half():
    rng = np.random.default_rng(10)
    x, y = rng.uniform(0, 1000, (2, 400))
    floor = real_floor(rng.normal(size=(400, 5)), x, y, Stream(1), seeds=1)
    assert abs(floor.logistic - 0.5) < 0.12 and sum(floor.sources) == 400


def test_masked_faint_crowded_and_saturated_sources_are_left_out(field):
    image, mask, labels, places = field
    masked = mask.copy()
    masked[:, :450] = True
    some = real_cutouts(image, masked, labels, places, RULE)
    assert 0 < len(some) < len(places[0]) and some.x.min() > 450
    crowded = labels.copy()
    x, y = places[:, 40]
    crowded[y : y + 7, x + 4 : x + 7] = 10_000
    assert 40 not in real_cutouts(image, mask, crowded, places, RULE).rows
    assert len(real_cutouts(image / 1e3, mask, labels, places, RULE)) == 0
    faint = CutoutRule(FWHM, NOISE, most_peak_njy=100.0)
    assert len(real_cutouts(image, mask, labels, places, faint)) == 0


def test_a_field_without_sky_is_refused(field):
    image, mask, labels, _ = field
    with pytest.raises(InputError, match="no 73 x 73 patch"):
        sky_patches(image, mask, np.ones_like(labels), RULE, 5, Stream(1))
