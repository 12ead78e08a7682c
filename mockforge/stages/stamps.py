"""The source `stamps`: a galaxy in the middle of each stamp, and in some a neighbour beside it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import Count, Fraction, Index, NonNegative, Positive, config
from mockforge.errors import InputError
from mockforge.galaxies.notices import stamp_notice
from mockforge.galaxies.population import REFERENCE_BAND, SPECTRA, TABLE, Galaxies, hst_population
from mockforge.galaxies.table import spectrum_columns
from mockforge.observe.problems import instrument_problems
from mockforge.observe.psf.spec import Airy, Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.igm import Igm
from mockforge.profiles.draw import Sersics, draw
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.units import ZEROPOINT_NJY


@config
class Stamps(Stage):
    """Noiseless stamps of galaxies of a deep Hubble field, alone or with a neighbour, fully known.

    Magnitude, size, shape, redshift and spectrum of a galaxy are drawn together from the
    population of `sky.population`; the neighbour is another galaxy, turned and shifted at random.

    Writes `truth` (N,C,H,W) f4 in nJy, through `psf`; with `other_bands` also `light`
    (N,C',H,W), the same galaxies through the same PSFs, in the bands of another telescope;
    `instances` (N,H,W) i4: 1 the galaxy in the middle, 2 its neighbour, each where it is the
    brightest and above `isophote`; and the table `objects` with every parameter.
    """

    bands: tuple[Band, ...] = ("F606W", "F775W", "F814W")
    """Bands of `truth`, in the order of the channel axis."""
    other_bands: tuple[Band, ...] | None = None
    """Bands of `light`, one for each of `bands`, whose PSF it has; null: no `light`."""
    stamp: Count = 64
    """Height and width of a stamp, pixels."""
    margin: Index = 32
    """Pixels around it that later stages see and that are not saved."""
    pixel_scale_arcsec: Positive = 0.06
    """Size of a pixel, arcsec."""
    psf: Psf = Psf(airy=Airy(diameter_m=2.4, obscuration=0.33))
    """PSF of `truth` and `light`."""
    brightest: float = 18.0
    """AB magnitude in F160W of the brightest galaxies."""
    faintest: float = 25.0
    """AB magnitude in F160W of the faintest."""
    z_min: NonNegative = 0.1
    """Lowest redshift."""
    z_max: Positive = 5.0
    """Highest redshift."""
    jitter: NonNegative = 0.5
    """The galaxy lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    neighbours: Fraction = 0.5
    """Share of the stamps with a neighbour."""
    neighbour_radius: Positive = 15.0
    """The neighbour's centre lies within this many pixels of the galaxy's, uniformly over the disk."""
    isophote: float = 27.0
    """Surface brightness that bounds `instances`: AB magnitude in a square arcsec, mean of `bands`."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for the ages of populations."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        if self.other_bands is not None:
            object.__setattr__(self, "other_bands", bands_of(self.other_bands))
        if self.other_bands is not None and len(self.other_bands) != len(self.bands):
            raise ValueError(
                f"other_bands should name a band for each of the {len(self.bands)} bands,"
                f" found {len(self.other_bands)}"
            )
        if self.brightest >= self.faintest:
            raise ValueError(f"brightest ({self.brightest:g}) should be below faintest ({self.faintest:g})")
        if self.z_min >= self.z_max:
            raise ValueError(f"z_min ({self.z_min:g}) should be below z_max ({self.z_max:g})")

    def writes(self) -> frozenset[str]:
        """Noiseless images, masks and the table `objects`."""
        names = {"truth", "instances", "objects"}
        return frozenset(names if self.other_bands is None else names | {"light"})

    def files_read(self) -> dict[str, Path]:
        """Return the population's table."""
        return {"hst_population": TABLE}

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"objects"})

    def bands_after(self, bands: Bands) -> Bands:
        """Return the bands of its images."""
        return self.bands

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return the PSFs and noises that do not fit the bands."""
        return instrument_problems(self, bands)

    def pixels(self) -> int:
        """Return the pixels of a sample in all its bands."""
        return self.stamp**2 * len(self.bands)

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        most = "at most two to a stamp" if self.neighbours else "one to a stamp"
        return (
            f"Galaxies are single Sersic profiles of one spectrum each, {most}: no bars, arms, clumps or"
            " colour gradients, and nothing in the background."
        )

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        found = stamp_notice(tables.get("objects", {}))
        return [found] if found else []

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every stamp of the batch."""
        drawn = _draw(self, len(batch), stream)
        flux = _fluxes(self, drawn.galaxies)
        side = self.stamp + 2 * self.margin
        seen = transfer(self.psf, self.bands, self.pixel_scale_arcsec, (side, side))
        painted = _paint(self, drawn, flux, seen)
        count = len(self.bands)
        arrays = {"truth": _summed(painted[:, :count], drawn.owner, len(batch))}
        if self.other_bands is not None:
            arrays["light"] = _summed(painted[:, count:], drawn.owner, len(batch))
        arrays["instances"] = _instances(self, painted[:, :count].mean(axis=1), drawn, len(batch))
        attributes = {
            "bands": self.bands,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "psf_fwhm_arcsec": tuple(float(f) for f in seen.fwhm_arcsec),
            "psf": {key: value for key, value in asdict(self.psf).items() if value is not None},
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
        }
        out = batch.with_arrays(**arrays).with_attributes(**attributes)
        table = _objects(self, batch, drawn, flux)
        own = painted[:, :count, self.margin : side - self.margin, self.margin : side - self.margin]
        table["fraction"] = own.sum(axis=(1, 2, 3), dtype=np.float64) / flux[:, :count].sum(axis=1)
        return replace(out.with_table("objects", table), margin=self.margin)


@dataclass(frozen=True)
class _Drawn:
    """Galaxies (M,): those in the middle of the N stamps first, then the neighbours."""

    galaxies: Galaxies
    owner: np.ndarray
    """(M,) stamp of each."""
    x: np.ndarray
    """(M,) place on the stamp without its margin, pixels."""
    y: np.ndarray
    angle: np.ndarray
    """(M,) position angle, degrees."""


def _draw(cfg: Stamps, count: int, stream: Stream) -> _Drawn:
    rng = stream.child("place").numpy()
    beside = np.flatnonzero(rng.random(count) < cfg.neighbours)
    shift = rng.uniform(-cfg.jitter, cfg.jitter, (2, count)) + (cfg.stamp - 1) / 2
    far, around = cfg.neighbour_radius * np.sqrt(rng.random(count)), rng.uniform(0, 2 * np.pi, count)
    owner = np.concatenate([np.arange(count), beside])
    x = np.concatenate([shift[0], (shift[0] + far * np.cos(around))[beside]])
    y = np.concatenate([shift[1], (shift[1] + far * np.sin(around))[beside]])
    angle = stream.child("angle").numpy().uniform(0, 180, len(owner))
    return _Drawn(_galaxies(cfg, len(owner), stream.child("galaxies")), owner, x, y, angle)


def _galaxies(cfg: Stamps, count: int, stream: Stream) -> Galaxies:
    """Galaxies of the population within the redshifts; InputError where there is almost none."""
    rng, population, kept, found = stream.numpy(), hst_population(), [], 0
    for _ in range(200):
        some = population.draw(rng, count, cfg.faintest, cfg.brightest)
        good = (some.z >= cfg.z_min) & (some.z <= cfg.z_max)
        kept.append({key: value[good] for key, value in vars(some).items()})
        found += int(good.sum())
        if found >= count:
            return Galaxies(**{key: np.concatenate([k[key] for k in kept])[:count] for key in kept[0]})
    raise InputError(
        f"stamps: almost no galaxy between magnitudes {cfg.brightest:g} and {cfg.faintest:g} has a"
        f" redshift from {cfg.z_min:g} to {cfg.z_max:g}; widen them"
    )


def _fluxes(cfg: Stamps, galaxies: Galaxies) -> np.ndarray:
    """Total flux of each galaxy in `bands` and `other_bands`, (M, C + C') nJy."""
    bands = (REFERENCE_BAND, *cfg.bands, *(cfg.other_bands or ()))
    raw = sed_fluxes(
        SPECTRA, bands, galaxies.z, galaxies.z, galaxies.spectrum, cosmology=cfg.cosmology, igm=cfg.igm
    )
    wanted = 10 ** (0.4 * (ZEROPOINT_NJY - galaxies.magnitude))
    return raw[:, 1:] / raw[:, :1] * wanted[:, None]


@steadily()
def _paint(cfg: Stamps, drawn: _Drawn, flux: np.ndarray, seen: Any) -> np.ndarray:
    """Every galaxy on a stamp of its own with the margin, (M, C + C', H, W), through the PSF."""
    import torch

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


def _summed(painted: np.ndarray, owner: np.ndarray, count: int) -> np.ndarray:
    """Return the light of all galaxies of each stamp."""
    out = painted[:count].copy()
    out[owner[count:]] += painted[count:]  # a stamp has at most one neighbour
    return out


def _instances(cfg: Stamps, mean: np.ndarray, drawn: _Drawn, count: int) -> np.ndarray:
    """1 and 2 where the galaxy or its neighbour is the brightest and above the isophote."""
    least = 10 ** (0.4 * (ZEROPOINT_NJY - cfg.isophote)) * cfg.pixel_scale_arcsec**2
    beside = np.zeros_like(mean[:count])
    beside[drawn.owner[count:]] = mean[count:]
    first = mean[:count]
    brighter = np.where(beside > first, 2, 1)
    return np.where(np.maximum(first, beside) > least, brighter, 0).astype(np.int32)


def _objects(cfg: Stamps, batch: Batch, drawn: _Drawn, flux: np.ndarray) -> dict[str, np.ndarray]:
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
