"""`mockforge view`: what is looked at is told apart by what it is, and refused in a sentence."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mockforge.commands.view import Looked, kind_of, view_thing
from mockforge.errors import InputError
from mockforge.field.field import tan_wcs
from tests.view.conftest import field_of


def test_what_it_is_decides(tmp_path):
    field_of(80, 90).write(tmp_path / "f.fits")
    (tmp_path / "f.fits").rename(tmp_path / "image.dat")
    (tmp_path / "z.zarr").mkdir()
    (tmp_path / "z.zarr" / "zarr.json").write_text("{}")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").write_text("{}")
    found = {
        "kids-viking": "model",
        "scene_xdf_like": "scene",
        "a/model.safetensors": None,
        str(tmp_path / "image.dat"): "file",
        str(tmp_path / "z.zarr"): "file",
        str(tmp_path / "data"): "dataset",
    }
    for what, kind in found.items():
        if kind is None:
            with pytest.raises(InputError, match="no such file, model or recipe"):
                kind_of(what)
        else:
            assert kind_of(what) == kind


def test_what_cannot_be_viewed_is_answered_by_what_can(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    for what, sentence in (
        ("kids-vikng", "did you mean 'kids-viking'"),
        (str(tmp_path), "is a folder, but no dataset, no model and no Zarr"),
        (str(tmp_path / "notes.txt"), "none of what can be viewed; a FITS or Zarr file"),
        (str(tmp_path / "gone.fits"), "no such file"),
    ):
        with pytest.raises(InputError, match=sentence):
            list(view_thing(what, Looked()))


@pytest.mark.parametrize(
    ("looked", "sentence"),
    [
        (Looked(stretches=["fant"]), "--stretch: 'fant'; did you mean 'faint'"),
        (Looked(bands=["g", "r"]), "three bands"),
        (Looked(layered=Path("a.png"), flight=Path("b.gif")), "exclude each other"),
    ],
)
def test_options_that_cannot_be(looked, sentence):
    with pytest.raises(InputError, match=sentence):
        list(view_thing("kids-viking", looked))


def test_a_file_s_viewer_lies_beside_it_and_knows_its_true_sources(tmp_path):
    from astropy.table import Table

    field = field_of(80, 90)
    field.write(tmp_path / "f.fits")
    Table({"id": ["0/0/0/1"], "x": [20.0], "y": [30.0], "flux_g": [5.0]}).write(tmp_path / "f-sources.fits")
    lines = list(view_thing(str(tmp_path / "f.fits"), Looked(quiet=True, stretches=["normal"])))
    assert lines == [str(tmp_path / "f-view" / "index.html")]
    assert (tmp_path / "f-view" / "objects" / "true" / "7" / "0_0.js").is_file()
    config = (tmp_path / "f-view" / "config.js").read_text()
    assert '"name": "true"' in config and str(tan_wcs((80, 90), 0.2).wcs.crval[0]) in config


def test_objects_that_are_not_shown_are_counted(tmp_path):
    from astropy.table import Table

    field_of(80, 90).write(tmp_path / "f.fits")
    table = Table({"id": [1, 2, 3, 4], "x": [20.0, np.nan, 500.0, 40.0], "y": [30.0, 5.0, 5.0, 40.0]})
    table.write(tmp_path / "t.fits")
    looked = Looked(quiet=True, stretches=["normal"], objects=tmp_path / "t.fits")
    lines = list(view_thing(str(tmp_path / "f.fits"), looked))
    said = "2 of its 4 objects are shown; left out: 1 without a place (NaN), 1 outside of the field"
    assert lines[1] == f"{tmp_path / 't.fits'}: {said}"
