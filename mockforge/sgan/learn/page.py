"""The page of a training run: each stage's picture and numbers, `index.html` in the run's folder."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from mockforge.files import replace_file
from mockforge.sgan.learn.stages import FOLDER, Stage

_STYLE = (
    "body{font-family:sans-serif;max-width:70em;margin:2em auto;padding:0 1em;line-height:1.4}"
    "table{border-collapse:collapse;margin:1em 0}td,th{border:1px solid #bbb;padding:.2em .6em;"
    "text-align:right}td:first-child,th:first-child{text-align:left}img{max-width:100%}"
)


def write_page(folder: Path, name: str, stages: Sequence[Stage]) -> Path:
    """Write `folder`/index.html from the stages that are finished; returns its path."""
    parts = [
        f"<!doctype html><html lang=en><meta charset=utf-8><title>{html.escape(name)}</title>",
        f"<style>{_STYLE}</style><h1>{html.escape(name)}</h1>",
    ]
    for number, stage in enumerate(stages, 1):
        stem = folder / FOLDER / f"{number}-{stage.name}"
        if not stem.with_suffix(".json").exists():
            continue
        record = json.loads(stem.with_suffix(".json").read_text(encoding="utf-8"))
        parts.append(f"<h2>{number}. {html.escape(stage.title)}</h2><p>{record['seconds']:.0f} seconds</p>")
        if stem.with_suffix(".png").exists():
            picture = html.escape(f"{FOLDER}/{stem.name}.png")
            parts.append(f'<img src="{picture}" alt="{html.escape(stage.title)}">')
        parts += _facts(record["facts"])
    out = folder / "index.html"
    replace_file(out, "\n".join([*parts, "</html>", ""]).encode())
    return out


def _facts(facts: Mapping[str, Any]) -> list[str]:
    """Return single numbers as one table, and lists of rows as a table each."""
    single = {k: v for k, v in facts.items() if not _is_table(v)}
    out = []
    if single:
        rows = (f"<tr><td>{html.escape(k)}</td><td>{_cell(v)}</td></tr>" for k, v in single.items())
        out.append(f"<table>{''.join(rows)}</table>")
    for title, table in facts.items():
        if _is_table(table):
            names = list(dict.fromkeys(name for row in table for name in row))
            head = "".join(f"<th>{html.escape(name)}</th>" for name in names)
            body = "".join(
                f"<tr>{''.join(f'<td>{_cell(row.get(name))}</td>' for name in names)}</tr>" for row in table
            )
            out.append(f"<h3>{html.escape(title)}</h3><table><tr>{head}</tr>{body}</table>")
    return out


def _is_table(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(row, dict) for row in value)


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(_cell(item) for item in value)
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else html.escape(str(value))
