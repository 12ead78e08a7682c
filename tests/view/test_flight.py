from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mockforge.commands.view import Looked, view_thing
from mockforge.errors import InputError
from mockforge.view.colour import Colours, colours_of
from mockforge.view.flight import Flight, _path, _seen_from, descent_frames, flight_frames
from mockforge.view.movie import encoder_of, in_palette, write_film
from mockforge.view.scales import SkyScales
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
    write_film(tmp_path / "f.gif", iter(frames), 24, None)
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


class Uneven:
    """An endless sky whose light and noise are the same at every level: a step in y, and white noise."""

    coarsest = 2

    def coarse(self, level):
        return Level(level)

    def pixels(self, y0, y1, x0, x1):
        truth = Level(0).truth(y0, y1, x0, x1)
        return Level(0).observed(truth, y0, x0), truth


class Level:
    def __init__(self, level):
        self.level = level

    def truth(self, y0, y1, x0, x1):
        y = (np.arange(y0, y1, dtype=np.float32) + 0.5) * 2**self.level
        return np.broadcast_to(100.0 + 0.01 * y[:, None], (1, y1 - y0, x1 - x0)).astype(np.float32)

    def observed(self, truth, y0, x0):
        rng = np.random.default_rng([self.level, y0 + 2**20, x0 + 2**20])
        return truth + rng.standard_normal(truth.shape).astype(np.float32)


def test_a_flight_from_far_out_has_no_jumps_between_levels():
    scales = SkyScales(Uneven())
    light = [_seen_from(scales, s, (30.0, 4.0), SHORT) for s in 2.0 ** np.linspace(2.0, -1.0, 31)]
    for scale, flux in zip(2.0 ** np.linspace(2.0, -1.0, 31), light, strict=True):
        rows = 30.0 + scale * (np.arange(60) + 0.5 - 30.0)
        assert flux[0].mean(axis=1) == pytest.approx(100.0 + 0.01 * rows, abs=0.7)
        assert 0.3 < (flux[0] - 0.01 * rows[:, None]).std() < 1.05
    assert (scales.window(1, -40, 300, -3, 20)[0, 0, :, 0] == Level(1).truth(-40, 300, 0, 1)[0, :, 0]).all()


def test_the_frames_of_a_descent_lead_back_to_the_first():
    scales = SkyScales(Uneven())
    colours = Colours(("r",), (100.0,), (1.0,), ("r",))
    frames = list(descent_frames(scales, colours, "normal", SHORT))
    assert len(frames) == SHORT.frames and {frame.shape for frame in frames} == {(60, 80, 3)}
    turn = 2 * np.pi * np.arange(48) / 48
    y, x = _path(turn, 2.0 ** (1.5 * np.cos(turn)))
    assert np.hypot(y[0] - y[-1], x[0] - x[-1]) < 3 * 2**1.5


def test_the_palette_keeps_cores():
    rng = np.random.default_rng(3)
    frame = (rng.integers(5, 30, (200, 200, 1)) + rng.integers(0, 8, (200, 200, 3))).astype(np.uint8)
    cores = np.linspace(60, 255, 40).astype(np.uint8)
    frame[100, 60:100] = np.stack([cores, cores // 2 + 100, 255 - cores // 3], axis=1)
    off = np.abs(np.asarray(in_palette(frame).convert("RGB")).astype(int) - frame)
    assert off[100, 60:100].mean() < 8 and off.mean() < 3


def test_mp4_without_ffmpeg_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr("mockforge.view.movie.installed", lambda name: False)
    monkeypatch.setattr("mockforge.view.movie.shutil.which", lambda name: None)
    with pytest.raises(InputError, match=r"type: pip install 'mockforge\[movie\]'"):
        encoder_of(tmp_path / "a.mp4")
