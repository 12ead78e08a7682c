"""The source `ifu`: integral-field cubes of disks that turn, with maps of what is true in each spaxel."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path

import numpy as np
import torch

from mockforge.batch import Bands, Batch, Stage
from mockforge.config import config
from mockforge.errors import InputError
from mockforge.files import Stamp, stamp
from mockforge.galaxies.cubes.instrument.instruments import instrument
from mockforge.galaxies.cubes.light.channels import LSF_CARD
from mockforge.galaxies.cubes.source.draw import Drawn, draw_disks
from mockforge.galaxies.cubes.source.gallery import CutoutGallery, Gallery, RealGallery
from mockforge.galaxies.cubes.source.observed import (
    CUBE_UNIT,
    Wavelengths,
    grid_of,
    lsf_fwhm,
    noise,
    paint,
    physics_of,
    psf_of,
    wavelengths,
)
from mockforge.galaxies.cubes.source.picture_spec import DiskPicture
from mockforge.galaxies.cubes.source.pictured import Seen, too_coarse, with_pictures
from mockforge.galaxies.cubes.source.spec import TurningDisks
from mockforge.galaxies.notices import cube_notice
from mockforge.galaxies.real.files import FileCatalogue
from mockforge.galaxies.real.library import library
from mockforge.galaxies.real.rule import RealStamps
from mockforge.rng import Stream
from mockforge.sgan.galaxies import SkyCatalogue
from mockforge.torch_state import steadily

_MAPS = {
    **{name: f"{name}_map" for name in ("flux", "velocity", "dispersion")},
    **{f"{name}_observed": f"{name}_observed" for name in ("flux", "velocity", "dispersion")},
}
"""Field of `Maps` -> what it is saved as."""
_CURVE_RADII = 64
_FARTHEST = 4.0
"""Half-light radii that the saved curve reaches."""


@config
class Ifu(TurningDisks, Stage):
    """Cubes of turning disks as an integral-field spectrograph sees them, fully known.

    Lines are integrated over channels, and the line-spread function enters once. Writes `cube` and
    `cube_truth` without noise (N,C,H,W) f4, `cube_variance`; `wavelength` and `lsf` (N,C), its FWHM; the
    maps (N,H,W) `flux_map`, `velocity_map`, `dispersion_map` as the gas has them and `flux_observed`,
    `velocity_observed`, `dispersion_observed` through the PSF; `snr_map` and `snr_mask`; `curve_radius` and
    `curve_speed` (N,64) of the mass model; and the table `disk` with every parameter drawn. With a
    companion also the maps of both members apart, (N,2,H,W): `flux_map_each`, `velocity_map_each`, ...,
    `dispersion_observed_each`, and `continuum_each` where there is a continuum.
    """

    def writes(self) -> frozenset[str]:
        """Cubes, maps, curves and the table `disk`."""
        names = {
            *("cube", "cube_truth", "wavelength", "lsf", "flux_map", "velocity_map", "dispersion_map"),
            *(
                "flux_observed",
                "velocity_observed",
                "dispersion_observed",
                "curve_radius",
                "curve_speed",
                "disk",
            ),
        }
        if self.noise is not None:
            names |= {"cube_variance", "snr_map", "snr_mask"}
        if self.companion is not None:
            names |= {f"{name}_each" for name in _MAPS.values()}
            names |= {"continuum_each"} if self.equivalent_width_angstrom > 0 else set()
        return frozenset(names)

    def files_read(self) -> dict[str, Path]:
        """Return the user's own profiles."""
        return TurningDisks.files_read(self)

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"disk"})

    def bands_after(self, bands: Bands) -> Bands:
        """Return none: channels are no bands."""
        return ()

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return what is known beforehand: PSFs, lines, profiles and pictures that cannot be used."""
        tried = (
            (("psf",), lambda: grid_of(self)),
            (("redshift",), lambda: wavelengths(self, np.array(_ends(self)), None)),
            (("sigma_file",) if self.curve_file is None else ("curve_file",), lambda: physics_of(self)),
        )
        for key, attempt in tried:
            try:
                attempt()
            except InputError as error:
                yield key, str(error)
        if self.picture is not None:
            try:
                said = too_coarse(self.picture, psf_of(self)[1])
            except InputError as error:
                said = str(error)
            if said is not None:
                yield ("picture",), said

    def pixels(self) -> int:
        """Return the pixels of a cube."""
        return self.spaxels**2 * self.channels

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        if self.picture is not None:
            return (
                "Pictures are laid in a flat plane, whatever the galaxy is: bulges, neighbours and the"
                " images' own resolution turn with it; speeds and dispersions are drawn, none is measured."
            )
        return (
            "Disks are smooth but for their clumps, with gas of Gaussian lines alone: no dust, no outflows,"
            " no absorption lines; noise is independent between channels and spaxels."
        )

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        notice = cube_notice(tables.get("disk", {}))
        return [] if notice is None else [notice]

    @steadily()
    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every cube of the batch."""
        drawn = draw_disks(self, len(batch), stream)
        if self.picture is not None:
            seen = Seen(self.picture, self.vertical, psf_of(self)[1], batch.split, batch.splits)
            drawn = with_pictures(drawn, gallery(self.picture), seen, stream.child("picture"))
        waves = wavelengths(self, drawn.redshift, drawn.ratio)
        clean = paint(self, drawn, waves)
        arrays = {"cube_truth": clean.cube, **noise(self, clean, waves, drawn, stream.child("noise"))}
        arrays |= {saved: clean.maps[name] for name, saved in _MAPS.items()}
        arrays |= {f"{_MAPS.get(name, name)}_each": values for name, values in clean.each.items()}
        arrays["wavelength"] = waves.middle
        arrays["lsf"] = lsf_fwhm(waves)
        arrays["curve_radius"], arrays["curve_speed"] = self._curves(drawn, len(batch))
        chosen = instrument(self.instrument)
        about = {
            "instrument": chosen.name,
            "instrument_source": chosen.source,
            "pixel_scale_arcsec": chosen.pixel_scale_arcsec,
            "channel_angstrom": chosen.channel_angstrom,
            "medium": chosen.medium,
            "velocity_convention": self.convention,
            "lines": self.lines if self.lines != "line" else self.line,
            "line_spread_function": LSF_CARD,
            "sampling": clean.said,
            "sampling_tolerance": self.tolerance,
            "cube_unit": CUBE_UNIT,
            "unit": CUBE_UNIT,
        }
        return (
            batch.with_arrays(**arrays)
            .with_table("disk", self._table(batch, drawn, waves, clean.fraction))
            .with_attributes(**about)
        )

    def _curves(self, drawn: Drawn, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Radii in arcsec and speeds in km/s of the mass model, (N, 64) each."""
        disk = drawn.tensors(slice(0, count))
        r = disk.r_half[:, None] * torch.linspace(0, _FARTHEST, _CURVE_RADII)
        speed = physics_of(self).rotation(r, disk.v_max[:, None], disk.r_turn[:, None])
        return r.numpy().astype(np.float32), speed.numpy().astype(np.float32)

    def _table(
        self, batch: Batch, drawn: Drawn, waves: Wavelengths, fraction: np.ndarray
    ) -> dict[str, np.ndarray]:
        """Every parameter of every disk."""
        scale, own = instrument(self.instrument).pixel_scale_arcsec, drawn.owner
        disk = dict(drawn.disk)
        x, y = disk.pop("x"), disk.pop("y")
        arcsec = {"r_half", "height", "r_turn", "sigma_scale", "r_bar"}
        table = {
            "sample": batch.sample[own],
            "label": np.where(np.arange(len(own)) < len(batch), 1, 2).astype(np.int32),
            "x": x / scale + (self.spaxels - 1) / 2,
            "y": y / scale + (self.spaxels - 1) / 2,
            **{f"{name}_arcsec" if name in arcsec else name: value for name, value in disk.items()},
            "redshift": drawn.redshift[own],
            "wavelength_first": waves.first[own],
            "rest_wavelength": waves.reference[own],
        }
        table["line_flux"] = table.pop("flux")
        table["fraction"] = fraction
        table |= drawn.laid_table
        if drawn.snr is not None:
            table["peak_snr"] = drawn.snr[own]
        if drawn.ratio is not None:
            table["line_ratio"] = drawn.ratio[own]
        if drawn.clumps is not None:
            table["clumps"] = (drawn.clumps["share"] > 0).sum(axis=1).astype(np.int32)
            table["clump_fraction"] = drawn.clumps["share"].sum(axis=1)
        return table


def gallery(rule: DiskPicture) -> Gallery:
    """Return the galaxies, opened once in a process while their catalogue stays.

    InputError where it cannot be used.
    """
    if rule.real is not None:
        return _real(rule.real, rule.band, stamp(rule.real.catalogue))
    return _cutouts(rule, stamp(rule.files.catalogue) if rule.files is not None else None)


@lru_cache(maxsize=2)
def _real(rule: RealStamps, band: str | None, stamp: Stamp) -> Gallery:
    return RealGallery(library(rule), band)


@lru_cache(maxsize=2)
def _cutouts(rule: DiskPicture, stamp: Stamp | None) -> Gallery:
    if rule.files is not None:
        return CutoutGallery(
            FileCatalogue(rule.files), rule.files.catalogue, rule.band, rule.files.psf, False
        )
    assert rule.sky is not None
    sky = SkyCatalogue(rule.sky)
    return CutoutGallery(sky, f"model {rule.sky.model}", rule.band, sky.psf, True)


def _ends(cfg: TurningDisks) -> list[float]:
    """Return the redshifts between which all lie, as far as that is known beforehand."""
    varying = cfg.redshift
    return list(varying.values[: {"normal": 1, "lognormal": 1, "power_law": 2}.get(varying.kind)])
