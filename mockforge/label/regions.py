"""DS9 regions of a catalogue: on the sky where there is a WCS, else on the image."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.label.apertures import KRON_FACTOR, SMALLEST_KRON


def regions(columns: dict[str, np.ndarray], wcs: Any = None) -> str:
    """Return the Kron ellipse of every object as a DS9 region file.

    With a WCS in ICRS: degrees, half axes in arcsec, angles counted from west towards north (the
    position angle east of north and 90 degrees). Without, and where the WCS mirrors the sky (angles
    of whose regions programs read in two ways), in image coordinates, whose first pixel is 1.
    Blended objects are yellow, those cut by an edge or a mask red, the others green.
    """
    kron = KRON_FACTOR * columns["kron_radius"].astype(np.float64)
    major, minor = kron * columns["a"], kron * columns["b"]
    small = ~(np.sqrt(major * minor) >= SMALLEST_KRON)
    major, minor = np.where(small, SMALLEST_KRON, major), np.where(small, SMALLEST_KRON, minor)
    on_sky = wcs is not None and np.linalg.det(wcs.pixel_scale_matrix) < 0
    lines = ["# Region file format: DS9 version 4.1", "global color=green width=1 select=1"]
    lines.append("icrs" if on_sky else "image")
    scales = _scales(columns, wcs) if on_sky else np.ones(len(major))
    for i, label in enumerate(columns["label"]):
        colour = "red" if columns["truncated"][i] else "yellow" if columns["blended"][i] else "green"
        if on_sky:
            place = f"{columns['ra'][i]:.7f},{columns['dec'][i]:+.7f}"
            sides = f'{major[i] * scales[i]:.4f}",{minor[i] * scales[i]:.4f}"'
            angle = (float(columns["theta_sky"][i]) + 90.0) % 180.0
        else:
            place = f"{columns['x'][i] + 1.0:.3f},{columns['y'][i] + 1.0:.3f}"
            sides, angle = f"{major[i]:.3f},{minor[i]:.3f}", float(columns["theta"][i])
        lines.append(f"ellipse({place},{sides},{angle:.2f}) # color={colour} text={{{label}}}")
    return "\n".join(lines) + "\n"


def _scales(columns: dict[str, np.ndarray], wcs: Any) -> np.ndarray:
    """(N,) arcsec per pixel along the major axis at each object."""
    angle = np.radians(columns["theta"].astype(np.float64))
    x, y = columns["x"], columns["y"]
    if not len(x):
        return np.ones(0)
    ahead = wcs.pixel_to_world(x + 0.5 * np.cos(angle), y + 0.5 * np.sin(angle))
    behind = wcs.pixel_to_world(x - 0.5 * np.cos(angle), y - 0.5 * np.sin(angle))
    return np.atleast_1d(ahead.separation(behind).arcsec)
