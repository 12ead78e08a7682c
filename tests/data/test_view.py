"""The joined view, the manifest and verification."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import h5py
import numpy as np
import pytest

from mockforge.data.manifest import read_manifest
from mockforge.data.shards import write_shard
from mockforge.data.verify import bad_shards
from mockforge.data.view import write_view
from mockforge.errors import InputError, MockforgeError
from tests.builders.tiny_datasets import SAVE, blobs


@pytest.fixture
def copy(segmentation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(segmentation, tmp_path / "moved"))


def test_the_view_joins_the_shards_and_may_be_moved(
    copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    batches = [blobs(k) for k in range(3)]
    with h5py.File(copy / "dataset.h5") as file:
        for name in SAVE:
            expected = np.concatenate([b.arrays[name] for b in batches])
            np.testing.assert_array_equal(file[name][()], expected)
            assert file[name].is_virtual
        flux = np.concatenate([b.tables["catalogue"]["flux_r"] for b in batches])
        np.testing.assert_array_equal(file["catalogue/flux_r"][()], flux)
        assert file["catalogue/flux_r"].attrs["unit"] == "nJy"
        assert list(file["sample"]) == list(range(12))
        assert list(file["split"][:4]) == [b"train", b"train", b"val", b"test"]
        assert list(file.attrs["bands"]) == ["g", "r", "Z"]
        assert file.attrs["mockforge_version"]


def test_shards_with_an_empty_table_join(tmp_path: Path) -> None:
    full = blobs(0)
    none = {name: column[:0] for name, column in full.tables["catalogue"].items()}
    empty = blobs(1).with_table("catalogue", none)
    records = [
        write_shard(tmp_path / "shards" / f"{k:05d}.h5", b, SAVE, {}) for k, b in enumerate((empty, full))
    ]
    write_view(tmp_path, records)
    with h5py.File(tmp_path / "dataset.h5") as file:
        assert len(file["catalogue/sed"]) == 9
        assert file["catalogue/sed"][1] == b"elliptical"


def test_shards_that_differ_do_not_join(tmp_path: Path) -> None:
    records = [
        write_shard(tmp_path / "shards" / f"{k:05d}.h5", blobs(k, side=48 + 8 * k), SAVE, {})
        for k in range(2)
    ]
    with pytest.raises(MockforgeError, match=r"00001\.h5: .* has samples of shape"):
        write_view(tmp_path, records)
    assert not list(tmp_path.glob("dataset.h5*"))


def test_verify_finds_what_is_wrong(copy: Path) -> None:
    assert bad_shards(copy) == []
    path = copy / "shards" / "00001.h5"
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    (copy / "shards" / "00002.h5").unlink()
    (copy / "dataset.h5").unlink()
    found = {bad.name: bad.reason for bad in bad_shards(copy)}
    assert set(found) == {"00001.h5", "00002.h5", "dataset.h5"}
    assert found["00001.h5"].startswith("sha256 is")
    assert found["00002.h5"] == found["dataset.h5"] == "missing"
    (copy / "manifest.json").unlink()
    assert [bad.name for bad in bad_shards(copy)] == ["manifest.json"]


def test_a_disk_that_fails_is_a_finding(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr("hashlib.file_digest", failing)  # of the system: a disk that cannot be read
        assert {bad.reason for bad in bad_shards(copy)} == {"unreadable: Input/output error"}
    (copy / "shards").rename(copy / "gone")
    (copy / "shards").write_text("a file")
    assert {bad.reason for bad in bad_shards(copy)} == {"unreadable: Not a directory"}


def test_a_damaged_view_is_found(copy: Path) -> None:
    (copy / "dataset.h5").write_bytes(b"not hdf5")
    assert [bad.name for bad in bad_shards(copy)] == ["dataset.h5"]


def test_manifest_reads_back_and_says_what_is_wrong(copy: Path) -> None:
    manifest = read_manifest(copy)
    assert manifest.samples == 12
    assert manifest.splits == {"train": 6, "val": 3, "test": 3}
    assert manifest.rows() == {"catalogue": 27}
    assert "numpy" in manifest.versions
    (copy / "manifest.json").write_text('{"format": 1}')
    with pytest.raises(InputError, match="missing key 'name'"):
        read_manifest(copy)
    (copy / "manifest.json").write_text("{")
    with pytest.raises(InputError, match="not a manifest"):
        read_manifest(copy)
    (copy / "manifest.json").unlink()
    with pytest.raises(InputError, match=r"unfinished build: .*3 shard.*mockforge build"):
        read_manifest(copy)
    with pytest.raises(InputError, match="no such dataset folder"):
        read_manifest(copy / "nowhere")
    with pytest.raises(InputError, match="not a dataset"):
        read_manifest(copy / "shards")


def test_a_changed_copy_in_the_view_is_found_and_the_shards_are_not_blamed(copy: Path) -> None:
    for column in ("catalogue/flux_r", "catalogue/sed", "sample", "split"):
        kept = (copy / "dataset.h5").read_bytes()
        with h5py.File(copy / "dataset.h5", "r+") as file:
            file[column][7] = file[column][2]
        assert [(b.name, b.reason) for b in bad_shards(copy)] == [
            ("dataset.h5", f"{column} is not that of 0000{0 if '/' in column else 1}.h5")
        ]
        (copy / "dataset.h5").write_bytes(kept)
    with h5py.File(copy / "shards" / "00001.h5", "r+") as file:
        file["catalogue/flux_r"][0] = -1
    assert [b.name for b in bad_shards(copy)] == ["00001.h5"]


def test_equal_shards_give_an_equal_view(copy: Path) -> None:
    before = (copy / "dataset.h5").read_bytes()
    time.sleep(1.1)  # HDF5 keeps times in whole seconds
    write_view(copy, read_manifest(copy).shards)
    assert (copy / "dataset.h5").read_bytes() == before


def test_a_full_disk_is_an_error_and_leaves_the_old_view(copy: Path) -> None:
    """In a process that may write no more than 4 kB to a file."""
    before = (copy / "dataset.h5").read_bytes()
    code = (
        "import resource, sys\n"
        "from mockforge.data.manifest import read_manifest\n"
        "from mockforge.data.view import write_view\n"
        "shards = read_manifest(sys.argv[1]).shards\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"
        "try:\n    write_view(sys.argv[1], shards)\n"
        "except OSError as error:\n    print(error.strerror)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy)], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "File too large\n", "")
    assert (copy / "dataset.h5").read_bytes() == before
    assert not list(copy.glob("*.part"))
