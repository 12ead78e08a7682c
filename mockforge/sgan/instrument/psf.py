"""The PSF of a learned sky: one image a band, with its wings, on the pixels of the training field."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.instrument.sampling import FINEST, SAMPLED, fwhm_of, samples_wanted

LEAST_SIDE = 65
"""Pixels; wings to 32 pixels on each side hold all but a few thousandths of the light."""
SIDE = 129
"""Pixels of a PSF whose wings are carried on by a power law."""
_MOST_SIDE = 1025
_SUM = 1e-3
"""By how much the sum of a stored PSF may differ from 1."""
_KEPT = 24
"""Transfer functions kept, those used last."""
_MOST_SAMPLES = 8


@dataclass(frozen=True, eq=False)
class PixelPsf:
    """Effective PSF of each band: of the optics, the air and the pixel together (Anderson & King 2000).

    `image` (C, P, P) float32, P odd and at least 65, each band of sum 1, its origin the middle pixel:
    what a star of flux 1 in the middle of a pixel leaves in the pixels about it. Between the samples
    it is the one band-limited curve through them.

    A PSF that pixels undersample has `samples` to each of them along a side: `image` is then that of
    pixels so much smaller, of which pixels are put together. All widths and scales are in whole pixels.
    """

    image: np.ndarray
    pixel_scale_arcsec: float | None = None
    """Side of one of its pixels (the training field's), where it is known."""
    samples: int = 1
    """Samples of `image` along the side of a pixel."""
    _transfers: dict[tuple[int, float], np.ndarray] = field(default_factory=dict, repr=False, init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "image", _checked(self.image))
        if not 1 <= self.samples <= _MOST_SAMPLES:
            raise InputError(f"psf: 1 to {_MOST_SAMPLES} samples a pixel are expected, found {self.samples}")

    @property
    def bands(self) -> int:
        """C."""
        return len(self.image)

    @property
    def side(self) -> int:
        """P, samples."""
        return self.image.shape[-1]

    @property
    def side_pix(self) -> int:
        """Pixels, an odd number, that hold all of the image."""
        return self.side if self.samples == 1 else _odd(self.side / self.samples)

    @cached_property
    def fwhm_pix(self) -> np.ndarray:
        """(C,) full width at half maximum of the effective PSF, in its own pixels, their response included.

        That of a circle as large as what is brighter than half the peak, between the pixels too.
        """
        if self.samples == 1:
            return np.array([fwhm_of(band) for band in self.image])
        return np.array([fwhm_of(band) for band in self._drawn(self.side, box=self.samples)]) / self.samples

    def transfer(self, side: int, pixels_per_native: float = 1.0) -> np.ndarray:
        """Return T(k) = sum of psf(r) exp(-i k.r) on the grid of `numpy.fft.rfft2` of a stamp.

        Parameters
        ----------
        side : int
            Pixels S of the square stamp.
        pixels_per_native : float
            Pixels of the stamp along one pixel of this PSF. Where that is not 1, the response of this
            PSF's pixel is taken off, and that of the stamp's put on; beyond the Nyquist frequency of
            this PSF's samples T is 0.

        Returns
        -------
        ndarray
            (C, S, S // 2 + 1) complex64, to be read only. T(0) is 1 and wings that reach beyond the stamp
            come in again on its other side, so that the flux of what is multiplied with T stays the same.
        """
        key = (int(side), float(pixels_per_native))
        if key not in self._transfers:
            if len(self._transfers) >= _KEPT:
                self._transfers.pop(next(iter(self._transfers)), None)
            ky, kx = np.fft.fftfreq(side), np.fft.rfftfreq(side)
            found = self._at(ky, kx, pixels_per_native / self.samples).astype(np.complex64)
            found.setflags(write=False)
            self._transfers[key] = found
        return self._transfers[key]

    def spectrum(self, ky: np.ndarray, kx: np.ndarray) -> np.ndarray:
        """Return T (C, ky, kx) at frequencies in cycles per pixel, |k| up to 1/2, pixel included."""
        return self._at(ky, kx, 1.0 / self.samples)

    def _at(self, ky: np.ndarray, kx: np.ndarray, scale: float, stretch: float = 1.0) -> np.ndarray:
        """T at frequencies (cycles per new pixel), `scale` new pixels to one of these samples, (C, ky, kx).

        `stretch`: of the PSF itself, in these samples, before the pixel.
        """
        fy, fx = (k * scale * stretch for k in (ky, kx))  # cycles per pixel of the image
        steps = np.arange(self.side) - self.side // 2
        rows, columns = (np.exp(-2j * np.pi * np.outer(f, steps)) for f in (fy, fx))
        out = rows @ self.image.astype(np.float64) @ columns.T
        if scale == 1.0 and stretch == 1.0:
            return out
        pixel = [np.sinc(k) / np.sinc(np.clip(f, -0.5, 0.5)) for k, f in ((ky, fy), (kx, fx))]
        known = (np.abs(fy) <= 0.5)[:, None] & (np.abs(fx) <= 0.5)
        return np.where(known, out * np.outer(*pixel), 0.0)

    def light_within(self, radius: float | np.ndarray) -> np.ndarray:
        """Share of the light within so many pixels of the middle, (C,) or (C, len(radius))."""
        y, x = np.indices(self.image.shape[-2:]) - self.side // 2
        # A pixel on the circle counts by the part of its width that is inside.
        reach = np.asarray(radius)[..., None, None] * self.samples
        part = np.clip(reach + 0.5 - np.hypot(y, x), 0.0, 1.0)
        return np.tensordot(self.image.astype(np.float64), part, axes=((1, 2), (-2, -1)))

    def resampled(self, pixels_per_native: float) -> PixelPsf:
        """Return the PSF on pixels of which `pixels_per_native` lie along one of these, sum 1.

        With several samples a pixel where the new pixels undersample it, but no more than it has.
        """
        scale = float(pixels_per_native)
        if scale == 1.0:
            return self
        pixels = None if self.pixel_scale_arcsec is None else self.pixel_scale_arcsec / scale
        most = math.ceil(self.samples / scale - 1e-6)
        samples = samples_wanted(lambda n: self._drawn(LEAST_SIDE, scale * n / self.samples), most)
        return self._on(scale, samples, pixels)

    def at_native(self) -> PixelPsf:
        """Return the PSF with one sample a pixel, at the pixels' centres: right for stars there alone."""
        return self if self.samples == 1 else self._on(1.0, 1, self.pixel_scale_arcsec)

    def with_samples(self, samples: int) -> PixelPsf:
        """Return the PSF with so many samples a pixel."""
        return self if samples == self.samples else self._on(1.0, samples, self.pixel_scale_arcsec)

    def _on(self, scale: float, samples: int, pixel_scale_arcsec: float | None) -> PixelPsf:
        """`scale` new pixels to one of these, with so many samples each."""
        step = scale * samples / self.samples
        return PixelPsf(self._drawn(_odd(self.side * step), step), pixel_scale_arcsec, samples)

    def scaled(self, fwhm_pix: float | Sequence[float]) -> PixelPsf:
        """Return the same PSF wider or narrower all over, wings too, as the air's seeing changes it.

        `fwhm_pix` (pixels, pixel included) for all bands or for each. It is stretched before the pixel's
        response, so that it can be narrower than the field's; InputError where that is below a pixel's.
        """
        wanted = _each(fwhm_pix, self.bands)
        bands = [_narrowed(self.band(i), float(w)) for i, w in enumerate(wanted)]
        return together(bands)

    def broadened(self, fwhm_pix: float | Sequence[float]) -> PixelPsf:
        """Return the PSF convolved with a Gaussian that brings its width to `fwhm_pix`, pixels.

        InputError where a band is wider already: convolving cannot make it sharper.
        """
        wanted = _each(fwhm_pix, self.bands)
        for i, (has, asked) in enumerate(zip(self.fwhm_pix, wanted, strict=True)):
            if asked < has * (1 - 1e-3):
                raise InputError(
                    f"the PSF of band {i + 1} is {has:.3g} pixels wide (FWHM), found {asked:.3g} asked for; "
                    "convolving makes it no sharper: `scaled` does, or give another PSF"
                )
        images = [_blurred_to(self.band(i), float(w)) for i, w in enumerate(wanted)]
        return replace(self, image=np.concatenate(images))

    def band_limited(self) -> PixelPsf:
        """Return the PSF without what its pixels cannot say: power between 0.4 and 0.5 cycles a pixel fades.

        Measured power there is noise and aliases. A star between pixels would ring with it all along its row
        and column. Bands with more than a fiftieth of their power left at 0.45 cycles stay: their pixels
        are too coarse, and the power is real.
        """
        spectrum = np.fft.rfft2(np.fft.ifftshift(self.image.astype(np.float64), axes=(1, 2)))
        along = [np.abs(f) for f in (np.fft.fftfreq(self.side), np.fft.rfftfreq(self.side))]
        fade = [np.cos(0.5 * np.pi * np.clip((f - 0.4) / 0.1, 0.0, 1.0)) ** 2 for f in along]
        shape = (self.side, self.side)
        kept = np.fft.fftshift(np.fft.irfft2(spectrum * np.outer(*fade), s=shape), axes=(1, 2))
        ring = np.abs(np.hypot(along[0][:, None], along[1]) - 0.45) < 0.02
        coarse = np.abs(spectrum[:, ring]).mean(axis=1) > 0.02
        return replace(self, image=_summing_to_1(np.where(coarse[:, None, None], self.image, kept)))

    def band(self, index: int) -> PixelPsf:
        """Return the PSF of one band."""
        return replace(self, image=self.image[index : index + 1])

    def _drawn(
        self, side: int, scale: float = 1.0, stretch: float = 1.0, sigma: float = 0.0, box: int = 1
    ) -> np.ndarray:
        """Return samples (C, side, side) of a PSF, `scale` of them to one of these, stretched, blurred.

        Each has the response of a pixel of `box` samples. Drawn on twice the side, so that wings come not in
        again on the other side; larger pixels than these on a finer grid, of which their centres are taken.
        """
        wide, fine = 2 * side, max(1, math.ceil(1.0 / scale - 1e-9))
        size = wide * fine
        ky, kx = np.fft.fftfreq(size) * fine, np.fft.rfftfreq(size) * fine
        blur = np.exp(-2.0 * (np.pi * sigma) ** 2 * (ky[:, None] ** 2 + kx**2))
        if box > 1:
            blur *= np.outer(*(np.sinc(box * k) / np.sinc(k) for k in (ky, kx)))
        drawn = np.fft.irfft2(self._at(ky, kx, scale, stretch) * blur, s=(size, size))
        middle = fine * np.arange(-(side // 2), side // 2 + 1) % size
        return _summing_to_1(drawn[:, middle[:, None], middle])

    @classmethod
    def from_moffat(
        cls,
        fwhm_pix: float | Sequence[float],
        beta: float | Sequence[float] = 3.5,
        bands: int | None = None,
        side: int = SIDE,
        pixel_scale_arcsec: float | None = None,
    ) -> PixelPsf:
        """Return Moffat functions I = (1 + (r / alpha)^2)^-beta (Moffat 1969) as effective PSFs.

        `fwhm_pix` is that of stars in the image, pixels, and `beta` the slope of the wings; one, or one
        per band.
        """
        count = bands or max(np.size(fwhm_pix), np.size(beta))
        y, x = np.indices((side, side)) - side // 2
        images = []
        for width, slope in zip(_each(fwhm_pix, count), _each(beta, count), strict=True):
            if not width > 0 or not slope > 1:
                raise InputError(
                    f"a Moffat PSF has a width above 0 and a beta above 1 (light is finite then), found "
                    f"fwhm_pix {width:g} and beta {slope:g}"
                )
            alpha = 0.5 * width / math.sqrt(2.0 ** (1.0 / slope) - 1.0)
            images.append((1.0 + (x**2 + y**2) / alpha**2) ** -slope)
        return cls(_summing_to_1(np.stack(images)), pixel_scale_arcsec)

    @classmethod
    def from_image(cls, image: np.ndarray, pixel_scale_arcsec: float | None = None) -> PixelPsf:
        """Return PSFs from pixels (C, y, x) or (y, x) as stars have them, on the field's pixel scale.

        Each is centred on its windowed centroid and brought to a sum of 1 and to an odd side of 65 pixels
        or more. InputError where it cannot be a PSF (`mockforge.observe.psf.image.psf_pixels`).
        """
        from mockforge.observe.psf.image import psf_pixels

        planes = image[None] if image.ndim == 2 else image
        side = max(LEAST_SIDE, *(n + 1 - n % 2 for n in planes.shape[-2:]))
        out = []
        for i, plane in enumerate(planes):
            found = psf_pixels(plane, f"PSF image, band {i + 1}")
            out.append(_centred(found.pixels, found.centre, side))
        return cls(_summing_to_1(np.stack(out)), pixel_scale_arcsec)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps: `psf` (C, P, P) float32, and `psf.samples` (1,) where not 1."""
        more = {} if self.samples == 1 else {"psf.samples": np.array([self.samples], dtype=np.float32)}
        return {"psf": self.image, **more}

    @classmethod
    def from_arrays(
        cls, arrays: Mapping[str, np.ndarray], bands: int, pixel_scale_arcsec: float | None = None
    ) -> PixelPsf:
        """Return the inverse of `to_arrays`; InputError where it is missing or cannot be a PSF."""
        if "psf" not in arrays:
            raise InputError("the model's file has no `psf`: it is damaged, train the model again")
        found = np.asarray(arrays["psf"])
        if found.ndim != 3 or len(found) != bands:
            raise InputError(f"psf: one image per band ({bands}) is expected, found {found.shape}")
        samples = np.asarray(arrays.get("psf.samples", [1.0]), dtype=np.float64)
        if samples.shape != (1,) or not samples[0] == np.rint(samples[0]):
            raise InputError(f"psf.samples: one whole number is expected, found {samples.tolist()}")
        return cls(found, pixel_scale_arcsec, int(samples[0]))


def together(bands: Sequence[PixelPsf]) -> PixelPsf:
    """Return PSFs of one grid as one, with the samples of the finest; smaller ones in zeros."""
    samples = max(psf.samples for psf in bands)
    images = [psf.with_samples(samples).image for psf in bands]
    side = max(image.shape[-1] for image in images)
    edges = [(side - image.shape[-1]) // 2 for image in images]
    wide = [np.pad(image, ((0, 0), (e, e), (e, e))) for image, e in zip(images, edges, strict=True)]
    return PixelPsf(np.concatenate(wide), bands[0].pixel_scale_arcsec, samples)


def _checked(image: np.ndarray) -> np.ndarray:
    """(C, P, P) float32; InputError where it cannot be a PSF of sum 1."""
    shape = image.shape
    if image.ndim != 3 or shape[1] != shape[2] or not shape[1] % 2 or not len(image):
        raise InputError(f"psf: odd squares (band, y, x) are expected, found {shape}")
    if not LEAST_SIDE <= shape[1] <= _MOST_SIDE:
        raise InputError(f"psf: sides of {LEAST_SIDE} to {_MOST_SIDE} pixels are expected, found {shape[1]}")
    if not np.isfinite(image).all():
        raise InputError("psf: all its pixels should be finite")
    sums = image.sum(axis=(1, 2), dtype=np.float64)
    if (abs(sums - 1.0) > _SUM).any():
        raise InputError(f"psf: each band should add up to 1, found {', '.join(f'{s:.4g}' for s in sums)}")
    for i, band in enumerate(image):
        peak = np.array(np.unravel_index(int(band.argmax()), band.shape)) - shape[1] // 2
        if np.abs(peak).max() > shape[1] // 8 or band.min() < -0.1 * band.max():
            raise InputError(
                f"psf: band {i + 1} should be brightest near its middle and hardly below 0; its brightest "
                f"pixel is {peak[1]:+d}, {peak[0]:+d} (x, y) from there, its least {band.min():.3g}"
            )
    return np.ascontiguousarray(image, dtype=np.float32)


def _summing_to_1(images: np.ndarray) -> np.ndarray:
    return images / images.sum(axis=(-2, -1), keepdims=True)


def _each(values: float | Sequence[float], count: int) -> np.ndarray:
    """(count,) from one value or as many; InputError for another number of them."""
    given = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if given.size not in (1, count):
        raise InputError(f"PSF: {given.size} values for {count} bands; give one, or one per band")
    return np.broadcast_to(given, (count,))


def _odd(side: float) -> int:
    return int(min(max(LEAST_SIDE, 2 * math.ceil((side - 1) / 2) + 1), _MOST_SIDE))


def _narrowed(psf: PixelPsf, fwhm: float) -> PixelPsf:
    """One band stretched before the pixel until it is so wide with it; by bisection."""
    # Looked at with more samples where it will be sharp.
    n = psf.samples if fwhm >= SAMPLED else FINEST
    step = n / psf.samples
    side = psf.side if n == 1 else 129  # its core

    def wide(stretch: float) -> float:
        return fwhm_of(psf._drawn(side, step, stretch, box=n)[0]) / n

    low, high = 0.05, max(2.0, 2.0 * fwhm / float(psf.fwhm_pix[0]))
    if wide(low) > fwhm:
        raise InputError(
            f"a FWHM of {fwhm:.3g} pixels is asked for, which is below that of a pixel alone; "
            "paint on smaller pixels, or ask for a wider PSF"
        )
    for _ in range(24):
        middle = 0.5 * (low + high)
        low, high = (low, middle) if wide(middle) > fwhm else (middle, high)
    found, pixels = 0.5 * (low + high), psf.pixel_scale_arcsec

    if fwhm >= SAMPLED:
        return PixelPsf(psf._drawn(psf.side, 1.0, found), pixels, psf.samples)
    samples = max(2, samples_wanted(lambda n: psf._drawn(LEAST_SIDE, n / psf.samples, found)))
    step = samples / psf.samples
    return PixelPsf(psf._drawn(_odd(psf.side * step * min(1.0, found)), step, found), pixels, samples)


def _blurred_to(psf: PixelPsf, fwhm: float) -> np.ndarray:
    """One band (1, P, P) convolved with the Gaussian that brings it to this width; by bisection."""
    low, high = 0.0, fwhm * psf.samples
    for _ in range(24):
        middle = 0.5 * (low + high)
        wide = fwhm_of(psf._drawn(psf.side, sigma=middle, box=psf.samples)[0]) / psf.samples
        low, high = (low, middle) if wide > fwhm else (middle, high)
    return psf._drawn(psf.side, sigma=low)


def _centred(pixels: np.ndarray, centre: tuple[float, float], side: int) -> np.ndarray:
    """Pixels (y, x) moved so that `centre` (x, y) is the middle of a square of `side`, by their transform."""
    x, y = centre
    wide = 2 * max(side, *pixels.shape)
    fy, fx = np.fft.fftfreq(wide)[:, None], np.fft.rfftfreq(wide)
    half = side // 2
    turn = np.exp(2j * np.pi * (fy * (y - half) + fx * (x - half)))
    moved = np.fft.irfft2(np.fft.rfft2(pixels, s=(wide, wide)) * turn, s=(wide, wide))
    return moved[:side, :side]
