"""torch and NumPy as this package computes with them, whatever others made their defaults.

A default dtype of float64, another default device, automatic bfloat16 or as many threads as the machine
has would change pixels, or fail; so would NumPy told to raise where a number underflows. Everything that
computes is run between `steady()`, and finds what it left afterwards.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


@contextmanager
def steady(threads: int | None = 1) -> Iterator[None]:
    """float32 and the CPU are torch's defaults, and an operation has so many threads.

    One thread a painter: painters run side by side in threads and processes of this package's own, and
    what one computes does not depend on how many there are. None for as many threads as there were.
    """
    import torch

    with ExitStack() as after:
        after.enter_context(numpy_default())
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                after.enter_context(torch.autocast(kind, enabled=False))
        after.callback(torch.set_num_threads, torch.get_num_threads())
        if threads is not None and threads != torch.get_num_threads():
            torch.set_num_threads(threads)
        dtype = torch.get_default_dtype()
        if dtype != torch.float32:
            after.callback(torch.set_default_dtype, dtype)
            torch.set_default_dtype(torch.float32)
        if torch.get_default_device().type != "cpu":
            after.enter_context(torch.device("cpu"))
        yield


def numpy_default() -> np.errstate:
    """NumPy's floating-point errors as they are unless asked otherwise: what underflows is 0."""
    return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")


def steadily(threads: int | None = 1) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Return a decorator: the function is run between `steady(threads)`."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @functools.wraps(function)
        def within(*args: P.args, **kwargs: P.kwargs) -> R:
            with steady(threads):
                return function(*args, **kwargs)

        return within

    return decorate
