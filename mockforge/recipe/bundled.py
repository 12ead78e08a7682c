"""The recipes that come with mockforge."""

from __future__ import annotations

from pathlib import Path

from mockforge.errors import InputError


def bundled_recipes() -> dict[str, Path]:
    """Name -> file of every recipe that comes with mockforge, in a clone and in a wheel."""
    here = Path(__file__).resolve().parent.parent
    for folder in (here / "recipes", here.parent / "recipes"):
        if folder.is_dir():
            return {p.stem: p for p in sorted(folder.glob("*.yaml"))}
    return {}


def copy_recipe(path: Path, to: Path) -> Path:
    """Copy a recipe to the file or into the folder `to`; InputError where that name is taken."""
    target = to / path.name if to.is_dir() else to
    try:
        with target.open("x", encoding="utf-8") as file:
            file.write(path.read_text(encoding="utf-8"))
    except FileExistsError:
        raise InputError(f"{target}: is there already and is left so; choose another with --to") from None
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    return target


def first_comment(path: Path) -> str:
    """The line of a recipe's header that says what it makes."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("# ") and "yaml-language-server" not in line:
            return line[2:]
    return ""
