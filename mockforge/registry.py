"""Registries: what a name may be, and where the thing it names lives, ours or an installed package's.

A recipe or a command line gives a name, never a module. What the name means is imported when it is
first used, so `mockforge --help` and a recipe of Sersic galaxies never import torch. An installed
package adds a name by an entry point of the registry's group, in its `pyproject.toml`:

    [project.entry-points."mockforge.stages"]
    dust_lane = "their_package.dust_lane:DustLane"
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from traceback import walk_tb
from typing import TYPE_CHECKING, Any

from mockforge.errors import InputError, nearest

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

Place = tuple[str, str]
"""(module, attribute): where the thing that a name means lives."""


@dataclass
class Registry:
    """Names of one kind of thing, each imported when it is first used.

    Parameters
    ----------
    kind
        What the names are of, for messages: `stage`.
    group
        Group of the entry points by which an installed package adds names: `mockforge.stages`.
    rows
        Our own names and their places.
    """

    kind: str
    group: str
    rows: dict[str, Place]

    def names(self) -> tuple[str, ...]:
        """Our own names in their order, then those of installed packages."""
        return tuple(dict.fromkeys((*self.rows, *_installed(self.group))))

    def __contains__(self, name: object) -> bool:
        return name in self.rows or name in _installed(self.group)

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def place(self, name: str) -> Place:
        """Return where what `name` means lives, without importing it; InputError as of `load`."""
        point = self._added(name)
        return (point.module, point.attr) if point is not None else self.rows[name]

    def load(self, name: str) -> Any:
        """Return what `name` means.

        Raises
        ------
        InputError
            For an unknown name, with the nearest one; for a name that two packages give; and where the
            package that gives it cannot be imported.
        """
        point = self._added(name)
        if point is not None:
            return self._loaded(point)
        module, attribute = self.rows[name]
        return getattr(import_module(module), attribute)

    def giver(self, name: str) -> str:
        """Return which installed package gives a name, as messages say it; empty where it is ours."""
        added = () if name in self.rows else _installed(self.group).get(name, ())
        return _package(added[0]) if added else ""

    def _added(self, name: str) -> EntryPoint | None:
        """Return the entry point that gives a name, None where it is ours."""
        added = _installed(self.group).get(name, ())
        if name not in self.rows and not added:
            raise InputError(f"unknown {self.kind} {name!r}{nearest(name, self.names())}")
        if len(added) + (name in self.rows) > 1:
            givers = ["mockforge"] * (name in self.rows) + [_package(point) for point in added]
            too_many = _package(added[0]) if name in self.rows else "one of them"
            raise InputError(
                f"the {self.kind} {name!r} is given by {' and by '.join(givers)}: uninstall {too_many}, or "
                f"rename its entry point of the group {self.group}"
            )
        return added[0] if added else None

    def _loaded(self, point: EntryPoint) -> Any:
        """Return what an installed package's entry point means."""
        try:
            module, _, attribute = point.value.partition(":")
            if not module.strip() or not attribute.strip():
                raise ValueError("an entry point is written `module:attribute`")
            return point.load()
        except (Exception, SystemExit) as error:  # whatever a package of others raises while it is imported
            raise InputError(
                f"the {self.kind} {point.name!r} of {_package(point)} cannot be imported from {point.value}: "
                f"{type(error).__name__}: {error}; repair or uninstall that package"
            ) from error


def _installed(group: str) -> dict[str, tuple[EntryPoint, ...]]:
    """Return the entry points of a group by name, read once while `sys.path` stays."""
    return _entry_points(group, tuple(sys.path))


@lru_cache(maxsize=16)
def _entry_points(group: str, path: tuple[str, ...]) -> dict[str, tuple[EntryPoint, ...]]:
    from importlib.metadata import entry_points

    try:
        points = list(entry_points(group=group))
    except Exception:  # one package whose entry points are no such list takes those of all others with it
        points = [point for point in _readable_points() if point.group == group]
    names: dict[str, tuple[EntryPoint, ...]] = {}
    for point in points:
        names[point.name] = (*names.get(point.name, ()), point)
    return names


def _readable_points() -> Iterator[EntryPoint]:
    """Yield the entry points of our groups, without those of packages whose own list cannot be read."""
    from importlib.metadata import distributions

    for package in distributions():
        try:
            yield from (point for point in package.entry_points if point.group.startswith("mockforge."))
        except Exception:
            continue


def package_at_fault(error: BaseException) -> str:
    """Return the installed package in whose code an error arose, as messages say it.

    Empty where it is none of those that add a stage, a network, an exporter or a command to mockforge.
    """
    points = {point.value.partition(":")[0].partition(".")[0].strip(): point for point in _readable_points()}
    modules = [frame.f_globals.get("__name__", "") for frame, _ in walk_tb(error.__traceback__)]
    inside = [top for module in modules if (top := module.partition(".")[0]) in points]
    return _package(points[inside[-1]]) if inside else ""


def _package(point: EntryPoint) -> str:
    dist = point.dist
    return "an installed package" if dist is None else f"the package {dist.name} {dist.version}"


STAGES = Registry(
    "stage",
    "mockforge.stages",
    {
        "sgan": ("mockforge.stages.sgan", "Sgan"),
        "image": ("mockforge.stages.image", "ImageTiles"),
        "sersic_sed": ("mockforge.stages.sersic_sed", "SersicSed"),
        "redshift_images": ("mockforge.stages.redshift_images", "RedshiftImages"),
        "stamps": ("mockforge.stages.stamps", "Stamps"),
        "disk": ("mockforge.stages.disk", "Disk"),
        "scene": ("mockforge.stages.scene", "SceneTiles"),
        "one_sky": ("mockforge.stages.one_sky", "OneSky"),
        "inject": ("mockforge.stages.inject", "Inject"),
        "detect": ("mockforge.stages.detect", "Detect"),
        "separate": ("mockforge.stages.separate", "Separate"),
        "match": ("mockforge.stages.match", "Match"),
        "select": ("mockforge.stages.select", "Select"),
        "observe": ("mockforge.stages.observe", "Observe"),
        "ifu": ("mockforge.stages.ifu", "Ifu"),
        "degrade": ("mockforge.stages.degrade", "Degrade"),
    },
)
"""The words of a recipe's `stages`; each a `mockforge.config.config` class and a `mockforge.batch.Stage`."""

TRAININGS = Registry(
    "training recipe",
    "mockforge.trainings",
    {
        "field": ("mockforge.sgan.learn.recipe", "TrainForge"),
        "stamps": ("mockforge.sgan.single.recipe", "TrainGalaxies"),
        "dataset": ("mockforge.tasks.redshifter.training", "TrainRedshifter"),
        "degraded": ("mockforge.tasks.recover.training", "TrainRecover"),
    },
)
"""The key of recipes for `mockforge train` that need not name their network -> the class of such recipes."""

NETWORKS = Registry(
    "network",
    "mockforge.networks",
    {
        "forge": ("mockforge.sgan.learn.recipe", "TrainForge"),
        "galaxies": ("mockforge.sgan.single.recipe", "TrainGalaxies"),
        "smith2019": ("mockforge.sgan.lattice.training", "TrainLattice"),
        "unet": ("mockforge.tasks.redshifter.training", "TrainRedshifter"),
        "cvae": ("mockforge.tasks.redshifter.training", "TrainRedshifter"),
        "residual": ("mockforge.tasks.recover.training", "TrainRecover"),
        "cgan": ("mockforge.tasks.recover.training", "TrainRecover"),
    },
)
"""The word for a network in a recipe's `network` and in a model's JSON -> the class of its training recipes,
a `train.run.TrainRecipe` that also opens its models."""

COMMANDS = Registry(
    "command",
    "mockforge.commands",
    {
        name: (f"mockforge.cli.{name}", name)
        for name in (
            "build",
            "verify",
            "export",
            "info",
            "recipes",
            "evaluate",
            "label",
            "degrade",
            "surveys",
            "train",
            "generate",
            "recover",
            "redshift",
            "view",
            "forecast",
            "compare",
        )
    },
)
"""The words after `mockforge`; each a function whose parameters are its options (`cli.program.command`)."""
