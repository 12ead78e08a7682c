"""The record of a training run: what it was asked, so that a resume cannot quietly become another run."""

from __future__ import annotations

import json
from dataclasses import MISSING, asdict, fields, is_dataclass
from pathlib import Path
from typing import Any

from mockforge.errors import InputError
from mockforge.files import fingerprint, replace_file, stamp

RECORD = "run.json"
_FILES = "files_read"
_MAY_CHANGE = (
    "field.folder",
    "dataset",
    "degraded",
    *(f"train.{key}" for key in ("steps", "minutes", "members", "members_from", "device", "threads")),
    *(f"train.{key}" for key in ("checkpoint_minutes", "preview_steps", "log_steps")),
)
"""What a resumed run may be asked differently: it changes no loss, only where, when and how long."""


def check_run(recipe: Any, out: Path, resume: bool) -> None:
    """InputError where `out` holds a run and is not to be resumed, or one of another recipe.

    `recipe` is a configuration dataclass. Nothing is written.
    """
    begun = (out / "checkpoint.pt").exists()
    if begun and not resume:
        raise InputError(f"{out}: already holds a run; continue with --resume, or choose another --out")
    if resume and not begun:
        raise InputError(f"{out / 'checkpoint.pt'}: not found, nothing to resume; train without --resume")
    record = out / RECORD
    if resume and record.exists():
        old, new = flat(_read(record)), flat(_asked(recipe))
        if not any(key.startswith(f"{_FILES}.") for key in old):  # begun before files were recorded
            new = {key: value for key, value in new.items() if not key.startswith(f"{_FILES}.")}
        sections = {key.rpartition(".")[0] for key in old}
        # A run begun before a setting existed ran as the setting's default does.
        old = {k: v for k, v in _defaults(recipe).items() if k.rpartition(".")[0] in sections} | old
        changed = [
            f"{key}: {old.get(key)} -> {new.get(key)}"
            for key in sorted({*old, *new})
            if old.get(key) != new.get(key) and not key.startswith(_MAY_CHANGE)
        ]
        if changed:
            raise InputError(
                f"{out}: the run was begun with another recipe ({'; '.join(changed)}); "
                "resume it as it was, or choose another --out"
            )


def _read(record: Path) -> dict[str, Any]:
    """Return the recipe of a run, as recorded; InputError where the file is damaged."""
    again = "so it is not known whether the run had the same recipe; delete it to continue with this recipe"
    stamp(record)  # no pipe or device: reading one would not end
    try:
        content = json.loads(record.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{record}: cannot be read ({reason}), {again}") from error
    if not isinstance(content, dict):
        raise InputError(f"{record}: is no record of a run, found {str(content)[:40]}, {again}")
    return content


def record_run(recipe: Any, out: Path, recipe_text: str) -> None:
    """Write what the run is asked, overrides included, and the recipe's text with its comments."""
    out.mkdir(parents=True, exist_ok=True)
    replace_file(out / RECORD, (json.dumps(_asked(recipe), indent=1) + "\n").encode())
    if recipe_text:
        replace_file(out / "recipe.yaml", recipe_text.encode())


def flat(tree: Any, above: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    if not isinstance(tree, dict):
        return {above: tree}
    rows: dict[str, Any] = {}
    for key, value in tree.items():
        rows |= flat(value, f"{above}.{key}" if above else str(key))
    return rows


def _defaults(recipe: Any, above: str = "") -> dict[str, Any]:
    """Default of every setting that has one, below the configurations that `recipe` is made of."""
    rows: dict[str, Any] = {}
    for field in fields(recipe):
        key, value = above + field.name, getattr(recipe, field.name)
        if is_dataclass(value):
            rows |= _defaults(value, f"{key}.")
        elif field.default is not MISSING and not is_dataclass(field.default):
            rows[key] = json.loads(json.dumps(field.default))
    return rows


def _asked(recipe: Any) -> dict[str, Any]:
    """Return the recipe, and the sha256 of every file that it reads."""
    return {**_plain(recipe), _FILES: fingerprint(recipe)}


def _plain(recipe: Any) -> Any:
    """Return the configuration as JSON gives it back: tuples as lists."""
    return json.loads(json.dumps(asdict(recipe)))
