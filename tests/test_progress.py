"""What a long work says: warnings as sentences."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import warnings
from mockforge.progress import warn_in_sentences
warn_in_sentences()
warnings.warn("the target is sharper", stacklevel=2)
warnings.warn("of a library", RuntimeWarning)
"""


def test_warnings_for_the_user_are_sentences_alone() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True)
    first, second = done.stderr.splitlines()[:2]
    assert first == "warning: the target is sharper"
    assert second.endswith("RuntimeWarning: of a library")
