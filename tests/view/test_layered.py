from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mockforge.commands.view import Looked, view_thing
from mockforge.errors import InputError
from mockforge.view.colour import colours_of
from mockforge.view.layered import Layers, PaintedSky, layered_flux, layered_picture
from tests.builders.held import HeldField
from tests.view.conftest import Held, field_of

SMALL = Layers(side=64, count=16, coarsest=2.0)


def test_the_seed_decides_the_picture() -> None:
    field = HeldField(field_of(300, 400))
    colours = colours_of(field)
    first, again, other = (layered_picture(field, colours, "normal", seed, SMALL) for seed in (1, 1, 2))
    assert first.shape == (64, 64, 3)
    assert first.dtype == np.uint8
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_windows_do_not_grow_with_the_field() -> None:
    field = Held(field_of(600, 900))
    layered_flux(field, (0.0,) * 3, SMALL, np.random.default_rng(1))
    assert 0 < field.largest <= (SMALL.coarsest * SMALL.side) ** 2


def test_layers_of_a_flat_light_add_as_stated_and_unknown_is_sky() -> None:
    flat = field_of(200, 200, sources=0)
    flat.image[:] = 3.0
    flux = layered_flux(HeldField(flat), (1.0,) * 3, SMALL, np.random.default_rng(1))
    assert flux == pytest.approx(np.full(flux.shape, 2.0 * SMALL.count**0.5), rel=1e-5)
    flat.image[:] = np.nan
    assert not layered_flux(HeldField(flat), (1.0,) * 3, SMALL, np.random.default_rng(1)).any()


def test_a_sky_is_painted_around_its_origin() -> None:
    asked = []

    class Asked:
        def __getitem__(self, where):
            asked.append(where)
            return field_of(where[0].stop - where[0].start, where[1].stop - where[1].start)

    assert PaintedSky(Asked(), 1000).read(490, 510, 500, 540).shape == (3, 20, 40)
    assert asked[-1] == np.s_[-10:10, 0:40]


def test_the_command_writes_a_png_of_a_file(tmp_path) -> None:
    field_of(128, 128).write(tmp_path / "f.fits")
    png = tmp_path / "layered.png"
    assert list(view_thing(str(tmp_path / "f.fits"), Looked(layered=png, quiet=True))) == [str(png)]
    with Image.open(png) as picture:
        assert picture.size == (1024, 1024)


@pytest.mark.parametrize(
    ("name", "side", "says"),
    [("a.jpg", 64, "ends in .png"), ("a.png", 8, "too small"), ("no/a.png", 64, "no such")],
)
def test_what_is_refused_leaves_nothing(tmp_path, name, side, says) -> None:
    field_of(side, side).write(tmp_path / "f.fits")
    with pytest.raises(InputError, match=says):
        list(view_thing(str(tmp_path / "f.fits"), Looked(layered=tmp_path / name, quiet=True)))
    assert [path.name for path in tmp_path.iterdir()] == ["f.fits"]
