"""What a recipe must be as a whole: its stages, what flows between them, splits, what is saved."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from mockforge.batch import Stage, is_source
from mockforge.config import is_config
from mockforge.errors import InputError, nearest
from mockforge.names import is_name, name_problem
from mockforge.recipe.errors import adapter, read, read_without_faults
from mockforge.recipe.renamed import ARRAYS
from mockforge.recipe.yaml import Document, Key, show
from mockforge.registry import STAGES, Registry


@dataclass(frozen=True)
class NamedStage:
    """A stage of a recipe: its name there, its name in the registry, and its configuration."""

    name: str
    kind: str
    stage: Stage


def read_stages(items: Any, given: bool, document: Document) -> list[NamedStage | None]:
    """Return the stages of a recipe, None where one cannot be read."""
    if not isinstance(items, list) or not items:
        fault = f"found {show(items)}" if given else "is missing"
        document.problem(("stages",), f"should be a list of stages such as `- detect: {{}}`; {fault}")
        return [None]
    out: list[NamedStage | None] = []
    names: dict[str, int] = {}
    for i, item in enumerate(items):
        entry = _stage(item, ("stages", i), document)
        if entry is not None and entry.name in names:
            document.problem(
                ("stages", i),
                f"{entry.name!r} is also the name of stages[{names[entry.name]}]; "
                f"give this one its own, such as `name: {entry.name}_2` beside `{entry.kind}:`",
            )
        elif entry is not None:
            names[entry.name] = i
        out.append(entry)
    return out


def _stage(item: Any, at: Key, document: Document) -> NamedStage | None:
    if not isinstance(item, dict):
        hint = f"write `- {item}: {{}}`" if item in STAGES else "such as `- detect: {threshold: 5.0}`"
        document.problem(at, f"should be one stage with its settings, {hint} (found {show(item)})")
        return None
    kinds = [k for k in item if k != "name"]
    for kind in kinds:
        if kind not in STAGES:
            document.problem((*at, kind), f"unknown stage{nearest(kind, STAGES)}")
    if len(kinds) != 1:
        stage_names = ", ".join(kinds) or "none"
        document.problem(at, f"an item of stages has one stage (and a `name:` at most), found {stage_names}")
        return None
    kind = kinds[0]
    if kind not in STAGES:
        return None
    name = item.get("name", kind)
    if not is_name(name) or name.isdecimal():
        problem = name_problem(name) or f"should not be a number (found {show(name)})"
        document.problem((*at, "name"), problem)
        return None
    settings = {} if item[kind] is None else item[kind]
    try:
        cls = stage_class(kind)
    except InputError as error:
        document.problem((*at, kind), str(error))
        return None
    stage = read(cls, settings, document, (*at, kind))
    if stage is None:
        stage = read_without_faults(cls, settings)
    return None if stage is None else NamedStage(name, kind, stage)


def stage_class(kind: str) -> type[Stage]:
    """Return the class of a stage.

    Raises
    ------
    InputError
        Where a package's cannot be imported, or is no stage.
    """
    cls = STAGES.load(kind)
    if not (isinstance(cls, type) and issubclass(cls, Stage) and is_config(cls)):
        raise InputError(
            f"{cls!r}{_given_by(kind)} is no stage: it should be a class with the decorator "
            "mockforge.config.config that inherits mockforge.batch.Stage"
        )
    for method in ("writes", "__call__"):
        if getattr(cls, method) is getattr(Stage, method):
            raise InputError(f"{cls!r}{_given_by(kind)} is no stage: it has no method `{method}`")
    try:
        adapter(cls)
    except Exception as error:  # a type of a setting that no recipe can hold
        why = str(error).splitlines()[0]
        raise InputError(f"{cls!r}{_given_by(kind)} cannot be read from a recipe: {why}") from error
    return cls


def training_class(registry: Registry, name: str) -> Any:
    """Return a class of training recipes, by a name of TRAININGS or NETWORKS.

    Raises
    ------
    InputError
        Where a package's cannot be imported, or is no class of recipes.
    """
    cls = registry.load(name)
    if not (is_config(cls) and callable(getattr(cls, "run", None))):
        raise InputError(
            f"{cls!r}{_given_by(name, registry)} is no training recipe: it should be a class with the "
            "decorator mockforge.config.config that inherits mockforge.train.run.TrainRecipe"
        )
    return cls


def _given_by(name: str, registry: Registry = STAGES) -> str:
    package = registry.giver(name)
    return f" of {package}" if package else ""


def _names(entry: NamedStage, method: str) -> frozenset[str]:
    """Return what a stage reads or writes. InputError where those are no names."""
    names = getattr(entry.stage, method)()
    if not isinstance(names, (set, frozenset)) or not all(isinstance(name, str) for name in names):
        raise InputError(
            f"the method `{method}` of the stage{_given_by(entry.kind)} should return a frozenset of names, "
            f"found {names!r}"
        )
    return frozenset(names)


def _sources() -> list[str]:
    """Return the stages that a recipe can start with, without those of packages that are broken."""
    names = []
    for name in STAGES:
        try:
            names += [name] if is_source(stage_class(name)) else []
        except InputError:
            continue
    return names


def check_flow(stages: Sequence[NamedStage | None], document: Document) -> set[str] | None:
    """Check that the first stage is the only source and that what is read was written before.

    Returns what the stages write, or None where one of them is not known.
    """
    written: set[str] = set()
    sure = True
    for i, entry in enumerate(stages):
        if entry is None:
            sure = False  # what it would have written is not known
            continue
        at: Key = ("stages", i, entry.kind)
        try:
            reads, writes = _names(entry, "reads"), _names(entry, "writes")
        except InputError as error:  # such as a model that is not there
            document.problem(at, str(error))
            sure = False
            continue
        if i == 0 and reads:
            document.problem(
                at, f"cannot be first, it reads {_list(reads)}; start with a source: {', '.join(_sources())}"
            )
        elif i > 0 and not reads:
            document.problem(at, "is a source, and only the first stage can be one; take it out")
        for name in sorted(reads - written) if sure and i > 0 else ():
            document.problem(
                at, f"reads {name!r}, which no earlier stage writes (written so far: {_list(written)})"
            )
        written |= writes
    return written if sure else None


def check_save(
    save: Any, stages: Sequence[NamedStage | None], written: set[str] | None, document: Document
) -> None:
    """Check that every saved array is one that a stage writes; None = not known."""
    if not isinstance(save, dict):
        return
    if not save:
        document.problem(("save",), "should name at least one array, such as {image: float32}")
    tables = {name for entry in stages if entry is not None for name in entry.stage.tables()}
    for name in save:
        if name in tables:
            document.problem(("save", name), "is a table, and tables are always saved; leave it out")
        elif written is not None and name not in written:
            new = ARRAYS.get(name)
            hint = f"; it is called {new} now" if new in written else nearest(name, sorted(written - tables))
            document.problem(("save", name), f"no stage writes an array {name!r}{hint}")


def check_splits(splits: Any, document: Document) -> None:
    """Check the splits' names and that their shares sum to 1."""
    if not isinstance(splits, dict):
        return
    numbers = [v for v in splits.values() if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) == len(splits) and abs(sum(numbers) - 1) > 1e-6:
        shares = " + ".join(f"{v:g}" for v in numbers) or "none"
        document.problem(("splits",), f"the shares should sum to 1, found {shares} = {sum(numbers):g}")
    for name in splits:
        if not is_name(name):
            document.problem(("splits", name), name_problem(name))


def _list(names: Any) -> str:
    return ", ".join(repr(n) for n in sorted(names)) or "nothing"
