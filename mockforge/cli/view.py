"""The command `view`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import words_of
from mockforge.cli.options import Quiet
from mockforge.cli.program import print_lines
from mockforge.cli.typed import refuse
from mockforge.commands.view import Looked, kind_of, view_thing
from mockforge.view.server import PORT


@dataclass(frozen=True)
class Pictures:
    """What is made instead of a viewer, as it was typed."""

    layered: Annotated[
        Path | None,
        typer.Option(
            metavar="PNG", help="Crops at many scales, combined in one picture.", show_default=False
        ),
    ] = None
    flight: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="A short flight, .mp4 or .gif; down to an endless sky from far out.",
            show_default=False,
        ),
    ] = None
    hips: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="A field as HiPS, which Aladin opens.", show_default=False),
    ] = None


@dataclass(frozen=True)
class Served:
    """How a live sky is served, as it was typed."""

    port: Annotated[
        int, typer.Option(metavar="P", min=0, max=65535, help="Of a live sky's server; 0: any free one.")
    ] = PORT
    browser: Annotated[bool, typer.Option("--open", help="Open a browser on a live sky.")] = False


@dataclass(frozen=True)
class Shown:
    """How it is shown, as it was typed."""

    stretch: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="faint, normal, bright: the first is shown first; a folder holds those named [all].",
            show_default=False,
        ),
    ] = None
    bands: Annotated[
        str | None,
        typer.Option("--bands", metavar="R,G,B", help="Bands in red, green, blue.", show_default=False),
    ] = None
    objects: Annotated[
        Path | None,
        typer.Option(metavar="CATALOGUE", help="Objects of a file: FITS, ECSV, Parquet.", show_default=False),
    ] = None
    masks: Annotated[
        Path | None,
        typer.Option(
            metavar="LABELS",
            help="Masks whose outlines are shown, FITS or Zarr: segmentation.fits; a field's own are always.",
            show_default=False,
        ),
    ] = None


def view(
    context: typer.Context,
    *,
    what: Annotated[
        str,
        typer.Argument(
            metavar="WHAT",
            help="A FITS or Zarr file, a dataset's folder; a model's name or file, or a scene's recipe.",
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="DIR",
            help="Folder of the viewer of a file or a dataset.",
            show_default=False,
        ),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the sky of a model or scene.")] = 1,
    served: Served,
    shown: Shown,
    pictures: Pictures,
    quiet: Quiet = False,
) -> None:
    """Look at a field of any size or an endless sky in a browser, or make a picture or a flight of it.

    \b
      mockforge view field.fits --out viewer
      mockforge view field.fits --objects labels/catalogue.fits --masks labels/segmentation.fits
      mockforge view datasets/segmentation
      mockforge view kids-viking --seed 7
      mockforge view scene_xdf_like --port 9000 --open
      mockforge view kids-viking --layered layered.png
      mockforge view field.fits --flight flight.mp4
      mockforge view field.fits --hips hips

    Of a file it writes a folder whose index.html opens from disk in any browser, with neither server
    nor network. White is a flat spectrum, and one stretch holds for the whole field: pixels of coarser
    scales are means of flux. Each stretch is a set of tiles of its own; `--stretch normal` alone takes a
    third of the disk. The samples of a dataset lie on a grid, each with its number, its objects and masks.
    A model or a scene is served on 127.0.0.1, painted as you pan and zoom, endless
    in every direction, nothing stored; Ctrl-C ends it.
    """
    kind, is_picture = kind_of(what), pictures.layered is not None or pictures.flight is not None
    if is_picture:
        refuse(context, ["out", "port", "browser"], "for a viewer; --layered and --flight name their file")
    elif kind in ("file", "dataset"):
        refuse(context, ["seed", "port", "browser"], f"for a model or a scene; {what} is a {kind}")
    print_lines(
        view_thing(
            what,
            Looked(
                out=out,
                seed=seed,
                port=served.port,
                browser=served.browser,
                stretches=words_of(shown.stretch),
                bands=words_of(shown.bands),
                objects=shown.objects,
                masks=shown.masks,
                layered=pictures.layered,
                flight=pictures.flight,
                hips=pictures.hips,
                quiet=quiet,
            ),
        )
    )
