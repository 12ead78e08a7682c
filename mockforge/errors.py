"""The errors a person can mend: shown as plain sentences, never as a traceback."""

from __future__ import annotations


class MockforgeError(Exception):
    """Work that failed for a reason the message explains (exit code 1)."""


class InputError(MockforgeError, ValueError):
    """What the user handed over cannot be used (exit code 2).

    The message names the file, the line or header key, the value found, the value wanted and
    what to do.
    """


def nearest(name: object, valid: object) -> str:
    """`"; did you mean 'detect'?"` for the nearest valid name, or the list of all of them."""
    import difflib

    names = [str(v) for v in valid]  # type: ignore[attr-defined]
    close = difflib.get_close_matches(str(name), names, n=1, cutoff=0.6)
    if close:
        return f"; did you mean {close[0]!r}?"
    return f"; valid: {', '.join(names)}" if names else ""
