"""Workers that are copies of the build's process, and workers that start anew."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from mockforge.engine.build import build
from mockforge.engine.executors import launch


@pytest.mark.parametrize("copied", [False, True])
def test_shards_have_the_same_bytes_however_a_worker_begins(
    whole: Path, monkeypatch: pytest.MonkeyPatch, copied: bool
) -> None:
    if copied and not launch.can_be_copied():
        pytest.skip("the process of these tests has several threads or a GPU: it is not copied")
    monkeypatch.setattr(launch, "can_be_copied", lambda: copied)
    folder = build("tiny.yaml", "out", workers=2, quiet=1)
    for shard in sorted((whole / "shards").iterdir()):
        assert (folder / "shards" / shard.name).read_bytes() == shard.read_bytes()


def test_a_process_with_a_thread_or_a_gpu_is_not_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    end = threading.Event()
    thread = threading.Thread(target=end.wait)
    thread.start()
    try:
        assert not launch.can_be_copied()
    finally:
        end.set()
        thread.join()
    device = tmp_path / "nvidia0"
    device.touch()
    monkeypatch.setattr(launch, "_GPUS", (str(device),))
    handle = os.open(device, os.O_RDONLY)
    try:
        assert not launch.can_be_copied()
    finally:
        os.close(handle)
