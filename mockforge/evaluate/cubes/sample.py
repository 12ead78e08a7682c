"""The cubes that are fitted: a sample of a dataset, what an observer knows of it, and the truth."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.data.torch.dataset import Dataset, load
from mockforge.errors import InputError
from mockforge.galaxies.cubes.instrument.instruments import Instrument, instrument
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.source.observed import Wavelengths, grid_of, wavelengths
from mockforge.galaxies.cubes.source.spec import TurningDisks
from mockforge.recipe.read import loads

MEASURED = {
    "inclination": "degrees",
    "position_angle": "degrees",
    "v_max": "km/s",
    "sigma": "km/s",
    "r_half": "arcsec",
}
"""Parameter whose recovery is reported -> its unit."""
_ARRAYS = ("cube", "cube_variance", "wavelength", "velocity_observed", "snr_map")


@dataclass(frozen=True, eq=False)
class Galaxy:
    """One cube."""

    number: int
    """Of the sample in the dataset."""
    cube: np.ndarray
    """(C, y, x), 1e-20 erg/s/cm2/Angstrom."""
    variance: np.ndarray
    """(C, y, x); 0 where there is no spaxel."""
    wavelength: np.ndarray
    """(C,) Angstrom."""
    truth: dict[str, float]
    """Parameters of `galaxies.cubes.disk.PARAMETERS`, in its units."""
    velocity: np.ndarray
    """(y, x) km/s, the true mean velocity through the PSF."""
    snr: float
    """Brightest channel of the brightest spaxel, without noise, over the noise there."""
    redshift: float
    ratio: float | None
    """Of the lines, as the recipe's `ratio`."""


@dataclass(frozen=True, eq=False)
class Sample:
    """Galaxies, and what is known of all of them."""

    galaxies: tuple[Galaxy, ...]
    cfg: TurningDisks
    grid: Grid
    fine: int
    """Fine pixels across a spaxel."""
    psf_fwhm: float
    """Arcsec."""
    dataset: str
    split: str

    @property
    def instrument(self) -> Instrument:
        """The spectrograph."""
        return instrument(self.cfg.instrument)

    @property
    def sampling(self) -> Sampling:
        """How finely models are sampled."""
        return Sampling(inside=2, nodes=5, fine=self.fine)

    @property
    def thickness(self) -> float:
        """The scale height over the half-light radius that fitters are told: the recipe's, or its middle."""
        varying = self.cfg.thickness
        ends = varying.values if varying.kind == "choice" else varying.values[:2]
        return float(np.mean(ends)) if varying.kind in ("choice", "uniform") else float(varying.values[0])

    def size(self, galaxy: Galaxy) -> float:
        """Return the true half-light radius over the seeing's radius, half of its FWHM."""
        return galaxy.truth["r_half"] / (0.5 * self.psf_fwhm)

    def waves(self, galaxy: Galaxy) -> Wavelengths:
        """Return the channels of a galaxy's cube."""
        ratio = None if galaxy.ratio is None else np.array([galaxy.ratio])
        return wavelengths(self.cfg, np.array([galaxy.redshift]), ratio)


def read_sample(dataset: Path | str, split: str = "test", count: int = 20) -> Sample:
    """Return the first galaxies of a split that are alone in their cube.

    Parameters
    ----------
    dataset : path
        Built from a recipe with the source `ifu`.
    split : str
        Whose galaxies.
    count : int
        At most so many.

    Raises
    ------
    InputError
        No such folder or split; a dataset without cubes, without their variance, of pairs only, or of a
        recipe that cannot be read; a count below 1.
    """
    if count < 1:
        raise InputError(f"-n: the number of galaxies should be 1 or more, found {count}")
    data = load(dataset, split)
    missing = [name for name in ("cube", "wavelength") if name not in data.arrays]
    if missing:
        raise InputError(
            f"{dataset}: has no array {missing[0]!r}, so it holds no cubes to fit; build one with "
            "`mockforge build recipes/ifu_disks.yaml`"
        )
    gone = [name for name in _ARRAYS if name not in data.arrays]
    if gone:
        raise InputError(
            f"{dataset}: has no {' and no '.join(gone)}, which fits need; build it with `noise` and `save` as"
            " recipes/ifu_disks.yaml has them"
        )
    if not len(data):
        filled = ", ".join(name for name, n in data.splits.items() if n) or "none"
        raise InputError(f"{dataset}: split {split!r} is empty; fit another one with --split ({filled})")
    cfg = _recipe(data, dataset)
    grid, fine = grid_of(cfg)
    galaxies = _galaxies(data, cfg, count)
    if not galaxies:
        raise InputError(
            f"{dataset}: every cube of split {split!r} holds a pair, and one disk is fitted; build it with"
            " stages.ifu.companion=null"
        )
    return Sample(galaxies, cfg, grid, fine, _fwhm(cfg), str(dataset), split)


def _recipe(data: Dataset, dataset: Path | str) -> TurningDisks:
    stages = loads(str(data.attributes.get("recipe", "")), f"{dataset}: its recipe").stages
    cfg = stages[0].stage if stages else None
    if not isinstance(cfg, TurningDisks):
        raise InputError(
            f"{dataset}: its recipe does not begin with the source `ifu`, whose cubes are fitted"
        )
    if cfg.curve == "table":
        raise InputError(
            f"{dataset}: its rotation curve is the table {cfg.curve_file}, which has no V_max to recover;"
            " build it with a curve of a formula"
        )
    if cfg.equivalent_width_angstrom > 0:
        raise InputError(
            f"{dataset}: its cubes have a continuum (equivalent_width_angstrom"
            f" {cfg.equivalent_width_angstrom:g}), which no fitter here models; build it with 0"
        )
    return cfg


def _fwhm(cfg: TurningDisks) -> float:
    if cfg.psf is None:
        return instrument(cfg.instrument).psf_fwhm_arcsec
    from mockforge.observe.psf.models import Rings
    from mockforge.observe.psf.per_band import models

    return Rings.of(models(cfg.psf, ("cube",))[0]).fwhm()


def _galaxies(data: Dataset, cfg: TurningDisks, count: int) -> tuple[Galaxy, ...]:
    table = data.table("disk")
    rows: dict[int, list[int]] = {}
    for i, number in enumerate(np.asarray(table["sample"])):
        rows.setdefault(int(number), []).append(i)
    scale, middle = instrument(cfg.instrument).pixel_scale_arcsec, (cfg.spaxels - 1) / 2
    out = []
    for index in range(len(data)):
        values = {k: np.asarray(v) for k, v in data.sample(index, *_ARRAYS).items()}
        own = rows[int(values["sample"])]
        if len(own) != 1:
            continue
        row = {name: float(table[name][own[0]]) for name in table.colnames}
        truth = {name.removesuffix("_arcsec"): value for name, value in row.items()}
        truth |= {"x": (row["x"] - middle) * scale, "y": (row["y"] - middle) * scale}
        truth["sigma"] = float(np.hypot(row["sigma"], row["sigma_floor"]))
        truth["flux"] = row["line_flux"]
        out.append(
            Galaxy(
                number=int(values["sample"]),
                cube=values["cube"].astype(np.float64),
                variance=values["cube_variance"].astype(np.float64),
                wavelength=row["wavelength_first"]
                + instrument(cfg.instrument).channel_angstrom * np.arange(len(values["wavelength"])),
                truth=truth,
                velocity=values["velocity_observed"],
                snr=float(values["snr_map"].max()),
                redshift=row["redshift"],
                ratio=row.get("line_ratio"),
            )
        )
        if len(out) == count:
            break
    return tuple(out)
