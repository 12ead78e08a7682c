"""`python -m mockforge` and the command `mockforge`."""

import sys


def main() -> None:
    """Entry point of the command: Ctrl-C ends it with a sentence, also while it is still being loaded."""
    try:
        from mockforge.cli import main as command  # here: loading it takes time, in which Ctrl-C may come

        command()
    except KeyboardInterrupt:
        print("mockforge: interrupted", file=sys.stderr)
        sys.exit(130)


if __name__ == "__main__":
    main()
