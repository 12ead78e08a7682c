"""The command `mockforge`: its options, its errors as sentences, its exit codes."""

from __future__ import annotations

import errno
import functools
import os
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mockforge.cli.arguments import names_of, numbers_of, words_of
from mockforge.errors import InputError, MockforgeError

if TYPE_CHECKING:
    from mockforge.field.field import Field

app = typer.Typer(
    name="mockforge",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the same plain text on a terminal and in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show where in the program an error arose.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values to use instead of the recipe's.", show_default=False),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder of the result.")]
Bands = Annotated[
    str | None,
    typer.Option("--bands", metavar="NAMES", help="Bands' names: g,r,Z.", show_default=False),
]
Extensions = Annotated[
    str | None,
    typer.Option(
        "--extensions",
        metavar="LIST",
        help="Extensions to read, by name or number: SCI or 1,2,3.",
        show_default=False,
    ),
]
Zeropoint = Annotated[
    str | None,
    typer.Option(
        "--zeropoint",
        metavar="MAG",
        help="AB magnitude of pixel value 1, one or one per band.",
        show_default=False,
    ),
]
PixelScale = Annotated[
    float | None,
    typer.Option(
        "--pixel-scale", metavar="ARCSEC", help="Pixel scale, if there is no WCS.", show_default=False
    ),
]
MaskBits = Annotated[
    str | None,
    typer.Option(
        "--mask-bits",
        metavar="LIST",
        help="Bits of a mask that mark bad pixels: BAD,SAT or 0,1; all, none.",
        show_default=False,
    ),
]
Device = Annotated[str, typer.Option("--device", metavar="NAME", help="cpu, cuda, cuda:1, ... or auto.")]
Extrapolate = Annotated[
    bool, typer.Option("--extrapolate", help="Proceed where the input is outside the training set.")
]
PsfFwhm = Annotated[
    str | None,
    typer.Option(
        "--psf-fwhm",
        metavar="ARCSEC",
        help="FWHM of the image's PSF, one or one per band.",
        show_default=False,
    ),
]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        min=1,
        metavar="N",
        show_default=False,
        help="Worker processes; by default one per CPU.",
    ),
]


def command(function: Callable[..., None]) -> Callable[..., None]:
    """Make the errors of a command sentences on stderr, with an exit code each.

    2 for bad input, 1 for failed work, 130 for Ctrl-C, 143 where it is told to end (SIGTERM); both let the
    work clean up what it has begun.
    """

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            with _ended_as_by_ctrl_c():
                function(*args, **kwargs)
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
            if kwargs.get("verbose"):
                import traceback

                traceback.print_exc()
            if isinstance(error, MockforgeError):
                fail(str(error), 2 if isinstance(error, InputError) and not _disk_failed(error) else 1)
            if isinstance(error, OSError) and error.errno and error.strerror:
                named = ": ".join(str(part) for part in (error.filename, error.strerror) if part)
                fail(named, 1 if _disk_failed(error) else 2)
            hint = "" if kwargs.get("verbose") else "; run it with -v and report what it prints"
            fail(f"unexpected {type(error).__name__}: {error}{hint}", 1)

    return run


_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS)
_terminated = False  # by SIGTERM, which is answered as Ctrl-C is


def _disk_failed(error: BaseException | None) -> bool:
    """Whether an error comes of a disk that is full or broken: then the input was not at fault."""
    while error is not None:
        # astropy reports a full disk without the system's number.
        if isinstance(error, OSError) and (error.errno in _DISK or "enough space on disk" in str(error)):
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
        from mockforge._version import __version__

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


def check_files(*paths: Path | None) -> None:
    """InputError where a file to be written is a folder, or lies in a file."""
    for path in paths:
        if path is not None and path.is_dir():
            raise InputError(f"{path}: is a folder; give the name of a file")
        if path is not None and path.parent.exists() and not path.parent.is_dir():
            raise InputError(f"{path}: {path.parent} is a file, not a folder; choose another place")


def read_images(
    images: Sequence[Path],
    bands: str | None,
    extensions: str | None,
    zeropoint: str | None,
    pixel_scale: float | None,
    mask_bits: str | None,
) -> Field:
    """Return the images of a command in nJy, by its options as they were typed."""
    from mockforge.field.field import Field

    return Field.read(
        images,
        bands=words_of(bands),
        extensions=names_of(extensions),
        zeropoint=numbers_of("--zeropoint", zeropoint),
        pixel_scale_arcsec=pixel_scale,
        mask_bits=names_of(mask_bits),
        require_njy=True,
    )


def print_origins(field: Field) -> None:
    """Print where each fact about an image comes from, a line each."""
    print_lines(f"{fact}: {text}" for fact, text in field.origin.items())


def print_lines(lines: Iterable[Any]) -> None:
    """Print a line each."""
    for line in lines:
        print(line)
