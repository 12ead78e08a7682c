"""Overrides of a recipe: `key=value` words, or a mapping from key to value."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import PurePath
from typing import Any

import numpy as np

from mockforge.errors import InputError

Overrides = Iterable[str] | Mapping[str, Any]
"""`["samples=64", "stages.detect.threshold=4"]` or `{"samples": 64, "stages.detect.threshold": 4}`."""


def override_words(overrides: Overrides) -> list[str]:
    """Return overrides as `key=value` words, the values in YAML; a single word may stand alone.

    A value of a mapping is the whole new value, as after `=`: a mapping in it replaces, it is not merged.
    InputError for what is neither, and for values no recipe can hold.
    """
    if isinstance(overrides, str):
        return [overrides]
    if isinstance(overrides, Mapping):
        return [f"{_key(key)}={_text(key, value)}" for key, value in overrides.items()]
    try:
        words: list[Any] = list(overrides)
    except TypeError:
        words = [overrides]
    for word in words:
        if not isinstance(word, str):
            raise InputError(
                f"overrides: should be words such as 'samples=64', or a mapping such as {{'samples': 64}}; "
                f"found {word!r}"
            )
    return words


def _key(key: Any) -> str:
    if not isinstance(key, str) or not key or "=" in key:
        raise InputError(
            f"overrides: a key is a name with dots, such as 'stages.detect.threshold'; found {key!r}"
        )
    return key


def _text(key: str, value: Any) -> str:
    try:
        return json.dumps(value, default=_plain, ensure_ascii=False)  # JSON is YAML too
    except (TypeError, ValueError, RecursionError) as error:
        raise InputError(f"overrides: {key}: {value!r} cannot stand in a recipe ({error})") from None


def _plain(value: Any) -> Any:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    if isinstance(value, PurePath):
        return str(value)
    raise TypeError(f"a {type(value).__name__} is neither text, number, list nor mapping")
