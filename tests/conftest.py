"""Fixtures that every room's tests share.

What they build with is imported where it is built: torch and h5py take seconds, which neither the process
that shares the suite out nor a test of the command line has to spend.
"""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

SHARED = Path(__file__).parent.parent.parent / "shared" / "data"


WORKERS = 4
"""At most so many processes share the whole suite: each holds torch and galsim in memory."""


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    """Share the whole suite among the CPUs, unless the command line says how (`-n0`, `-p no:xdist`).

    A file, a folder or chosen tests run in one process, which starts in no time and shows prints.
    """
    option = config.option
    whole = [Path(arg).resolve() for arg in config.args] == [Path(__file__).parent]
    ours = getattr(option, "numprocesses", 0) is None and "PYTEST_XDIST_WORKER" not in os.environ
    alone = option.keyword or option.collectonly or option.usepdb or option.capture == "no"
    if ours and whole and not alone:
        cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
        option.numprocesses, option.dist = min(cpus, WORKERS), "worksteal"
        os.environ.setdefault("OMP_NUM_THREADS", "1")  # the workers have a CPU each


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real data beside the project; tests that need it skip where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the real data is not beside this checkout")
    return SHARED


@pytest.fixture(scope="module")
def tiny_stages() -> Iterator[None]:
    """The cheap stages of `tests.builders.tiny_stages`, known to recipes while the tests of a file run."""
    from tests.builders.tiny_stages import registered

    with registered():
        yield


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


@pytest.fixture(scope="session")
def segmentation(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished segmentation set; not to be changed."""
    from tests.builders.tiny_datasets import SAVE, blobs, publish

    return publish(tmp_path_factory.mktemp("data") / "blobs", blobs, SAVE)


@pytest.fixture(scope="session")
def redshift(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of pairs; not to be changed."""
    from tests.builders.tiny_datasets import PAIRS, pairs, publish

    return publish(tmp_path_factory.mktemp("data") / "redshift", pairs, PAIRS)


@pytest.fixture(scope="session")
def many_shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of 70 shards of one sample, more than are open at once; not to be changed."""
    from tests.builders.tiny_datasets import SAVE, blobs, publish

    folder = tmp_path_factory.mktemp("data") / "many"
    return publish(folder, lambda shard: blobs(shard, n=1, side=16), SAVE, shards=70)


@pytest.fixture(scope="session")
def clean_pairs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of 32 noiseless pairs of Sersic galaxies; not to be changed."""
    from tests.builders import tiny_pairs

    return tiny_pairs.publish(tmp_path_factory.mktemp("pairs") / "clean", n=32)


@pytest.fixture(scope="session")
def degraded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished set of 96 degraded images of Gaussian galaxies; not to be changed."""
    from tests.builders import tiny_degraded

    return tiny_degraded.publish(tmp_path_factory.mktemp("degraded") / "tiny", n=96)
