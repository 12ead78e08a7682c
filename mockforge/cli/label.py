"""The command `label`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer

from mockforge.cli.arguments import numbers_of
from mockforge.cli.options import PsfFwhm, Quiet
from mockforge.cli.program import print_lines
from mockforge.cli.reading import Reading
from mockforge.cli.typed import settings_of
from mockforge.commands.label import label_image
from mockforge.commands.label_streamed import is_large, label_field
from mockforge.recipe.read import load_stage


@dataclass(frozen=True)
class Rule:
    """The detection rule, as it was typed."""

    threshold: Annotated[
        float | None, typer.Option(metavar="SIGMA", help="Detection threshold [5].", show_default=False)
    ] = None
    min_pixels: Annotated[
        int | None, typer.Option(metavar="N", help="Fewest pixels of a source [5].", show_default=False)
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting of the stage `detect`.", show_default=False
        ),
    ] = None

    def words(self) -> list[str]:
        """Return it as settings of the stage `detect`."""
        return settings_of(
            {
                "threshold": None if self.threshold is None else f"--threshold={self.threshold}",
                "min_pixels": None if self.min_pixels is None else f"--min-pixels={self.min_pixels}",
            },
            self.settings,
        )


def label(
    *,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    reading: Reading,
    psf_fwhm: PsfFwhm = None,
    rule: Rule,
    catalogue: Annotated[
        Literal["fits", "parquet"] | None,
        typer.Option(
            help="Label window by window, as large images are, with this catalogue [fits].",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option("--workers", "-w", min=1, metavar="N", help="Processes of a large image; same bytes."),
    ] = 1,
    quiet: Quiet = False,
) -> None:
    """Find and measure the sources of a real image.

    \b
      mockforge label g.fits r.fits Z.fits --out labels
      mockforge label field.fits --extensions SCI --zeropoint 25.94 --out labels
      mockforge label field.fits --threshold 3 --set background_mesh=128 --out labels
      mockforge label field.zarr --catalogue parquet --workers 4 --out labels

    Writes segmentation.fits, catalogue.ecsv, catalogue.fits, regions.reg (DS9), overlay.png.
    Above 4096 x 4096 pixels, and Zarr, window by window, without catalogue.ecsv; a run cut off continues.
    There blends are separated each by itself: members differ from those in memory (BLENDS in the headers).
    Without a zeropoint, in the header or given, fluxes stay in the image's own unit.
    """
    detection = load_stage("detect", rule.words())
    words = {**reading.keywords(), "psf_fwhm_arcsec": numbers_of("--psf-fwhm", psf_fwhm)}
    if catalogue is not None or is_large(images, **reading.keywords()):
        shown = {"catalogue": catalogue or "fits", "workers": workers, "quiet": int(quiet)}
        labelled = label_field(images, out, detection, **words, **shown)
    else:
        labelled = label_image(images, out, detection, **words)
    if not quiet:
        rms = ", ".join(
            f"{band} {value:.4g}" for band, value in zip(labelled.bands, labelled.sky_rms, strict=True)
        )
        unit = "the image's own unit" if labelled.unit == "native" else labelled.unit
        print(f"{labelled.objects} objects, {labelled.blended} of them blended; sky rms {rms} ({unit})")
        print_lines(f"{fact}: {text}" for fact, text in labelled.origin.items())
        print_lines(f"note: {note}" for note in labelled.notes)
    print_lines(labelled.files)
