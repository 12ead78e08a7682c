"""A short flight over a field: a closed path of pans and zooms, as GIF or MP4."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import installed
from mockforge.view.colour import Colours, Pixels, window_of

_REACH = 1536
"""The flight stays within so many pixels a side about the field's middle, which bounds the memory."""
_MARGIN = 4
"""Pixels about a frame that its resampling may reach."""


@dataclass(frozen=True)
class Flight:
    """Size and length of a flight."""

    height: int = 270
    width: int = 480
    frames: int = 144
    fps: int = 24
    """Of MP4; a GIF counts hundredths of a second, and shows 25 a second."""


def flight_frames(field: Pixels, colours: Colours, stretch: str, flight: Flight) -> Iterator[np.ndarray]:
    """Yield the frames of a flight, (height, width, 3) uint8, the top row first.

    The middle of frame t (0 <= t < 1) goes about a closed curve, (cos 2 pi t, sin 4 pi t) in units of the
    room there is, and a pixel of the field is shown 1 to 2 times as large: the last frame is followed
    by the first.
    Flux is resampled by cubic convolution at fractions of a pixel; the stretch is the same in each frame. One
    window of at most 1536^2 pixels is held.

    Raises
    ------
    InputError
        Where the field is smaller than a frame.
    """
    _, height, width = field.shape
    rows, columns = flight.height + 2 * _MARGIN, flight.width + 2 * _MARGIN
    if height < rows or width < columns:
        raise InputError(
            f"--flight: the field has {height} x {width} pixels; a flight needs {rows} x {columns} or more"
        )
    tall, wide = min(height, _REACH), min(width, _REACH)
    y0, x0 = (height - tall) // 2, (width - wide) // 2
    flux = window_of(field, y0, y0 + tall, x0, x0 + wide)
    flux = np.where(np.isfinite(flux), flux, np.array(colours.level, dtype=np.float32)[:, None, None])
    room_y, room_x = (tall - rows) / 2, (wide - columns) / 2
    for turn in 2 * np.pi * np.arange(flight.frames) / flight.frames:
        shown = 0.75 + 0.25 * np.cos(turn)  # field's pixels a pixel of the frame
        y, x = tall / 2 + room_y * np.sin(2 * turn), wide / 2 + room_x * np.cos(turn)
        half_y, half_x = shown * flight.height / 2, shown * flight.width / 2
        box = (x - half_x, y - half_y, x + half_x, y + half_y)
        part = np.stack([_resampled(band, (flight.width, flight.height), box) for band in flux])
        yield colours.rgb(part, colours.layers[0], stretch)


def _resampled(image: np.ndarray, size: tuple[int, int], box: tuple[float, ...]) -> np.ndarray:
    from PIL import Image

    x0, y0 = max(0, int(box[0]) - _MARGIN), max(0, int(box[1]) - _MARGIN)
    x1, y1 = int(box[2]) + _MARGIN + 1, int(box[3]) + _MARGIN + 1
    near = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    within = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
    return np.asarray(near.resize(size, Image.Resampling.BICUBIC, box=within))


def encoder_of(path: Path) -> str | None:
    """Return the ffmpeg that makes an MP4, None for a GIF.

    Raises
    ------
    InputError
        For another ending, or where there is no ffmpeg.
    """
    if path.suffix.lower() == ".gif":
        return None
    if path.suffix.lower() != ".mp4":
        raise InputError(f"--flight: {path}: a flight is a .gif or a .mp4; give a name that ends so")
    if installed("imageio_ffmpeg"):
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    found = shutil.which("ffmpeg")
    if found is None:
        raise InputError(
            f"--flight: {path}: MP4 needs ffmpeg, which is not there; type pip install imageio-ffmpeg, or"
            " give a name that ends in .gif"
        )
    return found


def write_flight(path: Path, frames: Iterator[np.ndarray], flight: Flight, ffmpeg: str | None) -> None:
    """Write the frames of a flight as GIF (one palette of 256 colours, a loop) or as MP4 by ffmpeg."""
    if ffmpeg is None:
        _write_gif(path, frames)
        return
    command = [ffmpeg, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{flight.width}x{flight.height}", "-r", str(flight.fps), "-i", "-"]
    command += ["-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-f", "mp4", str(path)]
    raw = b"".join(frame.tobytes() for frame in frames)
    made = subprocess.run(command, input=raw, capture_output=True, check=False)
    if made.returncode:
        errors = made.stderr.decode(errors="replace").strip()[-200:]
        raise InputError(f"--flight: ffmpeg made no MP4: {errors}")


def _write_gif(path: Path, frames: Iterator[np.ndarray]) -> None:
    from PIL import Image

    pictures = [Image.fromarray(frame) for frame in frames]
    some = np.concatenate([np.asarray(p) for p in pictures[:: max(1, len(pictures) // 8)]])
    palette = Image.fromarray(some).quantize(256, method=Image.Quantize.MEDIANCUT)
    flat = [picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures]
    flat[0].save(path, format="GIF", save_all=True, append_images=flat[1:], duration=40, loop=0)
