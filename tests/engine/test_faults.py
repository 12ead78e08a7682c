"""Builds and repairs under faults: what is ours and what is not, what cannot fit, what is lost."""

from __future__ import annotations

import json
import os
import shutil
import signal
import time
from pathlib import Path

import pytest

from mockforge.engine import limits
from mockforge.engine.build import build, verify
from mockforge.engine.folder import already_finished, remove_all
from mockforge.errors import InputError, MockforgeError
from mockforge.recipe.read import load
from tests.builders.tiny_builds import RECIPE, run, wait_for
from tests.builders.tiny_stages import Noise


@pytest.fixture(autouse=True)
def tiny(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, tiny_stages: None) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(RECIPE)


def made(*overrides: str) -> Path:
    return build("tiny.yaml", "out", ["samples=4", *overrides], workers=1, quiet=1)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_everything_that_is_damaged_is_made_again_with_its_bytes() -> None:
    folder = made()
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


def test_a_damaged_manifest_or_build_says_what_to_type_and_that_works() -> None:
    folder = made()
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


def test_shards_without_manifest_and_build_are_not_replaced_unasked() -> None:
    folder = made()
    for path in folder.iterdir():
        if path.is_file():
            path.unlink()
    with pytest.raises(InputError, match=r"holds 1 shard\(s\) .*manifest.json and build.json are lost"):
        made()
    build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True)
    assert verify(folder) == []


def test_overwrite_removes_only_what_mockforge_wrote() -> None:
    folder = build("tiny.yaml", "out", ["stages.drop.share=0"], workers=1, quiet=1)
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


def test_a_foreign_file_in_place_of_a_shard_is_not_replaced() -> None:
    folder = made()
    (folder / "shards/00001.h5").write_bytes(b"mine")
    with pytest.raises(InputError, match=r"00001\.h5 would be replaced, and nothing says"):
        build("tiny.yaml", "out", ["samples=8"], workers=1, quiet=1, overwrite=True)
    assert (folder / "shards/00001.h5").read_bytes() == b"mine" and (folder / "manifest.json").is_file()


def test_finished_is_found_without_writing(monkeypatch: pytest.MonkeyPatch) -> None:
    made()

    def no(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("mockforge.engine.build.only_build", no)
    monkeypatch.setattr(Path, "mkdir", no)
    assert made() == Path("out")
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
    monkeypatch.setattr(limits, "total_memory", lambda: 32e9)
    monkeypatch.setattr(limits, "free_bytes", lambda folder: 1e12)
    monkeypatch.setattr(Noise, "pixels", lambda stage: 32768)
    begun = time.monotonic()
    with pytest.raises(InputError, match=said):
        build("tiny.yaml", "big", overrides, quiet=1)
    assert time.monotonic() - begun < 2 and not Path("big").exists()


def test_workers_are_as_many_as_memory_holds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    recipe = load("tiny.yaml", ["samples=400"])
    monkeypatch.setattr(Noise, "pixels", lambda stage: 1000)
    monkeypatch.setattr(limits, "total_memory", lambda: 100_000.0)
    monkeypatch.setattr(limits, "_cpus", lambda: 16)
    assert limits.workers_that_fit(recipe, Path("out"), None) == 3
    assert "16 workers need" in capsys.readouterr().err
    with pytest.raises(InputError, match=r"workers: 16 workers need .* use 3 or fewer"):
        limits.workers_that_fit(recipe, Path("out"), 16)


def test_a_disk_that_will_be_full_stops_after_the_first_shard(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_bytes", lambda folder: 1000.0)
    with pytest.raises(MockforgeError, match=r"2 shards that are missing need about .*same command"):
        build("tiny.yaml", "out", workers=1, quiet=1)
    monkeypatch.undo()


def test_a_missing_file_of_a_finished_dataset_is_said_before_anything(tmp_path: Path) -> None:
    folder = made()
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


@pytest.mark.parametrize("name", ["manifest.json", "README.md", "dataset.h5", "shards/00000.h5"])
def test_a_folder_or_a_pipe_in_place_of_a_file_is_named(name: str) -> None:
    folder = made()
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
    (folder / name).rmdir()
    (folder / name).symlink_to("nowhere")
    assert build("tiny.yaml", "out", ["samples=4"], workers=1, quiet=1, overwrite=True) == folder
    assert verify(folder) == []


def test_what_cannot_be_mended_is_not_sent_to_repair() -> None:
    folder = made()
    (folder / "manifest.json").unlink()
    (folder / "croissant.json").unlink()
    with pytest.raises(InputError, match=r"croissant\.json, which has a copy, is damaged too; .*--overwrite"):
        verify(folder, repair=True, quiet=1)
