"""What has been made and is kept, up to so much of it."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any, Generic, TypeVar

T = TypeVar("T")


def one(thing: object) -> int:
    """Return 1: things are counted."""
    return 1


class Kept(Generic[T]):
    """The things used last, up to `most` of them by their `size`; safe among threads.

    What two threads make at once is made twice, and is the same. Of what is sent to another process,
    nothing is kept.
    """

    def __init__(self, most: float, size: Callable[[T], int] = one) -> None:
        self.most, self.size = most, size
        self._things: OrderedDict[Hashable, T] = OrderedDict()
        self._used, self._lock = 0, threading.Lock()

    def __getstate__(self) -> dict[str, Any]:
        return {"most": self.most, "size": self.size}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """Return what is kept of a key, or make it."""
        known = self.known(key)
        return self.keep(key, make()) if known is None else known

    def known(self, key: Hashable) -> T | None:
        """Return what is kept of a key; None for nothing."""
        with self._lock:
            if key in self._things:
                self._things.move_to_end(key)
            return self._things.get(key)

    def keep(self, key: Hashable, made: T) -> T:
        """Keep what has been made, and return what is kept: the first that was made."""
        with self._lock:
            if key not in self._things:
                self._things[key] = made
                self._used += self.size(made)
                while self._used > self.most and len(self._things) > 1:
                    self._used -= self.size(self._things.popitem(last=False)[1])
            return self._things[key]
