"""Stage 2, the scene fit: the marks of every source of a field at once, through each band's PSF.

Gauss-Newton steps, a source at a time in the light of all others (`newton`): some twenty suffice,
where first-order optimisers need a hundred and a rate for each mark. As that is no step of the
training loop's optimisers the fit is a loop of its own, with a checkpoint.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor

from mockforge.config import Fraction, Index, Limit, Positive, config
from mockforge.errors import InputError
from mockforge.label.bright import grown
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.detect import Detections, detect
from mockforge.sgan.learn.field import LearnField
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.judge import judged
from mockforge.sgan.learn.fit.newton import BOUNDS, Light, make_prior, moved, step
from mockforge.sgan.learn.fit.points import as_points
from mockforge.sgan.learn.fit.windows import SIDES, SceneImage, Window, windows
from mockforge.torch_state import steadily
from mockforge.train.log import Log
from mockforge.train.loop import Report

CHECKPOINT = "scene.npz"
_IN_LIGHT = 0.1
"""Share of the light of the first sources that counts as noise in the second look."""
_IN_GALAXIES = 1.0
"""Least brightness of a source found there over that of a galaxy larger than the seeing on which it lies:
what is fainter is an arm or a knot of the galaxy."""
_BRIGHT = 300.0
"""Signal to noise beyond which a PSF's error tolerates no more chi2 of a star."""
_APART = 0.6
"""FWHM by which a source found then lies from every other."""
_SHARP, _BLUNT = 0.2, 0.6
"""Half-light radius over the FWHM of the sharpest band below which a source is a star, whatever the chi2 of
a bright one says of the PSF's own errors, and above which it is none."""
_EDGE = 0.1
"""rms of a pixel below which a source's light at the edge of its window lies."""


@config
class SceneFit:
    """How the sources of the field are fitted."""

    steps: Annotated[int, Limit(ge=8, le=1000)] = 24
    """Steps of every source."""
    second_look: Index = 8
    """Step before which sources are looked for on what the first ones leave; 0 = never."""
    residual_peak: Positive = 5.0
    """Significance of a source found there."""
    model_error: Fraction = 0.04
    """Error of the model, of profile and PSF together, as a share of its light."""
    star_snr: Positive = 20.0
    """Signal to noise above which a source may be called a star."""
    star_chi2: Positive = 6.0
    """Chi2 by which a point may be worse than a galaxy, which has four marks more, and be a star."""
    psf_error: Fraction = 0.02
    """Error of the PSF as a share of a star's light; (this times the snr)^2 adds to `star_chi2`."""
    checkpoint_minutes: Positive = 1.0
    """Minutes between checkpoints."""


@dataclass
class _State:
    """Everything that changes from step to step: N sources."""

    shape: Tensor
    flux: Tensor
    start: Tensor
    reach: Tensor
    pace: Tensor
    length: Tensor
    star: np.ndarray
    later: np.ndarray
    sides: np.ndarray
    size: tuple[float, float, float]
    done: int = 0

    def arrays(self) -> dict[str, np.ndarray]:
        return {k: np.asarray(v) for k, v in vars(self).items()}

    @classmethod
    def of(cls, arrays: Any) -> _State:
        columns = {k: torch.from_numpy(arrays[k]) for k in _TENSORS} | {k: arrays[k] for k in _ARRAYS}
        law = tuple(float(v) for v in arrays["size"])
        return cls(**columns, size=law, done=int(arrays["done"]))  # type: ignore[arg-type]


_TENSORS = ("shape", "flux", "start", "reach", "pace", "length")
_ARRAYS = ("star", "later", "sides")


@steadily(None)
def fit_scene(
    field: LearnField, psf: PixelPsf, settings: SceneFit, folder: Path, report: Report | None = None
) -> FittedScene:
    """Fit every source of a field: place, flux per band, radius, ellipticity, Sersic index.

    Parameters
    ----------
    field : LearnField
        Pixels, noise and detections.
    psf : PixelPsf
        Of each band, on the field's pixels.
    settings : SceneFit
        How.
    folder : Path
        Of `log.csv` and the checkpoint; a fit that was stopped goes on from there, with the same bits.
    report : callable, optional
        Called as report(step, numbers).

    Returns
    -------
    FittedScene
        Marks, errors, and why a source is not to be trusted.
    """
    if psf.bands != len(field.image):
        raise InputError(f"the PSF has {psf.bands} bands, the field {len(field.image)}: give one for each")
    began = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    scene = _Scene(field, psf, settings)
    path = folder / CHECKPOINT
    state = _restored(path) if path.exists() else scene.begun()
    log = Log(folder, state.done)
    saved = time.monotonic()
    try:
        while state.done < settings.steps:
            numbers = scene.step(state)
            log.scalars(state.done, numbers)
            if report is not None:
                report(state.done, numbers)
            if time.monotonic() - saved > 60.0 * settings.checkpoint_minutes:
                _save(path, state)
                saved = time.monotonic()
        _save(path, state)
    finally:
        log.close()
    return scene.finished(state, time.monotonic() - began)


class _Scene:
    """A field with its PSF: what the fit looks at."""

    def __init__(self, field: LearnField, psf: PixelPsf, settings: SceneFit) -> None:
        self.field, self.psf, self.settings = field, psf, settings
        self.image = torch.from_numpy(field.image)
        self.rms = torch.from_numpy(field.rms * field.correlated[:, None, None].astype(np.float32))
        self.brightest = _brightest(field)
        self.known = torch.from_numpy(~field.mask)
        self.painter = SceneImage(psf, *field.mask.shape)
        self.groups: list[Window] = []

    def begun(self) -> _State:
        """Every detection at its place, with the light of its own pixels."""
        found = self.field.detections
        light = label_light(self.field.image, found.labels, len(found))
        return _first(found, light, float(self.psf.fwhm_pix.mean()))

    def step(self, state: _State) -> dict[str, float]:
        """Move every source once, look for more of them, or for stars, when it is time."""
        settings = self.settings
        light = self.light(state)
        if settings.second_look and state.done == settings.second_look:
            self.look_again(state, light)
            light = self.light(state)
        if state.done == settings.steps - 4:
            self.part_stars(state, light)
            light = self.light(state)
        if state.done in (5, 12, settings.steps - 5):
            state.size = _size_law(state)
        prior = self.prior(state)
        delta, length = step(state.shape, state.flux, self.groups, light, prior, self.psf)
        slower = length > state.length
        state.pace = torch.where(slower, 0.6 * state.pace, 1.15 * state.pace).clamp(0.1, 1.0)
        state.shape, state.flux = moved(state.shape, state.flux, delta, state.pace)
        state.length, state.done = length, state.done + 1
        chi2 = float((light.residual**2 * light.weight).sum() / (light.weight > 0).sum())
        ends = torch.quantile(length, torch.tensor([0.5, 0.95], dtype=torch.float64))
        return {
            "chi2": chi2,
            "sources": float(len(length)),
            "step/median": float(ends[0]),
            "step/95%": float(ends[1]),
        }

    def light(self, state: _State) -> Light:
        """Residual, weights and model of the sources as they are."""
        if state.done % 4 == 0 or len(state.sides) != len(state.shape):
            state.sides = window_sides(state.shape, state.flux, self.rms, float(self.psf.fwhm_pix.max()))
        self.groups = windows(state.shape, state.sides, len(self.image))
        model = self.painter.paint(state.shape, state.flux, self.groups)
        return Light(self.image - model, self.known / self.variance(model), model, self.rms)

    def variance(self, model: Tensor, error: float | None = None) -> Tensor:
        """(C, H, W) nJy^2: sky, the photons of the model, and a share of it for what it cannot be."""
        lit = torch.minimum(model.clamp_min(0), self.brightest)
        gains = torch.from_numpy(np.where(self.field.gains > 0, self.field.gains, np.inf)).float()
        share = self.settings.model_error if error is None else error
        return self.rms**2 + lit / gains[:, None, None] + (share * lit) ** 2

    def prior(self, state: _State) -> Any:
        return make_prior(state.start, state.reach, state.size, state.flux.mean(1), state.star)

    def look_again(self, state: _State, light: Light) -> None:
        """Add what is found on the residual, apart from every source and no knot of a large galaxy."""
        fwhm = float(self.psf.fwhm_pix.mean())
        noise = self.variance(light.model, _IN_LIGHT).sqrt().numpy()
        residual = light.residual.numpy()
        mask = grown(self.field.mask, round(2 * fwhm))  # halos of what is masked are not sources
        found = detect(residual, mask, noise, fwhm, least=self.settings.residual_peak)
        if not len(found):
            return
        new = _first(found, label_light(residual, found.labels, len(found)), fwhm)
        apart = torch.cdist(new.shape[:, :2], state.shape[:, :2]).amin(1) > _APART * fwhm
        rows = apart.numpy() & ~self.knots(state, residual, found, fwhm)
        for name in _TENSORS:
            both = [getattr(state, name), getattr(new, name)[torch.from_numpy(rows)]]
            setattr(state, name, torch.cat(both))
        state.star = np.concatenate([state.star, new.star[rows]])
        state.later = np.concatenate([state.later, np.ones(rows.sum(), dtype=bool)])

    def knots(self, state: _State, residual: np.ndarray, found: Detections, fwhm: float) -> np.ndarray:
        """(n,) true where a detection on the residual is fainter than the large galaxy it lies on."""
        from scipy.ndimage import gaussian_filter

        large = state.shape[:, 2].exp().numpy() > fwhm
        groups = windows(state.shape, np.where(large, state.sides, 0), len(self.image))
        galaxies = self.painter.paint(state.shape, state.flux, groups).numpy()
        ends = zip((found.table["y"], found.table["x"]), self.known.shape, strict=True)
        y, x = (np.clip(np.rint(place).astype(int), 0, n - 1) for place, n in ends)
        over, under = (gaussian_filter(i.mean(0), fwhm / 2.3548)[y, x] for i in (residual, galaxies))
        return over < _IN_GALAXIES * under

    def part_stars(self, state: _State, light: Light) -> None:
        """Call stars what a point fits as well; from here on they are fitted as points."""
        noise = _point_noise(self.rms, self.psf)
        snr = ((state.flux.numpy() / noise) ** 2).sum(1) ** 0.5
        sides = np.where(snr > self.settings.star_snr, state.sides, 0)
        groups = windows(state.shape, sides, len(self.image))
        worse, points, flux = as_points(state.shape, state.flux, groups, light, self.psf)
        allowed = self.settings.star_chi2 + (self.settings.psf_error * snr.clip(max=_BRIGHT)) ** 2
        radius = state.shape[:, 2].exp().numpy() / self.psf.fwhm_pix.min()
        star = (worse.numpy() < allowed) & (radius < _BLUNT) | (radius < _SHARP)
        star &= snr > self.settings.star_snr
        star &= (flux.mean(1) > 0).numpy()
        rows = torch.from_numpy(star)
        state.shape[rows], state.flux[rows] = points[rows], flux[rows]
        state.star = star

    def finished(self, state: _State, seconds: float) -> FittedScene:
        """Return the scene with its errors and flags."""
        light = self.light(state)
        return judged(self.field, self.psf, state, self.groups, light, self.prior(state), seconds)


def _brightest(field: LearnField) -> Tensor:
    """(C, H, W) nJy: the image smoothed, and 3 rms: light of the model beyond it buys no tolerance."""
    from scipy.ndimage import gaussian_filter

    smooth = np.stack([gaussian_filter(band, 1.0) for band in field.image])
    return torch.from_numpy(np.maximum(smooth, 0.0) + 3.0 * field.rms)


def label_light(image: np.ndarray, labels: np.ndarray, count: int) -> np.ndarray:
    """(N, C): sum of each band over the pixels of each label."""
    at = np.flatnonzero(labels)
    owner = labels.ravel()[at]
    return np.stack([np.bincount(owner, b.ravel()[at], count + 1)[1:] for b in image], axis=1)


def _first(found: Detections, light: np.ndarray, fwhm: float) -> _State:
    """Return sources as detection sees them: moments less the seeing's, an exponential disk."""
    t = found.table
    n = len(t)
    sigma = fwhm / 2.3548
    seen = 2.0 * sigma**2  # the seeing, and the smoothing by it
    a2, b2 = (np.maximum(t[k].astype(float) ** 2 - seen, 0.3) for k in ("a", "b"))
    ratio = np.sqrt(np.clip(b2 / np.maximum(a2, b2), 0.1, 1.0))
    e = 0.7 * (1.0 - ratio) / (1.0 + ratio)
    radius = np.clip(1.1 * (a2 * b2) ** 0.25, 0.6, 40.0)
    shape = np.stack([t["x"], t["y"], np.log(radius), e * np.cos(2 * t["theta"]), e * np.sin(2 * t["theta"]),
                      np.full(n, np.log(1.2))], axis=1)  # fmt: skip
    shape = torch.from_numpy(np.nan_to_num(shape.astype(np.float64)))
    law = (float(np.median(np.log(radius))) if n else 0.0, 0.0, 0.7)
    return _State(
        shape=shape,
        flux=torch.from_numpy(1.2 * light),
        start=shape[:, :2].clone(),
        reach=torch.from_numpy(np.maximum(0.7, 0.1 * np.sqrt(t["npix"].astype(float)))),
        pace=torch.full((n,), 0.8, dtype=torch.float64),
        length=torch.full((n,), torch.inf, dtype=torch.float64),
        star=np.zeros(n, dtype=bool),
        later=np.zeros(n, dtype=bool),
        sides=np.zeros(0, dtype=np.int64),
        size=law,
    )


def window_sides(shape: Tensor, flux: Tensor, rms: Tensor, fwhm: float) -> np.ndarray:
    """Side (N,) of `SIDES` of each source's window: beyond it the profile is below a tenth of the rms."""
    from scipy.special import gammaln

    log_radius, e1, e2, log_n = shape.numpy().T[2:]
    n = np.exp(log_n)
    b = 2.0 * n - 1.0 / 3.0 + 0.01 / n
    level = np.abs(flux.numpy() / np.median(rms.flatten(1).numpy(), axis=1)).max(1)
    total = np.log(2 * np.pi * n) + b - 2 * n * np.log(b) + gammaln(2 * n) + 2 * log_radius
    depth = np.log(np.maximum(level, 1e-9) / _EDGE) - total  # ln of the brightness at the radius
    reach = np.exp(log_radius) * np.maximum(1.0 + depth / b, 0.0) ** n
    e = np.clip(np.hypot(e1, e2), 0, BOUNDS["e"])
    wanted = 2.0 * (reach * np.sqrt((1 + e) / (1 - e)) + 2.0 * fwhm + 2.0)
    return np.asarray(SIDES)[np.searchsorted(SIDES, wanted).clip(max=len(SIDES) - 1)]


def _size_law(state: _State) -> tuple[float, float, float]:
    """Return ln radius of galaxies as a line in ln flux, and the scatter about it, from the brighter half."""
    flux = state.flux.mean(1).numpy()
    size = state.shape[:, 2].numpy()
    used = (flux > max(np.median(flux), 1e-9)) & (size > np.log(0.4)) & ~state.star
    if used.sum() < 20:
        return state.size
    x, y = np.log(flux[used]), size[used]
    slope = float(np.clip(np.polyfit(x, y, 1)[0], 0.0, 0.4))
    middle = float(np.median(y - slope * x))
    return middle, slope, float(np.clip(1.4826 * np.median(np.abs(y - slope * x - middle)), 0.4, 0.9))


def _point_noise(rms: Tensor, psf: PixelPsf) -> np.ndarray:
    """(C,) nJy: error of the flux of a point source."""
    return np.median(rms.flatten(1).numpy(), axis=1) / np.sqrt((psf.at_native().image ** 2).sum((1, 2)))


def _save(path: Path, state: _State) -> None:
    from mockforge.files import appearing

    with appearing(path) as part, part.open("wb") as stream:
        np.savez(stream, **state.arrays())  # type: ignore


def _restored(path: Path) -> _State:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return _State.of(dict(arrays))
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise InputError(
            f"{path}: not a checkpoint of a scene fit ({error}); delete it to begin the fit again"
        ) from error
