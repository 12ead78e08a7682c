"""The training loop on a task small enough to follow by hand."""

import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.train.config import Schedule
from mockforge.train.loop import LossNotFinite, fit
from tests.builders.tiny_training import SETTINGS, Line, rows


def test_it_learns_logs_and_keeps_pictures(tmp_path):
    task = Line()
    fit(task, replace(SETTINGS, steps=400, preview_steps=100, log_steps=50), 3, tmp_path)
    assert task.networks["line"].weight.item() == pytest.approx(2.0, abs=0.02)
    assert task.exported["bias"].item() == pytest.approx(1.0, abs=0.05)
    assert [int(r["step"]) for r in rows(tmp_path)] == [1, *range(50, 401, 50)]
    assert len(list((tmp_path / "previews").glob("*.png"))) == 4
    assert list((tmp_path / "tensorboard").glob("events*"))
    assert task.history["steps"] == 400


def test_a_resumed_run_has_the_losses_of_an_uninterrupted_one(tmp_path):
    whole = Line()
    fit(whole, SETTINGS, 3, tmp_path / "whole")
    fit(Line(), replace(SETTINGS, steps=5), 3, tmp_path / "parts")
    resumed = Line()
    fit(resumed, SETTINGS, 3, tmp_path / "parts", resume=True)
    assert rows(tmp_path / "parts") == rows(tmp_path / "whole")
    for key, value in whole.exported.items():
        assert torch.equal(value, resumed.exported[key])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_checkpoint(tmp_path):
    with pytest.raises(LossNotFinite, match=r"step 7: loss/error = nan"):
        fit(Line(poison=7), SETTINGS, 3, tmp_path)
    found = torch.load(tmp_path / "checkpoint.pt", weights_only=True)
    assert found["step"] == 7
    assert torch.isfinite(found["networks"]["line"]["weight"]).all()


def test_accumulating_batches_is_one_larger_batch(tmp_path):
    task = Line()
    fit(task, replace(SETTINGS, steps=1, accumulate=2), 3, tmp_path)
    draws = [Stream(3, ("train", 0, "fit", part)) for part in (0, 1)]
    x = torch.cat([torch.randn(64, 1, generator=d.torch()) for d in draws])
    assert float(rows(tmp_path)[0]["loss/error"]) == pytest.approx((2 * x + 1).pow(2).mean().item(), rel=1e-5)


def test_the_running_average_lags_behind_the_weights(tmp_path):
    task = Line()
    fit(task, replace(SETTINGS, ema_decay=0.9), 3, tmp_path)
    assert 0 < task.exported["weight"].item() < task.networks["line"].weight.item()


def test_nothing_to_resume_and_a_foreign_checkpoint_are_input_errors(tmp_path):
    with pytest.raises(InputError, match="nothing to resume"):
        fit(Line(), SETTINGS, 3, tmp_path, resume=True)
    (tmp_path / "checkpoint.pt").write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match="not a checkpoint of this recipe"):
        fit(Line(), SETTINGS, 3, tmp_path, resume=True)


def test_schedules():
    warm = Schedule(kind="cosine", warmup_steps=10, floor=0.1)
    assert warm.factor(0, 110) == pytest.approx(0.1)
    assert warm.factor(10, 110) == pytest.approx(1.0)
    assert warm.factor(60, 110) == pytest.approx(0.55)
    assert warm.factor(110, 110) == pytest.approx(0.1)
    assert Schedule(kind="linear").factor(50, 100) == pytest.approx(0.5)


PROGRAM = """
import sys, importlib.util
from pathlib import Path
spec = importlib.util.spec_from_file_location("line", sys.argv[1])
line = importlib.util.module_from_spec(spec); spec.loader.exec_module(line)
from dataclasses import replace
from mockforge.train.loop import fit
task = line.Line()
fit(task, replace(line.SETTINGS, steps=3), 3, Path(sys.argv[2]))
"""


@pytest.mark.slow
def test_two_processes_take_the_steps_of_one_that_accumulates(tmp_path):
    (tmp_path / "program.py").write_text(PROGRAM)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2", "--master-port=29517"]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path(__file__).parents[2])}
    script = [str(tmp_path / "program.py"), __file__, str(tmp_path / "two")]
    subprocess.run([*command, *script], check=True, env=environment, timeout=120, capture_output=True)
    fit(Line(), replace(SETTINGS, steps=3, accumulate=2), 3, tmp_path / "one")
    two, one = ([float(r["loss/error"]) for r in rows(tmp_path / k)] for k in ("two", "one"))
    assert two == pytest.approx(one, rel=1e-5)
