"""Training in stages: what is done is kept, what changed is done again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sgan.learn.page import write_page
from mockforge.sgan.learn.stages import Learned, Stage, begun, run_stages


def _stages(calls: list[str], last: float = 1.0, breaks: bool = False) -> list[Stage]:
    """Three stages, each of which adds to what the one before it learned."""

    def first(done, folder, report):
        calls.append("first")
        return Learned({"a": np.arange(3.0)}, {"stars": np.int64(3)}, np.zeros((4, 4, 3), np.uint8))

    def second(done, folder, report):
        calls.append("second")
        if breaks:
            raise KeyboardInterrupt
        return Learned({"b": done["first"].arrays["a"] + 1}, {"bands": [{"band": "g", "rms": 1.5}]})

    def third(done, folder, report):
        calls.append("third")
        return Learned({"c": done["second"].arrays["b"] * last}, {"nan": float("nan")})

    return [
        Stage("first", "PSF", {"radius": 3}, first),
        Stage("second", "fit", {}, second),
        Stage("third", "population <all>", {"last": last}, third),
    ]


def _run(stages: list[Stage], folder: Path, subject: str = "field") -> dict[str, Learned]:
    return run_stages(stages, folder, subject, report=lambda *_: None, told=lambda _: None)


def test_finished_stages_are_kept(tmp_path):
    calls: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        _run(_stages(calls, breaks=True), tmp_path)
    assert begun(tmp_path) and calls == ["first", "second"]
    learned = _run(_stages(calls), tmp_path)
    assert calls == ["first", "second", "second", "third"]
    np.testing.assert_array_equal(learned["third"].arrays["c"], [1.0, 2.0, 3.0])
    again = _run(_stages(calls), tmp_path)
    assert calls[4:] == []
    np.testing.assert_array_equal(again["third"].arrays["c"], [1.0, 2.0, 3.0])


def test_a_change_is_followed_from_its_stage_on(tmp_path):
    calls: list[str] = []
    _run(_stages(calls), tmp_path)
    learned = _run(_stages(calls, last=2.0), tmp_path)
    assert calls[3:] == ["third"]
    np.testing.assert_array_equal(learned["third"].arrays["c"], [2.0, 4.0, 6.0])
    _run(_stages(calls, last=2.0), tmp_path, subject="another field")
    assert calls[4:] == ["first", "second", "third"]


def test_a_damaged_stage_is_not_used(tmp_path):
    calls: list[str] = []
    _run(_stages(calls), tmp_path)
    weights = tmp_path / "stages" / "2-second.safetensors"
    raw = bytearray(weights.read_bytes())
    raw[-1] ^= 1
    weights.write_bytes(bytes(raw))
    _run(_stages(calls), tmp_path)
    assert calls[3:] == ["second"]
    (tmp_path / "stages" / "1-first.json").write_text("{")
    with pytest.raises(InputError, match=r"1-first.json: cannot be read .*delete it"):
        _run(_stages(calls), tmp_path)


def test_the_page_shows_what_is_done(tmp_path):
    stages = _stages([])
    _run(stages, tmp_path)
    page = write_page(tmp_path, "my field", stages).read_text()
    assert "stages/1-first.png" in page and "population &lt;all&gt;" in page
    assert "<td>stars</td><td>3</td>" in page and "<td>g</td><td>1.5</td>" in page
