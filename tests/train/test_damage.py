"""What becomes of a run whose folder is damaged, full or in use: sentences, and never another result."""

import fcntl
import os
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mockforge.config import config
from mockforge.errors import InputError, MockforgeError
from mockforge.train.config import TrainConfig
from mockforge.train.loop import fit
from mockforge.train.members import kept_members
from mockforge.train.run import LOCK, TrainRecipe, run_training
from tests.builders.tiny_training import SETTINGS, Line


@config
class Recipe(TrainRecipe):
    """A recipe of a line."""

    train: TrainConfig = SETTINGS

    def task(self, recipe_text: str = "") -> Line:
        """The line."""
        return Line()


RECIPE = Recipe(name="line", seed=3)
LONGER = replace(RECIPE, train=replace(SETTINGS, steps=SETTINGS.steps + 2))


@pytest.fixture
def run(tmp_path: Path) -> Path:
    run_training(RECIPE, tmp_path / "run")
    assert not (tmp_path / "run" / LOCK).exists()
    return tmp_path / "run"


def resume(run: Path) -> None:
    run_training(LONGER, run, resume=True)


@pytest.mark.parametrize(
    ("file", "content", "words"),
    [
        ("checkpoint.pt", b"", "checkpoint.pt: not a checkpoint"),
        ("checkpoint.pt", b"PK\x03\x04 not a zip", "checkpoint.pt: not a checkpoint"),
        ("run.json", b"", "run.json: cannot be read"),
        ("run.json", b"[1]", "run.json: is no record of a run"),
        ("run.json", b"\xff", "run.json: cannot be read"),
        ("log.csv", b"", "log.csv:1: is no log of a run"),
        ("log.csv", b"step,loss\nx,1\n", "log.csv:2: is no row of the log"),
        ("log.csv", b"\xff\xfe", "log.csv: cannot be read"),
        ("log.csv", b"step,other\n1,2\n", "has the columns step, other, the run logs"),
    ],
)
def test_a_damaged_file_of_a_run_is_named(run: Path, file: str, content: bytes, words: str):
    (run / file).write_bytes(content)
    with pytest.raises(InputError) as caught:
        resume(run)
    assert words in str(caught.value)
    assert (run / file).read_bytes().startswith(content)


@pytest.mark.parametrize("found", [[1, 2], {"step": 1}, {"networks": 3}, torch.zeros(3)])
def test_a_file_of_torch_that_is_no_checkpoint_is_named(run: Path, found: object):
    torch.save(found, run / "checkpoint.pt")
    with pytest.raises(InputError, match=r"checkpoint\.pt: not a checkpoint"):
        resume(run)


def test_a_flipped_bit_of_a_checkpoint_is_never_loaded(run: Path, tmp_path: Path):
    whole = (run / "checkpoint.pt").read_bytes()
    before = fit(Line(), LONGER.train, 3, run, resume=True).averages["line"].state_dict()
    draw, named = random.Random(5), 0
    for _ in range(60):
        damaged = bytearray(whole)
        place = draw.randrange(len(whole))
        damaged[place] ^= 1 << draw.randrange(8)
        (run / "checkpoint.pt").write_bytes(damaged)
        try:
            after = fit(Line(), LONGER.train, 3, run, resume=True).averages["line"].state_dict()
        except InputError as error:
            assert "checkpoint.pt" in str(error)
            named += 1
        else:  # the bit was in padding, or in what zip archives hold and nobody reads
            assert all(torch.equal(before[key], after[key]) for key in before)
    assert named > 10


def test_an_average_that_was_changed_is_named(run: Path):
    found = torch.load(run / "checkpoint.pt", weights_only=True)
    next(iter(found["averages"]["line"].values())).add_(1e-7)
    torch.save(found, run / "checkpoint.pt")
    with pytest.raises(InputError, match="is damaged"):
        resume(run)


def test_two_runs_in_one_folder_are_refused(run: Path):
    before = (run / "run.json").read_bytes()
    with (run / LOCK).open("w") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        with pytest.raises(MockforgeError, match="another training run is active here"):
            resume(run)
    assert (run / "run.json").read_bytes() == before
    resume(run)


def test_a_disk_that_is_full_is_a_sentence_and_keeps_the_checkpoint(run: Path, monkeypatch):
    whole = (run / "checkpoint.pt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", str(run / "checkpoint.pt.part"))

    monkeypatch.setattr(os, "fsync", full)  # of the system: a disk that is full when all is written
    with pytest.raises(MockforgeError, match=r"No space left on device.*continue with --resume"):
        resume(run)
    assert (run / "checkpoint.pt").read_bytes() == whole
    assert not list(run.glob("*.part"))


def test_members_are_checked_and_foreign_files_left_alone(tmp_path: Path):
    ensemble = replace(SETTINGS, steps=10, members=3)
    fit(Line(), ensemble, 3, tmp_path)
    kept = sorted((tmp_path / "members").glob("*.safetensors"))
    (tmp_path / "members" / "mine.safetensors").write_bytes(b"")
    fit(Line(), ensemble, 3, tmp_path, resume=True)
    assert (tmp_path / "members" / "mine.safetensors").exists()
    raw = bytearray(kept[0].read_bytes())
    raw[-1] ^= 1
    kept[0].write_bytes(raw)
    with pytest.raises(InputError, match="is damaged"):
        kept_members(tmp_path, [int(kept[0].stem)])


def test_a_name_of_a_model_is_a_name(tmp_path: Path):
    with pytest.raises(InputError, match="name of the model"):
        run_training(replace(RECIPE, name="../../x"), tmp_path / "run")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("file", ["checkpoint.pt", "run.json", "log.csv"])
def test_a_pipe_in_place_of_a_file_of_a_run_is_not_waited_for(run: Path, file: str):
    (run / file).unlink()
    os.mkfifo(run / file)
    with pytest.raises(InputError, match=rf"{file}: is no regular file but a pipe"):
        resume(run)
