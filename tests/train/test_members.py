"""Averaged weights kept on the way of a run."""

from dataclasses import dataclass, replace

import pytest
import torch

from mockforge.errors import InputError
from mockforge.train.config import TrainConfig
from mockforge.train.loop import fit
from mockforge.train.members import FOLDER, kept_members, member_steps
from mockforge.train.run_record import check_run, record_run
from tests.builders.tiny_training import SETTINGS, Line

ENSEMBLE = replace(SETTINGS, members=3)


def test_members_lie_at_equal_distances_in_the_last_part():
    assert member_steps(TrainConfig(steps=1000)) == (1000,)
    assert member_steps(TrainConfig(steps=1000, members=5)) == (600, 700, 800, 900, 1000)
    assert member_steps(TrainConfig(steps=200, members=20, members_from=0.0)) == tuple(range(10, 201, 10))
    assert member_steps(TrainConfig(steps=4, members=9)) == (2, 3, 4)


def test_a_member_is_the_average_of_its_step(tmp_path):
    task = Line()
    fit(task, ENSEMBLE, 3, tmp_path / "run")
    assert [m.step for m in task.members] == [8, 10]
    for member in task.members:
        short = Line()
        fit(short, replace(SETTINGS, steps=member.step), 3, tmp_path / str(member.step))
        for key, tensor in member.weights["line"].items():
            assert torch.equal(tensor, short.exported[key])


def test_a_stopped_and_resumed_run_has_the_members_of_the_whole_one(tmp_path):
    whole, resumed = Line(), Line()
    fit(whole, ENSEMBLE, 3, tmp_path / "whole")
    stopped = Line(poison=9)
    with pytest.raises(Exception, match="step 9"):
        fit(stopped, ENSEMBLE, 3, tmp_path / "parts")
    fit(resumed, ENSEMBLE, 3, tmp_path / "parts", resume=True)
    assert [m.step for m in resumed.members] == [m.step for m in whole.members]
    for a, b in zip(resumed.members, whole.members, strict=True):
        assert all(torch.equal(b.weights["line"][k], v) for k, v in a.weights["line"].items())


def test_a_run_stopped_early_exports_the_members_it_has(tmp_path):
    task = Line()
    fit(task, replace(ENSEMBLE, steps=9, members=1), 3, tmp_path)
    assert task.members == []
    with pytest.warns(UserWarning, match="nothing kept of steps 8, .* the model has 2 members"):
        fit(task, ENSEMBLE, 3, tmp_path, resume=True)
    assert [m.step for m in task.members] == [10]
    fit(task, replace(ENSEMBLE, minutes=1e-9, steps=24), 3, tmp_path, resume=True)
    assert task.members == []


def test_a_new_run_forgets_the_members_of_an_old_one(tmp_path):
    fit(Line(), ENSEMBLE, 3, tmp_path)
    assert len(list((tmp_path / FOLDER).glob("*.safetensors"))) == 2
    fit(Line(), SETTINGS, 3, tmp_path)
    assert not list((tmp_path / FOLDER).glob("*.safetensors"))


def test_a_damaged_member_and_a_network_without_members_are_input_errors(tmp_path):
    fit(Line(), ENSEMBLE, 3, tmp_path)
    (tmp_path / FOLDER / "0000008.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match=r"0000008.*not a member"):
        kept_members(tmp_path, (8, 10))
    alone = Line()
    alone.ensemble = False
    with pytest.raises(InputError, match=r"train\.members is 3"):
        fit(alone, ENSEMBLE, 3, tmp_path / "alone")


def test_a_resume_may_ask_for_other_members_but_not_for_another_average(tmp_path):
    @dataclass(frozen=True)
    class Recipe:
        train: TrainConfig

    fit(Line(), ENSEMBLE, 3, tmp_path)
    record_run(Recipe(ENSEMBLE), tmp_path, "")
    check_run(Recipe(replace(ENSEMBLE, members=2, members_from=0.2)), tmp_path, resume=True)
    with pytest.raises(InputError, match=r"train\.ema_decay: 0\.999 -> 0\.9"):
        check_run(Recipe(replace(ENSEMBLE, ema_decay=0.9)), tmp_path, resume=True)
