"""Publishing: what joins the shards of a finished build, and the manifest last."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mockforge.batch import Table
from mockforge.data.card.card import CardSection, write_card
from mockforge.data.card.croissant import write_croissant
from mockforge.data.manifest import PUBLISHED, Manifest, write_manifest
from mockforge.data.preview.preview import write_preview
from mockforge.data.reader import Reader
from mockforge.data.shards import ShardRecord
from mockforge.data.view import write_view
from mockforge.progress import say
from mockforge.recipe.read import Recipe, loads


def publish(folder: Path, recipe: Recipe, records: Sequence[ShardRecord], quiet: int) -> None:
    """Write what joins the shards; the manifest comes last and makes the dataset finished."""
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
    return PUBLISHED


def write_published(name: str, folder: Path, manifest: Manifest, recipe: Recipe | None = None) -> None:
    """Make one of the files that join and show the shards; equal shards give equal bytes.

    The card needs the `recipe`, by default the manifest's. InputError where that cannot be read
    any more, such as for a file of its own that is gone.
    """
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
        caveats = [entry.stage.caveat() for entry in recipe.stages]
        sections = [CardSection(worth, worth), *_sections(folder, manifest, recipe)]
        write_card(folder, manifest, sections, list(filter(None, caveats)))
    elif name == "croissant.json":
        write_croissant(folder, manifest)
    else:
        write_preview(folder, manifest)


def _notices(folder: Path, manifest: Manifest, recipe: Recipe) -> list[str]:
    """Return what the stages say of the samples that were made, from their tables."""
    with Reader(folder, manifest) as reader:
        tables = _Tables(reader)
        return [sentence for entry in recipe.stages for sentence in entry.stage.notices(tables)]


def _sections(folder: Path, manifest: Manifest, recipe: Recipe) -> list[CardSection]:
    """Return what the stages add to the card, such as how complete and pure the labels are."""
    with Reader(folder, manifest) as reader:
        tables, attributes = _Tables(reader), dict(reader.attributes)
        added = [
            section for entry in recipe.stages for section in entry.stage.card_sections(tables, attributes)
        ]
    return [CardSection(full, brief) for full, brief in added]


class _Tables(Mapping[str, Table]):
    """The tables of an open dataset, each read when a stage first asks for it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._read: dict[str, Table] = {}

    def __getitem__(self, name: str) -> Table:
        if name not in self._reader.tables:
            raise KeyError(name)
        if name not in self._read:
            self._read[name] = self._reader.table(name)[0]
        return self._read[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._reader.tables)

    def __len__(self) -> int:
        return len(self._reader.tables)
