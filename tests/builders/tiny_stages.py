"""Cheap stages for tests of the engine; spawned workers import them by this module's name."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Literal

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import Count, Fraction, Limit, NonNegative, Varying, config, fixed
from mockforge.errors import InputError
from mockforge.registry import STAGES as REGISTRY
from mockforge.rng import Stream

STAGES = {
    "noise": (__name__, "Noise"),
    "bright": (__name__, "Bright"),
    "drop": (__name__, "Drop"),
    "stop": (__name__, "Stop"),
}


def register() -> None:
    """Make recipes of this process know them."""
    REGISTRY.rows.update(STAGES)


@contextmanager
def registered() -> Iterator[None]:
    """Recipes of this process know them within, and not afterwards."""
    before = dict(REGISTRY.rows)
    register()
    yield
    REGISTRY.rows.clear()
    REGISTRY.rows.update(before)


@config
class Shape:
    """Size of a tile."""

    height: Count = 4
    """pixels"""
    width: Count = 4
    """pixels"""


@config
class Noise(Stage):
    """White noise with a margin, and a table of what was drawn."""

    level: Annotated[Varying, Limit(gt=0)] = fixed(1.0)
    """rms of the noise, nJy"""
    shape: Shape = Shape()
    margin: int = 1
    model: str = "good"

    def __post_init__(self) -> None:
        if self.model != "good" and not Path(self.model).is_file():
            raise InputError(f"no model {self.model!r}")

    def writes(self) -> frozenset[str]:
        return frozenset({"image", "galaxy"})

    def tables(self) -> frozenset[str]:
        return frozenset({"galaxy"})

    def fingerprint(self) -> dict[str, str]:
        return {"good": "abc"} if self.model == "good" else {self.model: Path(self.model).read_text()}

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        level = self.level.draw(stream.child("level").numpy(), len(batch))
        m = 2 * self.margin
        shape = (len(batch), 3, self.shape.height + m, self.shape.width + m)
        image = stream.numpy().normal(size=shape) * level[:, None, None, None]
        out = batch.with_arrays(image=image.astype(np.float32))
        table = {"sample": batch.sample, "draw": batch.draw, "level": level}
        out = out.with_attributes(
            bands=("g", "r", "z"),
            pixel_scale_arcsec=0.2,
            unit="nJy",
            zeropoint_ab=31.4,
            psf_fwhm_arcsec=(1.0,) * 3,
        )
        return replace(out.with_table("galaxy", table), margin=self.margin)


@config
class Bright(Stage):
    """Marks bright pixels."""

    threshold: NonNegative = 1.0
    """nJy"""
    detection_image: Literal["mean", "weighted"] = "mean"

    def reads(self) -> frozenset[str]:
        return frozenset({"image"})

    def writes(self) -> frozenset[str]:
        return frozenset({"instances"})

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        return batch.with_arrays(instances=(batch.arrays["image"].mean(1) > self.threshold).astype(np.int32))


@config
class Drop(Stage):
    """Drops a share of the samples at random."""

    share: Fraction = 0.5

    def reads(self) -> frozenset[str]:
        return frozenset({"image"})

    def writes(self) -> frozenset[str]:
        return frozenset()

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        return batch.keep(stream.numpy().random(len(batch)) >= self.share)


@config
class Stop(Stage):
    """Holds up, kills or fails the shard that starts at a sample, or changes a file while it is made."""

    at: int = -1
    """first sample of the shard"""
    how: Literal["wait", "kill", "fail", "input", "change"] = "wait"
    unless: str = ""
    """go on as if nothing were when this file is there; the file that is changed"""

    def reads(self) -> frozenset[str]:
        return frozenset({"image"})

    def writes(self) -> frozenset[str]:
        return frozenset()

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        if batch.sample[0] == self.at and self.how == "change":
            Path(self.unless).write_text("2.0")
        elif batch.sample[0] == self.at and not Path(self.unless).is_file():
            if self.how == "fail":
                raise ZeroDivisionError("one over nothing")
            if self.how == "input":
                raise InputError("a.fits: is truncated")
            if self.how == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)
        return batch
