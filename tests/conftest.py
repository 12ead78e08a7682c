"""Fixtures that every room's tests share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from mockforge import registry as stages

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

    before = dict(stages.STAGES)
    tiny_stages.register()
    yield
    stages.STAGES.clear()
    stages.STAGES.update(before)
