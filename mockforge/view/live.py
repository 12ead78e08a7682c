"""An endless sky for a browser: tiles, objects and outlines of any place, made when they are requested."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.label.detect import detect
from mockforge.label.rule import DetectionRule
from mockforge.sky.kept import Kept
from mockforge.sky.told_apart import digest_of
from mockforge.view.colour import Colours, colours_of
from mockforge.view.config import (
    DEFAULT_STRETCH,
    ENDLESS_LEVEL,
    STRETCHES,
    TILE,
    LayerOf,
    ObjectsOf,
    ViewConfig,
    panel_of,
)
from mockforge.view.layered import PaintedSky
from mockforge.view.outlines import segments_of
from mockforge.view.panel import colour_facts, facts_of, tangent_of
from mockforge.view.rows import Place, Rows, rows_of
from mockforge.view.tiles import png_of

HALF = 2 ** (ENDLESS_LEVEL - 1)
"""The picture's middle is pixel (0, 0) of the sky: its first column is that of x = -HALF."""
MEASURED = 640
"""Side in pixels of the part of the sky on which its level and noise are measured."""
_MARGIN = 64
"""Pixels about a tile in which detection looks on: its background mesh."""
_FARTHEST_ROWS = 2
"""Objects are shown down to this level of coarseness; farther out there are too many."""
_KEPT = 2**28
"""Bytes of painted tiles kept: another stretch or layer of them is shown at once."""


@dataclass(frozen=True)
class TileAt:
    """A Deep Zoom tile of the endless picture."""

    level: int
    col: int
    row: int

    @property
    def coarseness(self) -> int:
        """k: a pixel of the tile is 2^k of the sky's a side."""
        return ENDLESS_LEVEL - self.level

    @property
    def window(self) -> tuple[int, int, int, int]:
        """y0, y1, x0, x1 in pixels of the tile's level; y runs up, rows of tiles run down."""
        edge = HALF >> self.coarseness
        y1, x0 = edge - self.row * TILE, self.col * TILE - edge
        return y1 - TILE, y1, x0, x0 + TILE

    def on_sky(self) -> tuple[int, int, int, int]:
        """Return the same in pixels of the sky."""
        y0, y1, x0, x1 = (v << self.coarseness for v in self.window)
        return y0, y1, x0, x1


class NoTile(Exception):
    """What was requested is nowhere on the sky, or not painted at that scale."""


class LiveSky:
    """What a browser is shown of an endless sky; several threads may ask at once.

    Parameters
    ----------
    sky : Sky or Scene
        Gives windows, coarse pixels, sources and truth.
    name : str
        Of the model or recipe.
    bands : sequence of str, optional
        Bands in red, green and blue; by default chosen by wavelength.
    """

    def __init__(self, sky: Any, name: str, bands: Sequence[str] | None = None) -> None:
        self.sky, self.name = sky, name
        self._lock = threading.Lock()
        self._flux: Kept[np.ndarray] = Kept(_KEPT, lambda flux: flux.nbytes)
        self._coarse = {k: sky.coarse(k) for k in range(1, sky.coarsest + 1)}
        self._preview = sky.preview().pixels if hasattr(sky, "preview") else None
        self._sample = sky[0:TILE, 0:TILE]
        self.colours: Colours = colours_of(PaintedSky(sky, MEASURED), bands)

    @cached_property
    def owned(self) -> bool:
        """Whether the sky knows its sources."""
        return self._sample.truth is not None

    def config(self, stretches: Sequence[str] | None = None) -> ViewConfig:
        """Return what the page is told; the first of `stretches` is shown first."""
        field = self._sample
        plane, _ = tangent_of(field.wcs, *field.image.shape[1:])
        names = tuple(stretches or STRETCHES)
        coarsest = self.sky.coarsest
        weights = getattr(self.sky.model, "sha256", "")
        told = (self.name, weights, str(self.sky), repr(self.colours))
        mark = digest_of(*told, *self.sky.painted_from())[:12]  # browsers keep tiles of other skies
        tiles = "{level}/{col}_{row}"
        detected = ObjectsOf(
            "detected", f"objects/detected/{tiles}.json?of={mark}", ENDLESS_LEVEL, ENDLESS_LEVEL
        )
        least = ENDLESS_LEVEL - min(_FARTHEST_ROWS, coarsest)
        true = ObjectsOf("true", f"objects/true/{tiles}.json?of={mark}", ENDLESS_LEVEL, least)
        outlines = ObjectsOf("true", f"outlines/true/{tiles}.json?of={mark}", ENDLESS_LEVEL, ENDLESS_LEVEL)
        facts = facts_of(field.header, field.bands, field.psf_fwhm_arcsec, field.pixel_scale_arcsec)
        named = [("model", self.name) if label == "model" else (label, value) for label, value in facts]
        return ViewConfig(
            title=f"{self.name}, seed {self.sky.seed}",
            mode="live",
            width=2 * HALF,
            height=2 * HALF,
            max_level=ENDLESS_LEVEL,
            min_level=ENDLESS_LEVEL - coarsest,
            endless=True,
            origin=(-HALF, -HALF),
            layers=tuple(
                LayerOf(layer, f"tiles/{i}_files/{tiles}.png?stretch={{stretch}}&of={mark}")
                for i, layer in enumerate(self.colours.layers)
            ),
            stretches=names,
            stretch=names[0] if stretches else DEFAULT_STRETCH,
            pixel_scale_arcsec=field.pixel_scale_arcsec,
            wcs=plane,
            panel=panel_of([*named, *colour_facts(self.colours.shown), *self._limits()]),
            objects=(true, detected) if self.owned else (detected,),
            outlines=(outlines,) if self.owned else (),
            start=(0.0, 0.0, 1.0),
        )

    def tile(self, layer: int, stretch: str, at: TileAt) -> bytes:
        """Return a PNG of a tile in a layer, by its number, and a stretch.

        Raises
        ------
        NoTile
            Where there is none.
        """
        if not 0 <= layer < len(self.colours.layers) or stretch not in STRETCHES:
            raise NoTile
        flux = self._painted(at)
        picture = self.colours.rgb(flux, self.colours.layers[layer], stretch, 2**at.coarseness)
        return png_of(picture)

    def objects(self, kind: str, at: TileAt) -> str:
        """Return the objects whose place is in a tile as JSON, the brightest first; `kind` true or detected.

        Raises
        ------
        NoTile
            Where there are none to be had.
        """
        _check(at, min(_FARTHEST_ROWS, self.sky.coarsest) if kind == "true" else 0)
        if kind == "true" and self.owned:
            rows = self._true(at)
        elif kind == "detected":
            rows = self._detected(at)
        else:
            raise NoTile
        return '{"columns":[],"rows":[]}' if rows is None else rows.tile(_inside(rows, at))

    def outlines(self, at: TileAt) -> str:
        """Return the edges of true masks in a tile as JSON. NoTile where there are none to be had."""
        _check(at, 0)
        if not self.owned:
            raise NoTile
        y0, y1, x0, x1 = at.on_sky()
        with self._lock:
            visible = self.sky.truth(y0, y1 + 1, x0, x1 + 1).visible
        ys = y1 + 0.5 - np.arange(TILE + 2)  # upper edges of rows, from the one above the tile on
        segments = segments_of(visible[::-1], x0 - 0.5 + np.arange(TILE + 2), ys)
        return json.dumps([{"id": f"{at.col}_{at.row}", "segments": segments}] if segments else [])

    def _painted(self, at: TileAt) -> np.ndarray:
        """Flux of a tile, (band, y, x); painted once."""
        _check(at, self.sky.coarsest)
        known = self._flux.known(at)
        if known is not None:
            return known
        with self._lock:  # one paints: what two would paint at once takes each of them twice as long
            known = self._flux.known(at)
            if known is not None:
                return known
            if at.coarseness:
                flux = self._coarse[at.coarseness].pixels(*at.window)
            else:
                flux = self._preview(*at.window) if self._preview else self.sky.pixels(*at.window)[0]
            return self._flux.keep(at, flux)

    def _true(self, at: TileAt) -> Rows | None:
        with self._lock:
            table = (self.sky.sources if hasattr(self.sky, "sources") else self.sky.objects)(*at.on_sky())
        return self._rows(table, (0.0, 0.0)) if len(table) else None

    def _detected(self, at: TileAt) -> Rows | None:
        """Objects that are found in a tile with a margin about it."""
        from astropy.table import Table

        y0, y1, x0, x1 = at.on_sky()
        y0, y1, x0, x1 = y0 - _MARGIN, y1 + _MARGIN, x0 - _MARGIN, x1 + _MARGIN
        field = self._sample
        with self._lock:
            image = self.sky.pixels(y0, y1, x0, x1)[0]
            try:
                found = detect(
                    image,
                    DetectionRule(),
                    bands=field.bands,
                    pixel_scale_arcsec=field.pixel_scale_arcsec,
                    psf_fwhm_arcsec=field.psf_fwhm_arcsec,
                    zeropoint_ab=field.zeropoint_ab,
                )
            except InputError:  # a sky without noise, above which nothing can be significant
                return None
        columns = {name: values for name, values in found.table.items() if name != "label"}
        if not len(columns["x"]):
            return None
        places = zip(columns["x"] + x0, columns["y"] + y0, strict=True)
        columns["id"] = np.array([f"{x:.0f}/{y:.0f}" for x, y in places])
        return self._rows(Table(columns), (-float(x0), -float(y0)))

    def _rows(self, table: Any, offset: tuple[float, float]) -> Rows:
        scale = self._sample.pixel_scale_arcsec
        return rows_of(table, Place(scale, None, offset, tuple(self._sample.bands)))

    def _limits(self) -> list[tuple[str, Any]]:
        """Return what the page says of scales."""
        k = self.sky.coarsest
        said = f"to 1 : {2**k}; all sources at every scale"
        quick = [("galaxies", "drawn to a few percent; windows and files are exact")] if self._preview else []
        return [*quick, ("zoom out", said if self.owned else f"to 1 : {2**k}; means of painted pixels")]


def _check(at: TileAt, coarsest: int) -> None:
    """NoTile for one that is beyond the picture or coarser than that."""
    if not 0 <= at.coarseness <= coarsest:
        raise NoTile
    count = -(-(2 * HALF >> at.coarseness) // TILE)
    if not (0 <= at.col < count and 0 <= at.row < count):
        raise NoTile


def _inside(rows: Rows, at: TileAt) -> np.ndarray:
    """Numbers of the rows whose place is in a tile."""
    y0, y1, x0, x1 = at.on_sky()
    x, y = rows.drawn["x"] + 0.5, rows.drawn["y"] + 0.5
    return np.flatnonzero((x >= x0) & (x < x1) & (y >= y0) & (y < y1))
