"""The folder of a viewer: complete, or not there."""

from __future__ import annotations

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mockforge.errors import InputError
from mockforge.view.config import PAGE_FILES, LayerOf, ViewConfig
from mockforge.view.folder import FolderLook, write_view
from mockforge.view.outlines import outline_tiles
from mockforge.view.rows import MOST, Place, rows_of, tiles_of
from mockforge.view.tiles import Levels
from tests.view.conftest import Held


def config_of(folder):
    text = (folder / "config.js").read_text()
    return json.loads(text.removeprefix("window.MOCKFORGE_VIEW = ").removesuffix(";\n"))


def catalogue(n=300, seed=1):
    rng = np.random.default_rng(seed)
    return Table(
        {
            "label": np.arange(1, n + 1),
            "x": rng.uniform(0, 699, n), "y": rng.uniform(0, 299, n),
            "flux_g": rng.pareto(1.0, n), "a": np.full(n, 2.0), "b": np.full(n, 1.0),
            "theta": np.full(n, 30.0),
            "kron_radius": np.full(n, 1.5), "mag_g": np.full(n, np.nan), "blended": np.zeros(n, bool),
        }
    )  # fmt: skip


def labels(height=300, width=700):
    out = np.zeros((height, width), np.int32)
    out[10:20, 30:50], out[200:230, 500:520] = 1, 2
    return out


def test_a_folder_holds_all_that_its_page_needs(held, tmp_path):
    catalogue().write(tmp_path / "c.fits")
    fits.PrimaryHDU(labels()).writeto(tmp_path / "seg.fits")
    look = FolderLook(
        stretches=["faint", "normal"], detected=tmp_path / "c.fits", masks=tmp_path / "seg.fits"
    )
    page = write_view(held, tmp_path / "out", "a <b> field", look)
    out = tmp_path / "out"
    assert page == out / "index.html" and {*PAGE_FILES, "config.js", "tiles", "objects"} <= {
        p.name for p in out.iterdir()
    }
    config = config_of(out)
    assert (config["width"], config["height"], config["max_level"]) == (700, 300, 10)
    assert config["stretches"] == {"default": "faint", "choices": ["faint", "normal"]}
    assert [layer["name"] for layer in config["layers"]] == ["colour", "g", "r", "Z"]
    for layer in config["layers"]:
        url = layer["url"].format(stretch="normal", level=9, col=1, row=0)
        assert (out / url).is_file()
    for layer in (*config["objects"], *config["outlines"]):
        for key in layer["tiles"]:
            level, place = key.split("/")
            col, row = place.split("_")
            assert (out / layer["url"].format(level=level, col=col, row=row)).is_file()
    panel = dict(config["panel"])
    assert panel["seed"] == "7" and panel["model"] == "kids-viking" and panel["depth (5σ AB)"] == "g 25.10"
    assert not (tmp_path / "out.part").exists()
    html = "".join((out / name).read_text() for name in ("index.html", "viewer.js", "marks.js", "viewer.css"))
    assert "http://" not in html and "https://" not in html  # nothing from elsewhere


def test_only_a_viewer_of_ours_is_replaced(held, tmp_path):
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    (theirs / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="no viewer of mockforge, not overwritten"):
        write_view(held, theirs, "t")
    assert [p.name for p in theirs.iterdir()] == ["thesis.tex"]
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="is a file"):
        write_view(held, tmp_path / "file", "t")
    for title in ("first", "second"):
        write_view(held, tmp_path / "ours", title, FolderLook(stretches=["normal"]))
    assert config_of(tmp_path / "ours")["title"] == "second"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "ours", "theirs"]


def test_what_cannot_be_shown_leaves_nothing(held, tmp_path):
    fits.PrimaryHDU(labels(20, 20)).writeto(tmp_path / "small.fits")
    fits.PrimaryHDU(labels().astype("f4")).writeto(tmp_path / "float.fits")
    Table({"a": [1.0]}).write(tmp_path / "no_place.fits")
    far = catalogue()
    far["x"] += 1e5
    far.write(tmp_path / "far.fits")
    for look, sentence in (
        (FolderLook(masks=tmp_path / "small.fits"), "20 x 20 pixels"),
        (FolderLook(masks=tmp_path / "float.fits"), "not integers"),
        (FolderLook(masks=tmp_path / "none.fits"), "no such file"),
        (FolderLook(detected=tmp_path / "no_place.fits"), "neither x and y"),
        (FolderLook(detected=tmp_path / "far.fits"), "none of its objects is on the field"),
        (FolderLook(detected=tmp_path / "float.fits"), "cannot be read as a catalogue"),
        (FolderLook(bands=["K"]), "no band 'K'"),
    ):
        with pytest.raises(InputError, match=sentence):
            write_view(held, tmp_path / "out", "t", look)
    assert not any(p.is_dir() for p in tmp_path.iterdir())


def test_a_failure_half_way_leaves_the_older_viewer(held, tmp_path, monkeypatch):
    write_view(held, tmp_path / "out", "older", FolderLook(stretches=["normal"]))
    broken = Held(held.field)
    monkeypatch.setattr(broken, "read", lambda *a, **k: (_ for _ in ()).throw(OSError(28, "No space left")))
    with pytest.raises(OSError, match="No space"):
        write_view(broken, tmp_path / "out", "newer")
    assert config_of(tmp_path / "out")["title"] == "older"
    assert [p.name for p in tmp_path.iterdir()] == ["out"]


def test_tiles_of_objects_hold_the_brightest_and_at_last_all():
    levels, table = Levels(4096, 4096), catalogue(5000)
    table["x"], table["y"] = table["x"] * 5.8, table["y"] * 13.6
    rows = rows_of(table, Place(bands=("g",)))
    coarsest, finest, tiles = tiles_of(rows, levels)
    by_level = {}
    for key, numbers in tiles:
        by_level.setdefault(int(key.split("/")[0]), []).append(numbers)
        assert len(numbers) <= MOST
    assert sorted(by_level) == list(range(coarsest, finest + 1)) and coarsest == 8
    assert sorted(np.concatenate(by_level[finest])) == list(range(5000))
    np.testing.assert_array_equal(by_level[8][0], np.arange(MOST))  # the brightest of all
    brightness = np.sort(np.asarray(table["flux_g"]))[::-1]
    ids = rows.drawn["id"]
    np.testing.assert_array_equal(np.asarray(table["flux_g"])[ids - 1], brightness)


def test_a_tile_of_objects_has_the_rows_that_lie_in_it():
    levels = Levels(300, 700)
    rows = rows_of(Table({"x": [0.0, 699.0, 255.4, 255.6], "y": [299.0, 0.0, 43.6, 43.4]}), Place())
    from mockforge.view.rows import _numbers

    assert _numbers(rows, levels, 10).tolist() == [0, 5, 0, 4]


def test_rows_are_ellipses_of_either_catalogue(held):
    detected = rows_of(catalogue(3), Place(bands=("g",)))
    assert detected.drawn["a"] == pytest.approx(2.5 * 1.5 * 2.0) and "mag_g" not in detected.columns
    true = Table(
        {
            "id": ["0/1/2/3"],
            "ra": [150.0],
            "dec": [2.2],
            "r_e": [0.4],
            "axis_ratio": [0.5],
            "position_angle": [20.0],
        }
    )
    true["r_e"].unit = "arcsec"
    rows = rows_of(true, Place(0.2, held.wcs))
    assert rows.drawn["a"][0] == pytest.approx(4.0) and rows.drawn["b"][0] == pytest.approx(2.0)
    assert (rows.drawn["x"][0], rows.drawn["y"][0]) == pytest.approx((349.5, 149.5), abs=1e-6)
    sent = json.loads(rows.tile(np.array([0])))
    assert dict(zip(sent["columns"], sent["rows"][0], strict=True))["id"] == "0/1/2/3"
    with pytest.raises(InputError, match="no WCS"):
        rows_of(true, Place(0.2))


def test_outlines_are_the_edges_of_masks():
    levels, masks = Levels(300, 700), labels()
    _, tiles = outline_tiles(lambda y0, y1, x0, x1: masks[y0:y1, x0:x1], levels)
    found = dict(tiles)
    around = np.reshape(found["10/0_1"], (-1, 4))  # of object 1: columns 30 to 49, rows 10 to 19
    assert sorted(map(tuple, around.tolist())) == sorted(
        [
            (29.5, 9.5, 49.5, 9.5),
            (29.5, 19.5, 49.5, 19.5),
            (29.5, 19.5, 29.5, 9.5),
            (49.5, 19.5, 49.5, 9.5),
        ]
    )
    assert {key.split("/")[0] for key in found} == {"7", "8", "9", "10"}


@pytest.mark.parametrize("level", [7, 8, 9, 10])
def test_outlines_of_all_tiles_together_close(level):
    """Every corner has an even number of edges, whichever tiles they are in."""
    levels = Levels(2500, 2300)
    rng = np.random.default_rng(3)
    masks = np.kron(rng.integers(0, 3, (50, 46)), np.ones((50, 50), np.int32)).astype(np.int32)
    masks[:40], masks[-40:], masks[:, :40], masks[:, -40:] = 0, 0, 0, 0
    _, tiles = outline_tiles(lambda y0, y1, x0, x1: masks[y0:y1, x0:x1], levels)
    edges = set()
    for key, segments in tiles:
        if int(key.split("/")[0]) == levels.top - (10 - level):
            for x0, y0, x1, y1 in np.reshape(segments, (-1, 4)):
                step = 2.0 ** (10 - level)
                n = round(max(abs(x1 - x0), abs(y1 - y0)) / step)
                for i in range(n):
                    a = (x0 + (x1 - x0) * i / n, y0 + (y1 - y0) * i / n)
                    b = (x0 + (x1 - x0) * (i + 1) / n, y0 + (y1 - y0) * (i + 1) / n)
                    edges.add((min(a, b), max(a, b)))
    step = 2 ** (10 - level)
    thin = masks[::-1][::step, ::step]
    expected = (thin[1:] != thin[:-1]).sum() + (thin[:, 1:] != thin[:, :-1]).sum()
    assert len(edges) == expected


def test_the_configuration_cannot_break_out_of_its_script():
    config = ViewConfig("</script><b>", "folder", 1, 1, 0, (LayerOf("r", "u"),))
    assert "</script" not in config.script()
    assert json.loads(config.to_json())["stretches"]["default"] == "normal"


def test_a_field_s_own_labels_and_mask_are_outlined(tmp_path):
    """Labels beside the image on disk, and pixels that must not be used, without being named."""
    from mockforge.mosaic.read import open_field
    from tests.view.conftest import field_of

    field = field_of(300, 700)
    field.write(tmp_path / "f.fits")
    with fits.open(tmp_path / "f.fits", mode="append") as units:
        units.append(fits.ImageHDU(labels(), name="LABELS"))
        units.append(fits.ImageHDU((labels() == 2).astype(np.uint8), name="MASK"))
    write_view(open_field(tmp_path / "f.fits"), tmp_path / "out", "t", FolderLook(stretches=["normal"]))
    config = config_of(tmp_path / "out")
    found = {one["name"]: one["tiles"] for one in config["outlines"]}
    assert list(found) == ["labels", "mask"]
    assert "10/0_1" in found["labels"] and "10/0_1" not in found["mask"] and "10/1_0" in found["mask"]
