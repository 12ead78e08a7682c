"""Reading configuration classes from plain data: every problem as a sentence about its key."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from mockforge.errors import nearest
from mockforge.recipe.renamed import KEYS
from mockforge.recipe.yaml import Document, Key, show

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_MISSING = ("missing", "missing_argument", "missing_keyword_only_argument")
_UNKNOWN = ("unexpected_keyword_argument", "extra_forbidden")


@cache
def adapter(cls: Any) -> TypeAdapter[Any]:
    """Return the pydantic reader of a configuration class."""
    from pydantic import TypeAdapter

    return TypeAdapter(cls)


def read(cls: Any, data: Any, document: Document, at: Key) -> Any | None:
    """Return `data` as an instance of `cls`; None with the problems recorded where it does not fit.

    Values keep their YAML type: "3" is no number, and 3.5 no count. An InputError raised while
    the instance is made (a model that does not exist) is recorded like any other problem.
    """
    from pydantic import ValidationError

    try:
        # JSON mode: strict about types, yet a YAML list may fill a tuple and a word a Path.
        return adapter(cls).validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        for key, message in _sentences(error.errors(include_url=False), data, cls):
            document.problem((*at, *key), message)
        return None


def read_without_faults(cls: Any, data: Any) -> Any | None:
    """Return `data` as an instance of `cls` with its faulty keys left at their defaults, if that works.

    Lets the checks between stages go on below a stage with a spelling mistake.
    """
    from pydantic import ValidationError

    if not isinstance(data, dict):
        return None
    try:
        adapter(cls).validate_json(json.dumps(data), strict=True)
    except ValidationError as error:
        faulty = {e["loc"][0] for e in error.errors(include_url=False) if e["loc"]}
        rest = {k: v for k, v in data.items() if k not in faulty}
        try:
            return adapter(cls).validate_json(json.dumps(rest), strict=True)
        except ValidationError:
            return None
    return None


def _sentences(errors: Any, data: Any, cls: Any) -> list[tuple[Key, str]]:
    """(key, message) of each problem; the branches of a union become one message."""
    schema = adapter(cls).json_schema()
    grouped: dict[Key, list[dict[str, Any]]] = {}
    for error in errors:
        grouped.setdefault(_place(error, data), []).append(error)
    out = []
    for key, faults in grouped.items():
        deeper = any(other[: len(key)] == key and other != key for other in grouped)
        if deeper and all(e["type"].endswith("_type") for e in faults):
            continue  # another branch of the union took the value and says more
        message = " or ".join(dict.fromkeys(_message(e, key, schema) for e in faults))
        if all(e["type"] not in _MISSING for e in faults) and not _says_found(message):
            message += f" (found {show(faults[0]['input'])})" if key else ""
        out.append((key, message))
    return out


def _place(error: Mapping[str, Any], data: Any) -> Key:
    """Return the key an error is about: its location without the names pydantic gives to union branches."""
    key: Key = ()
    value = data
    for i, word in enumerate(error["loc"]):
        last = i == len(error["loc"]) - 1
        is_key = isinstance(value, dict) and word in value
        if is_key or (isinstance(value, list) and isinstance(word, int) and word < len(value)):
            value, key = value[word], (*key, word)
        elif last and error["type"] in _MISSING:
            key = (*key, word)
    return key


def _message(error: Mapping[str, Any], key: Key, schema: dict[str, Any]) -> str:
    kind = error["type"]
    parent, word = ("", "", *map(str, key))[-2:]
    if kind in _UNKNOWN and (parent, word) in KEYS:
        return KEYS[parent, word]
    if kind in _UNKNOWN:
        return f"unknown key{nearest(key[-1], _properties(schema, key[:-1]))}"
    if kind in _MISSING:
        about = _properties(schema, key[:-1]).get(str(key[-1]), {}).get("description", "")
        return f"is missing{f': {about}' if about else ''}"
    if kind == "literal_error":
        expected = error["ctx"]["expected"]
        hint = nearest(error["input"], expected.replace("'", "").replace(" or ", ", ").split(", "))
        return f"should be {expected}{hint if 'did you mean' in hint else ''}"
    if kind == "value_error":
        return str(error["ctx"]["error"])
    if kind in ("dataclass_type", "dict_type"):
        return "should have keys and values"
    message = error["msg"].removeprefix("Value error, ")
    for start in ("Input should be", "Tuple should", "List should", "String should"):
        if message.startswith(start):
            message = "should" + message.removeprefix(start.removesuffix(" be")).removeprefix(" should")
    plain = {"valid integer": "whole number", "valid number": "number", "valid array": "list"}
    for word, simple in plain.items():
        message = message.replace(word, simple)
    return message.replace("valid string", "text").replace("valid boolean", "true or false")


def _says_found(message: str) -> bool:
    return "found " in message


def _properties(schema: dict[str, Any], key: Key) -> dict[str, Any]:
    """Return the keys that are known below `key`, from the JSON Schema of the class."""
    heres = [schema]
    for word in key:
        heres = [s for here in heres for s in _below(here, word, schema)]
    properties: dict[str, Any] = {}
    for here in heres:
        for branch in _branches(here, schema):
            properties |= branch.get("properties", {})
    return properties


def _below(here: dict[str, Any], word: str | int, root: dict[str, Any]) -> list[dict[str, Any]]:
    out = []
    for branch in _branches(here, root):
        if isinstance(word, int):
            inner = branch.get("prefixItems", [])
            out += [inner[word]] if word < len(inner) else [branch["items"]] if "items" in branch else []
        elif word in branch.get("properties", {}):
            out.append(branch["properties"][word])
        elif isinstance(branch.get("additionalProperties"), dict):
            out.append(branch["additionalProperties"])
    return out


def _branches(here: dict[str, Any], root: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in here:
        name = here["$ref"].rsplit("/", 1)[-1]
        return _branches(root.get("$defs", {}).get(name, {}), root)
    parts = [*here.get("anyOf", ()), *here.get("oneOf", ()), *here.get("allOf", ())]
    return [here, *(b for part in parts for b in _branches(part, root))]
