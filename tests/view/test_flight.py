from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mockforge.commands.view import Looked, view_thing
from mockforge.errors import InputError
from mockforge.view.colour import colours_of
from mockforge.view.flight import Flight, flight_frames, write_flight
from tests.view.conftest import Held, field_of

SHORT = Flight(height=60, width=80, frames=48)


def test_frames_move_little_and_the_last_leads_to_the_first(tmp_path) -> None:
    field = Held(field_of(120, 140))
    frames = list(flight_frames(field, colours_of(field), "normal", SHORT))
    assert len(frames) == SHORT.frames
    assert {frame.shape for frame in frames} == {(60, 80, 3)}
    light = np.array(frames, dtype=float)
    steps = np.abs(light - np.roll(light, 1, axis=0)).mean(axis=(1, 2, 3))
    assert steps[0] < 1.5 * steps[1:].max()
    write_flight(tmp_path / "f.gif", iter(frames), SHORT, None)
    with Image.open(tmp_path / "f.gif") as gif:
        gif.seek(SHORT.frames - 1)
        assert gif.size == (80, 60)
        assert gif.info["loop"] == 0


@pytest.mark.parametrize(("name", "says"), [("a.avi", "ends so"), ("a.gif", "a flight needs")])
def test_what_is_refused_leaves_nothing(tmp_path, name, says) -> None:
    field_of(64, 64).write(tmp_path / "f.fits")
    with pytest.raises(InputError, match=says):
        list(view_thing(str(tmp_path / "f.fits"), Looked(flight=tmp_path / name, quiet=True)))
    assert [path.name for path in tmp_path.iterdir()] == ["f.fits"]
