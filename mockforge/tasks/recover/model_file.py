"""What the JSON of a network that recovers says, and within which limits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, ClassVar

from torch import nn

from mockforge.config import Limit
from mockforge.tasks.recover.config import Network
from mockforge.tasks.recover.degraded import Scales
from mockforge.tasks.recover.networks import make_network
from mockforge.train.model_file import ModelFile, check_bands, one_each


@dataclass(frozen=True, kw_only=True)
class RecovererFile(ModelFile):
    """A network that recovers: the bands, pixels and noise of both telescopes."""

    what: ClassVar[str] = "a network that recovers"

    network: Network
    scales: Scales
    rms_njy: tuple[Annotated[float, Limit(gt=0, le=1e15)], ...]

    def check(self) -> None:
        """ValueError where a band lacks a number, or numbers contradict each other."""
        s = self.scales
        if not self.rms_njy:
            raise ValueError("rms_njy: one number per band is expected, found none")
        one_each(bands=s.bands, rms_njy=self.rms_njy, psf_fwhm_arcsec=s.psf_fwhm_arcsec)
        one_each(bands=s.bands, fine_bands=s.fine_bands, fine_psf_fwhm_arcsec=s.fine_psf_fwhm_arcsec)
        check_bands("scales.bands", s.bands)
        check_bands("scales.fine_bands", s.fine_bands)
        if s.fine_arcsec > s.coarse_arcsec:
            raise ValueError(
                f"scales: fine_arcsec should not be above coarse_arcsec, found {s.fine_arcsec:g} and"
                f" {s.coarse_arcsec:g}"
            )

    def blank(self) -> nn.Module:
        """Return the network."""
        return make_network(self.network.chosen, len(self.scales.bands), self.scales.shape, self.scales.fine)
