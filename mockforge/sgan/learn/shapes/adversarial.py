"""Stage 6: what reconstruction leaves is learned from a critic that measures sources.

Only the modulation and z's distribution given the marks may move; fluxes are exact, and the mean light curve
of the painted sources is held where stage 5 left it. Real and painted sources lie on real sky, so that
noise, background and neighbours match by construction.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from mockforge.config import Count, Limit, NonNegative, Positive, config
from mockforge.errors import MockforgeError
from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.shapes.critic import Critics, FeatureCritic, PixelCritic, squared_slope
from mockforge.sgan.learn.shapes.cutouts import CutoutRule, Cutouts, painted_cutouts
from mockforge.sgan.learn.shapes.features import features
from mockforge.sgan.learn.shapes.shaped import Shaper
from mockforge.sgan.learn.shapes.two_sample import auc
from mockforge.sgan.light.modulation import Modulation, marks_features
from mockforge.sgan.sources.marks import Marks
from mockforge.train.adversarial import critic_loss, generator_loss
from mockforge.train.config import TrainConfig
from mockforge.train.first_weights import first_weights
from mockforge.train.loop import Report, fit
from mockforge.train.members import Member
from mockforge.train.task import Phase

_CURVE = (0.33, 0.64, 0.94, 1.36, 1.82, 2.4, 3.3, 4.5)
"""Edges in PSF FWHM of the rings of the light curve that is held."""
_HELD = 0.003
"""Share of the flux by which a ring of the mean light curve may move at the price of 1/2."""
_WARP = 1.5
"""Largest change of a latent."""
_SIGMAS = 4.0
"""Standard errors from 1/2 at which a critic's AUC on source-free sky stops the run."""


class ToldOnSky(MockforgeError):
    """The critic tells real from painted where there is no source: it would learn the background."""


@config
class AdversarialChoice:
    """How shapes are learned from a critic."""

    steps: Count = 240
    """Most steps of the generator."""
    check_steps: Count = 60
    """Steps between fresh draws, on which a classifier says whether painted sources got better."""
    patience: Count = 2
    """Checks without a better one after which training stops."""
    batch: Annotated[int, Limit(ge=8, le=4096)] = 48
    """Real and painted sources a step."""
    kind: Literal["hinge", "relativistic"] = "relativistic"
    """The adversarial loss."""
    slope: NonNegative = 1.0
    """Weight of the squared gradients on real and on painted sources (R1 + R2)."""
    rate_generator: Positive = 3e-4
    """Learning rate of modulation and latents."""
    rate_critic: Positive = 3e-3
    """Learning rate of the critic."""
    light_curve: NonNegative = 1.0
    """Weight of what holds the mean light curve."""
    pixels_above: Count = 5000
    """Real bright sources from which on a critic of pixels joins in; with fewer it has too little to see."""
    checked_sources: Count = 600
    """Painted sources of a fresh draw."""
    draws: Count = 3
    """Fresh draws by which it is decided at the end whether the stage helped."""


class BrightDraw(Protocol):
    """Bright sources of the population: what is painted."""

    def __call__(self, n: int, stream: Stream, z: np.ndarray | None = None) -> Marks:
        """Return `n` of them, near the origin; `z` (N, Z) in place of the latents that stage 5 found."""
        ...


@dataclass(frozen=True, eq=False)
class Sides(ABC):
    """Both sides of the comparison: real sources, and how painted ones are seen."""

    rule: CutoutRule
    real: Cutouts

    def measured(self, cutouts: Cutouts | Tensor) -> Tensor:
        """Return the features of cutouts."""
        pixels = cutouts.pixels if isinstance(cutouts, Cutouts) else cutouts
        return features(pixels, self.rule.fwhm_pix, self.rule.noise_njy)

    @abstractmethod
    def painted(self, light: Tensor, marks: Marks, stream: Stream) -> Cutouts:
        """Return painted sources as they would be observed, those that would be among the real ones.

        `light` (N, C, T, T) nJy is noiseless, T the rule's `stamp_side`; its gradient is that of the cutouts.
        """


@dataclass(frozen=True, eq=False)
class Compared(Sides):
    """Sources of a field, and the sky that painted ones are added to."""

    real_sky: Cutouts
    """Source-free patches by the way of the real sources."""
    sky: Cutouts
    """Source-free patches for painted ones."""
    gains: tuple[float, ...]

    def painted(self, light: Tensor, marks: Marks, stream: Stream) -> Cutouts:
        """Return painted sources on real sky."""
        sky = self.some_sky(len(marks), stream.child("sky"))
        return painted_cutouts(light, sky, self.rule, stream.child("photons"), self.gains)

    def some_sky(self, n: int, stream: Stream) -> Cutouts:
        """Return `n` of the patches for painted sources, turned at random."""
        rows = stream.numpy().choice(len(self.sky), n, replace=n > len(self.sky))
        return self.sky.at(rows).turned(stream.child("turns"))


class Painter(nn.Module):
    """What the generator may move: the modulation, and a change of z that depends on the marks."""

    def __init__(self, modulation: Modulation) -> None:
        super().__init__()
        self.modulation = modulation
        inputs = modulation.latent + len(modulation.mark_mean)
        last = nn.Linear(32, modulation.latent)
        for values in (last.weight, last.bias):
            nn.init.zeros_(values)  # at first z stays as it is
        self.warp = nn.Sequential(nn.Linear(inputs, 32), nn.SiLU(), last)

    def warped(self, marks: Tensor, z: Tensor) -> Tensor:
        """Return z (N, Z) moved, given `marks_features` (N, M)."""
        units = ((marks - self.modulation.mark_mean) / self.modulation.mark_scale).clamp(-3.0, 3.0)
        return z + _WARP * torch.tanh(self.warp(torch.cat([units, z], dim=1)) / _WARP)

    def latents(self, marks: Marks) -> np.ndarray:
        """Return the moved latents (N, Z) float32 of sources."""
        columns = (marks.flux, marks.log_radius, marks.e1, marks.e2, marks.log_n)
        told = marks_features(*(torch.tensor(v, dtype=torch.float32) for v in columns))
        with torch.no_grad():
            return self.warped(told, torch.tensor(marks.z)).numpy()


@dataclass
class AdversarialTask:
    """What the training loop asks; see `mockforge.train.task.Task`."""

    compared: Sides
    draw: BrightDraw
    psf: PixelPsf
    modulation: Modulation
    """Of stage 5; it stays as it is."""
    choice: AdversarialChoice
    seed: int = 0
    ensemble: bool = False
    learned: Painter | None = None

    def __post_init__(self) -> None:
        stream = Stream(self.seed, ("adversarial",))
        self.shaper = Shaper(self.psf)
        self.real = self.compared.measured(self.compared.real)
        rule = self.compared.rule
        with first_weights(stream.child("weights")):
            painter = Painter(copied(self.modulation))
            many = len(self.real) >= self.choice.pixels_above
            pixels = PixelCritic(rule.noise_njy) if many else None
            critics = Critics(FeatureCritic(self.real), pixels)
        self.networks: Mapping[str, nn.Module] = {"critic": critics, "painter": painter}
        self.phases = (
            Phase("critic", "critic", self.choice.rate_critic, 0.0, 0.9),
            Phase("generator", "painter", self.choice.rate_generator, 0.0, 0.9),
        )
        self.averaged: tuple[str, ...] = ("critic", "painter")

    def to(self, device: Any) -> None:
        """Stay where everything is: the stage runs on the CPU."""

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Adversarial losses, with slopes for the critic and the light curve for the generator."""
        choice = self.choice
        critics: Any = self.networks["critic"]
        painted, curve = self._painted(stream.child("painted"), phase == "generator")
        made = critics.units(self.compared.measured(painted), painted.pixels)
        rows = torch.from_numpy(stream.child("real").numpy().integers(0, len(self.real), len(painted)))
        real = critics.units(self.real[rows], self._pixels(critics, rows, stream))
        if phase == "generator":
            with torch.no_grad():
                above = critics(real)
            return {
                "painter/adversarial": generator_loss(choice.kind, critics(made), above),
                "painter/light curve": choice.light_curve * curve,
            }
        real, made = ([u.detach().requires_grad_(True) for u in side] for side in (real, made))
        above, below = critics(real), critics(made)
        slopes = squared_slope(real, above) + squared_slope(made, below)
        return {
            "critic/adversarial": critic_loss(choice.kind, above, below),
            "critic/slopes": 0.5 * choice.slope * slopes,
        }

    def _painted(self, stream: Stream, with_gradient: bool) -> tuple[Cutouts, Tensor]:
        """Paint a batch as it would be observed; and what holds the mean light curve."""
        painter: Any = self.networks["painter"]
        marks = self.draw(self.choice.batch, stream.child("marks"))
        side = self.compared.rule.stamp_side
        with torch.set_grad_enabled(with_gradient):
            light = self.shaper.stamps(marks, painter.modulation, side, painter.warped)
            curve = light.new_zeros(())
            if with_gradient:
                with torch.no_grad():
                    before = self.shaper.stamps(marks, self.modulation, side)
                curve = self._held(before, light, marks)
            cutouts = self.compared.painted(light, marks, stream)
        return cutouts, curve

    def _held(self, before: Tensor, after: Tensor, marks: Marks) -> Tensor:
        """Half the squared change of the mean light curve of shaped sources, in units of what it may be."""
        some = torch.from_numpy(marks.shaped & ~marks.star)
        if not some.any():
            return after.new_zeros(())
        flux = torch.tensor(marks.flux, dtype=torch.float32)[some].clamp_min(1e-3)
        rings = self._rings(after.shape[-1])
        moved = torch.einsum("ncyx,ryx->ncr", (after - before)[some], rings) / flux[..., None]
        return 0.5 * (moved.mean(dim=0) / _HELD).square().mean()

    def _rings(self, side: int) -> Tensor:
        line = torch.arange(side, dtype=torch.float32) - side // 2
        radius = torch.hypot(line[:, None], line[None, :])
        edges = [e * self.compared.rule.scale.unit for e in _CURVE]
        disks = torch.stack([(e - radius + 0.5).clamp(0.0, 1.0) for e in edges])
        return torch.cat([disks[:1], disks[1:] - disks[:-1]])

    def _pixels(self, critics: Critics, rows: Tensor, stream: Stream) -> Tensor:
        """Pixels of real sources, turned at random, where a critic sees them."""
        if critics.pixels is None:
            return self.real[:0]
        return self.compared.real.at(rows.numpy()).turned(stream.child("turns")).pixels

    def sky_auc(self, critics: Critics, stream: Stream) -> tuple[float, float]:
        """AUC of a critic on source-free sky, real against painted, and the scatter it has by chance."""
        sides = []
        for patches in self._bare(stream):
            with torch.no_grad():
                sides.append(critics(critics.units(self.compared.measured(patches), patches.pixels)))
        worst, error = 0.5, 1.0
        for real, made in zip(*sides, strict=True):
            found = auc(real.numpy(), made.numpy())
            error = ((len(real) + len(made) + 1) / (12.0 * len(real) * len(made))) ** 0.5
            worst = found if abs(found - 0.5) >= abs(worst - 0.5) else worst
        return worst, error

    def _bare(self, stream: Stream) -> tuple[Cutouts, Cutouts]:
        """Source-free sky by both ways: nothing is added to either."""
        compared = self.compared
        assert isinstance(compared, Compared)
        rule = compared.rule
        out = []
        for name, sky in (("real", compared.real_sky), ("painted", compared.sky)):
            turned = sky.turned(stream.child(name))
            nothing = torch.zeros_like(turned.pixels)
            out.append(painted_cutouts(nothing, turned, rule, stream, select=False))
        return out[0], out[1]

    def check_sky(self, critics: Critics, step: int) -> float:
        """Return the critic's AUC on source-free sky; ToldOnSky where it is not at chance."""
        found, error = self.sky_auc(critics, Stream(self.seed, ("adversarial", "bare", step)))
        if abs(found - 0.5) > _SIGMAS * error:
            raise ToldOnSky(
                f"step {step}: on source-free sky the critic tells real from painted (AUC {found:.3f}, "
                f"chance 0.5 +- {error:.3f}); it learns the background, not the sources. The sky under "
                "painted sources should be of the same field with the same background taken off"
            )
        return found

    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """No picture on the way."""
        return None

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Keep the averaged painter."""
        self.learned = averages["painter"]  # type: ignore[assignment]


def trained_to(task: AdversarialTask, step: int, folder: Path, report: Report | None = None) -> Painter:
    """Train on to a step, from the checkpoint in `folder` where there is one; returns the painter there."""
    settings = TrainConfig(
        steps=step, device="cpu", precision="float32", ema_decay=0.98, clip_norm=10.0, preview_steps=0
    )
    fit(task, settings, task.seed, folder, resume=(folder / "checkpoint.pt").exists(), report=report)
    assert task.learned is not None
    return task.learned


def copied(modulation: Modulation) -> Modulation:
    """Return a modulation of equal weights that can be trained."""
    out = Modulation(modulation.bands, modulation.latent, modulation.width)
    out.load_state_dict(modulation.state_dict())
    return out
