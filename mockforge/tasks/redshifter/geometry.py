"""The first guess: what bands, angular size and distance alone make of an image at another redshift.

Every step is a known linear map, so a network need only learn the rest: the spectrum between and
beyond the bands, and the resolution that the input lacks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.config import Limit
from mockforge.errors import InputError
from mockforge.photometry.bands import pivot_um
from mockforge.photometry.cosmology import luminosity_distance

_Z_MAX = 30.0
_GRID = 4096


@dataclass(frozen=True)
class Geometry:
    """What of a dataset the first guess depends on."""

    wavelength: tuple[Annotated[float, Limit(gt=0, le=1e9)], ...]
    """Pivot wavelength of each band, Angstrom."""
    cosmology: str = "Planck18"


def pivot_wavelengths(bands: tuple[str, ...]) -> tuple[float, ...]:
    """Pivot wavelength of each band in Angstrom, from its curve; InputError for an unknown band."""
    try:
        return tuple(1e4 * pivot_um(band) for band in bands)
    except InputError as error:
        raise InputError(f"{error}; or give wavelength_angstrom, one number per band") from error


class FirstGuess(nn.Module):
    """Move an image from z_in to z_out: through the bands, in size, in distance.

    Holds no weights: two tables that follow the device, of the bands' wavelengths and of the
    cosmology's distances.
    """

    def __init__(self, geometry: Geometry) -> None:
        super().__init__()

        order = np.argsort(geometry.wavelength, kind="stable")
        a = np.linspace(0.0, np.log1p(_Z_MAX), _GRID)
        z = np.expm1(a)
        z[0] = 1e-8
        ratio = luminosity_distance(z, geometry.cosmology) / z  # smooth through z = 0
        wave = np.asarray(geometry.wavelength)[order]
        for name, table in (("order", order), ("wave", wave), ("ratio", ratio)):
            self.register_buffer(name, torch.as_tensor(table), persistent=False)

    def luminosity_distance(self, z: Tensor) -> Tensor:
        """Luminosity distance in Mpc, float64; `z` of any shape, 0 to 30."""
        place = torch.log1p(z.double()) * ((_GRID - 1) / np.log1p(_Z_MAX))
        low = place.floor().clamp(0, _GRID - 2)
        table, i = self.get_buffer("ratio"), low.long()
        return z * torch.lerp(table[i], table[i + 1], place - low)

    def factors(self, z_in: Tensor, z_out: Tensor) -> tuple[Tensor, Tensor]:
        """Angular size, and bolometric flux, at `z_out` over those at `z_in`; float64."""
        near, far = self.luminosity_distance(z_in), self.luminosity_distance(z_out)
        stretch = (1 + z_out.double()) / (1 + z_in.double())
        return near / far * stretch**2, (near / far) ** 2

    def band_shift(self, z_in: Tensor, z_out: Tensor) -> Tensor:
        """(N, C, C): flux density f_nu in band c at z_out, at one distance, from the bands at z_in.

        Linear between the two bands on either side of the wavelength that moves into band c, and
        the end band's beyond the ends; times (1 + z_out) / (1 + z_in), since f_nu is per unit of
        observed frequency. Hogg et al. 2002, astro-ph/0210394, equation 8.
        """
        wave, order = self.get_buffer("wave"), self.get_buffer("order")
        squeeze = ((1 + z_out.double()) / (1 + z_in.double()))[:, None]
        count = len(wave)
        out = torch.zeros(len(z_in), count, count, dtype=torch.float64, device=wave.device)
        if count == 1:
            return out + squeeze[:, :, None]
        wave_in = (wave / squeeze).clamp(wave[0], wave[-1])
        upper = torch.searchsorted(wave, wave_in).clamp(1, count - 1)
        share = (wave_in - wave[upper - 1]) / (wave[upper] - wave[upper - 1]).clamp_min(1e-9)
        out.scatter_add_(2, (upper - 1)[:, :, None], (1 - share)[:, :, None])
        out.scatter_add_(2, upper[:, :, None], share[:, :, None])
        back = torch.argsort(order)
        return out[:, back][:, :, back] * squeeze[:, :, None]

    def forward(self, image: Tensor, z_in: Tensor, z_out: Tensor) -> Tensor:
        """Return the first guess, (N,C,H,W) float32 in the unit of `image` (N,C,H,W); z (N,)."""
        with exactly(image):
            return self._moved(image, z_in, z_out)

    def _moved(self, image: Tensor, z_in: Tensor, z_out: Tensor) -> Tensor:
        size, flux = self.factors(z_in, z_out)
        mixed = torch.einsum("ncd,ndhw->nchw", self.band_shift(z_in, z_out).to(image.dtype), image)
        y, x = centroid(image).unbind(dim=1)
        rows, columns = (
            overlap(n, c, size).to(image.dtype) for n, c in zip(image.shape[2:], (y, x), strict=True)
        )
        return flux.to(image.dtype)[:, None, None, None] * (
            rows[:, None] @ mixed @ columns[:, None].transpose(-1, -2)
        )


def exactly(image: Tensor) -> torch.autocast:
    """Where half precision is on, leave it: sums of flux keep the digits of float32."""
    return torch.autocast(image.device.type, enabled=False)


def overlap(count: int, centre: Tensor, size: Tensor) -> Tensor:
    """Return (N, count, count): the share of the flux of pixel j that falls into pixel i when scaled.

    The image is scaled about `centre` by `size`, both (N,).
    Shrinking spreads a pixel's flux evenly over its square; enlarging interpolates between
    pixels, so that none shows as a block. Flux is kept but for what leaves the stamp.
    """
    i = torch.arange(count, device=size.device, dtype=torch.float64)
    scale, middle = size[:, None], centre.double()[:, None]
    edges = torch.cat([i - 0.5, i[-1:] + 0.5]) - middle
    place = (edges / scale + middle)[:, :, None] - i  # of target's edges, from input's centres
    blur = (size - 1).clamp(0.01, 1.0)[:, None, None]
    total = (
        _ramp(place + (1 + blur) / 2)
        - _ramp(place + (1 - blur) / 2)
        - _ramp(place - (1 - blur) / 2)
        + _ramp(place - (1 + blur) / 2)
    ) / blur
    return total[:, 1:] - total[:, :-1]


def _ramp(t: Tensor) -> Tensor:
    return t.clamp_min(0) ** 2 / 2


@torch.no_grad()
def centroid(image: Tensor, reach: float = 2.0) -> Tensor:
    """Centre of the light, (N, 2) as (y, x) in pixels, at most `reach` from the stamp's centre.

    Three Gaussian-weighted means, of all bands in units of their own rms; `image` (N,C,H,W).
    """
    height, width = image.shape[2:]
    light = (
        (image / image.square().mean(dim=(2, 3), keepdim=True).sqrt().clamp_min(1e-30)).sum(dim=1).double()
    )
    y = torch.arange(height, device=image.device, dtype=torch.float64) - (height - 1) / 2
    x = torch.arange(width, device=image.device, dtype=torch.float64) - (width - 1) / 2
    sigma = max(2.0, 0.06 * min(height, width))
    centre = torch.zeros(len(image), 2, device=image.device, dtype=torch.float64)
    for _ in range(3):
        wy = torch.exp(-(((y - centre[:, :1]) / sigma) ** 2))  # twice as narrow as the light it seeks
        wx = torch.exp(-(((x - centre[:, 1:]) / sigma) ** 2))
        total = torch.einsum("nyx,ny,nx->n", light, wy, wx)
        total = torch.where(total > 0, total, torch.inf)
        shift_y = torch.einsum("nyx,ny,nx->n", light, wy * (y - centre[:, :1]), wx) / total
        shift_x = torch.einsum("nyx,ny,nx->n", light, wy, wx * (x - centre[:, 1:])) / total
        centre = (centre + 2 * torch.stack([shift_y, shift_x], dim=1)).clamp(-reach, reach)
    return centre + torch.tensor([(height - 1) / 2, (width - 1) / 2], device=image.device)
