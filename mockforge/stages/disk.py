"""The source `disk`: a disk galaxy in the middle of each stamp, with every part of it apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

import numpy as np
import torch

from mockforge.batch import Batch
from mockforge.config import config
from mockforge.galaxies.disks.make import PARTS, make_disks
from mockforge.galaxies.disks.spec import DiskGalaxies
from mockforge.galaxies.disks.table import clump_columns, galaxy_columns
from mockforge.galaxies.notices import stamp_notice
from mockforge.observe.noise.pixels import add_noise
from mockforge.observe.noise.spec import pixel_noise
from mockforge.rng import Stream
from mockforge.stages.painted_stamps import PaintedStamps
from mockforge.units import ZEROPOINT_NJY


@config
class Disk(DiskGalaxies, PaintedStamps):
    """Stamps of disk galaxies: inclined, with thickness, bulge, clumps, arms and bar, sheared, fully known.

    Writes `image` (N,C,H,W) f4 in nJy, through `psf` and with `noise`; `truth`, the same without
    noise; `truth_disk`, `truth_bulge`, `truth_clumps`, its parts, which add up to it; `sky_rms` (N,C)
    where there is noise; the table `galaxy` with every parameter, and the table `clumps` with the place
    and the flux of each clump.
    """

    def writes(self) -> frozenset[str]:
        """Images, their parts, and the tables."""
        names = {"image", "truth", "galaxy", *(f"truth_{part}" for part in self._parts())}
        names |= {"sky_rms"} if self.noise is not None else set()
        return frozenset(names | self.tables())

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"galaxy"} if self.clumps is None else {"galaxy", "clumps"})

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        named = {"bulge": self.bulge, "clumps": self.clumps, "spiral arms": self.arms, "bars": self.bar}
        having, lacking = ([k for k, v in named.items() if (v is None) == none] for none in (False, True))
        last = [*having[:-2], " and ".join(having[-2:])]
        with_these = f" with {', '.join(last)}" if having else ""
        without = ", ".join(f"no {name}" for name in (*lacking, "dust", "warps"))
        return (
            f"Galaxies are model disks{with_these}, one to a stamp: {without}; each parameter is drawn"
            " independently, without the correlations of a real survey."
        )

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        galaxy = tables.get("galaxy", {})
        if "fraction" not in galaxy:
            return []
        notice = stamp_notice({"fraction": galaxy["fraction"], "label": np.ones(len(galaxy["fraction"]))})
        return [notice.replace("`objects`", "`galaxy`")] if notice else []

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every galaxy of the batch. InputError where drawn numbers cannot go together."""
        made = make_disks(self, len(batch), stream)
        truth = sum(made.images.values(), np.float32(0))
        arrays = {"truth": truth, **{f"truth_{part}": image for part, image in made.images.items()}}
        attributes = {
            "bands": self.bands,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "psf_fwhm_arcsec": made.fwhm_arcsec,
            "psf": {key: value for key, value in asdict(self.psf).items() if value is not None},
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
        }
        arrays["image"] = np.asarray(truth)
        if self.noise is not None:
            arrays |= self._observed(batch, arrays["image"], made.fwhm_arcsec, stream.child("noise"))
        out = batch.with_arrays(**arrays).with_attributes(**attributes)
        out = out.with_table("galaxy", galaxy_columns(self, batch, made))
        return out if self.clumps is None else out.with_table("clumps", clump_columns(self, batch, made))

    def _parts(self) -> list[str]:
        return [part for part in PARTS if part == "disk" or getattr(self, part) is not None]

    def _observed(
        self, batch: Batch, truth: np.ndarray, fwhm_arcsec: tuple[float, ...], stream: Stream
    ) -> dict[str, np.ndarray]:
        """Return the images with noise, each sample's from a stream of its own, and the rms of their sky."""
        assert self.noise is not None
        model = pixel_noise(self.noise, self.bands, self.pixel_scale_arcsec, fwhm_arcsec)
        own = [stream.child(int(draw)) for draw in batch.draw]
        factor = np.array([self.noise.rms_factor.draw(s.child("rms_factor").numpy(), 1)[0] for s in own])
        image = add_noise(
            torch.from_numpy(np.ascontiguousarray(truth)), model, [s.torch() for s in own],
            torch.from_numpy(factor.astype(np.float32)),
        )  # fmt: skip
        return {"image": image.numpy(), "sky_rms": (factor[:, None] * model.rms).astype(np.float32)}
