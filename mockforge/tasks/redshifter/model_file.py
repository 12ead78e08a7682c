"""What the JSON of a redshifter says, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, ClassVar

from torch import nn

from mockforge.config import Bands, Limit
from mockforge.tasks.redshifter.config import Loss, Network
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.learned import Learned, check_learned
from mockforge.tasks.redshifter.make import make_network
from mockforge.train.model_file import ModelFile, check_bands, one_each

Redshift = Annotated[float, Limit(ge=0, le=30)]
Side = Annotated[int, Limit(ge=4, le=4096)]


@dataclass(frozen=True, kw_only=True)
class RedshifterFile(ModelFile):
    """A redshifter: network, bands and their wavelengths, stamp, redshifts."""

    what: ClassVar[str] = "a redshifter"

    network: Network
    bands: Bands
    geometry: Geometry
    shape: tuple[Side, Side]
    pixel_scale_arcsec: Annotated[float, Limit(ge=0.001, le=60)] | None
    redshifts: tuple[Redshift, Redshift]
    learned: Learned = field(default_factory=Learned)
    loss: Loss = field(default_factory=Loss)

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
        """Return the network."""
        return make_network(self.network.chosen, len(self.bands), self.geometry, self.loss, self.shape)
