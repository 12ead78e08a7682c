"""Skies on coarser pixels: the same sources with the same light as averaged pixels have, and their noise."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.sgan.paint.sky import Sky
from mockforge.sky.coarse import add_gaussians, averaged, averaged_covariance, binned


@pytest.fixture(scope="module")
def sky():
    return Sky("kids-viking", seed=7)


@pytest.fixture(scope="module")
def pixels(sky):
    return sky.pixels(0, 1024, 0, 1024)


@pytest.mark.parametrize("level", [1, 2, 3])
def test_coarse_pixels_have_the_light_of_averaged_ones(sky, pixels, level):
    f = 2**level
    true = averaged(pixels[1], f)
    coarse = sky.coarse(level).truth(0, 1024 // f, 0, 1024 // f)
    assert coarse.sum(axis=(1, 2)) == pytest.approx(true.sum(axis=(1, 2)), rel=3e-3)
    peak = np.unravel_index(true[1].argmax(), true[1].shape)
    assert coarse[1][peak] == pytest.approx(true[1][peak], rel=1e-2)
    assert np.unravel_index(coarse[1].argmax(), true[1].shape) == peak
    noise = averaged(pixels[0], f) - true
    own = sky.coarse(level).pixels(0, 1024 // f, 0, 1024 // f) - coarse
    assert own.std(axis=(1, 2)) == pytest.approx(noise.std(axis=(1, 2)), rel=0.04)


def test_coarse_windows_have_no_seams_and_leave_the_sky_as_it_was(sky, pixels):
    coarse = sky.coarse(3)
    whole = coarse.pixels(-8, 56, 0, 64)
    parts = [coarse.pixels(-8, 56, x, x + 32) for x in (0, 32)]
    np.testing.assert_allclose(np.concatenate(parts, axis=2), whole, rtol=1e-4, atol=1e-3)
    assert (Sky("kids-viking", seed=7).pixels(0, 64, 0, 64)[0] == pixels[0][:, :64, :64]).all()


def test_a_scene_has_coarse_pixels():
    scene = Scene(SceneModel(faintest=25.0), seed=3)
    true = averaged(scene.pixels(0, 512, 0, 512)[1], 4)
    coarse = scene.coarse(2).truth(0, 128, 0, 128)
    assert coarse.sum() == pytest.approx(true.sum(), rel=0.01)
    assert np.corrcoef(coarse.ravel(), true.ravel())[0, 1] > 0.999


def test_levels_that_are_not_there_are_refused(sky):
    with pytest.raises(InputError, match="levels 0 to"):
        sky.coarse(sky.coarsest + 1)


@pytest.mark.parametrize("level", [1, 5])
def test_edited_sources_are_edited_on_coarse_pixels(sky, level):
    f = 2**level
    box = (-512 // f, 1024 // f, -512 // f, 1024 // f)
    table = sky.sources(128, 384, 128, 384)
    table.sort("flux_r", reverse=True)
    removed, dimmed, moved = table["id"][:3]
    rows = {
        "id": [dimmed, moved, ""],
        "x": [float(table["x"][1]), 700.25, 300.0],
        "y": [float(table["y"][1]), 612.5, 40.0],
        "flux_factor": [0.25, np.nan, np.nan],
        **{f"flux_{b}": [np.nan, np.nan, 5000.0] for b in sky.bands},
    }
    other = sky.without(removed).edit(rows)
    before, after = (s.coarse(level).truth(*box) for s in (sky, other))
    flux = np.array([[row[f"flux_{b}"] for b in sky.bands] for row in table[:2]])
    gained = (after - before).sum(axis=(1, 2), dtype=np.float64) * f**2
    assert gained == pytest.approx(5000.0 - flux[0] - 0.75 * flux[1], rel=0.02)
    change = np.abs(after - before).sum(axis=0)
    ys, xs = [*table["y"][:3], 612.5, 40.0], [*table["x"][:3], 700.25, 300.0]
    rows, columns = np.indices(change.shape)
    near = [np.hypot(rows + box[0] - y / f, columns + box[2] - x / f) for y, x in zip(ys, xs, strict=True)]
    assert change[np.min(near, axis=0) < 80 / f + 2].sum() > 0.97 * change.sum()
    assert (other.coarse(level).truth(40, 60, 400, 420) == sky.coarse(level).truth(40, 60, 400, 420)).all()


def test_a_user_s_sources_have_coarse_pixels(sky):
    rng = np.random.default_rng(4)
    table = {"x": rng.uniform(0, 512, 60), "y": rng.uniform(0, 512, 60)}
    table |= {f"flux_{b}": rng.uniform(200, 9000, 60) for b in sky.bands}
    own = Sky("kids-viking", seed=7, sources=table)
    assert own.coarsest == 5
    truth = own.pixels(-512, 1024, -512, 1024)[1]
    assert truth is not None
    true = averaged(truth, 8)
    coarse = own.coarse(3).truth(-64, 128, -64, 128)
    assert coarse.sum() == pytest.approx(true.sum(), rel=1e-3)
    assert np.corrcoef(coarse.ravel(), true.ravel())[0, 1] > 0.999
    name = own.sources(0, 512, 0, 512)["id"][5]
    flux = sum(own.sources(0, 512, 0, 512)[5][f"flux_{b}"] for b in own.bands)
    lost = coarse.sum() - own.without(name).coarse(3).truth(-64, 128, -64, 128).sum()
    assert 64 * lost == pytest.approx(flux, rel=0.02)


def test_edited_objects_of_a_scene_are_edited_on_coarse_pixels():
    scene = Scene(SceneModel(faintest=25.0), seed=3)
    table = scene.objects(100, 400, 100, 400)
    order = np.argsort(np.asarray(table["magnitude"]))
    names = [str(name) for name in table["id"]]
    other = scene.without(names[order[0]]).edit(
        {"id": [names[order[1]], ""], "x": [250.0, 333.0], "y": [260.0, 77.0],
         "flux": np.array([table["flux"][order[1]], np.full(len(scene.model.bands), 900.0)]),
         "star": [table["star"][order[1]], True]}
    )  # fmt: skip
    box = (-64, 192, -64, 192)
    gained = (other.coarse(2).truth(*box) - scene.coarse(2).truth(*box)).sum(axis=(1, 2)) * 16
    full = [averaged(s.pixels(*(4 * v for v in box))[1], 4) for s in (scene, other)]
    assert gained == pytest.approx((full[1] - full[0]).sum(axis=(1, 2)) * 16, rel=0.02)


def test_gaussians_keep_their_flux_and_place():
    out = np.zeros((1, 40, 40))
    add_gaussians(out, np.array([20.3]), np.array([11.6]), np.array([[7.0]]), np.array([[1.0, 0.3, 2.0]]))
    y, x = np.mgrid[:40, :40]
    assert out.sum() == pytest.approx(7.0)
    assert ((out[0] * y).sum() / 7, (out[0] * x).sum() / 7) == pytest.approx((20.3, 11.6), abs=0.01)


def test_stamps_are_summed_in_coarse_pixels():
    stamp = np.random.default_rng(1).random((2, 6, 6))
    field = np.zeros((2, 16, 16))
    field[:, 3:9, 5:11] = stamp
    out, top, left = binned(stamp, 3, 5, 4)
    high, wide = out.shape[1:]
    np.testing.assert_allclose(
        averaged(field, 4)[:, top : top + high, left : left + wide] * 16, out, rtol=1e-12
    )
    assert out.sum() == pytest.approx(stamp.sum())


def test_the_covariance_of_averaged_pixels():
    white = np.ones((1, 1))
    assert averaged_covariance(white, 4).max() == pytest.approx(1 / 16)
    rng = np.random.default_rng(2)
    kernel = np.array([[0.1, 0.3, 0.1], [0.3, 1.0, 0.3], [0.1, 0.3, 0.1]])
    from scipy.ndimage import convolve
    from scipy.signal import fftconvolve

    noise = averaged(convolve(rng.standard_normal((1024, 1024)), kernel, mode="wrap"), 2)
    expected = averaged_covariance(fftconvolve(np.pad(kernel, 1), kernel, mode="same"), 2)
    middle = expected.shape[0] // 2
    assert noise.var() == pytest.approx(expected[middle, middle], rel=0.02)
    assert (noise[:, 1:] * noise[:, :-1]).mean() == pytest.approx(expected[middle, middle + 1], rel=0.03)


def test_cells_drawn_together_are_those_drawn_alone(sky):
    process = sky._learned.endless.process
    cells = [(0, 0), (-3, 7), (40, -2)]
    for where, together in zip(cells, process.natives(cells), strict=True):
        alone = process.native(*where)
        assert len(alone) and (together.x == alone.x).all() and (together.flux == alone.flux).all()
