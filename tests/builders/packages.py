"""Installed packages that add something to mockforge: what a contributor outside of it would publish."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path


def package(folder: Path, name: str, files: Mapping[str, str], entry_points: str) -> Path:
    """Write the package `name` into `folder` as pip leaves an installed one; `folder` goes on the path.

    `files` are its modules (`module.py` -> text), `entry_points` the text of its entry_points.txt.
    Returns `folder`, for `monkeypatch.syspath_prepend` or PYTHONPATH.
    """
    home = folder / name
    home.mkdir(parents=True)
    (home / "__init__.py").touch()
    for file, text in files.items():
        (home / file).write_text(text)
    about = folder / f"{name}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(entry_points)
    return folder
