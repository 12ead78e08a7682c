"""Sky: an endless, random-access field painted by a trained SGAN."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.tiles import LatticeTiles
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.coarse import CoarseSky, Placed, coarsest_level, placed
from mockforge.sgan.paint.control import Control, check_lattice, control
from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sgan.paint.noise_asked import depths_ab
from mockforge.sgan.paint.owned import OwnedSky
from mockforge.sgan.sources.process import TableProcess
from mockforge.sky.coarse import Averaged, Coarse, check_level
from mockforge.sky.place import place_cards, sky_wcs
from mockforge.sky.plane import ends
from mockforge.train.parallel import usable

_STRIP = 512
"""Rows painted at a time: the stamps of a wide window need not be in memory at once."""
_COARSEST_LATTICE = 1
"""A lattice's pixels have no owners: a coarser sky is painted in full and averaged."""


class Sky(OwnedSky):
    """An endless field: `sky[y0:y1, x0:x1]` is a Field of observed pixels in nJy.

    Any window, in any order, from any process, has the same pixels to the last bit on one kind
    of device: sources belong to blocks that are painted whole, and every random number belongs to a
    place. Coordinates may be negative. A learned sky's Field has its noiseless `truth`, and the sky
    knows who owns every pixel: `sources`, `truth`, `isolated`, `layers`. Single sources are removed,
    changed and added by `without` and `edit`, all other pixels the same bits.

    Parameters
    ----------
    model
        A bundled model's name, a path, or a model.
    seed
        Chooses one of endless skies.
    device
        Where the network of a lattice model runs: cpu, cuda, cuda:1, ... or auto. Learned skies are
        painted on the CPU.
    kept_tiles
        Tiles of a lattice model kept in memory.
    sources
        A user's catalogue in place of drawn sources, an astropy Table or columns by name, painted with
        learned morphology: `x`, `y` (pixels of the sky) or `ra`, `dec`; `flux_<band>` (nJy) or `mag_<band>`
        of at least one band; and where known `r_e` (pixels, along the major axis) or `r_e_arcsec`, `q`,
        `pa`, `n`, `star`. What is not known is drawn, given what is.
    member
        0, 1, ...: one of a lattice model's ensemble; by default the seed chooses.
    **asked
        What is requested of a learned sky: depth, seeing, pixel_scale, density, counts_slope,
        star_fraction, magnitude_limits, clustering, colour_shift, redshift, rms, noise; see
        `mockforge.sgan.paint.control.control`. Without them the sky is as deep, as blurred and as crowded
        as the training field.
    """

    def __init__(
        self,
        model: str | Path | SganModel,
        seed: int = 0,
        device: str = "cpu",
        kept_tiles: int = 16,
        *,
        sources: Any = None,
        member: int | None = None,
        **asked: Any,
    ) -> None:
        self.model = model if isinstance(model, SganModel) else load_model(model)
        self.seed, self.device, self.kept_tiles = seed, usable(device), kept_tiles
        self._asked = asked
        self._tiles: LatticeTiles | None = None
        self._learned: LearnedSky | None = None
        self._coarse: Placed | None = None
        if isinstance(self.model, LatticeModel):
            check_lattice(self.model, sources=sources, **asked)
            self._tiles = LatticeTiles(self.model, seed, self.device, member, kept_tiles)
            return
        if member:
            raise InputError(f"model {self.model.name} has no member {member}; choose 0: it has one")
        self._learned = LearnedSky(self.model, control(self.model, **asked), seed, sources)

    def __repr__(self) -> str:
        model, scale = self.model, self.pixel_scale_arcsec
        of = f"{', '.join(model.bands)}" + (f', {scale:g}" per pixel' if scale else "")
        if self._learned is None:
            end = f"observed pixels, member {self.member} of {getattr(model, 'n_members', 1)}"
        else:
            noise = self._learned.control.noise.rms_njy
            deep = ", ".join(f"{b} {r:.3g}" for b, r in zip(model.bands, noise, strict=True))
            number = self._learned.control.sources.number / self._learned.control.grid.pixels_per_native**2
            end = f"{1e6 * number:,.0f} sources a million pixels, sky rms {deep} nJy"
        return (
            f"<mockforge.Sky, model {model.name!r}, seed {self.seed}: endless painted sky in {of}\n"
            f" {end}; sky[y0:y1, x0:x1] is a Field>"
        )

    @property
    def member(self) -> int:
        """Member of a lattice model's ensemble that paints; 0 of a learned sky."""
        return 0 if self._tiles is None else self._tiles.member

    @property
    def control(self) -> Control:
        """What a learned sky is painted and observed with; InputError of a lattice model."""
        return self._of_sources("control").control

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Side of a pixel, where it is known."""
        if self._learned is None:
            return self.model.pixel_scale_arcsec
        return self._learned.control.grid.scale_arcsec

    @property
    def psf_fwhm_arcsec(self) -> tuple[float, ...] | None:
        """FWHM of stars per band, pixel included, where it is known."""
        if self._learned is None:
            return self.model.psf_fwhm_arcsec
        return self._learned.control.psf_fwhm_arcsec

    def __getitem__(self, window: tuple[slice, slice]) -> Field:
        """Return the Field of a window `[y0:y1, x0:x1]`, both ends given, no step.

        Its WCS, where the pixel scale is known, is one tangent plane for the whole sky.

        Raises
        ------
        InputError
            Where the window is none, is empty, lies beyond 2^40 pixels or does not fit in memory.
        """
        return self.field(*ends(window))

    def field(
        self, y0: int, y1: int, x0: int, x1: int, advance: Callable[[int], None] | None = None
    ) -> Field:
        """Return the Field of a window [y0:y1, x0:x1].

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        advance : callable, optional
            Called with the number of pixels done since the last call.

        Returns
        -------
        Field
            Observed pixels in nJy, and `truth` where the noiseless sky is known.
        """
        image, truth = self.pixels(y0, y1, x0, x1, advance)
        return self._field(image, truth, y0, x0)

    def pixels(
        self, y0: int, y1: int, x0: int, x1: int, advance: Callable[[int], None] | None = None
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """Paint a window [y0:y1, x0:x1].

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        advance : callable, optional
            Called with the number of pixels done since the last call.

        Returns
        -------
        image : ndarray
            (band, y, x) float32 nJy, observed.
        truth : ndarray or None
            The same without noise; None where the network paints observed pixels.
        """
        if self._tiles is not None:
            return self._tiles.pixels(y0, y1, x0, x1, advance), None
        learned = self._of_sources("pixels")
        truth = learned.empty((y0, y1, x0, x1))
        for top in range(y0, y1, _STRIP):
            bottom = min(top + _STRIP, y1)
            truth[:, top - y0 : bottom - y0] = learned.image((top, bottom, x0, x1))
            if advance is not None:
                advance((bottom - top) * (x1 - x0))
        return learned.observed(truth, y0, x0), truth

    @property
    def coarsest(self) -> int:
        """The coarsest level of `coarse`: a tile of 256 coarse pixels takes about a second."""
        return _COARSEST_LATTICE if self._learned is None else coarsest_level(self._learned)

    def coarse(self, level: int) -> Coarse:
        """Return the sky on pixels 2^level larger, each the mean of those of the sky: nJy per sky pixel.

        Sources are those of the sky, at their places with their fluxes; the noise is drawn anew, as averaged
        pixels have it. InputError above `coarsest`.
        """
        check_level(level, self.coarsest)
        if level == 0 or self._learned is None:
            return Averaged(self, level)
        process = self._learned.endless.process
        if self._coarse is None or self._coarse.process is not process:
            self._coarse = placed(self._learned)
        return CoarseSky(self._learned, self._coarse, level)

    def observed(self, truth: np.ndarray, y0: int, x0: int) -> np.ndarray:
        """Return a noiseless window (band, y, x) of nJy as the sky observes it, (y0, x0) its first pixel."""
        return self._of_sources("observed").observed(truth, y0, x0)

    def rms(self, y0: int, y1: int, x0: int, x1: int) -> np.ndarray:
        """Return the rms of the noise of empty sky in a window, (band, y, x) float32 in nJy.

        Parameters
        ----------
        y0, y1, x0, x1 : int
            First row and one past the last, first column and one past the last, in pixels of the sky.
        """
        return self._of_sources("rms").rms((y0, y1, x0, x1))

    def painted_from(self) -> tuple[Any, ...]:
        """Return what decides the pixels beside seed and model: requests, edits, a user's sources."""
        if self._learned is None:
            return ("lattice", self.member, str(self.device))
        endless = self._learned.endless
        table = endless.process.sources if isinstance(endless.process, TableProcess) else None
        return (self._asked, endless.edits, table)

    def keeping(self, kept_bytes: float) -> Sky:
        """Return the same sky with stamps of its own kept in memory, at most so many bytes of them."""
        return self if self._learned is None else self._with(self._learned.endless.keeping(kept_bytes))

    def _field(self, image: np.ndarray, truth: np.ndarray | None, y0: int, x0: int) -> Field:
        model, scale = self.model, self.pixel_scale_arcsec
        header = {
            "MFMODEL": (model.name, "mockforge model that painted the field"),
            "MFSHA256": (model.sha256, "sha256 of its weights"),
            "MFMEMBER": (self.member, "member of its ensemble"),
            **place_cards(self.seed, y0, x0),
            **self._noise_cards(),
        }
        return Field(
            image=image,
            bands=model.bands,
            pixel_scale_arcsec=scale,
            psf_fwhm_arcsec=self.psf_fwhm_arcsec,
            truth=truth,
            wcs=sky_wcs(image.shape, scale, y0, x0) if scale else None,
            header=header,
        )

    def _noise_cards(self) -> dict[str, tuple[float, str]]:
        """FITS cards of each band's noise, by its number."""
        if self._learned is None:
            return {}
        asked, out = self._learned.control, {}
        depths = depths_ab(asked.noise, asked.grid) or (math.nan,) * len(self.bands)
        for i, (rms, depth) in enumerate(zip(asked.noise.rms_njy, depths, strict=True), 1):
            out[f"MFRMS{i}"] = (float(rms), f"[nJy] rms of the sky in band {i}")
            if math.isfinite(depth):
                out[f"MFDEPTH{i}"] = (float(depth), f"[mag] 5 sigma AB, point source, band {i}")
        return out
