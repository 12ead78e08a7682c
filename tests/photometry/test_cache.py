"""Tables kept on disk."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from mockforge.photometry.cache import cached_array

TABLE = np.arange(3000.0).reshape(60, 50)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("MOCKFORGE_CACHE", str(tmp_path / "cache"))
    cached_array("key", lambda: TABLE)
    return tmp_path / "cache"


def other() -> np.ndarray:
    return TABLE + 1.0


def test_a_table_is_made_once(folder: Path) -> None:
    np.testing.assert_array_equal(cached_array("key", other), TABLE)
    assert [path.name for path in folder.iterdir()] == ["key.npy"]


@pytest.mark.parametrize("damage", ["bit", "cut", "empty", "gone", "folder", "no digest"])
def test_a_damaged_table_is_made_again(folder: Path, damage: str) -> None:
    path = folder / "key.npy"
    content = bytearray(path.read_bytes())
    content[1000] ^= 1
    if damage in ("gone", "folder"):
        path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "gone":
        path.write_bytes(
            {"bit": content, "cut": content[:5000], "empty": b"", "no digest": content[:-32]}[damage]
        )
    np.testing.assert_array_equal(cached_array("key", other), TABLE + 1.0)
    if damage != "folder":  # which cannot be written to, and is left
        np.testing.assert_array_equal(cached_array("key", lambda: TABLE), TABLE + 1.0)


def test_several_may_write_at_once(folder: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(lambda i: cached_array(f"new{i % 2}", other), range(40)))
    assert all((table == TABLE + 1.0).all() for table in made)
    assert {path.name for path in folder.iterdir()} == {"key.npy", "new0.npy", "new1.npy"}
