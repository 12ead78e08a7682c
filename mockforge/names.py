"""Names: what a dataset, a stage, a split or a model may be called, since files are named after it."""

from __future__ import annotations

import re

LONGEST = 100
"""Characters of a name: a file system takes 255 bytes, and endings are put behind it."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def is_name(text: object) -> bool:
    """Whether `text` can be a name: no separators of paths, no spaces, no leading dot, not too long."""
    return isinstance(text, str) and len(text) <= LONGEST and _NAME.fullmatch(text) is not None


def name_problem(text: object) -> str:
    """What is wrong with `text` as a name, in words; empty where it is one."""
    if is_name(text):
        return ""
    if isinstance(text, str) and len(text) > LONGEST:
        return f"should have at most {LONGEST} characters, found {len(text)}"
    found = repr(text) if len(repr(text)) <= 60 else repr(text)[:57] + "..."
    return f"should be of letters, digits, _, - and ., and begin with a letter or digit (found {found})"
