"""Which stamps of single galaxies are learned, as a recipe says it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from mockforge.config import Count, Limit, Positive, config
from mockforge.errors import InputError
from mockforge.files import named
from mockforge.galaxies.real.realgalaxy import RealGalaxies
from mockforge.sgan.learn.psf.stage import PsfChoice

_ENDS = (".fits", ".fit", ".fts")


@config
class StampFolder:
    """A folder of FITS files, a galaxy each, near the middle of its file: any bands, all files the same."""

    folder: str
    """Where they are; a subfolder for each part is read too. Tables, NAME-galaxies.fits, are left alone."""
    psf: PsfChoice
    """Of the stamps: `image`, `spec` or `fwhm_pix`; single galaxies show no stars to measure it on."""
    bands: tuple[str, ...] | None = None
    """Names of the bands, in the order of each file."""
    extensions: tuple[int | str, ...] | None = None
    """Extension of each band, where a file has others as well."""
    zeropoint: float | tuple[float, ...] | None = None
    """AB magnitude of one count, for all bands or each; needed where the headers do not say."""
    pixel_scale_arcsec: Positive | None = None
    """Side of a pixel, where the headers do not say."""
    mask_neighbours: bool = True
    """Leave out pixels of other objects, those not connected with the one in the middle."""

    def paths(self) -> list[Path]:
        """Return the files in order; InputError where there are none."""
        folder = Path(self.folder).expanduser()
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder of stamps; see stamps.files.folder")
        found = sorted(p for p in folder.rglob("*") if p.suffix.lower() in _ENDS and p.is_file())
        found = [p for p in found if not p.stem.endswith("-galaxies")]
        if not found:
            raise InputError(
                f"{folder}: holds no FITS files ({', '.join(_ENDS)}); a file a galaxy is expected"
            )
        return found

    def files_read(self) -> dict[str, Path]:
        """Return the files."""
        return named(self.paths())


@config
class GalaxyStamps:
    """The galaxies to learn, each centred on a stamp."""

    real: RealGalaxies | None = None
    """Galaxies in GalSim's RealGalaxy format, each with its PSF: HST images, for example."""
    files: StampFolder | None = None
    """Or a folder of FITS files."""
    side: Annotated[int, Limit(ge=36, le=160)] = 64
    """Pixels of a stamp, an even number; smaller images are filled with pixels that are not used."""
    bin: Annotated[int, Limit(ge=1, le=4)] = 1
    """Pixels of the images put together into one, along a side."""
    least_snr: Positive = 20.0
    """Galaxies of less signal over noise are left out."""
    most: Count = 1500
    """The brightest so many are used."""

    def __post_init__(self) -> None:
        given = [name for name in ("real", "files") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                f"give one of `real` and `files`, found {' and '.join(given) or 'neither'}: where stamps lie"
            )
        if self.side % 2:
            raise ValueError(f"side: an even number of pixels is expected, found {self.side}")
        if self.bin > 1 and self.files is not None:
            raise ValueError(
                "bin: only stamps of `real`, whose PSFs are images, are binned; bin yours before"
            )
