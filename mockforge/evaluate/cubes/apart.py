"""A program of its own for each galaxy: silent, with a time limit, and unable to end the evaluation."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from mockforge.evaluate.cubes.fits import NoFitError
from mockforge.threads import ONE_THREAD


def run_apart(program: str, folder: Path, ask: dict[str, Any], seconds: float) -> dict[str, Any]:
    """Run a file of Python on a folder with `ask.json`, and return its `answer.json`.

    Parameters
    ----------
    program : str
        Path of the file, called with the folder as its only argument.
    folder : Path
        Its own; files that it needs beside lie there.
    ask : dict
        What JSON can say.
    seconds : float
        After these it is ended.

    Raises
    ------
    NoFitError
        It took longer, or ended without an answer; with its last words.
    """
    (folder / "ask.json").write_text(json.dumps(ask))
    try:
        done = subprocess.run(
            [sys.executable, "-P", program, str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=folder,
            env={**os.environ, **ONE_THREAD, "MPLBACKEND": "Agg"},
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise NoFitError(f"took longer than {seconds:g} s") from None
    answer = folder / "answer.json"
    if done.returncode or not answer.exists():
        words = done.stderr.decode(errors="replace").strip().splitlines()
        raise NoFitError(f"failed: {words[-1][:200] if words else f'exit status {done.returncode}'}")
    return json.loads(answer.read_text())
