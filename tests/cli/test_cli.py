"""The command line: help, exit codes, plain output."""

from __future__ import annotations

import errno
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

import mockforge
from mockforge.cli import app
from mockforge.errors import InputError, MockforgeError
from mockforge.progress import Progress
from mockforge.recipe.bundled import bundled_recipes
from mockforge.registry import COMMANDS, STAGES, TRAININGS
from tests.builders import failing_commands
from tests.builders.fits_files import header, image
from tests.builders.small_disk import files_of_at_most


def call(*words: str) -> Result:
    return CliRunner().invoke(app, list(words))


def test_help_teaches() -> None:
    env = {**os.environ, "PYTHONPATH": str(Path(mockforge.__file__).parent.parent)}
    words = [sys.executable, "-m", "mockforge", "--help"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=env)
    assert all(f"  {name} " in done.stdout for name in COMMANDS.rows)
    assert "mockforge build segmentation samples=64" in done.stdout and "\x1b" not in done.stdout


def failing(error: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the command `fails`, which raises `error`."""
    monkeypatch.setattr(failing_commands, "failure", error)
    monkeypatch.setitem(COMMANDS.rows, "fails", ("tests.builders.failing_commands", "fails"))


@pytest.mark.parametrize("command", tuple(COMMANDS.rows))
def test_every_command_has_examples(command: str) -> None:
    result = call(command, "--help")
    assert result.exit_code == 0 and f"  mockforge {command}" in result.stdout


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'astropy', 'galsim', 'h5py', 'pydantic', 'ruamel', 'sep'}"
    program = f"import sys, mockforge.cli; print(sorted({heavy} & set(sys.modules)))"
    env = {**os.environ, "PYTHONPATH": str(Path(mockforge.__file__).parent.parent)}
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env=env
    )
    assert done.stdout == "[]\n"


def test_an_unknown_command_names_the_nearest() -> None:
    outcome = call("bild", "segmentation")
    assert outcome.exit_code == 2 and "no command 'bild'; did you mean 'build'?" in outcome.output


def test_version() -> None:
    assert call("--version").stdout == f"mockforge {mockforge.__version__}\n"


@pytest.mark.parametrize(
    "words",
    [
        ("nosuch",),
        ("build",),
        ("build", "nosuch.yaml"),
        ("build", "nosuch.yaml", "--workers", "0"),
        ("verify", "nosuch"),
        ("info", "nosuch"),
        ("train", "nosuch.yaml"),
        ("recipes", "nosuch"),
        ("recipes", "--copy"),
        ("recipes", "--training"),
        ("info", "segmentation"),
        ("generate", "--out", "x", "--size", "9999999x9999999"),
        ("generate", "--out", "x", "--size", "big"),
        ("generate", "--out", "x", "--model", "nosuch"),
        ("label", "nosuch.fits", "--out", "x"),
        ("label", "nosuch.fits", "--out", "x", "--zeropoint", "bright"),
        ("label", "nosuch.fits", "--out", "x", "--threshold", "-1"),
        ("label", "nosuch.fits", "--out", "x", "--set", "thresold=1"),
    ],
)
def test_bad_input_exits_2_and_writes_nothing(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = call(*words)
    assert result.exit_code == 2, result.output
    assert result.stderr and "Traceback" not in result.stderr and not result.stdout
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (MockforgeError("the disk is full"), 1, "mockforge: the disk is full\n"),
        (
            ZeroDivisionError("oh"),
            1,
            "mockforge: unexpected ZeroDivisionError: oh; run it with -v and report",
        ),
        (
            ImportError("no such .so", name="matplotlib"),
            1,
            "mockforge: a library cannot be imported: no such .so",
        ),
        (KeyboardInterrupt(), 130, "mockforge: interrupted\n"),
    ],
)
def test_failed_work_exits_1_and_ctrl_c_130(
    error: BaseException, code: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(error, monkeypatch)
    result = call("fails")
    assert result.exit_code == code and result.stderr.startswith(said) and "Traceback" not in result.stderr
    verbose = call("fails", "-v")
    assert ("Traceback" in verbose.stderr) == isinstance(error, Exception)


def test_recipes_are_listed_printed_and_copied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert "segmentation  " in call("recipes").stdout
    text = bundled_recipes()["segmentation"].read_text()
    assert call("recipes", "segmentation").stdout == text
    assert call("recipes", "segmentation", "--copy").stdout == "segmentation.yaml\n"
    assert Path("segmentation.yaml").read_text() == text
    assert call("recipes", "segmentation", "--to", "segmentation.yaml").exit_code == 2
    assert "did you mean 'segmentation'" in call("recipes", "segmentatoin").stderr


def test_the_schema_is_printed_as_json() -> None:
    made = json.loads(call("recipes", "--schema").stdout)
    stages = {item["title"] for item in made["properties"]["stages"]["items"]["oneOf"]}
    assert stages == set(STAGES)
    training = json.loads(call("recipes", "--schema", "--training").stdout)
    assert len(training["oneOf"]) == len(TRAININGS) + 1  # the published SGAN's, which names its network


def test_progress_is_plain_lines_when_piped(capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    clock = itertools.count(0.0, 11.0)  # of the system: 11 seconds pass whenever it is read
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    with Progress(4, "work", "samples") as progress:
        progress.advance(1)
        progress.advance(3)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0].startswith("work: 1/4 samples, ") and lines[0].endswith(" left")
    assert lines[1].startswith("work: 4/4 samples, ") and len(lines) == 2
    with Progress(480_000, "work", "pixels") as progress:
        progress.advance(480_000)
    assert "work: 480,000/480,000 pixels, " in (line := capsys.readouterr().err) and "e+" not in line
    with Progress(4, "work", "samples", quiet=1) as progress:
        progress.advance(4)
    assert capsys.readouterr().err == ""


def test_too_much_memory_is_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    failing(MemoryError("for anything"), monkeypatch)
    result = call("fails")
    assert result.exit_code == 2 and "more memory than the machine has" in result.stderr


@pytest.mark.parametrize(("number", "code"), [(errno.ENOSPC, 1), (errno.EROFS, 1), (errno.ENAMETOOLONG, 2)])
def test_a_full_disk_is_failed_work_and_no_bad_input(
    number: int, code: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    cause = OSError(number, os.strerror(number))
    error = InputError(f"a.fits: cannot be written ({cause.strerror})")
    error.__cause__ = cause
    failing(error, monkeypatch)
    result = call("fails")
    assert result.exit_code == code and "a.fits: cannot be written" in result.stderr


@pytest.mark.parametrize(
    "said", ["18000 requested and 3560 written", "Not enough space on disk: requested 100, available 10"]
)
def test_a_full_disk_without_the_systems_number_is_failed_work(
    said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing(OSError(said), monkeypatch)
    assert call("fails").exit_code == 1
    error = InputError(f"a.fits: cannot be written ({said})")
    error.__cause__ = OSError(said)
    failing(error, monkeypatch)
    assert call("fails").exit_code == 1


def test_a_disk_that_is_full_while_labels_are_written_is_failed_work(tmp_path: Path) -> None:
    words = ("label", str(image(tmp_path / "a.fits", head=header("nJy"))), "--out")
    with files_of_at_most(3000):
        full = call(*words, str(tmp_path / "labels"))
    assert full.exit_code == 1 and "File too large" in full.stderr
    long = call(*words, str(tmp_path / ("n" * 300)))
    assert long.exit_code == 2 and "File name too long" in long.stderr
