"""Stage 5: the shapes of bright sources, learned by reconstruction.

One coordinate network, and a latent z a source, are fitted together to the field around the scene model: a
generator without a critic, whose latents are found by descent (GLO, Bojanowski et al. 2018,
arXiv:1707.05776). Fluxes stay what they are in every band.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call

from mockforge.config import Count, Fraction, Limit, Positive, config
from mockforge.errors import InputError
from mockforge.field.picture import compared
from mockforge.rng import Stream
from mockforge.sgan.learn.shapes.bright import BrightScene, SizeClass, middle, size_classes
from mockforge.sgan.learn.shapes.shaped import Bodies, Shaper
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.sources.marks import Marks
from mockforge.train.config import Schedule, TrainConfig
from mockforge.train.first_weights import first_weights
from mockforge.train.loop import Report, fit
from mockforge.train.members import Member
from mockforge.train.task import Phase

FEWEST = 30
"""Bright sources below which no morphology is learned."""
_SCALES = {"z": 10.0, "log_flux": 1.3, "log_radius": 2.5, "log_n": 2.5}
"""Units of what is fitted of each source, over those of the optimiser's steps: latents move faster."""
_RADIUS_PRIOR, _FLUX_PRIOR = 0.1, 0.05
"""Scatter in ln of the corrections of radius and index, and of flux: small, so the population's hold."""


@config
class MorphologyChoice:
    """How shapes are learned."""

    latent: Annotated[int, Limit(ge=1, le=64)] = 16
    """Numbers in a source's latent z."""
    width: Annotated[int, Limit(ge=4, le=256)] = 48
    """Filters of the coordinate network."""
    least_snr: Positive = 30.0
    """Signal over noise from which on a galaxy's shape is learned."""
    most_sources: Count = 1500
    """The brightest so many are used."""
    held_out: Fraction = 0.33
    """Share of them that the network does not learn from: only their latents are fitted."""
    steps: Count = 700
    """Optimiser steps."""
    batch_pixels: Count = 120_000
    """Pixels in a batch."""
    rate: Positive = 8e-3
    """Learning rate."""


@dataclass(frozen=True, eq=False)
class Morphology:
    """What stage 5 gives: the network, and for N sources their latents and what else was corrected."""

    modulation: Modulation
    z: np.ndarray
    """(N, Z) float32, about N(0, 1)."""
    log_flux: np.ndarray
    """(N, C) float32, added to ln flux."""
    log_radius: np.ndarray
    """(N,) float32."""
    log_n: np.ndarray
    """(N,) float32."""
    held_out: np.ndarray
    """(N,) bool: the network did not learn from these."""
    facts: Mapping[str, Any] = field(default_factory=dict)
    picture: np.ndarray | None = None
    """Of the brightest sources, uint8 (y, x, 3)."""

    def applied(self, marks: Marks) -> Marks:
        """Return the N sources with their corrections and latents, shaped."""
        return marks.replace(
            flux=marks.flux * np.exp(self.log_flux),
            log_radius=marks.log_radius + self.log_radius,
            log_n=(marks.log_n + self.log_n).clip(np.log(0.4), np.log(8.0)),
            z=self.z,
            shaped=np.ones(len(marks), dtype=bool),
        )

    def to_arrays(self) -> dict[str, np.ndarray]:
        """Return float32 arrays: `modulation.*` for the model, `morphology.*` of the sources."""
        own = {k: getattr(self, k) for k in ("z", "log_flux", "log_radius", "log_n", "held_out")}
        return {
            **self.modulation.to_arrays(),
            **{f"morphology.{k}": np.asarray(v, dtype=np.float32) for k, v in own.items()},
        }

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray], bands: int) -> Morphology:
        """Return what `to_arrays` wrote."""
        names = ("z", "log_flux", "log_radius", "log_n", "held_out")
        z, flux, radius, n, held_out = (np.asarray(arrays[f"morphology.{name}"]) for name in names)
        return cls(Modulation.from_arrays(arrays, bands), z, flux, radius, n, held_out > 0.5)


class SourceTable(nn.Module):
    """The coordinate network, and what is fitted of each source, as one network of the training loop."""

    def __init__(self, modulation: Modulation, sources: int) -> None:
        super().__init__()
        self.modulation = modulation
        self.z = nn.Parameter(torch.randn(sources, modulation.latent) * 0.3 / _SCALES["z"])
        self.log_flux = nn.Parameter(torch.zeros(sources, modulation.bands))
        self.log_radius = nn.Parameter(torch.zeros(sources))
        self.log_n = nn.Parameter(torch.zeros(sources))

    def fitted(self, name: str) -> Tensor:
        """`z`, `log_flux`, `log_radius` or `log_n` in its own unit."""
        return getattr(self, name) * _SCALES[name]

    def bodies(self, plain: Bodies, rows: Tensor) -> Bodies:
        """Return these sources as they are now: corrected, with their latents."""
        flux, radius, n = (self.fitted(k)[rows] for k in ("log_flux", "log_radius", "log_n"))
        body = plain.rows(rows).corrected(flux, radius, n)
        return Bodies(body.shapes, body.flux, self.fitted("z")[rows])


@dataclass
class MorphologyTask:
    """What the training loop asks; see `mockforge.train.task.Task`."""

    scene: BrightScene
    choice: MorphologyChoice
    seed: int = 0
    ensemble: bool = False
    learned: SourceTable | None = None
    apart: np.ndarray | None = None
    """(N,) bool: sources to hold out, instead of a share that is drawn."""

    def __post_init__(self) -> None:
        stream = Stream(self.seed, ("morphology",))
        marks, choice = self.scene.marks, self.choice
        self.bodies = Bodies.of(marks)
        self.shaper = Shaper(self.scene.psf)
        self.held_out = np.zeros(len(marks), dtype=bool)
        order = stream.child("held out").numpy().permutation(len(marks))
        self.held_out[order[: round(choice.held_out * len(marks))]] = True
        if self.apart is not None:
            self.held_out = self.apart
        with first_weights(stream.child("weights")):
            modulation = Modulation(marks.bands, choice.latent, choice.width)
            modulation.normalise_to(self.bodies.marks[torch.from_numpy(~self.held_out)])
            table = SourceTable(modulation, len(marks))
        self.networks: Mapping[str, nn.Module] = {"shapes": table}
        self.phases = (Phase("fit", "shapes", choice.rate, 0.9, 0.99),)
        self.averaged: tuple[str, ...] = ("shapes",)
        self.classes = size_classes(self.scene, self.bodies, self.shaper)

    def to(self, device: Any) -> None:
        """Keep the sources and their windows on `device`."""
        self.device = torch.device(device)
        self.bodies = Bodies.of(self.scene.marks, self.device)
        self.classes = [
            SizeClass(c.extent, c.rows, c.target.to(device), c.weight.to(device)) for c in self.classes
        ]

    def losses(self, phase: str, stream: Stream) -> Mapping[str, Tensor]:
        """Half chi^2 and the priors, a source."""
        rng = stream.numpy()
        cost = np.array([len(c.rows) * c.extent.points for c in self.classes], dtype=float) ** 0.5
        chosen = self.classes[rng.choice(len(cost), p=cost / cost.sum())]
        n = max(4, self.choice.batch_pixels // chosen.extent.points)
        some = np.sort(rng.choice(len(chosen.rows), min(n, len(chosen.rows)), replace=False))
        table: Any = self.networks["shapes"]
        rows = torch.from_numpy(chosen.rows[some])
        light = self._light(table, rows, chosen)
        index = torch.from_numpy(some)
        chi = (light - chosen.target[index]).square() * chosen.weight[index]
        z, flux, radius, n = (table.fitted(k)[rows] for k in ("z", "log_flux", "log_radius", "log_n"))
        prior = 0.5 * z.square().sum() + 0.5 * flux.square().sum() / _FLUX_PRIOR**2
        prior = prior + 0.5 * (radius.square() + n.square()).sum() / _RADIUS_PRIOR**2
        return {"loss/chi2": 0.5 * chi.sum() / len(some), "loss/prior": prior / len(some)}

    def _light(self, table: SourceTable, rows: Tensor, of: SizeClass) -> Tensor:
        """Light of these sources; those held out do not move the network."""
        held = torch.from_numpy(self.held_out)[rows]
        out = torch.zeros(len(rows), self.scene.marks.bands, of.side, of.side, device=self.device)
        for wanted, modulation in ((~held, table.modulation), (held, _Fixed(table.modulation))):
            at = torch.nonzero(wanted)[:, 0]
            if len(at):
                body = table.bodies(self.bodies, rows[at])
                out = out.index_copy(0, at, self.shaper.paint(body, modulation, of.extent, of.side))
        return out

    def chi2(self, table: SourceTable | None) -> np.ndarray:
        """Chi^2 over pixels (N,) where a source is brighter than the noise.

        Without a table that of the smooth profiles.
        """
        out = np.ones(len(self.scene.marks))
        for (of, some, light), (_, _, plain) in zip(self.painted(table), self.painted(None), strict=True):
            index = torch.from_numpy(some)
            weight = of.weight[index]
            lit = (plain.square() * weight > 1) & (weight > 0)
            chi = ((light - of.target[index]).square() * weight * lit).sum((1, 2, 3))
            out[of.rows[some]] = (chi / lit.sum((1, 2, 3)).clamp_min(1)).cpu().numpy()
        return out

    def painted(self, table: SourceTable | None) -> Iterator[tuple[SizeClass, np.ndarray, Tensor]]:
        """Yield light of all sources part by part: their class, rows of its windows, (n, C, S, S) nJy."""
        for of in self.classes:
            for some in np.array_split(np.arange(len(of.rows)), -(-len(of.rows) * of.side**2 // 150_000)):
                rows = torch.from_numpy(of.rows[some])
                body = self.bodies.rows(rows) if table is None else table.bodies(self.bodies, rows)
                with torch.no_grad():
                    light = self.shaper.paint(body, table and table.modulation, of.extent, of.side)
                yield of, some, light

    def preview(self, averages: Mapping[str, nn.Module]) -> np.ndarray | None:
        """No picture on the way; `pictured` makes the stage's."""
        return None

    def export(
        self, folder: Path, averages: Mapping[str, nn.Module], history: Mapping[str, Any],
        members: Sequence[Member] = (),
    ) -> None:  # fmt: skip
        """Keep the averaged table."""
        self.learned = averages["shapes"]  # type: ignore[assignment]


class _Fixed:
    """A modulation without a gradient to its weights."""

    def __init__(self, modulation: Modulation) -> None:
        self.modulation = modulation
        named = (*modulation.named_parameters(), *modulation.named_buffers())
        self.weights = {name: values.detach() for name, values in named}

    def __call__(self, *inputs: Any) -> Tensor:
        return functional_call(self.modulation, self.weights, inputs)


def learn_morphology(
    scene: BrightScene, choice: MorphologyChoice, seed: int, folder: Path, report: Report | None = None,
    apart: np.ndarray | None = None,
) -> Morphology:  # fmt: skip
    """Learn the shapes of the bright sources of a scene.

    A run that was stopped goes on from its checkpoint in `folder`. The sources `apart` (N,) bool are held
    out, by default a share of them. Raises InputError with fewer than 30 sources.
    """
    if len(scene.marks) < FEWEST:
        raise InputError(
            f"{len(scene.marks)} galaxies are bright enough to learn shapes from, at least {FEWEST} are "
            "required; lower morphology.least_snr, or train without morphology"
        )
    task = MorphologyTask(scene, choice, seed, apart=apart)
    settings = TrainConfig(
        steps=choice.steps, device="cpu", precision="float32", ema_decay=0.98, clip_norm=3000.0,
        schedule=Schedule(kind="cosine", floor=0.05), preview_steps=0,
    )  # fmt: skip
    fit(task, settings, seed, folder, resume=(folder / "checkpoint.pt").exists(), report=report)
    table = task.learned
    assert table is not None
    before, after = task.chi2(None), task.chi2(table)
    fitted = {k: table.fitted(k).detach().cpu().numpy() for k in _SCALES}
    modulation = table.modulation.eval().requires_grad_(False)
    facts = _facts(before, after, task.held_out, fitted)
    picture = bright_picture(task, table)
    return Morphology(modulation, held_out=task.held_out, facts=facts, picture=picture, **fitted)


def bright_picture(task: MorphologyTask, table: SourceTable, columns: int = 20) -> np.ndarray:
    """Return the brightest sources, uint8 (y, x, 3).

    Rows from the top: the field less other sources, the smooth profile, with morphology, and what either
    leaves. Each column has one stretch.
    """
    order = np.argsort(-task.scene.marks.mean_flux)[:columns]
    stamps: dict[int, list[np.ndarray]] = {}
    for of, some, after in task.painted(table):
        wanted = np.isin(of.rows[some], order)
        if wanted.any():
            rows = torch.from_numpy(of.rows[some][wanted])
            with torch.no_grad():
                plain = task.shaper.paint(task.bodies.rows(rows), None, of.extent, of.side)
            index = torch.from_numpy(some[wanted])
            shown = (of.target[index], plain, after[torch.from_numpy(wanted)])
            for i, row in enumerate(rows.tolist()):
                stamps[row] = [middle(images[i].cpu().numpy()) for images in shown]
    data, plain, after = (np.stack([stamps[row][k] for row in order]) for k in range(3))
    noise = np.median(task.scene.rms, axis=(1, 2))
    peak = np.quantile(plain.max(axis=1), 0.995, axis=(1, 2))[:, None]
    return compared((data, plain, after, data - plain, data - after), np.maximum(noise, peak / 60.0))


def _facts(
    before: np.ndarray, after: np.ndarray, held_out: np.ndarray, fitted: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    out: dict[str, Any] = {"sources": len(before), "rms of z": float(np.sqrt((fitted["z"] ** 2).mean()))}
    for name, some in (("fitted", ~held_out), ("held out", held_out)):
        if some.any():
            out[f"chi2 per pixel, {name}, smooth profiles"] = float(before[some].mean())
            out[f"chi2 per pixel, {name}, with morphology"] = float(after[some].mean())
    for name in ("log_flux", "log_radius", "log_n"):
        out[f"mean and scatter of the correction of {name}"] = [
            float(fitted[name].mean()), float(fitted[name].std())
        ]  # fmt: skip
    return out
