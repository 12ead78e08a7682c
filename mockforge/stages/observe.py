"""The stage `observe`: noise on both images of a pair, and which of them is the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import Varying, config
from mockforge.errors import InputError
from mockforge.observe.noise.pixels import add_noise
from mockforge.observe.noise.spec import Noise, pixel_noise
from mockforge.observe.problems import instrument_problems
from mockforge.rng import Stream
from mockforge.train.parallel import usable

State = Literal["clean", "psf", "observed"]
"""How far light has come: as it arrives, through the PSF, with noise."""

_CHUNK = 2**19
"""Pixels given noise at once: the work then stays in a core's cache."""
_GPU_CHUNK = 2**28
"""The same on a GPU: a gigabyte a copy."""
_OTHER = {"in": "out", "out": "in", "input": "target", "target": "input"}


@config
class Pairing:
    """Which images become `input` and `target`."""

    input: State | None = None
    """`clean`, `psf` or `observed`; null: the farthest the images come."""
    target: State | None = None
    """The same for the target."""
    direction: Literal["low_to_high", "high_to_low"] = "low_to_high"
    """Whether the input is the galaxy at the lower redshift or at the higher."""


@config
class Observe(Stage):
    """Add noise to pairs, and say which images are a network's input and target.

    The six pairings: input `clean`, `psf` or `observed` (and the target likewise), from low to
    high redshift or from high to low. A source's pairs have z_out > z_in; `high_to_low`
    exchanges everything of the two images: arrays, redshifts, columns of the table `galaxy`.
    So z_in always belongs to `input`, z_out to `target`. `noise_in` is that of the drawn z_in,
    like the source's own settings: an instrument stays with its redshift.

    Noise goes onto the images that the source gives as `input` and `target`: those with a PSF
    where there is one. Each sample has streams of its own, so that its noise does not depend on
    the other samples. Writes `input_observed` and `input_rms` (N,C), the rms of empty sky in
    nJy, where that image has noise, the same for the target, and `input`, `target`.
    """

    noise_in: Noise | None = None
    """Noise of the image at z_in; null: none."""
    noise_out: Noise | None = None
    """Noise of the image at z_out; null: none."""
    pairing: Pairing = Pairing()
    """What is learned from what."""
    device: str = "cpu"
    """Where noise is drawn: cpu, cuda, cuda:1, ... On a GPU the samples of a shard share a stream,
    so that noise there depends on which samples are drawn together."""

    def __post_init__(self) -> None:
        for end, key, noise in self._ends():
            if getattr(self.pairing, end) == "observed" and noise is None:
                raise ValueError(f"pairing: {end}: observed needs {key}; give it, or pair clean or psf")

    def reads(self) -> frozenset[str]:
        """Return the source's images, and those the pairing names."""
        drawn = [end if self._kept() else _OTHER[end] for end in ("input", "target")]
        states = (self.pairing.input, self.pairing.target)
        named = {
            f"{end}_{state}" for end, state in zip(drawn, states, strict=True) if state in ("clean", "psf")
        }
        return frozenset({"input", "target", *named})

    def writes(self) -> frozenset[str]:
        """`input` and `target`, and what noise adds."""
        noisy = {f"{end}_{what}" for end, _, noise in self._ends() if noise for what in ("observed", "rms")}
        return frozenset({"input", "target", *noisy})

    def problems(self, bands: tuple[str, ...]) -> Iterable[tuple[tuple[str, ...], str]]:
        """Return the PSFs and noises that do not fit the bands."""
        return instrument_problems(self, bands)

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        if self.noise_in is None and self.noise_out is None:
            return "No image has noise."
        return "Noise is that of a calibrated image without flaws: no cosmic rays, no residual sky."

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with noise, paired. InputError where the noise does not fit the images."""
        ends = (("input", self.noise_in), ("target", self.noise_out))
        for end, noise in ends:
            if noise is not None:
                observed, rms = _observed(batch, end, noise, stream.child(end), self.device)
                batch = batch.with_arrays(**{f"{end}_observed": observed, f"{end}_rms": rms})
        if not self._kept():
            batch = exchanged(batch)
        chosen = {}
        for end, _, noise in self._ends():
            state = getattr(self.pairing, end) or ("observed" if noise is not None else None)
            chosen[end] = batch.arrays[end if state is None else f"{end}_{state}"]
        return batch.with_arrays(**chosen)

    def _kept(self) -> bool:
        return self.pairing.direction == "low_to_high"

    def _ends(self) -> Iterator[tuple[str, str, Noise | None]]:
        """`input` and `target` as they will be called, each with its noise and that one's key."""
        keys = ("noise_in", "noise_out") if self._kept() else ("noise_out", "noise_in")
        for end, key in zip(("input", "target"), keys, strict=True):
            yield end, key, getattr(self, key)


def exchanged(batch: Batch) -> Batch:
    """Return the batch with its redshifts exchanged, by name: `input` with `target`, `_in` with `_out`."""

    def renamed(columns: Mapping[str, Any]) -> dict[str, Any]:
        return {_exchanged_name(name): values for name, values in columns.items()}

    tables: dict[str, Any] = {name: renamed(t) if name == "galaxy" else t for name, t in batch.tables.items()}
    if "size_factor" in tables.get("galaxy", ()):
        tables["galaxy"]["size_factor"] = 1.0 / tables["galaxy"]["size_factor"]
    return replace(batch, arrays=renamed(batch.arrays), tables=tables, attributes=renamed(batch.attributes))


def _exchanged_name(name: str) -> str:
    return "_".join(_OTHER.get(word, word) for word in name.split("_"))


def _observed(
    batch: Batch, end: str, noise: Noise, stream: Stream, device: str
) -> tuple[np.ndarray, np.ndarray]:
    """One end's images with noise, and the rms of their sky (N,C)."""
    import torch

    flux, about = batch.arrays[end], batch.attributes
    bands, scale = about.get("bands"), about.get("pixel_scale_arcsec")
    if bands is None or scale is None:
        raise InputError(
            f"observe: needs the bands and the pixel scale of {end}, and no stage before gives them"
        )
    fwhm = about.get(f"psf_fwhm_{'in' if end == 'input' else 'out'}_arcsec", about.get("psf_fwhm_arcsec"))
    try:
        model = pixel_noise(noise, tuple(bands), float(scale), fwhm)
    except InputError as error:
        raise InputError(f"observe: noise_{'in' if end == 'input' else 'out'}: {error}") from error
    factor = _factors(noise.rms_factor, batch.draw, stream.child("rms_factor"))
    chosen = usable(device)
    alone = chosen.type == "cpu"
    size = max(1, (_CHUNK if alone else _GPU_CHUNK) // int(np.prod(flux.shape[1:])))
    out = np.empty(flux.shape, dtype=np.float32)
    for start in range(0, len(batch), size):
        part = slice(start, start + size)
        own = [stream.child(int(draw)) for draw in batch.draw[part]]
        generators = [s.torch() for s in own] if alone else own[0].torch(chosen)
        images = torch.from_numpy(np.ascontiguousarray(flux[part], dtype=np.float32)).to(chosen)
        here = torch.from_numpy(out[part])
        strength = torch.from_numpy(factor[part]).to(chosen)
        noisy = add_noise(images, model, generators, strength, out=here if alone else None)
        if not alone:
            here.copy_(noisy)
    return out, (factor[:, None] * model.rms).astype(np.float32)


def _factors(rms_factor: Varying, draw: np.ndarray, stream: Stream) -> np.ndarray:
    """Return a factor for each sample, (N,) float64, from a stream of its own."""
    if rms_factor.kind == "fixed":
        return np.full(len(draw), rms_factor.values[0])
    return np.array([rms_factor.draw(stream.child(int(d)).numpy(), 1)[0] for d in draw])
