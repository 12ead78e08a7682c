"""The command `redshift`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_files, numbers_of
from mockforge.cli.options import PsfFwhm, Results, Running
from mockforge.cli.program import print_lines
from mockforge.cli.reading import IMAGE, Reading, print_origins
from mockforge.cli.typed import refuse
from mockforge.commands.redshift import redshifted, stamp_of
from mockforge.commands.redshift_picture import redshift_picture
from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.field.field import Field
from mockforge.tasks.redshifter import pairs
from mockforge.tasks.redshifter.model import load_redshifter


@dataclass(frozen=True)
class Redshifts:
    """Which galaxy, from where to where, as it was typed."""

    z_in: Annotated[
        float | None, typer.Option(metavar="Z", help="Redshift of the galaxy.", show_default=False)
    ] = None
    z_out: Annotated[
        float | None, typer.Option(metavar="Z", help="Redshift to predict.", show_default=False)
    ] = None
    center: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y",
            help="Pixel, from 0, of the galaxy in an image larger than the stamp; or middle.",
            show_default=False,
        ),
    ] = None


@dataclass(frozen=True)
class DatasetRow:
    """A pair of a dataset, as it was typed."""

    row: Annotated[
        int | None, typer.Option(metavar="N", min=0, help="Pair of a dataset.", show_default=False)
    ] = None
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of a dataset.")] = "test"

    def read(self, dataset: list[Path]) -> pairs.Pair:
        """Return the pair of the one dataset that was named."""
        if len(dataset) != 1 or self.row is None:
            raise InputError(f"--row: of one dataset of pairs, found {len(dataset)} files")
        return pairs.read_pair(dataset[0], self.split, self.row)


@dataclass(frozen=True)
class Galaxy(Reading):
    """How the image of the galaxy is read, as it was typed."""

    psf_fwhm: PsfFwhm = None

    def read(self, images: Sequence[Path]) -> Field:
        """Return the image in nJy, with the width of its PSF where that was given."""
        field = super().read(images)
        widths = numbers_of("--psf-fwhm", self.psf_fwhm)
        if widths is None:
            return field
        if len(widths) not in (1, len(field.bands)):
            raise InputError(f"--psf-fwhm: {len(widths)} numbers for {len(field.bands)} bands")
        return replace(field, psf_fwhm_arcsec=tuple(widths * (len(field.bands) // len(widths))))


def redshift(
    context: typer.Context,
    *,
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file; or a dataset of pairs."),
    ],
    results: Results,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "redshifter",
    redshifts: Redshifts,
    pair: DatasetRow,
    galaxy: Galaxy,
    running: Running,
) -> None:
    """Predict a galaxy's image at another redshift.

    \b
      mockforge redshift galaxy.fits --z-in 0.5 --z-out 1.5 -o far.fits --picture far.png
      mockforge redshift field.fits --center 812,344 --z-in 0.5 --z-out 1.5 -o far.fits
      mockforge redshift galaxy.fits --model runs/redshifter --z-in 0.5 --z-out 1.5 -o far.fits
      mockforge redshift datasets/redshift_pairs --row 3 --picture pair.png

    The trained network takes stamps of one size, in its bands, pixels and PSF, in absolute flux, sky
    subtracted. Writes the image in nJy, without noise, one extension a band, with the WCS of the
    input. What lies outside its training set is refused, or with --extrapolate a guess.
    """
    out, picture = results.out, results.picture
    check_files(out, picture)
    if pair.row is not None:
        refuse(context, IMAGE, "for FITS images; a dataset says what its pairs are")
    else:
        refuse(context, ["split"], "is that of a dataset; give its pair with --row")
    results.check()
    if picture is not None:
        need_extra("report", "--picture", "matplotlib")
    redshifter, truth = load_redshifter(model), None
    z_in, z_out = redshifts.z_in, redshifts.z_out
    if pair.row is not None:
        drawn = pair.read(images)
        field = drawn.input
        truth = stamp_of(drawn.target, redshifter) if z_out in (None, drawn.z_out) else None
        z_in, z_out = drawn.z_in if z_in is None else z_in, drawn.z_out if z_out is None else z_out
    elif len(images) == 1 and images[0].is_dir():
        raise InputError(f"{images[0]}: is a dataset of pairs; say which with --row N, and --split")
    else:
        field = galaxy.read(images)
    if z_in is None or z_out is None:
        raise InputError("give the redshift of the galaxy and the one to predict with --z-in and --z-out")
    stamp = stamp_of(field, redshifter, redshifts.center)
    far = redshifted(stamp, redshifter, z_in, z_out, running.extrapolate, running.device)
    if out is not None:
        far.field.write(out)
    if picture is not None:
        redshift_picture(stamp, far.field, z_in, z_out, picture, truth)
    if not results.quiet:
        _, height, width = stamp.shape
        print(f"{width} x {height} pixels (x, y), z = {z_in:g} to {z_out:g}; flux in nJy:")
        print_lines(far.table(stamp, truth))
        print_origins(field)
        print_lines(f"note: {note}" for note in far.notes)
    print_lines(results.paths())
