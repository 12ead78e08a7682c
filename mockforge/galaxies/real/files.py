"""Galaxies on a user's own FITS images, with a catalogue of redshifts."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.config import Count, NonNegative, Positive, config
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.files import Stamp, located, named, stamp
from mockforge.galaxies.real.catalogue import (
    NEAREST,
    Photometry,
    blank,
    column,
    fluxes,
    get,
    has,
    known_redshifts,
    read_table,
    text,
)
from mockforge.galaxies.real.cutouts import Cleaning, Cutout, cleaned
from mockforge.galaxies.real.positions import Position, places
from mockforge.observe.psf.spec import Psf
from mockforge.photometry.bands import Band, bands_of


@config
class FileGalaxies:
    """Galaxies on a user's FITS images: aligned bands, calibrated, with a catalogue of redshifts.

    The catalogue (ECSV, FITS, CSV or plain columns with a header) has the columns `file` and `z`;
    `file` may hold `{band}`, for one file per band. Optional: `name`, and where the galaxies are not in
    the middle, their places: `ra`, `dec` or what other catalogues call them (RAJ2000, ALPHA_J2000,
    X_WORLD, glon, ...), in degrees, in the column's unit or sexagesimal (hours and degrees); or
    pixels, `x`, `y` and xcentroid, ycentroid, where the first is 0, and SExtractor's X_IMAGE,
    XWIN_IMAGE, where it is 1. Where there are both, they must agree. Rows without a redshift
    above 0 (empty, -99, 99) are left out.
    """

    catalogue: str
    """The table of galaxies."""
    bands: tuple[Band, ...]
    """Bands of the images, in order."""
    folder: str | None = None
    """Where the files are; null for the catalogue's folder."""
    extensions: tuple[int | str, ...] | None = None
    """Extensions: one for all files, one per file, or the bands of one file."""
    zeropoint: float | tuple[float, ...] | None = None
    """AB magnitude of pixel value 1, one or per band; before units and zeropoints of the headers."""
    pixel_scale_arcsec: Positive | None = None
    """Side of a pixel, where the headers do not give it."""
    side: Count | None = None
    """Cut a square of so many pixels around each galaxy; null for whole images."""
    position: Position = "auto"
    """What tells a galaxy's place: `sky` or `pixels`, columns of the catalogue; `middle` of its image,
    whatever the columns say; `auto`: the columns that there are, else the middle."""
    psf: Psf | None = None
    """PSF of the images; null for Gaussians of the headers' PSFFWHM."""
    photometry: tuple[Photometry, ...] = ()
    """Fluxes of the whole galaxy in further bands, for the fit of its spectrum."""
    clean: Cleaning = Cleaning()
    """Sky and neighbours."""
    min_redshift: NonNegative = 0.0
    """Leave out galaxies nearer than this."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))

    def files_read(self) -> dict[str, Path]:
        """Return the catalogue, and the images that it names."""
        return _files_named(self, stamp(self.catalogue))

    def origins(self) -> dict[str, str]:
        """Where the galaxies' places come from, and what the first image's headers say."""
        catalogue = FileCatalogue(self)
        rows = f"{len(catalogue.names)} galaxies of {catalogue.rows} rows have a redshift"
        places = catalogue.place.names or "the middle of each image"
        return {"galaxies": rows, "places": places} | dict(catalogue._field(0).origin)


class FileCatalogue:
    """The galaxies of a `FileGalaxies`; see `mockforge.galaxies.real.cutouts.CutoutCatalogue`.

    InputError where the catalogue lacks a column, or no row has a redshift.
    """

    def __init__(self, rule: FileGalaxies) -> None:
        self.rule, path = rule, Path(rule.catalogue).expanduser()
        self.folder = Path(rule.folder).expanduser() if rule.folder is not None else path.parent
        table, self.where = read_table(path), str(path)
        z = known_redshifts(column(table, "z", self.where), "z", self.where)
        good = np.isfinite(z) & (z > max(NEAREST, rule.min_redshift))
        if not good.any():
            raise InputError(f"{path}: no row has a redshift above {max(0, rule.min_redshift):g} in column z")
        files = column(table, "file", self.where)
        for row in np.flatnonzero(good):
            if blank(files[row]):
                raise InputError(f"{path}: row {row + 1} names no file; give it, or leave out that row")
        self.rows = len(good)
        self.names = [text(v) for v in np.asarray(files)[good]]
        self.redshifts, self.bands = z[good], rule.bands
        self.place = places(table, good, rule.position, self.where)
        self.title = list(self.names)
        if has(table, "name"):
            titles = [get(table, "name")[row] for row in np.flatnonzero(good)]
            self.title = [own if blank(v) else text(v) for v, own in zip(titles, self.names, strict=True)]
        self.photometry = tuple(p.band for p in rule.photometry)
        self._flux = fluxes(rule.photometry, [table], self.where, good)
        first = self._field(0)
        if first.pixel_scale_arcsec is None:
            raise InputError(f"{self._files(0)[0]}: no pixel scale in the header; give `pixel_scale_arcsec`")
        self.pixel_scale_arcsec = first.pixel_scale_arcsec
        if rule.psf is None and first.psf_fwhm_arcsec is None:
            raise InputError(
                f"{self._files(0)[0]}: no PSF is known (no PSFFWHM in its header); give `psf` of the images"
            )

    def _files(self, i: int) -> tuple[str, ...]:
        name = str(self.folder / Path(self.names[i]).expanduser())
        return tuple(name.replace("{band}", b) for b in self.bands) if "{band}" in name else (name,)

    def _field(self, i: int) -> Field:
        return _read(self._files(i), tuple(stamp(f) for f in self._files(i)), self.rule)

    def cutout(self, i: int) -> Cutout:
        """Return the i-th galaxy, cleaned. InputError where its files cannot be used or do not hold it."""
        field = self._field(i)
        name = self.title[i]
        if not np.isclose(field.pixel_scale_arcsec or 0, self.pixel_scale_arcsec, rtol=1e-3):
            raise InputError(
                f"{name}: {field.pixel_scale_arcsec} arcsec per pixel, and the first galaxy has"
                f" {self.pixel_scale_arcsec:g}; one pixel scale for all is expected"
            )
        x, y = self._centre(i, field)
        _, h, w = field.shape
        if not (0 <= x <= w - 1 and 0 <= y <= h - 1):
            raise InputError(f"{name}: its centre ({x:g}, {y:g}) is not on the image of {w} x {h} pixels")
        y0, y1, x0, x1 = 0, h, 0, w
        if self.rule.side is not None:
            y0, x0 = (round(c - (self.rule.side - 1) / 2) for c in (y, x))
            y0, y1, x0, x1 = max(y0, 0), min(y0 + self.rule.side, h), max(x0, 0), min(x0 + self.rule.side, w)
        cut = field.cutout(y0, y1, x0, x1)
        galaxy = Cutout(
            name=name,
            image=cut.image.astype(np.float64),
            centre=(x - x0, y - y0),
            mask=np.zeros(cut.shape[1:], dtype=bool) if cut.mask is None else cut.mask,
            psf_fwhm_arcsec=field.psf_fwhm_arcsec,
            photometry={band: float(flux[i]) for band, flux in self._flux.items()},
        )
        return cleaned(galaxy, self.rule.clean, self.pixel_scale_arcsec)

    def _centre(self, i: int, field: Field) -> tuple[float, float]:
        """(x, y) from the catalogue, else the middle."""
        return self.place.on(field.wcs, i, field.shape[1:], self.rule.position, self._files(i)[0])

    def files(self) -> list[Path]:
        """Every file the galaxies come from."""
        names: dict[str, None] = {}
        for i in range(len(self.names)):
            for name in self._files(i):
                if name not in names and not located(name).exists():
                    raise InputError(f"{located(name)}: no such file; {self.where} names it, see `folder`")
                names[name] = None
        return [Path(self.rule.catalogue).expanduser(), *(Path(n) for n in sorted(names))]


@lru_cache(maxsize=4)
def _files_named(rule: FileGalaxies, stamp: Stamp) -> dict[str, Path]:
    return named(FileCatalogue(rule).files())


@lru_cache(maxsize=8)
def _cached_field(files: tuple[str, ...], stamps: tuple[Any, ...], how: tuple[Any, ...]) -> Field:
    bands, extensions, zeropoint, scale = how
    return Field.read(
        files,
        bands=bands,
        extensions=extensions,
        zeropoint=zeropoint,
        pixel_scale_arcsec=scale,
        require_njy=True,
    )


def _read(files: tuple[str, ...], stamps: tuple[Any, ...], rule: FileGalaxies) -> Field:
    """Return a file's bands, kept for the galaxies that share it; `stamps` tells changed files."""
    how = (rule.bands, rule.extensions, rule.zeropoint, rule.pixel_scale_arcsec)
    return _cached_field(files, stamps, how)
