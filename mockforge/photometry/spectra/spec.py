"""Which spectra galaxies have, as data: templates, a user's files or stellar populations."""

from __future__ import annotations

import math
from dataclasses import fields
from itertools import product
from pathlib import Path
from typing import Annotated, Any, Literal

from mockforge.config import Count, Fraction, Limit, NonNegative, Positive, config
from mockforge.errors import InputError
from mockforge.files import named
from mockforge.photometry.units import WaveUnit

SedName = Literal["E", "Sbc", "Scd", "Im"]
Igm = Literal["inoue2014", "madau1995", "none"]

_MOST = 4096
"""Most spectra in one set."""


def _different(key: str, values: tuple[Any, ...]) -> None:
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{key} should be one or more different values, found {list(values)}")


def _given(choice: Any) -> list[str]:
    return [f.name for f in fields(choice) if getattr(choice, f.name) is not None]


@config
class Templates:
    """Observed galaxies of Coleman, Wu & Weedman 1980 and mixtures of neighbours; they do not evolve."""

    names: tuple[SedName, ...] = ("E", "Sbc", "Scd", "Im")
    """Templates, neighbours alike."""
    steps: Count = 4
    """Steps from one template to the next: 1 for the templates alone, 4 for three mixtures between."""

    def __post_init__(self) -> None:
        _different("names", self.names)


@config
class SpectrumFiles:
    """Spectra of a user: ASCII in two columns, ECSV, or FITS (a table, or one dimension with its WCS).

    Each is scaled to the same luminosity, 1e10 suns over the wavelengths that it covers.
    """

    files: tuple[str, ...] | None = None
    """Files, rest-frame spectra; the order is that of the table. Null: every file of `folder`."""
    folder: str = "."
    """Where the files are."""
    wavelength_unit: WaveUnit | None = None
    """Unit of the wavelengths; null: as each file says (the unit of a column, CUNIT1, a comment such as
    `# nm`), else Angstrom. In vacuum, but for a file that says they are in air (CTYPE1 = AWAV)."""
    flux: Literal["f_lambda", "f_nu"] | None = None
    """What the fluxes are, in any unit: per wavelength or per frequency; null: as each file says (the
    unit of a column, BUNIT, a comment such as `# mJy`), else f_lambda."""
    units: Literal["checked", "recipe"] = "checked"
    """`checked`: a file that says another unit than the recipe is an error; `recipe`: what files say
    of their units is not looked at."""

    def __post_init__(self) -> None:
        if self.files is not None:
            _different("files", self.files)

    def paths(self) -> list[Path]:
        """Every file, in order. InputError where the folder holds none."""
        folder = Path(self.folder).expanduser()
        if self.files is not None:
            return [folder / Path(name).expanduser() for name in self.files]
        found = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))
        if not found:
            raise InputError(f"{folder}: no files of spectra there; set `folder`, or name them with `files`")
        return found

    def files_read(self) -> dict[str, Path]:
        """Return the spectra."""
        return named(self.paths())

    def origins(self) -> dict[str, str]:
        """Units of the files, and where they are said."""
        from mockforge.photometry.spectra.files import units_of_files

        return units_of_files(self)


@config
class DoublePowerLaw:
    """SFR(t) = 1 / ((t / tau)^alpha + (t / tau)^-beta): rises as t^beta, falls as t^-alpha."""

    alpha: NonNegative
    """Slope of the fall."""
    beta: NonNegative
    """Slope of the rise."""
    tau_gyr: Positive
    """Where it turns, Gyr after the first stars."""


@config
class Delayed:
    """SFR(t) = t exp(-t / tau)."""

    tau_gyr: Positive
    """Where it peaks, Gyr after the first stars."""


@config
class Constant:
    """The same star-formation rate for a time, then none."""

    duration_gyr: Positive | None = None
    """How long, Gyr after the first stars; null: until now."""


@config
class Burst:
    """All stars at once."""

    time_gyr: NonNegative = 0.0
    """When, Gyr after `z_form`; before it there is no light."""


@config
class Sfh:
    """Exactly one star-formation history, e.g. `{delayed: {tau_gyr: 1.0}}`; t = 0 at `z_form`."""

    double_power_law: DoublePowerLaw | None = None
    """Rises and falls as powers of time."""
    delayed: Delayed | None = None
    """Delayed exponential."""
    constant: Constant | None = None
    """A constant rate."""
    burst: Burst | None = None
    """One burst."""

    def __post_init__(self) -> None:
        given = _given(self)
        if len(given) != 1:
            names = ", ".join(f.name for f in fields(self))
            raise ValueError(f"needs exactly one of {names}; found {', '.join(given) or 'none'}")

    @property
    def chosen(self) -> DoublePowerLaw | Delayed | Constant | Burst:
        """The history that was named."""
        return getattr(self, _given(self)[0])


REFERENCE_SFH = tuple(
    Sfh(double_power_law=DoublePowerLaw(alpha=alpha, beta=beta, tau_gyr=tau))
    for alpha, beta, tau in product((1.0, 5.0), (0.5, 2.0), (1.0, 4.0))
)
"""Two slopes of the fall, two of the rise, two times: from still forming stars to quenched by z = 2."""


@config
class Populations:
    """Composite stellar populations: every history x metallicity x A_V is one spectrum.

    Bruzual & Charlot 2003 with a Chabrier initial mass function, attenuated as in Charlot & Fall 2000;
    stars alone, or with the gas that they ionise. Each forms 1e10 solar masses by z = 0, so that a
    population grows in luminosity as its history says.
    """

    sfh: tuple[Sfh, ...] = REFERENCE_SFH
    """Star-formation histories."""
    metallicity: tuple[Annotated[float, Limit(ge=0.005, le=2.5)], ...] = (0.1, 1.0)
    """Metallicities in suns (Z = 0.02 is 1)."""
    a_v: tuple[NonNegative, ...] = (0.0, 0.5, 1.0)
    """Attenuation in V, magnitudes, of stars younger than 10 Myr; older ones have 0.3 of it."""
    z_form: Annotated[float, Limit(gt=0, le=50)] = 20.0
    """Redshift of the first stars: age at z is the age of the Universe less that at `z_form`."""
    nebular: bool = False
    """Emission lines and nebular continuum of the ionising photons: ratios to H beta by metallicity of
    Anders & Fritze-v. Alvensleben 2003, continuum of Aller 1984 and Ferland 1980, case B at 10^4 K, without
    Lyman alpha; behind the dust of the stars that make them. Off: stars alone."""
    escape_fraction: Fraction = 0.0
    """With `nebular`, share of the ionising photons that leave the galaxy and make no nebular light."""
    grid: str = "bundled"
    """`bundled`, or a folder of Bruzual & Charlot's binary `.ised` files, one a metallicity."""

    def __post_init__(self) -> None:
        for key in ("sfh", "metallicity", "a_v"):
            _different(key, getattr(self, key))
        if self.escape_fraction and not self.nebular:
            raise ValueError("escape_fraction has no effect without nebular: true")
        count = math.prod(len(getattr(self, key)) for key in ("sfh", "metallicity", "a_v"))
        if count > _MOST:
            raise ValueError(f"sfh x metallicity x a_v makes {count} spectra, at most {_MOST} are allowed")

    def files_read(self) -> dict[str, Path]:
        """Return the files of a grid that is the user's own."""
        if self.grid == "bundled":
            return {}
        return named(sorted(Path(self.grid).expanduser().glob("*.ised")))


@config
class Spectra:
    """One of the kinds of spectra, e.g. `{templates: {steps: 1}}`; without any, the default populations."""

    templates: Templates | None = None
    """Observed galaxies of today."""
    files: SpectrumFiles | None = None
    """A user's spectra."""
    populations: Populations | None = None
    """Composite stellar populations, which can evolve."""

    def __post_init__(self) -> None:
        if len(given := _given(self)) > 1:
            raise ValueError(f"needs exactly one of templates, files, populations; found {', '.join(given)}")

    @property
    def chosen(self) -> Templates | SpectrumFiles | Populations:
        """The kind that was named, or the default populations."""
        return self.templates or self.files or self.populations or Populations()
