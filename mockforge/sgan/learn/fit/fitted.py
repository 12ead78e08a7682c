"""What the scene fit found: the marks of every source, their errors, and which are to be trusted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.sources.marks import Marks

REASONS = (
    "",
    "cut by a mask or the edge",
    "no light",
    "swallowed by a neighbour",
    "poor fit",
    "background",
    "at a bound",
    "moved away",
)
"""Why a source is not good, the first that applies; "" = good."""
_COLUMNS = ("x", "y", "log_radius", "e1", "e2", "log_n", "flux")
_ERRORS = ("log_radius_err", "e_err", "log_n_err", "place_err", "snr", "chi2")


@dataclass(frozen=True, eq=False)
class FittedScene:
    """N sources of a field of C bands and H x W pixels; places and sizes in its pixels, fluxes nJy."""

    marks: Marks
    flux_err: np.ndarray
    """(N, C) nJy, all other marks of the source free."""
    log_radius_err: np.ndarray
    """(N,) of ln radius; as all errors of shape those of data and prior together: a faint source has the
    prior's."""
    e_err: np.ndarray
    """(N,) of e1 and of e2."""
    log_n_err: np.ndarray
    """(N,) of ln n."""
    place_err: np.ndarray
    """(N,) px, of x and of y."""
    snr: np.ndarray
    """(N,) of the flux of all bands together, the shape known."""
    why: np.ndarray
    """(N,) text of `REASONS`: why a source is kept out of the population, "" where it is not."""
    chi2: np.ndarray
    """(N,) squared residual over variance in the pixels where the source is visible; the variance has
    that of the model, a few percent of the light."""
    found_later: np.ndarray
    """(N,) bool: found on the residual of the others."""
    size_prior: tuple[float, float, float]
    """ln radius at 1 nJy, slope with ln flux, scatter, of the sources' size prior."""
    model: np.ndarray
    """(C, H, W) float32 nJy: the sources through the PSF, no noise."""
    numbers: Mapping[str, Any] = field(default_factory=dict)
    """What the run's page says: plain values by name."""

    def __len__(self) -> int:
        return len(self.marks)

    @property
    def good(self) -> np.ndarray:
        """(N,) bool."""
        return self.why == ""

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return the scene as arrays of numbers, as a stage keeps it."""
        code = {reason: i for i, reason in enumerate(REASONS)}
        out = {f"marks.{name}": getattr(self.marks, name) for name in _COLUMNS}
        out |= {name: getattr(self, name) for name in ("flux_err", *_ERRORS, "model")}
        out["marks.star"] = self.marks.star.astype(np.uint8)
        out["found_later"] = self.found_later.astype(np.uint8)
        out["why"] = np.array([code[w] for w in self.why], dtype=np.uint8)
        out["size_prior"] = np.array(self.size_prior)
        return out

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], numbers: Mapping[str, Any] | None = None
    ) -> FittedScene:
        """Return the inverse of `to_arrays`; InputError where something is missing or of a wrong shape."""
        wanted = [f"marks.{n}" for n in (*_COLUMNS, "star")]
        wanted += ["flux_err", *_ERRORS, "model", "found_later", "why", "size_prior"]
        missing = [name for name in wanted if name not in arrays]
        if missing:
            raise InputError(f"the scene fit has no `{missing[0]}`: it is damaged, do the stage again")
        own = {n: np.asarray(arrays[f"marks.{n}"]) for n in _COLUMNS}
        n = len(own["x"])
        wrong = [name for name in wanted[:-1] if name != "model" and len(arrays[name]) != n]
        if wrong or np.asarray(arrays["why"]).max(initial=0) >= len(REASONS):
            raise InputError(
                f"the scene fit's `{(wrong or ['why'])[0]}` does not belong to its {n} sources: it is "
                "damaged, do the stage again"
            )
        marks = Marks.make(**own, star=np.asarray(arrays["marks.star"]).astype(bool)).check("the scene fit")
        size = np.asarray(arrays["size_prior"], dtype=float)
        return cls(
            marks=marks,
            **{name: np.asarray(arrays[name]) for name in ("flux_err", *_ERRORS, "model")},
            why=np.array(REASONS)[np.asarray(arrays["why"])],
            found_later=np.asarray(arrays["found_later"]).astype(bool),
            size_prior=(float(size[0]), float(size[1]), float(size[2])),
            numbers=dict(numbers or {}),
        )
