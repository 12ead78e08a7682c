"""A field as HiPS, the tiled survey that Aladin opens (Fernique et al. 2015, A&A 578, A114)."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from mockforge._version import __version__
from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.files import replace_file
from mockforge.view.colour import Colours, window_of
from mockforge.view.config import STRETCHES
from mockforge.view.folder import MARK, Viewed, check_folder, swap
from mockforge.view.healpix import (
    DEEPER,
    SIDE,
    numbers,
    order_for,
    pixel_arcsec,
    places_of,
    quarters,
    tiles_of,
)
from mockforge.view.tiles import halved, png_of

FIRST = 3
"""The coarsest order there is; its tiles together are `Allsky`."""
_COLUMNS, _ROWS, _SMALL = 27, 29, 64
"""Of Allsky: the 768 tiles of order 3, of 64 pixels a side."""
_CELL = 4
"""Pixels of a cell of the coverage map."""


@dataclass
class Hips:
    """The HiPS of a field: one in colour (PNG), and one of each band (FITS) in nJy per square arcsec."""

    field: Viewed
    colours: Colours
    stretch: str
    folder: Path
    """Where it is written."""
    advance: Callable[[int], None] = lambda tiles: None
    """Is called with the number of tiles of the finest order done since the last call."""
    covered: list[tuple[np.ndarray, int]] = dataclass_field(default_factory=list)
    """Cells of the coverage map, and their order."""

    def __post_init__(self) -> None:
        _, height, width = self.field.shape
        scale = self.field.pixel_scale_arcsec
        if self.field.wcs is None or not scale:
            raise InputError(
                "--hips: the field has no WCS, and HiPS lies on the sky; give the file one, or another file"
            )
        self.scale = float(scale)
        self.order = order_for(self.scale)
        self.tiles = tiles_of(self.field.wcs, height, width, self.order)
        self.names = names_of(self.colours.bands)

    @property
    def nbytes(self) -> int:
        """Bytes at most: FITS of all orders, and a PNG of 3 bytes a pixel."""
        return int(len(self.tiles) * 4 / 3 * SIDE**2 * (4 * len(self.names) + 3))

    def write(self, title: str) -> None:
        """Write all tiles, `Allsky`, `Moc.fits` and `properties` of each."""
        by_order = {k: {t >> 2 * (self.order - k) for t in self.tiles} for k in range(FIRST, self.order + 1)}
        small = {}
        for tile in sorted(by_order[FIRST]):
            flux = self._node(by_order, FIRST, tile)
            if flux is not None:
                for _ in range(3):  # 512 to 64
                    flux = halved(flux)
                small[tile] = flux
        if not small:
            raise InputError("--hips: no pixel of the field is on the sky; nothing to write")
        self._allsky(small)
        moc = self._moc()
        for name in ("colour", *self.names):
            moc.save(str(self.folder / name / "Moc.fits"), format="fits", overwrite=True)
            lines = self._properties(name, title, moc).items()
            text = "".join(f"{key:20s} = {value}\n" for key, value in lines)
            replace_file(self.folder / name / "properties", text.encode())

    def _node(self, by_order: Mapping[int, set[int]], order: int, tile: int) -> np.ndarray | None:
        """Write a tile and all below it; returns its flux, (band, y, x), None where the field is not."""
        if order == self.order:
            flux = self._resampled(tile)
            self.advance(1)
            if flux is not None:
                self._cover(tile, flux)
        else:
            flux = None
            for k, (rows, columns) in enumerate(quarters()):
                if 4 * tile + k not in by_order[order + 1]:
                    continue
                part = self._node(by_order, order + 1, 4 * tile + k)
                if part is not None:
                    if flux is None:
                        flux = np.full((len(self.names), SIDE, SIDE), np.nan, dtype=np.float32)
                    flux[:, rows, columns] = halved(part)
        if flux is not None:
            place = f"Norder{order}/Dir{tile // 10000 * 10000}/Npix{tile}"
            self._save(flux, place, {"ORDER": order, "NPIX": tile}, 2.0 ** (self.order - order))
        return flux

    def _resampled(self, tile: int) -> np.ndarray | None:
        """Return the field on the pixels of a tile of the finest order, by lines between its pixels."""
        _, height, width = self.field.shape
        x, y = places_of(self.field.wcs, self.order, tile)
        with np.errstate(invalid="ignore"):
            on = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
        if not on.any():
            return None
        x, y = x[on].clip(0, width - 1), y[on].clip(0, height - 1)
        x0, y0 = int(x.min()), int(y.min())
        x1, y1 = min(width, int(x.max()) + 2), min(height, int(y.max()) + 2)
        window = window_of(self.field, y0, y1, x0, x1)
        left, low = np.floor(x - x0).astype(int), np.floor(y - y0).astype(int)
        right, high = np.minimum(left + 1, x1 - x0 - 1), np.minimum(low + 1, y1 - y0 - 1)
        u, v = (x - x0 - left).astype(np.float32), (y - y0 - low).astype(np.float32)
        out = np.full((len(self.names), SIDE, SIDE), np.nan, dtype=np.float32)
        for band, flux in zip(out, window, strict=True):
            bottom = flux[low, left] * (1 - u) + flux[low, right] * u
            band[on] = bottom * (1 - v) + (flux[high, left] * (1 - u) + flux[high, right] * u) * v
        return out if np.isfinite(out).any() else None

    def _save(self, flux: np.ndarray, place: str, cards: Mapping[str, Any], coarser: float) -> None:
        """Write an image, in colour and of each band: a tile, or all of a coarse order."""
        layer = self.colours.layers[0]
        picture = self.colours.rgb(flux, layer, self.stretch, max(1, round(coarser)))
        known: Any = np.any(np.isfinite(flux), axis=0)
        path = self.folder / "colour" / f"{place}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(png_of(picture, known[::-1]))
        for name, values in zip(self.names, flux, strict=True):
            path = self.folder / name / f"{place}.fits"
            path.parent.mkdir(parents=True, exist_ok=True)
            self._save_fits(path, values, cards)

    def _save_fits(self, path: Path, flux: np.ndarray, cards: Mapping[str, Any]) -> None:
        from astropy.io import fits

        unit = fits.PrimaryHDU((flux / np.float32(self.scale**2)).astype(np.float32))
        for key, value in cards.items():
            unit.header[key] = value
        if getattr(self.field, "unit", "") == "nJy":
            unit.header["BUNIT"] = "nJy arcsec-2"
        unit.writeto(path)

    def _allsky(self, small: Mapping[int, np.ndarray]) -> None:
        """Write the tiles of the first order on one page, row by row from the top left."""
        page = np.full((len(self.names), _ROWS * _SMALL, _COLUMNS * _SMALL), np.nan, dtype=np.float32)
        for tile, flux in small.items():
            row, column = divmod(tile, _COLUMNS)
            y = page.shape[1] - (row + 1) * _SMALL
            page[:, y : y + _SMALL, column * _SMALL : (column + 1) * _SMALL] = flux
        self._save(page, f"Norder{FIRST}/Allsky", {"ORDER": FIRST}, 2.0 ** (self.order - FIRST + 3))

    def _cover(self, tile: int, flux: np.ndarray) -> None:
        """Note what a tile covers: all of it, or its cells of 4 x 4 pixels that have a pixel."""
        known: Any = np.isfinite(flux).any(axis=0)
        if known.all():
            self.covered.append((np.array([tile], dtype=np.uint64), self.order))
            return
        side = SIDE // _CELL
        some: Any = known.reshape(side, _CELL, side, _CELL).any(axis=(1, 3))
        cells = tile * side**2 + numbers(side)[some]
        self.covered.append((cells.astype(np.uint64), self.order + side.bit_length() - 1))

    def _moc(self) -> Any:
        """Return the coverage map."""
        from mocpy import MOC

        cells = np.concatenate([c for c, _ in self.covered])
        depth = np.concatenate([np.full(len(c), d, dtype=np.uint8) for c, d in self.covered])
        finest = self.order + DEEPER - (_CELL.bit_length() - 1)
        return MOC.from_healpix_cells(cells, depth, max_depth=finest)

    def _properties(self, name: str, title: str, moc: Any) -> dict[str, Any]:
        """Return the properties of one of the HiPS (HiPS 1.0, section 4.4.1)."""
        from mockforge.field.fits.wcs import sky_of_pixels

        _, height, width = self.field.shape
        ra, dec = sky_of_pixels(self.field.wcs, (width - 1) / 2, (height - 1) / 2)
        known = re.sub(r"[^A-Za-z0-9_.-]", "_", title)
        seed = self.field.header.get("MFSEED")
        about = {
            "creator_did": f"ivo://mockforge/P/{known}/{name}",
            "obs_title": f"{title}, {name}",
            "obs_description": "A simulated field" if seed is not None else title,
            "hips_builder": f"mockforge {__version__}",
            "hips_version": "1.4",
            "hips_release_date": datetime.now(UTC).strftime("%Y-%m-%dT%H:%MZ"),
            "hips_status": "private master unclonable",
            "hips_frame": "equatorial",
            "hips_order": self.order,
            "hips_order_min": FIRST,
            "hips_tile_width": SIDE,
            "hips_tile_format": "png" if name == "colour" else "fits",
            "hips_pixel_scale": f"{pixel_arcsec(self.order) / 3600:.9g}",
            "s_pixel_scale": f"{self.scale / 3600:.9g}",
            "hips_sampling": "bilinear",
            "hips_hierarchy": "mean",
            "hips_initial_ra": f"{float(ra):.7f}",
            "hips_initial_dec": f"{float(dec):.7f}",
            "hips_initial_fov": f"{max(height, width) * self.scale / 3600:.6g}",
            "moc_sky_fraction": f"{moc.sky_fraction:.6g}",
            "dataproduct_type": "image",
        }
        if name == "colour":
            return about | {"dataproduct_subtype": "color"}
        k = self.names.index(name)
        rms, level = self.colours.rms[k], self.colours.level[k]
        cut = [(level + n * rms * STRETCHES[self.stretch]) / self.scale**2 for n in (-1.0, 60.0)]
        return about | {
            "hips_pixel_bitpix": -32,
            "hips_pixel_cut": f"{cut[0]:.6g} {cut[1]:.6g}",
            "obs_bandpass": self.colours.bands[k],
        }


def names_of(bands: Sequence[str]) -> list[str]:
    """Return a folder's name for each band, no two alike and none of them `colour`."""
    names: list[str] = []
    for i, band in enumerate(bands):
        name = re.sub(r"[^A-Za-z0-9_+.-]", "_", band).strip(".") or f"band{i + 1}"
        taken = {"colour", *(n.lower() for n in names)}
        names.append(f"{name}-{i + 1}" if name.lower() in taken else name)
    return names


def write_hips(
    field: Viewed,
    out: str | Path,
    title: str,
    colours: Colours,
    stretch: str,
    progress: Callable[[int], Callable[[int], None]] = lambda tiles: lambda done: None,
) -> list[Path]:
    """Write a field as HiPS: OUT/colour of PNG tiles, and OUT/BAND of FITS tiles for each band.

    Parameters
    ----------
    field : Viewed
        What gives windows of the field; it is read a tile at a time.
    out : str or Path
        The folder. It appears whole or not at all; an older one of ours is replaced.
    title : str
        What the field is called.
    colours, stretch
        Of the PNG tiles, one for all of them.
    progress
        Is called with the number of tiles of the finest order, and returns what is called with those done.

    Returns
    -------
    list of Path
        The folder of each HiPS, the one in colour first. FITS pixels are means over the pixel, in nJy per
        square arcsec: a sum of them times the area of a pixel is a flux, at each order.

    Raises
    ------
    InputError
        For a field without a WCS, a full disk, a library that is not installed.
    """
    need_extra("hips", "--hips", "astropy_healpix", "mocpy")
    out = check_folder(out)
    part = out.with_name(f"{out.name}.part")
    hips = Hips(field, colours, stretch, part)
    there = next(folder for folder in (out, *out.absolute().parents) if folder.exists())
    free = shutil.disk_usage(there).free
    if hips.nbytes > free:
        raise InputError(
            f"{out}: up to {hips.nbytes:,} bytes are wanted and {free:,} are free on the disk; make room, or "
            "choose another disk"
        )
    hips.advance = progress(len(hips.tiles))
    if part.exists():
        shutil.rmtree(part)
    try:
        part.mkdir(parents=True)
        hips.write(title)
        mark = {"made_by": f"mockforge {__version__}", "title": title, "open": ["colour", *hips.names]}
        replace_file(part / MARK, (json.dumps(mark, indent=1) + "\n").encode())
        swap(part, out)
    finally:
        with suppress(OSError):
            shutil.rmtree(part, ignore_errors=True)
    return [out / name for name in ("colour", *hips.names)]
