"""Recipes: a closed YAML document and `key=value` overrides become typed, frozen configuration.

>>> recipe = load("recipes/segmentation.yaml", ["samples=64", "stages.detect.threshold=4"])
>>> recipe.stages[1].stage.threshold
4.0
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from mockforge.config import Count, Index, Limit, Varying, config
from mockforge.errors import InputError, nearest
from mockforge.names import is_name, name_problem
from mockforge.recipe.bundled import bundled_recipes
from mockforge.recipe.checks import (
    NamedStage,
    check_flow,
    check_save,
    check_splits,
    read_stages,
    stage_class,
    training_class,
)
from mockforge.recipe.errors import read
from mockforge.recipe.instruments import check_files, check_instruments
from mockforge.recipe.overrides import Overrides
from mockforge.recipe.yaml import Document, apply_overrides, parse_document, read_document, show
from mockforge.registry import NETWORKS, TRAININGS
from mockforge.torch_state import numpy_default

Dtype = Literal[
    "float16", "float32", "float64", "bool",
    "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32",
]  # fmt: skip


@config
class Head:
    """A recipe without its stages."""

    name: str
    """Name of the dataset: letters, digits, `_`, `-` and `.`; the build goes to datasets/<name>."""
    seed: Index
    """Every random number of the dataset follows from it."""
    samples: Count
    """Number of samples of all splits together."""
    shard_size: Count = 64
    """Samples in one file of the dataset; one worker makes one shard at a time."""
    splits: Mapping[str, Annotated[float, Limit(gt=0, le=1)]] = field(default_factory=lambda: {"train": 1.0})
    """Split -> its share of the samples; the shares sum to 1."""
    save: Mapping[str, Dtype]
    """Array -> its type on disk; tables are always saved."""


@dataclass(frozen=True)
class Recipe:
    """A recipe that has been checked as a whole."""

    name: str
    seed: int
    samples: int
    shard_size: int
    splits: Mapping[str, float]
    stages: tuple[NamedStage, ...]
    save: Mapping[str, str]
    weights: Mapping[str, str] = field(default_factory=dict)
    """What the stages read besides the recipe (network weights, images) -> its sha256."""
    model_cards: Mapping[str, str] = field(default_factory=dict)
    """Network -> its card, Markdown."""

    @property
    def shards(self) -> int:
        """Number of shards."""
        return -(-self.samples // self.shard_size)

    def document(self) -> dict[str, Any]:
        """Return the recipe with every default written out, as plain data."""
        stages = []
        for entry in self.stages:
            item: dict[str, Any] = {entry.kind: plain(entry.stage)}
            stages.append(item if entry.name == entry.kind else {**item, "name": entry.name})
        head = {f: plain(getattr(self, f)) for f in ("name", "seed", "samples", "shard_size", "splits")}
        return {**head, "stages": stages, "save": plain(self.save)}

    def text(self) -> str:
        """Return the recipe with every default written out, as YAML that loads as this recipe again."""
        return to_yaml(self.document())

    def digest(self) -> str:
        """sha256 of what the recipe means: comments, key order and spelling of numbers do not count."""
        return digest(self.document(), self.weights)


@numpy_default()
def load(path: str | Path, overrides: Overrides = ()) -> Recipe:
    """Read and check a recipe file, or a bundled recipe by name.

    `overrides` are `key=value`, or a mapping from key to value; keys with dots: `samples=64`,
    `stages.detect.threshold=4`, `stages.0.sgan.tile=128`, `splits.train=0.9`. Raises one
    InputError that lists every problem, a line each, with file, line, key, value found and the nearest
    valid name.
    """
    return _recipe(_open(path, overrides))


@numpy_default()
def loads(text: str, where: str) -> Recipe:
    """`load` for a recipe that is at hand as text; `where` names it in messages."""
    return _recipe(parse_document(text, where))


@numpy_default()
def load_training(path: str | Path, overrides: Overrides = ()) -> tuple[Any, str]:
    """Read and check a training recipe: (its configuration, the resolved recipe as YAML text).

    The configuration is of the class of the network that the recipe names, `network: {unet: {}}`; by
    default a SGAN for a recipe with the key `field`, a redshifter for one with the key `dataset`, a
    network that recovers for one with the key `degraded`. Each has
    `run(out, resume=, recipe_text=, report=)`.
    """
    document = _open(path, overrides)
    if isinstance(document.data, dict) and "stages" in document.data:
        document.problem(("stages",), "this is a recipe for `mockforge build`, not for `mockforge train`")
        document.raise_problems()
    data = _mapping(document)
    recipe = read(_training_class(data, document), data, document, ())
    if isinstance(data.get("name"), str) and not is_name(data["name"]):
        document.problem(("name",), name_problem(data["name"]))
    document.raise_problems()
    return recipe, to_yaml(plain(recipe))


def _training_class(data: dict[str, Any], document: Document) -> type:
    """Return the class of a training recipe: by the network that it names, else by what it learns from."""
    given = [key for key in TRAININGS if key in data]
    if len(given) > 1:
        document.problem(
            (given[1],), f"a recipe trains from one of {', '.join(TRAININGS)}, found {' and '.join(given)}"
        )
        document.raise_problems()
    network = data.get("network")
    kind = next(iter(network), None) if isinstance(network, dict) and len(network) == 1 else None
    if isinstance(kind, str) and kind in NETWORKS:
        named = training_class(NETWORKS, kind)
        if set(given) <= {f.name for f in fields(named)}:
            return named
    if given:
        return training_class(TRAININGS, given[0])
    # None: the recipe whose keys are most like these says what is missing.
    return max(
        map(TRAININGS.load, TRAININGS.rows), key=lambda cls: len({f.name for f in fields(cls)} & set(data))
    )


@numpy_default()
def load_stage(kind: str, settings: Sequence[str] = ()) -> Any:
    """Return a stage by its name in the registry with `key=value` settings, as `detect` for one image."""
    document = parse_document("{}", kind)
    apply_overrides(document, settings)
    stage = read(stage_class(kind), document.data, document, ())
    document.raise_problems()
    return stage


def plain(value: Any) -> Any:
    """Return a configuration as the plain data a recipe would write."""
    if isinstance(value, Varying):
        return value.values[0] if value.kind == "fixed" else {value.kind: list(value.values)}
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, str):
        return str(getattr(value, "word", value))  # a band of a user's own file says both
    return str(value) if isinstance(value, Path) else value


def digest(document: Mapping[str, Any], weights: Mapping[str, str]) -> str:
    """sha256 of a resolved recipe and of the files it reads."""
    text = json.dumps({"recipe": document, "weights": dict(weights)}, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def to_yaml(document: Any) -> str:
    """Plain data as YAML text."""
    import io

    from ruamel.yaml import YAML

    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = None  # innermost lists and mappings on one line
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.width = 110
    out = io.StringIO()
    yaml.dump(document, out)
    return out.getvalue()


def _open(path: str | Path, overrides: Overrides) -> Document:
    bundled = bundled_recipes()
    try:
        exists = Path(path).exists()
    except OSError as error:  # too long a name
        raise InputError(f"{str(path)[:60]}...: {error.strerror}; give a recipe's name or file") from error
    if not exists:
        if str(path) in bundled:
            path = bundled[str(path)]
        else:
            beside = sorted(str(p) for p in Path(path).parent.glob("[!.]*.y*ml"))
            link = " (a broken link)" if Path(path).is_symlink() else ""
            hint = link or nearest(path, [*beside, *bundled])
            raise InputError(f"{path}: no such recipe file{hint}")
    document = read_document(path)
    _mapping(document)
    if isinstance(document.data, dict):
        apply_overrides(document, overrides)
    return document


def _mapping(document: Document) -> dict[str, Any]:
    if isinstance(document.data, dict):
        return document.data
    value = "nothing" if document.data is None else show(document.data)
    raise InputError(
        f"{document.where}:1: a recipe is a mapping with name, seed, samples, stages and save; found {value}"
    )


def _recipe(document: Document) -> Recipe:
    data = dict(_mapping(document))
    items = data.pop("stages", None)
    if items is None and "field" in data and "samples" not in data:
        document.problem((), "has no stages: if it is a training recipe, use `mockforge train`")
        document.raise_problems()
    head = read(Head, data, document, ())
    if isinstance(data.get("name"), str) and not is_name(data["name"]):
        document.problem(("name",), name_problem(data["name"]))
    stages = read_stages(items, "stages" in document.data, document)
    check_save(data.get("save"), stages, check_flow(stages, document), document)
    check_instruments(stages, document)
    check_splits(data.get("splits"), document)
    check_files(stages, document)
    weights: dict[str, str] = {}
    cards: dict[str, str] = {}
    if not document.problems:  # hashing files is for recipes that are right
        for i, entry in enumerate(stages):
            if entry is None:
                continue
            try:
                weights |= entry.stage.fingerprint()
                cards |= entry.stage.model_cards()
            except InputError as error:
                document.problem(("stages", i, entry.kind), str(error))
    document.raise_problems()
    if head is None:
        raise InputError(f"{document.where}: cannot be read")
    return Recipe(
        **{f: getattr(head, f) for f in ("name", "seed", "samples", "shard_size")},
        splits=dict(head.splits),
        save=dict(head.save),
        stages=tuple(s for s in stages if s is not None),
        weights=weights,
        model_cards=cards,
    )
