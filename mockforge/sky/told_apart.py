"""What tells one sky from another: a digest of all that it is painted from, the same in every process."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Set
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np


def digest_of(*things: Any) -> str:
    """Return the sha256 of values: numbers, text, arrays, and what is made of them.

    Parameters
    ----------
    *things
        Plain values, arrays and tensors, containers and dataclasses of such. Things of equal content have
        one digest, in whatever order a set or mapping holds it.

    Raises
    ------
    TypeError
        For anything else: an object may keep what it has computed, and would not be the same twice.
    """
    digest = hashlib.sha256()
    _add(digest, things)
    return digest.hexdigest()


def _add(digest: Any, thing: Any) -> None:
    if thing is None or isinstance(thing, (bool, int, float, complex, str, bytes, np.generic)):
        digest.update(f"{type(thing).__name__} {thing!r};".encode())
    elif hasattr(thing, "detach"):  # a tensor
        _add(digest, thing.detach().cpu().numpy())
    elif isinstance(thing, np.ndarray):
        digest.update(f"array {thing.dtype.str} {thing.shape};".encode())
        digest.update(np.ascontiguousarray(thing).tobytes())
    elif isinstance(thing, Mapping):
        _add_all(digest, "mapping", sorted(thing.items(), key=lambda item: repr(item[0])))
    elif isinstance(thing, Set):
        _add_all(digest, "set", sorted(thing, key=repr))
    elif isinstance(thing, (list, tuple, range)):
        _add_all(digest, "list", list(thing))
    elif is_dataclass(thing) and not isinstance(thing, type):
        content = [(f.name, getattr(thing, f.name)) for f in fields(thing)]
        _add_all(digest, type(thing).__name__, content)
    else:
        raise TypeError(f"what {thing!r} holds is not known")


def _add_all(digest: Any, kind: str, parts: list[Any]) -> None:
    digest.update(f"{kind} {len(parts)};".encode())
    for part in parts:
        _add(digest, part)
