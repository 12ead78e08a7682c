"""The table `galaxy` of a pairs build: every parameter drawn, and what follows from it."""

from __future__ import annotations

import numpy as np

from mockforge.galaxies.shapes import Shapes
from mockforge.photometry.cosmology import arcsec_per_kpc
from mockforge.photometry.epochs import Light
from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.spectra.spec import Spectra


def spectrum_columns(prefix: str, spectra: Spectra, row: np.ndarray, cosmology: str) -> dict[str, np.ndarray]:
    """Name, number and parameters of the spectra chosen, (N,) each."""
    seds = spectrum_set(spectra, cosmology)
    return {
        f"{prefix}sed": row.astype(np.int32),
        f"{prefix}sed_name": np.char.encode(np.array(seds.names), "utf-8")[row],
        **{f"{prefix}{key}": np.asarray(column)[row] for key, column in seds.parameters.items()},
    }


def light_columns(bands: tuple[str, ...], found: Light) -> dict[str, np.ndarray]:
    """Magnitudes, total fluxes and K-corrections."""
    columns = {
        "absolute_magnitude_in": found.absolute_in,
        "absolute_magnitude_out": found.absolute_out,
    }
    for c, band in enumerate(bands):
        columns[f"flux_in_{band}"] = found.sed_in[:, c].sum(-1)
        columns[f"flux_out_{band}"] = found.sed_out[:, c].sum(-1)
        columns[f"k_correction_in_{band}"] = found.k_in[:, c]
        columns[f"k_correction_out_{band}"] = found.k_out[:, c]
    return columns


def part_columns(
    shapes: Shapes, bulge: bool, companions: int, knots: bool, asymmetry: bool
) -> dict[str, np.ndarray]:
    """Parameters of bulge, companions, knots and asymmetry; lengths in effective radii of the main body."""
    columns: dict[str, np.ndarray] = {}
    if bulge:
        columns |= {
            "bulge_fraction": shapes.weight[:, 1],
            "bulge_r_e": shapes.r_e[:, 1],
            "bulge_n": shapes.n[:, 1],
            "bulge_axis_ratio": shapes.axis_ratio[:, 1],
        }
    if companions:
        columns["companions"] = shapes.companions.astype(np.int32)
    for j in range(companions):
        k = 1 + int(bulge) + j
        columns |= {
            f"companion_{j}_fraction": shapes.weight[:, k],
            f"companion_{j}_x": shapes.x[:, k],
            f"companion_{j}_y": shapes.y[:, k],
            f"companion_{j}_r_e": shapes.r_e[:, k],
            f"companion_{j}_n": shapes.n[:, k],
            f"companion_{j}_axis_ratio": shapes.axis_ratio[:, k],
            f"companion_{j}_position_angle": shapes.position_angle[:, k],
        }
    if knots:
        columns |= {
            "knots": (shapes.knot_weight > 0).sum(axis=1).astype(np.int32),
            "knots_fraction": shapes.weight[:, -1],
            "knots_size": shapes.knot_size,
        }
    if asymmetry:
        columns |= {"asymmetry": shapes.asymmetry[:, 0], "asymmetry_angle": shapes.asymmetry_angle[:, 0]}
    return columns


def scale_columns(z_in: np.ndarray, z_out: np.ndarray, cosmology: str) -> dict[str, np.ndarray]:
    """Physical scale at both redshifts."""
    return {
        "kpc_per_arcsec_in": 1.0 / arcsec_per_kpc(z_in, cosmology),
        "kpc_per_arcsec_out": 1.0 / arcsec_per_kpc(z_out, cosmology),
    }
