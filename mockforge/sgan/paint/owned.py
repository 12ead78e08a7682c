"""What an endless sky tells of its sources, and how single ones are removed, changed and added."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from copy import copy
from typing import Any, Self

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.model import SganModel
from mockforge.sgan.paint.catalogue import catalogue_of
from mockforge.sgan.paint.learned import LearnedSky
from mockforge.sky.layers import Layer
from mockforge.sky.plane import ends
from mockforge.sky.stream import Written
from mockforge.sky.truth import Truth, check_asked, isolated_images, number_alone, truth_of


class OwnedSky(Written):
    """The part of a `Sky` that is about who owns its pixels; InputError where nobody does."""

    model: SganModel
    seed: int
    _learned: LearnedSky | None
    """None where the model is a lattice."""

    @property
    def bands(self) -> tuple[str, ...]:
        """Bands of its images."""
        return self.model.bands

    def sources(self, *window: Any) -> Any:
        """Return the sources that have light in a window, as an astropy Table with units.

        Parameters
        ----------
        *window
            y0, y1, x0, x1 in pixels of the sky, or the two slices `np.s_[y0:y1, x0:x1]`.

        Returns
        -------
        astropy.table.Table
            A row a source, in the order in which they are added up: `id`, place in pixels and degrees,
            `flux_<band>` in nJy and `mag_<band>`, all of its light; `r_e`, `q`, `pa`, `n`, `star`,
            `shaped`, `mirrored`, `latent`. `edit` takes it with other values.
        """
        learned, box = self._of_sources("sources"), _box(window)
        marks, ids = learned.endless.sources(*box), learned.endless.ids(*box)
        return catalogue_of(marks, ids, learned.how, self.seed)

    objects = sources

    def layers(self, *window: Any) -> Iterator[Layer]:
        """Yield the light of each of `sources(...)` inside a window, in the same order."""
        return self._of_sources("layers").layers(_box(window))

    def truth(self, *window: Any, isophote_njy: float | None = None, depth: int = 4) -> Truth:
        """Return the exact truth of a window: masks, shares, areas, blendedness; row i is `sources(...)[i]`.

        Parameters
        ----------
        *window
            As of `sources`.
        isophote_njy
            nJy per pixel of a source's own light, mean of the bands, that bounds its mask; by default
            half of the rms of the mean of the bands.
        depth
            Sources of a pixel that are distinguished.
        """
        learned, box = self._of_sources("truth"), _box(window)
        isophote = self.isophote_njy() if isophote_njy is None else isophote_njy
        check_asked(isophote, depth)
        kept = list(learned.layers(box))
        shape = (len(self.bands), box[1] - box[0], box[3] - box[2])
        return truth_of(lambda: kept, len(kept), shape, isophote, depth)

    def isolated(self, *window: Any, most: int | None = None) -> np.ndarray:
        """Return sources of a window alone, noiseless, and all others together.

        Parameters
        ----------
        *window
            As of `sources`.
        most
            At most so many, those with the most light in the window; by default all.

        Returns
        -------
        ndarray
            (M + 1, band, y, x) float32 nJy. Without `most` slot k is row k of `sources(...)`, with it they
            come from the brightest on; the last slot is the light of all others.
        """
        learned, box = self._of_sources("isolated"), _box(window)
        number_alone(most, 0)  # before anything is painted
        kept = list(learned.layers(box))
        shape = (len(self.bands), box[1] - box[0], box[3] - box[2])
        order = np.arange(len(kept))
        if most is not None:
            light = np.array([layer.own_light().sum(dtype=np.float64) for layer in kept])
            order = np.argsort(-light, kind="stable")
        return isolated_images(lambda: kept, shape, order, number_alone(most, len(kept)))

    def isophote_njy(self, sigma: float = 0.5) -> float:
        """Return `sigma` times the rms of empty sky in a pixel of the mean of the bands, nJy."""
        return self._of_sources("isophote_njy").isophote_njy(sigma)

    def without(self, ids: str | Iterable[str]) -> Self:
        """Return the same sky without a source, or several, of these ids.

        Pixels that none of them has light in keep their bits, noise and all. InputError for an id that no
        source has.
        """
        return self._with(self._of_sources("without").endless.without(ids))

    def edit(self, table: Any) -> Self:
        """Return the same sky with single sources moved, dimmed, sheared, otherwise changed, or added.

        Parameters
        ----------
        table
            An astropy Table or a dict of columns, a row each source: its `id` and what is other than it
            was, or the table of `sources(...)` with other values. `flux_factor`, `size_factor`, `g1` and
            `g2` change what is there. Rows with an empty id, or without one, are new sources, as those of
            `Sky(..., sources=)`.

        Returns
        -------
        Sky
            Pixels that none of the sources has, or had, light in keep their bits, noise and all.

        Raises
        ------
        InputError
            For an id that no source has, a column that cannot be changed, and values that no source can
            have.
        """
        return self._with(self._of_sources("edit").endless.edit(table))

    def _with(self, endless: Any) -> Self:
        other = copy(self)
        other._learned = self._of_sources("edit").of(endless)
        return other

    def _of_sources(self, what: str) -> LearnedSky:
        """Return the learned sky; InputError where the model is a lattice, whose pixels have no owners."""
        if self._learned is None:
            raise InputError(
                f"{what}: {self.model.name} paints observed pixels that have no owners; choose a model of "
                "the network `forge`, or find sources by detection"
            )
        return self._learned


def _box(window: tuple[Any, ...]) -> tuple[int, int, int, int]:
    """y0, y1, x0, x1 of four numbers or two slices; InputError for anything else."""
    if len(window) == 4:
        window = (slice(window[0], window[1]), slice(window[2], window[3]))
    return ends(window[0] if len(window) == 1 else window)
