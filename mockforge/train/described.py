"""Reading a model's JSON into dataclasses: closed, typed and bounded, every fault with its key.

A model's file may come from anyone. Its fields are therefore read by the annotations of a dataclass
(no pydantic: a training machine has none): an unknown key, a value of another type, a number outside
its limits or one that is not finite is a ValueError that names the key, what was found and what is
wanted.
"""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from mockforge.errors import nearest

T = TypeVar("T")

_LARGEST_JSON = 64_000_000  # bytes; the largest description is a map of the sky's rms
_LONGEST_LIST = 4096
_LONGEST_TEXT = 20_000


@dataclass(frozen=True)
class NullIs:
    """JSON has no infinity: `Annotated[float, NullIs(math.inf)]` is written as null and read as this."""

    value: float


NOT_READ = {"in the file": False}
"""Metadata of a dataclass's field that is no key of a description."""


def parse_json(raw: bytes) -> dict[str, Any]:
    """Return a JSON object without NaN, infinities or a key given twice; ValueError otherwise."""
    if len(raw) > _LARGEST_JSON:
        raise ValueError(f"it has {len(raw)} bytes, a description at most {_LARGEST_JSON}")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        out = dict(pairs)
        if len(out) < len(pairs):
            names = [name for name, _ in pairs]
            raise ValueError(f"{next(n for n in names if names.count(n) > 1)}: is given twice")
        return out

    def never(word: str) -> Any:
        raise ValueError(f"holds {word}, which is no number of JSON")

    try:
        description = json.loads(raw, object_pairs_hook=once, parse_constant=never)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if not isinstance(description, dict):
        raise ValueError(f"it is no description, found {show(description)}")
    return description


def described(cls: type[T], found: Any, at: str = "") -> T:
    """`found`, plain data of JSON, as an instance of the dataclass `cls`; ValueError as said above."""
    if not isinstance(found, Mapping):
        raise ValueError(f"{_place(at)}should have keys and values, found {show(found)}")
    kinds = _kinds(cls)
    for name in found:
        if name not in kinds:
            raise ValueError(f"{_place(_below(at, name))}unknown key{nearest(name, kinds)}")
    values = {}
    for field in _read_fields(cls):
        if field.name in found:
            values[field.name] = _read(kinds[field.name], found[field.name], _below(at, field.name))
        elif field.default is MISSING and field.default_factory is MISSING:
            raise ValueError(f"{_place(_below(at, field.name))}is missing")
    try:
        return cls(**values)
    except ValueError as error:
        raise ValueError(f"{_place(at)}{error}") from error


@cache
def _kinds(cls: type) -> dict[str, Any]:
    hints = get_type_hints(cls, include_extras=True)
    return {field.name: hints[field.name] for field in _read_fields(cls)}


def _read_fields(cls: type) -> list[Field[Any]]:
    return [field for field in fields(cls) if field.metadata.get("in the file", True)]


def _read(kind: Any, value: Any, at: str) -> Any:
    """`value` as the annotation `kind` says."""
    origin = get_origin(kind)
    if origin is Annotated:
        return _limited(kind, value, at)
    if origin in (Union, types.UnionType):
        return _one_of(get_args(kind), value, at)
    if origin is Literal:
        if value not in get_args(kind) or isinstance(value, bool):
            raise ValueError(f"{at}: should be {' or '.join(map(repr, get_args(kind)))}, found {show(value)}")
        return value
    if origin is tuple:
        return _tuple(get_args(kind), value, at)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return _mapping(get_args(kind)[1], value, at)
    if is_dataclass(kind):
        return described(kind, value, at)  # type: ignore[arg-type]
    return _scalar(kind, value, at)


def _limited(kind: Any, value: Any, at: str) -> Any:
    base, *limits = get_args(kind)
    for limit in limits:
        if isinstance(limit, NullIs) and value is None:
            return limit.value
    out = _read(base, value, at)
    for limit in limits:
        if out is not None and not isinstance(limit, NullIs) and not limit.holds(out):
            actual = f"{len(out)} {limit.of}" if hasattr(limit, "of") else show(value)
            word = "have" if hasattr(limit, "of") else "be"
            raise ValueError(f"{at}: should {word} {limit}, found {actual}")
    return out


def _one_of(kinds: Sequence[Any], value: Any, at: str) -> Any:
    """Return the value by the first kind of a union that takes it."""
    if value is None and type(None) in kinds:
        return None
    faults = []
    for kind in kinds:
        if kind is not type(None):
            try:
                return _read(kind, value, at)
            except ValueError as error:
                faults.append(str(error))
    raise ValueError(faults[-1])


def _tuple(kinds: Sequence[Any], value: Any, at: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{at}: should be a list, found {show(value)}")
    if len(value) > _LONGEST_LIST:
        raise ValueError(f"{at}: has {len(value)} items, at most {_LONGEST_LIST} are allowed")
    if kinds[-1] is Ellipsis:
        kinds = (kinds[0],) * len(value)
    if len(kinds) != len(value):
        raise ValueError(f"{at}: should have {len(kinds)} items, found {len(value)}")
    return tuple(_read(k, v, f"{at}[{i}]") for i, (k, v) in enumerate(zip(kinds, value, strict=True)))


def _mapping(kind: Any, value: Any, at: str) -> dict[str, Any]:
    if not isinstance(value, Mapping) or len(value) > _LONGEST_LIST:
        raise ValueError(f"{at}: should have keys and values, found {show(value)}")
    return {str(key): _read(kind, entry, _below(at, key)) for key, entry in value.items()}


def _scalar(kind: Any, value: Any, at: str) -> Any:
    words = {float: "a number", int: "a whole number", str: "text", bool: "true or false"}
    right = isinstance(value, (int, float) if kind is float else kind)
    if not right or (isinstance(value, bool) and kind is not bool):
        raise ValueError(f"{at}: should be {words[kind]}, found {show(value)}")
    if kind is float:
        if abs(value) >= 2.0**1023 or not math.isfinite(value):
            raise ValueError(f"{at}: should be a finite number, found {show(value)}")
        return float(value)
    if kind is int and abs(value) >= 2**63:
        raise ValueError(f"{at}: is beyond 64 bits, found {show(value)}")
    if isinstance(value, str) and len(value) > _LONGEST_TEXT:
        raise ValueError(f"{at}: has {len(value)} characters, at most {_LONGEST_TEXT} are allowed")
    return value


def _below(at: str, name: str) -> str:
    return f"{at}.{name}" if at else str(name)


def _place(at: str) -> str:
    return f"{at}: " if at else ""


def show(value: Any) -> str:
    """Return a value in a sentence, cut short."""
    text = json.dumps(value, default=str)
    return text if len(text) <= 60 else text[:57] + "..."
