"""Counterfactuals: one source removed, moved, dimmed or added, and every other pixel the same bits."""

import numpy as np
import pytest
from astropy.table import Table

from mockforge.errors import InputError
from mockforge.sky.endless import Endless
from tests.builders.tiny_sky import BlobPainter, BlobProcess, sky

WINDOW = (-20, 80, -10, 90)


@pytest.fixture
def one():
    return sky()


def chosen(one: Endless, k: int = 40) -> str:
    return str(one.ids(*WINDOW)[k])


def lit(one: Endless, *ids: str) -> np.ndarray:
    """Pixels of the window in stamps of these sources."""
    out = np.zeros((100, 100), dtype=bool)
    for name, layer in zip(one.ids(*WINDOW).tolist(), one.layers(*WINDOW), strict=True):
        if name in ids:
            out[layer.y, layer.x] = True
    return out


def same_elsewhere(before: Endless, after: Endless, *ids: str) -> np.ndarray:
    """Image after; asserts that only pixels of these sources' stamps, before or after, differ."""
    pixels, now = before.image(*WINDOW), after.image(*WINDOW)
    away = ~(lit(before, *ids) | lit(after, *ids))
    assert 0 < away.sum() < away.size and np.array_equal(pixels[:, away], now[:, away])
    assert not np.array_equal(pixels, now)
    for window in ((0, 30, 0, 90), (-20, 5, -3, 3)):  # of any window, with two threads
        y, x = (slice(window[i] - WINDOW[i], window[i + 1] - WINDOW[i]) for i in (0, 2))
        assert np.array_equal(after.image(*window, threads=2), now[:, y, x])
    return now


def test_a_source_is_removed_and_the_sum_is_that_of_the_others(one):
    gone = chosen(one)
    after = one.without(gone)
    image = same_elsewhere(one, after, gone)
    total = np.zeros_like(image)
    for name, layer in zip(one.ids(*WINDOW).tolist(), one.layers(*WINDOW), strict=True):
        if name != gone:
            total[:, layer.y, layer.x] += layer.image
    assert np.array_equal(image, total)
    assert gone not in after.ids(*WINDOW) and len(after.sources(*WINDOW)) == len(one.sources(*WINDOW)) - 1
    assert gone in one.ids(*WINDOW)
    ids = [chosen(one, k) for k in (3, 9)]
    both, turns = one.without(np.array(ids)), one.without(ids[1]).without(ids[0])
    assert np.array_equal(both.image(*WINDOW), turns.image(*WINDOW))


def test_a_source_is_dimmed_and_moved(one):
    name = chosen(one)
    k = one.ids(*WINDOW).tolist().index(name)
    source = one.sources(*WINDOW).rows(np.array([k]))
    dim = one.edit({"id": name, "flux_factor": 0.25})
    image = same_elsewhere(one, dim, name)
    without = one.without(name).image(*WINDOW)
    alone = one.image(*WINDOW) - without
    assert image - without == pytest.approx(0.25 * alone, abs=1e-4 * float(alone.max()))
    moved = dim.edit({"id": [name], "x": source.x + 7.0, "y": [np.nan]})
    same_elsewhere(dim, moved, name)
    assert moved.ids(*WINDOW).tolist()[-1] == name
    now = moved.sources(*WINDOW).rows(np.array([-1]))
    assert now.x == source.x + 7.0 and now.y == source.y
    assert now.flux == pytest.approx(0.25 * source.flux)
    assert np.array_equal(moved.without(name).image(*WINDOW), without)


def test_a_source_is_added_alone_whatever_else_is(one):
    new = {"x": [20.0, 31.5], "y": [33.3, 34.0], "flux": [[50.0, 60.0], [5.0, 6.0]], "sigma": [1.2, 2.5]}
    after = one.edit(new | {"id": ["", ""]})
    same_elsewhere(one, after, "added-1", "added-2")
    assert after.ids(*WINDOW).tolist()[-2:] == ["added-1", "added-2"]
    first = one.edit({"id": ""} | {k: v[0] for k, v in new.items()})
    layers = list(first.layers(*WINDOW))[-1], list(after.layers(*WINDOW))[-2]
    assert np.array_equal(layers[0].image, layers[1].image)
    assert np.array_equal(after.without("added-2").image(*WINDOW), first.image(*WINDOW))
    assert np.array_equal(after.without(["added-1", "added-2"]).image(*WINDOW), one.image(*WINDOW))
    assert first.edit(new).ids(*WINDOW).tolist()[-2:] == ["added-2", "added-3"]
    brighter = first.edit({"id": "added-1", "flux_factor": 2.0})
    assert brighter.ids(*WINDOW).tolist() == first.ids(*WINDOW).tolist()


def test_an_empty_table_changes_nothing(one):
    for empty in ({"id": []}, {"id": [], "x": []}, Table(names=("id", "x"), dtype=("U8", "f8"))):
        assert np.array_equal(one.edit(empty).image(*WINDOW), one.image(*WINDOW))


def test_sources_alone_are_at_most_those_there_are(one):
    count = len(one.ids(*WINDOW))
    assert len(one.isolated(*WINDOW, most=10**9)) == count + 1 and len(one.isolated(*WINDOW, most=0)) == 1
    for most in (-1, 1.5, "two", True):
        with pytest.raises(InputError, match="most: should be a whole number of sources"):
            one.isolated(*WINDOW, most=most)


def test_a_truth_that_cannot_be_is_refused_in_a_sentence(one):
    for isophote in (float("nan"), -1.0, float("inf"), "faint"):
        with pytest.raises(InputError, match="isophote_njy: should be nJy per pixel, 0 or more, found"):
            one.truth(*WINDOW, isophote)
    for depth in (0, -1, 1.5):
        with pytest.raises(InputError, match="depth: should be a whole number of sources"):
            one.truth(*WINDOW, 1.0, depth)


def test_a_whole_table_changes_the_rows_that_differ(one):
    sources = one.sources(*WINDOW)
    table = Table({"id": one.ids(*WINDOW), **vars(sources), "area": np.pi * sources.sigma**2})
    assert np.array_equal(one.edit(table).image(*WINDOW), one.image(*WINDOW))
    assert one.edit(table).ids(*WINDOW).tolist() == one.ids(*WINDOW).tolist()
    table["flux"][7] *= 3.0
    after = one.edit(table)
    same_elsewhere(one, after, str(table["id"][7]))
    assert after.ids(*WINDOW).tolist()[-1] == table["id"][7]
    table["x"].unit, table["flux"].unit = "pix", "uJy"
    brighter = one.edit(table).sources(*WINDOW)
    assert brighter.flux[-1] == pytest.approx(1000.0 * sources.flux[sources.x == brighter.x[-1]][0])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"id": "0/0/0/999", "x": 3.0}, r"its block has \d+ sources; sources\(0, 32, 0, 32\)"),
        ({"id": "0/0/0", "x": 3.0}, r"ids are level/by/bx/row.*sources.*objects"),
        ({"id": "7/0/0/1", "x": 3.0}, "levels 0 to 1"),
        ({"id": f"0/{2**38}/0/1", "x": 3.0}, "beyond 2"),
        ({"id": ["0/0/0/0"] * 2, "x": [3.0, 4.0]}, "two rows of the id '0/0/0/0'"),
        ({"id": "0/0/0/0", "fluxes": [[3.0, 1.0]]}, "no 'fluxes' to change; did you mean 'flux'"),
        ({"id": "0/0/0/0", "area": 3.0}, "'area' of source 0/0/0/0 cannot be changed, found 3.0"),
        ({"id": ["0/0/0/0"], "flux": [[3.0, np.nan]]}, "part of its numbers alone"),
        ({"id": ["0/0/0/0"], "flux": [3.0]}, "'flux' of the table of changes has"),
        ({"id": ["0/0/0/0"], "x": [3.0, 4.0]}, "have one length"),
        ({"id": "0/0/0/0", "x": 1e15}, "within 2.40"),
        ({"id": [""], "speed": [1.0]}, "a new source has no 'speed'"),
        ({"id": ["nope"], "x": [3.0]}, "no source has the id 'nope'.* empty id"),
        ({"id": ["0/0/0/0", "0/0/0/1"], "x": ["3.5", "east"]}, "'x' .* should be numbers.* east in row 1"),
        (17, "is an astropy Table, or a dict of columns"),
        (Table({"id": ["0/0/0/0"], "x": [3.0]}, units={"x": "kg"}), "is in kg, not pix"),
    ],
)
def test_a_change_that_cannot_be_is_a_sentence(one, change, words):
    with pytest.raises(InputError, match=words):
        one.edit(change)


def test_what_is_removed_cannot_be_removed_again(one):
    with pytest.raises(InputError, match="has been removed already"):
        one.without("0/0/0/0").without("0/0/0/0")
    with pytest.raises(InputError, match="no source has the id 'supernova'"):
        one.without("supernova")
    with pytest.raises(InputError, match="removed by `without`, and not changed"):
        Endless(BlobProcess(), BlobPainter()).edit({"id": "0/0/0/0", "x": 3.0})
