"""One telescope's image as another would see it: PSF, pixels and sampling in one Fourier step.

An image is samples of a band-limited function: the sky through the present PSF and pixel. Its
spectrum is multiplied by the ratio of the wanted effective PSF to the present one, and summed at
the centres of the wanted pixels. Where the coarse pixels divide a periodic grid, that sum is a
fold of the spectrum and a smaller transform; where they do not, a product with two matrices.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from mockforge.observe.degrade.reflected import Reflected
from mockforge.observe.fourier import fast_size
from mockforge.observe.psf.models import PsfModel, Rings
from mockforge.observe.psf.resample import PSF_FLOOR, matching

if TYPE_CHECKING:
    import torch

_NOTHING = 1e-7
"""Frequencies at which the change of PSF leaves less than this are not computed."""
_OUTSIDE = 2e-3
"""Light of a PSF that may come from beyond the padding."""


@dataclass(frozen=True)
class Grid:
    """Where the coarse pixels lie on the fine ones; pixel centres are integers."""

    shape: tuple[int, int]
    """Coarse (height, width)."""
    step: float
    """Fine pixels to a coarse one."""
    start: tuple[float, float]
    """(y, x) in fine pixels of the centre of coarse pixel (0, 0)."""

    def y(self, fine: np.ndarray) -> np.ndarray:
        """Fine row -> coarse row."""
        return (fine - self.start[0]) / self.step

    def x(self, fine: np.ndarray) -> np.ndarray:
        """Fine column -> coarse column."""
        return (fine - self.start[1]) / self.step

    def window(self, rows: slice, columns: slice) -> Grid:
        """Return the grid of a window of coarse pixels."""
        y, x = self.start[0] + self.step * rows.start, self.start[1] + self.step * columns.start
        return Grid((rows.stop - rows.start, columns.stop - columns.start), self.step, (y, x))

    def moved(self, fine: float) -> Grid:
        """Return the grid where the fine image has this many more pixels at its lower edges."""
        return Grid(self.shape, self.step, (self.start[0] + fine, self.start[1] + fine))


def coarse_grid(
    shape: tuple[int, int],
    step: float,
    coarse: tuple[int, int] | None = None,
    phase: tuple[float, float] = (0.0, 0.0),
) -> Grid:
    """Coarse pixels in the middle of a fine image of `shape` (height, width).

    `step` is the number of fine pixels to a coarse one, `coarse` their (height, width): by
    default as many as fit whole. `phase` (x, y), in coarse pixels, moves the sky on the grid
    towards greater x and y; 0 lets the centres of both images fall together.
    """
    if coarse is None:
        fits = [max(1, math.floor(n / step - abs(p) + 1e-9)) for n, p in zip(shape, phase[::-1], strict=True)]
        coarse = (fits[0], fits[1])
    y, x = (
        (n - 1) / 2 - step * ((m - 1) / 2 + p)
        for n, m, p in zip(shape, coarse, (phase[1], phase[0]), strict=True)
    )
    return Grid(coarse, step, (y, x))


_SAMPLED = 128
"""Frequencies along an axis, about, at which aliasing is looked at."""
_STRIP = 256
"""Rows that are transformed at once in float64."""


class Degrader:
    """The change from one PSF, pixel and grid to another, prepared for images of one shape.

    Parameters: `shape` (height, width) of the fine images, `grid` of the coarse pixels on them,
    `scale` arcsec of a fine pixel, `present` and `wanted` PSFs (C,), both without pixel.
    `mirrored`: what lies beyond the image is taken as its reflection, and so on without end; else as
    empty. With `around` False nothing is put there: for images that hold what lies around the grid.
    `precise`: in float64.

    `amplified` (C,) is the largest factor by which a frequency is raised: far above 1, noise
    and errors of the present PSF are magnified. `misfit` (C,) is the part of the wanted PSF, as
    relative L2 norm, that the image does not hold and that is left out. `aliased` (C,) is the
    part of a star's target image, as relative L2 norm, that is wrong because the fine pixels are
    too coarse for the present PSF: frequencies that they cannot tell apart have been folded.
    """

    def __init__(
        self,
        shape: tuple[int, int],
        grid: Grid,
        scale: float,
        present: Sequence[PsfModel],
        wanted: Sequence[PsfModel],
        *,
        mirrored: bool = True,
        floor: float = PSF_FLOOR,
        around: bool = True,
        precise: bool = False,
    ) -> None:
        self.shape, self.grid, self._precise = shape, grid, precise
        reach = math.ceil(max(padding(model) for model in wanted) / scale) if around else 0
        whole = mirrored and around
        self._y, self._x = (
            _Axis.of(n, m, grid.step, start, reach, whole)
            for n, m, start in zip(shape, grid.shape, grid.start, strict=True)
        )
        fy, fx = np.fft.fftfreq(self._y.fine), np.fft.rfftfreq(self._x.fine)
        cutoffs = [(old.highest, new.highest) for old, new in zip(present, wanted, strict=True)]
        highest = min(max(min(pair) for pair in cutoffs) * scale / (2 * math.pi), 0.5 - 1e-9)
        rows, columns = np.flatnonzero(abs(fy) <= highest), np.flatnonzero(fx <= highest)
        kernel, self.amplified, self.misfit, self.aliased = _ratios(
            fy[rows], fx[columns], grid.step, scale, present, wanted, floor
        )
        self.misfit = np.hypot(self.misfit, [_beyond(new, highest, grid.step, scale) for new in wanted])
        nonzero = np.abs(kernel).max(axis=0) > _NOTHING
        kept_y, kept_x = np.flatnonzero(nonzero.any(axis=1)), np.flatnonzero(nonzero.any(axis=0))
        self._rows, self._columns = rows[kept_y], columns[: kept_x[-1] + 1]
        self._kernel = kernel[:, kept_y, : kept_x[-1] + 1]
        self._fy, self._fx = fy[self._rows], fx[self._columns]
        places = [axis.first + grid.step * np.arange(axis.count) for axis in (self._y, self._x)]
        change = (self._kernel, self._fy, shape, places, grid.step, precise)
        self._reflected = Reflected(*change) if whole else None

    def __call__(self, images: np.ndarray) -> np.ndarray:
        """Images (..., C, H, W) as (..., C, h, w) float32; total flux is kept.

        Plane by plane, in products and transforms of one shape: an image's pixels do not depend
        on the others', to the last bit.
        """
        import torch

        lead = images.shape[:-3]
        flat = images.reshape(-1, *images.shape[-3:])
        out = np.empty((len(flat), flat.shape[1], *self.grid.shape), dtype=np.float32)
        if self._reflected is not None:
            for i, c in np.ndindex(flat.shape[:2]):
                out[i, c] = self._reflected.plane(flat[i, c], c, _STRIP).numpy()
            return out.reshape(*lead, *out.shape[1:])
        waves = self._y.waves(self._fy, self._complex), self._x.waves(self._fx, self._complex)
        for c in range(flat.shape[1]):
            kernel = torch.from_numpy(self._moved_kernel(c)).T.clone()
            for image, coarse_image in zip(flat, out, strict=True):
                coarse_image[c] = self._plane(image[c], kernel, waves).numpy()
        return out.reshape(*lead, *out.shape[1:])

    def moved(self, start: tuple[float, float]) -> Degrader:
        """Return the same change where the first coarse pixel lies at `start` (y, x) in fine pixels.

        For images that hold what lies around the grid (`around` False) wherever it is moved.
        """
        assert self._reflected is None
        out = copy(self)
        out.grid = replace(self.grid, start=start)
        axes = zip((self._y, self._x), start, strict=True)
        out._y, out._x = (replace(axis, first=first + axis.before) for axis, first in axes)
        return out

    def noise(self, autocorrelations: Sequence[np.ndarray | None]) -> list[np.ndarray]:
        """Return what unit noise of the fine pixels becomes: autocovariance (2L+1, 2L+1) of each band.

        `autocorrelations` (C,), each (2M+1, 2M+1), are those of the fine noise; None: it is white.
        The value at the centre is the variance of a coarse pixel over that of a fine one.
        """
        step = self.grid.step
        most = max(2, min(24, math.ceil(2 * self._y.reach / step)))
        lag = step * np.arange(-most, most + 1)
        along_y, along_x = (np.exp(2j * np.pi * np.outer(lag, f)) for f in (self._fy, self._fx))
        twice = np.where(self._fx > 0, 2.0, 1.0)
        out = []
        for kernel, fine in zip(self._kernel, autocorrelations, strict=True):
            power = np.abs(kernel) ** 2 * twice
            if fine is not None:
                place = np.arange(fine.shape[0]) - fine.shape[0] // 2
                left, right = (np.exp(2j * np.pi * np.outer(f, place)) for f in (self._fy, self._fx))
                power = power * np.real(left @ fine @ right.T)
            covariance = np.real(along_y @ power @ along_x.T)
            out.append(step**4 / (self._y.fine * self._x.fine) * covariance)
        return out

    def _moved_kernel(self, c: int) -> np.ndarray:
        """Return the kernel of a band that also moves the first coarse pixel to the origin."""
        y = np.exp(2j * np.pi * self._fy * self._y.first)
        x = np.exp(2j * np.pi * self._fx * self._x.first)
        return (self._kernel[c] * y[:, None] * x).astype(self._complex)

    @property
    def _complex(self) -> type[np.complexfloating]:
        return np.complex128 if self._precise else np.complex64

    def _plane(
        self, image: np.ndarray, kernel: torch.Tensor, waves: tuple[torch.Tensor | None, ...]
    ) -> torch.Tensor:
        """(H, W) of one band as (h, w); `kernel` (x, y)."""
        import torch

        dtype = torch.float64 if self._precise else torch.float32
        rows = _STRIP if self._precise else len(image)  # twice the bytes, but not of the whole image at once
        strips = []
        for first in range(0, len(image), rows):
            wide = self._x.padded(torch.tensor(image[first : first + rows], dtype=dtype))
            half = torch.fft.rfft(wide, dim=-1)[..., : len(self._columns)]
            strips.append(half.transpose(-1, -2).contiguous())
        half = self._y.padded(strips[0] if len(strips) == 1 else torch.cat(strips, dim=-1))
        del strips
        spectrum = torch.fft.fft(half, dim=-1)[..., torch.from_numpy(self._rows)] * kernel
        del half
        summed = self._y.summed(spectrum, self._fy, waves[0]).transpose(-1, -2).contiguous()
        return self._x.summed_real(summed, self._fx, waves[1])


def padding(model: PsfModel) -> float:
    """Radius in arcsec beyond which a PSF is taken to hold no light."""
    rings = Rings.of(model)
    return rings.reach(_OUTSIDE, 6 * rings.fwhm())


def psf_pixels(model: PsfModel, scale: float, side: int) -> np.ndarray:
    """Return a PSF in pixels of `scale` arcsec, integrated over them, (side, side) float32.

    Its middle is that of the array; `side` should be odd for a pixel to be there.
    """
    half = math.ceil(model.highest * scale / (2 * math.pi) * 4 * side)
    half = min(half, 8 * side)
    f = np.arange(-half, half + 1) / (4 * side)
    turn = 2 * math.pi / scale
    transfer = model.at(turn * f[None, :], turn * f[:, None]) * np.sinc(f)[:, None] * np.sinc(f)
    wave = np.exp(2j * np.pi * np.outer(np.arange(side) - (side - 1) / 2, f))
    return (np.real(wave @ transfer @ wave.T) / (4 * side) ** 2).astype(np.float32)


def scaled(model: PsfModel, factor: float) -> PsfModel:
    """Return the PSF `factor` times as wide."""
    table = model.radial and replace(model.radial, highest=model.radial.highest / factor)
    return PsfModel(lambda kx, ky: model.at(factor * kx, factor * ky), model.highest / factor, table)


def _ratios(
    fy: np.ndarray,
    fx: np.ndarray,
    step: float,
    scale: float,
    present: Sequence[PsfModel],
    wanted: Sequence[PsfModel],
    floor: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Wanted over present effective PSF (C, Y, X); how far each amplifies, lacks and has aliased."""
    kx, ky = 2 * math.pi / scale * fx[None, :], 2 * math.pi / scale * fy[:, None]
    pixel_in = np.sinc(fy)[:, None] * np.sinc(fx)
    pixel_out = np.sinc(step * fy)[:, None] * np.sinc(step * fx)
    ratios, amplified, misfit, aliased = [], [], [], []
    for old, new in zip(present, wanted, strict=True):
        present_psf, target_psf = _on(old, kx, ky) * pixel_in, _on(new, kx, ky) * pixel_out
        ratio = matching(target_psf, present_psf, floor)
        ratios.append(ratio)
        amplified.append(np.abs(ratio).max())
        power = (np.abs(target_psf) ** 2).sum()
        misfit.append(math.sqrt((np.abs(ratio * present_psf - target_psf) ** 2).sum() / power))
        some = np.s_[:: 1 + len(fy) // _SAMPLED], np.s_[:: 1 + len(fx) // _SAMPLED]
        folded = (np.abs(ratio[some]) ** 2 * _folded(old, fy[some[0]], fx[some[1]], scale)).sum()
        aliased.append(math.sqrt(folded / (np.abs(target_psf[some]) ** 2).sum()))
    return np.stack(ratios), np.array(amplified), np.array(misfit), np.array(aliased)


def _on(model: PsfModel, kx: np.ndarray, ky: np.ndarray) -> np.ndarray:
    """Transfer function (Y, X) on a grid; of a round PSF, rows of either sign are the same."""
    if model.radial is None:
        return model.at(kx, ky)
    once, row = np.unique(abs(ky), return_inverse=True)
    return model.at(kx, once[:, None])[row.ravel()]


def _beyond(model: PsfModel, highest: float, step: float, scale: float) -> float:
    """Part of a wanted PSF, pixel included, at frequencies above `highest`, as relative L2 norm."""
    f = np.linspace(-0.5, 0.5, 257)
    kx, ky = 2 * math.pi / scale * f[None, :], 2 * math.pi / scale * f[:, None]
    power = np.abs(model.at(kx, ky) * np.sinc(step * f)[:, None] * np.sinc(step * f)) ** 2
    inside = (np.abs(f) <= highest)[:, None] & (np.abs(f) <= highest)
    return math.sqrt(max(0.0, 1.0 - power[inside].sum() / power.sum())) if not inside.all() else 0.0


def _folded(model: PsfModel, fy: np.ndarray, fx: np.ndarray, scale: float) -> np.ndarray:
    """Power (Y, X) of a star, pixel included, at the next frequencies that pixels cannot tell from these."""
    turn = 2 * math.pi / scale
    power = np.zeros((len(fy), len(fx)))
    for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        transfer = model.at(turn * (fx[None, :] + x), turn * (fy[:, None] + y))
        power += np.abs(transfer * np.sinc(fy + y)[:, None] * np.sinc(fx + x)) ** 2
    return power


@dataclass(frozen=True)
class _Axis:
    """One axis of the periodic grid that an image lies on."""

    size: int
    """Pixels of the image."""
    before: int
    """Padding before the image."""
    fine: int
    """Pixels of the whole period."""
    coarse: int | None
    """Coarse pixels of the period; None where they do not divide it."""
    first: float
    """Place of the first coarse pixel."""
    count: int
    """Coarse pixels wanted."""
    step: float
    reach: int

    @classmethod
    def of(cls, size: int, count: int, step: float, start: float, reach: int, reflected: bool) -> _Axis:
        if reflected:  # repeats after two of it
            return cls(size, 0, 2 * size, None, start, count, step, reach)
        before = reach + max(0, math.ceil(-start))
        last = start + step * (count - 1)
        need = before + size + reach + max(0, math.ceil(last - size + 1))
        fine, coarse = _period(need, step)
        return cls(size, before, fine, coarse, start + before, count, step, reach)

    def padded(self, values: torch.Tensor) -> torch.Tensor:
        """Return the last axis in its place on the period."""
        import torch

        return torch.nn.functional.pad(values, (self.before, self.fine - self.size - self.before))

    def summed(self, spectrum: torch.Tensor, f: np.ndarray, waves: torch.Tensor | None) -> torch.Tensor:
        """Complex values at the coarse pixels from the frequencies `f` on the last axis."""
        import torch

        if waves is not None:
            return spectrum @ waves * (self.step / self.fine)
        assert self.coarse is not None  # a step of whole pixels, which needs no waves
        k = np.rint(f * self.fine).astype(np.int64)
        folded = spectrum.new_zeros((*spectrum.shape[:-1], self.coarse))
        folded.index_add_(-1, torch.from_numpy(k % self.coarse), spectrum)
        return torch.fft.ifft(folded, dim=-1)[..., : self.count]

    def summed_real(self, spectrum: torch.Tensor, f: np.ndarray, waves: torch.Tensor | None) -> torch.Tensor:
        """Return the same where `f` >= 0 and the result is real."""
        import torch

        if waves is not None:
            weight = torch.from_numpy(np.where(f > 0, 2.0, 1.0)).to(spectrum.real.dtype)
            return torch.real((spectrum * weight) @ waves) * (self.step / self.fine)
        assert self.coarse is not None
        k = np.rint(f * self.fine).astype(np.int64)
        half = self.coarse // 2 + 1
        folded = spectrum.new_zeros((*spectrum.shape[:-1], half))
        mirrored = spectrum.conj().resolve_conj()  # the negative frequencies of a real image
        for index, values, selected in ((k, spectrum, k >= 0), (-k, mirrored, k > 0)):
            selected = selected & (index % self.coarse < half)
            chosen, place = torch.from_numpy(np.flatnonzero(selected)), index[selected] % self.coarse
            folded.index_add_(-1, torch.from_numpy(place), values[..., chosen])
        return torch.fft.irfft(folded, n=self.coarse, dim=-1)[..., : self.count]

    def waves(self, f: np.ndarray, dtype: type[np.complexfloating]) -> torch.Tensor | None:
        """(frequencies, coarse pixels), in torch's own aligned memory; None where none are needed."""
        import torch

        if self.coarse is not None:
            return None
        waves = np.exp(2j * np.pi * self.step * np.outer(f, np.arange(self.count)))
        return torch.tensor(waves.astype(dtype))


def _period(need: int, step: float) -> tuple[int, int | None]:
    """Length of a period of at least `need` fine pixels, and the coarse pixels in it.

    As a whole number of coarse pixels where that costs at most a quarter more; both are products
    of small primes and of the ratio of the pixels.
    """
    smooth = partial(fast_size, even=False, primes=(2, 3, 5, 7))
    ratio = Fraction(step).limit_denominator(200)
    p, q = ratio.numerator, ratio.denominator
    if abs(float(ratio) - step) < 1e-9 * step and p <= 200:
        times = smooth(math.ceil(need / p))
        if p * times <= 1.25 * need + 16:
            return p * times, q * times
    return smooth(need), None
