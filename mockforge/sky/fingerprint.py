"""What a stage reads besides its recipe: the files of spectra and PSFs, each with its sha256."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from mockforge.observe.psf import Psf
from mockforge.sky.galaxy_catalogue import digests
from mockforge.sky.spectra import Populations, Spectra, SpectrumFiles


def fingerprint(things: Iterable[Spectra | Psf | None]) -> dict[str, str]:
    """sha256 of every file that these spectra and PSFs are read from; empty for those of the package.

    InputError where a file is not there.
    """
    from mockforge.observe.surveys import digest, is_file

    found: dict[str, str] = {}
    for thing in things:
        if isinstance(thing, Spectra):
            found |= digests(_spectra_files(thing))
        elif thing is not None and thing.image is not None:
            found |= digests([Path(thing.image.folder).expanduser() / name for name in thing.image.files])
        elif thing is not None and thing.survey is not None and is_file(thing.survey):
            found[thing.survey] = digest(thing.survey)
    return found


def _spectra_files(spectra: Spectra) -> list[Path]:
    chosen = spectra.chosen
    if isinstance(chosen, SpectrumFiles):
        return chosen.paths()
    if isinstance(chosen, Populations) and chosen.grid != "bundled":
        return sorted(Path(chosen.grid).glob("*.ised"))
    return []
