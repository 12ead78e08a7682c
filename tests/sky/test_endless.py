"""Endless skies: any window, any order, any number of threads and processes, the same bits."""

from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sky.endless import Endless
from mockforge.sky.layers import light_of
from mockforge.sky.process import Level
from tests.builders.tiny_sky import BlobPainter, BlobProcess, sky

WINDOW = (-90, 110, -60, 140)
PARTS = [(-90, 110, -60, 140), (-90, -89, -60, -59), (-7, 40, 3, 90), (31, 33, 31, 33), (60, 110, -60, 140)]


def cut(window: tuple[int, int, int, int], whole: np.ndarray) -> np.ndarray:
    y0, y1, x0, x1 = window
    return whole[:, y0 - WINDOW[0] : y1 - WINDOW[0], x0 - WINDOW[2] : x1 - WINDOW[2]]


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("threads", [1, 2])
def test_any_window_in_any_order_is_cut_from_any_larger_one(threads: int, one_by_one: bool, monkeypatch):
    monkeypatch.setattr("mockforge.sky.endless._RUN_BYTES", 2**18)  # several runs of blocks
    whole = sky(0, one_by_one).image(*WINDOW)
    assert (whole.max(axis=(1, 2)) > 1).all()
    one = sky(0, one_by_one)
    for window in PARTS[::-1]:
        assert np.array_equal(one.image(*window, threads=threads), cut(window, whole))
        assert np.array_equal(sky(0, one_by_one).image(*window, threads=threads), cut(window, whole))
    assert not np.array_equal(sky(1, one_by_one).image(*WINDOW), whole)


@pytest.mark.parametrize("one_by_one", [False, True])
def test_what_is_kept_changes_no_bit(one_by_one: bool):
    small = Endless(BlobProcess(), BlobPainter(one_by_one=one_by_one), kept_bytes=0)
    for window in PARTS:
        assert np.array_equal(small.image(*window), cut(window, sky(0, one_by_one).image(*WINDOW)))


def test_sources_that_do_not_depend_on_their_company_are_painted_where_they_are_seen(monkeypatch):
    numbers: list[int] = []
    paint = BlobPainter.paint

    def counted(self, sources, side=None):
        numbers.append(len(sources))
        return paint(self, sources, side)

    monkeypatch.setattr(BlobPainter, "paint", counted)
    one = sky(0, True)
    layers = list(one.layers(*WINDOW))
    assert sum(numbers) == len(layers) and len(numbers) == 3  # a time for each side
    one.image(*WINDOW)
    assert len(numbers) == 3


def test_several_threads_cut_one_sky():
    one, whole = sky(), sky().image(*WINDOW)
    windows = PARTS * 4
    with ThreadPoolExecutor(4) as pool:
        for window, image in zip(windows, pool.map(lambda w: one.image(*w), windows), strict=True):
            assert np.array_equal(image, cut(window, whole))


@pytest.mark.parametrize("workers", [1, 4])
def test_processes_paint_the_same_sky(workers: int):
    whole, windows = sky().image(*WINDOW), PARTS[:3]
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for window, image in zip(windows, pool.map(_image, windows), strict=True):
            assert np.array_equal(image, cut(window, whole))


def _image(window: tuple[int, int, int, int]) -> np.ndarray:
    return sky().image(*window)


def test_the_image_is_the_sum_of_its_layers_and_each_has_a_source_and_an_id():
    one = sky()
    layers, sources, ids = list(one.layers(*WINDOW)), one.sources(*WINDOW), one.ids(*WINDOW)
    assert [layer.row for layer in layers] == list(range(len(sources))) and len(ids) == len(sources) > 50
    total = np.zeros((2, 200, 200), dtype=np.float32)
    for layer in layers:
        total[:, layer.y, layer.x] += layer.image
        assert (
            np.array_equal(layer.own_light(), light_of(layer.image)) and layer.own_light().max() <= layer.peak
        )
    assert np.array_equal(total, one.image(*WINDOW))
    assert len(set(ids.tolist())) == len(ids)
    for name, x in zip(ids.tolist(), sources.x.tolist(), strict=True):
        level, by, bx, row = map(int, name.split("/"))
        assert one.block(level, by, bx).sources.x[row] == x
    order = [tuple(map(int, name.split("/"))) for name in ids.tolist()]
    assert order == sorted(order)


def test_a_source_has_one_id_in_every_window_it_touches():
    one = sky()
    ids, part = one.ids(*WINDOW).tolist(), one.ids(0, 30, 0, 30).tolist()
    assert [name for name in ids if name in part] == part and part


@pytest.mark.parametrize("far", [2**40 - 200, -(2**40)])
def test_the_sky_has_no_edges(far: int):
    one = sky()
    whole = one.image(far, far + 100, -far, -far + 100)
    assert np.array_equal(whole[:, 30:60, 20:90], sky().image(far + 30, far + 60, 20 - far, 90 - far))
    assert whole.max() > 0 and len(one.sources(far, far, 5, 5)) == 0


def test_light_beyond_the_reach_is_a_sentence():
    with pytest.raises(
        InputError, match=r"source 1/-1/-1/\d+ .* outside its block of 64, and its level reach"
    ):
        sky(levels=(Level(32, 9), Level(64, 20))).image(0, 10, 0, 10)
    with pytest.raises(InputError, match="reaches 0 pixels or more"):
        Level(32, -1)


def test_a_place_that_is_no_number_is_a_sentence():
    class Broken(BlobProcess):
        def block(self, level, by, bx):
            made = super().block(level, by, bx)
            return replace(made, x=np.full(len(made), 2.0**40))

    with pytest.raises(InputError, match="outside its block"):
        Endless(Broken(number=50.0), BlobPainter()).image(0, 10, 0, 10)
