"""Threads of numerical libraries: one for each process, since processes are what works side by side here.

More of them wait for each other, also where other programs have the processors: with two of these beside
it, a sky took more than twice as long.
"""

from __future__ import annotations

import os

ONE_THREAD = {f"{library}_NUM_THREADS": "1" for library in ("OMP", "MKL", "OPENBLAS", "NUMEXPR", "VECLIB")}
"""Variables of the environment that a numerical library reads when it is loaded."""


def one_thread_each() -> None:
    """Give the numerical libraries that this process and its children load from here on a thread each.

    Nothing is changed where one of the variables is set: somebody has chosen.
    """
    if not ONE_THREAD.keys() & os.environ.keys():
        os.environ.update(ONE_THREAD)
