"""Samples read by direct chunk are those that HDF5 reads, and their checksums are HDF5's."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np
import pytest

from mockforge.data.chunk_rows import ChunkRows
from mockforge.data.fletcher import fletcher32
from mockforge.data.hdf5 import Unreadable, dataset
from mockforge.data.shards import write_shard
from mockforge.rng import Stream
from tests.builders.batches import samples


@pytest.mark.parametrize("size", [1, 2, 7, 4095, 4096, 4097, 4 * 64 * 1024 + 5, 3 * 4 * 64 * 1024])
@pytest.mark.parametrize("fill", ["random", 0, 255])
def test_the_checksum_is_that_of_hdf5(tmp_path: Path, size: int, fill: str | int) -> None:
    rng = Stream(size).numpy()
    values = (
        rng.integers(0, 256, size).astype(np.uint8) if fill == "random" else np.full(size, fill, np.uint8)
    )
    with h5py.File(tmp_path / "a.h5", "w") as file:
        item = file.create_dataset("a", data=values, chunks=(size,), fletcher32=True)
        file.flush()
        chunk = np.frombuffer(item.id.read_direct_chunk((0,))[1], np.uint8)
    assert fletcher32(chunk[:-4]) == int.from_bytes(chunk[-4:].tobytes(), "little")


TYPES = ("float16", "float32", "float64", "bool", "int8", "int16", "int32", "int64", "uint8", "uint32")


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    """Three samples of 70 x 70 in every type, with numbers that use all of its bytes."""
    rng = Stream(3).numpy()
    arrays = {}
    for name in TYPES:
        kind = np.dtype(name)
        if kind.kind in "iu":
            ends = np.iinfo(kind)
            values = rng.integers(ends.min, ends.max, (3, 70, 70), dtype=kind, endpoint=True)
            values[:, :60] = 1 if name != "int64" else -2  # most of the planes of bytes are zero
        else:
            values = rng.normal(0, 1, (3, 70, 70)).astype(kind)
        arrays[f"a_{name}"] = values
    save = {f"a_{name}": name for name in TYPES}
    write_shard(tmp_path / "00000.h5", samples(3, 0, arrays=arrays, attributes={"unit": "nJy"}), save, {})
    return tmp_path / "00000.h5"


def test_rows_are_those_that_hdf5_reads(shard: Path) -> None:
    with h5py.File(shard) as file:
        for name in TYPES:
            item = dataset(file, f"a_{name}")
            assert ChunkRows.fits(item) == (item[0].nbytes >= 4096)
            if ChunkRows.fits(item):
                rows = ChunkRows(item)
                for row in range(3):
                    np.testing.assert_array_equal(rows.row(row), item[row], strict=True)
                    wide = rows.row(row, np.int64)
                    np.testing.assert_array_equal(wide, item[row])
                    assert wide.dtype == (np.int64 if item.dtype.kind in "iu" else item.dtype)


def test_a_set_of_another_chunking_or_compression_is_left_to_hdf5(tmp_path: Path) -> None:
    values = np.arange(4 * 64 * 64, dtype=np.int32).reshape(4, 64, 64)
    kinds = {
        "rows": {"chunks": (2, 64, 64), "fletcher32": True},
        "unchecked": {"chunks": (1, 64, 64), "compression": "gzip"},
        "lzf": {"chunks": (1, 64, 64), "compression": "lzf", "fletcher32": True},
        "contiguous": {},
    }
    with h5py.File(tmp_path / "a.h5", "w") as file:
        for name, options in kinds.items():
            assert not ChunkRows.fits(file.create_dataset(name, data=values, **options)), name
        other = file.create_dataset("order", data=values.astype(">i4"), chunks=(1, 64, 64), fletcher32=True)
        assert not ChunkRows.fits(other)


@pytest.mark.parametrize("name", ["float32", "int32"])
def test_a_changed_byte_is_found(shard: Path, name: str) -> None:
    with h5py.File(shard) as file:
        item = dataset(file, f"a_{name}")
        place = item.id.get_chunk_info_by_coord((1, 0, 0))
        at = place.byte_offset + place.size // 2
    content = bytearray(shard.read_bytes())
    content[at] ^= 4
    shard.write_bytes(content)
    with h5py.File(shard) as file:
        rows = ChunkRows(dataset(file, f"a_{name}"))
        rows.row(0)
        with pytest.raises(Unreadable, match="do not match their checksum"):
            rows.row(1)
