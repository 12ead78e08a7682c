"""What stands beside a band in its file: its mask, and its noise as errors, variances or weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.fits.bands import Plane
from mockforge.fits.check import Hdu, cards_of
from mockforge.fits.extensions import INVERSES, MASKS, SIGMAS, VARIANCES, WEIGHTS, stem_of
from mockforge.fits.masks import Mask, read_mask


@dataclass(frozen=True)
class Noise:
    """Variance of the noise of one band in the file's unit squared, where it is known, and its origin."""

    variance: np.ndarray | None
    origin: str
    unseen: np.ndarray | None = None
    """True where a weight of 0 says that nothing was observed."""


def find(plane: Plane, units: list[Hdu], name: str, kinds: Iterable[str], shared: bool) -> Hdu | None:
    """The extension of one of these kinds that belongs to a band: g of G_RMS, RMS_g, or RMS alone.

    `shared`: whether one extension without the band's name is that of all bands of the file.
    """
    size = plane.hdu.shape[-2:]
    there = [u for u in units if u.shape == size and u.index != plane.hdu.index]
    stems = dict.fromkeys((name, plane.hdu.name, stem_of(plane.hdu.name)))
    for exact in (True, False):
        for kind in kinds:
            own = [
                t for s in stems if s for t in (f"{kind}_{s}", f"{s}_{kind}", f"{s}.{kind}", f"{s}-{kind}")
            ]
            for word in own:
                for unit in there:
                    if unit.name == word or (not exact and unit.name.upper() == word.upper()):
                        return unit
    if not shared:
        return None
    for kind in kinds:
        alike = [u for u in there if u.name.upper() == kind]
        versions = [u for u in alike if u.version == plane.hdu.version]
        if len(alike) == 1 and (versions or len({u.version for u in units if u.shape == size}) == 1):
            return alike[0]
        if len(alike) > 1 and len(versions) == 1:
            return versions[0]
    return None


def mask_of(
    plane: Plane, units: list[Hdu], hdus: Any, name: str, asked: Sequence[str | int] | None
) -> Mask | None:
    """The mask in the band's file; None where there is none. Errors as `read_mask`."""
    found = find(plane, units, name, MASKS, shared=True)
    if found is None:
        other = next((u for u in units if u.shape and u.name.upper() in MASKS), None)
        if other is None:
            return None
        why = "of another size" if other.shape != plane.hdu.shape[-2:] else "one of several"
        return Mask(np.zeros(plane.hdu.shape[-2:], dtype=bool), f"extension {other} is {why} and is not used")
    where = f"{plane.path}[{found.index}] {found.name}"
    return read_mask(np.array(hdus[found.index].data), cards_of(hdus, found.index), found.name, where, asked)


def noise_of(plane: Plane, units: list[Hdu], hdus: Any, name: str, alone: bool) -> Noise:
    """The noise that the band's file holds. `alone`: whether it is the only band of its file."""
    for kinds, what in ((VARIANCES, "variance"), (SIGMAS, "sigma"), (INVERSES, "inverse")):
        found = find(plane, units, name, kinds, shared=alone)
        if found is None:
            continue
        values = np.array(hdus[found.index].data)
        if values.dtype.kind not in "fiu":
            continue
        kind = str(cards_of(hdus, found.index).headers[0].get("UTYPE", "")).upper()  # astropy's CCDData
        what = {"VARIANCEUNCERTAINTY": "variance", "INVERSEVARIANCE": "inverse"}.get(kind, what)
        with np.errstate(all="ignore"):
            if what == "variance":
                return Noise(np.asarray(values, dtype=np.float32), f"extension {found.name}")
            if what == "sigma":
                return Noise(np.square(values, dtype=np.float32), f"square of the extension {found.name}")
            unseen = ~(values > 0)
            variance = np.where(unseen, np.inf, 1.0 / values).astype(np.float32)
        return Noise(variance, f"inverse of the extension {found.name}", unseen)
    weight = find(plane, units, name, WEIGHTS, shared=alone)
    if weight is None:
        return Noise(None, "not known: no extension holds it")
    values = np.array(hdus[weight.index].data)
    unseen = ~(values > 0)
    said = f"not known: {weight.name} may be exposure or inverse variance"
    if unseen.all():
        return Noise(None, said)
    return Noise(None, f"{said}; where it is 0 nothing was observed", unseen)
