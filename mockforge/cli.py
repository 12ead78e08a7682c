"""The command `mockforge`: one short function per command. Heavy libraries are imported in them."""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from mockforge.arguments import check_folder, check_memory, numbers_of, size_of, words_of
from mockforge.errors import InputError, MockforgeError

app = typer.Typer(
    name="mockforge",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,  # the same plain text on a terminal and in a pipe
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
)

Quiet = Annotated[bool, typer.Option("-q", "--quiet", help="Print results and errors only.")]
Verbose = Annotated[bool, typer.Option("-v", "--verbose", help="Show where in the program an error arose.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="Values to use instead of the recipe's.", show_default=False),
]
Out = Annotated[Path | None, typer.Option("-o", "--out", metavar="DIR", help="Folder of the result.")]
Workers = Annotated[
    int | None,
    typer.Option(
        "--workers",
        "-w",
        min=1,
        metavar="N",
        show_default=False,
        help="Processes at work at once; default one a CPU.",
    ),
]


def main() -> None:
    """Entry point of the command `mockforge`."""
    app(prog_name="mockforge")


def _command(function: Callable[..., None]) -> Callable[..., None]:
    """Errors of a command as sentences on stderr: exit 2 for bad input, 1 for failed work."""

    @functools.wraps(function)
    def run(*args: Any, **kwargs: Any) -> None:
        try:
            function(*args, **kwargs)
        except (typer.Exit, typer.Abort):
            raise
        except KeyboardInterrupt as error:
            _fail(str(error) or "interrupted", 1)
        except BrokenPipeError:  # the reader of our output has left, as `| head` does
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except Exception as error:
            if kwargs.get("verbose"):
                import traceback

                traceback.print_exc()
            if isinstance(error, MockforgeError):
                _fail(str(error), 2 if isinstance(error, InputError) else 1)
            hint = "" if kwargs.get("verbose") else "; run it with -v and report what it prints"
            _fail(f"unexpected {type(error).__name__}: {error}{hint}", 1)

    return run


def _fail(message: str, code: int) -> None:
    print(f"mockforge: {message}", file=sys.stderr)
    raise typer.Exit(code)


def _version(wanted: bool) -> None:
    if wanted:
        from mockforge import __version__

        print(f"mockforge {__version__}")
        raise typer.Exit


@app.callback()
def mockforge(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Training sets for finding galaxies in deep images and for predicting them at another redshift.

    \b
    A first dataset, and what is in it:
      mockforge recipes
      mockforge build segmentation samples=64 --out datasets/small
      mockforge info datasets/small

    \b
    Fields from a trained network, and the labels of a real image:
      mockforge generate --model kids-viking --size 1024 -n 4 --seed 1 --out fields
      mockforge label g.fits r.fits Z.fits --out labels

    \b
    In Python:
      train = mockforge.load("datasets/small", split="train")    # a torch Dataset

    `mockforge COMMAND --help` explains each. Exit codes: 0 done, 1 failed, 2 bad input.
    """


@app.command()
@_command
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
    """Build the dataset of a recipe, or finish one that was stopped.

    \b
      mockforge build recipes/segmentation.yaml
      mockforge build segmentation samples=64 --out datasets/small --workers 2
      mockforge build my.yaml stages.detect.threshold=4 splits='{train: 1}'
      mockforge build my.yaml 'stages.sersic_sed.z_in={uniform: [0.1, 0.3]}'

    The dataset goes to DIR, by default datasets/<name of the recipe>. When a build is stopped,
    by whatever, the same command finishes it with the same bytes. The number of workers changes
    no byte. A key is written with dots; a stage goes by its name.
    """
    from mockforge.engine.build import build as build_dataset
    from mockforge.info import dataset_lines

    folder = build_dataset(recipe, out, overrides or (), workers, overwrite=overwrite, quiet=int(quiet))
    _print([folder] if quiet else dataset_lines(folder))


@app.command()
@_command
def verify(
    dataset: Annotated[Path, typer.Argument(metavar="DATASET", help="Folder of a dataset.")],
    repair: Annotated[bool, typer.Option("--repair", help="Make exactly the bad shards again.")] = False,
    workers: Workers = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Re-hash a dataset; with --repair, make its bad shards again.

    \b
      mockforge verify datasets/small
      mockforge verify datasets/small --repair

    A repaired shard is put in place only when its sha256 is the recorded one. Exit code 1 where
    a file is bad and stays so.
    """
    from mockforge.engine.build import verify as verify_dataset

    bad = verify_dataset(dataset, repair, workers, quiet=int(quiet))
    for shard in bad:
        print(f"{shard.name}: {shard.reason}" + ("; made again, sha256 as recorded" if repair else ""))
    if bad and not repair:
        _fail(f"{dataset}: {len(bad)} bad; `mockforge verify {dataset} --repair` makes them again", 1)
    if not bad and not quiet:
        print(f"{dataset}: every file is as recorded")


@app.command()
@_command
def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A training recipe, or a bundled one's name.")
    ],
    overrides: Overrides = None,
    out: Out = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the last checkpoint in DIR.")] = False,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Train a network on a real field of aligned FITS bands.

    \b
      mockforge train train_field field.files='[g.fits, r.fits, i.fits]' --out runs/mine
      mockforge train my_field.yaml train.steps=2000 train.device=cuda
      mockforge train my_field.yaml --resume
      mockforge train train_field network='{smith2019: {}}' critic='{packed: {}}'

    The run goes to DIR, by default runs/<name of the recipe>: checkpoints, log, previews, and
    the model (NAME.safetensors and NAME.json) that `generate` and the stage `sgan` take.
    """
    from mockforge.progress import Progress
    from mockforge.recipe.read import load_training
    from mockforge.sgan.training import train as train_network
    from mockforge.train.parallel import leads

    made, text = load_training(recipe, overrides or ())
    folder = Path("runs", made.name) if out is None else out
    check_folder(folder)
    with Progress(made.train.steps, made.name, "steps", int(quiet or not leads())) as progress:
        watch = lambda step, losses: (progress.reach if losses else progress.start_at)(step)  # noqa: E731
        path = train_network(made, folder, resume=resume, recipe_text=text, report=watch)
    if leads():
        print(path)


@app.command()
@_command
def generate(
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the files.")],
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "kids-viking",
    size: Annotated[str, typer.Option(metavar="SIZE", help="Side in pixels, or HEIGHTxWIDTH.")] = "1024",
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Number of fields.")] = 1,
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Of the first field; equal seeds give equal fields.")
    ] = 1,
    device: Annotated[str, typer.Option(metavar="NAME", help="cpu, cuda, cuda:1, ... or auto.")] = "cpu",
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Paint fields with a trained network: FITS in nJy and PNG.

    \b
      mockforge generate --model kids-viking --size 3232 -n 4 --seed 1 --out fields
      mockforge generate --model runs/kids/kids.json --size 1024x2048 --device cuda --out fields

    The headers hold WCS, pixel scale, zeropoint, PSF, seed and the model's hash.
    """
    from mockforge.progress import Progress
    from mockforge.sgan.generate import generate as paint
    from mockforge.sgan.model import load_model

    height, width = size_of(size)
    check_memory(height, width, len(load_model(model).bands))  # before anything is made on disk
    check_folder(out)
    with Progress(n * height * width, f"{height} x {width}", "pixels", int(quiet)) as progress:
        paths = paint(model, (height, width), n, seed, out, device=device, progress=progress.advance)
    _print(paths)


@app.command()
@_command
def label(
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE", help="FITS: a file a band, or one file.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DIR", help="Folder for the results.")],
    bands: Annotated[
        str | None, typer.Option(metavar="NAMES", help="Names of the bands: g,r,Z.", show_default=False)
    ] = None,
    extensions: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Extensions to read, by name or number: SCI or 1,2,3.", show_default=False
        ),
    ] = None,
    zeropoint: Annotated[
        str | None,
        typer.Option(
            metavar="MAG", help="AB magnitude of pixel value 1, one or one a band.", show_default=False
        ),
    ] = None,
    pixel_scale: Annotated[
        float | None,
        typer.Option(metavar="ARCSEC", help="Side of a pixel, if no WCS says it.", show_default=False),
    ] = None,
    threshold: Annotated[
        float | None, typer.Option(metavar="SIGMA", help="Detection threshold [5].", show_default=False)
    ] = None,
    min_pixels: Annotated[
        int | None, typer.Option(metavar="N", help="Pixels a source has at least [5].", show_default=False)
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting of the stage `detect`.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
    verbose: Verbose = False,
) -> None:
    """Find and measure the sources of a real image.

    \b
      mockforge label g.fits r.fits Z.fits --out labels
      mockforge label field.fits --extensions SCI --zeropoint 25.94 --out labels
      mockforge label field.fits --threshold 3 --set background_mesh=128 --out labels

    Writes segmentation.fits, catalogue.ecsv, catalogue.fits, regions.reg (DS9), overlay.png.
    Without a zeropoint, in the header or given, fluxes stay in the image's own unit.
    """
    from mockforge.label.image import label_image
    from mockforge.recipe.read import load_stage

    given = {"threshold": threshold, "min_pixels": min_pixels}
    words = [f"{key}={value}" for key, value in given.items() if value is not None]
    found = label_image(
        images,
        out,
        load_stage("detect", [*words, *(settings or ())]),
        bands=words_of(bands),
        extensions=[int(e) if e.isdecimal() else e for e in words_of(extensions) or ()] or None,
        zeropoint=numbers_of("--zeropoint", zeropoint),
        pixel_scale_arcsec=pixel_scale,
    )
    if not quiet:
        rms = ", ".join(f"{band} {value:.4g}" for band, value in zip(found.bands, found.sky_rms, strict=True))
        unit = "the image's own unit" if found.unit == "native" else found.unit
        print(f"{found.objects} objects, {found.blended} of them blended; sky rms {rms} ({unit})")
        _print(f"note: {note}" for note in found.notes)
    _print(found.files)


@app.command()
@_command
def info(
    thing: Annotated[
        str, typer.Argument(metavar="THING", help="A dataset, a model's name or file, or a FITS file.")
    ],
    verbose: Verbose = False,
) -> None:
    """What is in a dataset, a model or a FITS image.

    \b
      mockforge info datasets/small
      mockforge info kids-viking
      mockforge info field.fits
    """
    from mockforge.info import about

    _print(about(thing))


@app.command()
@_command
def recipes(
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
        raise InputError(f"--copy and --to want the name of a recipe: {', '.join(known)}")
    if training and not schema:
        raise InputError("--training goes with --schema")
    if schema:
        import json

        from mockforge.recipe.schema import schema as recipe_schema

        print(json.dumps(recipe_schema(training), indent=1))
    elif name is None:
        width = max((len(n) for n in known), default=0)
        _print(f"{n:<{width}}  {first_comment(path)}" for n, path in known.items())
    elif name.removesuffix(".yaml") not in known:
        raise InputError(f"no bundled recipe {name!r}{nearest(name, known)}")
    else:
        path = known[name.removesuffix(".yaml")]
        if not copy and to is None:
            print(path.read_text(encoding="utf-8"), end="")
        else:
            print(copy_recipe(path, to or Path()))


def _print(lines: Iterable[Any]) -> None:
    for line in lines:
        print(line)
