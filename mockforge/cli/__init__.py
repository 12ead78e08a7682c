"""Words of the command line: one file a command, loaded when it is called."""

import signal

from mockforge.cli.program import app
from mockforge.progress import warn_in_sentences

__all__ = ["app", "main"]


def main() -> None:
    """Run the command `mockforge`."""
    warn_in_sentences()
    try:
        app(prog_name="mockforge")
    except SystemExit:  # libraries take a moment to end: Ctrl-C no longer disturbs them
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise
