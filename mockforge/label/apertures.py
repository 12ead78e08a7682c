"""Apertures: Kron ellipses, circles and the objects' own pixels, and the light in them, by sep."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

KRON_FACTOR = 2.5
"""Kron apertures reach this many Kron radii (Kron 1980, ApJS 43, 305)."""
SMALLEST_KRON = 1.75
"""Pixels; a smaller Kron aperture is replaced by a circle of this radius."""


@dataclass(frozen=True)
class Extraction:
    """What sep found on a detection image (y, x), its background subtracted."""

    image: np.ndarray
    noise: np.ndarray
    """(y, x) rms of the image."""
    objects: np.ndarray
    """sep's table, a row per object."""
    instances: np.ndarray
    """(y, x) int32, 0 = sky, row i of `objects` is object i + 1."""
    mask: np.ndarray | None
    """(y, x) true where a pixel was not used."""


class Apertures:
    """Apertures of the objects, set on the detection image and used in every band."""

    def __init__(self, found: Extraction) -> None:
        import sep

        objects, instances = found.objects, found.instances
        self.pixels = np.flatnonzero(instances)
        self.n, self.owner = len(objects), instances.ravel()[self.pixels]
        self.image, self.noise = found.image, found.noise
        self.x, self.y = objects["x"], objects["y"]
        self.a, self.b = np.maximum(objects["a"], 0.3), np.maximum(objects["b"], 0.3)  # singular ones too
        self.theta = np.clip(np.nan_to_num(objects["theta"]), -math.pi / 2, math.pi / 2)
        self.how = {
            "mask": found.mask,
            "segmap": instances,
            "seg_id": np.arange(1, self.n + 1, dtype=np.int32),
        }
        self.kron = np.zeros(self.n)
        if self.n:
            self.kron, _ = sep.kron_radius(
                self.image, self.x, self.y, self.a, self.b, self.theta, 6.0, **self.how
            )
            self.kron = np.nan_to_num(self.kron, nan=0.0, posinf=0.0, neginf=0.0)
        self.circle = ~(KRON_FACTOR * self.kron * np.sqrt(self.a * self.b) >= SMALLEST_KRON)

    def kron_flux(self, image: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Flux, error and sep's flags in the Kron ellipse, or the smallest circle."""
        import sep

        if not self.n:
            return np.zeros(0), np.zeros(0), np.zeros(0, dtype=np.int32)
        a = np.where(self.circle, SMALLEST_KRON, self.a)
        b = np.where(self.circle, SMALLEST_KRON, self.b)
        reach = np.where(self.circle, 1.0, KRON_FACTOR * self.kron)
        flux, error, flag = sep.sum_ellipse(
            image, self.x, self.y, a, b, self.theta, reach, err=noise, subpix=5, **self.how
        )
        return flux, error, flag.astype(np.int32)

    def aperture_flux(
        self, image: np.ndarray, noise: np.ndarray, radius: float
    ) -> tuple[np.ndarray, np.ndarray]:
        """Flux and error in a circle of `radius` pixels, neighbours not masked."""
        import sep

        if not self.n:
            return np.zeros(0), np.zeros(0)
        flux, error, _ = sep.sum_circle(
            image, self.x, self.y, radius, err=noise, mask=self.how["mask"], subpix=5
        )
        return flux, error

    def iso_flux(self, image: np.ndarray, noise: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Flux and error in the object's own pixels."""
        return self.total(image), np.sqrt(self.total(noise, power=2))

    def total(self, image: np.ndarray, power: int = 1) -> np.ndarray:
        """Sum over the pixels of each object."""
        values = image.ravel()[self.pixels].astype(np.float64) ** power
        return np.bincount(self.owner, weights=values, minlength=self.n + 1)[1:]

    def half_light_radius(self) -> np.ndarray:
        """Radius of half the Kron flux on the detection image, pixels; NaN where it has none."""
        import sep

        if not self.n:
            return np.zeros(0)
        flux, _, _ = self.kron_flux(self.image, self.noise)
        safe = np.where(flux > 0, flux, 1.0)
        reach = np.maximum(6.0 * self.a, 2.0 * SMALLEST_KRON)
        radius, _ = sep.flux_radius(
            self.image, self.x, self.y, reach, 0.5, normflux=safe, subpix=5, **self.how
        )
        return np.where(flux > 0, radius, math.nan)
