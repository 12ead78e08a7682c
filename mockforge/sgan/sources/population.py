"""The population: a smooth joint density of the marks of galaxies and stars, given their flux."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from mockforge.errors import InputError
from mockforge.sgan.sources.coordinates import Coordinates
from mockforge.sgan.sources.latents import Latents
from mockforge.sgan.sources.marks import LOG_N, MOST_ELLIPTICAL, Marks
from mockforge.sgan.sources.mixture import Mixture

TRIES = 60
"""A point beyond the bounds is drawn again so often before it is moved inside."""
_FAINTEST_RATIO = 0.1
"""Of the softening: the least light in a band over the mean, so that every band has some."""


@dataclass(frozen=True, eq=False)
class Population:
    """What galaxies and stars of a reference flux look like.

    Where flux is beyond the range that was measured well, the marks are those of the nearest end, with
    radii that go as flux^size_slope below it.
    """

    galaxies: Mixture
    """In `coordinates`: ln f, colours, ln radius, e1, e2, ln n."""
    stars: Mixture | None
    """ln f, colours; none where the field has too few to learn from."""
    coordinates: Coordinates
    log_flux: tuple[float, float]
    """ln nJy: the faintest and the brightest mean flux at which marks were measured well."""
    log_radius: tuple[float, float]
    """ln px: no galaxy within `log_flux` is smaller or larger."""
    size_slope: float = 0.25
    faint_size: float = 0.0
    """Added to ln radius at the faintest of `log_flux` and below, above it less, as 1 / flux."""
    latents: Latents | None = None
    colour_shift: tuple[float, ...] = ()
    """Magnitudes added to each band, the mean flux kept; empty: none."""

    def __post_init__(self) -> None:
        d = self.coordinates.shape.stop
        if self.galaxies.means.shape[1] != d:
            raise InputError(
                f"population: galaxies of {self.bands} bands have {d} coordinates, found "
                f"{self.galaxies.means.shape[1]}"
            )
        if self.stars is not None and self.stars.means.shape[1] != self.coordinates.colours.stop:
            raise InputError(f"population: stars have {self.stars.means.shape[1]} coordinates, wanted "
                             f"{self.coordinates.colours.stop}")  # fmt: skip
        for name in ("log_flux", "log_radius"):
            low, high = getattr(self, name)
            if not -30 < low < high < 60:
                raise InputError(f"population: {name} should be two finite numbers that grow, found {low:g}, "
                                 f"{high:g}")  # fmt: skip
        for name, low, high in (("size_slope", 0.0, 1.0), ("faint_size", -2.0, 2.0)):
            if not low <= getattr(self, name) <= high:
                raise InputError(
                    f"population: {name} should be {low:g} to {high:g}, found {getattr(self, name):g}"
                )

    @property
    def bands(self) -> int:
        """Number of bands C."""
        return self.coordinates.bands

    @property
    def latent(self) -> int:
        """Numbers in a z; 0 where no morphology was learned."""
        return self.latents.length if self.latents else 0

    def shifted(self, magnitudes: tuple[float, ...]) -> Population:
        """Return the population with so many magnitudes added to each band, mean fluxes kept."""
        if len(magnitudes) != self.bands or not np.isfinite(magnitudes).all():
            raise InputError(
                f"colour shift: one number of magnitudes per band is wanted, {self.bands}; found {magnitudes}"
            )
        return replace(self, colour_shift=tuple(float(m) for m in magnitudes))

    def with_latents(self, rows: Marks, z: np.ndarray, above: float | None = None) -> Population:
        """Return the population with a learned morphology: z (M, Z) of the sources `rows` (M).

        A galaxy's z is drawn from those with the nearest marks. Galaxies of mean flux `above` nJy or
        more are shaped; by default those as bright as the faintest of `rows`.
        """
        if not len(rows) or (rows.mean_flux <= 0).any():
            raise InputError(f"latents: of {len(rows)} sources each should have a positive mean flux")
        least = float(rows.mean_flux.min()) if above is None else float(above)
        return replace(self, latents=Latents(self._looks(self.coordinates.points(rows)), z, least))

    def draw(self, rng: np.random.Generator, flux: np.ndarray, star: np.ndarray) -> Marks:
        """Return sources (N) of mean flux `flux` (N,) nJy, stars where `star` (N,); all at (0, 0).

        The order of the draws is fixed: the same generator and rows give the same marks.
        """
        points = np.full((len(flux), self.coordinates.shape.stop), np.nan)
        points[:, 0] = np.log(flux)
        return self.completed(rng, points, star)

    def completed(self, rng: np.random.Generator, points: np.ndarray, star: np.ndarray) -> Marks:
        """Return the sources of `points` (N, D); NaN coordinates are drawn given those that are known.

        ln f has to be known. Known coordinates are kept as they are.
        """
        star = np.asarray(star, dtype=bool) & (self.stars is not None)
        known = ~np.isnan(points)
        out = np.where(known, points, 0.0)
        low, high = self.log_flux
        held = np.clip(points[:, 0], low, high)
        law = self.size_slope * (points[:, 0] - held)
        law = law + self.faint_size * np.exp(np.minimum(low - points[:, 0], 0.0))
        radius = self.coordinates.shape.start
        asked = points.copy()
        asked[:, 0] = held
        asked[:, radius] -= law
        rows = np.flatnonzero(~star)
        out[rows] = self._within_bounds(rng, asked[rows], known[rows])
        rows = np.flatnonzero(star)
        if self.stars is not None and len(rows):
            c = self.coordinates.colours.stop
            out[rows, :c] = self._within_bounds(rng, asked[rows, :c], known[rows, :c], self.stars)
        out[:, radius] += law
        out[:, 0] = points[:, 0]
        turn = rng.uniform(0.0, 2.0 * np.pi, len(out))
        self._turned(out, turn, known)
        return self._marks(rng, out, star)

    def _within_bounds(
        self, rng: np.random.Generator, asked: np.ndarray, known: np.ndarray, mixture: Mixture | None = None
    ) -> np.ndarray:
        """Complete points, those beyond the bounds again and again: a truncated density has no piles."""
        mixture = mixture or self.galaxies
        out = mixture.completed(rng, asked)
        bad = ~self._inside(out, known)
        for _ in range(TRIES):
            if not bad.any():
                return out
            rows = np.flatnonzero(bad)
            out[rows] = mixture.completed(rng, asked[rows])
            bad[rows] = ~self._inside(out[rows], known[rows])
        rows = np.flatnonzero(bad)
        out[rows] = np.where(known[rows], out[rows], self._middle(rng, out[rows], mixture))
        return out

    def _inside(self, points: np.ndarray, known: np.ndarray) -> np.ndarray:
        """Whether points (N, D) lie within the bounds in what is drawn of them."""
        c = self.coordinates.colours
        least = np.arcsinh(0.5 * _FAINTEST_RATIO) if self.bands > 1 else -np.inf
        inside = ((points[:, c] > least) | known[:, c]).all(axis=1)
        if points.shape[1] > c.stop:
            radius, e1, e2, log_n = points[:, self.coordinates.shape].T
            k = known[:, self.coordinates.shape]
            inside &= ((radius > self.log_radius[0]) & (radius < self.log_radius[1])) | k[:, 0]
            inside &= (np.hypot(e1, e2) < MOST_ELLIPTICAL) | k[:, 1]
            inside &= ((log_n > LOG_N[0]) & (log_n < LOG_N[1])) | k[:, 3]
        return inside  # type: ignore

    def _middle(self, rng: np.random.Generator, points: np.ndarray, mixture: Mixture) -> np.ndarray:
        """Points of a density that lies beyond the bounds altogether: spread over what is allowed near it."""
        out = points.copy()
        c = self.coordinates.colours
        least = np.arcsinh(0.5 * _FAINTEST_RATIO)
        out[:, c] = np.maximum(out[:, c], least * (1.0 + rng.random(out[:, c].shape)))
        if points.shape[1] > c.stop:
            shape = out[:, self.coordinates.shape]
            for column, (low, high) in ((0, self.log_radius), (3, LOG_N)):
                edge = 0.1 * (high - low) * rng.random(len(out))
                shape[:, column] = np.clip(shape[:, column], low + edge, high - edge)
            e = np.hypot(shape[:, 1], shape[:, 2])
            shape[:, 1:3] *= np.minimum(1.0, 0.8 * rng.random(len(out)) / np.maximum(e, 1e-9))[:, None]
        return out

    def _turned(self, points: np.ndarray, turn: np.ndarray, known: np.ndarray) -> None:
        """Give drawn ellipticities a random direction, in place."""
        i, j = self.coordinates.ellipticity
        e = np.hypot(points[:, i], points[:, j])
        free = ~known[:, i]
        points[:, i] = np.where(free, e * np.cos(turn), points[:, i])
        points[:, j] = np.where(free, e * np.sin(turn), points[:, j])

    def _marks(self, rng: np.random.Generator, points: np.ndarray, star: np.ndarray) -> Marks:
        """Return the marks of points, with z for galaxies that are bright enough."""
        n = len(points)
        ratio = self.coordinates.ratio(points)
        if self.colour_shift:
            ratio = ratio * 10 ** (-0.4 * np.array(self.colour_shift))
            ratio = ratio / ratio.mean(axis=1, keepdims=True)
        shape = np.where(star[:, None], 0.0, points[:, self.coordinates.shape])
        z = np.zeros((n, self.latent), dtype=np.float32)
        mirrored = rng.random(n) < 0.5
        shaped = np.zeros(n, dtype=bool)
        if self.latents is not None:
            shaped = ~star & (points[:, 0] >= np.log(self.latents.above))
            z[shaped] = self.latents.draw(rng, self._looks(points[shaped]))
        return Marks(
            x=np.zeros(n), y=np.zeros(n), flux=np.exp(points[:, :1]) * ratio, log_radius=shape[:, 0],
            e1=shape[:, 1], e2=shape[:, 2], log_n=shape[:, 3], star=star, shaped=shaped, z=z,
            mirrored=mirrored & shaped,
        )  # fmt: skip

    def _looks(self, points: np.ndarray) -> np.ndarray:
        """Points with |e| for e1, e2: what a source's morphology may depend on."""
        i, j = self.coordinates.ellipticity
        e = np.hypot(points[:, i], points[:, j])
        return np.concatenate([points[:, :i], e[:, None], points[:, j + 1 :]], axis=1)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return what a model's file keeps, float32; `galaxies.means` and the like."""
        numbers = np.array([*self.log_flux, *self.log_radius, self.size_slope, self.faint_size])
        out = {
            "softening": self.coordinates.softening.astype(np.float32),
            "numbers": numbers.astype(np.float32),
        }
        for name, part in (("galaxies", self.galaxies), ("stars", self.stars), ("latents", self.latents)):
            if part is not None:
                out |= {f"{name}.{key}": values for key, values in part.to_arrays().items()}
        return out

    @classmethod
    def from_arrays(cls, arrays: dict[str, np.ndarray]) -> Population:
        """Return the inverse of `to_arrays`; InputError where an array is missing or absurd."""
        if "softening" not in arrays or np.shape(arrays.get("numbers", ())) != (6,):
            raise InputError(
                "population: the arrays softening (C,) and numbers (6,) are needed, found "
                f"{', '.join(sorted(arrays)) or 'none'}"
            )
        softening = np.asarray(arrays["softening"], dtype=np.float64)
        if softening.ndim != 1 or not ((softening > 0) & (softening < 1e3)).all():
            raise InputError(f"population: softening should be a positive number a band, found {softening}")
        parts = {
            name: {key.removeprefix(f"{name}."): v for key, v in arrays.items() if key.startswith(f"{name}.")}
            for name in ("galaxies", "stars", "latents")
        }
        numbers = [float(v) for v in arrays["numbers"]]
        return cls(
            galaxies=Mixture.from_arrays(parts["galaxies"]),
            stars=Mixture.from_arrays(parts["stars"]) if parts["stars"] else None,
            coordinates=Coordinates(softening),
            log_flux=(numbers[0], numbers[1]),
            log_radius=(numbers[2], numbers[3]),
            size_slope=numbers[4],
            faint_size=numbers[5],
            latents=Latents.from_arrays(parts["latents"]) if parts["latents"] else None,
        )
