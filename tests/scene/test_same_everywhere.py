"""A scene's windows, and its samples, have the same bits among threads and processes."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context

import numpy as np

from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.scene.model import SceneModel
from mockforge.scene.scene import Scene
from mockforge.stages.scene import SceneTiles
from tests.builders.batches import samples

PSF = Psf(gaussian=Gaussian(fwhm_arcsec=0.12))
MODEL = SceneModel(bands=("F606W",), psf=PSF, faintest=26.0, brightest=22.0, noise=Noise(rms_njy=0.2))
TILES = SceneTiles(
    bands=("F606W",), psf=PSF, faintest=26.0, brightest=22.0, noise=Noise(rms_njy=0.2), tile=64, margin=16,
    isolated=3, amodal=3,
)  # fmt: skip
WINDOWS = [(-60, 90, -30, 120), (-7, 40, 3, 90), (-60, -59, -30, -29), (60, 90, -30, 20)]


def cut(window: tuple[int, int, int, int]) -> np.ndarray:
    y0, y1, x0, x1 = window
    return Scene(MODEL, seed=3)[y0:y1, x0:x1].image


def inside(window: tuple[int, int, int, int], whole: np.ndarray) -> np.ndarray:
    y0, y1, x0, x1 = window
    return whole[:, y0 + 60 : y1 + 60, x0 + 30 : x1 + 30]


def test_threads_cut_one_scene():
    scene, whole = Scene(MODEL, seed=3), cut(WINDOWS[0])
    with ThreadPoolExecutor(4) as pool:
        images = pool.map(lambda w: scene[w[0] : w[1], w[2] : w[3]].image, WINDOWS * 3)
        for window, image in zip(WINDOWS * 3, images, strict=True):
            assert np.array_equal(image, inside(window, whole))
    layers = [list(Scene(MODEL, seed=3).layers(*WINDOWS[0], threads=n)) for n in (1, 2)]
    assert all(np.array_equal(a.image, b.image) for a, b in zip(*layers, strict=True)) and layers[0]


def test_processes_cut_one_scene():
    whole = cut(WINDOWS[0])
    with ProcessPoolExecutor(2, mp_context=get_context("spawn")) as pool:
        for window, image in zip(WINDOWS, pool.map(cut, WINDOWS), strict=True):
            assert np.array_equal(image, inside(window, whole))


def test_a_sample_has_the_same_truth_in_any_company():
    many, one = TILES(samples(3), Stream(5)), TILES(samples(1, first=2), Stream(5))
    for name, array in one.arrays.items():
        assert np.array_equal(array[0], many.arrays[name][2]), name
    mine = many.tables["objects"]["sample"] == 2
    for name, column in one.tables["objects"].items():
        assert np.array_equal(column, many.tables["objects"][name][mine]), name


def test_a_scene_tells_the_truth_of_its_windows():
    scene, window = Scene(MODEL, seed=3), WINDOWS[0]
    image = scene.pixels(*window)[1]
    alone, found = scene.isolated(*window), scene.truth(*window)
    assert len(alone) == len(scene.objects(*window)) + 1 and not alone[-1].any()
    assert np.abs(alone.sum(axis=0, dtype=np.float64) - image).max() < 1e-6 * image.max()
    assert np.array_equal(found.image, image)
    owned = found.visible > 0
    assert np.array_equal(found.visible[owned], alone[:-1].mean(axis=1).argmax(axis=0)[owned] + 1)
    few = scene.isolated(*window, most=2)
    assert len(few) == 3 and few[0].sum() >= few[1].sum() > 0
    deeper = scene.truth(*window, isophote_njy=0.01).visible
    assert (deeper > 0).sum() > owned.sum() > 100
