"""A second copy of the manifest, in croissant.json: a lost or damaged manifest is made again from it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from mockforge.data.manifest import Manifest

_NAME = "mockforge manifest, without the records of files that are not shards"


def manifest_property(manifest: Manifest) -> dict[str, Any]:
    """Return the manifest as a property of croissant.json, with a digest of its own."""
    bare = replace(manifest, files=())
    return {"@type": "PropertyValue", "name": _NAME, "value": json.dumps(bare.to_json())}


def rescued_manifest(folder: Path) -> Manifest | None:
    """Return the manifest that croissant.json keeps, None where that is lost too.

    Its `files` are empty: croissant.json cannot hold its own sha256.
    """
    try:
        document = json.loads((folder / "croissant.json").read_text(encoding="utf-8"))
        return Manifest.from_json(json.loads(document["additionalProperty"]["value"]))
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
