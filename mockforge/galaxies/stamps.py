"""Stamps of galaxies of the population: what is drawn for them, their pixels, masks and table."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.galaxies.population import REFERENCE_BAND, SPECTRA, Galaxies, hst_population
from mockforge.galaxies.stamp_spec import StampGalaxies
from mockforge.galaxies.table import spectrum_columns
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.profiles.draw import draw
from mockforge.profiles.sersic import Sersics
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class StampContents:
    """Galaxies (M,): those in the middle of the N stamps first, then the neighbours."""

    galaxies: Galaxies
    owner: np.ndarray
    """(M,) stamp of each."""
    x: np.ndarray
    """(M,) place on the stamp without its margin, pixels."""
    y: np.ndarray
    angle: np.ndarray
    """(M,) position angle, degrees."""


def draw_stamps(cfg: StampGalaxies, count: int, stream: Stream) -> StampContents:
    """Draw the galaxies of so many stamps, and their places."""
    rng = stream.child("place").numpy()
    beside = np.flatnonzero(rng.random(count) < cfg.neighbours)
    shift = rng.uniform(-cfg.jitter, cfg.jitter, (2, count)) + (cfg.stamp - 1) / 2
    far, around = cfg.neighbour_radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    owner = np.concatenate([np.arange(count), beside])
    x = np.concatenate([shift[0], (shift[0] + far * np.cos(around))[beside]])
    y = np.concatenate([shift[1], (shift[1] + far * np.sin(around))[beside]])
    angle = stream.child("angle").numpy().uniform(0, 180, len(owner))
    return StampContents(_galaxies(cfg, len(owner), stream.child("galaxies")), owner, x, y, angle)


def _galaxies(cfg: StampGalaxies, count: int, stream: Stream) -> Galaxies:
    """Galaxies of the population within the redshifts; InputError where there is almost none."""
    rng, population, kept, number = stream.numpy(), hst_population(), [], 0
    for _ in range(200):
        some = population.draw(rng, count, cfg.faintest, cfg.brightest)
        good = (some.z >= cfg.z_min) & (some.z <= cfg.z_max)
        kept.append({key: value[good] for key, value in vars(some).items()})
        number += int(good.sum())
        if number >= count:
            return Galaxies(**{key: np.concatenate([k[key] for k in kept])[:count] for key in kept[0]})
    raise InputError(
        f"stamps: almost no galaxy between magnitudes {cfg.brightest:g} and {cfg.faintest:g} has a"
        f" redshift from {cfg.z_min:g} to {cfg.z_max:g}; widen them"
    )


def fluxes(cfg: StampGalaxies, galaxies: Galaxies) -> np.ndarray:
    """Total flux of each galaxy in `bands` and `other_bands`, (M, C + C') nJy."""
    bands = (REFERENCE_BAND, *cfg.bands, *(cfg.other_bands or ()))
    raw = sed_fluxes(
        SPECTRA, bands, galaxies.z, galaxies.z, galaxies.spectrum, cosmology=cfg.cosmology, igm=cfg.igm
    )
    reference_flux = 10 ** (0.4 * (ZEROPOINT_NJY - galaxies.magnitude))
    return raw[:, 1:] / raw[:, :1] * reference_flux[:, None]


@steadily()
def paint_stamps(cfg: StampGalaxies, drawn: StampContents, flux: np.ndarray, seen: Any) -> np.ndarray:
    """Every galaxy on a stamp of its own with the margin, (M, C + C', H, W), through the PSF."""

    def there(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64))[:, None]

    galaxies, none = drawn.galaxies, np.zeros(len(drawn.x))
    sersics = Sersics(
        x=there(drawn.x + cfg.margin),
        y=there(drawn.y + cfg.margin),
        r_e=there(galaxies.r_e / cfg.pixel_scale_arcsec),
        n=there(galaxies.n),
        axis_ratio=there(galaxies.axis_ratio),
        position_angle=there(drawn.angle),
        asymmetry=there(none),
        asymmetry_angle=there(none),
    )
    if cfg.other_bands is not None:
        seen = replace(seen, mix=np.concatenate([seen.mix, seen.mix]), _on={})
    sed = torch.from_numpy(flux)[:, :, None]
    painted = draw(sersics, None, sed, seen.shape, seen).psf
    assert painted is not None
    return painted.numpy()


def summed(painted: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Return the light of all galaxies of each stamp."""
    out = painted[:count].copy()
    out[owner[count:]] += painted[count:]  # a stamp has at most one neighbour
    return out


def instances(cfg: StampGalaxies, mean: np.ndarray, drawn: StampContents, count: int) -> np.ndarray:
    """1 and 2 where the galaxy or its neighbour is the brightest and above the isophote."""
    least = 10 ** (0.4 * (ZEROPOINT_NJY - cfg.isophote)) * cfg.pixel_scale_arcsec**2
    beside = np.zeros_like(mean[:count])
    beside[drawn.owner[count:]] = mean[count:]
    first = mean[:count]
    brighter = np.where(beside > first, 2, 1)
    return np.where(np.maximum(first, beside) > least, brighter, 0).astype(np.int32)


def objects_table(
    cfg: StampGalaxies, batch: Batch, drawn: StampContents, flux: np.ndarray
) -> dict[str, np.ndarray]:
    """Every parameter of every galaxy."""
    g, count = drawn.galaxies, len(batch)
    table: dict[str, np.ndarray] = {
        "sample": batch.sample[drawn.owner],
        "label": np.where(np.arange(len(drawn.owner)) < count, 1, 2).astype(np.int32),
        "x": drawn.x,
        "y": drawn.y,
        "z": g.z,
        "magnitude": g.magnitude,
        "r_e_arcsec": g.r_e,
        "n": g.n,
        "axis_ratio": g.axis_ratio,
        "position_angle": drawn.angle,
    }
    names = (*cfg.bands, *(cfg.other_bands or ()))
    table |= {f"true_flux_{band}": flux[:, i] for i, band in enumerate(names)}
    return table | spectrum_columns("", SPECTRA, g.spectrum, cfg.cosmology)
