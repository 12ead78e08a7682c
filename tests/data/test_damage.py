"""Damage of a dataset's files: named by verify and load, never read without a word, never a traceback."""

from __future__ import annotations

import json
import os
import pickle
import re
import shutil
import threading
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest

import mockforge
from mockforge.data.hdf5 import checked
from mockforge.data.manifest import (
    FORMAT,
    PUBLISHED,
    Manifest,
    content_digest,
    manifest_text,
    read_manifest,
    write_manifest,
)
from mockforge.data.rescue import rescued_manifest
from mockforge.data.shards import file_sha256
from mockforge.data.verify import bad_shards
from mockforge.errors import InputError
from mockforge.rng import Stream


@pytest.fixture
def copy(segmentation: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(segmentation, tmp_path / "copy"))


def flip(path: Path, bit: int) -> None:
    raw = bytearray(path.read_bytes())
    raw[bit // 8] ^= 1 << bit % 8
    path.write_bytes(raw)


def read_all(folder: Path) -> list[np.ndarray]:
    """Every array of every sample, and every column of every table."""
    data = mockforge.load(folder)
    out = [np.asarray(value) for sample in data for value in sample.values()]
    out += [np.asarray(data.table(t)[c]) for t in data.tables for c in data.table(t).colnames]
    data.close()
    return out


def signed(folder: Path, *shards: str) -> None:
    """Record what the files are now, as one who wants a changed dataset to pass would."""
    manifest = read_manifest(folder)
    records = [
        replace(r, sha256=file_sha256(p), bytes=p.stat().st_size)
        if (p := folder / "shards" / r.name).name in shards
        else r
        for r in manifest.shards
    ]
    write_manifest(folder, replace(manifest, shards=tuple(records)))


@pytest.mark.parametrize("name", [*PUBLISHED, "manifest.json", "shards/00001.h5"])
def test_a_flipped_bit_is_named(copy: Path, name: str) -> None:
    before = (copy / name).read_bytes()
    for bit in Stream(3, (name,)).numpy().integers(0, 8 * len(before), 6):
        flip(copy / name, int(bit))
        assert [bad.name for bad in bad_shards(copy)] == [Path(name).name]
        (copy / name).write_bytes(before)


def test_load_reads_no_damaged_values(copy: Path) -> None:
    right = read_all(copy)
    for name in ("shards/00001.h5", "dataset.h5", "manifest.json"):
        before = (copy / name).read_bytes()
        named = 0
        for bit in Stream(4, (name,)).numpy().integers(0, 8 * len(before), 12):
            flip(copy / name, int(bit))
            try:
                for mine, true in zip(read_all(copy), right, strict=True):
                    np.testing.assert_array_equal(mine, true)
            except InputError as error:
                named += 1
                assert Path(name).name in str(error) and "verify --repair" in str(error)
            (copy / name).write_bytes(before)
        assert named == 12 or (name.startswith("shards") and named >= 8)


@pytest.mark.parametrize("what", ["zeropoint_ab", "unit"])
def test_a_changed_attribute_of_the_view_is_found(copy: Path, what: str) -> None:
    with h5py.File(copy / "dataset.h5", "r+") as file:
        file.attrs[what] = 25.0 if what == "zeropoint_ab" else "mJy"
    assert [bad.name for bad in bad_shards(copy)] == ["dataset.h5"]
    with pytest.raises(InputError, match=r"dataset\.h5 .*verify --repair"):
        mockforge.load(copy)


def test_swapped_and_reordered_shards_are_not_read(copy: Path) -> None:
    first, second = copy / "shards/00000.h5", copy / "shards/00001.h5"
    padded = first.read_bytes(), second.read_bytes()
    first.write_bytes(padded[1])
    second.write_bytes(padded[0])
    signed(copy, "00000.h5", "00001.h5")
    with pytest.raises(InputError, match=r"00000\.h5: .*another shard: it holds samples 4 to 7, and should"):
        mockforge.load(copy)[0]
    first.write_bytes(padded[0])
    second.write_bytes(padded[1])
    signed(copy, "00000.h5", "00001.h5")
    text = json.loads((copy / "manifest.json").read_text())
    text["shards"] = text["shards"][::-1]
    (copy / "manifest.json").write_text(json.dumps(text))
    with pytest.raises(InputError, match="contents are not those that were written"):
        mockforge.load(copy)
    (copy / "manifest.json").write_text(json.dumps({**text, "digest": content_digest(text)}))
    with pytest.raises(InputError, match=r"does not refer to the shards|00002\.h5"):
        mockforge.load(copy)[0]


def test_a_shard_of_another_recipe_is_not_read(copy: Path) -> None:
    with h5py.File(copy / "shards/00001.h5", "r+") as file:
        file.attrs["recipe"] = "name: another\n"
    signed(copy, "00001.h5")
    with pytest.raises(InputError, match=r"00001\.h5: unreadable \(it is of another dataset: its recipe"):
        mockforge.load(copy)[5]


def _external(file: h5py.File, place: Path) -> None:
    place.write_bytes(bytes(4 * 3 * 48 * 48 * 4))
    file.create_dataset("image", (4, 3, 48, 48), "f4", external=[(str(place), 0, h5py.h5f.UNLIMITED)])


def _virtual(file: h5py.File, place: Path) -> None:
    with h5py.File(place, "w") as other:
        other["image"] = np.zeros((4, 3, 48, 48), "f4")
    layout = h5py.VirtualLayout((4, 3, 48, 48), "f4")
    layout[:] = h5py.VirtualSource(str(place), "image", (4, 3, 48, 48))
    file.create_virtual_dataset("image", layout)


def _external_link(file: h5py.File, place: Path) -> None:
    with h5py.File(place, "w") as other:
        other["image"] = np.zeros((4, 3, 48, 48), "f4")
    file["image"] = h5py.ExternalLink(str(place), "image")


def _soft_link(file: h5py.File, place: Path) -> None:
    file["image"] = h5py.SoftLink("/truth")


def _text(file: h5py.File, place: Path) -> None:
    file.create_dataset("image", (4,), h5py.string_dtype())


def _wrong_shape(file: h5py.File, place: Path) -> None:
    file["image"] = np.zeros((4, 3, 48, 47), "f4")


def _doubles(file: h5py.File, place: Path) -> None:
    file["image"] = np.zeros((4, 3, 48, 48), "f8")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_external, "has its values in another file"),
        (_virtual, "a view of values in other files"),
        (_external_link, "a link to another place"),
        (_soft_link, "a link to another place"),
        (_text, "is of type object"),
        (_wrong_shape, r"image is float32 \(4, 3, 48, 47\), and should be"),
        (_doubles, "image is float64"),
    ],
)
def test_a_signed_shard_that_leads_elsewhere_is_refused(copy: Path, tmp_path: Path, change, said) -> None:
    with h5py.File(copy / "shards/00001.h5", "r+") as file:
        del file["image"]
        change(file, tmp_path / "elsewhere")
    signed(copy, "00001.h5")
    with pytest.raises(InputError, match=rf"00001\.h5: unreadable \(.*{said}"):
        mockforge.load(copy)[5]


@pytest.mark.parametrize("source", ["../x.h5", "/tmp/x.h5", "shards/../../x.h5", "."])
def test_a_signed_view_that_leads_elsewhere_is_refused(copy: Path, source: str) -> None:
    layout = h5py.VirtualLayout((12, 3, 48, 48), "f4")
    layout[:] = h5py.VirtualSource(source, "image", (12, 3, 48, 48))
    with h5py.File(copy / "dataset.h5", "r+") as file:
        del file["image"]
        file.create_virtual_dataset("image", layout)
    signed(copy)
    with pytest.raises(InputError, match="does not refer to the shards"):
        mockforge.load(copy)
    assert [bad.name for bad in bad_shards(copy)] == ["dataset.h5"]


@pytest.mark.parametrize("name", ["../../x.h5", "/etc/passwd", "x.h5", "00001.h5/../00002.h5", "00001.txt"])
def test_names_of_shards_are_names(copy: Path, name: str) -> None:
    value = json.loads((copy / "manifest.json").read_text())
    value["shards"][0]["name"] = name
    value["digest"] = content_digest(value)
    with pytest.raises(ValueError, match="is not the name of a shard"):
        Manifest.from_json(value)


def test_a_missing_shard_never_reads_as_sky_without_mockforge(copy: Path) -> None:
    (copy / "shards/00001.h5").unlink()
    with h5py.File(copy / "dataset.h5") as file:
        assert np.isnan(file["image"][4:8]).all() and np.isfinite(file["image"][:4]).all()
        assert (file["instances"][4:8] < 0).all()


def test_every_value_has_a_checksum(segmentation: Path) -> None:
    def look(name: str, item: object) -> None:
        if isinstance(item, h5py.Dataset) and not item.is_virtual:
            assert item.fletcher32, name

    for name in ("dataset.h5", "shards/00000.h5"):
        with h5py.File(segmentation / name) as file:
            file.visititems(look)


def test_chunks_are_no_larger_than_hdf5_can_hold() -> None:
    chunk = checked((4, 20, 1 << 15, 1 << 15), 4, rows=1)["chunks"]
    assert 4 * int(np.prod(chunk, dtype=np.int64)) < 1 << 32
    assert checked((0, 3), 8) == checked((3, 0), 8) == {}


def test_the_manifest_has_a_copy_in_croissant(copy: Path) -> None:
    text = (copy / "manifest.json").read_text()
    manifest = read_manifest(copy)
    assert {entry.name for entry in manifest.files} == set(PUBLISHED)
    copied = rescued_manifest(copy)
    assert copied is not None and manifest_text(replace(copied, files=manifest.files)) == text
    flip(copy / "croissant.json", 8 * (copy / "croissant.json").read_text().index("additionalProperty") + 2)
    assert rescued_manifest(copy) is None


def test_a_dataset_of_the_first_format_loads_with_a_note(
    copy: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    value = json.loads((copy / "manifest.json").read_text())
    del value["digest"], value["files"]
    (copy / "manifest.json").write_text(json.dumps({**value, "format": 1}))
    assert len(mockforge.load(copy)) == 12
    assert "made by an older mockforge" in capsys.readouterr().err
    (copy / "README.md").unlink()
    assert [bad.name for bad in bad_shards(copy)] == ["README.md"]
    assert FORMAT == 2


def test_threads_read_while_shards_are_opened_and_closed(many_shards: Path) -> None:
    data = mockforge.load(many_shards)
    right = [data[i]["image"].numpy() for i in range(len(data))]
    wrong: list[object] = []

    def read(start: int) -> None:
        for k in range(60):
            i = (start + 17 * k) % len(right)
            try:
                if not np.array_equal(data[i]["image"].numpy(), right[i]):
                    wrong.append(i)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=read, args=(k,)) for k in range(6)]
    for thread in threads:
        thread.start()
    again = pickle.loads(pickle.dumps(data))
    for thread in threads:
        thread.join()
    assert wrong == [] and np.array_equal(again[7]["image"].numpy(), right[7])


def test_a_name_that_no_folder_can_have_is_a_sentence(tmp_path: Path) -> None:
    for name in ("n" * 300, "a\0b"):
        with pytest.raises(InputError, match="no such dataset folder"):
            mockforge.load(tmp_path / name)
        with pytest.raises(InputError, match="no such dataset folder"):
            bad_shards(tmp_path / name)


@pytest.mark.skipif(not Path("/dev/zero").exists() or os.name != "posix", reason="no such device")
def test_a_manifest_that_is_no_file_is_a_sentence(copy: Path) -> None:
    (copy / "manifest.json").unlink()
    os.mkfifo(copy / "manifest.json")
    with pytest.raises(InputError, match="unfinished build"):
        mockforge.load(copy)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda file: file["image"].attrs.__setitem__("unit", "Jy"), "the unit of image is 'Jy'"),
        (lambda file: file.create_dataset("more", data=[1, 2, 3, 4]), "it holds more"),
        (lambda file: file.attrs.__setitem__("zeropoint_ab", 20.0), "its zeropoint_ab is"),
        (lambda file: file["split"].__setitem__(0, b"other"), "split is not that of|other splits"),
    ],
)
def test_a_signed_change_that_reading_refuses_is_one_that_verify_names(copy: Path, change, said) -> None:
    with h5py.File(copy / "shards/00000.h5", "r+") as file:
        change(file)
    signed(copy, "00000.h5")
    with pytest.raises(InputError, match=said):
        mockforge.load(copy)[0]
    assert any(re.search(said, bad.reason) for bad in bad_shards(copy))
