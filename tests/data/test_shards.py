"""Shards: equal bytes, faithful values, nothing lost without a word."""

from __future__ import annotations

import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

from mockforge.data.shards import ShardRecord, file_sha256, write_shard
from mockforge.errors import InputError
from tests.builders.tiny_datasets import SAVE, blobs


def test_equal_batches_give_equal_bytes_at_any_time_and_in_any_process(tmp_path: Path) -> None:
    first = write_shard(tmp_path / "00000.h5", blobs(0), SAVE, {"recipe": "r"})
    time.sleep(1.1)  # HDF5 keeps times in whole seconds
    again = write_shard(tmp_path / "b" / "00000.h5", blobs(0), dict(reversed(SAVE.items())), {"recipe": "r"})
    code = (
        "import sys; from pathlib import Path; from tests.builders.tiny_datasets import SAVE, blobs\n"
        "from mockforge.data.shards import write_shard\n"
        "print(write_shard(Path(sys.argv[1]), blobs(0), SAVE, {'recipe': 'r'}).sha256)"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "c.h5")]
    root = Path(__file__).parents[2]
    other = subprocess.run(command, capture_output=True, text=True, check=True, cwd=root)
    assert first == again
    assert other.stdout.strip() == first.sha256 == file_sha256(tmp_path / "00000.h5")
    assert not list(tmp_path.glob("*.part"))


def test_a_shard_is_readable_alone(tmp_path: Path) -> None:
    batch = blobs(1)
    record = write_shard(tmp_path / "00001.h5", batch, SAVE, {"recipe": "text", "seed": 7})
    assert record.rows == {"catalogue": 9}
    assert list(record.splits.items()) == [("train", 2), ("val", 1), ("test", 1)]
    assert ShardRecord.from_json(record.to_json()) == record
    with h5py.File(tmp_path / "00001.h5") as file:
        assert list(file["catalogue"]) == list(batch.tables["catalogue"])
        assert file["catalogue/sed"][1] == b"elliptical"
        assert file["catalogue/flux_r"].attrs["unit"] == "nJy"
        np.testing.assert_array_equal(file["image"][()], batch.arrays["image"])
        np.testing.assert_array_equal(file["instances"][()], batch.arrays["instances"])
        assert file["image"].chunks == (1, 3, 48, 48)
        assert file["image"].compression is None
        assert file["instances"].compression == "gzip"
        assert file["instances"].shuffle
        assert list(file.attrs["bands"]) == ["g", "r", "Z"]
        assert file.attrs["recipe"] == "text"
        assert file.attrs["seed"] == 7
        assert file["split"].dtype == "S8"
        assert file["sample"][0] == 4


@pytest.mark.parametrize(
    ("save", "message"),
    [
        ({"imag": "float32"}, "did you mean 'image'"),
        ({"image": "float31"}, "did you mean 'float32'"),
        ({"image": "int32"}, "values do not fit"),
        ({"instances": "bool"}, "values do not fit"),
        ({"image": "float16"}, "save it as float32"),
    ],
)
def test_what_cannot_be_saved_is_said_and_leaves_no_file(
    tmp_path: Path, save: dict[str, str], message: str
) -> None:
    batch = blobs(0)
    batch = batch.with_arrays(image=batch.arrays["image"] + 1e6)
    with pytest.raises(InputError, match=message):
        write_shard(tmp_path / "00000.h5", batch, save, {})
    assert not list(tmp_path.iterdir())


def test_negative_numbers_do_not_wrap_into_unsigned_ones(tmp_path: Path) -> None:
    batch = blobs(0).with_arrays(instances=np.full((4, 8, 8), -1, dtype=np.int32))
    with pytest.raises(InputError, match="the first is -1"):
        write_shard(tmp_path / "00000.h5", batch, {"instances": "uint32"}, {})
    with pytest.raises(InputError, match="found values of type complex128"):
        odd = {**batch.tables["catalogue"], "what": np.array([1j] * 9)}
        write_shard(tmp_path / "00000.h5", replace(batch, tables={"catalogue": odd}), {}, {})


def test_long_split_names_are_kept_whole(tmp_path: Path) -> None:
    batch = replace(blobs(0), split=np.array(["a-very-long-split"] * 4))
    record = write_shard(tmp_path / "00000.h5", batch, {}, {})
    assert record.splits == {"train": 0, "val": 0, "test": 0, "a-very-long-split": 4}
    with h5py.File(tmp_path / "00000.h5") as file:
        assert file["split"][0] == b"a-very-long-split"
