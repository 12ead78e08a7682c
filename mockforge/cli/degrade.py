"""The command `degrade`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import numbers_of
from mockforge.cli.options import PsfFwhm, Quiet
from mockforge.cli.program import print_lines
from mockforge.cli.reading import Reading
from mockforge.cli.typed import refuse, settings_of
from mockforge.commands.degrade import degrade_field
from mockforge.commands.degrade_file import degraded_file, is_large
from mockforge.progress import Progress
from mockforge.recipe.read import load_stage


@dataclass(frozen=True)
class Given:
    """The PSF of the image, as it was typed."""

    psf_fwhm: PsfFwhm = None
    psf: Annotated[
        list[Path] | None,
        typer.Option(metavar="FITS", help="Image of its PSF, one or one per band.", show_default=False),
    ] = None
    psf_scale: Annotated[
        float | None,
        typer.Option(
            metavar="ARCSEC", help="Pixel scale of the PSF images, if no header gives it.", show_default=False
        ),
    ] = None

    def word(self, context: typer.Context) -> str | None:
        """Return it as a setting of the stage `degrade`, after the option's name; None without one."""
        if self.psf:
            refuse(context, ["psf_fwhm"], "the PSF is that of --psf; give one of them")
            size = "" if self.psf_scale is None else f", pixel_scale_arcsec: {self.psf_scale}"
            files = json.dumps([str(path) for path in self.psf])  # quoted: names hold brackets and commas
            return f"--psf={{image: {{files: {files}{size}}}}}"
        refuse(context, ["psf_scale"], "is that of --psf images; give those, or leave it out")
        widths = numbers_of("--psf-fwhm", self.psf_fwhm)
        if not widths:
            return None
        return f"--psf-fwhm={{gaussian: {{fwhm_arcsec: {widths if len(widths) > 1 else widths[0]}}}}}"


@dataclass(frozen=True)
class TargetSurvey:
    """What the image shall look like, as it was typed."""

    to: Annotated[str, typer.Option("--to", metavar="SURVEY", help="A survey's name, or its YAML file.")]
    target_bands: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="The survey's bands, one for each of the image.", show_default=False
        ),
    ] = None
    truth: Annotated[bool, typer.Option("--truth", help="Start from the noiseless image in the file.")] = (
        False
    )
    wcs: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Onto the pixels of this FITS file, as its WCS has them.", show_default=False
        ),
    ] = None
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting of the stage `degrade`.", show_default=False
        ),
    ] = None
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the noise.")] = 1

    def words(self, psf: str | None) -> list[str]:
        """Return it, and the image's PSF, as settings of the stage `degrade`."""
        bands = None if self.target_bands is None else f"--target-bands=[{self.target_bands}]"
        flags = {"to": f"--to={self.to}", "input": "--truth=truth" if self.truth else None}
        words = settings_of(flags | {"bands": bands, "psf": psf}, self.settings)
        return words if any(word.startswith("input=") for word in words) else [*words, "input=image"]


def degrade(
    context: typer.Context,
    *,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file; or a Zarr.")
    ],
    out: Annotated[
        Path, typer.Option("--out", "-o", metavar="FILE", help="FITS file for the result, or NAME.zarr.")
    ],
    target: TargetSurvey,
    given: Given,
    reading: Reading,
    workers: Annotated[
        int,
        typer.Option("--workers", "-w", min=1, metavar="N", help="Processes of a large image; same bytes."),
    ] = 1,
    quiet: Quiet = False,
) -> None:
    """Degrade an image to what another telescope would observe.

    \b
      mockforge degrade hst.fits --to hsc-wide --target-bands hsc_r,hsc_i,hsc_z -o hsc.fits
      mockforge degrade f814w.fits --to euclid-wide --target-bands VIS --psf-fwhm 0.1 -o vis.fits
      mockforge degrade hst.fits --to hsc-wide --wcs hsc_coadd.fits -o onto.fits
      mockforge degrade hst.fits --to mine.yaml --set pixel_scale_arcsec=0.25 --set whiten=true -o mine.fits

    With its PSF, pixels, bands and noise. Noise already in the image is accounted for: only what is
    missing to the survey's depth is added. Writes the image in nJy, one extension per band, its variance
    (VAR_<band>), with --truth also TRUTH_<band>, and a WCS where the image has one. `mockforge
    surveys` lists the surveys.

    Above 4096 x 4096 pixels, and Zarr, the image is read and written window by window, in little memory,
    its noise drawn by place. Cut off by anything, the same command continues it, to the same bytes.
    """
    stage = load_stage("degrade", target.words(given.word(context)))
    if is_large(images, out):
        mosaic = reading.open(images)
        large = degraded_file(mosaic, stage, target.seed, target.wcs)
        height, width = large.spec.height, large.spec.width
        with Progress(height * width, f"{width} x {height}", "pixels", int(quiet)) as progress:
            large.write(out, workers, progress.advance)
        rms, shape, scale = dict(zip(large.bands, large.sky_rms, strict=True)), (height, width), large.scale
        origin, notes = mosaic.origin, large.notes
    else:
        refuse(context, ["workers"], "for images above 4096 x 4096 pixels, and for Zarr; leave it out")
        field = reading.read(images)
        degraded = degrade_field(field, stage, target.seed, target.wcs)
        degraded.field.write(out)
        made = degraded.field
        rms, shape = dict(zip(made.bands, degraded.sky_rms, strict=True)), made.shape[1:]
        scale, origin, notes = made.pixel_scale_arcsec, field.origin, degraded.notes
    if not quiet:
        given_psf = {} if stage.psf is None else {"PSF": "as given"}
        listed = ", ".join(f"{band} {value:.4g}" for band, value in rms.items())
        print(f'{shape[1]} x {shape[0]} pixels (x, y) of {scale:.4g}"; rms of the noise {listed} (nJy)')
        print_lines(f"{fact}: {text}" for fact, text in {**origin, **given_psf}.items())
        print_lines(f"note: {note}" for note in notes)
    print(out)
