"""SganModel: a trained SGAN as two small files, weights (safetensors) and what they mean (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mockforge.sgan.config import Forge, Smith2019
from mockforge.sgan.density import DensityScale
from mockforge.sgan.ensemble import joined, of_member
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.model_file import SganFile
from mockforge.sgan.networks.make import count_parameters, make_generator
from mockforge.sgan.painter import Painter, Scaling
from mockforge.train.first_weights import first_weights
from mockforge.train.members import Member
from mockforge.train.model_files import (
    bundled_models,
    load,
    model_path,
    training_notes,
    weights_of,
    with_weights,
)
from mockforge.units import ZEROPOINT_NJY

__all__ = ["SganModel", "bundled_models", "describe", "load_model", "model_path"]


@dataclass(frozen=True)
class SganModel:
    """A SGAN's configuration, scaling, bands and weights, of one network or of an ensemble."""

    name: str
    network: Forge | Smith2019
    bands: tuple[str, ...]
    instrument: Instrument
    scaling: Scaling = field(default_factory=Scaling)
    pixel_scale_arcsec: float | None = None
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    density: DensityScale | None = None
    """The densities of sources that a conditioned network can be asked to paint."""
    training: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """Of the network; of an ensemble's member k under `k/name`."""
    members: tuple[int, ...] = ()
    """Steps of the run that an ensemble's members are from, the end of the run first; else empty."""
    sha256: str = ""
    """Digest of the weights file."""

    def __repr__(self) -> str:
        scale = f', {self.pixel_scale_arcsec:g}" per pixel' if self.pixel_scale_arcsec else ""
        kind = "forge" if self.clean else "smith2019"
        members = f", {self.n_members} members" if self.members else ""
        weights = f"weights sha256 {self.sha256[:12]}" if self.sha256 else "not trained"
        return (
            f"<SGAN {self.name!r} ({kind}) in {', '.join(self.bands)}{scale}{members}, {weights}; "
            "paint it with mockforge.Sky>"
        )

    @property
    def clean(self) -> bool:
        """Whether the network paints the noiseless sky, so that its samples have a truth."""
        return isinstance(self.network, Forge)

    @property
    def n_members(self) -> int:
        """Number of networks in the model: several of an ensemble, which share all but weights."""
        return max(1, len(self.members))

    def painter(self, member: int = 0) -> Painter:
        """Return the network with a member's weights (fresh ones where there are none), on the CPU.

        Raises InputError where there is no such member or the weights are of another network.
        """
        weights = of_member(self.weights, member, self.n_members, self.name)
        make = lambda: make_generator(self.network, len(self.bands))  # noqa: E731
        generator = with_weights(make, weights if self.weights else None, self.name)
        return Painter(generator, self.scaling, self.instrument)

    def trained(
        self, generator: nn.Module, history: Mapping[str, Any], earlier: Sequence[Member] = ()
    ) -> SganModel:
        """Return this model with the weights of `generator` and a record of how they came about.

        With `earlier` averages of the same run (their network `generator`), an ensemble of all.
        """
        before = [member.weights["generator"] for member in reversed(earlier)]
        steps = [member.step for member in reversed(earlier)]
        return replace(
            self,
            weights=joined([weights_of(generator), *before]),
            members=(int(history["steps"]), *steps) if steps else (),
            training={**self.training, **history},
        )

    def to_json(self) -> dict[str, Any]:
        """Return what the model's JSON says of it, beside its name and digests."""
        kind = "forge" if self.clean else "smith2019"
        return {
            "network": {kind: asdict(self.network)},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "psf_fwhm_arcsec": self.psf_fwhm_arcsec,
            "scaling": asdict(self.scaling),
            "instrument": self.instrument.to_json(),
            "density": asdict(self.density) if self.density else None,
            **({"members": list(self.members)} if self.members else {}),
            "training": dict(self.training),
        }

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of a model."""
        with first_weights():
            n = count_parameters(make_generator(self.network, len(self.bands)))
        kind = "forge" if self.clean else "smith2019"
        widths = self.psf_fwhm_arcsec or ()
        rows = {
            "model": self.name,
            "network": f"{kind}, {n:,} parameters",
            **({"members": f"{self.n_members}, of steps {_listed(self.members)}"} if self.members else {}),
            "bands": ", ".join(self.bands),
            "paints": "the noiseless sky, then the instrument" if self.clean else "observed pixels",
            "sky rms": ", ".join(
                f"{b} {r:.4g} nJy" for b, r in zip(self.bands, self.instrument.rms_njy, strict=True)
            ),
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
            "PSF FWHM": ", ".join(f"{b} {f:.2f} arcsec" for b, f in zip(self.bands, widths, strict=False))
            or "not known",
        }
        return rows | training_notes(self.training) | {"sha256": self.sha256}


def load_model(name: str | Path) -> SganModel:
    """Return a model by name or path; every field and weight is checked (see `train.model_files.read_model`).

    Raises InputError where a file is missing, unreadable or damaged, or is not a SGAN's.
    """
    return load(name, SganFile, _make)


def _make(found: SganFile, weights: dict[str, Tensor]) -> SganModel:
    return SganModel(
        name=found.name,
        network=found.network.chosen,
        bands=found.bands,
        instrument=found.instrument,
        scaling=found.scaling,
        pixel_scale_arcsec=found.pixel_scale_arcsec,
        psf_fwhm_arcsec=found.psf_fwhm_arcsec,
        density=found.density,
        training=found.training,
        weights=weights,
        members=found.members,
        sha256=found.sha256,
    )


def _listed(steps: tuple[int, ...]) -> str:
    return ", ".join(f"{step:,}" for step in sorted(steps))


def describe(name: str | Path) -> dict[str, str]:
    """Return what `mockforge info` prints of the model called `name`."""
    return load_model(name).describe()
