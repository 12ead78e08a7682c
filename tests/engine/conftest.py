"""What the tests of builds share: a folder with a small recipe, and its datasets."""

from pathlib import Path

import pytest

from tests.builders.tiny_builds import RECIPE, built


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_stages: None) -> None:
    """Each test begins in a folder of its own that holds `tiny.yaml`."""
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of RECIPE, built undisturbed by one worker; not to be changed."""
    return built(tmp_path_factory.mktemp("whole"))


@pytest.fixture(scope="session")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The dataset of RECIPE with 4 samples, which are one shard; not to be changed."""
    return built(tmp_path_factory.mktemp("small"), "samples=4")
