"""Fixtures that every room's tests share."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from mockforge.registry import STAGES

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real data is not beside this checkout")
    return SHARED


@pytest.fixture(scope="module")
def tiny_stages() -> Iterator[None]:
    """The cheap stages of `tests.builders.tiny_stages`, known to recipes while the tests of a file run."""
    from tests.builders import tiny_stages

    before = dict(STAGES.rows)
    tiny_stages.register()
    yield
    STAGES.rows.clear()
    STAGES.rows.update(before)


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Install a package for one test: `installed(name, {group: {entry: "module:attribute"}}, text)`."""

    def install(name: str, entry_points: Mapping[str, Mapping[str, str]], text: str) -> None:
        place = tmp_path / f"site-{name}"
        about = place / f"{name}-1.0.dist-info"
        about.mkdir(parents=True)
        (place / f"{name}.py").write_text(text)
        (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        lines = [
            line
            for group, entries in entry_points.items()
            for line in (f"[{group}]", *(f"{entry} = {value}" for entry, value in entries.items()))
        ]
        (about / "entry_points.txt").write_text("\n".join(lines) + "\n")
        monkeypatch.syspath_prepend(place)

    return install
