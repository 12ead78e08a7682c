"""The JSON Schema of recipes, so that editors complete and check them."""

from __future__ import annotations

from typing import Any

from mockforge.recipe.errors import adapter
from mockforge.recipe.read import Head
from mockforge.stages import STAGES, stage_class


def schema(training: bool = False) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of recipes, or of training recipes, for editors."""
    from pydantic import TypeAdapter

    root: Any = Head
    if training:
        from mockforge.sgan.training import TrainSgan as root
    classes = {} if training else {name: stage_class(name) for name in STAGES}
    keyed = [(name, "validation", adapter(cls)) for name, cls in (("", root), *classes.items())]
    made, defs = TypeAdapter.json_schemas(keyed)  # type: ignore[arg-type]
    definitions = defs.get("$defs", {})
    out = dict(_resolved(made[("", "validation")], definitions))
    out = {"$schema": "https://json-schema.org/draft/2020-12/schema", **out, "title": "mockforge recipe"}
    if not training:
        items = []
        for name in classes:
            ref = made[(name, "validation")]
            own = _resolved(ref, definitions)
            value = ref if own.get("required") else {"anyOf": [ref, {"type": "null"}]}
            items.append(
                {
                    "type": "object",
                    "title": name,
                    "description": own.get("description", ""),
                    "properties": {
                        name: value,
                        "name": {"type": "string", "description": "needed where a stage is used twice"},
                    },
                    "required": [name],
                    "additionalProperties": False,
                }
            )
        out["properties"] = {
            **out["properties"],
            "stages": {
                "type": "array",
                "minItems": 1,
                "description": "The steps, in order; the first is a source.",
                "items": {"oneOf": items},
            },
        }
        out["required"] = [*out["required"], "stages"]
        out["description"] = "How a dataset is made: a seed, how many samples, the stages, what to save."
    return {**out, "$defs": definitions}


def _resolved(one: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    return definitions[one["$ref"].rsplit("/", 1)[-1]] if "$ref" in one else one
