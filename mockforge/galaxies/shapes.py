"""What a galaxy is made of: a main body, a bulge, companions, knots; each with light of its own.

The light of every part is a fraction of the whole galaxy's, in the rest-frame band of its
magnitude, at the lower redshift. Components are columns: the main body first, then the bulge, then the
companions; knots come last.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Protocol

import numpy as np

from mockforge.config import Count, Limit, Varying, config, fixed, uniform
from mockforge.photometry.spectra.spec import Spectra
from mockforge.rng import Stream


@config
class Bulge:
    """A second Sersic profile on the same centre, with a spectrum of its own."""

    fraction: Annotated[Varying, Limit(ge=0, le=1)] = uniform(0.0, 0.8)
    """Its share of the light of main body and bulge together, in `magnitude_band`."""
    r_e: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 0.5)
    """Effective radius in units of the main body's."""
    n: Annotated[Varying, Limit(ge=0.3, le=8)] = fixed(4.0)
    """Sersic index."""
    axis_ratio: Annotated[Varying, Limit(ge=0.05, le=1)] = uniform(0.6, 1.0)
    """Minor over major axis; its position angle is the main body's."""
    spectra: Spectra | None = None
    """Its spectra; null for those of the galaxy. Drawn independently of the main body's."""


@config
class Companions:
    """Further galaxies at the same redshift on the same stamp: pairs, groups, mergers."""

    most: Count = 1
    """Companions a galaxy has at most; from none to this many, equally likely."""
    flux_ratio: Annotated[Varying, Limit(gt=0)] = uniform(0.1, 1.0)
    """Light of a companion over that of main body and bulge, in `magnitude_band`."""
    distance: Annotated[Varying, Limit(ge=0)] = uniform(1.0, 3.0)
    """Distance from the main body's centre, in units of its effective radius."""
    r_e: Annotated[Varying, Limit(gt=0)] = uniform(0.3, 1.0)
    """Effective radius in units of the main body's."""
    n: Annotated[Varying, Limit(ge=0.3, le=8)] = uniform(0.5, 4.0)
    """Sersic index."""
    axis_ratio: Annotated[Varying, Limit(ge=0.05, le=1)] = uniform(0.2, 1.0)
    """Minor over major axis; the position angle is random."""
    spectra: Spectra | None = None
    """Their spectra; null for those of the galaxy."""


@config
class Knots:
    """Star-forming knots: round Gaussians scattered over the main body as its light is."""

    most: Count = 10
    """Knots a galaxy has at most; from none to this many, equally likely."""
    fraction: Annotated[Varying, Limit(ge=0, le=1)] = uniform(0.0, 0.3)
    """Share of the main body's light that is in knots, where there are any, in `magnitude_band`."""
    size: Annotated[Varying, Limit(gt=0)] = uniform(0.03, 0.12)
    """Sigma of a knot in units of the main body's effective radius; one for a galaxy."""
    spectra: Spectra | None = None
    """Their spectrum, one for a galaxy; null for the spectra of the galaxy."""


@config
class Asymmetry:
    """Lopsidedness of the main body: its light times 1 - s cos(phi - phi_0)."""

    strength: Annotated[Varying, Limit(ge=0, le=1)] = uniform(0.0, 0.5)
    """s; the total flux does not change."""
    angle: Varying = uniform(0.0, 360.0)
    """phi_0, degrees from the major axis, in the plane where the isophotes are circles."""


@dataclass(frozen=True)
class Shapes:
    """The parts of N galaxies: K Sersic components and J knots, lengths in units of `r_e` of the main body.

    Every array is (N, K), those of knots (N, J); `weight` (N, K + 1) is each part's share of the
    light, the knots' last, and sums to 1.
    """

    x: np.ndarray
    y: np.ndarray
    r_e: np.ndarray
    n: np.ndarray
    axis_ratio: np.ndarray
    position_angle: np.ndarray
    asymmetry: np.ndarray
    asymmetry_angle: np.ndarray
    knot_x: np.ndarray
    knot_y: np.ndarray
    knot_weight: np.ndarray
    knot_size: np.ndarray
    weight: np.ndarray
    companions: np.ndarray


class PartRules(Protocol):
    """A configuration of the parts of galaxies; None: galaxies have no such part."""

    @property
    def bulge(self) -> Bulge | None: ...  # noqa: D102
    @property
    def companions(self) -> Companions | None: ...  # noqa: D102
    @property
    def knots(self) -> Knots | None: ...  # noqa: D102
    @property
    def asymmetry(self) -> Asymmetry | None: ...  # noqa: D102


def draw_shapes(
    n: np.ndarray, axis_ratio: np.ndarray, position_angle: np.ndarray, parts: PartRules, stream: Stream
) -> Shapes:
    """Return the parts of galaxies whose main body has these `n`, `axis_ratio`, `position_angle`, (N,)."""
    count = len(n)
    zero = np.zeros((count, 1))
    columns = [
        dict(x=zero, y=zero, r_e=zero + 1, n=n[:, None], q=axis_ratio[:, None], pa=position_angle[:, None])
    ]
    light = [np.ones((count, 1))]
    if parts.bulge is not None:
        part, share = _bulge(parts.bulge, position_angle, stream.child("bulge"))
        columns.append(part)
        light = [1 - share, share]
    number = np.zeros(count, dtype=np.int64)
    if parts.companions is not None:
        part, share, number = _companions(parts.companions, count, stream.child("companions"))
        columns.append(part)
        light.append(share)
    knot_x, knot_y, knot_weight, size, knot_share = _knots(
        parts.knots, n, axis_ratio, position_angle, stream.child("knots")
    )
    light.append(light[0] * knot_share)
    light[0] = light[0] * (1 - knot_share)
    weight = np.concatenate(light, axis=1)
    joined = {key: np.concatenate([c[key] for c in columns], axis=1) for key in columns[0]}
    lopsided, angle = np.zeros_like(joined["x"]), np.zeros_like(joined["x"])
    if parts.asymmetry is not None:
        source = stream.child("asymmetry")
        lopsided[:, 0] = parts.asymmetry.strength.draw(source.child("strength").numpy(), count)
        angle[:, 0] = parts.asymmetry.angle.draw(source.child("angle").numpy(), count)
    return Shapes(
        x=joined["x"],
        y=joined["y"],
        r_e=joined["r_e"],
        n=joined["n"],
        axis_ratio=joined["q"],
        position_angle=joined["pa"],
        asymmetry=lopsided,
        asymmetry_angle=angle,
        knot_x=knot_x,
        knot_y=knot_y,
        knot_weight=knot_weight,
        knot_size=size,
        weight=weight / weight.sum(axis=1, keepdims=True),
        companions=number,
    )


def _bulge(
    bulge: Bulge, position_angle: np.ndarray, stream: Stream
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    count = len(position_angle)
    keys = ("fraction", "r_e", "n", "axis_ratio")
    drawn = {key: getattr(bulge, key).draw(stream.child(key).numpy(), count)[:, None] for key in keys}
    zero = np.zeros((count, 1))
    part = dict(
        x=zero, y=zero, r_e=drawn["r_e"], n=drawn["n"], q=drawn["axis_ratio"], pa=position_angle[:, None]
    )
    return part, drawn["fraction"]


def _companions(
    companions: Companions, count: int, stream: Stream
) -> tuple[dict[str, np.ndarray], np.ndarray, np.ndarray]:
    shape = (count, companions.most)

    def draw(key: str) -> np.ndarray:
        return (
            getattr(companions, key).draw(stream.child(key).numpy(), count * companions.most).reshape(shape)
        )

    number = stream.child("number").numpy().integers(0, companions.most + 1, count)
    present = np.arange(companions.most) < number[:, None]
    direction = stream.child("direction").numpy().uniform(0.0, 2 * np.pi, shape)
    distance = draw("distance")
    part = dict(
        x=distance * np.cos(direction),
        y=distance * np.sin(direction),
        r_e=draw("r_e"),
        n=draw("n"),
        q=draw("axis_ratio"),
        pa=stream.child("position_angle").numpy().uniform(0.0, 180.0, shape),
    )
    return part, np.where(present, draw("flux_ratio"), 0.0), number


def _knots(
    knots: Knots | None, n: np.ndarray, axis_ratio: np.ndarray, position_angle: np.ndarray, stream: Stream
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Places and weights (N, J), size (N,) in r_e, share of the main body's light (N, 1).

    Weights of a galaxy sum to 1, or are all 0 where it has no knots.
    """
    count = len(n)
    if knots is None:
        none = np.zeros((count, 0))
        return none, none, none, np.zeros(count), np.zeros((count, 1))
    shape = (count, knots.most)
    rng = stream.child("place").numpy()
    radius = radius_of_light(rng.uniform(0.0, 0.9, shape), n[:, None])  # not in the far wings
    azimuth = rng.uniform(0.0, 2 * np.pi, shape)
    major, minor = radius * np.cos(azimuth), radius * np.sin(azimuth) * axis_ratio[:, None]
    cos, sin = np.cos(np.radians(position_angle))[:, None], np.sin(np.radians(position_angle))[:, None]
    number = stream.child("number").numpy().integers(0, knots.most + 1, count)
    present = np.arange(knots.most) < number[:, None]
    brightness = np.where(present, stream.child("brightness").numpy().exponential(size=shape), 0.0)
    share = knots.fraction.draw(stream.child("fraction").numpy(), count) * (number > 0)
    size = knots.size.draw(stream.child("size").numpy(), count)
    total = np.maximum(brightness.sum(axis=1, keepdims=True), 1e-300)
    return (
        major * cos - minor * sin,
        major * sin + minor * cos,
        brightness / total,
        size,
        share[:, None],
    )


def radius_of_light(fraction: np.ndarray, n: np.ndarray) -> np.ndarray:
    """Elliptical radius in units of r_e that holds this fraction of a Sersic profile's light.

    The inverse of P(2n, b R^(1/n)) (Graham & Driver 2005, PASA 22, 118, equation 2).
    """
    from scipy.special import gammaincinv

    b = gammaincinv(2 * n, 0.5)
    return (gammaincinv(2 * n, fraction) / b) ** n
