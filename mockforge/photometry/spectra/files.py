"""Spectra of a user, from ASCII, ECSV or FITS files, in the units that each file or the recipe says."""

from __future__ import annotations

import warnings
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from mockforge.config import check_different, config
from mockforge.errors import InputError
from mockforge.files import named
from mockforge.photometry.spectrum_set import SpectrumSet, fixed_set
from mockforge.photometry.two_columns import Columns, Wanted, read_columns
from mockforge.photometry.units import (
    FluxKind,
    Told,
    WaveUnit,
    angstrom,
    per_wavelength,
    told_by_text,
    told_by_units,
    unit_in_name,
    wave_unit,
)

_SUNS = 1e10
"""Luminosity of every spectrum over the wavelengths that all cover, solar luminosities."""

_SAME = 1e-9
"""Wavelengths nearer than this, relative, are one."""

_OPTICAL, _FIRST = 3500.0, 50.0
"""A file that does not say its unit should reach from the far ultraviolet to the optical, in Angstrom."""
_SHORTEST = 50.0
"""Angstrom; a spectrum that ends below is in another unit, or in logarithms."""

_WANTED = Wanted(
    x=("wavelength", "wave", "lambda", "lam", "wl", "loglam", "wavelengths", "freq", "frequency", "energy"),
    y=("flux", "f_lambda", "flambda", "flam", "f_nu", "fnu", "flux_density", "sed", "luminosity", "spec"),
    words="wavelength and flux",
    kind="spectrum",
)
_KIND_OF: dict[str, FluxKind] = {
    "f_lambda": "f_lambda", "flambda": "f_lambda", "flam": "f_lambda", "f_nu": "f_nu", "fnu": "f_nu"
}  # fmt: skip


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
            check_different("files", self.files)

    def spectra(self, cosmology: str) -> SpectrumSet:
        """Return the spectra, in any cosmology: `file_set`."""
        return file_set(self)

    def paths(self) -> list[Path]:
        """Every file, in order. InputError where the folder holds none."""
        folder = Path(self.folder).expanduser()
        if self.files is not None:
            return [folder / Path(name).expanduser() for name in self.files]
        files = sorted(p for p in folder.glob("*") if p.is_file() and not p.name.startswith("."))
        if not files:
            raise InputError(f"{folder}: no files of spectra there; set `folder`, or name them with `files`")
        return files

    def files_read(self) -> dict[str, Path]:
        """Return the spectra."""
        return named(self.paths())

    def origins(self) -> dict[str, str]:
        """Units of the files, and where they are said."""
        return units_of_files(self)


@dataclass(frozen=True)
class Raw:
    """A spectrum as its file has it."""

    wave: np.ndarray
    """(W,) rising or falling."""
    flux: np.ndarray
    told: Told


def file_set(config: SpectrumFiles) -> SpectrumSet:
    """Return the spectra of a configuration over the wavelengths that all of them cover.

    InputError for a file that cannot be read or holds no spectrum, for units that contradict the
    recipe's or are not understood, or without common wavelengths.
    """
    paths = config.paths()
    spectra = [_angstrom(config, path) for path in paths]
    low, high = max(w[0] for w, _ in spectra), min(w[-1] for w, _ in spectra)
    if not low < high:
        raise InputError(f"{config.folder}: the files of the spectra have no wavelengths in common")
    wave = np.unique(np.concatenate([[low, high], *(w for w, _ in spectra)]))
    wave = wave[(wave >= low) & (wave <= high)]
    wave = wave[np.diff(wave, prepend=0.0) > _SAME * wave]  # one grid in nm and in Angstrom is one grid
    light = np.stack([np.interp(wave, w, f) for w, f in spectra])
    total = np.asarray(np.trapezoid(light, wave, axis=1))
    for path, sum_ in zip(paths, total, strict=True):
        if not sum_ > 0:
            raise InputError(f"{path}: no light between {low:.0f} and {high:.0f} Angstrom")
    names = tuple(path.stem for path in paths)
    if len(set(names)) < len(names):
        names = tuple(str(path) for path in paths)
    return fixed_set(names, wave, light * (_SUNS / total)[:, None], {})


def units_of_files(config: SpectrumFiles) -> dict[str, str]:
    """Units that files are read in -> how many, and what says so; for the log. InputError as `file_set`."""
    counts: dict[str, int] = {}
    for path in config.paths():
        unit = Told() if config.units == "recipe" else _read(path, config).told
        wave, flux = unit.wave or config.wavelength_unit, unit.flux or config.flux
        by = unit.source if unit.wave or unit.flux else "the recipe" if wave or flux else "the default"
        words = f"{wave or 'Angstrom'}{' in air' if unit.air else ''}, {flux or 'f_lambda'} ({by})"
        counts[words] = counts.get(words, 0) + 1
    return {"units of spectra": "; ".join(f"{n} file(s) in {words}" for words, n in counts.items())}


def _angstrom(config: SpectrumFiles, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength in Angstrom, rising, and f_lambda of a file."""
    raw = _read(path, config)
    unit = Told() if config.units == "recipe" else raw.told
    recipe = config.flux, config.wavelength_unit
    for key, mine, theirs in (("wavelength_unit", recipe[1], unit.wave), ("flux", recipe[0], unit.flux)):
        if mine is not None and theirs is not None and mine != theirs:
            raise InputError(
                f"{path}: {unit.source} say(s) {theirs}, and the recipe says {key}: {mine}; leave `{key}` out"
                " to take the file's word, or set `units: recipe` where the file is wrong"
            )
    if unit.unknown and None in recipe:
        raise InputError(
            f"{path}: the unit {unit.unknown[0]!r} ({unit.source}) is neither a wavelength nor a flux per"
            " wavelength or frequency; say what the numbers are with `wavelength_unit`, `flux` and"
            " `units: recipe`"
        )
    wave = angstrom(raw.wave, unit.wave or config.wavelength_unit or "Angstrom", unit.air)
    flux = per_wavelength(raw.flux, wave, unit.flux or config.flux or "f_lambda")
    if wave[0] > wave[-1]:
        wave, flux = wave[::-1], flux[::-1]
    if not wave[-1] > _SHORTEST:
        raise InputError(
            f"{path}: its wavelengths would be {wave[0]:.4g} to {wave[-1]:.4g} Angstrom; say their unit with"
            " `wavelength_unit`, or give wavelengths where these are logarithms"
        )
    if unit.wave is None and recipe[1] is None and (wave[-1] < _OPTICAL or wave[0] < _FIRST):
        raise InputError(
            f"{path}: nothing says the unit of its wavelengths, {wave[0]:.4g} to {wave[-1]:.4g}, and as"
            f" Angstrom they would {'end' if wave[-1] < _OPTICAL else 'begin'} where no galaxy's does: say it"
            " with `wavelength_unit: nm`, um or Angstrom"
        )
    return wave, flux


def read_spectrum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength (W,), rising, and flux (W,) of a file, float64, in its units.

    ASCII has the two in its first columns, `#` starts a comment. FITS has them in two columns of a
    table, or the flux in one dimension with CRVAL1, CDELT1 (or CD1_1) and CRPIX1 in the header;
    DC-FLAG = 1 says that these give the logarithm to base 10. InputError names the file.
    """
    raw = _read(path, SpectrumFiles(units="recipe"))
    return (raw.wave[::-1], raw.flux[::-1]) if raw.wave[0] > raw.wave[-1] else (raw.wave, raw.flux)


def _read(path: Path, config: SpectrumFiles) -> Raw:
    columns = read_columns(path, _WANTED)
    raw = _from_images(path) if columns is None else _of_columns(path, columns, config)
    wave, flux = raw.wave, raw.flux
    if len(wave) < 2 or not np.isfinite(wave).all() or wave.min() <= 0:
        raise InputError(f"{path}: expected two or more wavelengths above 0")
    if not np.isfinite(flux).all() or flux.min() < 0:
        raise InputError(f"{path}: fluxes should be finite and not negative")
    if not ((np.diff(wave) > 0).all() or (np.diff(wave) < 0).all()):
        raise InputError(f"{path}: wavelengths should rise from row to row")
    return raw


def _of_columns(path: Path, found: Columns, config: SpectrumFiles) -> Raw:
    if found.comments or not found.names[0]:
        meaning = Told() if config.units == "recipe" else told_by_text(list(found.comments), str(path))
        return Raw(found.x, found.y, meaning)
    wave, flux = found.names
    units = found.units[0] or unit_in_name(wave), found.units[1]
    meaning = told_by_units(*units, f"the units of {wave} and {flux}")
    if not found.units[1] and flux.lower() in _KIND_OF:
        meaning = replace(meaning, flux=_KIND_OF[flux.lower()])
    if wave.lower() == "loglam":  # SDSS: lg of the vacuum wavelength in Angstrom
        return Raw(10.0**found.x, found.y, replace(meaning, wave="Angstrom", unknown=()))
    return Raw(found.x, found.y, meaning)


def _from_images(path: Path) -> Raw:
    from astropy.io import fits

    try:
        with path.open("rb") as raw, warnings.catch_warnings(action="ignore"), fits.open(raw) as hdus:
            for hdu in list(hdus):
                data: Any = hdu.data
                if data is not None and getattr(hdu, "columns", None) is None and np.squeeze(data).ndim == 1:
                    return _from_image(path, hdu)
    except (OSError, ValueError, TypeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a readable FITS spectrum ({error})") from error
    raise InputError(f"{path}: neither a table of two columns nor one dimension of flux")


def _from_image(path: Path, hdu: Any) -> Raw:
    header, flux = hdu.header, np.squeeze(np.asarray(hdu.data, dtype=np.float64))
    step = header.get("CDELT1", header.get("CD1_1"))
    if "CRVAL1" not in header or step is None:
        raise InputError(f"{path}: its header has no CRVAL1 with CDELT1 or CD1_1, the wavelengths")
    place = step * (np.arange(1, len(flux) + 1) - header.get("CRPIX1", 1.0))
    kind = str(header.get("CTYPE1", "")).strip().upper()
    unit = str(header.get("CUNIT1", "")).strip()
    for card in header.get("WAT1_001", "").split():  # IRAF
        unit = unit or (card.partition("=")[2] if card.startswith("units=") else "")
    if kind.startswith(("VELO", "VRAD", "VOPT", "ZOPT", "BETA")):
        raise InputError(f"{path}: its axis is {kind}, a velocity or redshift; expected wavelengths")
    if header.get("DC-FLAG") == 1:
        wave = 10.0 ** (header["CRVAL1"] + place)
    elif kind.endswith("-LOG"):  # Greisen et al. 2006, A&A 446, 747, eq. 5
        wave = header["CRVAL1"] * np.exp(place / header["CRVAL1"])
    else:
        wave = header["CRVAL1"] + place
    units = told_by_units(unit, str(header.get("BUNIT", "")).strip(), "CUNIT1 and BUNIT of its header")
    if not unit and kind in ("WAVE", "AWAV", "FREQ") and wave.max() < 1e-3:
        units = replace(units, wave=wave_unit("m"))  # the standard's default
    return Raw(wave, flux, replace(units, air=kind.startswith("AWAV")))
