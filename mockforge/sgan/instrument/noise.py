"""The noise of a learned sky: correlated as the field's is, by place, with its tails and its photons."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.measure import noise_kernel

_LARGEST_KERNEL = 129
_MOST = 1e12
"""nJy; no noise is as large."""


@dataclass(frozen=True, eq=False)
class NoiseField:
    """Noise of C bands on a map of places: white noise through the kernel of each place.

    Noise at a pixel is N(0,1) numbers, convolved with a kernel that is bilinear between the four places
    about it; beyond the map's edges the map is mirrored, again and again.
    """

    kernels: np.ndarray
    """(ny, nx, C, k, k) float32 nJy, k odd: at the centres of a mesh over the field."""
    mesh: int
    """Pixels between neighbouring places."""
    tail: np.ndarray
    """(C,) scatter of ln(local rms) over patches of some 8 pixels, which makes heavier tails than a
    Gaussian's; 0 for none."""
    electrons_per_njy: np.ndarray
    """(C,) gain, of the sources' photon noise; 0 where it is not known."""
    saturation_njy: np.ndarray
    """(C,) the most a pixel holds above the sky; infinite for no limit."""

    def __post_init__(self) -> None:
        kernels = np.ascontiguousarray(self.kernels, dtype=np.float32)
        shape = kernels.shape
        if kernels.ndim != 5 or 0 in shape or shape[3] != shape[4] or not shape[3] % 2:
            raise InputError(
                f"noise.kernels: odd squares (place y, place x, band, k, k) are expected, found {shape}"
            )
        if shape[3] > _LARGEST_KERNEL or not 16 <= int(self.mesh) <= 4096:
            raise InputError(
                f"noise: kernels up to {_LARGEST_KERNEL} pixels and a mesh of 16 to 4096 are expected, found "
                f"{shape[3]} and {self.mesh}"
            )
        if not np.isfinite(kernels).all() or np.abs(kernels).max() > _MOST:
            raise InputError(f"noise.kernels: should be finite, and below {_MOST:g} nJy")
        object.__setattr__(self, "kernels", kernels)
        object.__setattr__(self, "mesh", int(self.mesh))
        for name, low, high in (
            ("tail", 0.0, 2.0),
            ("electrons_per_njy", 0.0, _MOST),
            ("saturation_njy", 0.0, math.inf),
        ):
            values = np.asarray(getattr(self, name), dtype=np.float64)
            if values.shape != shape[2:3] or not ((values >= low) & (values <= high)).all():
                raise InputError(
                    f"noise.{name}: a number from {low:g} to {high:g} for each of {shape[2]} bands is "
                    f"expected, found {values.tolist()}"
                )
            object.__setattr__(self, name, values)

    @classmethod
    def uniform(
        cls, rms_njy: Sequence[float], autocorrelation: np.ndarray | None = None, mesh: int = 128
    ) -> NoiseField:
        """Return noise that is the same everywhere.

        Parameters
        ----------
        rms_njy : sequence of float
            Of a pixel, per band.
        autocorrelation : ndarray, optional
            (C, k, k) or (k, k), 1 at the centre; white without.
        mesh : int
            Pixels; blocks of the noise have this side.
        """
        count = len(rms_njy)
        white = cls(
            np.asarray(rms_njy, dtype=np.float32).reshape(1, 1, count, 1, 1),
            mesh,
            np.zeros(count),
            np.zeros(count),
            np.full(count, np.inf),
        )
        return white if autocorrelation is None else white.correlated(autocorrelation)

    @property
    def bands(self) -> int:
        """C."""
        return self.kernels.shape[2]

    @property
    def reach(self) -> int:
        """Pixels a kernel reaches."""
        return self.kernels.shape[-1] // 2

    @property
    def rms_mesh(self) -> np.ndarray:
        """(ny, nx, C) nJy: rms at each place."""
        return np.sqrt((self.kernels.astype(np.float64) ** 2).sum(axis=(-2, -1)))

    @property
    def rms_njy(self) -> np.ndarray:
        """(C,) nJy: the median over the places of the rms."""
        return np.median(self.rms_mesh, axis=(0, 1))

    def scaled(self, rms_njy: float | Sequence[float]) -> NoiseField:
        """Return the noise of another depth: its median rms is `rms_njy`, one number or one per band.

        A longer exposure collects more electrons: gains go with 1 / rms^2, as where the sky is the noise.
        """
        wanted = np.broadcast_to(np.asarray(rms_njy, dtype=np.float64), (self.bands,))
        if not (wanted >= 0).all() or not np.isfinite(wanted).all():
            raise InputError(f"noise: an rms of 0 nJy or more per band is expected, found {wanted.tolist()}")
        factor = wanted / np.maximum(self.rms_njy, 1e-30)
        gains = np.where(factor > 0, self.electrons_per_njy / np.maximum(factor, 1e-30) ** 2, 0.0)
        return replace(
            self,
            kernels=self.kernels * factor[:, None, None].astype(np.float32),
            electrons_per_njy=np.minimum(gains, _MOST),
        )

    def correlated(self, autocorrelation: np.ndarray | None) -> NoiseField:
        """Return noise of equal local rms, its autocorrelation (C, k, k) or (k, k) another; None: white."""
        if autocorrelation is None:
            units = np.ones((self.bands, 1, 1))
        else:
            given = np.asarray(autocorrelation, dtype=np.float64)
            given = np.broadcast_to(given, (self.bands, *given.shape[-2:]))
            units = np.stack([noise_kernel(band) for band in given])
        return replace(self, kernels=(self.rms_mesh[..., None, None] * units).astype(np.float32))

    def on_pixels(self, pixels_per_native: float) -> NoiseField:
        """Return the noise of the same exposure on pixels of which so many lie along one of these.

        Light, and with it the sky's noise, goes with a pixel's area: rms with its side. The correlation
        stays that of neighbouring pixels, whatever their size; gains are per nJy and stay too.
        """
        factor = np.float32(1.0 / pixels_per_native)
        return replace(self, kernels=self.kernels * factor)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, as float32."""
        return {
            "noise.kernels": self.kernels,
            "noise.mesh": np.array([self.mesh], dtype=np.float32),
            "noise.tail": self.tail.astype(np.float32),
            "noise.electrons_per_njy": self.electrons_per_njy.astype(np.float32),
            "noise.saturation_njy": np.where(
                np.isfinite(self.saturation_njy), self.saturation_njy, -1.0
            ).astype(np.float32),
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], bands: int) -> NoiseField:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        names = ("kernels", "mesh", "tail", "electrons_per_njy", "saturation_njy")
        missing = [f"noise.{name}" for name in names if f"noise.{name}" not in arrays]
        if missing:
            raise InputError(f"the model's file has no {', '.join(missing)}: it is damaged, train it again")
        found = {name: np.asarray(arrays[f"noise.{name}"]) for name in names}
        if found["kernels"].ndim != 5 or found["kernels"].shape[2] != bands:
            raise InputError(
                f"noise.kernels: (place y, place x, {bands} bands, k, k) is expected, found "
                f"{found['kernels'].shape}"
            )
        if found["mesh"].size != 1 or not np.isfinite(found["mesh"]).all():
            raise InputError(f"noise.mesh: one number of pixels is expected, found {found['mesh'].tolist()}")
        limits = found["saturation_njy"].astype(np.float64)
        return cls(
            found["kernels"],
            int(found["mesh"].ravel()[0]),
            found["tail"],
            found["electrons_per_njy"],
            np.where(limits < 0, np.inf, limits),
        )
