"""The command `compare`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder
from mockforge.cli.program import print_lines
from mockforge.cli.reading import Reading
from mockforge.evaluate.compare.compare import compare as made


def compare(
    *,
    images: Annotated[
        list[Path], typer.Argument(metavar="IMAGE", help="FITS: one file per band, or one file.")
    ],
    dataset: Annotated[Path, typer.Option("--dataset", metavar="DIR", help="The training set.")],
    split: Annotated[
        str | None, typer.Option(metavar="NAME", help="Its split [all].", show_default=False)
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Chooses the tiles.")] = 1,
    reading: Reading,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write report.json, report.html.", show_default=False
        ),
    ] = None,
) -> None:
    """Say how far an image lies from the sky that a model was trained on.

    \b
      mockforge compare g.fits r.fits i.fits --dataset datasets/segmentation
      mockforge compare image.fits --bands g,r,Z --dataset datasets/small --out report

    Noise, its correlation, seeing, counts and colours of the image's tiles stand beside those of the training
    set, with a verdict on each, and how well a classifier tells them apart. Where the image is noisier,
    blurrier or emptier than anything in the training set, build another one and train again.
    """
    if out is not None:
        check_folder(out)
    report = made(reading.read(images), dataset, split, seed)
    print_lines(report.lines())
    if out is not None:
        print_lines(report.write(out))
