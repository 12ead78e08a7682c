"""Locks of folders end with the process that holds them, and say what holds them."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from mockforge.errors import InputError, MockforgeError
from mockforge.lock import only_holder
from tests.builders.tiny_builds import ENVIRONMENT

HOLD = """
import sys, time
from pathlib import Path
from mockforge.lock import only_holder
with only_holder(Path(sys.argv[1]), "held"):
    print("holding", flush=True)
    time.sleep(60)
"""


def test_a_lock_is_refused_while_it_is_held_and_free_when_its_holder_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / ".lock"
    words = [sys.executable, "-c", HOLD, str(lock)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as holder:
        try:
            assert holder.stdout is not None and holder.stdout.readline() == "holding\n"
            with (
                pytest.raises(MockforgeError, match=r"^another is at work$"),
                only_holder(lock, "another is at work"),
            ):
                pass
            assert lock.exists()
        finally:
            holder.send_signal(signal.SIGKILL)
            holder.wait()
    with only_holder(lock, "another is at work"):
        assert lock.exists()
    assert not lock.exists()


def test_without_posix_a_sentence_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mockforge.lock.fcntl", None)
    with (
        pytest.raises(InputError, match="on Windows run mockforge in WSL"),
        only_holder(tmp_path / ".lock", ""),
    ):
        pass
