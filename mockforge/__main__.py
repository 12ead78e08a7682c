"""`python -m mockforge` and the command `mockforge`."""

import atexit
import os
import sys
import threading
from typing import NoReturn

from mockforge.threads import one_thread_each

_NETWORKS = (["train"], ["recover"], ["redshift"], ["evaluate"])
"""Commands that train a network or apply one to whole images."""


def main() -> None:
    """Entry point of the command: Ctrl-C ends it with a sentence, also while it is still being loaded."""
    if sys.argv[1:2] not in _NETWORKS:
        one_thread_each()
    try:
        from mockforge.cli import main as command  # here: loading it takes time, in which Ctrl-C may come

        command()
    except KeyboardInterrupt:
        print("mockforge: interrupted", file=sys.stderr)
        sys.exit(130)
    except SystemExit as end:
        if isinstance(end.code, int) and _nobody_waits():
            _end(end.code)
        raise


def _nobody_waits() -> bool:
    """Whether the interpreter may end at once: no other thread is at work, no profiler, no debugger."""
    return threading.active_count() == 1 and sys.getprofile() is None and sys.gettrace() is None


def _end(code: int) -> NoReturn:
    """End this process at once: taking torch apart, object by object, takes half a second and 100 MB."""
    atexit._run_exitfuncs()
    try:
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # the reader of our output has left
        code = code or 120  # as the interpreter says it
    os._exit(code)


if __name__ == "__main__":
    main()
