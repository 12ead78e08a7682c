"""The command `mockforge`: one short function per command. Heavy libraries are imported in them."""

import signal

from mockforge.cli import datasets, evaluation, images, networks, recovery, redshifting
from mockforge.cli.program import app
from mockforge.progress import warn_in_sentences

__all__ = ["app", "datasets", "evaluation", "images", "main", "networks", "recovery", "redshifting"]


def main() -> None:
    """Entry point of the command `mockforge`."""
    warn_in_sentences()
    try:
        app(prog_name="mockforge")
    except SystemExit:  # libraries take a moment to end: Ctrl-C no longer disturbs them
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise
