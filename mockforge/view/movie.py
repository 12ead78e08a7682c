"""Frames as a film: GIF, or MP4 by ffmpeg."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.errors import InputError
from mockforge.extras import how_to, installed

GIF_FPS = 25
"""A GIF counts hundredths of a second."""
_SHARE = 0.3
"""Power of a colour's number of pixels by which it counts for the palette."""


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
            f"--flight: {path}: MP4 needs ffmpeg, which is not there; type: {how_to('movie')}, or give a name"
            " that ends in .gif"
        )
    return found


def write_film(path: Path, frames: Iterator[np.ndarray], fps: int, ffmpeg: str | None) -> None:
    """Write frames (y, x, 3) uint8 as GIF (a loop, each frame with a palette of its own) or as MP4.

    InputError where ffmpeg makes none.
    """
    if ffmpeg is None:
        _write_gif(path, frames)
        return
    raw = list(frames)
    height, width, _ = raw[0].shape
    command = [ffmpeg, "-v", "error", "-y", "-f", "rawvideo", "-pix_fmt", "rgb24"]
    command += ["-s", f"{width}x{height}", "-r", str(fps), "-i", "-"]
    command += ["-c:v", "libx264", "-crf", "20", "-pix_fmt", "yuv420p", "-f", "mp4", str(path)]
    joined = b"".join(frame.tobytes() for frame in raw)
    made = subprocess.run(command, input=joined, capture_output=True, check=False)
    if made.returncode:
        errors = made.stderr.decode(errors="replace").strip()[-200:]
        raise InputError(f"--flight: ffmpeg made no MP4: {errors}")


def _write_gif(path: Path, frames: Iterator[np.ndarray]) -> None:
    flat = (in_palette(frame) for frame in frames)
    first = next(flat)
    wait = 1000 // GIF_FPS
    first.save(path, format="GIF", save_all=True, append_images=flat, duration=wait, loop=0)


def in_palette(frame: np.ndarray) -> Any:
    """Return a frame (y, x, 3) uint8 in 256 colours of its own, as an image of PIL.

    The palette is a median cut of its colours, each counted by the power 0.3 of its pixels: bright cores
    are few pixels of many colours, and the sky many of few.
    """
    from PIL import Image

    coarse = (frame >> 2).reshape(-1, 3).astype(np.int32)
    code = (coarse[:, 0] << 12) | (coarse[:, 1] << 6) | coarse[:, 2]
    count = np.bincount(code, minlength=1 << 18)
    colours = np.flatnonzero(count)
    total = [np.bincount(code, frame[..., i].ravel(), 1 << 18)[colours] for i in range(3)]
    mean = np.rint(np.stack(total, axis=1) / count[colours, None]).astype(np.uint8)
    sample = np.repeat(mean, np.ceil(count[colours] ** _SHARE).astype(int), axis=0)
    palette = Image.fromarray(sample[None]).quantize(256, method=Image.Quantize.MEDIANCUT, kmeans=2)
    return Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE)
