"""The command `mockforge`: its errors as sentences, its exit codes, its commands loaded when called."""

from __future__ import annotations

import ast
import errno
import functools
import inspect
import os
import re
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import MISSING, fields, is_dataclass
from importlib.machinery import PathFinder
from importlib.util import find_spec
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperGroup

from mockforge._version import __version__
from mockforge.cli.options import Verbose
from mockforge.errors import InputError, MockforgeError, nearest
from mockforge.registry import COMMANDS, package_at_fault

_SETTINGS: dict[str, Any] = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


class Commands(TyperGroup):
    """The commands of the registry; a command's module is imported when it is called, not to list it."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Take `--size H W` for `--size HxW`, which an option of one value cannot."""
        for i in range(len(args) - 2):
            if args[0] == "generate" and args[i] == "--size" and args[i + 1].isdecimal():
                if args[i + 2].isdecimal():
                    args = [*args[: i + 1], f"{args[i + 1]}x{args[i + 2]}", *args[i + 3 :]]
                break
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the commands' names, in the order of the registry."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return a command ready to be called; leave with a sentence where there is none of that name."""
        if cmd_name not in COMMANDS:
            fail(f"no command {cmd_name!r}{nearest(cmd_name, COMMANDS)}", 2)
        try:
            return _ready(cmd_name)
        except InputError as error:  # of a package that adds a command and cannot be imported
            fail(str(error), 2)
        except KeyboardInterrupt as error:  # the libraries of a command take seconds to load
            fail_interrupted(error)
        except Exception as error:
            if not (package := COMMANDS.giver(cmd_name)):
                raise
            fail(
                f"the command {cmd_name!r} of {package} cannot be called: {type(error).__name__}: {error}; "
                "repair or uninstall that package",
                2,
            )

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write a line for each command: the first of its docstring."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, _first_line(name)) for name in COMMANDS])


def _ready(name: str) -> Any:
    """Return a command ready to be called.

    Raises
    ------
    InputError
        Where an installed package gives it that cannot be imported, or whose function is no command.
    """
    only = typer.Typer(
        add_completion=False,
        rich_markup_mode=None,
        pretty_exceptions_enable=False,
        context_settings=_SETTINGS,
    )
    only.command(name)(command(COMMANDS.load(name)))
    ready = typer.main.get_command(only)
    words = [word for parameter in ready.params for word in (*parameter.opts, *parameter.secondary_opts)]
    twice = sorted({word for word in words if words.count(word) > 1})
    if twice:
        raise TypeError(f"the option {twice[0]} is there twice (--verbose, -v is added to every command)")
    return ready


def _first_line(name: str) -> str:
    """Return the first line of a command's docstring, read from its source: nothing is imported for it."""
    try:
        module, attribute = COMMANDS.place(name)
        for node in ast.parse(_source(module)).body:
            if isinstance(node, ast.FunctionDef) and node.name == attribute:
                return (ast.get_docstring(node) or "").partition("\n")[0].rstrip(".")
    except Exception:  # whatever is wrong with a package of others is said when its command is called
        pass
    return ""


def _source(module: str) -> str:
    """Return the source of a module; the packages above it are not imported to find it."""
    top, *parts = module.split(".")
    spec, path = find_spec(top), top
    for part in parts:
        path = f"{path}.{part}"
        spec = PathFinder.find_spec(path, spec.submodule_search_locations) if spec else None
    return spec.loader.get_source(module) or ""  # type: ignore[union-attr]


app = typer.Typer(
    name="mockforge",
    cls=Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the same plain text on a terminal and in a pipe
    pretty_exceptions_enable=False,
    context_settings=_SETTINGS,
)


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make a function a command: options from its parameters, errors as sentences with an exit code.

    A parameter that is a dataclass stands for its fields, each an option or argument of its own, so that
    options which belong together are declared once. The option --verbose is added.

    Exit codes: 2 for bad input, 1 for failed work, 130 for Ctrl-C, 143 where it is told to end (SIGTERM);
    both let the work clean up what it has begun.
    """
    signature, groups = _expanded(function)

    @functools.wraps(function)
    def run(**options: Any) -> None:
        verbose = options.pop("verbose")
        for name, group in groups.items():
            options[name] = group(**{field.name: options.pop(field.name) for field in fields(group)})
        try:
            with _ended_as_by_ctrl_c():
                function(**options)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as error:
            fail_interrupted(error)
        except BrokenPipeError:  # the reader of our output has left, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except MemoryError as error:
            fail(f"this needs more memory than the machine has ({error}); use fewer or smaller images", 2)
        except Exception as error:
            if verbose:
                import traceback

                traceback.print_exc()
            fail(*_told(error, verbose))

    run.__signature__ = signature  # type: ignore[attr-defined]
    run.__annotations__ = {name: p.annotation for name, p in signature.parameters.items()}
    return run


def _told(error: Exception, verbose: bool) -> tuple[str, int]:
    """Return the sentence and the exit code of an error."""
    if isinstance(error, MockforgeError):
        return str(error), 2 if isinstance(error, InputError) and not _disk_failed(error) else 1
    if isinstance(error, OSError) and error.errno and error.strerror:
        named = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
        return named, 1 if _disk_failed(error) else 2
    package = package_at_fault(error)
    if isinstance(error, ImportError) and not package and not str(error.name).startswith("mockforge"):
        return f"a library cannot be imported: {error}; install it again with pip", 1
    unexpected = f"unexpected {type(error).__name__}{package and ' in '}{package}: {error}"
    if verbose:
        return unexpected, 1
    return f"{unexpected}; run it with -v and report what it prints{' to its authors' * bool(package)}", 1


def _expanded(function: Callable[..., None]) -> tuple[inspect.Signature, dict[str, Any]]:
    """Return the signature, with fields for dataclasses, and the dataclasses by parameter."""
    if not callable(function) or isinstance(function, type) or inspect.iscoroutinefunction(function):
        raise TypeError(f"{function!r} is no plain function")
    parameters, groups = [], {}
    hints = get_type_hints(function, include_extras=True)
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"its parameter `{parameter}` should be one option or argument with its type")
        if is_dataclass(hints[name]):
            groups[name] = hints[name]
            own = get_type_hints(hints[name], include_extras=True)
            parameters += [_keyword(f.name, own[f.name], f.default) for f in fields(hints[name])]
        else:
            parameters.append(_keyword(name, hints[name], parameter.default))
    if any(parameter.name == "verbose" for parameter in parameters):
        raise TypeError("its option --verbose is one that mockforge adds to every command; leave it out")
    parameters.append(_keyword("verbose", Verbose, False))
    return inspect.Signature(parameters), groups


def _keyword(name: str, annotation: Any, default: Any) -> inspect.Parameter:
    default = inspect.Parameter.empty if default is MISSING else default
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, annotation=annotation, default=default)


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_UNNUMBERED = re.compile(r"enough space on disk|\d+ requested and \d+ written")
"""How astropy and NumPy report a full disk: without the system's number."""
_terminated = False  # by SIGTERM, which is answered as Ctrl-C is


def _disk_failed(error: BaseException | None) -> bool:
    """Whether an error comes of a disk that is full or broken: then the input was not at fault."""
    while error is not None:
        if isinstance(error, OSError) and (error.errno in _DISK or _UNNUMBERED.search(str(error))):
            return True
        error = error.__cause__ or error.__context__
    return False


@contextmanager
def _ended_as_by_ctrl_c() -> Iterator[None]:
    """Answer SIGTERM as Ctrl-C, so that locks, parts of files and workers are cleaned up."""

    def end(number: int, frame: object) -> None:
        global _terminated
        _terminated = True
        raise KeyboardInterrupt

    try:
        before = signal.signal(signal.SIGTERM, end)
    except ValueError:  # not in the main thread, where signals are not ours to take
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def fail_interrupted(error: KeyboardInterrupt) -> None:
    """Leave with 130, as shells know Ctrl-C, or 143."""
    fail(str(error) or "interrupted", 143 if _terminated else 130)


def fail(message: str, code: int) -> None:
    """Leave with the exit code and a sentence on stderr."""
    print(f"mockforge: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"mockforge {__version__}")
        raise typer.Exit


@app.callback()
def mockforge(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Training sets for finding galaxies in deep images and for predicting them at another redshift.

    \b
    A first dataset, and what is in it:
      mockforge recipes
      mockforge build segmentation samples=64 --out datasets/small
      mockforge info datasets/small

    \b
    Fields from a trained network, and the labels of a real image:
      mockforge generate --model kids-viking --size 1024 -n 4 --seed 1 --out fields
      mockforge label g.fits r.fits Z.fits --out labels

    \b
    A galaxy at z_in and at z_out, and a network that learns from such pairs:
      mockforge build redshift_pairs
      mockforge train train_redshifter
      mockforge evaluate --model runs/redshifter --dataset datasets/redshift_pairs
      mockforge redshift galaxy.fits --z-in 0.5 --z-out 1.5 -o far.fits

    \b
    In Python:
      train = mockforge.load("datasets/small", split="train")    # a torch Dataset

    `mockforge COMMAND --help` explains each. Exit codes: 0 done, 1 failed, 2 bad input,
    130 interrupted.
    """


def print_lines(lines: Iterable[Any]) -> None:
    """Print a line each."""
    for line in lines:
        print(line, flush=True)  # what is served goes on after it has said where
