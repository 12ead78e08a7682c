"""The command `generate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from mockforge.cli.arguments import check_folder, size_of
from mockforge.cli.options import Device, Quiet
from mockforge.cli.program import print_lines
from mockforge.cli.typed import refuse, typed
from mockforge.commands.field_painters import FieldPainter, of_model, of_scene
from mockforge.commands.galaxies import STAMP_SIDE, write_galaxies
from mockforge.commands.generate import plan_fields, write_fields
from mockforge.commands.generate_file import FileAsked, field_file
from mockforge.errors import InputError
from mockforge.mosaic.write import is_streamed
from mockforge.progress import Progress
from mockforge.sgan.paint.asked import parse
from mockforge.sgan.single.open import open_galaxies


@dataclass(frozen=True)
class Asked:
    """How the sky of a model is observed, as it was typed."""

    depth: Annotated[
        str | None,
        typer.Option(
            metavar="DEPTH",
            help="5 sigma AB limit, or a survey; also g=25.5,r=25.",
            show_default=False,
        ),
    ] = None
    seeing: Annotated[
        str | None,
        typer.Option(
            metavar="SEEING", help="FWHM of stars in arcsec, or a survey; also by band.", show_default=False
        ),
    ] = None
    pixel_scale: Annotated[
        float | None,
        typer.Option(metavar="ARCSEC", help="Side of a pixel; else the model's.", show_default=False),
    ] = None
    density: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="Factor on the number of all sources.", show_default=False),
    ] = None
    counts_slope: Annotated[
        float | None,
        typer.Option(
            metavar="SLOPE", help="Of N(>flux) below the field's limit, e.g. 0.7.", show_default=False
        ),
    ] = None
    star_fraction: Annotated[
        float | None, typer.Option(metavar="SHARE", help="Stars over all sources.", show_default=False)
    ] = None
    brightest: Annotated[
        float | None,
        typer.Option(metavar="MAG", help="AB magnitude of the brightest sources.", show_default=False),
    ] = None
    faintest: Annotated[
        float | None,
        typer.Option(metavar="MAG", help="AB magnitude of the faintest sources.", show_default=False),
    ] = None
    clustering: Annotated[
        float | None,
        typer.Option(
            metavar="FACTOR", help="Factor on the galaxies' two-point function.", show_default=False
        ),
    ] = None
    member: Annotated[
        int | None,
        typer.Option(
            metavar="K", min=0, help="Member of a lattice model's ensemble; else by seed.", show_default=False
        ),
    ] = None

    def keywords(self) -> dict[str, Any]:
        """Return it as a `mockforge.Sky` takes it."""
        limits = (self.brightest, self.faintest)
        plain = ("pixel_scale", "density", "counts_slope", "star_fraction", "clustering", "member")
        return {
            "depth": parse("--depth", self.depth),
            "seeing": parse("--seeing", self.seeing),
            **{name: getattr(self, name) for name in plain},
            "magnitude_limits": None if limits == (None, None) else limits,
        }


@dataclass(frozen=True)
class Fields:
    """The fields to write, as they were typed."""

    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="PATH", help="NAME.fits or NAME.zarr, of any size; or a folder of fields."
        ),
    ]
    size: Annotated[
        str, typer.Option(metavar="SIZE", help="Side in pixels, HEIGHTxWIDTH, or two numbers: HEIGHT WIDTH.")
    ] = "1024"
    n: Annotated[int, typer.Option("-n", metavar="N", min=1, help="Number of fields.")] = 1
    seed: Annotated[
        int, typer.Option(metavar="N", min=0, help="Seed of the first field; equal seeds give equal fields.")
    ] = 1


@dataclass(frozen=True)
class Single:
    """Single galaxies in place of fields, as they were typed."""

    galaxies: Annotated[
        int | None,
        typer.Option(metavar="N", min=1, help="Write N galaxies, each on a stamp.", show_default=False),
    ] = None
    least_snr: Annotated[
        float | None,
        typer.Option(metavar="SNR", help="Of --galaxies: fainter ones are left out.", show_default=False),
    ] = None


@dataclass(frozen=True)
class OneFile:
    """How one file of any size is written, as it was typed."""

    cube: Annotated[bool, typer.Option("--cube", help="One image (band, y, x) and not one a band.")] = False
    noiseless: Annotated[bool, typer.Option("--noiseless", help="Write the noiseless sky too.")] = False
    center: Annotated[
        tuple[float, float] | None,
        typer.Option("--center", metavar="RA DEC", help="Degrees of the field's centre.", show_default=False),
    ] = None
    workers: Annotated[
        int, typer.Option("--workers", "-w", min=1, metavar="N", help="Processes that paint; same bytes.")
    ] = 1
    footprint: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="DS9 regions or a MOC: the rest is NaN, or absent.", show_default=False
        ),
    ] = None
    sources: Annotated[bool, typer.Option("--sources", help="Write NAME-sources.fits beside it.")] = False
    compress: Annotated[
        bool, typer.Option("--compress", help="Tile-compressed FITS without loss, NAME.fits.fz.")
    ] = False
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print tiles, bytes, time and memory; write nothing.")
    ] = False


def generate(
    context: typer.Context,
    *,
    fields: Fields,
    model: Annotated[
        str, typer.Option("--model", "-m", metavar="NAME", help="A bundled model, or a model's file.")
    ] = "kids-viking",
    scene: Annotated[
        str | None,
        typer.Option(metavar="RECIPE", help="Paint the `scene` of this recipe instead.", show_default=False),
    ] = None,
    asked: Asked,
    single: Single,
    one_file: OneFile,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Paint fields with a trained network, or of a parametric sky.

    \b
      mockforge generate --model kids-viking --size 3232 -n 4 --seed 1 --out fields
      mockforge generate --model runs/kids/kids.json --size 1024x2048 --device cuda --out fields
      mockforge generate --depth 26 --seeing 0.5 --density 1.2 --out deeper
      mockforge generate --depth g=hsc-wide,r=hsc-wide,Z=24 --out like_hsc
      mockforge generate --scene scene_xdf_like --size 3232 --out fields

    Writes FITS in nJy, and a PNG of each. A learned sky can be of any depth (a survey's noise per
    area, or the AB magnitude of a point source at 5 sigma), of any seeing, sharper than its field's
    too, on any pixels, with more or fewer sources. Beside each field its sources are written as a
    table, NAME-SEED-sources.fits: place, flux, shape. The headers hold WCS, pixel scale, zeropoint,
    PSF, depth, seed and the model's hash.

    \b
      mockforge generate --size 87040 --seed 7 -o field.fits --dry-run
      mockforge generate --size 16384 -o field.fits --workers 2 --noiseless --center 150.1 2.2
      mockforge generate --size 16384 8192 -o field.zarr --footprint survey.reg

    \b
      mockforge generate --galaxies 100 --out stamps.fits
      mockforge generate --galaxies 100 --size 96 --seeing 0.5 --noiseless --out stamps.fits

    Single galaxies are centred on stamps of 64 pixels: a cube a band, or a file each in a folder; and a
    table of what each is.

    A field whose name ends in .fits or .zarr goes to disk as it is painted, in little memory. Cut off by
    anything, the same command continues it, to the same bytes. With --compress, or as NAME.fits.fz, FITS
    is compressed tile by tile when all is painted (GZIP_2: no bit is lost; it takes the plain file's room
    meanwhile).
    """
    if single.galaxies is not None:
        _single(context, model, fields, asked, single, one_file, quiet)
        return
    refuse(context, ["least_snr"], "for single galaxies; give --galaxies N too")
    sides = size_of(fields.size)
    if scene is not None:
        if typed(context, ["model"]):
            raise InputError("--scene and --model exclude each other: give one of them")
        refuse(
            context,
            [
                "depth",
                "seeing",
                "pixel_scale",
                "density",
                "counts_slope",
                "star_fraction",
                "brightest",
                "faintest",
                "clustering",
                "member",
            ],
            "for models; a scene's recipe says what its sky is like",
        )
        refuse(context, ["device"], "for models; a scene is painted on the CPU")
        painter = of_scene(scene)
    else:
        painter = of_model(model, device, **asked.keywords())
    if is_streamed(fields.out):
        _one_file(context, painter, fields, one_file, quiet)
        return
    names = ("cube", "noiseless", "center", "footprint", "sources", "compress")
    refuse(context, names, f"for one file; --out {fields.out} is a folder: give it a name in .fits or .zarr")
    check_folder(fields.out, "one file is written as NAME.fits, NAME.fits.fz or NAME.zarr")
    seeds = range(fields.seed, fields.seed + fields.n)
    if one_file.dry_run:
        print_lines(plan_fields(painter, sides, seeds, fields.out, one_file.workers))
        return
    pixels = len(seeds) * sides[0] * sides[1]
    with Progress(pixels, f"{sides[0]} x {sides[1]}", "pixels", int(quiet)) as progress:
        paths = write_fields(painter, sides, seeds, fields.out, progress.advance, one_file.workers)
    print_lines(paths)


def _single(
    context: typer.Context, model: str, fields: Fields, asked: Asked, single: Single,
    one: OneFile, quiet: bool,
) -> None:  # fmt: skip
    """Write single galaxies."""
    assert single.galaxies is not None
    names = ("scene", "n", "device", "density", "clustering", "star_fraction", "cube", "center", "workers",
             "footprint", "sources", "dry_run", "compress")  # fmt: skip
    refuse(context, names, "for fields; --galaxies writes stamps of single ones")
    height, width = size_of(fields.size) if typed(context, ["size"]) else (STAMP_SIDE, STAMP_SIDE)
    if height != width:
        raise InputError(f"--size: stamps of galaxies are squares, found {height}x{width}; give one number")
    if is_streamed(fields.out) and fields.out.suffix.lower() == ".zarr":
        raise InputError(f"{fields.out}: stamps are written as FITS; give a name in .fits, or a folder")
    if fields.out.suffix.lower() not in (".fits", ".fit", ".fts"):
        check_folder(fields.out, "stamps are written as NAME.fits, or into a folder")
    galaxies = open_galaxies(model, fields.seed, single.least_snr, **asked.keywords())
    with Progress(single.galaxies, f"{height} x {width}", "galaxies", int(quiet)) as progress:
        paths = write_galaxies(galaxies, single.galaxies, height, fields.out, one.noiseless, progress.advance)
    print_lines(paths)


def _one_file(
    context: typer.Context, painter: FieldPainter, fields: Fields, one: OneFile, quiet: bool
) -> None:
    """Write one file, or print what it will take."""
    refuse(context, ["n"], "for a folder of fields; one file holds one")
    sides = size_of(fields.size)
    out = fields.out
    if one.compress and out.suffix == ".zarr":
        raise InputError("--compress: is for FITS; a Zarr is compressed already, leave it out")
    if one.compress and out.suffix == ".fits":
        out = out.with_name(f"{out.name}.fz")
    asked = FileAsked(out, sides, fields.seed, one.cube, one.noiseless, one.center, one.workers,
                      one.footprint, one.sources)  # fmt: skip
    field = field_file(painter, asked)
    if one.dry_run:
        print_lines(field.plan())
        return
    with Progress(sides[0] * sides[1], f"{sides[0]} x {sides[1]}", "pixels", int(quiet)) as progress:
        paths = field.write(progress.advance)
    print_lines(paths)
