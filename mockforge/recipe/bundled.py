"""The recipes that come with mockforge."""

from __future__ import annotations

from pathlib import Path

from mockforge.errors import InputError


def bundled_recipes() -> dict[str, Path]:
    """Name -> file of every recipe that comes with mockforge, in a clone and in a wheel."""
    package = Path(__file__).resolve().parent.parent
    for folder in (package / "recipes", package.parent / "recipes"):
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
        raise InputError(f"{target}: already exists, not overwritten; choose another with --to") from None
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    return target


def first_comment(path: Path) -> str:
    """Return the sentence of a recipe's header that says what it makes, whole, from however many lines."""
    words: list[str] = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if "yaml-language-server" in line or (not words and not line.strip("# ")):
            continue
        text = line[2:].strip() if line.startswith("# ") else ""
        if not text or (words and _is_command(text)):
            break
        words += text.split()
    pairs = enumerate(zip(words, words[1:], strict=False))
    ends = (i for i, (word, after) in pairs if word.endswith(".") and not after[0].isdigit())
    return " ".join(words[: next(ends, len(words)) + 1])


def _is_command(text: str) -> bool:
    """Whether a header's line is one such as `Run:    mockforge build ...`."""
    first = text.split()[0]
    return first.endswith(":") and first[0].isupper()
