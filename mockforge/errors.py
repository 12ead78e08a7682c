"""Errors that a user can correct: shown as plain sentences, never as a traceback."""

from __future__ import annotations

from collections.abc import Iterable


class MockforgeError(Exception):
    """Work that failed for a reason the message explains (exit code 1)."""


class InputError(MockforgeError, ValueError):
    """What the user handed over cannot be used (exit code 2).

    The message names the file, the line or header key, the value found, the value wanted and
    what to do.
    """


def nearest(name: object, valid: Iterable[object]) -> str:
    """`"; did you mean 'detect'?"` for the nearest valid name, or the list of all of them.

    The case does not count, and the beginning of one name alone is that name.
    """
    import difflib

    names = [str(v) for v in valid]
    lower, text = [n.lower() for n in names], str(name).lower()
    close = difflib.get_close_matches(text, lower, n=1, cutoff=0.6)
    begun = [n for n in lower if len(text) > 2 and n.startswith(text)]
    if close or len(begun) == 1:
        return f"; did you mean {names[lower.index((close or begun)[0])]!r}?"
    return f"; valid: {', '.join(names)}" if names else ""
