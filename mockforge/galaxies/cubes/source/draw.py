"""Drawing turning disks: the parameters of a batch, the companions' beside them, and their clumps."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import torch

from mockforge.galaxies.cubes.body.disk import Clumps, Disk, Picture, disks
from mockforge.galaxies.cubes.source.spec import DiskClumps, TurningDisks
from mockforge.rng import Stream


@dataclass(frozen=True)
class Drawn:
    """Disks of a batch of N cubes: the N first ones, then the M companions."""

    disk: dict[str, np.ndarray]
    """Parameter -> (N + M,)."""
    clumps: dict[str, np.ndarray] | None
    """Field of `Clumps` -> (N + M, K)."""
    owner: np.ndarray
    """(N + M,) cube of each."""
    redshift: np.ndarray
    """(N,)"""
    ratio: np.ndarray | None
    """(N,) of the lines."""
    snr: np.ndarray | None
    """(N,)"""
    laid: dict[str, np.ndarray] | None = None
    """Field of `Picture` -> (N + M, ...)."""
    laid_table: dict[str, np.ndarray] = field(default_factory=dict)
    """Columns that say which pictures they are, (N + M,)."""

    def tensors(self, rows: slice | np.ndarray) -> Disk:
        """Return some of the disks."""
        clumps = None
        if self.clumps is not None:
            clumps = Clumps(
                **{name: torch.as_tensor(v[rows], dtype=torch.float32) for name, v in self.clumps.items()}
            )
        out = disks(clumps, **{name: value[rows] for name, value in self.disk.items()})
        if self.laid is None:
            return out
        cut = {name: torch.as_tensor(v[rows], dtype=torch.float32) for name, v in self.laid.items()}
        return replace(out, picture=Picture(**cut))


def draw_disks(cfg: TurningDisks, count: int, stream: Stream) -> Drawn:
    """Draw so many cubes' disks."""
    rng = stream.child("companion").numpy()
    beside = np.zeros(0, dtype=np.int64)
    if cfg.companion is not None:
        beside = np.flatnonzero(rng.random(count) < cfg.companion.share)
    total = count + len(beside)
    disk = _parameters(cfg, total, stream.child("disk").numpy())
    if cfg.companion is not None and len(beside):
        m, at = len(beside), slice(count, None)
        angle = rng.uniform(0, 2 * np.pi, m)
        apart = cfg.companion.separation_arcsec.draw(rng, m)
        disk["x"][at] = disk["x"][beside] + apart * np.cos(angle)
        disk["y"][at] = disk["y"][beside] + apart * np.sin(angle)
        disk["velocity"][at] = disk["velocity"][beside] + cfg.companion.velocity.draw(rng, m)
        disk["flux"][at] = disk["flux"][beside] * cfg.companion.flux_ratio.draw(rng, m)
    clumps = None
    if cfg.clumps is not None:
        clumps = _clumps(cfg.clumps, disk, stream.child("clumps").numpy())
    rng = stream.child("seen").numpy()
    redshift = cfg.redshift.draw(rng, count)
    ratio = None if cfg.ratio is None else cfg.ratio.draw(rng, count)
    snr = None if cfg.noise is None else cfg.noise.snr.draw(rng, count)
    owner = np.concatenate([np.arange(count), beside])
    return Drawn(disk, clumps, owner, redshift, ratio, snr)


def _parameters(cfg: TurningDisks, count: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Parameter -> (count,), in the units of `disk.PARAMETERS`."""
    r_half = cfg.r_half_arcsec.draw(rng, count)
    place = rng.uniform(-cfg.jitter_arcsec, cfg.jitter_arcsec, (2, count))
    motion = cfg.motion
    return {
        "x": place[0],
        "y": place[1],
        "inclination": cfg.inclination.draw(rng, count),
        "position_angle": cfg.position_angle.draw(rng, count) % 360,
        "spin": rng.choice([-1.0, 1.0], count),
        "flux": cfg.flux.draw(rng, count),
        "r_half": r_half,
        "n": cfg.n.draw(rng, count),
        "height": cfg.thickness.draw(rng, count) * r_half,
        "v_max": cfg.v_max.draw(rng, count),
        "r_turn": cfg.r_turn.draw(rng, count) * r_half,
        "velocity": cfg.velocity.draw(rng, count),
        "sigma": cfg.sigma.draw(rng, count),
        "sigma_scale": cfg.sigma_scale.draw(rng, count) * r_half,
        "sigma_floor": np.full(count, cfg.sigma_floor),
        "v_radial": motion.v_radial.draw(rng, count),
        "v_bar": motion.v_bar.draw(rng, count),
        "r_bar": motion.r_bar.draw(rng, count) * r_half,
        "bar_angle": rng.uniform(0, 180, count),
        "warp_inclination": motion.warp_inclination.draw(rng, count),
        "warp_angle": motion.warp_angle.draw(rng, count),
        "warp_start": motion.warp_start.draw(rng, count),
    }


def _clumps(cfg: DiskClumps, disk: dict[str, np.ndarray], rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Clumps (count, most) whose places follow an exponential disk of the same half-light radius."""
    count, most = len(disk["x"]), cfg.most
    number = rng.integers(0, most + 1, count)
    weight = rng.exponential(1.0, (count, most)) * (np.arange(most) < number[:, None])
    total = np.maximum(weight.sum(axis=1, keepdims=True), 1e-12)
    share = np.where(number > 0, cfg.share.draw(rng, count), 0.0)[:, None] * weight / total
    r_half = disk["r_half"][:, None]
    return {
        "radius": rng.gamma(2.0, 1 / 1.678, (count, most)) * r_half,  # R exp(-R): an exponential disk
        "azimuth": rng.uniform(0, 360, (count, most)),
        "share": share,
        "size": cfg.size.draw(rng, count * most).reshape(count, most) * r_half,
        "sigma": cfg.sigma.draw(rng, count * most).reshape(count, most),
    }
