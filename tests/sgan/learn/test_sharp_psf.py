"""The scene fit through a PSF that the field's pixels undersample."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from mockforge.sgan.instrument.given import from_widths
from mockforge.sgan.learn.fit.windows import SceneImage, derivatives, light_of, windows
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.sources.marks import Marks


@pytest.fixture(scope="module")
def psf():
    return from_widths(1.5, 3.0, 1, None)


def test_the_scene_is_what_the_painter_paints_and_its_slopes_are_its_differences(psf):
    x, y = np.array([50.3, 70.6, 90.0]), np.array([60.4, 44.8, 75.3])
    log_radius, none = np.array([-1.9, 0.3, 1.2]), np.zeros(3)
    shape = torch.from_numpy(np.stack([x, y, log_radius, none, none + 0.2, none], axis=1))
    flux = torch.full((3, 1), 100.0, dtype=torch.float64)
    groups = windows(shape, np.array([32, 48, 64]), 1)
    found = SceneImage(psf, 128, 136).paint(shape, flux, groups)[0].numpy()

    marks = Marks(
        x=x, y=y, flux=flux.numpy(), log_radius=log_radius, e1=none, e2=none + 0.2, log_n=none,
        star=none > 0, shaped=none > 0, z=np.zeros((3, 0), np.float32), mirrored=none > 0,
    )  # fmt: skip
    truth = np.zeros((640, 648))
    for i, image in enumerate(SourcePainter(psf, None, 1e-3).paint_on(marks, 256)):
        top, left = int(np.rint(y[i])) + 128, int(np.rint(x[i])) + 128  # 256 px about the field
        truth[top : top + 256, left : left + 256] += image[0]
    assert np.abs(found - truth[256:384, 256:392]).max() < 2e-3 * truth.max()

    for window in groups:
        slopes = derivatives(shape, window, psf)
        light = light_of(shape, window, psf).numpy()
        np.testing.assert_allclose(slopes[:, :, 0].numpy(), light, atol=1e-6)
        moved = shape.clone()
        moved[:, 0] += 1e-2
        step = ((light_of(moved, window, psf) - slopes[:, :, 0]) / 1e-2).numpy()
        slope = slopes[:, :, 1].numpy()
        assert np.abs(step - slope).max() < 0.03 * np.abs(slope).max()
