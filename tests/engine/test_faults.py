"""Builds and repairs under faults: what is ours and what is not, what cannot fit, what is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
import tracemalloc
from pathlib import Path

import pytest

from mockforge.engine import limits
from mockforge.engine.build import build, verify
from mockforge.engine.folder import already_finished, remove_all
from mockforge.errors import InputError, MockforgeError
from mockforge.recipe.read import load
from tests.builders.tiny_builds import copied, run, wait_for


def made(*overrides: str) -> Path:
    return build("tiny.yaml", "out", ["samples=4", *overrides], workers=1, quiet=1)


LARGE = """\
name: large
seed: 5
samples: 400
shard_size: 64
splits: {train: 0.8, val: 0.2}
stages:
  - stamps: {bands: [F606W, F814W], stamp: 128}
save: {truth: float32}
"""


def machine(monkeypatch: pytest.MonkeyPatch, memory: float, disk: float, cpus: int = 2) -> None:
    """What the system says of the machine: bytes of memory, bytes free on the disk, processors."""
    asked, free = os.sysconf, shutil.disk_usage("/")._replace(free=int(disk))
    pages = int(memory / asked("SC_PAGE_SIZE"))
    monkeypatch.setattr(os, "sysconf", lambda name: pages if name == "SC_PHYS_PAGES" else asked(name))
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: free)
    monkeypatch.setattr(os, "sched_getaffinity", lambda process: set(range(cpus)))


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_that_is_damaged_is_made_again_with_its_bytes(small: Path) -> None:
    folder = copied(small)
    before = contents(folder)
    for name in ("README.md", "croissant.json", "preview.png", "dataset.h5", "manifest.json"):
        (folder / name).write_bytes(before[name][:-3] + b"xyz")
    (folder / "preview.png").unlink()
    del before["croissant.json"]  # with its copy of the manifest damaged too, nothing is left to mend from
    with pytest.raises(InputError, match=r"croissant\.json, which has a copy, is damaged too; .*--overwrite"):
        verify(folder, repair=True, quiet=1)
    folder = build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True)
    before = contents(folder)
    for name in ("README.md", "preview.png", "dataset.h5", "manifest.json", "shards/00000.h5"):
        (folder / name).write_bytes(before[name][:-3] + b"xyz")
    assert {bad.name for bad in verify(folder)} == {"manifest.json", "00000.h5", "dataset.h5"}
    mended = verify(folder, repair=True, workers=1, quiet=1)
    assert len(mended) == 5 and all(bad.mended for bad in mended)
    assert contents(folder) == before and verify(folder) == []
    (folder / "manifest.json").unlink()
    assert [bad.mended for bad in verify(folder, repair=True, quiet=1)] == [
        "restored from its copy in croissant.json"
    ]
    assert contents(folder) == before


def test_a_damaged_manifest_or_build_says_what_to_type_and_that_works(small: Path) -> None:
    folder = copied(small)
    (folder / "manifest.json").write_text("{")
    with pytest.raises(InputError, match=r"is damaged .*verify --repair out.*--overwrite"):
        made()
    build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True)
    assert verify(folder) == []
    Path("half/shards").mkdir(parents=True)
    Path("half/build.json").write_text('{"digest": 1, "document": [], "versions"')
    with pytest.raises(InputError, match=r"build\.json: is damaged.*--overwrite"):
        build("tiny.yaml", "half", ["samples=4"], workers=1, quiet=1)
    build("tiny.yaml", "half", ["samples=4"], workers=1, quiet=1, overwrite=True)
    assert verify("half") == []


def test_shards_without_manifest_and_build_are_not_replaced_unasked(small: Path) -> None:
    folder = copied(small)
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    with pytest.raises(InputError, match=r"holds 1 shard\(s\) .*manifest.json and build.json are lost"):
        made()
    build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True)
    assert verify(folder) == []


def test_overwrite_removes_only_what_mockforge_wrote(whole: Path) -> None:
    folder = copied(whole)
    mine = {"shards/notes.txt": b"a", "shards/00077.h5": b"not ours", "shards/a.json": b"{}", "x.part": b"b"}
    for name, content in mine.items():
        (folder / name).write_bytes(content)
    build("tiny.yaml", "out", ["samples=4", "seed=6"], workers=1, quiet=1, overwrite=True)
    after = contents(folder)
    assert mine.items() <= after.items()
    assert "shards/00000.h5" in after and "shards/00001.h5" not in after


@pytest.mark.parametrize(
    "there",
    [
        {"manifest.json": '{"name": "an app"}', "README.md": "mine"},
        {"README.md": "mine"},
        {"shards/00000.h5": "x"},
    ],
)
def test_folders_of_others_are_left_alone(there: dict[str, str]) -> None:
    for name, content in there.items():
        Path("mine", name).parent.mkdir(parents=True, exist_ok=True)
        Path("mine", name).write_text(content)
    for overwrite in (False, True):
        with pytest.raises(InputError, match="--out"):
            build("tiny.yaml", "mine", workers=1, quiet=1, overwrite=overwrite)
    assert {name: Path("mine", name).read_text() for name in there} == there


def test_a_foreign_file_in_place_of_a_shard_is_not_replaced(small: Path) -> None:
    folder = copied(small)
    (folder / "shards/00001.h5").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"00001\.h5 would be replaced, and nothing says"):
        build("tiny.yaml", "out", ["samples=8"], workers=1, quiet=1, overwrite=True)
    assert (folder / "shards/00001.h5").read_bytes() == b"mine" and (folder / "manifest.json").is_file()


def test_finished_is_found_without_writing(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = copied(small)

    def times() -> dict[Path, int]:  # a file that comes and goes, such as a lock, shows in its folder's
        return {p: p.stat().st_mtime_ns for p in (folder, *folder.rglob("*"))}

    def no(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    before = times()
    assert made() == folder and times() == before
    monkeypatch.setattr(Path, "mkdir", no)  # of the system: root may write everywhere
    assert made() == folder
    with pytest.raises(MockforgeError, match="cannot be written: Read-only file system"):
        made("seed=7")


def test_what_cannot_be_left_empty_is_kept_after_bad_input() -> None:
    Path("new/shards").mkdir(parents=True)
    Path("new/build.json").write_text("{}")
    Path("new/mine.txt").write_text("keep")
    remove_all(Path("new"))
    assert [p.name for p in Path("new").iterdir()] == ["mine.txt"]


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (
            (f"samples={2**63 - 1}",),
            r"samples: 9,223,.* should be 1,000,000 at most; set shard_size=",
        ),
        (
            ("samples=10000000000", "shard_size=100000"),
            r"samples: drawing the splits .* needs 250 GB",
        ),
        (
            ("samples=60000000", "shard_size=64"),
            r"samples: 60,000,000 samples .* are free",
        ),
        (
            ("shard_size=8000000", "samples=8000000"),
            r"shard_size: .* needs 1\.0\d TB .*; set shard_size=\d",
        ),
    ],
)
def test_what_this_machine_cannot_hold_is_refused_at_once(
    overrides: tuple[str, ...], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine(monkeypatch, memory=32e9, disk=1e12)
    Path("tiny.yaml").write_text(LARGE)
    tracemalloc.start()
    with pytest.raises(InputError, match=said):
        build("tiny.yaml", "big", overrides, quiet=1)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 1e9 and not Path("big").exists()  # before anything of that size is made


def test_workers_are_as_many_as_memory_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("tiny.yaml").write_text(LARGE)
    recipe = load("tiny.yaml", ["samples=400", "shard_size=4", "stages.stamps.stamp=22"])  # 968 pixels
    machine(monkeypatch, memory=100_000.0, disk=1e12, cpus=16)
    assert limits.workers_that_fit(recipe, Path("out"), None) == 3
    assert "16 workers need" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"workers: 16 workers need .* use 3 or fewer"):
        limits.workers_that_fit(recipe, Path("out"), 16)


def test_a_disk_that_will_be_full_stops_after_the_first_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    machine(monkeypatch, memory=32e9, disk=1000.0)
    with pytest.raises(MockforgeError, match=r"2 shards that are missing need about .*same command"):
        build("tiny.yaml", "out", workers=1, quiet=1)


def test_a_missing_file_of_a_finished_dataset_is_said_before_anything(small: Path, tmp_path: Path) -> None:
    folder = copied(small)
    (folder / "preview.png").unlink()
    with pytest.raises(MockforgeError, match=r"preview\.png is damaged \(missing\); .*--repair"):
        already_finished(folder, load(tmp_path / "tiny.yaml", ["samples=4"]))


def test_sigterm_puts_away_what_was_begun() -> None:
    process = run("build", "tiny.yaml", "stages.stop.at=4", "--out", "out", "--workers", "2")
    wait_for(Path("out/shards/00000.json"))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 143 and "Traceback" not in said and "leaked" not in said
    assert "interrupted: " in said and not Path("out/.lock").exists()


def test_ctrl_c_reaches_the_group_while_workers_start() -> None:
    """As a terminal sends it: to the build and to workers that are still importing."""
    for wait in (0.0, 0.15, 0.4):
        process = run("build", "tiny.yaml", "stages.stop.at=0", "--out", "out", "--workers", "2", group=True)
        wait_for(Path("out/build.json"))
        time.sleep(wait)
        os.killpg(process.pid, signal.SIGINT)
        _, said = process.communicate(timeout=90)
        assert process.returncode == 130 and "Traceback" not in said, said
        assert json.loads(Path("out/build.json").read_text())["digest"]
        shutil.rmtree("out")


NAMES = ("manifest.json", "README.md", "dataset.h5", "shards/00000.h5")


@pytest.mark.parametrize("name", NAMES)
def test_a_folder_or_a_pipe_in_place_of_a_file_is_named(name: str, small: Path) -> None:
    folder = copied(small)
    (folder / name).unlink()
    os.mkfifo(folder / name)  # to open it would wait for a writer without end
    assert any(bad.name == Path(name).name for bad in verify(folder))
    assert all(bad.mended for bad in verify(folder, repair=True, workers=1, quiet=1))
    (folder / name).unlink()
    (folder / name).mkdir()
    for work in (
        lambda: verify(folder, repair=True, quiet=1),
        lambda: build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True),
    ):
        with pytest.raises(InputError, match=rf"{Path(name).name}: is a folder, where a dataset has a file"):
            work()


@pytest.mark.parametrize("names", [NAMES[:3], NAMES[3:]], ids=["all but the shard", "the shard"])
def test_links_to_nowhere_in_place_of_files_are_replaced(names: tuple[str, ...], small: Path) -> None:
    folder = copied(small)
    for name in names:
        (folder / name).unlink()
        (folder / name).symlink_to("nowhere")
    assert build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True) == folder
    assert verify(folder) == []


def test_what_cannot_be_mended_is_not_sent_to_repair(small: Path) -> None:
    folder = copied(small)
    (folder / "manifest.json").unlink()
    (folder / "croissant.json").unlink()
    with pytest.raises(InputError, match=r"croissant\.json, which has a copy, is damaged too; .*--overwrite"):
        verify(folder, repair=True, quiet=1)
