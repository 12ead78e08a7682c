"""Counterfactuals of an endless sky: single sources removed, changed or added, all else the same bits.

A block is painted with the sources it was born with; those removed are not added up, and those changed or
added are painted alone and added up last. So no other source's pixels change.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic

import numpy as np

from mockforge.errors import InputError, nearest
from mockforge.sky.blocks import Block
from mockforge.sky.edit_table import Given, given_of
from mockforge.sky.plane import FARTHEST
from mockforge.sky.process import Editor, Painter, Process, S, Sources

Find = Callable[[int, int, int], Block[S]]
"""Gives a block of the sky as it was before any change."""


@dataclass(frozen=True)
class Edits(Generic[S]):
    """What has been changed in a sky."""

    removed: Mapping[tuple[int, int, int], frozenset[int]] = field(default_factory=dict)
    """Rows of blocks (level, by, bx) that are not added up: removed, or changed and so in `last`."""
    last: Block[S] | None = None
    """Sources changed or added; each is painted alone."""

    def kept(self, block: Block[S], rows: np.ndarray) -> np.ndarray:
        """Return those of a block's rows that are still added up."""
        gone = self.removed.get(block.where)
        return rows if gone is None else rows[~np.isin(rows, list(gone))]

    def names(self) -> list[str]:
        """Return the ids of the sources changed or added, in order."""
        return [] if self.last is None else self.last.ids(np.arange(len(self.last.sources)))


def without(edits: Edits[S], ids: Iterable[str], process: Process[S], find: Find[S]) -> Edits[S]:
    """Return the edits with some sources removed too; InputError for an id that no source has."""
    gone = {key: set(rows) for key, rows in edits.removed.items()}
    names, drop = edits.names(), set()
    for name in ids:
        if name in names:
            drop.add(name)
            continue
        where, row = _place(name, edits, process, find)
        gone.setdefault(where, set()).add(row)
    last = edits.last
    if drop and last is not None:
        stay = np.array([name not in drop for name in names])
        last = (
            _block(last.sources.rows(stay), [n for n in names if n not in drop], last) if stay.any() else None
        )
    return Edits({key: frozenset(rows) for key, rows in gone.items()}, last)


def edited(
    edits: Edits[S], table: Any, process: Process[S], find: Find[S], painter: Painter[S], editor: Editor[S]
) -> Edits[S]:
    """Return the edits with a table's rows changed or added too.

    Raises
    ------
    InputError
        For an id that no source has or that is there twice, a column that is not known or cannot be
        changed, and a source without a place.
    """
    ids, columns = given_of(table, {name: unit for name, (unit, _) in editor.columns.items()})
    if not ids:
        return edits
    old = [i for i, name in enumerate(ids) if name]
    ids = _named(ids, edits)
    parts: dict[int, S] = {}
    if old:
        now = [_source(ids[i], edits, process, find) for i in old]
        parts |= _changed(old, type(now[0]).together(now), columns, editor, ids)
    new = [i for i in range(len(ids)) if i not in set(old)]
    parts |= _added(new, columns, editor)
    if not parts:
        return edits
    rows = sorted(parts)
    fewer = without(edits, [ids[i] for i in rows if i in set(old)], process, find)
    sources, names = [parts[i] for i in rows], [ids[i] for i in rows]
    if fewer.last is not None:
        sources, names = [fewer.last.sources, *sources], [*fewer.names(), *names]
    every = type(sources[0]).together(sources)
    _check_places(every, names)
    top, left, side = painter.footprints(every)
    alone = np.arange(len(every))
    last = Block(-1, 0, 0, every, top, left, side, alone, np.zeros_like(alone), tuple(names))
    return Edits(fewer.removed, last)


def _block(sources: S, names: Sequence[str], like: Block[S]) -> Block[S]:
    """Return fewer of the sources that are painted alone."""
    stay = np.isin(np.array(like.names), np.array(names))
    alone = np.arange(len(sources))
    stamps = (like.top[stay], like.left[stay], like.side[stay])
    return Block(-1, 0, 0, sources, *stamps, alone, np.zeros_like(alone), tuple(names))


def _named(ids: Sequence[str], edits: Edits[Any]) -> list[str]:
    """Return the ids, added-1, added-2, ... for empty ones; InputError for one that is there twice."""
    known, out, number = set(edits.names()) | set(ids), [], 0
    for name in ids:
        while not name:
            number += 1
            name = f"added-{number}" if f"added-{number}" not in known else ""
        if name in out:
            raise InputError(f"the table of changes has two rows of the id {name!r}; give each source one")
        out.append(name)
    return out


def _changed(
    rows: Sequence[int], now: S, columns: Mapping[str, Given], editor: Editor[S], ids: Sequence[str]
) -> dict[int, S]:
    """Return the sources of some rows of the table that differ from what they are, by row."""
    present = editor.table(now)
    which: list[list[str]] = [[] for _ in rows]
    for name, column in columns.items():
        if name not in editor.columns and name not in editor.marks:
            raise InputError(f"a source has no {name!r} to change{nearest(name, editor.columns)}")
        differs = column.there[list(rows)]
        if name in present:
            differs = differs & _different(column.values[list(rows)], np.asarray(present[name]), name)
        for k in np.flatnonzero(differs).tolist():
            if name not in editor.columns:
                new, old = column.values[rows[k]], np.asarray(present[name])[k]
                raise InputError(
                    f"{name!r} of source {ids[rows[k]]} cannot be changed, found {new}, and it is {old}; "
                    f"these can: {', '.join(editor.columns)}"
                )
            which[k].append(name)
    out: dict[int, S] = {}
    for some in {tuple(names) for names in which if names}:
        alike = np.array([k for k, names in enumerate(which) if tuple(names) == some])
        own = np.array(rows)[alike]
        changed = editor.changed(now.rows(alike), {name: columns[name].values[own] for name in some})
        out |= {int(row): changed.rows(np.array([k])) for k, row in enumerate(own)}
    return out


def _different(new: np.ndarray, old: np.ndarray, name: str) -> np.ndarray:
    if new.shape != old.shape:
        raise InputError(
            f"the column {name!r} of the table of changes has {new.shape[1:]} numbers a source; a source has "
            f"{old.shape[1:]}"
        )
    return (new != old).reshape(len(new), -1).any(axis=1)


def _added(rows: Sequence[int], columns: Mapping[str, Given], editor: Editor[S]) -> dict[int, S]:
    """Return new sources, by row of the table."""
    out: dict[int, S] = {}
    names = {row: tuple(n for n, c in columns.items() if c.there[row]) for row in rows}
    for some in set(names.values()):
        own = np.array([row for row in rows if names[row] == some])
        for name in some:
            if name not in editor.new and name not in editor.marks:
                raise InputError(f"a new source has no {name!r}{nearest(name, editor.new)}")
        made = editor.added({name: columns[name].values[own] for name in some if name in editor.new})
        out |= {int(row): made.rows(np.array([k])) for k, row in enumerate(own)}
    return out


def _source(name: str, edits: Edits[S], process: Process[S], find: Find[S]) -> S:
    """Return one source as it is now."""
    names = edits.names()
    if name in names and edits.last is not None:
        return edits.last.sources.rows(np.array([names.index(name)]))
    where, row = _place(name, edits, process, find)
    return find(*where).sources.rows(np.array([row]))


def _place(
    name: str, edits: Edits[S], process: Process[S], find: Find[S]
) -> tuple[tuple[int, int, int], int]:
    """Return the block (level, by, bx) and the row of a source's id; InputError where none has it."""
    try:
        level, by, bx, row = (int(part) for part in str(name).split("/"))
    except ValueError:
        raise InputError(
            f"no source has the id {name!r}: ids are level/by/bx/row, such as 0/3/-2/11; "
            "sources(y0, y1, x0, x1) of the sky (of a scene: objects) lists those of a window, and new "
            "sources have an empty id in a table of changes"
        ) from None
    levels = process.levels
    if not 0 <= level < len(levels):
        raise InputError(f"no source has the id {name!r}: the sky has levels 0 to {len(levels) - 1}")
    side = levels[level].block
    if max(abs(by), abs(bx)) * side > FARTHEST:
        raise InputError(f"no source has the id {name!r}: its block lies beyond 2^40 pixels")
    ends = (by * side, (by + 1) * side, bx * side, (bx + 1) * side)
    window = f"sources{ends} of the sky (of a scene: objects) lists those there"
    count = len(find(level, by, bx).sources)
    if not 0 <= row < count:
        raise InputError(f"no source has the id {name!r}: its block has {count} sources; {window}")
    if row in edits.removed.get((level, by, bx), ()):
        raise InputError(f"the source {name!r} has been removed already; {window}")
    return (level, by, bx), row


def _check_places(sources: Sources, names: Sequence[str]) -> None:
    for axis in (sources.x, sources.y):
        bad = np.flatnonzero(~(np.abs(axis) <= FARTHEST))
        if len(bad):
            at = f"({sources.x[bad[0]]:g}, {sources.y[bad[0]]:g})"
            raise InputError(
                f"source {names[int(bad[0])]} is to lie at {at}; places are pixels of the sky, within 2^40 "
                "of its origin"
            )
