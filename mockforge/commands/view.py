"""`mockforge view`: tells apart what is looked at, and hands it to what shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.commands.field_painters import of_scene
from mockforge.commands.field_sources import sources_beside
from mockforge.data.reader import Reader
from mockforge.errors import InputError, nearest
from mockforge.field.fits.bands import split_name
from mockforge.files import appearing, from_home, replace_file
from mockforge.mosaic.read import Mosaic, open_field
from mockforge.progress import Progress
from mockforge.recipe.bundled import bundled_recipes
from mockforge.scene.scene import Scene
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.train.model_files import bundled_models
from mockforge.view.colour import colours_of
from mockforge.view.config import DEFAULT_STRETCH, STRETCHES
from mockforge.view.flight import Flight, descent_frames, flight_frames
from mockforge.view.folder import FolderLook, check_folder, write_view
from mockforge.view.hips import write_hips
from mockforge.view.layered import Layers, PaintedSky, layered_picture
from mockforge.view.live import MEASURED, LiveSky
from mockforge.view.movie import encoder_of, write_film
from mockforge.view.rows import read_table
from mockforge.view.samples import write_samples
from mockforge.view.scales import SkyScales
from mockforge.view.server import PORT, SkyServer
from mockforge.view.sheet import sheet_of
from mockforge.view.tiles import png_of

_FITS = (".fits", ".fit", ".fts", ".fz", ".gz", ".bz2")
_PACKED = (".fz", ".gz", ".bz2")
_MODEL = (".json", ".safetensors")
_RECIPE = (".yaml", ".yml")
CAN_BE = (
    "a FITS or Zarr file, a dataset's folder, a model (a bundled name, NAME.json) or a recipe whose source is"
    " `scene` can be viewed"
)


@dataclass(frozen=True)
class Looked:
    """How something is looked at, as it was requested."""

    out: Path | None = None
    """Folder of the viewer of a file or a dataset; None: beside it."""
    seed: int = 1
    port: int = PORT
    """Of the server of a live sky; 0: any free one."""
    browser: bool = False
    """Whether a browser is opened on a live sky."""
    stretches: Sequence[str] | None = None
    """Names in `view.config.STRETCHES`, the first is shown first; None: all."""
    bands: Sequence[str] | None = None
    """Bands in red, green and blue; None: chosen by wavelength."""
    objects: Path | None = None
    masks: Path | None = None
    layered: Path | None = None
    flight: Path | None = None
    hips: Path | None = None
    quiet: bool = False


def kind_of(what: str) -> str:
    """Return what something is: `file`, `dataset`, `model` or `scene`.

    Raises
    ------
    InputError
        Where it is none of these; the sentence lists what can be viewed.
    """
    path = from_home(split_name(what)[0])
    if what in bundled_models():
        return "model"
    if what in bundled_recipes() and not path.exists():
        return "scene"
    if path.is_dir():
        if any((path / name).exists() for name in ("zarr.json", ".zgroup", ".zarray")):
            return "file"
        if any(path.glob("*.safetensors")):
            return "model"
        if (path / "manifest.json").exists() or (path / "dataset.h5").exists() or (path / "shards").is_dir():
            return "dataset"
        raise InputError(f"{what}: is a folder, but no dataset, no model and no Zarr; {CAN_BE}")
    if not path.exists():
        names = [*bundled_models(), *bundled_recipes()]
        close = nearest(what, names)
        hint = close if close.startswith("; did you mean") else ""
        raise InputError(f"{what}: no such file, model or recipe{hint or f'; {CAN_BE}'}")
    if path.name in ("dataset.h5", "manifest.json"):
        return "dataset"
    for endings, kind in ((_MODEL, "model"), (_RECIPE, "scene"), (_FITS, "file")):
        if path.suffix.lower() in endings:
            return kind
    if path.is_file() and _starts_as_fits(path):
        return "file"
    raise InputError(f"{what}: is none of what can be viewed; {CAN_BE}")


def view_thing(what: str, looked: Looked) -> Iterable[str]:
    """Show something; yields lines that say what was made, or where it is served.

    Parameters
    ----------
    what
        A FITS or Zarr file, a dataset's folder, a model's name or file, or a recipe whose source is `scene`.
    looked
        How.

    Raises
    ------
    InputError
        Where it cannot be viewed, or not so.
    """
    _check(looked)
    kind = kind_of(what)
    if looked.layered is not None:
        return _layered(what, kind, looked)
    if looked.flight is not None:
        return _flight(what, kind, looked)
    if looked.hips is not None:
        return _hips(what, kind, looked, looked.hips)
    if kind == "file":
        return _file(what, looked)
    if kind == "dataset":
        return _dataset(what, looked)
    return _live(what, kind, looked)


def sky_of(what: str, kind: str, seed: int) -> tuple[Any, str]:
    """Return the endless sky of a model or a scene, and the model's or recipe's name."""
    if kind == "model":
        model = load_model(what)
        return Sky(model, seed), model.name
    painter = of_scene(bundled_recipes().get(what, what))
    return Scene(painter.model, seed), painter.name


def _check(looked: Looked) -> None:
    for name in looked.stretches or ():
        if name not in STRETCHES:
            raise InputError(f"--stretch: {name!r}{nearest(name, STRETCHES)}")
    pictures = [n for n in ("layered", "flight", "hips") if getattr(looked, n) is not None]
    if len(pictures) > 1:
        raise InputError(f"--{pictures[0]} and --{pictures[1]} exclude each other: give one of them")
    if looked.bands is not None and len(looked.bands) not in (1, 3):
        raise InputError(
            f"--bands: three bands, for red, green and blue, or one; found {','.join(looked.bands)}"
        )


def _file(what: str, looked: Looked) -> Iterable[str]:
    """Write the folder that shows a file."""
    path = from_home(split_name(what)[0])
    out = check_folder(looked.out or path.with_name(f"{_stem(path)}-view"))
    field = open_field(what)
    beside = sources_beside(path)
    own = beside.is_file() and _is_of(beside, field)
    sentences: list[str] = []
    look = FolderLook(
        stretches=tuple(looked.stretches or ()),
        bands=looked.bands,
        detected=looked.objects,
        true=beside if own else None,
        masks=looked.masks,
        tell=sentences.append,
    )
    _, height, width = field.shape
    with Progress(height * width, path.name, "pixels", int(looked.quiet)) as progress:
        page = write_view(field, out, path.name, look, progress.advance)
    yield str(page)
    yield from sentences
    if beside.is_file() and not own:
        yield f"{beside.name}: its sources are of another sky (MFMODEL, MFSEED), and not shown"
    if looked.out is None and not looked.quiet:
        yield "opens in a browser; --out puts it elsewhere"


def _is_of(table: Path, field: Mosaic) -> bool:
    """Whether a table of sources does not say that it is of another sky than a field."""
    meta = read_table(table).meta
    said = [key for key in ("MFMODEL", "MFSEED") if key in meta]
    return all(str(meta[key]) == str(field.header.get(key)) for key in said)


def _live(what: str, kind: str, looked: Looked) -> Iterable[str]:
    """Serve an endless sky until Ctrl-C."""
    import webbrowser

    import torch

    if looked.out is not None:
        raise InputError(
            f"{what}: is an endless sky, served and not stored, and has no --out; `mockforge generate -o "
            "field.fits` writes a field of it"
        )
    for name in ("objects", "masks"):
        if getattr(looked, name) is not None:
            raise InputError(f"{what}: --{name} are those of a file; an endless sky shows its own")
    torch.set_num_threads(1)  # a tile is painted by one, whoever called
    sky, name = sky_of(what, kind, looked.seed)
    live = LiveSky(sky, name, looked.bands)
    with SkyServer(live, looked.port, looked.stretches) as server:
        yield server.url
        if not looked.quiet:
            yield "open it in a browser; Ctrl-C ends it"
        if looked.browser:
            webbrowser.open(server.url)
        with suppress(KeyboardInterrupt):
            server.serve_forever()


def _hips(what: str, kind: str, looked: Looked, out: Path) -> Iterable[str]:
    """Write the HiPS of a file."""
    if kind != "file":
        raise InputError(
            f"{what}: --hips is made of a field on disk; write one by `mockforge generate -o field.fits`"
        )
    for name in ("objects", "masks", "out"):
        if getattr(looked, name) is not None:
            raise InputError(f"--{name}: is for a viewer; --hips DIR holds pixels alone, leave it out")
    out, field = check_folder(out), open_field(what)
    stretch = (looked.stretches or (DEFAULT_STRETCH,))[0]
    bars: list[Progress] = []
    with ExitStack() as stack:

        def begin(tiles: int) -> Callable[[int], None]:
            bars.append(stack.enter_context(Progress(tiles, out.name, "tiles", int(looked.quiet))))
            return bars[0].advance

        name = from_home(split_name(what)[0]).name
        folders = write_hips(field, out, name, colours_of(field, looked.bands), stretch, begin)
    yield from (str(folder) for folder in folders)
    if not looked.quiet:
        yield "each folder opens in Aladin: File, Load local file"


def _dataset(what: str, looked: Looked) -> Iterable[str]:
    """Write the folder that shows the samples of a dataset."""
    for name in ("objects", "masks"):
        if getattr(looked, name) is not None:
            raise InputError(
                f"--{name}: is for a file; a dataset's own tables and masks are shown, leave it out"
            )
    path = from_home(what)
    folder = path.parent if path.is_file() else path
    out = check_folder(looked.out or folder.with_name(f"{folder.absolute().name}-view"))
    with Reader(path) as reader:
        _, height, width = sheet_of(reader).shape
        with Progress(height * width, reader.manifest.name, "pixels", int(looked.quiet)) as progress:
            page = write_samples(reader, out, tuple(looked.stretches or ()), looked.bands, progress.advance)
    yield str(page)
    if looked.out is None and not looked.quiet:
        yield "opens in a browser; --out puts it elsewhere"


def _stem(path: Path) -> str:
    """Return a file's name without its endings: field of field.fits.fz."""
    name = path.name
    for ending in (*_PACKED, ".fits", ".fit", ".fts", ".zarr"):
        name = name.removesuffix(ending)
    return name or path.name


def _layered(what: str, kind: str, looked: Looked) -> Iterable[str]:
    """Write the layered picture of a file, a model or a scene."""
    if looked.layered is None or looked.layered.suffix.lower() != ".png":
        raise InputError(f"--layered: {looked.layered}: the picture is a PNG; give a name that ends in .png")
    if kind == "dataset":
        raise InputError(f"{what}: --layered is made of a field; a dataset has none: give a file or a model")
    if not looked.layered.absolute().parent.is_dir():
        raise InputError(f"--layered: {looked.layered.parent}: no such folder; make it first")
    pixels = open_field(what) if kind == "file" else PaintedSky(sky_of(what, kind, looked.seed)[0])
    stretch = (looked.stretches or (DEFAULT_STRETCH,))[0]
    picture = layered_picture(pixels, colours_of(pixels, looked.bands), stretch, looked.seed, Layers())
    replace_file(looked.layered, png_of(picture))
    yield str(looked.layered)


def _flight(what: str, kind: str, looked: Looked) -> Iterable[str]:
    """Write the flight over a file, a model or a scene."""
    if looked.flight is None or kind == "dataset":
        raise InputError(f"{what}: --flight goes over a field; a dataset has none: give a file or a model")
    ffmpeg = encoder_of(looked.flight)
    if not looked.flight.absolute().parent.is_dir():
        raise InputError(f"--flight: {looked.flight.parent}: no such folder; make it first")
    stretch, flight = (looked.stretches or (DEFAULT_STRETCH,))[0], Flight()
    if kind == "file":
        field = open_field(what)
        frames = flight_frames(field, colours_of(field, looked.bands), stretch, flight)
    else:
        sky = sky_of(what, kind, looked.seed)[0]
        colours = colours_of(PaintedSky(sky, MEASURED), looked.bands)
        frames = descent_frames(SkyScales(sky), colours, stretch, flight)
    name = looked.flight.name
    with (
        Progress(flight.frames, name, "frames", int(looked.quiet)) as progress,
        appearing(looked.flight) as part,
    ):
        write_film(part, _counted(frames, progress), flight.fps, ffmpeg)
    yield str(looked.flight)


def _counted(frames: Iterator[np.ndarray], progress: Progress) -> Iterator[np.ndarray]:
    for frame in frames:
        progress.advance()
        yield frame


def _starts_as_fits(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(6) == b"SIMPLE"
