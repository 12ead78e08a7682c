"""`mockforge degrade` of a field of any size: from disk to disk, block by block."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mockforge.commands.degrade import coarse_wcs, degraded_header
from mockforge.commands.degrade_noise import BandNoise, measured, noise_of
from mockforge.commands.degrade_windows import DegradedWindows, setup_of, telescope_of
from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.files import from_home
from mockforge.mosaic.read import Mosaic, open_field
from mockforge.mosaic.spec import MosaicSpec, Plane
from mockforge.mosaic.write import write_mosaic
from mockforge.observe.degrade.blocks import Blocks
from mockforge.observe.degrade.degrader import coarse_grid
from mockforge.observe.degrade.optics import DegradationSetup, drawn_of, fwhm_of, warn_of
from mockforge.observe.degrade.wcs import check_onto
from mockforge.observe.degrade.wcs_blocks import Target, TargetBlocks, TargetTelescope
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from mockforge.torch_state import steadily

LARGE = 4096 * 4096
"""Pixels of a band above which a field is degraded from disk to disk."""


def is_large(files: Sequence[str | Path], out: str | Path) -> bool:
    """Whether an image is to be degraded from disk to disk: Zarr in or out, or more pixels than `LARGE`."""
    paths = [from_home(file) for file in files]
    if str(out).lower().endswith(".zarr") or any(path.is_dir() for path in paths):
        return True
    size = sum(path.stat().st_size for path in paths if path.is_file())
    packed = any(path.suffix in (".gz", ".bz2") for path in paths)  # they are read in memory in any case
    return not packed and size > LARGE // 8 and int(np.prod(open_field(paths).shape[1:])) > LARGE


@dataclass(frozen=True)
class DegradedFile:
    """A degraded field that is still to be written."""

    windows: DegradedWindows
    spec: MosaicSpec
    bands: tuple[str, ...]
    sky_rms: tuple[float, ...]
    """Rms of the noise of empty sky in a pixel, of each band, nJy."""
    scale: float
    """Arcsec of a pixel."""
    notes: tuple[str, ...]
    """Sentences the user should read."""

    def write(self, out: str | Path, workers: int = 1, advance: Callable[[int], None] | None = None) -> Path:
        """Write it as .fits or .zarr; cut off and called again it continues. Errors as `write_mosaic`."""
        own = [str(from_home(out).resolve()) == str(Path(name).resolve()) for name in _inputs(self.windows)]
        if any(own):
            raise InputError(f"{out}: is the image that is read; choose another name for the result")
        side = self.windows.blocks.side
        return write_mosaic(out, self.spec, self.windows, workers=workers, window=side, advance=advance)


def _inputs(windows: DegradedWindows) -> list[str]:
    return [str(windows.mosaic.path), *windows.mosaic.stamps]


@steadily()
def degraded_file(mosaic: Mosaic, stage: Degrade, seed: int = 1, wcs: Path | None = None) -> DegradedFile:
    """Return what writes a field on disk as `stage.to` has it, or on the pixels of the file `wcs`.

    As `degrade_field`, at any size and in little memory. A block of coarse pixels is computed from the fine
    ones within 60 FWHM of the wanted PSF (at most 1024), beyond the field from its reflection; in memory
    the reflection ends where 0.2% of a star's light is outside, and then the other side of the field
    follows, so that pixels near the edges differ. The noise is drawn by place: other numbers than
    `degrade_field` draws, of the same law. The noise of an observed image is measured on tiles.

    Raises
    ------
    InputError
        As `degrade_field`, and for a sweep.
    """
    _check(mosaic, stage)
    stage, shape = replace(stage, labels=()), (mosaic.shape[1], mosaic.shape[2])
    target = None
    if wcs is not None:
        check_onto(stage)
        target = Target.of(wcs, mosaic.wcs, shape)
        stage = replace(stage, pixel_scale_arcsec=target.step * float(mosaic.pixel_scale_arcsec or 0))
    stream = Stream(seed, ("degrade",))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        about = setup_of(stage, mosaic)
        drawn = drawn_of(stage, about, 1, stream)
        phase = (float(drawn.phase_x[0]), float(drawn.phase_y[0]))
        grid = coarse_grid(shape, about.scale / about.fine, about.shape, phase)
        factor = float(drawn.fwhm_factor[0])
        widest = factor * max(map(fwhm_of, about.wanted)) / about.fine
        blocks = Blocks.of(grid, shape, widest)
        telescope = telescope_of(stage, about, blocks, factor)
        onto = None if target is None else TargetBlocks(target, blocks.side, blocks.margin)
        used = telescope if onto is None else TargetTelescope(stage, about, onto, factor)
        warn_of(stage.to, about.fine, used.shortcomings)
        there = telescope.noise(measured(mosaic, _own_rms(stage, mosaic))) if stage.input == "image" else []
        noise = noise_of(stage, about, drawn, stream, there)
    planes = ["image"] + ["truth"] * (stage.input == "truth")
    planes += ["variance"] * any(band.rms > 0 for band in noise) + ["mask"]
    windows = DegradedWindows(mosaic, stage, stream, blocks, noise, factor, tuple(planes), target)
    notes = tuple(dict.fromkeys(str(w.message) for w in caught))
    return DegradedFile(
        windows,
        _spec(windows, about, seed),
        about.bands,
        tuple(band.rms for band in noise),
        about.scale,
        notes,
    )


def _check(mosaic: Mosaic, stage: Degrade) -> None:
    """InputError where a field cannot be degraded."""
    if mosaic.unit != "nJy":
        raise InputError("the flux unit of the image is unknown: give the AB magnitude of pixel value 1")
    if mosaic.pixel_scale_arcsec is None:
        raise InputError("the pixel scale of the image is unknown: give it in arcsec")
    if stage.input == "light" or (stage.input == "truth" and "truth" not in mosaic.planes):
        raise InputError(
            f"the file has no noiseless image, and input: {stage.input} needs it; take input: image"
        )
    if stage.sweep is not None:
        raise InputError("sweep: a field that is written block by block has one setting; take sweep out")
    if stage.psf is None and mosaic.psf_fwhm_arcsec is None:
        raise InputError(
            "the PSF of the image is unknown: give its FWHM in arcsec, one or one per band (--psf-fwhm 0.7), "
            "or FITS images of it (--psf psf.fits); `psf` in a recipe"
        )


def _own_rms(stage: Degrade, mosaic: Mosaic) -> np.ndarray | None:
    """Return the rms that the user says the image has, a band each; None where it is to be measured."""
    count = mosaic.shape[0]
    if isinstance(stage.own_rms_njy, tuple) and len(stage.own_rms_njy) not in (1, count):
        raise InputError(f"own_rms_njy: {len(stage.own_rms_njy)} numbers for {count} bands; give one each")
    return None if stage.own_rms_njy is None else np.broadcast_to(stage.own_rms_njy, (count,))


def _spec(windows: DegradedWindows, about: DegradationSetup, seed: int) -> MosaicSpec:
    """Return the planes and headers of the degraded field."""
    grid, mosaic, target = windows.blocks.grid, windows.mosaic, windows.target
    height, width = grid.shape if target is None else target.shape
    wcs = None if mosaic.wcs is None else coarse_wcs(mosaic.wcs, grid) if target is None else target.wcs
    widths = tuple(fwhm_of(model) for model in about.wanted)
    said = Field(np.zeros((len(about.bands), 1, 1), np.float32), about.bands, about.scale, widths)
    planes = []
    for name, prefix, power in (("image", "", 1), ("truth", "TRUTH_", 1), ("variance", "VAR_", 2)):
        if name in windows.planes:
            cards = tuple(said.cards(i, power) for i in range(len(about.bands)))
            planes.append(Plane(name, tuple(f"{prefix}{band}" for band in about.bands), cards=cards))
    facts = {
        "bands": list(about.bands),
        "unit": "nJy",
        "zeropoint_ab": said.zeropoint_ab,
        "pixel_scale_arcsec": about.scale,
        "psf_fwhm_arcsec": list(widths),
    }
    return MosaicSpec(
        height,
        width,
        (*planes, Plane("mask", ("MASK",), dtype="uint8")),
        wcs=wcs,
        header=degraded_header(windows.stage.to, windows.stage.input, seed),
        identity=_identity(windows, about),
        facts=facts,
    )


def _identity(windows: DegradedWindows, about: DegradationSetup) -> str:
    """Return a digest of all that decides the bytes: input, settings, PSFs and noise as they came out."""
    k = np.linspace(0, max(model.highest for model in about.wanted), 64)
    transfer = [model.at(k[None, :], k[:, None]) for model in (*about.present, *about.wanted)]
    mixed = None if about.mixing is None else about.mixing.matrix
    mosaic = windows.mosaic
    told = repr((
        sorted(mosaic.stamps.items()), mosaic.pixels, windows.stage, windows.stream, windows.blocks,
        about.bands, about.fine, about.scale, windows.fwhm_factor, _place_told(windows.target),
    ))  # fmt: skip
    digest = hashlib.sha256(told.encode())
    for values in (*transfer, mixed, *(value for band in windows.noise for value in _numbers(band))):
        digest.update(b"none" if values is None else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _place_told(target: Target | None) -> str:
    return (
        "" if target is None else repr((target.shape, target.sides, target.wcs.to_header_string(relax=True)))
    )


def _numbers(band: BandNoise) -> list[np.ndarray | float | None]:
    model = band.model
    if model is None:
        return [band.there, None]
    return [band.there, model.rms, model.electrons, model.sky, model.autocorrelation]
