"""A short flight: a closed path of pans and zooms over a field, or down to an endless sky from far away."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from mockforge.errors import InputError
from mockforge.view.colour import Colours, Pixels, window_of
from mockforge.view.scales import SkyScales

_REACH = 1536
"""A flight over a file stays within so many pixels a side about its middle: it bounds the memory."""
_MARGIN = 4
"""Pixels about a frame that its resampling may reach."""
_FARTHEST = 4
"""A flight over an endless sky begins where a pixel of the frame is 2^4 of the sky's, if it is so coarse."""
_SPEED = 2.5
"""Pixels of the frame that the sky moves from one to the next, about, where a flight is far out."""
_FADES = 0.6
"""From this part of an octave on, frames pass over to the next coarser level."""


@dataclass(frozen=True)
class Flight:
    """Size and length of a flight."""

    height: int = 270
    width: int = 480
    frames: int = 192
    fps: int = 24
    """Of MP4; a GIF shows 25 a second."""


def flight_frames(field: Pixels, colours: Colours, stretch: str, flight: Flight) -> Iterator[np.ndarray]:
    """Yield the frames of a flight over a field, (height, width, 3) uint8, the top row first.

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


def descent_frames(scales: SkyScales, colours: Colours, stretch: str, flight: Flight) -> Iterator[np.ndarray]:
    """Yield the frames of a flight down to an endless sky and up again, as `flight_frames` does.

    A pixel of frame t is s(t) pixels of the sky, log2 s = (K - 1) / 2 + (K + 1) / 2 cos 2 pi t: 2^K at first,
    1/2 in the middle. It is drawn from the finest level of the sky whose pixels are no larger than s, and
    from the next coarser one, which takes its place before it is reached. Light passes over linearly and
    noise, which each level has of its own, by the root of its share, so that neither jumps.
    """
    farthest = min(_FARTHEST, scales.coarsest)
    turn = 2 * np.pi * np.arange(flight.frames) / flight.frames
    shown = 2.0 ** ((farthest - 1) / 2 + (farthest + 1) / 2 * np.cos(turn))
    for scale, y, x in zip(shown.tolist(), *_path(turn, shown), strict=True):
        flux = _seen_from(scales, scale, (y, x), flight)
        yield colours.rgb(flux, colours.layers[0], stretch, max(scale, 1.0))


def _path(turn: np.ndarray, shown: np.ndarray) -> tuple[list[float], list[float]]:
    """Return y, x in pixels of the sky of the middle of each frame: a loop, slow where little is seen."""
    step = _SPEED * shown
    along = step * np.sin(turn)
    across = step * np.cos(turn)
    across -= step * across.sum() / step.sum()  # it closes
    return np.cumsum(across).tolist(), np.cumsum(along - along.mean()).tolist()


def _seen_from(scales: SkyScales, shown: float, middle: tuple[float, float], flight: Flight) -> np.ndarray:
    """Return a frame's flux, (band, height, width), of which a pixel is `shown` pixels of the sky."""
    octave = max(float(np.log2(shown)), 0.0)
    level = min(int(octave), scales.coarsest)
    share = np.clip((octave - level - _FADES) / (1 - _FADES), 0.0, 1.0) if level < scales.coarsest else 0.0
    flux = np.float32(0.0)
    for k, part in ((level, 1.0 - share), (level + 1, share)):
        if part > 0:
            light, noise = _on_frame(scales, k, shown, middle, flight)
            flux = flux + np.float32(part) * light + np.float32(np.sqrt(part)) * noise
    return np.asarray(flux)


def _on_frame(
    scales: SkyScales, level: int, shown: float, middle: tuple[float, float], flight: Flight
) -> tuple[np.ndarray, np.ndarray]:
    """Return light and noise of a level on the pixels of a frame, (band, height, width) each."""
    y, x, step = (v / 2**level for v in (*middle, shown))
    half_y, half_x = step * flight.height / 2, step * flight.width / 2
    y0, x0 = int(np.floor(y - half_y)) - 2 * _MARGIN, int(np.floor(x - half_x)) - 2 * _MARGIN
    y1, x1 = int(np.ceil(y + half_y)) + 2 * _MARGIN, int(np.ceil(x + half_x)) + 2 * _MARGIN
    box = (x - half_x - x0, y - half_y - y0, x + half_x - x0, y + half_y - y0)
    size = (flight.width, flight.height)
    parts = scales.window(level, y0, y1, x0, x1)
    light, noise = (np.stack([_resampled(band, size, box) for band in part]) for part in parts)
    return light, noise


def _resampled(image: np.ndarray, size: tuple[int, int], box: tuple[float, ...]) -> np.ndarray:
    from PIL import Image

    x0, y0 = max(0, int(box[0]) - 2 * _MARGIN), max(0, int(box[1]) - 2 * _MARGIN)
    x1, y1 = int(box[2]) + 2 * _MARGIN + 1, int(box[3]) + 2 * _MARGIN + 1
    near = Image.fromarray(np.ascontiguousarray(image[y0:y1, x0:x1]))
    within = (box[0] - x0, box[1] - y0, box[2] - x0, box[3] - y0)
    return np.asarray(near.resize(size, Image.Resampling.BICUBIC, box=within))
