"""What stands beside a band in its file: its mask, and its noise as errors, variances or weights."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.fits.bands import Plane
from mockforge.field.fits.check import Hdu, cards_of
from mockforge.field.fits.extensions import (
    INVERSES,
    MASKS,
    SIGMAS,
    VARIANCES,
    WEIGHTS,
    is_a_mask,
    is_like_a_mask,
    stem_of,
)
from mockforge.field.fits.flux_unit import flux_unit
from mockforge.field.fits.masks import Mask, read_mask

_SAID = {
    "VARIANCEUNCERTAINTY": "variance", "INVERSEVARIANCE": "inverse", "STDDEVUNCERTAINTY": "sigma",
    "MSE": "variance", "RMSE": "sigma", "INVMSE": "inverse",
}  # fmt: skip
"""What UTYPE and HDUCLAS3 call the kinds of noise."""


@dataclass(frozen=True)
class NoiseMap:
    """Variance of the noise of one band in the file's unit squared, where it is known, and its origin."""

    variance: np.ndarray | None
    origin: str
    unseen: np.ndarray | None = None
    """True where it says that nothing was observed: a weight of 0, an error of NaN."""


def find(plane: Plane, units: list[Hdu], name: str, kinds: Iterable[str], shared: bool) -> Hdu | None:
    """Return the extension of one of these kinds that belongs to a band: g of G_RMS, RMS_g, or RMS alone.

    `shared`: whether one extension without the band's name is that of all bands of the file.
    """
    size = plane.hdu.shape[-2:]
    candidates = [u for u in units if u.shape == size and u.index != plane.hdu.index]
    stems = dict.fromkeys((name, plane.hdu.name, stem_of(plane.hdu.name)))
    for exact in (True, False):
        for kind in kinds:
            own = [
                t for s in stems if s for t in (f"{kind}_{s}", f"{s}_{kind}", f"{s}.{kind}", f"{s}-{kind}")
            ]
            for word in own:
                for unit in candidates:
                    if unit.name == word or (not exact and unit.name.upper() == word.upper()):
                        return unit
    if not shared:
        return None
    for kind in kinds:
        alike = [u for u in candidates if u.name.upper() == kind]
        versions = [u for u in alike if u.version == plane.hdu.version]
        if len(alike) == 1 and (versions or len({u.version for u in units if u.shape == size}) == 1):
            return alike[0]
        if len(alike) > 1 and len(versions) == 1:
            return versions[0]
    return None


def truth_unit(plane: Plane, units: list[Hdu], name: str) -> Hdu | None:
    """Return the extension that is the noiseless image of a band; of a cube, a cube called TRUTH."""
    if plane.plane is not None:
        cubes = [u for u in units if u.name.upper() == "TRUTH" and u.shape == plane.hdu.shape]
        return cubes[0] if len(cubes) == 1 else None
    return find(plane, units, name, ("TRUTH",), shared=False)


def mask_unit(plane: Plane, units: list[Hdu], name: str) -> Hdu | None:
    """Return the extension that is the mask of a band; None where there is none, or it is not known which."""
    mask = find(plane, units, name, MASKS, shared=True)
    if mask is not None:
        return mask
    size = plane.hdu.shape[-2:]
    reworded = [u for u in units if u.shape == size and is_a_mask(u.name) and u.name.upper() not in MASKS]
    return reworded[0] if len(reworded) == 1 else None


def mask_of(
    plane: Plane, units: list[Hdu], hdus: Any, name: str, alone: bool, asked: Sequence[str | int] | None
) -> Mask | None:
    """Return the mask in the band's file; None where there is none. Errors as `read_mask`."""
    size = plane.hdu.shape[-2:]
    mask = mask_unit(plane, units, name)
    if mask is None:
        other = next((u for u in units if u.shape and u.index != plane.hdu.index and is_a_mask(u.name)), None)
        like = [u for u in units if u.shape == size and is_like_a_mask(u.name)]
        if other is not None:
            why = "of another size" if other.shape != size else "one of several"
            return Mask(np.zeros(size, dtype=bool), f"extension {other} is {why} and is not used")
        if len(like) == 1 and like[0].index != plane.hdu.index and alone:
            origin = f"extension {like[0]} is not used: what it marks is not known"
            return Mask(np.zeros(size, dtype=bool), origin)
        return None
    where = f"{plane.path}[{mask.index}] {mask.name}"
    return read_mask(np.array(hdus[mask.index].data), cards_of(hdus, mask.index), mask.name, where, asked)


def noise_unit(plane: Plane, units: list[Hdu], name: str, alone: bool) -> Hdu | None:
    """Return the extension that says how noisy a band is, or how long it was observed; None where none does.

    `alone`: whether it is the only band of its file.
    """
    kinds = (VARIANCES, SIGMAS, INVERSES, WEIGHTS)
    return next((u for kind in kinds if (u := find(plane, units, name, kind, shared=alone))), None)


def noise_of(plane: Plane, units: list[Hdu], hdus: Any, name: str, alone: bool) -> NoiseMap:
    """Return the noise that the band's file holds. `alone`: whether it is the only band of its file.

    Where it is no number above 0, or a million times that of other pixels, nothing was observed.
    InputError where errors are in another flux unit than the image.
    """
    for kinds, quantity in ((VARIANCES, "variance"), (SIGMAS, "sigma"), (INVERSES, "inverse")):
        noise = find(plane, units, name, kinds, shared=alone)
        if noise is None:
            continue
        values = np.array(hdus[noise.index].data)
        if values.dtype.kind not in "fiu":
            continue
        own = hdus[noise.index].header
        for key in ("UTYPE", "HDUCLAS3"):  # astropy's CCDData, and ESO's convention
            quantity = _SAID.get(str(own.get(key, "")).strip().upper(), quantity)
        if quantity == "sigma":
            _check_unit(f"{plane.path}[{noise.index}] {noise.name}", own, hdus[plane.hdu.index].header)
        unseen = ~seen(values, {"variance": 2.0, "sigma": 1.0, "inverse": -1.0}[quantity])
        if unseen.mean() > 0.95:
            return NoiseMap(
                None, f"not known: {noise.name} is above 0 in {1 - unseen.mean():.0%} of the pixels"
            )
        with np.errstate(all="ignore"):
            exact = np.asarray(values, dtype=np.float64)
            exact = {"variance": exact, "sigma": exact**2, "inverse": 1.0 / exact}[quantity]
            variance = np.where(unseen, np.inf, exact).astype(np.float32)
        origin = {"variance": "", "sigma": "square of the ", "inverse": "inverse of the "}[quantity]
        return NoiseMap(variance, f"{origin}extension {noise.name}", unseen)
    weight = find(plane, units, name, WEIGHTS, shared=alone)
    if weight is None:
        return NoiseMap(None, "not known: no extension holds it")
    values = np.array(hdus[weight.index].data)
    unseen = ~(values > 0)
    if unseen.all():
        return NoiseMap(None, f"not known: {weight.name} is nowhere above 0 and is not used")
    origin = f"not known: {weight.name} may be exposure or inverse variance"
    return NoiseMap(None, f"{origin}; where it is 0 nothing was observed", unseen)


def seen(values: np.ndarray, power: float) -> np.ndarray:
    """Where a map of noise to this power of sigma says that something was observed.

    Finite, above 0, and sigma less than a million times the median: software writes 0, -1, NaN, 1e10
    or 1e30 elsewhere.
    """
    good = np.isfinite(values) & (values > 0)
    if power > 0 and good.any():
        good &= values < np.median(values[good]) * 1e6**power
    return good


def _check_unit(where: str, own: Any, image: Any) -> None:
    mine, its = flux_unit(own.get("BUNIT")), flux_unit(image.get("BUNIT"))
    if mine.kind == its.kind == "flux" and abs(mine.zeropoint - its.zeropoint) > 0.01:
        raise InputError(
            f"{where}: the errors are in {mine.text} and the image in {its.text}; bring both to one unit, or"
            " correct BUNIT"
        )
