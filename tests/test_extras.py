"""What works without the extras, and the sentence for what does not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from mockforge.errors import InputError
from mockforge.extras import EXTRAS, installed, need_extra

ROOT = Path(__file__).parent.parent

PROGRAM = """
import contextlib, io, json, sys

from mockforge.cli import main

answers = []
for words in json.loads(sys.argv[1]):
    sys.argv = ["mockforge", *words]
    said, failed = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(failed):
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
    answers.append((code, said.getvalue(), failed.getvalue()))
print(json.dumps(answers))
"""

Answer = tuple[int, str, str]
"""Exit code, output and errors of a command."""


def run_without(absent: list[str], commands: list[list[str]], folder: Path) -> list[Answer]:
    """Run commands in a Python, and its workers, in which the libraries `absent` cannot be imported."""
    site = folder / "site"
    site.mkdir()
    (site / "sitecustomize.py").write_text(f"import sys\nsys.modules.update(dict.fromkeys({absent}))\n")
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(site), str(ROOT)])}
    words = [sys.executable, "-c", PROGRAM, json.dumps(commands)]
    done = subprocess.run(words, cwd=folder, env=env, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return [tuple(answer) for answer in json.loads(done.stdout)]


@pytest.fixture(scope="module")
def answers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Answer]]:
    folder = tmp_path_factory.mktemp("without")
    small = ["samples=4", "shard_size=4", "--workers", "1", "-q", "--out"]
    commands = [
        ["build", "segmentation", "stages.sgan.tile=64", *small, "tiles"],
        ["build", "redshift_pairs", "splits={train: 0.5, val: 0.25, test: 0.25}",
         "stages.sersic_sed.spectra={templates: {}}", "stages.sersic_sed.knots=null", *small, "pairs"],
        ["train", "train_redshifter", "dataset=pairs", "batch=2", "train.steps=2", "train.device=cpu",
         "train.log_steps=1", "train.preview_steps=1", "network={unet: {widths: [4, 4], blocks: 1}}",
         "--out", "run"],
        ["generate", "--size", "64", "--out", "fields"],
        ["label", "fields/kids-viking-1.fits", "--out", "labels"],
        ["redshift", "pairs", "--split", "train", "--row", "0", "-o", "far.fits"],
        ["redshift", "pairs", "--split", "train", "--row", "0", "--picture", "far.png"],
        ["recover", "--demo", "demo.png"],
        ["evaluate", "--model", "run", "--dataset", "pairs"],
        ["evaluate", "--model", "kids-viking", "--reference", "nosuch.fits"],
    ]  # fmt: skip
    absent = [name for libraries in EXTRAS.values() for name in libraries if name != "jinja2"]
    return folder, run_without(absent, commands, folder)  # jinja2 comes with torch, which imports it


def test_the_default_builds_trains_paints_and_labels_with_their_pictures(answers) -> None:
    folder, (tiles, pairs, train, generate, label, redshift, *_) = answers
    for code, said, failed in (tiles, pairs, train, generate, label, redshift):
        assert code == 0, said + failed
    pictures = ("tiles/preview.png", "pairs/preview.png", "fields/*.png", "labels/overlay.png")
    for pattern in pictures:
        assert list(folder.glob(pattern)), pattern
    assert (folder / "far.fits").exists()


def test_training_without_tensorboard_keeps_its_log_and_says_so_in_one_line(answers) -> None:
    folder, (_, _, (_, said, failed), *_) = answers
    lines = [line for line in (said + failed).splitlines() if "TensorBoard" in line]
    assert len(lines) == 1 and lines[0].endswith("pip install 'mockforge[tensorboard]'")
    assert (folder / "run/log.csv").read_text().count("\n") == 3
    assert list(folder.glob("run/previews/*.png")) and not (folder / "run/tensorboard").exists()


def test_what_needs_the_extra_report_says_so_before_it_starts(answers) -> None:
    folder, (*_, picture, demo, pairs, field) = answers
    for (code, said, failed), work, missing in (
        (picture, "--picture", "matplotlib, which is"),
        (demo, "--demo", "matplotlib, which is"),
        (pairs, "evaluation", "matplotlib and statmorph, which are"),
        (field, "evaluation", "matplotlib and statmorph, which are"),
    ):
        assert code == 2 and not said
        assert f"{work} needs {missing} not installed; type: pip install 'mockforge[report]'" in failed
        assert failed.count("\n") == 1
    assert not (folder / "far.png").exists() and not (folder / "demo.png").exists()


def test_a_library_that_is_there_is_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    assert installed("json") and not installed("no_such_library")
    need_extra("report", "evaluation", "json")
    monkeypatch.setitem(sys.modules, "tensorboard", None)
    with pytest.raises(InputError, match=r"pip install 'mockforge\[tensorboard\]'"):
        need_extra("tensorboard", "the board")


def _library(line: str) -> str:
    """Return what is imported of `dask[array]>=2025.1`."""
    return line.partition(">")[0].partition("[")[0].replace("-", "_")


def test_extras_are_those_of_the_package() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    for extra, libraries in EXTRAS.items():
        assert tuple(_library(line) for line in extras[extra]) == libraries
        assert not {line.partition(">")[0] for line in project["dependencies"]} & set(libraries)
    assert extras["all"] == [f"mockforge[{','.join(EXTRAS)}]"]
    assert extras["test"][0] == "mockforge[all]"
