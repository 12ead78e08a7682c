"""The command `mockforge`: one short function per command. Heavy libraries are imported in them."""

from mockforge.cli import datasets, evaluation, images, networks, recovery, redshifting
from mockforge.cli.program import app

__all__ = ["app", "datasets", "evaluation", "images", "main", "networks", "recovery", "redshifting"]


def main() -> None:
    """Entry point of the command `mockforge`."""
    app(prog_name="mockforge")
