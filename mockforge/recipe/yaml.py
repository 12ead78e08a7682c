"""Closed YAML: a recipe's text as plain data that remembers the line of every key.

The text is composed to YAML nodes and turned into dicts, lists, strings, numbers, booleans and
null here, so nothing in a recipe can construct an object, and duplicate keys, tags and aliases
are all reported with their lines instead of the first one only.
"""

from __future__ import annotations

import io
import math
import re
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mockforge.config import LARGEST_NUMBER
from mockforge.errors import InputError, nearest
from mockforge.files import stamp
from mockforge.recipe.overrides import Overrides, override_words

Key = tuple[str | int, ...]
"""Where a value sits: `("stages", 1, "detect", "threshold")`."""

_LARGEST_FILE = 1_000_000  # characters; a recipe is a page, not a data file
_DEEPEST = 32  # words of an override's key
_TAG = "tag:yaml.org,2002:"


@dataclass
class Document:
    """A recipe as plain data, with the places and the problems found so far."""

    where: str
    """The file, as the user named it."""
    text: str = ""
    data: Any = None
    lines: dict[Key, int] = field(default_factory=dict)
    """Line (from 1) of every key and list item."""
    overrides: dict[Key, str] = field(default_factory=dict)
    """Key -> the `key=value` that set it."""
    unread: set[Key] = field(default_factory=set)
    """Keys whose values could not be read; what follows from that is not reported again."""
    problems: list[tuple[int, str]] = field(default_factory=list)
    """(line, or a large number for an override; message)."""
    faulty: set[Key] = field(default_factory=set)
    """Keys at which a problem was found; what stands there instead is a default."""

    def problem(self, key: Key, message: str, line: int | None = None) -> None:
        """Record what is wrong at `key`; the place is its own or the nearest enclosing line."""
        if any(key[:n] in self.unread for n in range(1, len(key) + 1)):
            return
        self.faulty.add(key)
        name = spell(key)
        name = name if len(name) <= 120 else name[:117] + "..."
        sentence = f"{name}: {message}" if name else message
        for n in range(len(key), -1, -1):
            if key[:n] in self.overrides:
                self.problems.append((1 << 30, f"override {_short(self.overrides[key[:n]])}: {sentence}"))
                return
            if line is None and key[:n] in self.lines:
                line = self.lines[key[:n]]
            if n == len(key) and line is None:  # not in the file: an override of something below made it
                below = next((o for k, o in self.overrides.items() if k[:n] == key), None)
                if below is not None:
                    self.problems.append((1 << 30, f"override {_short(below)}: {sentence}"))
                    return
        self.problems.append((line or 1, f"{self.where}:{line or 1}: {sentence}"))

    def is_faulty(self, key: Key) -> bool:
        """Whether a problem was found at a key or below it."""
        return any(faulty_key[: len(key)] == key for faulty_key in self.faulty)

    def raise_problems(self) -> None:
        """One InputError that lists every problem, in the order of the lines."""
        if self.problems:
            ordered = sorted(self.problems, key=lambda p: p[0])
            raise InputError("\n".join(dict.fromkeys(message for _, message in ordered)))


def spell(key: Key) -> str:
    """`("stages", 1, "detect")` as `stages[1].detect`."""
    out = ""
    for word in key:
        out += f"[{word}]" if isinstance(word, int) else f".{word}" if out else word
    return out


def show(value: Any) -> str:
    """Return a value as a recipe would write it, cut to one short line."""
    import json

    text = json.dumps(value, default=str, ensure_ascii=False)
    return text if len(text) <= 60 else text[:57] + "..."


def read_document(path: str | Path) -> Document:
    """Read a recipe file; InputError when it is missing, not text or not YAML."""
    where = str(path)
    try:
        size = stamp(path)[0] if Path(path).exists() else 0  # no pipe or device, which have no end
        if size > 4 * _LARGEST_FILE:  # bytes of the longest characters
            raise InputError(f"{where}: has {size} bytes; a recipe has at most {_LARGEST_FILE} characters")
        raw = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{where}: no such file") from None
    except IsADirectoryError:
        raise InputError(f"{where}: is a folder, a recipe is a YAML file") from None
    except OSError as error:
        raise InputError(f"{where}: cannot be read: {error.strerror}") from None
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise InputError(f"{where}:{line}: is not UTF-8 text, so it is no recipe") from None
    return parse_document(text, where)


def parse_document(text: str, where: str) -> Document:
    """Return a recipe's text as a Document; `where` names it in messages."""
    if len(text) > _LARGEST_FILE:
        raise InputError(f"{where}: has {len(text)} characters; a recipe has at most {_LARGEST_FILE}")
    document = Document(where, text)
    document.data = _Reader(document).read(text)
    return document


def apply_overrides(document: Document, overrides: Overrides) -> None:
    """Set each override in the document; problems are recorded under the override's name."""
    for override in override_words(overrides):
        try:
            _override(document, override)
        except InputError as error:
            document.problems.append((1 << 30, f"override {_short(override)}: {error}"))


def _short(override: str) -> str:
    """Return an override as it was written, cut to one line."""
    quoted = repr(override)
    return quoted if len(quoted) <= 120 else quoted[:117] + "..."


class _Reader:
    """One pass over the YAML nodes of one text."""

    def __init__(self, document: Document) -> None:
        self.document = document
        self.seen: dict[int, Any] = {}  # keeps the nodes alive, so that an id stays theirs

    def read(self, text: str) -> Any:
        from ruamel.yaml import YAML
        from ruamel.yaml.error import MarkedYAMLError, YAMLError

        where = self.document.where
        self.yaml = YAML(typ="safe", pure=True)
        try:
            node = self.yaml.compose(io.StringIO(text))
            self.document.lines[()] = 1
            return None if node is None else self._value(node, ())
        except MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            line = mark.line + 1 if mark else 1
            reason = ", ".join(str(s).strip() for s in (error.context, error.problem) if s)
            raise InputError(f"{where}:{line}: is not YAML: {reason}") from None
        except YAMLError as error:
            raise InputError(f"{where}:1: is not YAML: {str(error).splitlines()[0]}") from None
        except RecursionError:
            raise InputError(f"{where}:1: is nested too deeply") from None
        except (ValueError, OverflowError) as error:  # an escape such as "\U00110000" names no character
            line = self._broken_escape(text)
            raise InputError(
                f"{where}:{line}: is not YAML: an escape that names no character ({error})"
            ) from None

    @staticmethod
    def _broken_escape(text: str) -> int:
        r"""Line of the first `\U` escape above the last character there is; 1 where there is none."""
        for escape in re.finditer(r"\\U([0-9A-Fa-f]{8})", text):
            if int(escape[1], 16) > sys.maxunicode:
                return text.count("\n", 0, escape.start()) + 1
        return 1

    def _value(self, node: Any, key: Key) -> Any:
        line = node.start_mark.line + 1
        if id(node) in self.seen:
            return self._unread(key, "aliases (*name) are not part of a recipe; write the value out", None)
        self.seen[id(node)] = node
        tag = str(node.tag).removeprefix(_TAG)
        if node.id == "scalar":
            return self._scalar(node, tag, key, line)
        if tag != ("seq" if node.id == "sequence" else "map"):
            return self._unread(key, f"tag {str(node.tag)!r} is not part of a recipe; leave it out", line)
        if tag == "seq":
            out = []
            for i, item in enumerate(node.value):
                self.document.lines[(*key, i)] = item.start_mark.line + 1
                out.append(self._value(item, (*key, i)))
            return out
        return self._mapping(node, key)

    def _unread(self, key: Key, message: str, line: int | None) -> None:
        self.document.problem(key, message, line)
        self.document.unread.add(key)

    def _mapping(self, node: Any, key: Key) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name_node, value_node in node.value:
            line = name_node.start_mark.line + 1
            name = name_node.value
            if not isinstance(name, str) or str(name_node.tag).removeprefix(_TAG) not in ("str", "merge"):
                shown = show(name) if isinstance(name, str) else "a list or mapping"
                self.document.problem(key, f"a key should be a word, found {shown}", line)
                continue
            if name in out:
                first = self.document.lines[(*key, name)]
                self.document.problem((*key, name), f"is given twice, first on line {first}", line)
                continue
            self.document.lines[(*key, name)] = line
            out[name] = self._value(value_node, (*key, name))
        return out

    def _scalar(self, node: Any, tag: str, key: Key, line: int) -> Any:
        text = node.value
        try:
            match tag:
                case "str" | "timestamp" | "merge" | "value":
                    text.encode("utf-8")  # half of a surrogate pair cannot be written to any file
                    return text
                case "null":
                    return None
                case "bool":
                    return self.yaml.constructor.construct_yaml_bool(node)
                case "int":
                    integer = self.yaml.constructor.construct_yaml_int(node)
                    if abs(integer) < 2**63:
                        return integer
                    self._unread(key, f"{text[:24]}... is too large for a 64-bit number", line)
                case "float":
                    number = self.yaml.constructor.construct_yaml_float(node)
                    if abs(number) <= LARGEST_NUMBER:
                        return number
                    beyond = f"{text[:24]} is beyond {LARGEST_NUMBER:g}, more than any quantity of a recipe"
                    reason = (
                        beyond if math.isfinite(number) else f"should be a finite number, found {text[:24]}"
                    )
                    self._unread(key, reason, line)
                case _:
                    self._unread(key, f"tag {str(node.tag)!r} is not part of a recipe; leave it out", line)
        except UnicodeEncodeError:
            self._unread(key, f"{text[:24]!a} holds a character that cannot be written (a surrogate)", line)
        except (ValueError, LookupError, OverflowError):
            expected = {"bool": "true or false", "int": "a whole number"}.get(tag, "a number")
            self._unread(key, f"{text[:24]!r} is not {expected}", line)
        return None


def _override(document: Document, override: str) -> None:
    name, equals, text = override.partition("=")
    words = name.strip().split(".")
    if len(words) > _DEEPEST:
        raise InputError(f"its key has {len(words)} parts, a recipe's keys at most {_DEEPEST}")
    if not equals or not all(words):
        raise InputError("should be key=value, such as samples=64 or stages.detect.threshold=4")
    read = parse_document(text, "value")  # its own YAML errors say "value:1: is not YAML"
    if read.problems:
        raise InputError("; ".join(message for _, message in read.problems))
    key: Key = ()
    here = document.data
    for i, word in enumerate(words):
        steps = _step(here, key, word)
        for step in steps[:-1]:
            here, key = here[step], (*key, step)
        key = (*key, steps[-1])
        if i == len(words) - 1:
            here[steps[-1]] = read.data
        elif isinstance(here, dict):
            if here.get(steps[-1]) is None:
                here[str(steps[-1])] = {}
            here = here[str(steps[-1])]
        else:
            here = here[steps[-1]]
    for old in [k for k in (*document.lines, *document.overrides) if k[: len(key)] == key]:
        document.lines.pop(old, None)
        document.overrides.pop(old, None)
    document.overrides[key] = override


def _step(here: Any, key: Key, word: str) -> tuple[str | int, ...]:
    """Return the steps into `here` that `word` means: a key, a list index, or a stage's name."""
    if isinstance(here, dict):
        return (word,)
    if not isinstance(here, list):
        raise InputError(f"{spell(key) or 'the recipe'} has no keys, it is {show(here)}")
    if word.isdecimal():
        if int(word) < len(here):
            return (int(word),)
        raise InputError(f"{spell(key)} has {len(here)} items, the last is number {len(here) - 1}")
    if key != ("stages",):
        raise InputError(f"{spell(key)} is a list: give a number from 0, found {word!r}")
    matches = []
    for i, item in enumerate(here):
        if isinstance(item, dict):
            kinds = [k for k in item if k != "name"]
            named = item.get("name")
            if kinds and (named == word or (named is None and kinds[0] == word)):
                matches.append((i, kinds[0]))
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(f"{word!r} is there {len(matches)} times: use stages.{matches[0][0]}.{word}")
    names = [item.get("name") or next(iter(item), "") for item in here if isinstance(item, dict)]
    raise InputError(f"no stage {word!r} in this recipe{nearest(word, names)}")
