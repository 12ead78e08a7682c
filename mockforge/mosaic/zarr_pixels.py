"""Windows of a field that mockforge wrote as Zarr."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.field.fits.check import quiet
from mockforge.mosaic import zarr_store


@dataclass(frozen=True)
class ZarrPixels:
    """The arrays of a group."""

    path: Path
    planes: tuple[str, ...]

    def read(self, plane: str, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return a window of a plane, (band, y, x) float32."""
        return np.array(_group(self.path)[plane][:, y0:y1, x0:x1], dtype=np.float32)

    def masked(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return which pixels of a window its mask says not to use, (y, x) bool."""
        if "mask" not in self.planes:
            return np.zeros((y1 - y0, x1 - x0), dtype=bool)
        return (np.asarray(_group(self.path)["mask"][:, y0:y1, x0:x1]) != 0).any(axis=0)


@cache
def _group(path: Path) -> Any:
    return zarr_store.opened(path)[0]


def open_zarr(path: Path) -> dict[str, Any]:
    """Return what a Mosaic is made of, by its names."""
    group, facts = zarr_store.opened(path)
    zarr_store.check_whole(path, group, facts)
    _group.cache_clear()
    return {
        "pixels": ZarrPixels(path, tuple(sorted(group.array_keys()))),
        "shape": tuple(int(n) for n in group["image"].shape),
        "bands": tuple(facts["bands"]),
        "pixel_scale_arcsec": facts.get("pixel_scale_arcsec"),
        "psf_fwhm_arcsec": None if facts.get("psf_fwhm_arcsec") is None else tuple(facts["psf_fwhm_arcsec"]),
        "unit": facts.get("unit", "nJy"),
        "zeropoint_ab": facts.get("zeropoint_ab"),
        "wcs": _wcs(facts.get("wcs") or {}, tuple(group["image"].shape[1:])),
        "header": dict(facts.get("header") or {}),
        "origin": {"zeropoint": "from the attributes of the Zarr group"},
    }


def _wcs(cards: dict[str, Any], shape: tuple[int, ...]) -> Any:
    """Return the WCS of these cards; None without them."""
    if not cards:
        return None
    from astropy.io import fits
    from astropy.wcs import WCS

    with quiet():
        wcs = WCS(fits.Header(cards.items()))
    wcs.array_shape = shape
    return wcs
