"""Single galaxies of any model that has some: of a learned sky, or of one of single galaxies."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mockforge.errors import InputError
from mockforge.sgan.single.model import load_galaxies
from mockforge.sgan.single.of_sky import galaxies_of_sky
from mockforge.sgan.single.paint import SingleGalaxies
from mockforge.train.model_files import model_path, network_kind


def open_galaxies(
    model: str | Path, seed: int = 1, least_snr: float | None = None, **asked: Any
) -> SingleGalaxies:
    """Return the endless single galaxies of a model; `.stamps(n, side)` paints the first `n` of them.

    Parameters
    ----------
    model
        A bundled name, such as `hst-galaxies` or `kids-viking`, or a model's file or folder.
    seed
        Chooses among endless rows of galaxies.
    least_snr
        Signal over noise of the light known, from which on galaxies are drawn; by default all of a model of
        single galaxies, and those above 30 of a learned sky.
    **asked
        How a learned sky is observed, as of `mockforge.Sky`: depth, seeing, pixel_scale, ...

    Returns
    -------
    SingleGalaxies
        Its stamps have `truth` and `image` (N, C, S, S) float32 nJy, `marks` and `snr` (N,).

    Raises
    ------
    InputError
        Where the model has no galaxies, or cannot be observed so.

    Examples
    --------
    >>> stamps = mockforge.open_galaxies("hst-galaxies", seed=7).stamps(100)
    """
    path = model_path(model)
    if network_kind(path) != "galaxies":
        return galaxies_of_sky(path, seed, least_snr, **asked)
    wanted = [name for name, value in asked.items() if value is not None]
    if wanted:
        raise InputError(
            f"{wanted[0]}: for learned skies; galaxies of {path.stem} are seen as its stamps were; "
            "degrade them with `mockforge degrade`"
        )
    least = 0.0 if least_snr is None else float(least_snr)
    if not 0 <= least <= 1e6:
        raise InputError(f"galaxies: a signal to noise from 0 to 1e6 is expected, found {least:g}")
    return load_galaxies(path).galaxies(seed, least)
