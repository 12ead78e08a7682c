"""Spiral arms and bars: a disk's light moved along its rings, as a few waves in azimuth.

At every radius R the disk's brightness f(R) is multiplied by

    1 + A_b w_b (P(2 (phi - phi_b), kappa_b) - 1) + A_a w_a (1 - w_b) (P(m (phi - phi_a(R)), kappa_a) - 1)

with P(psi, kappa) = exp(kappa cos psi) / I_0(kappa), whose mean over the angle is 1 and which is never below
0: each ring, and so the galaxy, keeps its flux. The arms' phi_a(R) = phi_0 +- ln(R / R_0) / tan(pitch) are
logarithmic spirals. P is a sum of waves 2 I_j / I_0 cos(j psi), and the transform of a wave of order m is a
Hankel transform of order m, which is smooth, so that it is tabulated for each galaxy and read where it is
needed: arms are exact at any inclination, shear and thickness, and no grid of pixels is turned.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

WAVES = {"bar": 5, "arms": 4}
"""Waves kept of each: what is left out is below 2% of the contrast."""
_KAPPA = 3.5
"""Greatest concentration of a bar's light in angle: narrower ones want more waves."""
_FAR = 6.0
"""Half-light radii up to which light is moved."""
_OUTER = (4.5, 0.35)
"""Arms fade out there, and how fast; half-light radii."""
_RADII = 400
"""Gauss-Legendre points over radius: three an oscillation at the highest frequency."""
_HIGHEST, _STEP = 100.0, 0.08
"""Frequencies tabulated, k r_half; straight lines between."""


@dataclass(frozen=True)
class Structure:
    """Arms and bars of N galaxies, (N,) each; lengths in half-light radii of the disk, angles in degrees."""

    arms: np.ndarray
    """How many, 0 for none."""
    arm_strength: np.ndarray
    pitch: np.ndarray
    """Below 0 where arms wind the other way."""
    arm_start: np.ndarray
    arm_angle: np.ndarray
    """Of an arm at its start, from the major axis in the disk's plane."""
    sharpness: np.ndarray
    bar_strength: np.ndarray
    """0 for none."""
    bar_length: np.ndarray
    bar_axis_ratio: np.ndarray
    bar_angle: np.ndarray
    """From the major axis in the disk's plane."""

    def part(self, chosen: np.ndarray) -> Structure:
        """Return some of the galaxies."""
        return Structure(**{name: value[chosen] for name, value in vars(self).items()})


def waves(structure: Structure, radius: np.ndarray) -> dict[int, np.ndarray]:
    """Return the waves in azimuth: order -> complex amplitude (N, P) at each radius (P,) or (N, P).

    The brightness is f(R) (1 + Re sum_m c_m(R) exp(i m phi)).
    """
    s = {name: value[:, None] for name, value in vars(structure).items()}
    radius = np.broadcast_to(np.maximum(radius, 1e-6), (len(structure.arms), radius.shape[-1]))
    out: dict[int, np.ndarray] = {}
    inside = 1 / (1 + np.exp(np.clip((radius - s["bar_length"]) / (0.1 * s["bar_length"]), -40, 40)))
    inside = inside * (s["bar_strength"] > 0)
    if structure.bar_strength.any():
        kappa = np.minimum((radius / (s["bar_axis_ratio"] * s["bar_length"])) ** 2, _KAPPA)
        turned = np.exp(-2j * np.radians(s["bar_angle"]))
        for j in range(1, WAVES["bar"] + 1):
            out[2 * j] = s["bar_strength"] * inside * _wave(j, kappa) * turned**j
    if not (structure.arms * structure.arm_strength).any():
        return out
    outward = np.log(radius / s["arm_start"])
    faded = 1 / (1 + np.exp(np.clip(-outward / 0.12, -40, 40)))
    faded = faded / (1 + np.exp(np.clip((radius - _OUTER[0]) / _OUTER[1], -40, 40)))
    strength = s["arm_strength"] * faded * (1 - inside)
    angle = np.radians(s["arm_angle"]) + outward / np.tan(np.radians(s["pitch"]))
    for m in np.unique(structure.arms[structure.arms > 0]).tolist():
        turned = np.exp(-1j * m * angle)
        for j in range(1, WAVES["arms"] + 1):
            own = np.where(s["arms"] == m, strength * _wave(j, s["sharpness"]) * turned**j, 0)
            out[j * m] = out.get(j * m, 0) + own
    return out


def modulation(structure: Structure, radius: np.ndarray, azimuth: np.ndarray) -> np.ndarray:
    """Return the factor on a disk's brightness at places (N, P) in its plane, radians; its mean is 1."""
    out = np.ones(azimuth.shape)
    for m, amplitude in waves(structure, radius).items():
        out += np.real(amplitude * np.exp(1j * m * azimuth))
    return out


def structure_transform(structure: Structure, n: np.ndarray) -> StructureTransform:
    """Return the transform of what arms and bars add to disks of flux 1 and index `n`, (N,)."""
    radius, weight = _radii()
    amplitudes = waves(structure, radius)
    light = _brightness(radius, n) * (radius * weight)
    orders = tuple(sorted(amplitudes))
    tables = torch.empty((len(n), len(_frequencies()), len(orders), 2))
    for j, m in enumerate(orders):
        ring = amplitudes[m] * light * (2 * np.pi)
        bessel = torch.from_numpy(_bessel(m))
        for i, part in enumerate((np.real(ring), np.imag(ring))):  # torch's product: its threads are counted
            tables[:, :, j, i] = torch.from_numpy(part.astype(np.float32)) @ bessel
    return StructureTransform(orders, tables)


@dataclass(frozen=True)
class StructureTransform:
    """Hankel transforms of the waves of N galaxies."""

    orders: tuple[int, ...]
    tables: Tensor
    """(N, frequency, wave, 2) float32: real and imaginary part."""

    def on(self, device: torch.device) -> StructureTransform:
        """Return the same on a device."""
        return StructureTransform(self.orders, self.tables.to(device))

    def part(self, chosen: slice) -> StructureTransform:
        """Return some of the galaxies."""
        return StructureTransform(self.orders, self.tables[chosen])

    def at(self, k_u: Tensor, k_v: Tensor) -> Tensor:
        """Return the transform at frequencies (N, ...) times half-light radius; complex64 of that shape.

        A wave c(R) exp(i m phi) has 2 pi (-i)^m exp(i m theta) times the integral of f c J_m(k R) R dR.
        """
        k = torch.hypot(k_u, k_v)
        place = (k / _STEP).clamp(max=self.tables.shape[1] - 1.001)
        first = place.long()
        part = (place - first)[..., None, None]
        galaxy = torch.arange(len(k), device=k.device).view(-1, *[1] * (k.dim() - 1))
        index = (first + galaxy * self.tables.shape[1]).flatten()
        flat = self.tables.flatten(0, 1)
        low, high = (flat[index + i].view(*k.shape, *flat.shape[1:]) for i in (0, 1))
        wave = torch.lerp(low, high, part.expand_as(low))
        unit = torch.complex(k_u, k_v) / k.clamp(min=1e-6)
        real, imaginary = torch.zeros_like(k), torch.zeros_like(k)
        turned, order = torch.ones_like(unit), 0
        for j, m in enumerate(self.orders):
            for _ in range(m - order):
                turned = turned * unit
            order = m
            light = turned.real * wave[..., j, 0] - turned.imag * wave[..., j, 1]
            real, imaginary = _turned(m, light, real, imaginary)
        return torch.complex(real, imaginary) * (k < _HIGHEST)


def _turned(m: int, light: Tensor, real: Tensor, imaginary: Tensor) -> tuple[Tensor, Tensor]:
    """Add (-i)^m times `light`."""
    if m % 2 == 0:
        return (real + light if m % 4 == 0 else real - light), imaginary
    return real, (imaginary - light if m % 4 == 1 else imaginary + light)


def _wave(j: int, kappa: np.ndarray) -> np.ndarray:
    """Amplitude of cos(j psi) in exp(kappa cos psi) / I_0(kappa), for a kappa of at most `_KAPPA`."""
    return np.interp(kappa, *_waves_of(j))


@lru_cache(maxsize=8)
def _waves_of(j: int) -> tuple[np.ndarray, np.ndarray]:
    from scipy.special import ive

    kappa = np.linspace(0.0, _KAPPA, 2001)
    return kappa, 2 * ive(j, kappa) / ive(0, kappa)


def _brightness(radius: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Brightness (N, P) of Sersic profiles of flux 1 and half-light radius 1 at `radius` (P,).

    Graham & Driver 2005, PASA 22, 118, equations 1 and 2.
    """
    from scipy.special import gammaincinv, gammaln

    n = n[:, None]
    b = gammaincinv(2 * n, 0.5)
    peak = 2 * n * np.log(b) - np.log(2 * np.pi * n) - gammaln(2 * n)
    return np.exp(peak - b * radius ** (1 / n))


@lru_cache(maxsize=1)
def _radii() -> tuple[np.ndarray, np.ndarray]:
    nodes, weights = np.polynomial.legendre.leggauss(_RADII)
    return 0.5 * _FAR * (nodes + 1), 0.5 * _FAR * weights


@lru_cache(maxsize=1)
def _frequencies() -> np.ndarray:
    return np.arange(0.0, _HIGHEST + 2 * _STEP, _STEP)


@lru_cache(maxsize=32)
def _bessel(m: int) -> np.ndarray:
    """J_m(k R) for each radius and frequency, float32; between values 0.01 apart."""
    from scipy.special import jv

    x = np.arange(0.0, _FAR * (_HIGHEST + 3 * _STEP), 0.01)
    return np.interp(np.outer(_radii()[0], _frequencies()), x, jv(m, x)).astype(np.float32)
