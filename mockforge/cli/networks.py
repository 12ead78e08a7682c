"""The commands `train` and `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder, check_memory, size_of
from mockforge.cli.program import Device, Out, Overrides, Quiet, Verbose, app, command, print_lines
from mockforge.cli.typed import refuse, typed
from mockforge.errors import InputError


@app.command()
@command
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A training recipe, or a bundled one's name.")
    ],
    overrides: Overrides = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Resume from the last checkpoint in DIR.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a network: a SGAN on a real field, others on a dataset.

    \b
      mockforge train train_field field.files='[g.fits, r.fits, i.fits]' --out runs/mine
      mockforge train my_field.yaml train.steps=2000 train.device=cuda
      mockforge train my_field.yaml --resume
      mockforge train train_field network='{smith2019: {}}' critic='{packed: {}}'
      mockforge train train_redshifter dataset=datasets/redshift_pairs
      mockforge train train_recover degraded=datasets/hst_to_hsc

    The run goes to DIR, by default runs/<name of the recipe>: checkpoints, log, previews, and
    the model (NAME.safetensors and NAME.json). `generate` and the stage `sgan` take a SGAN,
    `recover` one that recovers, `redshift` a redshifter, `evaluate` any.
    """
    from mockforge.progress import Progress
    from mockforge.recipe.read import load_training
    from mockforge.train.parallel import leads

    made, text = load_training(recipe, overrides or ())
    folder = Path("runs", made.name) if out is None else out
    check_folder(folder)
    with Progress(made.train.steps, made.name, "steps", int(quiet or not leads())) as progress:
        watch = lambda step, losses: (progress.reach if losses else progress.start_at)(step)  # noqa: E731
        path = made.run(folder, resume=resume, recipe_text=text, report=watch, told=progress.say)
    if leads():
        print(path)


@app.command()
@command
def generate(
    context: typer.Context,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the files.")],
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "kids-viking",
    scene: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="Paint the `scene` of this recipe instead.", show_default=False),
    ] = None,
    size: Annotated[str, typer.Option(metavar="SIZE", help="Side in pixels, or HEIGHTxWIDTH.")] = "1024",
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Number of fields.")] = 1,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed of the first field; equal seeds give equal fields.")
    ] = 1,
    depth: Annotated[
        str | None,
        typer.Option(
            metavar="DEPTH",
            help="5 sigma AB limit, or a survey; also g=25.5,r=25.",
            show_default=False,
        ),
    ] = None,
    seeing: Annotated[
        str | None,
        typer.Option(
            metavar="SEEING", help="FWHM of stars in arcsec, or a survey; also by band.", show_default=False
        ),
    ] = None,
    density: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR", help="Factor on the field's mean number of sources.", show_default=False
        ),
    ] = None,
    member: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=0, help="Member of the model's ensemble; else by seed.", show_default=False
        ),
    ] = None,
    device: Device = "cpu",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Paint fields with a trained network, or of a parametric sky.

    \b
      mockforge generate --model kids-viking --size 3232 -n 4 --seed 1 --out fields
      mockforge generate --model runs/kids/kids.json --size 1024x2048 --device cuda --out fields
      mockforge generate --depth 26 --seeing 0.95 --density 1.2 --out deeper
      mockforge generate --depth g=hsc-wide,r=hsc-wide,Z=24 --out like_hsc
      mockforge generate --scene scene_xdf_like --size 3232 --out fields

    Writes FITS in nJy, and a PNG of each. A sky can be of any depth (a survey's noise per area, or
    the AB magnitude of a point source at 5 sigma), of any seeing that is not sharper than its
    model's, and of any density of sources that its field covers. The headers hold WCS, pixel scale,
    zeropoint, PSF, depth, seed and the model's hash.
    """
    from mockforge.progress import Progress

    height, width = size_of(size)
    if scene is not None:
        if typed(context, ["model"]):
            raise InputError("--scene and --model exclude each other: give one of them")
        asked = ["depth", "seeing", "density", "member"]
        refuse(context, asked, "for models; a scene's recipe says what its sky is like")
        refuse(context, ["device"], "for models; a scene is painted on the CPU")
    if scene is not None:
        from mockforge.commands.generate_scene import load_scene, write_scenes

        name, sky = load_scene(scene)
        paint = lambda advance: write_scenes(sky, name, (height, width), n, seed, out, advance)  # noqa: E731
        bands = len(sky.bands)
    else:
        from mockforge.commands.generate import generate as paint_sky
        from mockforge.sgan.model import load_model
        from mockforge.sgan.paint.asked import parse

        deep, blurred = parse("--depth", depth), parse("--seeing", seeing)
        paint = lambda advance: paint_sky(  # noqa: E731
            model,
            (height, width),
            n,
            seed,
            out,
            device=device,
            progress=advance,
            depth=deep,
            seeing=blurred,
            density=density,
            member=member,
        )
        bands = len(load_model(model).bands)
    check_memory(height, width, bands)  # before anything is made on disk
    check_folder(out)
    with Progress(n * height * width, f"{height} x {width}", "pixels", int(quiet)) as progress:
        paths = paint(progress.advance)
    print_lines(paths)
