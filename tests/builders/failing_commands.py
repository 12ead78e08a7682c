"""Commands that fail as asked: a row of `mockforge.registry.COMMANDS` each."""

from __future__ import annotations

failure: BaseException | None = None
"""What the command `fails` raises next."""


def fails(thing: str = "anything") -> None:
    """Raise `failure`."""
    if failure is not None:
        raise failure
