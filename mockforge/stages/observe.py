"""The stage `observe`: noise on both images of a pair, and which of them is the input."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal

from mockforge.batch import Batch, Stage
from mockforge.config import config
from mockforge.observe.noise.pairs import OTHER, exchanged, observed
from mockforge.observe.noise.spec import Noise
from mockforge.observe.problems import instrument_problems
from mockforge.rng import Stream

State = Literal["clean", "psf", "observed"]
"""How far light has come: as it arrives, through the PSF, with noise."""


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
        drawn = [end if self._kept() else OTHER[end] for end in ("input", "target")]
        states = (self.pairing.input, self.pairing.target)
        named = {
            f"{end}_{state}" for end, state in zip(drawn, states, strict=True) if state in ("clean", "psf")
        }
        return frozenset({"input", "target", *named})

    def writes(self) -> frozenset[str]:
        """`input` and `target`, and what noise adds."""
        noisy = {f"{end}_{name}" for end, _, noise in self._ends() if noise for name in ("observed", "rms")}
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
                image, rms = observed(batch, end, noise, stream.child(end), self.device)
                batch = batch.with_arrays(**{f"{end}_observed": image, f"{end}_rms": rms})
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
