"""Which spectra galaxies have: one kind of several, each a configuration in a file of its own."""

from __future__ import annotations

from typing import Protocol

from mockforge.config import config, given_of
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.files import SpectrumFiles
from mockforge.photometry.spectra.templates import Templates
from mockforge.photometry.spectrum_set import SpectrumSet


class SpectrumKind(Protocol):
    """A kind of spectra: a `mockforge.config.config` that makes a set; hashable, equal where it is the same.

    One that reads files says which by `files_read`, and takes facts from them by `origins`.
    """

    def spectra(self, cosmology: str) -> SpectrumSet:
        """Return the spectra; `cosmology`, a name or an astropy cosmology's YAML, sets ages alone."""
        ...


@config
class Spectra:
    """One of the kinds of spectra, e.g. `{templates: {steps: 1}}`; without any, the default populations.

    A new kind is a file with its configuration, a `SpectrumKind`, and a field here.
    """

    templates: Templates | None = None
    """Observed galaxies of today."""
    files: SpectrumFiles | None = None
    """A user's spectra."""
    populations: Populations | None = None
    """Composite stellar populations, which can evolve."""

    def __post_init__(self) -> None:
        if len(kinds_given := given_of(self)) > 1:
            kinds = ", ".join(vars(self))
            raise ValueError(f"needs exactly one of {kinds}; found {', '.join(kinds_given)}")

    @property
    def chosen(self) -> SpectrumKind:
        """The kind that was named, or the default populations."""
        given = given_of(self)
        return getattr(self, given[0]) if given else Populations()
