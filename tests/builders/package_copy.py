"""A copy of the package, for tests of what one more file in it does."""

from __future__ import annotations

import shutil
from pathlib import Path

import mockforge


def package_copy(site: Path) -> Path:
    """The package without its models in the folder `site`, which is to be on Python's path."""
    source = Path(mockforge.__file__).parent
    shutil.copytree(source, site / "mockforge", ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    return site / "mockforge"
