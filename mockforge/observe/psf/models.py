"""Transfer functions of the kinds of PSF, and how wide a PSF is."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mockforge.errors import InputError
from mockforge.observe.psf.radial import Radial, tabulated
from mockforge.observe.surveys.profiles import Profile

SMALLEST = 1e-6
"""A transfer function is nothing beyond the frequency where it falls to this."""


@dataclass(frozen=True, eq=False)
class PsfModel:
    """One band's PSF of sum 1, centred on the origin."""

    at: Callable[[np.ndarray, np.ndarray], np.ndarray]
    """T(kx, ky) for frequencies in radians per arcsec that broadcast."""
    highest: float
    """The |k| beyond which T is nothing."""
    radial: Radial | None = None
    """T(|k|) tabulated, for a round PSF."""


def radial(function: Callable[[np.ndarray], np.ndarray], highest: float) -> PsfModel:
    """Return a round PSF from its transfer function T(|k|), |k| in radians per arcsec.

    The function is called at some thousands of places and interpolated to 1e-6; nothing beyond `highest`.
    """
    table = tabulated(function, highest)
    return PsfModel(lambda kx, ky: table(np.asarray(kx**2 + ky**2))[..., 0], highest, table)


@lru_cache(maxsize=256)
def gaussian(fwhm: float) -> PsfModel:
    """Return a Gaussian of this full width at half maximum in arcsec."""
    sigma = fwhm / math.sqrt(8 * math.log(2))
    return radial(lambda k: np.exp(-0.5 * (sigma * k) ** 2), math.sqrt(-2 * math.log(SMALLEST)) / sigma)


@lru_cache(maxsize=256)
def moffat(fwhm: float, beta: float) -> PsfModel:
    """Return a Moffat function: T = 2 (t/2)^(beta-1) K_(beta-1)(t) / Gamma(beta-1) with t = alpha k.

    The transform of (1 + (r/alpha)^2)^-beta in two dimensions (Abramowitz & Stegun 9.6.25).
    """
    from scipy.special import gammaln, kve

    alpha = 0.5 * fwhm / math.sqrt(2 ** (1 / beta) - 1)

    def at(k: np.ndarray) -> np.ndarray:
        t = np.maximum(alpha * k, 1e-8)
        log = math.log(2) + (beta - 1) * np.log(t / 2) - gammaln(beta - 1) - t
        bessel = kve(beta - 1, t)
        lost = np.isinf(bessel)  # so near the origin that T is 1 to rounding
        return np.where(lost, 1.0, np.exp(log) * np.where(lost, 0.0, bessel))

    k = np.geomspace(0.01, 1e3, 4000) / alpha
    return radial(at, float(k[np.flatnonzero(at(k) > SMALLEST)[-1]]))


@lru_cache(maxsize=256)
def airy(diameter_m: float, obscuration: float, wavelength_um: float) -> PsfModel:
    """Diffraction of an annulus: the autocorrelation of the aperture (O'Neill 1956, JOSA 46, 285)."""
    unit = wavelength_um * 1e-6 / (math.pi * diameter_m) * (648_000 / math.pi)  # 1 / k in arcsec

    def lens(d: np.ndarray, a: float, b: float) -> np.ndarray:
        """Area that circles of radii a >= b share at the distance d."""
        if b == 0:
            return np.zeros_like(d)
        inside, apart = d <= a - b, d >= a + b
        x = np.where(inside | apart, a, d)
        far = np.clip((x**2 + a**2 - b**2) / (2 * x * a), -1, 1)
        near = np.clip((x**2 + b**2 - a**2) / (2 * x * b), -1, 1)
        wedge = (-x + a + b) * (x + a - b) * (x - a + b) * (x + a + b)
        area = a**2 * np.arccos(far) + b**2 * np.arccos(near) - 0.5 * np.sqrt(np.maximum(wedge, 0))
        return np.where(inside, math.pi * b**2, np.where(apart, 0.0, area))

    def at(k: np.ndarray) -> np.ndarray:
        d = k * unit
        shared = lens(d, 1.0, 1.0) - 2 * lens(d, 1.0, obscuration) + lens(d, obscuration, obscuration)
        return shared / (math.pi * (1 - obscuration**2))

    return radial(at, 2 / unit)


@lru_cache(maxsize=256)
def profile_model(profile: Profile) -> PsfModel:
    """Return the transfer function: of the aperture, times the sum of the Gaussians'."""
    shares, sigmas = (np.array(column) for column in zip(*profile.blur, strict=True))
    shares = shares / shares.sum()

    def blurred(k: np.ndarray) -> np.ndarray:
        return np.exp(-0.5 * np.multiply.outer(k, sigmas) ** 2) @ shares

    if profile.diameter_m is None or profile.wavelength_um is None:
        return radial(blurred, math.sqrt(-2 * math.log(SMALLEST)) / float(sigmas.min()))
    aperture = airy(profile.diameter_m, profile.obscuration, profile.wavelength_um)
    return radial(lambda k: blurred(k) * aperture.at(k, np.zeros_like(k)), aperture.highest)


def with_pixels(model: PsfModel, scale: float) -> PsfModel:
    """Return the PSF of images: averaged over square pixels of `scale` arcsec."""
    turn = scale / (2 * math.pi)
    return PsfModel(lambda kx, ky: model.at(kx, ky) * np.sinc(turn * kx) * np.sinc(turn * ky), model.highest)


def image(
    pixels: np.ndarray, scale: float, includes_pixel: bool, centre: tuple[float, float] | None = None
) -> PsfModel:
    """Return the PSF of an image (y, x) of sum 1 with pixels of `scale` arcsec.

    Its origin is `centre`, x and y in pixels from 0, or the middle.

    Band-limited: nothing beyond the Nyquist frequency of its own pixels, and between the samples
    the one smooth curve through them. `includes_pixel`: what the integration over its pixels took
    away is given back (a factor below 1.6 at most along an axis).
    """
    middle = ((n - 1) / 2 for n in pixels.shape) if centre is None else centre[::-1]
    y, x = ((np.arange(n) - c) * scale for n, c in zip(pixels.shape, middle, strict=True))
    nyquist = math.pi / scale

    def at(kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
        fy, row = np.unique(ky, return_inverse=True)
        fx, column = np.unique(kx, return_inverse=True)
        if fy.size * fx.size <= 4 * np.broadcast(kx, ky).size:  # a grid
            table = np.exp(-1j * np.outer(fy, y)) @ pixels @ np.exp(-1j * np.outer(x, fx))
            out = table[row.reshape(ky.shape), column.reshape(kx.shape)]
        else:
            across = np.exp(-1j * kx[..., None] * x)
            out = ((np.exp(-1j * ky[..., None] * y) @ pixels) * across).sum(axis=-1)
        if includes_pixel:
            fy, fx = (np.minimum(abs(f), nyquist) * scale / (2 * math.pi) for f in (ky, kx))
            out = out / (np.sinc(fy) * np.sinc(fx))
        return np.where((abs(ky) <= nyquist) & (abs(kx) <= nyquist), out, 0)

    return PsfModel(at, math.sqrt(2) * nyquist)


def effective_area(model: PsfModel) -> float:
    """1 / integral of the squared PSF over the sky, arcsec^2 (King 1983, PASP 95, 163)."""
    k = (np.arange(2400) + 0.5) * model.highest / 2400
    angle = np.arange(16) * math.pi / 16 + 0.05
    power = np.abs(model.at(k * np.cos(angle)[:, None], k * np.sin(angle)[:, None])) ** 2
    return float(2 * math.pi / ((power.mean(axis=0) * k).sum() * 2 * k[0]))


@dataclass(frozen=True)
class Rings:
    """A PSF averaged over all directions, through its transfer function at |k| = `k`."""

    k: np.ndarray
    t: np.ndarray

    @classmethod
    def of(cls, model: PsfModel) -> Rings:
        """Averaged over 16 directions, where it is not round."""
        k = (np.arange(1200) + 0.5) * model.highest / 1200
        if model.radial is not None:
            return cls(k, model.radial(k**2)[:, 0])
        angle = np.arange(16) * math.pi / 16 + 0.05
        t = model.at(k * np.cos(angle)[:, None], k * np.sin(angle)[:, None])
        return cls(k, np.real(t).mean(axis=0))

    def brightness(self, r: np.ndarray) -> np.ndarray:
        """Surface brightness at radius r arcsec, per square arcsec."""
        from scipy.special import j0

        return (self.t * self.k * j0(np.multiply.outer(r, self.k))).sum(-1) * self.k[0] / math.pi

    def inside(self, r: np.ndarray) -> np.ndarray:
        """Fraction of the flux inside radius r arcsec."""
        from scipy.special import j1

        return np.multiply(r, (self.t * j1(np.multiply.outer(r, self.k))).sum(-1) * 2 * self.k[0])

    def fwhm(self) -> float:
        """Full width at half maximum in arcsec; InputError where no radius has half the middle's light."""
        half = 0.5 * self.brightness(np.zeros(1))
        r = np.linspace(0, 6 / self.k.mean(), 400)
        while not (below := self.brightness(r) < half).any():  # a PSF much broader than its pixels
            r = 2 * r
            if r[-1] > 1 / self.k[0]:  # beyond what the frequencies can tell apart
                raise InputError("PSF: its middle is not its peak; is the image centred and without sky?")
        for _ in range(3):
            i = max(1, int(np.flatnonzero(below)[0]))
            r = np.linspace(r[i - 1], r[i], 20)
            below = self.brightness(r) < half
        return float(r[0] + r[-1])

    def reach(self, outside: float, farthest: float) -> float:
        """Smallest radius in arcsec with at most this fraction of the flux outside, up to `farthest`."""
        r = np.linspace(0, farthest, 200)
        wide, narrow = -1, 199  # indices about it: Bessel functions cost
        if 1 - self.inside(r[narrow]) > outside:
            return float(r[narrow])
        while narrow - wide > 1:
            middle = (wide + narrow) // 2
            if 1 - self.inside(r[middle]) > outside:
                wide = middle
            else:
                narrow = middle
        return float(r[narrow])
