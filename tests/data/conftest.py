"""Finished datasets that the tests of this room share."""

from pathlib import Path

import pytest

from tests.builders.tiny_datasets import PAIRS, SAVE, blobs, pairs, publish


@pytest.fixture(scope="session")
def segmentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished segmentation set; not to be changed."""
    return publish(tmp_path_factory.mktemp("data") / "blobs", blobs, SAVE)


@pytest.fixture(scope="session")
def redshift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of pairs; not to be changed."""
    return publish(tmp_path_factory.mktemp("data") / "redshift", pairs, PAIRS)
