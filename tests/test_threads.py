"""Commands that paint give numerical libraries one thread each; those of networks leave them as they are."""

from __future__ import annotations

import os

import pytest

from mockforge.__main__ import main
from mockforge.threads import ONE_THREAD


def told(monkeypatch: pytest.MonkeyPatch, command: str, **environment: str) -> dict[str, str]:
    """The variables of numerical libraries while a command runs."""
    for name in ONE_THREAD:
        monkeypatch.setenv(name, "")  # so that what it was is put back
        monkeypatch.delenv(name)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    seen: dict[str, str] = {}
    monkeypatch.setattr("mockforge.cli.main", lambda: seen.update(os.environ))
    monkeypatch.setattr("sys.argv", ["mockforge", command])
    main()
    return {name: seen[name] for name in ONE_THREAD if name in seen}


def test_a_painter_has_one_thread_unless_somebody_chose(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told(monkeypatch, "generate") == ONE_THREAD
    assert told(monkeypatch, "generate", OMP_NUM_THREADS="4") == {"OMP_NUM_THREADS": "4"}
    assert told(monkeypatch, "train") == {}
