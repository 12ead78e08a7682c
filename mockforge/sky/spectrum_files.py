"""Spectra of a user, from ASCII or FITS files."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.sky.spectra import SpectrumFiles
from mockforge.sky.spectrum_set import SpectrumSet, fixed_set

_FITS = b"SIMPLE  =                    T"

_ANGSTROM = {"Angstrom": 1.0, "nm": 10.0, "um": 1e4}

_SUNS = 1e10
"""Luminosity of every spectrum over the wavelengths that all cover, solar luminosities."""


def file_set(config: SpectrumFiles) -> SpectrumSet:
    """The spectra of a configuration over the wavelengths that all of them cover.

    InputError for a file that cannot be read or holds no spectrum, or without common wavelengths.
    """
    paths = config.paths()
    read = [_angstrom(config, path) for path in paths]
    low, high = max(w[0] for w, _ in read), min(w[-1] for w, _ in read)
    if not low < high:
        raise InputError(f"{config.folder}: the files of the spectra have no wavelengths in common")
    wave = np.unique(np.concatenate([[low, high], *(w for w, _ in read)]))
    wave = wave[(wave >= low) & (wave <= high)]
    light = np.stack([np.interp(wave, w, f) for w, f in read])
    total = np.asarray(np.trapezoid(light, wave, axis=1))
    for path, sum_ in zip(paths, total, strict=True):
        if not sum_ > 0:
            raise InputError(f"{path}: no light between {low:.0f} and {high:.0f} Angstrom")
    names = tuple(path.stem for path in paths)
    if len(set(names)) < len(names):
        names = tuple(str(path) for path in paths)
    return fixed_set(names, wave, light * (_SUNS / total)[:, None], {})


def _angstrom(config: SpectrumFiles, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength in Angstrom and f_lambda of a file."""
    wave, flux = read_spectrum(path)
    wave = wave * _ANGSTROM[config.wavelength_unit]
    return wave, flux / wave**2 if config.flux == "f_nu" else flux


def read_spectrum(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength (W,), rising, and flux (W,) of a file, float64, in its units.

    ASCII has the two in its first columns, `#` starts a comment. FITS has them in the first two
    columns of a table, or the flux in one dimension with CRVAL1, CDELT1 (or CD1_1) and CRPIX1 in the
    header; DC-FLAG = 1 says that these give the logarithm to base 10. InputError names the file.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; wanted is a spectrum in ASCII or FITS")
    fits = path.read_bytes()[:30] == _FITS
    wave, flux = _from_fits(path) if fits else _from_text(path)
    if len(wave) < 2 or not np.isfinite(wave).all() or wave.min() <= 0:
        raise InputError(f"{path}: wanted are two or more wavelengths above 0")
    if not np.isfinite(flux).all() or flux.min() < 0:
        raise InputError(f"{path}: fluxes should be finite and not negative")
    if (np.diff(wave) < 0).all():
        wave, flux = wave[::-1], flux[::-1]
    if not (np.diff(wave) > 0).all():
        raise InputError(f"{path}: wavelengths should rise from row to row")
    return wave, flux


def _from_text(path: Path) -> tuple[np.ndarray, np.ndarray]:
    rows = []
    for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1):
        words = line.split("#")[0].replace(",", " ").split()
        if not words:
            continue
        try:
            rows.append((float(words[0]), float(words[1])))
        except (ValueError, IndexError):
            raise InputError(
                f"{path}, line {number}: wanted are wavelength and flux, found {line.strip()[:40]!r}"
            ) from None
    if not rows:
        raise InputError(f"{path}: no rows; wanted are wavelength and flux")
    wave, flux = np.array(rows).T
    return wave, flux


def _from_fits(path: Path) -> tuple[np.ndarray, np.ndarray]:
    from astropy.io import fits

    try:
        # What matters of a damaged file is said below, so astropy need not warn of it.
        with path.open("rb") as raw, warnings.catch_warnings(action="ignore"), fits.open(raw) as found:
            for hdu in list(found):
                data: Any = hdu.data  # type: ignore[attr-defined]
                names = getattr(getattr(hdu, "columns", None), "names", [])[:2]
                if len(names) == 2:
                    wave, flux = (np.asarray(data[name], dtype=np.float64) for name in names)
                    return wave.ravel(), flux.ravel()
                if data is not None and not names and np.squeeze(data).ndim == 1:
                    return _from_image(path, hdu)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{path}: not a readable FITS spectrum ({error})") from error
    raise InputError(f"{path}: neither a table of two columns nor one dimension of flux")


def _from_image(path: Path, hdu: Any) -> tuple[np.ndarray, np.ndarray]:
    header, flux = hdu.header, np.squeeze(np.asarray(hdu.data, dtype=np.float64))
    step = header.get("CDELT1", header.get("CD1_1"))
    if "CRVAL1" not in header or step is None:
        raise InputError(f"{path}: its header has no CRVAL1 with CDELT1 or CD1_1, the wavelengths")
    place = np.arange(1, len(flux) + 1) - header.get("CRPIX1", 1.0)
    wave = header["CRVAL1"] + step * place
    return (10.0**wave if header.get("DC-FLAG") == 1 else wave), flux
