"""A user's field made ready for tiles: further masks, noise maps, columns and bright stars left out."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.field.fits.beside import seen
from mockforge.field.fits.maps import read_map, read_mask_file
from mockforge.field.fits.read import check_njy
from mockforge.label.bright import bright, sources, without_columns
from mockforge.label.extract import less_background

_MESH = 128
"""Side in pixels of the mesh of the background under the peaks of bright stars."""


@dataclass(frozen=True)
class LeftOut:
    """What is not used of a field, and the maps of its noise."""

    field: str
    """The field's first file, for messages."""
    masks: tuple[str, ...] = ()
    """Files of further masks on the field's grid."""
    mask_bits: tuple[int | str, ...] | None = None
    """Bits of those masks that make a pixel unusable; None: those known as defects."""
    rms: tuple[str, ...] = ()
    """Files of the noise's rms in the bands' own units, one for all or one per band."""
    weights: tuple[str, ...] = ()
    """The same as inverse variances."""
    columns: tuple[tuple[int, int], ...] = ()
    """Ranges of columns (first, last plus one)."""
    peaks_above: float | None = None
    """Peak in nJy per pixel above which an object is masked."""
    grow: int = 0
    """Pixels by which those masks are grown."""


def prepared(field: Field, rule: LeftOut) -> Field:
    """Return the field with its mask enlarged and, where `rms` or `weights` are given, its variance in nJy^2.

    Maps are in the unit of their band's file. Raises InputError where a file has another shape or
    nothing is left.
    """
    mask = np.zeros(field.shape[1:], dtype=bool) if field.mask is None else field.mask.copy()
    why = [] if field.origin.get("mask", "none").startswith("none") else [field.origin["mask"]]

    def leave_out(what: str, where: np.ndarray) -> None:
        nonlocal mask
        why.append(f"{what} ({where.mean():.2%})")
        mask = mask | where

    for name in rule.masks:
        marked = read_mask_file(name, field.shape[1:], rule.mask_bits)
        leave_out(f"{name}: {marked.origin}", marked.bad)
    variance, origin = field.variance, field.origin.get("variance", "")
    rms, weights = rule.rms, rule.weights
    if rms or weights or rule.peaks_above is not None:
        check_njy(field.zeropoint_ab, field.origin, rule.field)
    if rms or weights:
        variance, unseen = _variance(field, rms or weights, inverse=not rms)
        leave_out("no weight" if weights else "no rms", unseen)
        origin = f"{'square' if rms else 'inverse'} of {', '.join(rms or weights)}"
    if rule.columns:
        columns = np.zeros_like(mask)
        without_columns(columns, rule.columns)
        leave_out(f"columns {', '.join(f'{a} to {b}' for a, b in rule.columns)}", columns)
    if mask.mean() > 0.95:
        raise InputError(f"{mask.mean():.0%} of the field is masked ({'; '.join(why)}): no tile can be cut")
    if rule.peaks_above is not None:
        image = np.ascontiguousarray(np.where(mask, np.float32(0), field.image))
        flat = less_background(image, mask, min(_MESH, *mask.shape))
        flat[:, mask] = 0.0
        labels = sources(flat, mask)[1]
        stars = bright(flat, labels, rule.peaks_above, rule.grow)
        leave_out(f"objects with peaks above {rule.peaks_above:g} nJy", stars)
    origins = {**field.origin, "mask": "; ".join(why) or "none: every pixel has a value", "variance": origin}
    return replace(field, mask=mask if mask.any() else None, variance=variance, origin=origins)


def _variance(field: Field, names: tuple[str, ...], inverse: bool) -> tuple[np.ndarray, np.ndarray]:
    """Variance (band, y, x) in nJy^2 from maps in the bands' units, and where they say nothing."""
    if len(names) not in (1, len(field.bands)):
        word = "weight" if inverse else "rms"
        raise InputError(
            f"{word}: {len(names)} files for {len(field.bands)} bands; give one for all or one per band"
        )
    maps = [read_map(name, field.shape[1:]) for name in names]
    out = np.empty(field.shape, dtype=np.float32)
    unseen = np.zeros(field.shape[1:], dtype=bool)
    for i, factor in enumerate(field.njy_per_unit):
        values = maps[i if len(maps) > 1 else 0]
        bad = ~seen(values, -1.0 if inverse else 1.0)
        with np.errstate(all="ignore"):
            out[i] = np.where(bad, np.inf, (1.0 / values if inverse else values**2) * factor**2)
        unseen |= bad
    return out, unseen
