"""The preview of cubes: white light, maps of velocity and dispersion, a position-velocity diagram."""

from __future__ import annotations

import numpy as np

from mockforge.data.preview.page import PAGE, enlarged, joined, page, spread, written
from mockforge.data.reader import Reader

_SIDE = 176
"""Pixels of a panel."""
_RDBU_R = (
    (5, 48, 97), (33, 102, 172), (67, 147, 195), (146, 197, 222), (209, 229, 240), (247, 247, 247),
    (253, 219, 199), (244, 165, 130), (214, 96, 77), (178, 24, 43), (103, 0, 31),
)  # fmt: skip
"""Blue comes towards us, red goes away: RdBu of ColorBrewer (Brewer 2013), as is usual."""
_INFERNO = (
    (0, 0, 4), (31, 12, 72), (85, 15, 109), (136, 34, 106), (186, 54, 85), (227, 89, 51), (249, 140, 10),
    (249, 201, 50), (252, 255, 164),
)  # fmt: skip
"""Of what is never negative: matplotlib's inferno, every eighth of it."""
_FAINTEST = 0.01
"""Of the brightest spaxel: below it, maps are left dark."""


def cubes(reader: Reader) -> np.ndarray:
    """Return a page of six cubes, uint8 (y, x, 3): a row each.

    The cube's sum over channels; of the truth through the PSF velocity and dispersion, as far as spaxels are
    bright; and the position-velocity diagram of the cube along the major axis, its curve not drawn in.
    """
    present = [n for n in ("cube", "cube_truth", *_MAPS, "wavelength", "snr_mask") if n in reader.arrays]
    table, _ = reader.table("disk")
    panels = []
    for i in spread(reader, 6):
        sample = reader.read(i, present)
        row = int(np.flatnonzero(table["sample"] == reader.sample[i])[0])
        cube = sample["cube"]
        panels.append(joined([_grey(cube.sum(axis=0)), *_maps(sample, table, row)], axis=1))
        if "wavelength" in sample:
            pv = _position_velocity(cube, table, row)
            panels[-1] = joined([panels[-1], _panel(pv, np.percentile(pv, 1), pv.max(), _INFERNO)], axis=1)
    titles = ["white light", *[_MAPS[n] for n in _MAPS if n in present]]
    titles += ["slit, major axis"] if "wavelength" in present else []
    return page(reader, panels, 1, titles, "maps: truth through the PSF, km/s; blue comes towards us")


_MAPS = {"velocity_observed": "velocity", "dispersion_observed": "dispersion"}


def _maps(sample: dict[str, np.ndarray], table: dict[str, np.ndarray], row: int) -> list[np.ndarray]:
    """Return the panels of velocity and dispersion, each with its range in words."""
    truth = sample.get("cube_truth", sample["cube"]).sum(axis=0)
    bright = truth > _FAINTEST * truth.max()
    out = []
    if "velocity_observed" in sample:
        v = sample["velocity_observed"]
        top = max(float(np.percentile(abs(v[bright]), 99)), 1.0)
        picture = np.where(bright[..., None], coloured((v + top) / (2 * top), _RDBU_R), PAGE).astype(np.uint8)
        out.append(written(_upright(picture), f"-{top:.0f} to {top:.0f}"))
    if "dispersion_observed" in sample:
        s = sample["dispersion_observed"]
        low, high = (float(np.percentile(s[bright], q)) for q in (1, 99))
        picture = coloured((s - low) / max(high - low, 1.0), _INFERNO)
        picture = np.where(bright[..., None], picture, PAGE).astype(np.uint8)
        out.append(written(_upright(picture), f"{low:.0f} to {high:.0f}"))
    return out


def coloured(share: np.ndarray, colours: tuple[tuple[int, int, int], ...]) -> np.ndarray:
    """Return shares from 0 to 1 in colours, uint8 (..., 3), linear between those given."""
    at = np.linspace(0, 1, len(colours))
    columns = np.array(colours, dtype=np.float64).T
    return np.stack([np.interp(share, at, c) for c in columns], axis=-1).round().astype(np.uint8)


def _grey(image: np.ndarray) -> np.ndarray:
    noise = float(np.median(abs(image - np.median(image)))) * 1.4826
    scale = max(float(image.max()), 1e-30)
    bend = max(2 * noise, 0.02 * scale)
    return _panel(np.arcsinh(image / bend), np.arcsinh(-noise / bend), np.arcsinh(scale / bend), _INFERNO)


def _panel(
    values: np.ndarray, low: float, high: float, colours: tuple[tuple[int, int, int], ...]
) -> np.ndarray:
    return _upright(coloured((values - low) / max(high - low, 1e-30), colours))


def _upright(picture: np.ndarray) -> np.ndarray:
    """Return a picture with its first row below, on a square of `_SIDE`."""
    big = enlarged(picture[::-1], _SIDE)[:_SIDE, :_SIDE]
    square = np.full((_SIDE, _SIDE, 3), PAGE, dtype=np.uint8)
    y, x = ((_SIDE - n) // 2 for n in big.shape[:2])
    square[y : y + big.shape[0], x : x + big.shape[1]] = big
    return square


def _position_velocity(cube: np.ndarray, table: dict[str, np.ndarray], row: int) -> np.ndarray:
    """Return the spectra along the receding major axis, (channel, position), of a slit three spaxels wide."""
    from scipy.ndimage import map_coordinates

    angle = np.radians(float(table["position_angle"][row]))
    x0, y0 = float(table["x"][row]), float(table["y"][row])
    side = cube.shape[-1]
    along = np.arange(side) - (side - 1) / 2
    out = np.zeros((len(cube), side))
    for across in (-1.0, 0.0, 1.0):
        x = x0 + along * np.cos(angle) - across * np.sin(angle)
        y = y0 + along * np.sin(angle) + across * np.cos(angle)
        out += np.stack([map_coordinates(plane, [y, x], order=1, cval=0.0) for plane in cube])
    return out
