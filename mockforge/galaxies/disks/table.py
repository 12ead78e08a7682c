"""The tables of disk galaxies: every parameter, and every clump."""

from __future__ import annotations

import numpy as np

from mockforge.batch import Batch
from mockforge.galaxies.disks.make import PARTS, DiskStamps, seen_ellipse, shares
from mockforge.galaxies.disks.model import LENGTHS_IN_R_HALF
from mockforge.galaxies.disks.spec import DiskGalaxies
from mockforge.galaxies.table import spectrum_columns


def galaxy_columns(cfg: DiskGalaxies, batch: Batch, made: DiskStamps) -> dict[str, np.ndarray]:
    """Return the table `galaxy`, a row a sample; angles in degrees, fluxes in nJy."""
    d = made.drawn
    a, q, angle = seen_ellipse(d)
    table: dict[str, np.ndarray] = {
        "sample": batch.sample,
        "x": d.x,
        "y": d.y,
        "z": d.z,
        "magnitude": d.magnitude,
        "r_half_arcsec": d.r_half_arcsec,
        "n": d.n,
        "scale_length_arcsec": np.where(d.n == 1, d.r_half_arcsec / LENGTHS_IN_R_HALF, np.nan),
        "scale_height_arcsec": d.thickness * d.r_half_arcsec / LENGTHS_IN_R_HALF,
        "inclination": d.inclination,
        "position_angle": d.position_angle % 180.0,
        "g1": d.g1,
        "g2": d.g2,
        "sheared_r_half_arcsec": a * d.r_half_arcsec,
        "sheared_axis_ratio": q,
        "sheared_position_angle": angle,
    }
    table |= {f"{part}_share": share for part, share in shares(d).items() if part in made.flux}
    if cfg.bulge is not None:
        table |= {
            "bulge_r_half_arcsec": d.bulge_r_half * d.r_half_arcsec,
            "bulge_n": d.bulge_n,
            "bulge_axis_ratio": d.bulge_axis_ratio,
        }
    if d.clumps is not None:
        table |= {
            "clumps": d.clumps.number().astype(np.int32),
            "clump_sigma_arcsec": d.clumps.size * d.r_half_arcsec,
        }
    s = d.structure
    if cfg.arms is not None:
        table |= {
            "arms": s.arms.astype(np.int32),
            "arm_strength": s.arm_strength,
            "arm_pitch": s.pitch,
            "arm_start_arcsec": s.arm_start * d.r_half_arcsec,
            "arm_angle": s.arm_angle,
            "arm_sharpness": s.sharpness,
        }
    if cfg.bar is not None:
        table |= {
            "bar_strength": s.bar_strength,
            "bar_length_arcsec": np.where(s.bar_strength > 0, s.bar_length * d.r_half_arcsec, 0.0),
            "bar_axis_ratio": s.bar_axis_ratio,
            "bar_angle": s.bar_angle,
        }
    for c, band in enumerate(cfg.bands):
        table[f"true_flux_{band}"] = sum((flux[:, c] for flux in made.flux.values()), np.zeros(len(d)))
        table |= {f"true_flux_{part}_{band}": made.flux[part][:, c] for part in PARTS if part in made.flux}
    table["fraction"] = _on_stamp(made)
    for part, spectra in made.spectra.items():
        prefix = "" if part == "disk" else f"{part}_"
        table |= spectrum_columns(prefix, spectra, made.spectrum[part], cfg.cosmology)
    return table


def _on_stamp(made: DiskStamps) -> np.ndarray:
    """Share of the total flux of all bands that falls on the stamp, through the PSF, (N,)."""
    inside = sum(image.sum(axis=(1, 2, 3), dtype=np.float64) for image in made.images.values())
    return np.asarray(inside / sum(flux.sum(axis=1) for flux in made.flux.values()))


def clump_columns(cfg: DiskGalaxies, batch: Batch, made: DiskStamps) -> dict[str, np.ndarray]:
    """Return the table `clumps`, a row a clump: on the stamp in pixels, in the disk in arcsec."""
    d = made.drawn
    assert d.clumps is not None
    galaxy, clump = np.nonzero(d.clumps.weight > 0)
    table: dict[str, np.ndarray] = {
        "sample": batch.sample[galaxy],
        "x": made.clump_x[galaxy, clump],
        "y": made.clump_y[galaxy, clump],
    }
    for key in ("u", "v", "w"):
        table[f"{key}_arcsec"] = getattr(d.clumps, key)[galaxy, clump] * d.r_half_arcsec[galaxy]
    table["sigma_arcsec"] = (d.clumps.size * d.r_half_arcsec)[galaxy]
    weight = d.clumps.weight[galaxy, clump]
    table["share"] = weight
    return table | {
        f"true_flux_{band}": made.flux["clumps"][galaxy, c] * weight for c, band in enumerate(cfg.bands)
    }
