"""Builds: equal bytes whatever happens, resume, refusal, repair."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from mockforge.engine.build import build, changes, verify
from mockforge.engine.lock import only_build
from mockforge.engine.worker import make_batch, sample_splits
from mockforge.errors import InputError, MockforgeError
from mockforge.recipe.read import load
from tests.builders.tiny_builds import ENVIRONMENT, RECIPE, copied, run, wait_for


def hashes(folder: Path) -> dict[str, str]:
    return {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(folder.glob("shards/*"))}


def test_two_workers_give_the_bytes_of_one(whole: Path) -> None:
    assert build("tiny.yaml", "two", workers=2, quiet=1) == Path("two")
    assert hashes(Path("two")) == hashes(whole)
    assert sorted(hashes(whole)) == ["00000.h5", "00001.h5", "00002.h5"]
    wanted = {"README.md", "croissant.json", "dataset.h5", "manifest.json", "preview.png", "shards"}
    assert {p.name for p in Path("two").iterdir()} == wanted


def test_a_finished_build_is_left_alone(whole: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {p: p.stat().st_mtime_ns for p in whole.rglob("*")}
    build("tiny.yaml", whole)
    assert "already finished" in capsys.readouterr().err
    assert {p: p.stat().st_mtime_ns for p in whole.rglob("*")} == before


def test_kill_9_then_the_same_command_gives_the_same_bytes() -> None:
    words = ("build", "tiny.yaml", f"stages.stop={{at: 4, unless: {Path('go').resolve()}}}", "--out", "out")
    process = run(*words, "--workers", "1")
    wait_for(Path("out/shards/00000.json"))
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not Path("out/manifest.json").exists()
    first = Path("out/shards/00000.h5").stat().st_mtime_ns
    Path("out/shards/00001.h5.part").write_bytes(b"half a shard")
    Path("go").touch()
    again = run(*words, "--workers", "1")
    _, said = again.communicate(timeout=60)
    assert again.returncode == 0, said
    assert "1 of 3 shards are there and right" in said
    assert Path("out/shards/00000.h5").stat().st_mtime_ns == first
    assert not list(Path("out").rglob("*.part")) and not Path("out/build.json").exists()
    assert verify("out") == []
    build("tiny.yaml", "undisturbed", [words[2]], workers=1, quiet=1)
    assert hashes(Path("out")) == hashes(Path("undisturbed"))


def test_ctrl_c_is_a_sentence() -> None:
    process = run("build", "tiny.yaml", "stages.stop.at=4", "--out", "out", "--workers", "1")
    wait_for(Path("out/shards/00000.json"))
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=90)
    assert process.returncode == 130 and "Traceback" not in said
    assert "interrupted: 1 of 3 shards are finished in out; the same command continues from there" in said


def test_a_worker_that_dies_names_the_shard() -> None:
    with pytest.raises(
        MockforgeError, match=r"a worker died while it made shard 1 .*the same command continues"
    ):
        build("tiny.yaml", "out", ["stages.stop={at: 4, how: kill}"], workers=1, quiet=1)
    assert not Path("out/manifest.json").exists()


def test_a_stage_that_fails_is_named() -> None:
    with pytest.raises(MockforgeError, match=r"shard 0: stage 'stop' failed: ZeroDivisionError: one over"):
        build("tiny.yaml", "out", ["stages.stop={at: 0, how: fail}"], workers=1, quiet=1)


def test_bad_input_that_a_stage_finds_leaves_nothing_behind() -> None:
    with pytest.raises(InputError, match=r"shard 0: stage 'stop': a.fits: is truncated"):
        build("tiny.yaml", "out", ["stages.stop={at: 0, how: input}"], workers=1, quiet=1)
    assert not Path("out").exists()


def test_a_script_without_a_main_guard_builds() -> None:
    Path("script.py").write_text(
        "from tests.builders import tiny_stages\ntiny_stages.register()\n"
        "import mockforge\nprint(mockforge.build('tiny.yaml', 'out', workers=2))\n"
    )
    done = subprocess.run(
        [sys.executable, "script.py"], env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "out\n"), done.stderr


def test_a_changed_recipe_is_refused_and_says_what_changed(whole: Path) -> None:
    before = hashes(whole)
    with pytest.raises(InputError) as caught:
        build("tiny.yaml", whole, ["stages.bright.threshold=2", "samples=11"], quiet=1)
    said = str(caught.value)
    assert "samples: 10 -> 11" in said and "stages.bright.threshold: 1.5 -> 2.0" in said
    assert "--out" in said and "--overwrite" in said
    assert hashes(whole) == before


def test_overwrite_replaces_another_recipes_dataset(whole: Path) -> None:
    old = hashes(copied(whole))
    build("tiny.yaml", "out", ["samples=4", "seed=6"], workers=1, overwrite=True, quiet=1)
    new = hashes(Path("out"))
    assert len(old) == 3 and list(new) == ["00000.h5"] and new["00000.h5"] != old["00000.h5"]
    assert verify("out") == []


def test_an_unfinished_build_of_another_recipe_is_refused() -> None:
    with pytest.raises(MockforgeError):
        build("tiny.yaml", "out", ["stages.stop={at: 0, how: fail}"], workers=1, quiet=1)
    with pytest.raises(InputError, match="an unfinished build of another recipe"):
        build("tiny.yaml", "out", quiet=1)


def test_other_files_are_never_mixed_with() -> None:
    Path("mine").mkdir()
    Path("mine/notes.txt").write_text("keep")
    with pytest.raises(InputError, match=r"mine: holds other files \(notes.txt\)"):
        build("tiny.yaml", "mine", quiet=1)
    with pytest.raises(InputError, match="is a file"):
        build("tiny.yaml", "tiny.yaml", quiet=1)
    assert [p.name for p in Path("mine").iterdir()] == ["notes.txt"]


def test_one_build_a_folder() -> None:
    Path("out").mkdir()
    with (
        only_build(Path("out")),
        pytest.raises(MockforgeError, match="another mockforge build is running here"),
    ):
        build("tiny.yaml", "out", quiet=1)


@pytest.mark.parametrize(
    ("fault", "goes_on"), [(errno.ENOLCK, True), (errno.ENOSYS, True), (errno.EIO, False)]
)
def test_a_file_system_without_locks_is_no_obstacle(
    fault: int, goes_on: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    def flock(handle: int, kind: int) -> None:
        raise OSError(fault, os.strerror(fault))

    monkeypatch.setattr("fcntl.flock", flock)
    entered = False
    with contextlib.suppress(OSError), only_build(Path()):
        entered = True
    assert entered == goes_on


def test_verify_repairs_exactly_the_bad_shards(whole: Path) -> None:
    whole = copied(whole)
    before = hashes(whole)
    kept = (whole / "shards/00000.h5").stat().st_mtime_ns
    with (whole / "shards/00001.h5").open("r+b") as file:
        file.seek(5000)
        file.write(b"flipped")
    (whole / "shards/00002.h5").unlink()
    (whole / "dataset.h5").unlink()
    assert [b.name for b in verify(whole)] == ["00001.h5", "00002.h5", "dataset.h5"]
    with pytest.raises(MockforgeError, match="--repair"):
        build("tiny.yaml", whole, quiet=1)
    verify(whole, repair=True, quiet=1)
    assert verify(whole) == [] and hashes(whole) == before
    assert (whole / "shards/00000.h5").stat().st_mtime_ns == kept
    assert not (whole / ".repair").exists()


def test_a_shard_is_whole_and_in_order_after_refills() -> None:
    recipe = load("tiny.yaml")
    batch = make_batch(recipe, 1)
    assert batch.sample.tolist() == [4, 5, 6, 7] and batch.arrays["image"].shape == (4, 3, 40, 40)
    table = batch.tables["galaxy"]
    assert table["sample"].tolist() == [4, 5, 6, 7] and (table["draw"] % 10 == table["sample"]).all()
    assert (table["draw"] >= 10).any()  # some were drawn again
    again = make_batch(recipe, 1)
    assert np.array_equal(batch.arrays["image"], again.arrays["image"])


def test_a_file_that_changes_during_a_build_is_not_mixed_in() -> None:
    Path("level.txt").write_text("1.0")
    words = ["stages.noise.model=level.txt", "stages.stop={at: 0, how: change, unless: level.txt}"]
    with pytest.raises(MockforgeError, match=r"shard 1: level\.txt changed while the dataset was"):
        build("tiny.yaml", "out", words, workers=1, quiet=1)
    assert [p.name for p in Path("out/shards").iterdir()] == ["00000.h5", "00000.json"]


def test_an_endless_refill_is_an_error() -> None:
    with pytest.raises(MockforgeError, match="100 attempts in a row gave no sample"):
        make_batch(load("tiny.yaml", ["stages.drop.share=1"]), 0)


def test_another_stage_changes_no_draw() -> None:
    recipe = load("tiny.yaml", ["stages.drop.share=0"])
    Path("more.yaml").write_text(RECIPE.replace("  - stop", "  - bright: {}\n    name: again\n  - stop"))
    more = load("more.yaml", ["stages.drop.share=0"])
    assert np.array_equal(make_batch(recipe, 0).arrays["image"], make_batch(more, 0).arrays["image"])


@pytest.mark.parametrize(
    ("samples", "wanted"), [(512, [410, 51, 51]), (10, [8, 1, 1]), (4, [2, 1, 1]), (3, [1, 1, 1])]
)
def test_splits_have_exact_shares(samples: int, wanted: list[int]) -> None:
    split = sample_splits(1, samples, (("train", 0.8), ("val", 0.1), ("test", 0.1)))
    assert [int((split == name).sum()) for name in ("train", "val", "test")] == wanted


def test_changes_are_dotted() -> None:
    old = {"a": {"b": [1, 2]}, "stages": [{"x": {"k": 1}}, {"x": {"k": 1}, "name": "y"}]}
    new = {"a": {"b": [1, 3]}, "stages": [{"x": {"k": 1}}, {"x": {"k": 2}, "name": "y"}], "c": 1}
    assert changes(old, new) == ["a.b: [1, 2] -> [1, 3]", "stages.y.k: 1 -> 2", "c: (not there) -> 1"]
