"""The command `export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.data.export.export import export as export_dataset


def export(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a dataset.")],
    to: Annotated[str, typer.Option("--to", metavar="FORMAT", help="coco or fits.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="The folder that is written.")],
) -> None:
    """Write a dataset in the format of other tools.

    \b
      mockforge export datasets/segmentation --to coco -o segmentation_coco
      mockforge export datasets/redshift_pairs --to fits -o pairs_fits

    coco: images as .npy (band, y, x) in the dataset's unit, 8-bit pictures as .png, and for each split an
    annotation file with the exact masks (run-length encoded), boxes and areas of the labels.
    fits: a file per sample with an extension per array, and a binary table per table.
    An installed package adds a format by an entry point of the group `mockforge.exporters`.
    """
    print(export_dataset(dataset, to, out))
