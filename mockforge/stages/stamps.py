"""The source `stamps`: a galaxy in the middle of each stamp, and in some a neighbour beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from mockforge.batch import Batch
from mockforge.config import config
from mockforge.galaxies.notices import stamp_notice
from mockforge.galaxies.population import TABLE
from mockforge.galaxies.stamp_spec import StampGalaxies
from mockforge.galaxies.stamps import draw_stamps, fluxes, instances, objects_table, paint_stamps, summed
from mockforge.observe.psf.transfer import transfer
from mockforge.rng import Stream
from mockforge.stages.painted_stamps import PaintedStamps
from mockforge.units import ZEROPOINT_NJY


@config
class Stamps(StampGalaxies, PaintedStamps):
    """Noiseless stamps of galaxies of a deep Hubble field, alone or with a neighbour, fully known.

    Magnitude, size, shape, redshift and spectrum of a galaxy are drawn together from the
    population of `sky.population`; the neighbour is another galaxy, turned and shifted at random.

    Writes `truth` (N,C,H,W) f4 in nJy, through `psf`; with `other_bands` also `light`
    (N,C',H,W), the same galaxies through the same PSFs, in the bands of another telescope;
    `instances` (N,H,W) i4: 1 the galaxy in the middle, 2 its neighbour, each where it is the
    brightest and above `isophote`; and the table `objects` with every parameter.
    """

    def writes(self) -> frozenset[str]:
        """Noiseless images, masks and the table `objects`."""
        names = {"truth", "instances", "objects"}
        return frozenset(names if self.other_bands is None else names | {"light"})

    def files_read(self) -> dict[str, Path]:
        """Return the population's table."""
        return {"hst_population": TABLE}

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"objects"})

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        most = "at most two to a stamp" if self.neighbours else "one to a stamp"
        return (
            f"Galaxies are single Sersic profiles of one spectrum each, {most}: no bars, arms, clumps or"
            " colour gradients, and nothing in the background."
        )

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        notice = stamp_notice(tables.get("objects", {}))
        return [notice] if notice else []

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every stamp of the batch."""
        drawn = draw_stamps(self, len(batch), stream)
        flux = fluxes(self, drawn.galaxies)
        side = self.stamp + 2 * self.margin
        psf_transfer = transfer(self.psf, self.bands, self.pixel_scale_arcsec, (side, side))
        painted = paint_stamps(self, drawn, flux, psf_transfer)
        count = len(self.bands)
        arrays = {"truth": summed(painted[:, :count], drawn.owner, len(batch))}
        if self.other_bands is not None:
            arrays["light"] = summed(painted[:, count:], drawn.owner, len(batch))
        arrays["instances"] = instances(self, painted[:, :count].mean(axis=1), drawn, len(batch))
        attributes = {
            "bands": self.bands,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "psf_fwhm_arcsec": tuple(float(f) for f in psf_transfer.fwhm_arcsec),
            "psf": {key: value for key, value in asdict(self.psf).items() if value is not None},
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
        }
        out = batch.with_arrays(**arrays).with_attributes(**attributes)
        table = objects_table(self, batch, drawn, flux)
        own = painted[:, :count, self.margin : side - self.margin, self.margin : side - self.margin]
        table["fraction"] = own.sum(axis=(1, 2, 3), dtype=np.float64) / flux[:, :count].sum(axis=1)
        return replace(out.with_table("objects", table), margin=self.margin)
