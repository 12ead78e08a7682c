"""Sky: an endless, random-access field painted by a trained SGAN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.field.field import Field
from mockforge.sgan.lattice.tiles import LatticeTiles
from mockforge.sgan.model import SganModel, load_model
from mockforge.sgan.paint.control import check_lattice
from mockforge.sky.place import place_cards, sky_wcs
from mockforge.sky.plane import ends
from mockforge.train.parallel import usable


class Sky:
    """An endless field: `sky[y0:y1, x0:x1]` is a Field of observed pixels in nJy.

    Any window, in any order, from any process, has the same pixels to the last bit on one kind
    of device. Coordinates may be negative.

    Parameters
    ----------
    model
        A bundled model's name, a path, or a model.
    seed
        Chooses one of endless skies.
    device
        Where the network runs: cpu, cuda, cuda:1, ... or auto.
    kept_tiles
        Tiles kept in memory.
    member
        0, 1, ...: one of a lattice model's ensemble; by default the seed chooses.
    """

    def __init__(
        self,
        model: str | Path | SganModel,
        seed: int = 0,
        device: str = "cpu",
        kept_tiles: int = 16,
        *,
        member: int | None = None,
        **asked: Any,
    ) -> None:
        self.model = model if isinstance(model, SganModel) else load_model(model)
        self.seed, self.device, self.kept_tiles = seed, usable(device), kept_tiles
        check_lattice(self.model, **asked)
        self._tiles = LatticeTiles(self.model, seed, self.device, member, kept_tiles)

    @property
    def member(self) -> int:
        """Member of the ensemble that paints."""
        return self._tiles.member

    def __repr__(self) -> str:
        model = self.model
        scale = f', {model.pixel_scale_arcsec:g}" per pixel' if model.pixel_scale_arcsec else ""
        return (
            f"<mockforge.Sky, model {model.name!r}, seed {self.seed}: endless painted sky in "
            f"{', '.join(model.bands)}{scale}\n"
            f" observed pixels, member {self.member} of {model.n_members}; sky[y0:y1, x0:x1] is a Field>"
        )

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
        return self._tiles.pixels(y0, y1, x0, x1, advance), None

    def _field(self, image: np.ndarray, truth: np.ndarray | None, y0: int, x0: int) -> Field:
        model = self.model
        header = {
            "MFMODEL": (model.name, "mockforge model that painted the field"),
            "MFSHA256": (model.sha256, "sha256 of its weights"),
            "MFMEMBER": (self.member, "member of its ensemble"),
            **place_cards(self.seed, y0, x0),
        }
        wcs = None
        if model.pixel_scale_arcsec:
            wcs = sky_wcs(image.shape, model.pixel_scale_arcsec, y0, x0)
        return Field(
            image=image,
            bands=model.bands,
            pixel_scale_arcsec=model.pixel_scale_arcsec,
            psf_fwhm_arcsec=model.psf_fwhm_arcsec,
            truth=truth,
            wcs=wcs,
            header=header,
        )
