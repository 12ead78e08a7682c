"""What differs between two recipes, in dotted keys."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def changes(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """`stages.detect.threshold: 5.0 -> 4.0` for every value that differs."""
    before, after = _flat(old), _flat(new)
    absent = "(not there)"
    return [
        f"{key}: {before.get(key, absent)} -> {after.get(key, absent)}"
        for key in dict.fromkeys((*before, *after))
        if before.get(key, absent) != after.get(key, absent)
    ]


def _flat(value: Any, key: str = "") -> dict[str, str]:
    if isinstance(value, Mapping) and value:
        items = [(str(k), v) for k, v in value.items()]
    elif isinstance(value, list) and value and key == "stages":
        # Stages go by name, so that one more stage is not a change of all that follow.
        items = [(str(v.get("name", next(iter(v), i))), v) for i, v in enumerate(value)]
        items = [(name, next(iter(v.values()), v)) for name, v in items]
    else:
        return {key: json.dumps(value)}
    return {k: v for name, inner in items for k, v in _flat(inner, f"{key}.{name}".lstrip(".")).items()}
