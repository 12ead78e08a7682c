"""`mockforge generate`: fields of an endless sky as FITS files, with a picture of each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from mockforge.errors import InputError
from mockforge.field.picture import asinh_rgb, save_png
from mockforge.files import from_home
from mockforge.sgan.paint.asked import Asked
from mockforge.sgan.paint.sky import Sky
from mockforge.train.parallel import usable


def generate(
    model: str | Path,
    size: tuple[int, int],
    n: int,
    seed: int,
    out: str | Path,
    *,
    device: str = "cpu",
    progress: Callable[[int], None] | None = None,
    depth: Asked | None = None,
    seeing: Asked | None = None,
    density: float | None = None,
    member: int | None = None,
) -> list[Path]:
    """Write `n` fields of `size` (rows, columns) pixels in nJy; field k is a sky of its own seed, seed + k.

    Each is `NAME-SEED.fits`, a multi-extension file (a band an extension, then the noiseless
    bands where the network gives them), and `NAME-SEED.png`. `progress` is called with the
    pixels done; `depth`, `seeing`, `density` and `member` are as of a Sky. Returns the paths of
    the FITS files. Raises InputError for a size that is not positive, an unknown model, a device
    this machine lacks, what the model cannot do or an `out` that cannot be made.
    """
    if min(size) < 1 or n < 1:
        raise InputError(f"size {size[0]}x{size[1]} and n {n} should be at least 1")
    chosen = str(usable(device))
    asked = {"depth": depth, "seeing": seeing, "density": density, "member": member}
    sky = Sky(model, seed, device=chosen, **asked)  # type: ignore[arg-type]
    out = from_home(out)
    try:
        out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{out}: cannot be made ({error.strerror}); choose another --out") from error
    written = []
    for k in range(n):
        sky = sky if k == 0 else Sky(sky.model, seed + k, device=chosen, **asked)  # type: ignore[arg-type]
        written.append(_write(sky, size, out, progress))
    return written


def _write(sky: Sky, size: tuple[int, int], out: Path, progress: Callable[[int], None] | None) -> Path:
    field = sky.field(0, size[0], 0, size[1], progress)
    path = field.write(out / f"{sky.model.name}-{sky.seed}.fits")
    save_png(path.with_suffix(".png"), asinh_rgb(field.image, bands=field.bands))
    return path
