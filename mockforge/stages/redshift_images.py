"""The source `redshift_images`: real and painted galaxies moved to a higher redshift."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np

from mockforge.batch import Batch
from mockforge.config import Count, Limit, NonNegative, Positive, Varying, config, uniform
from mockforge.files import Stamp, stamp
from mockforge.galaxies.notices import age_notice
from mockforge.galaxies.real.cutouts import Cutout, Galaxies, turned_cutout
from mockforge.galaxies.real.draw import Drawn, draw
from mockforge.galaxies.real.files import FileCatalogue, FileGalaxies
from mockforge.galaxies.real.moved import Moved
from mockforge.galaxies.real.paint import Optics, galaxy_table, painted
from mockforge.galaxies.real.painted import SkyCatalogue, SkyGalaxies
from mockforge.galaxies.real.realgalaxy import RealCatalogue, RealGalaxies
from mockforge.galaxies.real.spectra import Fit, Redshifted, fitted
from mockforge.observe.psf.spec import Psf
from mockforge.photometry.bands import Band, bands_of
from mockforge.photometry.cosmology import Cosmology, cosmology_word
from mockforge.photometry.igm import Igm
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.spec import Spectra
from mockforge.rng import Stream
from mockforge.units import ZEROPOINT_NJY

_KEPT = 512
"""Cleaned cutouts kept in a process."""
_SHARP = 3.0
"""A frequency amplified by more than this tells that the target's PSF is the sharper one."""


@config
class GalaxyImages:
    """Exactly one source of galaxies."""

    real: RealGalaxies | None = None
    """galsim's RealGalaxy format, such as COSMOS with HST."""
    files: FileGalaxies | None = None
    """FITS images and a catalogue of redshifts."""
    sky: SkyGalaxies | None = None
    """A painted sky."""

    def __post_init__(self) -> None:
        given = [f.name for f in fields(self) if getattr(self, f.name) is not None]
        if len(given) != 1:
            raise ValueError(f"needs exactly one of real, files, sky; found {', '.join(given) or 'none'}")


@config
class RedshiftImages:
    """Pairs of one real or painted galaxy, `input` at its own redshift, `target` at z_out > z_in.

    FERENGI's way (Barden, Jahnke & Haeussler 2008, ApJS 175, 105). The spectra that fit the
    galaxy's fluxes say what each wanted band sees at z_in and z_out: an image in a band is the
    nearest observed one (in the rest frame; the mean of two where it lies between) times the
    ratio of the fitted fluxes. At z_in a band that the images have is passed as it is. Size and
    flux follow the cosmology; the image is resampled in Fourier space, its PSF divided out and
    the target's put on in the same step, to a stamp in nJy.

    An observed galaxy has noise, and it comes along: scaled by the same factor as the light, so
    that it is mostly far below the target survey's noise, which the stage `observe` adds.
    The galaxies are shared out among the splits; none is in two.

    Writes `input_psf`, `target_psf` (N,C,H,W) f4 in nJy, the same as `input`, `target`, `z_in`,
    `z_out` (N,) f4 and the table `galaxy`. There is no image without a PSF.
    """

    galaxies: GalaxyImages
    """The galaxies and their images."""
    bands: tuple[Band, ...] = ("F606W", "F814W", "F125W", "F160W")
    """Bands of the pairs, in the order of the channel axis."""
    stamp: Count = 64
    """Height and width of a stamp, pixels."""
    pixel_scale_arcsec: Positive = 0.06
    """Size of a pixel, arcsec."""
    cosmology: Cosmology = "Planck18"
    """Cosmology for distances, angular sizes and ages."""
    z_out: Annotated[Varying, Limit(gt=0)] = uniform(0.5, 3.0)
    """Redshift of the target. Galaxies that have no z_out above their own are left out."""
    spectra: Spectra = Spectra()
    """Spectra that are fitted to the galaxies."""
    spectrum: str | None = None
    """Name of the one spectrum of all galaxies; null: fitted where two bands or more are known,
    else drawn, all equally likely."""
    fit: Fit = Fit()
    """How spectra are fitted."""
    population: Literal["constant", "evolving"] = "constant"
    """Constant: the target is the very population seen at z_in, farther away. Evolving: the
    target is younger by the time between, as its star-formation history has it."""
    igm: Igm = "inoue2014"
    """Absorption by intergalactic gas."""
    magnitude_band: Band = "lsst_r"
    """Rest-frame band of the absolute magnitudes and K-corrections in the table."""
    psf_in: Psf | None = None
    """PSF of the input; null for that of the images, and the pixel of the stamp where it is larger."""
    psf_out: Psf
    """PSF of the target. It should be broader than that of the images at their new angular size."""
    psf_floor: Annotated[float, Limit(gt=0, lt=1)] = 0.01
    """Contrast below which the images' PSF has left nothing to restore."""
    extend_sky: bool = True
    """Around a cutout smaller than the stamp, go on with noise like that of its edges, where its
    noise is known; if not, the stamp is 0 there."""
    jitter: NonNegative = 0.5
    """The centre lies within this many pixels of the stamp's centre in x and in y, uniformly."""
    turn: bool = True
    """Draw one of the eight orientations of a square for every pair."""
    angular_size: bool = True
    """The target's angular size follows the angular-diameter distance; if not, it is the input's."""
    dimming: bool = True
    """Surface brightness falls by ((1 + z_in) / (1 + z_out))^4."""
    band_shift: bool = True
    """The target's bands see the spectrum at z_out; if not, the target has the input's colours."""
    size_evolution: float = 0.0
    """Physical sizes change by ((1 + z_out) / (1 + z_in)) to this power; about -1 is observed."""
    luminosity_evolution: float = 0.0
    """Magnitudes by which the target changes per unit of redshift; -1 brightens it by 1 a unit."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "bands", bands_of(self.bands))
        object.__setattr__(self, "cosmology", cosmology_word(self.cosmology))
        if self.population == "evolving" and not isinstance(self.spectra.chosen, Populations):
            raise ValueError("population: evolving needs spectra: {populations: ...}; templates have no age")

    def reads(self) -> frozenset[str]:
        """Nothing: a source."""
        return frozenset()

    def writes(self) -> frozenset[str]:
        """Images, redshifts and the table `galaxy`."""
        return frozenset({"input", "target", "input_psf", "target_psf", "z_in", "z_out", "galaxy"})

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        if self.galaxies.sky is not None:
            what = "Galaxies are painted by a network, with the noise of its sky"
        else:
            what = (
                "Galaxies are those of real images, with their selection, neighbours and some of their noise"
            )
        return f"{what}: a target shows only what its input was deep and sharp enough to show."

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        found = age_notice(tables.get("galaxy", {})) if self.population == "constant" else None
        return [found] if found else []

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw, fit and move every galaxy of the batch. InputError where its files cannot be used."""
        galaxies = catalogue(self.galaxies)
        drawn = draw(self, galaxies, batch, stream)
        cutouts = [turned_cutout(_cut(galaxies, int(g)), int(t)) for g, t in
                   zip(drawn.galaxy, drawn.turn, strict=True)]  # fmt: skip
        light = fitted(self._redshifted(galaxies, drawn), cutouts, drawn.spectrum)
        streams = [stream.child("sky", int(d)) for d in batch.draw]
        optics = Optics.of(self, galaxies, _psf_of(self.galaxies))
        optics.check(self, light.size)
        near, far = painted(self, optics, drawn, cutouts, light, streams)
        table = galaxy_table(self, batch, drawn, cutouts, light, near, far)
        return _filled(self, batch, optics, drawn, near, far).with_table("galaxy", table)

    def _redshifted(self, galaxies: Galaxies, drawn: Drawn) -> Redshifted:
        switches = (self.angular_size, self.dimming, self.band_shift)
        return Redshifted(
            z_in=drawn.z_in,
            z_out=drawn.z_out,
            bands=self.bands,
            present=galaxies.bands,
            photometry=galaxies.photometry,
            spectra=self.spectra,
            cosmology=self.cosmology,
            igm=self.igm,
            evolving=self.population == "evolving",
            switches=switches,
            size_evolution=self.size_evolution,
            luminosity_evolution=self.luminosity_evolution,
            magnitude_band=self.magnitude_band,
            fit=self.fit,
            free=self.spectrum is None,
        )


# --- galaxies -----------------------------------------------------------------------------------


def catalogue(which: GalaxyImages) -> Any:
    """Return the galaxies, opened once in a process while their catalogue stays (a `cutouts.Galaxies`).

    InputError where it cannot be used.
    """
    given = which.real or which.files
    if given is None or not Path(given.catalogue).expanduser().exists():
        return _opened(which, None)
    return _opened(which, stamp(given.catalogue))


@lru_cache(maxsize=4)
def _opened(which: GalaxyImages, stamp: Stamp | None) -> Any:
    if which.real is not None:
        return RealCatalogue(which.real)
    if which.files is not None:
        return FileCatalogue(which.files)
    assert which.sky is not None
    return SkyCatalogue(which.sky)


@lru_cache(maxsize=_KEPT)
def _cut(galaxies: Galaxies, i: int) -> Cutout:
    return galaxies.cutout(i)


def _psf_of(which: GalaxyImages) -> Psf | None:
    """Return the PSF of all images of a source; None where each has its own, or only a width."""
    if which.files is not None:
        return which.files.psf
    return catalogue(which).psf if which.sky is not None else None


# --- the images ---------------------------------------------------------------------------------


def _filled(
    cfg: RedshiftImages, batch: Batch, optics: Optics, drawn: Drawn, near: list[Moved], far: list[Moved]
) -> Batch:
    """Return the batch with its images and what is true of all of them."""
    sharpened = np.array([m.sharpened for m in far])
    if (sharpened > _SHARP).any():
        warnings.warn(
            "redshift_images: psf_out is sharper than the PSF of some galaxies at their new angular size;"
            " their noise is amplified (columns psf_sharpened_out_<band> of the galaxy table): choose a"
            " broader psf_out",
            stacklevel=2,
        )
    seen, moved = (np.stack([m.image for m in found]).astype(np.float32) for found in (near, far))
    return batch.with_arrays(
        input=seen,
        target=moved,
        input_psf=seen,
        target_psf=moved,
        z_in=drawn.z_in.astype(np.float32),
        z_out=drawn.z_out.astype(np.float32),
    ).with_attributes(
        bands=cfg.bands,
        pixel_scale_arcsec=cfg.pixel_scale_arcsec,
        unit="nJy",
        zeropoint_ab=ZEROPOINT_NJY,
        psf_fwhm_in_arcsec=optics.fwhm_in,
        psf_fwhm_out_arcsec=optics.fwhm_out,
    )
