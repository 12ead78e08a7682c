"""A recipe of the cheap stages, and the command that builds it in a process of its own."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from mockforge.engine.build import build
from tests.builders.tiny_stages import registered

RECIPE = """\
name: tiny
seed: 5
samples: 10
shard_size: 4
splits: {train: 0.8, val: 0.2}
stages:
  - noise: {level: {uniform: [0.5, 2]}, shape: {height: 40, width: 40}}
  - bright: {threshold: 1.5}
  - drop: {share: 0.5}
  - stop: {}
save: {image: float32, instances: int32}
"""

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
PROGRAM = """\
import sys
from tests.builders import tiny_stages
from mockforge.cli import app
tiny_stages.register()
app(sys.argv[1:])
"""


def built(folder: Path, *overrides: str) -> Path:
    """The dataset of RECIPE in `folder/out`, built undisturbed by one worker."""
    (folder / "tiny.yaml").write_text(RECIPE)
    with registered():
        return build(folder / "tiny.yaml", folder / "out", overrides, workers=1, quiet=1)


def copied(dataset: Path, to: str = "out") -> Path:
    """A copy of a dataset that a test may change."""
    return Path(shutil.copytree(dataset, to))


def run(*words: str, group: bool = False) -> subprocess.Popen[str]:
    """The command in a process of its own, with `group` the leader of a group of its own."""
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *words],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=group,
        preexec_fn=_hears_ctrl_c,
    )


def _hears_ctrl_c() -> None:
    """Processes begun in the background of a script inherit that Ctrl-C is ignored: not these."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


def wait_for(path: Path) -> None:
    end = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < end, f"{path} did not appear"
        time.sleep(0.02)
