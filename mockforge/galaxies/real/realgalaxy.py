"""Galaxies in galsim's RealGalaxy format: HST images, each with its own PSF."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.config import config
from mockforge.errors import InputError
from mockforge.field.fits.check import opened
from mockforge.files import Stamp, named, stamp
from mockforge.galaxies.real.catalogue import (
    NEAREST,
    Photometry,
    column,
    fluxes,
    has,
    known_redshifts,
    numbers,
    read_table,
    text,
)
from mockforge.galaxies.real.cutouts import Cleaning, Cutout, cleaned
from mockforge.units import ZEROPOINT_NJY


@config
class RealGalaxies:
    """Galaxies in galsim's RealGalaxy format, as the COSMOS HST samples have it.

    The main catalogue names for every galaxy its image and its PSF (file and extension), BAND and
    PIXEL_SCALE. Redshifts come from it or from the table of fits beside it, joined by IDENT.
    Mandelbaum et al. 2012, MNRAS 420, 1518.
    """

    catalogue: str
    """The main catalogue, FITS."""
    folder: str | None = None
    """Where images and PSFs are; null for the catalogue's folder."""
    redshifts: str | None = None
    """Table with IDENT and the redshift; null for the main catalogue, else `<catalogue>_fits.fits`."""
    redshift_column: str = "zphot"
    """Its column; upper and lower case do not matter."""
    zeropoint: float = 25.94
    """AB magnitude of pixel value 1; 25.94 for COSMOS in F814W."""
    max_magnitude: float | None = None
    """Leave out galaxies whose column MAG is above this."""
    photometry: tuple[Photometry, ...] = ()
    """Fluxes of the whole galaxy in further bands, for the fit of its spectrum."""
    clean: Cleaning = Cleaning(subtract_sky=False, mask_neighbours=False)
    """Sky and neighbours; those of COSMOS are gone, and its stamps are too tight to measure sky."""

    def files_read(self) -> dict[str, Path]:
        """Return the catalogues, and the images and PSFs that they name."""
        return _files_named(self, tuple(stamp(path) for path in catalogues(self)))


class RealCatalogue:
    """The galaxies of a `RealGalaxies`; see `mockforge.galaxies.real.cutouts.CutoutCatalogue`.

    InputError where a file is missing, or a column, or no galaxy has a redshift.
    """

    def __init__(self, rule: RealGalaxies) -> None:
        self.rule, self.path = rule, Path(rule.catalogue).expanduser()
        self.folder = Path(rule.folder).expanduser() if rule.folder is not None else self.path.parent
        table, where = read_table(self.path), str(self.path)
        get = {key: column(table, key, where) for key in _REAL}
        if has(table, "NOISE_VARIANCE"):
            get["NOISE_VARIANCE"] = column(table, "NOISE_VARIANCE", where)
        z = self._redshifts(rule, table, np.asarray(get["IDENT"]))
        good = np.isfinite(z) & (z > NEAREST)
        if rule.max_magnitude is not None:
            magnitude = numbers(column(table, "MAG", where), f"{where}, MAG")
            good &= (magnitude > 0) & (magnitude <= rule.max_magnitude)  # -99 is none
        if not good.any():
            raise InputError(
                f"{where}: no galaxy has a redshift above 0 in {rule.redshift_column!r}"
                + ("" if rule.max_magnitude is None else f" and is brighter than {rule.max_magnitude:g}")
            )
        for key, values in get.items():
            empty = np.flatnonzero(np.ma.getmaskarray(np.ma.asarray(values)) & good)
            if len(empty) and key != "NOISE_VARIANCE":
                raise InputError(f"{where}: row {empty[0] + 1} has no {key}; give it, or leave out that row")
        self.rows = {key: np.asarray(values)[good] for key, values in get.items()}
        if "NOISE_VARIANCE" in get:
            self.rows["NOISE_VARIANCE"] = numbers(get["NOISE_VARIANCE"], f"{where}, NOISE_VARIANCE")[good]
        self.redshifts = z[good]
        bands, scales = set(map(text, self.rows["BAND"])), set(self.rows["PIXEL_SCALE"].tolist())
        if len(bands) > 1 or len(scales) > 1:
            raise InputError(
                f"{where}: BAND holds {sorted(bands)} and PIXEL_SCALE {sorted(scales)}; one of each is"
                " expected, split the catalogue"
            )
        self.bands, self.pixel_scale_arcsec = (bands.pop(),), float(scales.pop())
        self.photometry = tuple(p.band for p in rule.photometry)
        self._flux = fluxes(rule.photometry, [self._fits(rule), table], where, good)
        self.clean = rule.clean
        self._scale = 10 ** (0.4 * (ZEROPOINT_NJY - rule.zeropoint))

    def _fits(self, rule: RealGalaxies) -> Any:
        """Return the table of redshifts, where it is another file than the main one."""
        beside = catalogues(rule)[1:]
        return read_table(beside[0]) if beside else {}

    def _redshifts(self, rule: RealGalaxies, table: Any, ident: np.ndarray) -> np.ndarray:
        other = self._fits(rule)
        if not len(other) or (rule.redshifts is None and has(table, rule.redshift_column)):
            name, where = rule.redshift_column, str(self.path)
            return known_redshifts(column(table, name, where), name, where)
        where = rule.redshifts or f"{self.path.stem}_fits{self.path.suffix}"
        other_ident = np.asarray(column(other, "IDENT", where))
        if not np.array_equal(other_ident, ident):
            raise InputError(
                f"{where}: its IDENT are not those of {self.path.name}, row by row; join the tables first"
            )
        return known_redshifts(column(other, rule.redshift_column, where), rule.redshift_column, where)

    def cutout(self, i: int) -> Cutout:
        """Return the i-th galaxy with its PSF, cleaned. InputError where its image or PSF cannot be used."""
        row = {key: values[i] for key, values in self.rows.items()}
        where = f"{self.folder / text(row['GAL_FILENAME'])}[{int(row['GAL_HDU'])}]"
        image = self._plane(text(row["GAL_FILENAME"]), int(row["GAL_HDU"])) * self._scale
        psf = self._plane(text(row["PSF_FILENAME"]), int(row["PSF_HDU"]))
        mask = ~np.isfinite(image)
        if mask.all() or not np.isfinite(psf).all() or not psf.sum() > 0:
            raise InputError(f"{where}: the image or its PSF holds no numbers that can be used")
        h, w = image.shape
        variance = float(row.get("NOISE_VARIANCE", np.nan)) * self._scale**2
        galaxy = Cutout(
            name=text(row["IDENT"]),
            image=np.where(mask, 0.0, image)[None],
            centre=((w - 1) / 2, (h - 1) / 2),
            mask=mask,
            psf=psf,
            rms=np.sqrt([variance]) if variance > 0 else np.zeros(0),
            photometry={band: float(flux[i]) for band, flux in self._flux.items()},
        )
        return cleaned(galaxy, self.clean, self.pixel_scale_arcsec)

    def files(self) -> list[Path]:
        """Every file the galaxies come from."""
        names = {text(n) for key in ("GAL_FILENAME", "PSF_FILENAME") for n in self.rows[key]}
        main, *beside = catalogues(self.rule)
        return [main, *(self.folder / name for name in sorted(names)), *beside]

    def _plane(self, name: str, extension: int) -> np.ndarray:
        path = self.folder / name
        if not path.exists():
            raise InputError(
                f"{path}: no such file, and {self.path.name} names it; give `folder` of the images"
            )
        places = _places(path, stamp(path))
        if not 0 <= extension < len(places) or places[extension] is None:
            raise InputError(f"{path}: no image in extension {extension}, which {self.path.name} names")
        place = places[extension]
        assert place is not None
        if place.offset is not None:
            flat = np.fromfile(path, dtype=place.dtype, count=math.prod(place.shape), offset=place.offset)
            return flat.reshape(place.shape).astype(np.float64)

        with opened(path) as units:
            return np.array(units[extension].data, dtype=np.float64)


def catalogues(rule: RealGalaxies) -> list[Path]:
    """Return the main catalogue, and the table of fits or redshifts where there is one."""
    main = Path(rule.catalogue).expanduser()
    if rule.redshifts is not None:
        return [main, Path(rule.redshifts).expanduser()]
    beside = main.with_name(f"{main.stem}_fits{main.suffix}")
    return [main, beside] if beside.exists() else [main]


@lru_cache(maxsize=4)
def _files_named(rule: RealGalaxies, stamps: tuple[Stamp, ...]) -> dict[str, Path]:
    return named(RealCatalogue(rule).files())


@dataclass(frozen=True)
class _Place:
    """Where the image of an extension is in its file."""

    shape: tuple[int, ...]
    dtype: str
    offset: int | None
    """Bytes; None where astropy has to read it (compressed or scaled)."""


@lru_cache(maxsize=256)
def _places(path: Path, stamp: Stamp) -> tuple[_Place | None, ...]:
    """Of every extension: headers of a file of a thousand stamps are read once, not for each stamp."""
    plain = path.suffix not in (".gz", ".bz2")
    places: list[_Place | None] = []
    with opened(path) as units:
        for unit in units:
            if not unit.is_image or len(unit.shape) != 2:
                places.append(None)
                continue
            kind = _KINDS.get(unit.header.get("BITPIX"))
            as_is = plain and kind is not None and not {"BSCALE", "BZERO", "ZIMAGE"} & set(unit.header)
            as_is = as_is and type(unit).__name__ != "CompImageHDU"
            places.append(_Place(unit.shape, kind or "", unit.fileinfo()["datLoc"] if as_is else None))
    return tuple(places)


_KINDS = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}
_REAL = ("IDENT", "BAND", "GAL_FILENAME", "GAL_HDU", "PSF_FILENAME", "PSF_HDU", "PIXEL_SCALE")
