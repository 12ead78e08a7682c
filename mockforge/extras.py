"""Libraries that only some commands need.

Each belongs to an extra of the package, and one that is not installed is answered by the command that
installs it.
"""

from __future__ import annotations

from importlib.util import find_spec

from mockforge.errors import InputError

EXTRAS = {
    "report": ("matplotlib", "jinja2", "statmorph"),
    "tensorboard": ("tensorboard",),
    "view": ("pyvips",),
    "zarr": ("zarr", "dask"),
    "parquet": ("pyarrow",),
    "moc": ("mocpy",),
    "hips": ("astropy_healpix", "mocpy"),
    "movie": ("imageio_ffmpeg",),
    "ifu": ("galpak", "kinms"),
}
"""Name of each extra in pyproject.toml, and the libraries it installs."""


def need_extra(extra: str, work: str, *libraries: str) -> None:
    """Make sure, before the work starts, that the libraries of an extra are installed.

    Parameters
    ----------
    extra
        Name of the extra, a key of `EXTRAS`.
    work
        What needs them, as the subject of a sentence: "`mockforge evaluate`".
    *libraries
        Those that are needed; by default all of the extra.

    Raises
    ------
    InputError
        One is not installed; the message holds the command to type.
    """
    missing = [name for name in libraries or EXTRAS[extra] if not installed(name)]
    if missing:
        are = "is" if len(missing) == 1 else "are"
        raise InputError(
            f"{work} needs {' and '.join(missing)}, which {are} not installed; type: {how_to(extra)}"
        )


def how_to(extra: str) -> str:
    """Return the command that installs an extra."""
    return f"pip install 'mockforge[{extra}]'"


def installed(library: str) -> bool:
    """Return whether a library can be imported, without importing it."""
    try:
        return find_spec(library) is not None
    except (ImportError, ValueError):
        return False
