"""Exporting a dataset: the table of formats, and one call for all of them."""

from __future__ import annotations

import shutil
from pathlib import Path

from mockforge.data.reader import Reader
from mockforge.errors import InputError, MockforgeError
from mockforge.files import from_home
from mockforge.registry import Registry

EXPORTERS = Registry(
    "export format",
    "mockforge.exporters",
    {
        "coco": ("mockforge.data.export.coco", "write_coco"),
        "fits": ("mockforge.data.export.fits", "write_fits"),
    },
)
"""Name of a format -> a function `write(reader, folder)` that fills an empty folder with the dataset.

`reader` is a `mockforge.data.reader.Reader`; the function raises InputError where the dataset lacks what
the format needs.
"""


def export(dataset: str | Path, to: str, out: str | Path) -> Path:
    """Write a dataset in the format of other tools.

    Parameters
    ----------
    dataset
        The dataset's folder.
    to
        Name of the format, one of EXPORTERS: `coco`, `fits`.
    out
        The folder that is written; it appears whole, or not at all.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    InputError
        For an unknown format, a folder that already exists, one that cannot be written, and a dataset that
        cannot be read or lacks what the format needs.
    MockforgeError
        Where the format is one of an installed package, and fails.
    """
    write, out = EXPORTERS.load(to), from_home(out)
    if out.exists():
        raise InputError(f"{out}: already exists, not overwritten; choose another folder")
    part = out.with_name(f".{out.name}.part")
    with Reader(dataset) as reader:
        try:
            shutil.rmtree(part, ignore_errors=True)  # left by an export that was interrupted
            part.mkdir(parents=True)
            write(reader, part)
            part.rename(out)
        except OSError as error:
            where = error.filename or out
            raise InputError(f"{where}: cannot be written ({error.strerror or error})") from error
        except (Exception, SystemExit) as error:
            package = EXPORTERS.giver(to)
            if not package or isinstance(error, MockforgeError):
                raise
            raise MockforgeError(
                f"the export format {to!r} of {package} failed: {type(error).__name__}: {error}; nothing is "
                "written"
            ) from error
        finally:
            shutil.rmtree(part, ignore_errors=True)
    return out
