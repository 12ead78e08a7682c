"""Which detections are blends that nobody recognised: by places and magnitudes, as published."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np

from mockforge.config import Limit, Positive, config


@config
class BlendRule:
    """When a detection is an unrecognised blend.

    Count the detections and the true sources within a radius of a detection. Of the sources, those count
    that are brighter than a limit and not much fainter than the brightest of them. Where they are more than
    the detections, the detection is an unrecognised blend.

    References
    ----------
    Adari et al., SITCOMTN-128 (doi.org/10.71929/rubin/2570850), for Rubin's Data Preview 1 and HST; the
    defaults are its fiducial settings.
    """

    radius_arcsec: Positive = 1.0
    """Radius about a detection."""
    magnitude_difference: Positive = 2.5
    """Sources that are fainter than the brightest by more do not count."""
    faintest: Annotated[float, Limit(ge=10, le=35)] = 28.0
    """Faintest magnitude of sources that count."""


@dataclass(frozen=True)
class Places:
    """Detections or sources of one piece of sky."""

    x: np.ndarray
    """(N,) arcsec."""
    y: np.ndarray
    magnitude: np.ndarray
    """(N,) AB."""


def sources_near(detections: Places, truth: Places, rule: BlendRule) -> tuple[np.ndarray, np.ndarray]:
    """Count the true sources that matter near each detection, and the detections there.

    Returns
    -------
    sources, found : ndarray
        (N,) int: sources within the radius that count by the rule; detections within it, itself included.
    """
    from scipy.spatial import KDTree

    here = np.column_stack([detections.x, detections.y])
    bright = truth.magnitude < rule.faintest
    there = np.column_stack([truth.x[bright], truth.y[bright]])
    magnitude = truth.magnitude[bright]
    found = KDTree(here).query_ball_point(here, rule.radius_arcsec, return_length=True)
    sources = np.zeros(len(here), dtype=np.int64)
    for i, near in enumerate(KDTree(there).query_ball_point(here, rule.radius_arcsec)):
        if near:
            of = magnitude[near]
            sources[i] = np.count_nonzero(of - of.min() < rule.magnitude_difference)
    return sources, np.asarray(found, dtype=np.int64)


def unrecognised(detections: Places, truth: Places, rule: BlendRule) -> np.ndarray:
    """Return whether each detection is an unrecognised blend, (N,) bool."""
    sources, found = sources_near(detections, truth, rule)
    return (sources > 1) & (sources > found)
