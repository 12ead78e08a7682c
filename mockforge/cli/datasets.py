"""The commands `build`, `verify`, `info` and `recipes`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.program import Out, Overrides, Quiet, Verbose, Workers, app, command, fail, print_lines
from mockforge.cli.typed import refuse
from mockforge.errors import InputError


@app.command()
@command
def build(
    recipe: Annotated[str, typer.Argument(metavar="RECIPE", help="A YAML file, or a bundled recipe's name.")],
    overrides: Overrides = None,
    out: Out = None,
    workers: Workers = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace another recipe's dataset in DIR.")
    ] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Build the dataset of a recipe, or finish an interrupted build.

    \b
      mockforge build recipes/segmentation.yaml
      mockforge build segmentation samples=64 --out datasets/small --workers 2
      mockforge build my.yaml stages.detect.threshold=4 splits='{train: 1}'
      mockforge build my.yaml 'stages.sersic_sed.z_in={uniform: [0.1, 0.3]}'

    The dataset goes to DIR, by default datasets/<name of the recipe>. When a build is stopped,
    by whatever, the same command finishes it with the same bytes. The number of workers changes
    no byte. A key is written with dots; a stage goes by its name.
    """
    from mockforge.commands.info import dataset_lines
    from mockforge.engine.build import build as build_dataset

    folder = build_dataset(recipe, out, overrides or (), workers, overwrite=overwrite, quiet=int(quiet))
    print_lines([folder] if quiet else dataset_lines(folder))


@app.command()
@command
def verify(
    context: typer.Context,
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a dataset.")],
    repair: Annotated[bool, typer.Option("--repair", help="Rebuild exactly the damaged files.")] = False,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Check every file of a dataset; --repair rebuilds the damaged ones.

    \b
      mockforge verify datasets/small
      mockforge verify datasets/small --repair

    A shard is made from the recipe and put in place only when its sha256 is the recorded one;
    the joined view, cards and preview are made from the shards, a lost manifest from its copy
    in croissant.json. Exit code 1 where a file is bad and stays so.
    """
    from mockforge.engine.build import verify as verify_dataset

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
        from mockforge.data.manifest import read_manifest

        every = "every file is as recorded"
        if read_manifest(dataset).format == 1:
            every = (
                "every shard is as recorded; an older mockforge made it, and kept no record of other files"
            )
        print(f"{dataset}: {every}")


@app.command()
@command
def info(
    thing: Annotated[
        str, typer.Argument(metavar="THING", help="A dataset, a model's name or file, or a FITS file.")
    ],
    verbose: Verbose = False,
) -> None:
    """Say what is in a dataset, a model or a FITS image.

    \b
      mockforge info datasets/small
      mockforge info kids-viking
      mockforge info field.fits
    """
    from mockforge.commands.info import about

    print_lines(about(thing))


@app.command()
@command
def recipes(
    context: typer.Context,
    name: Annotated[
        str | None, typer.Argument(metavar="NAME", help="Print this one.", show_default=False)
    ] = None,
    copy: Annotated[bool, typer.Option("--copy", help="Copy it here, to change it.")] = False,
    to: Annotated[
        Path | None,
        typer.Option("--to", metavar="PATH", help="Copy it to this file or folder.", show_default=False),
    ] = None,
    schema: Annotated[bool, typer.Option("--schema", help="Print the JSON Schema of recipes.")] = False,
    training: Annotated[bool, typer.Option("--training", help="With --schema: of training recipes.")] = False,
    verbose: Verbose = False,
) -> None:
    """List, print or copy the bundled recipes; their JSON Schema.

    \b
      mockforge recipes
      mockforge recipes segmentation
      mockforge recipes segmentation --copy
      mockforge recipes --schema > recipe.schema.json

    \b
    An editor completes and checks a recipe that starts with the line
      # yaml-language-server: $schema=recipe.schema.json
    """
    from mockforge.errors import nearest
    from mockforge.recipe.bundled import bundled_recipes, copy_recipe, first_comment

    known = bundled_recipes()
    if name is None and (copy or to is not None):
        raise InputError(f"--copy and --to need the name of a recipe: {', '.join(known)}")
    if training and not schema:
        raise InputError("--training needs --schema")
    if schema:
        refuse(
            context, ["name", "copy", "to"], "--schema prints the JSON Schema of all recipes; leave it out"
        )
    if schema:
        import json

        from mockforge.recipe.schema import schema as recipe_schema

        print(json.dumps(recipe_schema(training), indent=1))
    elif name is None:
        width = max((len(n) for n in known), default=0)
        print_lines(f"{n:<{width}}  {first_comment(path)}" for n, path in known.items())
    elif name.removesuffix(".yaml") not in known:
        raise InputError(f"no bundled recipe {name!r}{nearest(name, known)}")
    else:
        path = known[name.removesuffix(".yaml")]
        if not copy and to is None:
            print(path.read_text(encoding="utf-8"), end="")
        else:
            print(copy_recipe(path, to or Path()))
