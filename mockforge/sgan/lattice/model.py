"""LatticeModel: a published SGAN, trained: weights (safetensors) and what they mean (JSON)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mockforge.sgan.card import CardFacts
from mockforge.sgan.lattice.config import Smith2019
from mockforge.sgan.lattice.ensemble import joined, of_member
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.model_file import LatticeFile
from mockforge.sgan.lattice.networks import Smith2019Generator
from mockforge.sgan.lattice.painter import Painter, Scaling
from mockforge.train.first_weights import first_weights
from mockforge.train.members import Member
from mockforge.train.model_files import count_parameters, load, training_notes, weights_of, with_weights
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class LatticeModel:
    """A lattice SGAN's configuration, scaling, bands and weights, of one network or of an ensemble."""

    name: str
    network: Smith2019
    bands: tuple[str, ...]
    instrument: Instrument
    scaling: Scaling
    pixel_scale_arcsec: float | None = None
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    """Of the network; of an ensemble's member k under `k/name`."""
    members: tuple[int, ...] = ()
    """Steps of the run that an ensemble's members are from, the end of the run first; else empty."""
    sha256: str = ""
    """Digest of the weights file."""

    def __repr__(self) -> str:
        scale = f', {self.pixel_scale_arcsec:g}" per pixel' if self.pixel_scale_arcsec else ""
        members = f", {self.n_members} members" if self.members else ""
        weights = f"weights sha256 {self.sha256[:12]}" if self.sha256 else "not trained"
        return (
            f"<SGAN {self.name!r} (smith2019) in {', '.join(self.bands)}{scale}{members}, {weights}; "
            "paint it with mockforge.Sky>"
        )

    @property
    def clean(self) -> bool:
        """Whether its skies have a noiseless truth: a lattice paints noise and all."""
        return False

    @property
    def n_members(self) -> int:
        """Number of networks in the model: several of an ensemble, which share all but weights."""
        return max(1, len(self.members))

    def painter(self, member: int = 0) -> Painter:
        """Return the network with a member's weights (fresh ones where there are none), on the CPU.

        Raises InputError where there is no such member or the weights are of another network.
        """
        weights = of_member(self.weights, member, self.n_members, self.name)
        make = lambda: Smith2019Generator(self.network, len(self.bands))  # noqa: E731
        generator = with_weights(make, weights if self.weights else None, self.name)
        return Painter(generator, self.scaling)

    def trained(
        self, generator: nn.Module, history: Mapping[str, Any], earlier: Sequence[Member] = ()
    ) -> LatticeModel:
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
        return {
            "network": {"smith2019": asdict(self.network)},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "psf_fwhm_arcsec": self.psf_fwhm_arcsec,
            "scaling": asdict(self.scaling),
            "instrument": self.instrument.to_json(),
            **({"members": list(self.members)} if self.members else {}),
            "training": dict(self.training),
        }

    def card_facts(self) -> CardFacts:
        """Return what its card says of it."""
        scale = f" at {self.pixel_scale_arcsec:g} arcsec per pixel" if self.pixel_scale_arcsec else ""
        widths = self.psf_fwhm_arcsec or (None,) * len(self.bands)
        rows = []
        for band, rms, fwhm, kernel in zip(
            self.bands, self.instrument.rms_njy, widths, self.instrument.noise_kernel, strict=True
        ):
            next_pixel = sum(a * b for row in kernel for a, b in zip(row[:-1], row[1:], strict=True))
            seeing = f"{fwhm:.2f}" if fwhm else "not known"
            rows.append((band, f"{rms:.4g}", seeing, f"{next_pixel:+.2f}"))
        members = ""
        if self.members:
            steps = ", ".join(str(step) for step in sorted(self.members))
            members = f"{self.n_members} members, the averaged weights of steps {steps}; one paints a sky"
        return CardFacts(
            what=(
                f"A `smith2019` SGAN (Smith & Geach 2019) that paints observed pixels in "
                f"{', '.join(self.bands)}{scale}, in nJy, noise and all."
            ),
            titles=(
                "band", "sky rms (nJy)", "PSF FWHM of the stars (arcsec)", "noise correlation at 1 pixel"
            ),
            rows=rows,
            training=(members,) if members else (),
            limits=(
                "Its galaxies resemble those of the training field; none is a real object.",
                "Its pixels have no owners: labels come from detection, and nothing says what is true.",
                "What the training field's mask hid (saturated stars, for example) it was not trained on.",
            ),
        )  # fmt: skip

    def describe(self) -> dict[str, str]:
        """Return what `mockforge info` prints of a model."""
        with first_weights():
            n = count_parameters(Smith2019Generator(self.network, len(self.bands)))
        widths = self.psf_fwhm_arcsec or ()
        rows = {
            "model": self.name,
            "network": f"smith2019, {n:,} parameters",
            **({"members": f"{self.n_members}, of steps {_listed(self.members)}"} if self.members else {}),
            "bands": ", ".join(self.bands),
            "paints": "observed pixels, which have no owners",
            "sky rms": ", ".join(
                f"{b} {r:.4g} nJy" for b, r in zip(self.bands, self.instrument.rms_njy, strict=True)
            ),
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
            "PSF FWHM": ", ".join(f"{b} {f:.2f} arcsec" for b, f in zip(self.bands, widths, strict=False))
            or "not known",
        }
        return rows | training_notes(self.training) | {"sha256": self.sha256}


def load_lattice(name: str | Path) -> LatticeModel:
    """Return a lattice model by name or path; every field and weight is checked.

    Raises InputError where a file is missing, unreadable or damaged, or is not a lattice SGAN's.
    """
    return load(name, LatticeFile, _make)


def _make(found: LatticeFile, weights: dict[str, Tensor]) -> LatticeModel:
    return LatticeModel(
        name=found.name,
        network=found.network.chosen,
        bands=found.bands,
        instrument=found.instrument,
        scaling=found.scaling,
        pixel_scale_arcsec=found.pixel_scale_arcsec,
        psf_fwhm_arcsec=found.psf_fwhm_arcsec,
        training=found.training,
        weights=weights,
        members=found.members,
        sha256=found.sha256,
    )


def _listed(steps: tuple[int, ...]) -> str:
    return ", ".join(f"{step:,}" for step in sorted(steps))
