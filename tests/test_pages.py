"""README, CONTRIBUTING, docs, cards and recipes' comments: links lead somewhere, commands and code exist."""

from __future__ import annotations

import ast
import re
import shlex
from functools import cache
from pathlib import Path

import pytest
import typer

import mockforge
from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.recipe.read import load, load_training
from mockforge.registry import COMMANDS

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    path
    for pattern in ("*.md", "docs/*.md", "mockforge/models/*.md", "recipes/*.yaml")
    for path in ROOT.glob(pattern)
)
MARKDOWN = [path for path in PAGES if path.suffix == ".md"]
ABSENT = re.compile(r"no such|no model 'runs/|is not there|does not exist|not a model|files: should", re.I)
"""What a recipe's reader says of a file or a trained model that only the reader of the page has."""


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def commands(page: Path) -> list[str]:
    """Every `mockforge ...` of a page: in blocks of code, inline, and in a recipe's comments."""
    text = re.sub(r"\\\n *", "", page.read_text())
    if page.suffix == ".yaml":
        return re.findall(r"^# .*?(?<![\w./`])(mockforge [a-z].*)", text, flags=re.M)
    blocks = "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, flags=re.M | re.S))
    indented = re.findall(r"^    (mockforge .*)", text, flags=re.M)
    return (
        re.findall(r"^(?:.* && )?(mockforge .*)", blocks, flags=re.M)
        + indented
        + re.findall(r"`(mockforge [^`\n]+)`", text)
    )


def words_of(command: str) -> list[str]:
    """The words a shell makes of it, without a comment; cut where prose follows two blanks."""
    command = re.split(r" {2,}|,? and edit|, edit", command)[0]
    words = shlex.split(command, comments=True)
    return words[1 : words.index(">")] if ">" in words else words[1:]


@cache
def known() -> dict[str, dict[str, bool]]:
    """Options of each command, and whether each takes a value."""
    group = typer.main.get_command(app)
    context = typer.Context(group)
    return {
        name: {
            option: not getattr(p, "is_flag", False)
            for p in command.params
            for option in (*p.opts, *p.secondary_opts)
        }
        for name in COMMANDS
        if (command := group.get_command(context, name))
    }


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_link_leads_somewhere(page: Path):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text()):
        if not re.match(r"[a-z]+:|#", target):
            assert (page.parent / target.partition("#")[0]).exists(), f"{named(page)}: {target}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_command_and_option_exists(page: Path):
    for line in commands(page):
        command, *rest = words_of(line)
        if command.startswith("-") or command == "COMMAND":
            continue
        assert command in known(), f"{named(page)}: {line}"
        for word in rest:
            option = word.partition("=")[0]
            if re.match(r"--?[a-z]", option):
                assert option in known()[command] or option in ("-h", "--help"), f"{named(page)}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=named)
def test_every_recipe_and_key_exists(page: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    for line in commands(page):
        command, *rest = words_of(line)
        if command not in ("build", "train") or not rest or re.search(r"NAME|\.\.\.", line):
            continue
        recipe, *words = rest
        keys = [word for word in words if re.match(r"[a-z_][\w.]*=", word)]
        if not re.match(r"recipes/|[a-z]\w*$", recipe):
            continue  # a file of the reader's own
        try:
            (load if command == "build" else load_training)(recipe, keys)
        except InputError as error:
            wrong = [said for said in str(error).splitlines() if not ABSENT.search(said)]
            assert not wrong, f"{named(page)}: {line}\n" + "\n".join(wrong)


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_name_of_the_package_in_python_exists(page: Path):
    for block in re.findall(r"^```python\n(.*?)^```", page.read_text(), flags=re.M | re.S):
        for node in ast.walk(ast.parse(block)):
            if isinstance(node, ast.Attribute) and getattr(node.value, "id", "") == "mockforge":
                assert hasattr(mockforge, node.attr), f"{named(page)}: {node.attr}"


@pytest.mark.parametrize("page", MARKDOWN, ids=named)
def test_every_file_that_is_named_exists(page: Path):
    for path in re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", page.read_text()):
        assert (ROOT / path).exists() or (ROOT / "mockforge" / path).exists(), f"{named(page)}: {path}"


def test_the_first_commands_are_as_promised():
    """Others read them there: the tests' runner, and every newcomer."""
    lines = (ROOT / "README.md").read_text().splitlines()
    assert "pip install -e . && mockforge build recipes/segmentation.yaml" in lines
    assert "pip install -e '.[test]' && pytest" in lines
