"""The JSON Schema of recipes, so that editors complete and check them."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

from mockforge.errors import InputError
from mockforge.recipe.checks import stage_class, training_class
from mockforge.recipe.errors import adapter
from mockforge.recipe.read import Head
from mockforge.registry import NETWORKS, STAGES, TRAININGS, Registry

_DRAFT = "https://json-schema.org/draft/2020-12/schema"


def schema(training: bool = False) -> dict[str, Any]:
    """Return the JSON Schema (draft 2020-12) of recipes, or of training recipes, for editors."""
    return _training() if training else _building()


def _training() -> dict[str, Any]:
    """One of the recipes that `mockforge train` takes, distinguished by keys and the network."""
    from pydantic import TypeAdapter

    classes = dict.fromkeys(
        [
            *_described(TRAININGS, partial(training_class, TRAININGS)).values(),
            *_described(NETWORKS, partial(training_class, NETWORKS)).values(),
        ]
    )
    keyed = [(str(i), "validation", adapter(cls)) for i, cls in enumerate(classes)]
    schemas, defs = TypeAdapter.json_schemas(keyed)  # type: ignore[arg-type]
    return {
        "$schema": _DRAFT,
        "title": "mockforge training recipe",
        "description": "What `mockforge train` trains: a SGAN (key field), a redshifter (key dataset), a "
        "recoverer (key degraded), or the network that is named (key network).",
        "type": "object",
        "oneOf": [schemas[(key, "validation")] for key, _, _ in keyed],
        "$defs": defs.get("$defs", {}),
    }


def _building() -> dict[str, Any]:
    """Return the head of a recipe and, as its `stages`, every stage of the registry."""
    from pydantic import TypeAdapter

    classes = _described(STAGES, stage_class)
    keyed = [(name, "validation", adapter(cls)) for name, cls in (("", Head), *classes.items())]
    schemas, defs = TypeAdapter.json_schemas(keyed)  # type: ignore[arg-type]
    definitions = defs.get("$defs", {})
    out = dict(_resolved(schemas[("", "validation")], definitions))
    stages = {
        "type": "array",
        "minItems": 1,
        "description": "The steps, in order; the first is a source.",
        "items": {"oneOf": [_item(name, schemas[(name, "validation")], definitions) for name in classes]},
    }
    return {
        "$schema": _DRAFT,
        **out,
        "title": "mockforge recipe",
        "description": "How a dataset is made: a seed, how many samples, the stages, what to save.",
        "properties": {**out["properties"], "stages": stages},
        "required": [*out["required"], "stages"],
        "$defs": definitions,
    }


def _described(registry: Registry, load: Callable[[str], type]) -> dict[str, type]:
    """Return the classes of a registry by name; one of a package that has no schema is left out, and said."""
    classes = {}
    for name in registry:
        try:
            classes[name] = load(name)
            adapter(classes[name]).json_schema()
        except Exception as error:
            package = registry.giver(name)
            if not package and not isinstance(error, InputError):
                raise
            classes.pop(name, None)
            reason = str(error).splitlines()[0]
            warnings.warn(
                f"left out the {registry.kind} {name!r}{package and ' of '}{package}: {reason}", stacklevel=2
            )
    return classes


def _item(name: str, ref: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    """One entry of `stages`: a stage's name with its settings, or null where it needs none."""
    own = _resolved(ref, definitions)
    return {
        "type": "object",
        "title": name,
        "description": own.get("description", ""),
        "properties": {
            name: ref if own.get("required") else {"anyOf": [ref, {"type": "null"}]},
            "name": {"type": "string", "description": "needed where a stage is used twice"},
        },
        "required": [name],
        "additionalProperties": False,
    }


def _resolved(one: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    return definitions[one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one
