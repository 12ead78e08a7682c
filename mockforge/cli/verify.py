"""The command `verify`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.options import Quiet, Workers
from mockforge.cli.program import fail
from mockforge.cli.typed import refuse
from mockforge.data.manifest import read_manifest
from mockforge.engine.build import verify as verify_dataset


def verify(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a dataset.")],
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild exactly the damaged files.")] = False,
    workers: Workers = None,
    quiet: Quiet = False,
) -> None:
    """Check every file of a dataset; --repair rebuilds the damaged ones.

    \b
      mockforge verify datasets/small
      mockforge verify datasets/small --repair

    A shard is made from the recipe and put in place only when its sha256 is the recorded one;
    the joined view, cards and preview are made from the shards, a lost manifest from its copy
    in croissant.json. Exit code 1 where a file is bad and stays so.
    """
    if not repair:
        refuse(context, ["workers"], "needs --repair; hashing alone uses one process")

    bad = verify_dataset(dataset, repair, workers, quiet=int(quiet))
    for shard in bad:
        print(f"{shard.name}: {shard.reason}" + (f"; {shard.mended}" if shard.mended else ""))
    if bad and not repair:
        fail(f"{dataset}: {len(bad)} damaged; `mockforge verify {dataset} --repair` rebuilds them", 1)
    if left := [shard.name for shard in bad if not shard.mended]:
        fail(f"{dataset}: {', '.join(left)} could not be rebuilt", 1)
    if not bad and not quiet:
        every = "every file is as recorded"
        if read_manifest(dataset).format == 1:
            every = (
                "every shard is as recorded; an older mockforge made it, and kept no record of other files"
            )
        print(f"{dataset}: {every}")
