"""What is drawn for disk galaxies: each parameter from a stream of its own, so that others stay."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mockforge.config import Varying
from mockforge.errors import InputError
from mockforge.galaxies.disks.clumps import PlacedClumps, place_clumps
from mockforge.galaxies.disks.spec import THICK_N, Bar, DiskGalaxies, SpiralArms
from mockforge.galaxies.disks.structure import Structure
from mockforge.rng import Stream

_TRIES = 1000
"""Draws of what has to fit together."""


@dataclass(frozen=True)
class DrawnDisks:
    """Parameters of N galaxies, (N,) each; angles in degrees, lengths in arcsec where a name says so."""

    x: np.ndarray
    """Centre on the stamp, pixels."""
    y: np.ndarray
    z: np.ndarray
    magnitude: np.ndarray
    r_half_arcsec: np.ndarray
    n: np.ndarray
    thickness: np.ndarray
    """Scale height over scale length."""
    inclination: np.ndarray
    position_angle: np.ndarray
    g1: np.ndarray
    g2: np.ndarray
    bulge_fraction: np.ndarray
    bulge_r_half: np.ndarray
    """Over the disk's half-light radius."""
    bulge_n: np.ndarray
    bulge_axis_ratio: np.ndarray
    clumps_fraction: np.ndarray
    """0 where a galaxy has none."""
    structure: Structure
    clumps: PlacedClumps | None

    def __len__(self) -> int:
        return len(self.x)

    def structured(self) -> bool:
        """Whether any of them has arms or a bar."""
        return bool(
            (self.structure.arms * self.structure.arm_strength).any() or self.structure.bar_strength.any()
        )


def draw_disks(cfg: DiskGalaxies, count: int, stream: Stream) -> DrawnDisks:
    """Draw so many galaxies. InputError where drawn numbers cannot go together."""

    def draw(key: str, value: Varying) -> np.ndarray:
        try:
            return value.draw(stream.child(key).numpy(), count)
        except ValueError as error:
            raise InputError(f"disk: {key}: {error}") from error

    own = ("magnitude", "r_half", "n", "thickness", "position_angle")
    body = {key: draw(key, getattr(cfg, key)) for key in own}
    if cfg.inclination is None:
        inclination = np.degrees(np.arccos(stream.child("inclination").numpy().random(count)))
    else:
        inclination = draw("inclination", cfg.inclination)
    g1, g2 = _shears(cfg, count, stream)
    shift = stream.child("centre").numpy().uniform(-cfg.jitter, cfg.jitter, (2, count)) + (cfg.stamp - 1) / 2
    structure = _structure(cfg, count, stream)
    _check_thick(cfg, body["n"], body["thickness"])
    clumps = None
    if cfg.clumps is not None:
        clumps = place_clumps(cfg.clumps, body["n"], body["thickness"], structure, stream.child("clumps"))
    bulge, fraction = _shares(cfg, count, stream)
    if clumps is not None:
        fraction = fraction * (clumps.number() > 0)
    ones = np.ones(count)
    return DrawnDisks(
        x=shift[0],
        y=shift[1],
        z=_redshifts(cfg, draw("z", cfg.z)),
        magnitude=body["magnitude"],
        r_half_arcsec=body["r_half"],
        n=body["n"],
        thickness=body["thickness"],
        inclination=inclination,
        position_angle=body["position_angle"],
        g1=g1,
        g2=g2,
        bulge_fraction=bulge,
        bulge_r_half=ones if cfg.bulge is None else draw("bulge.r_half", cfg.bulge.r_half),
        bulge_n=ones if cfg.bulge is None else draw("bulge.n", cfg.bulge.n),
        bulge_axis_ratio=ones if cfg.bulge is None else draw("bulge.axis_ratio", cfg.bulge.axis_ratio),
        clumps_fraction=fraction,
        structure=structure,
        clumps=clumps,
    )


def _redshifts(cfg: DiskGalaxies, z: np.ndarray) -> np.ndarray:
    """Return redshifts on the recipe's steps, never 0."""
    if cfg.z_step == 0:
        return z
    return np.maximum(np.round(z / cfg.z_step), 1.0) * cfg.z_step


def _shears(cfg: DiskGalaxies, count: int, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Draw both components, together again where they are no shear."""

    def draw(rng: np.random.Generator, number: int) -> np.ndarray:
        return np.stack([cfg.g1.draw(rng, number), cfg.g2.draw(rng, number)])

    return _together(
        draw, lambda g: (g**2).sum(axis=0) < 0.9, count, stream.child("shear"),
        "disk: g1 and g2 are almost always above 0.95 together; a weak shear is below 0.1",
    )  # fmt: skip


def _shares(cfg: DiskGalaxies, count: int, stream: Stream) -> tuple[np.ndarray, np.ndarray]:
    """Draw the shares of bulge and clumps, together again where they are more than all."""

    def draw(rng: np.random.Generator, number: int) -> np.ndarray:
        parts = (cfg.bulge, cfg.clumps)
        return np.stack([np.zeros(number) if p is None else p.fraction.draw(rng, number) for p in parts])

    return _together(
        draw, lambda share: share.sum(axis=0) <= 1, count, stream.child("shares"),
        "disk: bulge.fraction and clumps.fraction are together almost always more than the whole galaxy's"
        " light; lower one of them",
    )  # fmt: skip


def _together(draw, good, count: int, stream: Stream, sentence: str) -> tuple[np.ndarray, np.ndarray]:
    rng = stream.numpy()
    out = draw(rng, count)
    for _ in range(_TRIES):
        bad = ~good(out)
        if not bad.any():
            return out[0], out[1]
        out[:, bad] = draw(rng, int(bad.sum()))
    raise InputError(sentence)


def _structure(cfg: DiskGalaxies, count: int, stream: Stream) -> Structure:
    """Draw arms and bars; arms start at the ends of a bar."""
    arms, bar = cfg.arms or SpiralArms(), cfg.bar or Bar()
    of_arms, of_bar = stream.child("arms"), stream.child("bar")

    def draw(value: Varying, source: Stream) -> np.ndarray:
        return value.draw(source.numpy(), count)

    barred = (of_bar.child("share").numpy().random(count) < bar.share) & (cfg.bar is not None)
    number = of_arms.child("number").numpy().choice(np.asarray(arms.number), count)
    sense = np.where(of_arms.child("sense").numpy().random(count) < 0.5, 1.0, -1.0)
    length = draw(bar.length, of_bar.child("length"))
    bar_angle = of_bar.child("angle").numpy().uniform(0.0, 180.0, count)
    arm_angle = of_arms.child("angle").numpy().uniform(0.0, 360.0, count)
    start = draw(arms.start, of_arms.child("start"))
    strength = draw(arms.strength, of_arms.child("strength"))
    return Structure(
        arms=np.where(cfg.arms is not None, np.where(barred & (number % 2 == 1), 2, number), 0),
        arm_strength=strength if cfg.arms is not None else np.zeros(count),
        pitch=sense * draw(arms.pitch, of_arms.child("pitch")),
        arm_start=np.where(barred, np.maximum(start, length), start),
        arm_angle=np.where(barred, bar_angle, arm_angle),
        sharpness=draw(arms.sharpness, of_arms.child("sharpness")),
        bar_strength=draw(bar.strength, of_bar.child("strength")) * barred,
        bar_length=length,
        bar_axis_ratio=draw(bar.axis_ratio, of_bar.child("axis_ratio")),
        bar_angle=bar_angle,
    )


def _check_thick(cfg: DiskGalaxies, n: np.ndarray, thickness: np.ndarray) -> None:
    """InputError for a disk that is steep, and thick or structured."""
    bad = (n > THICK_N) & ((thickness > 0) | (cfg.arms is not None) | (cfg.bar is not None))
    if bad.any():
        raise InputError(
            f"disk: a galaxy has n = {n[bad].max():.3g}, and a disk with thickness, arms or a bar has n of at"
            f" most {THICK_N:g}; let n vary less, or set thickness: 0, arms: null, bar: null"
        )
