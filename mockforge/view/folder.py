"""The viewer of a file: a folder whose index.html opens from disk, without server and network."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from dataclasses import field as dataclass_field
from pathlib import Path
from typing import Any, Protocol

from mockforge._version import __version__
from mockforge.errors import InputError
from mockforge.files import from_home
from mockforge.mosaic.labels import LabelWindow, open_labels, own_labels
from mockforge.mosaic.read import Mosaic
from mockforge.view.colour import Colours, Pixels, colours_of
from mockforge.view.config import (
    DEFAULT_STRETCH,
    PAGE,
    PAGE_FILES,
    STRETCHES,
    GridOf,
    LayerOf,
    ViewConfig,
    panel_of,
)
from mockforge.view.marks import SAMPLES, write_objects, write_outlines
from mockforge.view.panel import colour_facts, facts_of, tangent_of
from mockforge.view.rows import Place, Rows, inside, read_table, rows_of
from mockforge.view.tiles import Levels, TileWriter, encoder, layer_folder

MARK = "mockforge-view.json"
"""The file by which a folder is known to be a viewer of ours."""


class Viewed(Pixels, Protocol):
    """A field as a viewer needs it: a `Mosaic`."""

    @property
    def wcs(self) -> Any:
        """Return an astropy WCS, or None."""
        ...

    @property
    def pixel_scale_arcsec(self) -> float | None:
        """Return the side of a pixel, where it is known."""
        ...

    @property
    def psf_fwhm_arcsec(self) -> Sequence[float] | None:
        """Return the FWHM of the PSF in each band, where it is known."""
        ...

    @property
    def header(self) -> Mapping[str, Any]:
        """Return further cards."""
        ...


@dataclass(frozen=True)
class FolderLook:
    """How a folder shows a field."""

    stretches: Sequence[str] = ()
    """Names in `STRETCHES`, a set of tiles each; the first is shown first. None named: all."""
    bands: Sequence[str] | None = None
    """In red, green and blue."""
    detected: Path | None = None
    """A catalogue of detected objects."""
    true: Path | None = None
    """A catalogue of true ones."""
    masks: Path | None = None
    """Labels in FITS or Zarr, whose outlines are drawn beside those of the field's own planes."""
    tell: Callable[[str], None] = lambda sentence: None
    """Is called with what the user should know of it, such as objects that are not shown."""


@dataclass(frozen=True)
class Shown:
    """A field, its colours and what lies on it."""

    field: Viewed
    title: str
    colours: Colours
    stretches: Sequence[str] = ()
    objects: Mapping[str, Rows] = dataclass_field(default_factory=dict)
    """`true`, `detected`, ... -> rows on the field."""
    outlines: Mapping[str, LabelWindow] = dataclass_field(default_factory=dict)
    """Name -> windows of labels."""
    facts: Sequence[tuple[str, Any]] = ()
    """First lines of the panel; none: the size of the field."""
    reach: float = 0.0
    """Pixels that a sample reaches beyond its middle."""


def check_folder(out: str | Path) -> Path:
    """Return where a viewer is written; InputError where something else is there already."""
    out = from_home(out)
    if out.is_dir():
        if any(out.iterdir()) and not (out / MARK).is_file():
            raise InputError(
                f"{out}: already exists and is no viewer of mockforge, not overwritten; choose another --out"
            )
    elif out.exists():
        raise InputError(f"{out}: is a file, a folder is expected; choose another --out")
    return out


def write_view(
    field: Viewed,
    out: str | Path,
    title: str,
    look: FolderLook | None = None,
    advance: Callable[[int], None] = lambda pixels: None,
) -> Path:
    """Write a folder that shows a field in a browser.

    Parameters
    ----------
    field : Viewed
        What gives windows of the field: an `open_field(path)`. It is read once, a window at a time.
    out : str or Path
        The folder. It appears whole or not at all; an older viewer there is replaced.
    title : str
        What the page calls the field.
    look : FolderLook, optional
        Stretches, bands, objects and masks.
    advance
        Is called with the number of pixels done since the last call.

    Returns
    -------
    Path
        The page, `out`/index.html.

    Raises
    ------
    InputError
        Where a catalogue, mask or band is not one of this field, and where `out` is something else's.
    """
    look, out = look or FolderLook(), check_folder(out)
    _, height, width = field.shape
    levels, colours = Levels(height, width), colours_of(field, look.bands)
    catalogues = {
        name: _rows(path, field, levels, None if name == "true" else look.tell)
        for name, path in (("true", look.true), ("detected", look.detected))
        if path is not None
    }
    with ExitStack() as files:
        outlines = _own(field, files)
        if look.masks is not None:
            outlines["masks"] = files.enter_context(open_labels(from_home(look.masks), (height, width)))
        shown = Shown(field, title, colours, look.stretches, catalogues, outlines)
        return write_shown(shown, out, advance)


def write_shown(
    shown: Shown, out: Path, advance: Callable[[int], None] = lambda pixels: None, grid: GridOf | None = None
) -> Path:
    """Write the folder of what is shown; it appears whole or not at all. Returns its index.html.

    Parameters
    ----------
    shown : Shown
        The field and what lies on it.
    out : Path
        As `check_folder` returned it.
    advance
        Is called with the number of pixels done since the last call.
    grid : GridOf, optional
        The grid that its samples lie on.
    """
    levels = Levels(*shown.field.shape[1:])
    part = out.with_name(f"{out.name}.part")
    if part.exists():
        shutil.rmtree(part)
    try:
        part.mkdir(parents=True)
        config = replace(
            _config(shown, levels),
            outlines=tuple(write_outlines(part, n, window, levels) for n, window in shown.outlines.items()),
            objects=tuple(
                write_objects(part, n, rows, levels, shown.reach if n == SAMPLES else 0.0)
                for n, rows in shown.objects.items()
            ),
            grid=grid,
        )
        tiles = TileWriter(shown.field, shown.colours, part / "tiles", config.stretches, encoder(), advance)
        tiles.write()
        _write_page(part, config)
        swap(part, out)
    finally:
        with suppress(OSError):
            shutil.rmtree(part, ignore_errors=True)
    return out / "index.html"


def write_page(folder: Path, config: ViewConfig) -> None:
    """Write the page's own files and its configuration into a folder."""
    for name in PAGE_FILES:
        shutil.copyfile(PAGE / name, folder / name)
    (folder / "config.js").write_text(config.script(), encoding="utf-8")


def _write_page(folder: Path, config: ViewConfig) -> None:
    write_page(folder, config)
    mark = {"made_by": f"mockforge {__version__}", "title": config.title, "open": "index.html"}
    (folder / MARK).write_text(json.dumps(mark, indent=1) + "\n", encoding="utf-8")


def swap(part: Path, out: Path) -> None:
    """Put a finished folder in the place of an older viewer, which goes when the new one is there."""
    old = out.with_name(f"{out.name}.old")
    if old.exists():
        shutil.rmtree(old)
    if out.exists():
        out.rename(old)
    try:
        part.rename(out)
    except OSError:
        if old.exists():
            old.rename(out)
        raise
    if old.exists():
        shutil.rmtree(old)


def _config(shown: Shown, levels: Levels) -> ViewConfig:
    field, colours = shown.field, shown.colours
    stretches = tuple(dict.fromkeys(shown.stretches or STRETCHES))
    plane, error = tangent_of(field.wcs, levels.height, levels.width)
    facts = [
        *(shown.facts or [("size", f"{levels.width} × {levels.height} px")]),
        *facts_of(field.header, field.bands, field.psf_fwhm_arcsec, field.pixel_scale_arcsec),
        *(colour_facts(colours.shown) if len(colours.bands) > 1 else []),
        ("RA, Dec", f"to {error:.2g}″: a plane instead of the WCS" if error > 0.01 else None),
    ]
    urls = {
        layer: "tiles/" + layer_folder(colours, layer, "{stretch}") + "/{level}/{col}_{row}.jpg"
        for layer in colours.layers
    }
    return ViewConfig(
        title=shown.title,
        mode="folder",
        width=levels.width,
        height=levels.height,
        max_level=levels.top,
        layers=tuple(LayerOf(layer, url) for layer, url in urls.items()),
        stretches=stretches,
        stretch=DEFAULT_STRETCH if not shown.stretches else stretches[0],
        pixel_scale_arcsec=field.pixel_scale_arcsec,
        wcs=plane,
        panel=panel_of(facts),
    )


def _own(field: Viewed, files: ExitStack) -> dict[str, LabelWindow]:
    """Return the labels and the mask that a field on disk has of its own, by their names."""
    if not isinstance(field, Mosaic):
        return {}
    own = dict(files.enter_context(own_labels(field.path, field.shape[1:])))
    if "mask" in field.planes:
        own["mask"] = field.pixels.masked
    return own


def _rows(path: Path, field: Viewed, levels: Levels, tell: Callable[[str], None] | None) -> Rows:
    """Return the objects of a catalogue that are on the field, and `tell` how many are not.

    None: those of the sky that the field was painted from, of which some lie beyond its edges.
    """
    cards = {key: value[0] if isinstance(value, tuple) else value for key, value in field.header.items()}
    offset = (float(cards.get("MFX0", 0)), float(cards.get("MFY0", 0))) if tell is None else (0.0, 0.0)
    place = Place(field.pixel_scale_arcsec, field.wcs, offset, tuple(field.bands))
    table = read_table(path)
    placed = rows_of(table, place, str(path))
    rows = inside(placed, levels)
    if not len(rows):
        raise InputError(f"{path}: none of its objects is on the field; give a catalogue of this field")
    if len(rows) < len(table) and tell is not None:
        reasons = (
            (len(table) - len(placed), "without a place (NaN)"),
            (len(placed) - len(rows), "outside of the field"),
        )
        words = ", ".join(f"{count:,} {what}" for count, what in reasons if count)
        tell(f"{path}: {len(rows):,} of its {len(table):,} objects are shown; left out: {words}")
    return rows
