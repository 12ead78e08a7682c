"""Report: what an evaluation found, as text for a terminal, as JSON, and as one HTML file for people."""

from __future__ import annotations

import base64
import json
import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.files import replace_file

Row = dict[str, Any]
"""One line of a table: column name -> text, number, or None where there is nothing to say."""


@dataclass(frozen=True)
class Verdict:
    """Whether one measure holds its rule."""

    measure: str
    passed: bool
    rule: str
    """The rule with its numbers, e.g. `AUC 0.62 +- 0.02 <= 0.70`."""


@dataclass
class Section:
    """One part of a report: words, a table, pictures and verdicts."""

    title: str
    text: str = ""
    rows: list[Row] = field(default_factory=list)
    pictures: dict[str, bytes] = field(default_factory=dict)
    """Caption -> PNG."""
    verdicts: list[Verdict] = field(default_factory=list)

    @property
    def passed(self) -> bool | None:
        """Whether every verdict passed; None where there is none."""
        return all(v.passed for v in self.verdicts) if self.verdicts else None

    def columns(self) -> list[str]:
        """Return the names of all columns, in the order in which they appear."""
        return list(dict.fromkeys(name for row in self.rows for name in row))

    def table(self) -> list[list[str]]:
        """Return the rows as text, one list per row in the order of `columns()`."""
        return [[as_text(row.get(name)) for name in self.columns()] for row in self.rows]


@dataclass
class Report:
    """An evaluation: what was compared, and section by section how it came out."""

    title: str
    sections: list[Section] = field(default_factory=list)
    facts: Row = field(default_factory=dict)
    """What was compared and how: files, model, seed, settings, times."""

    @property
    def passed(self) -> bool | None:
        """Whether every section passed; None where no section gives a verdict."""
        verdicts = [s.passed for s in self.sections if s.passed is not None]
        return all(verdicts) if verdicts else None

    def lines(self) -> list[str]:
        """Return the report as lines of plain text: a table per section, then its verdicts."""
        out = [self.title, ""]
        for section in self.sections:
            out.append(f"{section.title}: {verdict_word(section.passed)}".removesuffix(": "))
            out += _aligned([section.columns(), *section.table()]) if section.rows else []
            out += [f"  {verdict_word(v.passed)}  {v.measure}: {v.rule}" for v in section.verdicts]
            out.append("")
        return out + ([f"overall: {verdict_word(self.passed)}"] if self.passed is not None else [])

    def write(self, out: Path) -> list[Path]:
        """Write `report.json` and a self-contained `report.html` into the folder `out`.

        Each file appears whole or not at all; older ones of that name are replaced. Raises
        InputError where the folder cannot be written.
        """
        files = {"report.json": self.as_json(), "report.html": self.as_html()}
        try:
            out.mkdir(parents=True, exist_ok=True)
            return [_write(out / name, text) for name, text in files.items()]
        except OSError as error:
            raise InputError(f"{out}: the report cannot be written ({error.strerror or error})") from error

    def as_json(self) -> str:
        """Return the report without its pictures; numbers that are not finite become null."""
        sections = [
            {
                "title": s.title,
                "text": s.text,
                "passed": s.passed,
                "rows": s.rows,
                "verdicts": [vars(v) for v in s.verdicts],
                "pictures": list(s.pictures),
            }
            for s in self.sections
        ]
        document = {"title": self.title, "passed": self.passed, "facts": self.facts, "sections": sections}
        return json.dumps(_plain(document), indent=1, allow_nan=False) + "\n"

    def as_html(self) -> str:
        """One HTML page that needs no other file."""
        from jinja2 import Environment

        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        environment.filters |= {"word": verdict_word, "text": as_text, "inline": _inline}
        return environment.from_string(_PAGE).render(report=self)


def verdict_word(passed: bool | None) -> str:
    """PASS, FAIL, or nothing where there is no verdict."""
    return "" if passed is None else "PASS" if passed else "FAIL"


def as_text(value: Any) -> str:
    """Return a cell as text: four significant digits, empty for None and for what is not a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, np.generic):
        return as_text(value.item())
    if isinstance(value, float):
        return f"{value:.0f}" if 1e4 <= abs(value) < 1e7 else f"{value:.4g}"
    if isinstance(value, dict):
        return ", ".join(f"{k} {as_text(v)}" for k, v in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join(as_text(v) for v in value)
    return str(value)


def _aligned(table: list[list[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in table) for i in range(len(table[0]))]
    return ["  " + "  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in table]


def _plain(value: Any) -> Any:
    """`value` in the types of JSON."""
    if isinstance(value, np.generic | np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if isinstance(value, (bool, int, float, str, type(None))) else str(value)


def _inline(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode()


def _write(path: Path, text: str) -> Path:
    replace_file(path, text)
    return path


_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{{ report.title }}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem;
  color: #1b1b1b; }
h1, h2 { font-weight: 600; } h2 { margin-top: 2.5rem; border-top: 1px solid #ccc; padding-top: 1rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .88rem; }
.wide { overflow-x: auto; } th, td { padding: .15rem .7rem .15rem 0; text-align: left; }
th { border-bottom: 1px solid #888; font-weight: 600; } p { max-width: 48rem; }
.PASS { color: #14662b; font-weight: 600; } .FAIL { color: #a11212; font-weight: 600; }
figure { margin: 1.5rem 0; } figure img { max-width: 100%; } figcaption { font-size: .88rem; color: #444; }
</style></head><body>
<h1>{{ report.title }}</h1>
<p>Overall: <span class="{{ report.passed|word }}">{{ report.passed|word or "no verdict" }}</span></p>
<ul>
{% for s in report.sections %}
<li><a href="#s{{ loop.index }}">{{ s.title }}</a>
<span class="{{ s.passed|word }}">{{ s.passed|word }}</span></li>
{% endfor %}
</ul>
{% for s in report.sections %}
<h2 id="s{{ loop.index }}">{{ s.title }} <span class="{{ s.passed|word }}">{{ s.passed|word }}</span></h2>
{% for part in s.text.split("\n\n") if part %}
<p>{{ part }}</p>
{% endfor %}
{% if s.verdicts %}
<ul>
{% for v in s.verdicts %}
<li><span class="{{ v.passed|word }}">{{ v.passed|word }}</span> {{ v.measure }}: {{ v.rule }}</li>
{% endfor %}
</ul>
{% endif %}
{% if s.rows %}
<div class="wide"><table><tr>{% for c in s.columns() %}<th>{{ c }}</th>{% endfor %}</tr>
{% for row in s.table() %}
<tr>{% for cell in row %}<td>{{ cell }}</td>{% endfor %}</tr>
{% endfor %}
</table></div>
{% endif %}
{% for caption, png in s.pictures.items() %}
<figure><img src="{{ png|inline }}" alt="{{ caption }}"><figcaption>{{ caption }}</figcaption></figure>
{% endfor %}
{% endfor %}
{% if report.facts %}
<h2>What was compared</h2>
<div class="wide"><table>
{% for name, value in report.facts.items() %}
<tr><td>{{ name }}</td><td>{{ value|text }}</td></tr>
{% endfor %}
</table></div>
{% endif %}
</body></html>
"""
