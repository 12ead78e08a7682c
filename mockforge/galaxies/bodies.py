"""What is drawn for the main bodies of pairs, their sizes, and the stamps that hold them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from mockforge.galaxies.pair_spec import SersicPairs
from mockforge.galaxies.redshifts import draw_redshifts
from mockforge.galaxies.shapes import draw_shapes
from mockforge.galaxies.stamp_side import holding_radius, side_for
from mockforge.photometry.cosmology import arcsec_per_kpc, size_factor
from mockforge.rng import Stream

_SIDE_DRAWS = 4000
"""Galaxies that the side of stamps is found from."""


@dataclass(frozen=True)
class Bodies:
    """What is drawn for each galaxy's main body, all (N,); redshifts are exact in float32."""

    z_in: np.ndarray
    z_out: np.ndarray
    magnitude: np.ndarray
    r_e: np.ndarray
    n: np.ndarray
    axis_ratio: np.ndarray
    position_angle: np.ndarray
    x: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class Sizes:
    """The main body's effective radius: arcsec at both redshifts, kpc at both."""

    r_e_in: np.ndarray
    r_e_out: np.ndarray
    kpc_in: np.ndarray
    kpc_out: np.ndarray


def draw_bodies(cfg: SersicPairs, count: int, stream: Stream) -> Bodies:
    """Each parameter from a stream of its own, so that changing one leaves the others alone."""
    z_in, z_out = draw_redshifts(
        cfg.z_in, cfg.z_out, cfg.redshift_grid, count, stream.child("redshift").numpy()
    )
    middle = (cfg.stamp - 1) / 2
    shift = stream.child("centre").numpy().uniform(-cfg.jitter, cfg.jitter, (2, count))
    varying = ("magnitude", "r_e", "n", "axis_ratio", "position_angle")
    values = {key: getattr(cfg, key).draw(stream.child(key).numpy(), count) for key in varying}
    return Bodies(z_in=z_in, z_out=z_out, x=middle + shift[0], y=middle + shift[1], **values)


def sizes_of(cfg: SersicPairs, body: Bodies) -> Sizes:
    """Physical sizes, and the angles under which they are seen."""
    scale = arcsec_per_kpc(body.z_in, cfg.cosmology)
    unit = {"kpc": scale, "arcsec": 1.0, "pixel": cfg.pixel_scale_arcsec}[cfg.r_e_unit]
    r_e_in = body.r_e * unit
    grown = ((1.0 + body.z_out) / (1.0 + body.z_in)) ** cfg.size_evolution
    change = size_factor(body.z_in, body.z_out, cfg.cosmology, angular_size=cfg.angular_size)
    return Sizes(r_e_in, r_e_in * grown * change, r_e_in / scale, r_e_in / scale * grown)


@lru_cache(maxsize=8)
def stamp_side(cfg: SersicPairs) -> int:
    """Return the side of stamps that `enclose` asks for, from galaxies drawn as the recipe's are.

    One for all.
    """
    if cfg.enclose is None:
        return cfg.stamp
    stream = Stream(0, ("stamp side",))
    body = draw_bodies(cfg, _SIDE_DRAWS, stream)
    shapes = draw_shapes(body.n, body.axis_ratio, body.position_angle, cfg, stream)
    sizes = sizes_of(cfg, body)
    pixels = np.maximum(sizes.r_e_in, sizes.r_e_out) / cfg.pixel_scale_arcsec
    return side_for(holding_radius(shapes, cfg.enclose) * pixels, cfg.jitter, cfg.stamp, cfg.enclose)
