"""A trained redshifter: what its two files say, its card, and its predictions.

>>> model = load_redshifter("runs/redshifter")
>>> predict(model, image, z_in, z_out)        # (N,C,H,W) nJy in, the same at z_out out
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, ClassVar

import numpy as np
import torch
from torch import nn

from mockforge.config import Bands, Limit
from mockforge.errors import InputError
from mockforge.tasks.redshifter.config import RedshifterLoss, RedshifterNetwork
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.learned import Learned, check_learned
from mockforge.tasks.redshifter.make import make_network
from mockforge.tasks.trained import Trained, of_bands
from mockforge.torch_state import steadily
from mockforge.train.model_file import check_bands, one_each
from mockforge.train.parallel import usable
from mockforge.train.weights import check_painted

_Redshift = Annotated[float, Limit(ge=0, le=30)]
_Side = Annotated[int, Limit(ge=4, le=4096)]
_WHAT = {
    "unet": "A conditional U-Net on top of a first guess from geometry",
    "cvae": "The conditional variational autoencoder of the original experiment",
}
_START = {
    "unet": (
        "The first guess is exact in what is known: angular size, distance, and the shift through the bands,",
        "interpolated between them. An untrained network is that guess; what is beyond it was learned.",
        "",
    ),
    "cvae": (),
}
_LIMITS = (
    "  `mockforge redshift` refuses other redshifts, PSFs and noisier images, unless --extrapolate is given.",
    "- Its galaxies are those of its dataset: it was trained on no other spectra, shapes, PSFs or depths.",
    "- It predicts one image, the likely one; the spread of what is possible is not given.",
    "- Light beyond the reach of the input's bands is inferred from the spectra of the dataset.",
    "",
)


@dataclass(frozen=True, kw_only=True)
class Redshifter(Trained):
    """A redshifter: network, bands and their wavelengths, stamp, redshifts, and weights."""

    what: ClassVar[str] = "a redshifter"

    network: RedshifterNetwork
    bands: Bands
    geometry: Geometry
    shape: tuple[_Side, _Side]
    """Height and width of the stamps it was trained on, pixels."""
    pixel_scale_arcsec: Annotated[float, Limit(ge=0.001, le=60)] | None
    redshifts: tuple[_Redshift, _Redshift]
    """Lowest and highest redshift it was trained on."""
    learned: Learned = field(default_factory=Learned)
    """Ranges of its training set, of which `redshifts` are those of both ends."""
    loss: RedshifterLoss = field(default_factory=RedshifterLoss)

    def check(self) -> None:
        """ValueError where a band lacks its wavelength, or numbers contradict each other."""
        one_each(bands=self.bands, **{"geometry.wavelength": self.geometry.wavelength})
        if not self.geometry.wavelength:
            raise ValueError("geometry.wavelength: one number per band is expected, found none")
        check_bands("bands", self.bands)
        check_learned(self.learned, self.bands)
        if self.redshifts[0] > self.redshifts[1]:
            raise ValueError(f"redshifts: should be the lowest and the highest, found {list(self.redshifts)}")

    def blank(self) -> nn.Module:
        """Make the network."""
        return make_network(self.network.chosen, len(self.bands), self.geometry, self.loss, self.shape)

    def facts(self) -> dict[str, str]:
        """Return what it predicts of what."""
        return {
            "predicts": "a galaxy's image at another redshift, in nJy",
            "bands": ", ".join(self.bands),
            "stamp": f"{self.shape[0]} x {self.shape[1]} pixels",
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
            "redshifts": f"{self.redshifts[0]:g} to {self.redshifts[1]:g}",
            "PSF FWHM": of_bands(self.bands, self.learned.psf_fwhm_in_arcsec, "{:.3g} arcsec"),
            "cosmology": self.geometry.cosmology,
        }

    def card(self) -> str:
        """Return what it predicts, what it was trained on, what it cannot do, as Markdown."""
        scale = f" at {self.pixel_scale_arcsec:g} arcsec per pixel" if self.pixel_scale_arcsec else ""
        learned = self.learned
        widths = [learned.psf_fwhm_in_arcsec, learned.psf_fwhm_out_arcsec, learned.noise_njy]
        columns = [column or (None,) * len(self.bands) for column in widths]
        lines = [
            f"# {self.name}",
            "",
            f"{_WHAT[self.kind]}: from the image of a galaxy at z_in to its image at z_out, in nJy, in "
            f"{', '.join(self.bands)}, stamps of {self.shape[0]} x {self.shape[1]} pixels{scale}.",
            "",
            *_START[self.kind],
            f"    mockforge redshift galaxy.fits --model {self.name} --z-in Z --z-out Z -o far.fits",
            "",
            "| band | PSF FWHM of the input (arcsec) | of the prediction | noisiest input (nJy per pixel) |",
            "|---|---|---|---|",
            *(
                f"| {band} | {' | '.join('not known' if v is None else f'{v:.3g}' for v in row)} |"
                for band, *row in zip(self.bands, *columns, strict=True)
            ),
            "",
            *self.training_lines(),
            "",
            "## Limits",
            "",
            f"- It was trained on {self._ranges()} and {self.geometry.cosmology}.",
            *_LIMITS,
        ]
        return "\n".join(lines)

    def _ranges(self) -> str:
        learned = self.learned
        if learned.z_in is None or learned.z_out is None or learned.stretch is None:
            return f"redshifts from {self.redshifts[0]:g} to {self.redshifts[1]:g}"
        (a, b), (c, d), (e, f) = learned.z_in, learned.z_out, learned.stretch
        return f"z_in {a:g} to {b:g}, z_out {c:g} to {d:g}, (1 + z_out) / (1 + z_in) {e:g} to {f:g}"


def load_redshifter(name: str | Path) -> Redshifter:
    """Return a redshifter by name or path; see `Trained.open`."""
    return Redshifter.open(name)


@steadily(None)
@torch.no_grad()
def predict(
    model: Redshifter, image: Any, z_in: Any, z_out: Any, *, device: str = "cpu", batch: int = 64
) -> np.ndarray:
    """Each galaxy at its `z_out`: (N,C,H,W) float32 nJy from `image` (N,C,H,W) nJy.

    `z_in` and `z_out` are (N,) or numbers above 0; `device` is cpu, cuda, ... or auto.
    Deterministic: on a CPU galaxies go through the network one by one, and their pixels do not depend
    on the others', to the last bit; on another device `batch` at once, and they may differ by rounding.
    InputError where the image does not have the model's bands, or (a cvae) not its size, or the device
    is not there.
    """
    image = torch.as_tensor(np.asarray(image, dtype=np.float32))
    shape = (len(model.bands), *(model.shape if model.kind == "cvae" else image.shape[2:]))
    if image.ndim != 4 or tuple(image.shape[1:]) != shape:
        raise InputError(
            f"model {model.name} takes images of shape (galaxy, {', '.join(map(str, shape))}) "
            f"in {', '.join(model.bands)}; found {tuple(image.shape)}"
        )
    redshifts = [
        torch.as_tensor(np.broadcast_to(np.asarray(z, np.float32), len(image)).copy()) for z in (z_in, z_out)
    ]
    if any(not bool((z > 0).all()) for z in redshifts):
        raise InputError("redshifts should be above 0")
    place = usable(device)
    network = model.network_with_weights().to(place).eval()
    parts = zip(*(v.split(1 if place.type == "cpu" else batch) for v in (image, *redshifts)), strict=True)
    painted = torch.cat([network(*(v.clone().to(place) for v in part)).cpu() for part in parts])
    if bool(torch.isfinite(image).all()):
        check_painted(painted, model.name)
    return painted.numpy()
