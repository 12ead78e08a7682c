"""A command of `mockforge` from an installed package: one function, one entry point."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mockforge.cli import app

CENSUS = '''\
"""How many objects a dataset holds."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

import mockforge
from mockforge.errors import InputError


@dataclass(frozen=True)
class Which:
    """The objects that count, as they were typed."""

    brighter: Annotated[float, typer.Option(metavar="MAG", help="Faintest AB magnitude.")] = 30.0


def census(dataset: Annotated[Path, typer.Argument(metavar="DATASET")], which: Which) -> None:
    """Count the objects of a dataset.

    \\b
      mockforge census datasets/small --brighter 25
    """
    if which.brighter < 0:
        raise InputError(f"--brighter: {which.brighter:g} is brighter than any galaxy")
    print(f"{dataset}: objects brighter than {which.brighter:g}")
'''


def mockforge(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mockforge", *words],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip


def test_a_package_adds_a_command(installed: Callable[..., None]) -> None:
    installed("census_tools", {"mockforge.commands": {"census": "census_tools:census"}}, CENSUS)
    listed = mockforge("--help")
    assert "  census    Count the objects of a dataset\n" in listed.stdout
    done = mockforge("census", "datasets/small", "--brighter", "25")
    assert (done.returncode, done.stdout) == (0, "datasets/small: objects brighter than 25\n"), done.stderr
    refused = mockforge("census", "datasets/small", "--brighter", "-1")
    assert refused.returncode == 2 and refused.stderr.startswith("mockforge: --brighter: -1 is brighter")
    helped = mockforge("census", "--help")
    assert "--brighter MAG" in helped.stdout and "--verbose" in helped.stdout


def test_a_package_that_cannot_be_imported_breaks_its_own_command_only(
    installed: Callable[..., None],
) -> None:
    broken = '"""Docs."""\nimport no_such_library\n'
    installed("broken_tools", {"mockforge.commands": {"broken": "broken_tools:broken"}}, broken)
    assert mockforge("--help").returncode == 0
    assert mockforge("surveys").returncode == 0
    done = mockforge("broken")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the command 'broken' of the package broken_tools 1.0 cannot be imported" in done.stderr


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("raise SystemExit(7)", "SystemExit: 7"),
        ("call = 3", "3 is no plain function"),
        ("async def call() -> None: ...", "is no plain function"),
        ("def call(dataset): ...", "its parameter `dataset` should be one option or argument with its type"),
        ("def call(*datasets: str) -> None: ...", "its parameter `*datasets: str` should be one option"),
        ("def call(verbose: bool = False) -> None: ...", "its option --verbose is one that mockforge adds"),
    ],
)
def test_what_is_no_command_is_said_with_its_package(
    installed: Callable[..., None], text: str, problem: str
) -> None:
    name = f"faulty{abs(hash(text))}"  # each a module of its own
    installed(name, {"mockforge.commands": {"faulty": f"{name}:call"}}, text)
    done = CliRunner().invoke(app, ["faulty"])
    assert done.exit_code == 2 and "faulty" in CliRunner().invoke(app, ["--help"]).output
    said = " ".join(done.output.split())
    assert f"the command 'faulty' of the package {name} 1.0 cannot be" in said and problem in said


def test_an_unexpected_error_names_the_package(installed: Callable[..., None]) -> None:
    text = 'def call() -> None:\n    """Fail."""\n    1 / 0\n'
    installed("failing_tools", {"mockforge.commands": {"failing": "failing_tools:call"}}, text)
    done = CliRunner().invoke(app, ["failing"])
    said = " ".join(done.output.split())
    assert done.exit_code == 1
    assert "unexpected ZeroDivisionError in the package failing_tools 1.0: division by zero" in said


def test_a_list_of_the_commands_imports_no_package(installed: Callable[..., None], tmp_path: Path) -> None:
    installed("quiet_tools", {"mockforge.commands": {"hush": "quiet_room.words:hush"}}, "")
    room = tmp_path / "site-quiet_tools" / "quiet_room"
    room.mkdir()
    (room / "__init__.py").write_text("raise SystemExit(4)\n")
    (room / "words.py").write_text('def hush() -> None:\n    """Say nothing."""\n')
    listed = CliRunner().invoke(app, ["--help"])
    assert listed.exit_code == 0 and "  hush      Say nothing\n" in listed.output
