"""A scene for the eye: near its exact pixels, without seams, under the same noise."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.scene.model import SceneModel
from mockforge.scene.preview import add_quickly, blurs_of, profile_weights
from mockforge.scene.scene import Scene


@pytest.fixture(scope="module")
def scene():
    return Scene(SceneModel(faintest=26.0), seed=3)


def test_it_is_near_the_exact_pixels_under_the_same_noise(scene):
    box = (0, 256, 0, 256)
    image, truth = scene.pixels(*box)
    shown = scene.preview().pixels(*box)
    near = np.zeros(truth.shape)
    objects = scene.drawn(*box)
    add_quickly(near, scene.model, objects, 0, 0)
    assert near.sum() == pytest.approx(truth.sum(), rel=0.02)
    bright = truth > 0.02 * truth.max()
    assert np.median(np.abs(near[bright] / truth[bright] - 1)) < 0.05
    assert np.corrcoef(near.ravel(), truth.ravel())[0, 1] > 0.999
    if scene.noise is not None and scene.noise.electrons is None:
        assert np.median(np.abs((shown - near) - (image - truth))) < 1e-3 * scene.noise.rms.min()


def test_its_windows_have_no_seams(scene):
    whole = scene.preview().pixels(-64, 192, 0, 256)
    parts = [scene.preview().pixels(-64, 192, x, x + 128) for x in (0, 128)]
    off = np.abs(np.concatenate(parts, axis=2) - whole)
    assert off[:, :, 120:136].max() < 0.02 * whole.max() and np.median(off) < 1e-2 * whole.std()


def test_an_edited_scene_is_previewed_as_edited(scene):
    table = scene.objects(64, 192, 64, 192)
    inside = (np.abs(np.asarray(table["x"]) - 128) < 50) & (np.abs(np.asarray(table["y"]) - 128) < 50)
    name = str(table["id"][int(np.argmin(np.where(inside, np.asarray(table["magnitude"]), 99.0)))])
    box = (64, 192, 64, 192)
    change = scene.preview().pixels(*box) - scene.without(name).preview().pixels(*box)
    exact = scene.pixels(*box)[1] - scene.without(name).pixels(*box)[1]
    assert change.sum() == pytest.approx(exact.sum(), rel=0.05)


def test_profiles_and_psfs_as_gaussians_keep_their_light():
    weights = profile_weights(np.array([[0.5, 1.0], [4.0, 8.0]]))
    assert weights.shape[:2] == (2, 2) and weights.sum(axis=2) == pytest.approx(np.ones((2, 2)))
    blurs = blurs_of(Psf(gaussian=Gaussian(fwhm_arcsec=0.3)), ("F606W", "F814W"), 0.1)
    assert blurs.share.sum(axis=1) == pytest.approx([1.0, 1.0])
    assert (blurs.share @ blurs.variance) == pytest.approx((3.0 / 2.3548) ** 2, rel=0.2)
