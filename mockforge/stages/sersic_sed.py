"""The source `sersic_sed`: one galaxy at two redshifts, Sersic profiles times spectra."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from mockforge.batch import Batch
from mockforge.config import config
from mockforge.galaxies.bodies import stamp_side
from mockforge.galaxies.notices import age_notice, light_notice
from mockforge.galaxies.pair_spec import SersicPairs
from mockforge.galaxies.pairs import draw_pairs, filled, galaxy_table
from mockforge.photometry.populations.composite import Populations
from mockforge.rng import Stream
from mockforge.stages.painted_stamps import PaintedStamps


@config
class SersicSed(SersicPairs, PaintedStamps):
    """Pairs of noiseless stamps of one galaxy, `input` at z_in and `target` at z_out > z_in.

    An image is profile(y, x) times the flux of its spectrum in each band, in nJy, summed over
    the galaxy's parts. Between the two lie angular size, surface-brightness dimming, the shift
    of the spectrum through the bands and evolution, each with a switch. The one scale of all
    images is 1 nJy: nothing is divided by a sample's own pixels or by another sample.

    Pairings: numbers for `z_in` and `z_out` give fixed to fixed; a number and a distribution,
    fixed to many; two distributions, many to many. Pairs without z_out > z_in are drawn again,
    both redshifts together.

    Writes `input_clean`, `target_clean` (N,C,H,W) f4 in nJy, without PSF; with a PSF also
    `input_psf`, `target_psf`; `input` and `target`, the same with PSF where there is one;
    `z_in`, `z_out` (N,) f4; `profile_in`, `profile_out` (N,K,H,W) f4, the flux fraction in a
    pixel of each part (main body, bulge, companions, knots); and the table `galaxy` with every
    parameter drawn, total fluxes and K-corrections.
    """

    def writes(self) -> frozenset[str]:
        """Images, redshifts, profiles and the table `galaxy`."""
        names = {
            "input",
            "target",
            "input_clean",
            "target_clean",
            "z_in",
            "z_out",
            "profile_in",
            "profile_out",
        }
        if self.psf_in is not None:
            names |= {"input_psf", "target_psf"}
        return frozenset(names | {"galaxy"})

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"galaxy"})

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        parts = {"knots": self.knots, "a bulge": self.bulge, "companions": self.companions}
        given = [name for name, part in parts.items() if part is not None]
        also = f" with {' and '.join(filter(None, (', '.join(given[:-1]), given[-1])))}" if given else ""
        spectra = [p.spectra for p in (self, self.bulge, self.companions, self.knots) if p and p.spectra]
        stars = all(isinstance(s.chosen, Populations) and not s.chosen.nebular for s in spectra)
        lines = " of stars alone, without emission lines" if stars else ""
        return (
            f"Galaxies are Sersic profiles{also}, of model spectra{lines}: no bars, arms or dust lanes; each"
            " parameter is drawn independently, without the correlations of a real survey."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Draw and paint every pair of the batch. InputError where redshifts cannot be paired."""
        if self.enclose is not None:
            return replace(self, stamp=stamp_side(self), enclose=None)(batch, stream)
        names = [f"{end}_clean" for end in ("input", "target")] + [f"profile_{end}" for end in ("in", "out")]
        pairs = draw_pairs(self, len(batch), stream, bare=batch.wants(*names))
        return filled(self, batch, pairs).with_table("galaxy", galaxy_table(self, batch, pairs))

    def notices(self, tables: Mapping[str, Mapping[str, np.ndarray]]) -> list[str]:
        """Sentences on what was built, from its tables."""
        galaxy = tables.get("galaxy", {})
        sentences = [light_notice(galaxy), age_notice(galaxy) if self.population == "constant" else None]
        return [sentence for sentence in sentences if sentence]
