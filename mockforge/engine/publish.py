"""Publishing: what joins the shards of a finished build, and the manifest last."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mockforge.progress import say
from mockforge.recipe.read import Recipe, loads

if TYPE_CHECKING:
    from mockforge.data.card.card import Section
    from mockforge.data.manifest import Manifest
    from mockforge.data.shards import ShardRecord


def publish(folder: Path, recipe: Recipe, records: Sequence[ShardRecord], quiet: int) -> None:
    """Write what joins the shards; the manifest comes last and makes the dataset finished."""
    from mockforge.data.manifest import Manifest, write_manifest

    manifest = Manifest(
        name=recipe.name,
        recipe=recipe.text(),
        recipe_digest=recipe.digest(),
        shards=tuple(records),
        weights=recipe.weights,
        model_cards=recipe.model_cards,
    )
    for name in published():
        write_published(name, folder, manifest, recipe)
    for notice in _notices(folder, manifest, recipe):
        say(f"{folder}: {notice}", quiet)
    write_manifest(folder, manifest)


def published() -> tuple[str, ...]:
    """Return the files that join and show the shards, each after those that it is made from."""
    from mockforge.data.manifest import PUBLISHED

    return PUBLISHED


def write_published(name: str, folder: Path, manifest: Manifest, recipe: Recipe | None = None) -> None:
    """Make one of the files that join and show the shards; equal shards give equal bytes.

    The card needs the `recipe`, by default the manifest's. InputError where that cannot be read
    any more, such as for a file of its own that is gone.
    """
    from mockforge.data.card.card import Section, write_card
    from mockforge.data.card.croissant import write_croissant
    from mockforge.data.preview.preview import write_preview
    from mockforge.data.view import write_view

    if name == "dataset.h5":
        write_view(folder, manifest.shards)
    elif name == "README.md":
        recipe = recipe or loads(manifest.recipe, str(folder / "manifest.json"))
        notices = _notices(folder, manifest, recipe)
        worth = (
            "\n".join(["## Notes of this build\n", *(f"- {notice}." for notice in notices)])
            if notices
            else ""
        )
        caveats = [caveat() for caveat in _said(recipe, "caveat")]
        sections = [Section(worth, worth), *_labels_against_truth(folder, manifest)]
        write_card(folder, manifest, sections, caveats)
    elif name == "croissant.json":
        write_croissant(folder, manifest)
    else:
        write_preview(folder, manifest)


def _notices(folder: Path, manifest: Manifest, recipe: Recipe) -> list[str]:
    """Return what the stages say of the samples that were made, from their tables."""
    from mockforge.data.reader import Reader

    asked = _said(recipe, "notices")
    if not asked:
        return []
    with Reader(folder, manifest) as reader:
        tables = {name: reader.table(name)[0] for name in reader.tables}
    return [sentence for notices in asked for sentence in notices(tables)]


def _said(recipe: Recipe, name: str) -> list[Any]:
    """Return the methods `name` of the stages that have one."""
    return [getattr(entry.stage, name) for entry in recipe.stages if hasattr(entry.stage, name)]


def _labels_against_truth(folder: Path, manifest: Manifest) -> list[Section]:
    """Return the card's section on completeness and purity.

    None where the dataset has no truth to compare with.
    """
    from mockforge.data.card.card import Section
    from mockforge.data.reader import Reader
    from mockforge.label.completeness import brief, section

    with Reader(folder, manifest) as reader:
        if not {"objects", "catalogue"} <= set(reader.tables):
            return []
        tables = {name: reader.table(name)[0] for name in ("objects", "catalogue")}
        bands = reader.attributes.get("bands", ())
        bands = (bands,) if isinstance(bands, str) else tuple(bands)
        known = (tables, bands, reader.attributes.get("zeropoint_ab"))
        return [Section(section(*known), brief(*known))]
