"""The command `recipes`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.program import print_lines
from mockforge.cli.typed import refuse
from mockforge.errors import InputError, nearest
from mockforge.recipe.bundled import bundled_recipes, copy_recipe, first_comment
from mockforge.recipe.schema import schema as recipe_schema


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
    bundled = bundled_recipes()
    if name is None and (copy or to is not None):
        raise InputError(f"--copy and --to need the name of a recipe: {', '.join(bundled)}")
    if training and not schema:
        raise InputError("--training needs --schema")
    if schema:
        refuse(
            context, ["name", "copy", "to"], "--schema prints the JSON Schema of all recipes; leave it out"
        )
        print(json.dumps(recipe_schema(training), indent=1))
    elif name is None:
        width = max((len(n) for n in bundled), default=0)
        print_lines(f"{n:<{width}}  {first_comment(path)}" for n, path in bundled.items())
    elif name.removesuffix(".yaml") not in bundled:
        raise InputError(f"no bundled recipe {name!r}{nearest(name, bundled)}")
    else:
        path = bundled[name.removesuffix(".yaml")]
        if not copy and to is None:
            print(path.read_text(encoding="utf-8"), end="")
        else:
            print(copy_recipe(path, to or Path()))
