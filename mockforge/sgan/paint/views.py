"""A learned sky shown to several telescopes: the same sources, each in its bands, pixels, PSF and noise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from mockforge.rng import Stream
from mockforge.sgan.forge import ForgeModel
from mockforge.sgan.instrument.noise import NoiseField
from mockforge.sgan.instrument.noise_sky import NoiseSky
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.paint.control import Control
from mockforge.sgan.paint.sample import marks_columns
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.sources.process import CELL, LARGEST, LearnedProcess
from mockforge.sky.views import Frame, Seen


@dataclass(frozen=True, eq=False)
class LearnedViews:
    """An endless learned sky, its sources drawn once on the model's own grid.

    `controls` are what each view is painted and observed with, `bands` which of the model's it has.
    """

    model: ForgeModel
    controls: tuple[Control, ...]
    bands: tuple[tuple[str, ...], ...]
    names: tuple[str, ...]
    seed: int

    @property
    def native_scale(self) -> float:
        """Pixel scale in arcsec that places are drawn on."""
        return float(self.model.pixel_scale_arcsec or 1.0)

    @cached_property
    def _process(self) -> LearnedProcess:
        return LearnedProcess(self.controls[0].sources, Stream(self.seed, ("sky",)), self._painters[0].sides)

    @cached_property
    def _columns(self) -> tuple[list[int], ...]:
        return tuple([self.model.bands.index(band) for band in own] for own in self.bands)

    @cached_property
    def _painters(self) -> tuple[_SomeBands, ...]:
        return tuple(
            _SomeBands(
                SourcePainter(
                    c.psf, self.model.modulation, c.edge_njy, c.grid.pixels_per_native, c.pixels_per_psf
                ),
                columns,
            )
            for c, columns in zip(self.controls, self._columns, strict=True)
        )

    @cached_property
    def _noise(self) -> tuple[NoiseSky, ...]:
        """Each view's noise: it is no other's."""
        return tuple(
            NoiseSky(_of_bands(c.noise, columns), Stream(self.seed, ("view", name, "noise")))
            for c, columns, name in zip(self.controls, self._columns, self.names, strict=True)
        )

    def near(self, y0: int, x0: int, side: int) -> tuple[Marks, np.ndarray]:
        """Return the sources that can have light in a tile in any view, and their ids.

        The tile begins at pixel (y0, x0) of the model's own grid and has `side` of its pixels. Ids are
        cell y/cell x/row.
        """
        coarsest = min(control.grid.pixels_per_native for control in self.controls)
        far = int(np.ceil((LARGEST[-1] // 2 + 1) / coarsest)) + 2
        rows, columns = (range((n - far) // CELL, (n + side + far) // CELL + 1) for n in (y0, x0))
        parts, ids = [], []
        for cy in rows:
            for cx in columns:
                cell = self._process.native(cy, cx)
                parts.append(cell)
                ids += [f"{cy}/{cx}/{row}" for row in range(len(cell))]
        marks = Marks.together(parts)
        inside = (
            (marks.y > y0 - far) & (marks.y < y0 + side + far)
            & (marks.x > x0 - far) & (marks.x < x0 + side + far)
        )  # fmt: skip
        return marks.rows(inside), np.array(ids, dtype=np.str_)[inside]

    def seen(
        self, view: int, frame: Frame, marks: Marks, corner: tuple[float, float], isophote_njy: float
    ) -> Seen[Marks]:  # type: ignore
        """Return a view of sources; `corner` (y, x) is the tile's outer edge in pixels of the native grid."""
        y, x = (
            frame.places((place + 0.5 - edge) * self.native_scale)
            for place, edge in ((marks.y, corner[0]), (marks.x, corner[1]))
        )
        return Seen.of(self._painters[view], marks.replace(x=x, y=y), frame, isophote_njy)

    def observed(self, view: int, truth: np.ndarray, y: int, x: int) -> np.ndarray:
        """Return a noiseless tile of a view as it is observed; (y, x) is where its noise is drawn."""
        return self._noise[view].observed(truth, y, x)

    def sky_rms(self, view: int) -> np.ndarray | None:
        """Rms of empty sky (C,) nJy."""
        return self._noise[view].field.rms_njy.astype(np.float32)

    def psf_fwhm_arcsec(self, view: int) -> tuple[float, ...] | None:
        """FWHM of stars per band, pixel included."""
        fwhm = self.controls[view].psf_fwhm_arcsec
        return None if fwhm is None else tuple(fwhm[i] for i in self._columns[view])

    def flux(self, marks: Marks) -> dict[str, np.ndarray]:
        """Return the flux (N,) nJy in each of the model's bands."""
        return {band: marks.flux[:, i] for i, band in enumerate(self.model.bands)}

    def marks(self, marks: Marks) -> dict[str, np.ndarray]:
        """Return the other marks of sources, as the table `objects` has them."""
        return marks_columns(marks, self.native_scale, 1.0)


@dataclass(frozen=True, eq=False)
class _SomeBands:
    """A painter of some of the bands."""

    painter: SourcePainter
    columns: Sequence[int]

    @property
    def bands(self) -> int:
        return len(self.columns)

    @property
    def one_by_one(self) -> bool:
        return self.painter.one_by_one

    def sides(self, sources: Marks) -> np.ndarray:
        return self.painter.sides(sources)

    def footprints(self, sources: Marks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.painter.footprints(sources)

    def paint(self, sources: Marks, side: int | None = None) -> np.ndarray:
        return self.painter.paint(sources, side)[:, list(self.columns)]


def _of_bands(noise: NoiseField, columns: Sequence[int]) -> NoiseField:
    """Return the noise of some of the bands."""
    i = list(columns)
    return replace(
        noise, kernels=noise.kernels[:, :, i], tail=noise.tail[i],
        electrons_per_njy=noise.electrons_per_njy[i], saturation_njy=noise.saturation_njy[i],
    )  # fmt: skip
