"""What the maker of pairs or stamps should know: light off the stamps, stars older than the Universe."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.photometry.populations.composite import Populations, population_age, universe_age
from mockforge.photometry.populations.sfh import Burst
from mockforge.photometry.spectra.spec import Spectra

HELD = 0.95
"""Share of a galaxy's light below which a stamp is called too small for it."""

IN_CUBE = 0.8
"""Share of a disk's line below which a cube is called too small for it; wings of a PSF leave every field."""


def light_notice(galaxy: Mapping[str, np.ndarray]) -> str | None:
    """Return a sentence on the light that falls off the stamps; None where all of them hold `HELD` of it."""
    if "fraction_in" not in galaxy:
        return None
    least = np.minimum(galaxy["fraction_in"], galaxy["fraction_out"])
    small = least < HELD
    if not small.any():
        return None
    return (
        f"{_percent(small.mean())} of the pairs have less than {HELD:.0%} of the galaxy's light on the stamp,"
        f" at z_in or z_out, the least {least.min():.0%} (columns fraction_in, fraction_out of `galaxy`);"
        f" `enclose: {HELD:g}` makes stamps large enough"
    )


def stamp_notice(objects: Mapping[str, np.ndarray]) -> str | None:
    """Return the same sentence for stamps of one galaxy each, the objects of label 1."""
    if not {"fraction", "label"} <= set(objects):
        return None
    fraction = objects["fraction"][objects["label"] == 1]
    small = fraction < HELD
    if not small.any():
        return None
    return (
        f"{_percent(small.mean())} of the galaxies have less than {HELD:.0%} of their light on their stamp,"
        f" the least {fraction.min():.0%} (column fraction of `objects`): make `stamp` larger"
    )


def cube_notice(disk: Mapping[str, np.ndarray]) -> str | None:
    """Return a sentence on lines that leave their cubes; None where all of them hold `IN_CUBE` of theirs."""
    if "fraction" not in disk:
        return None
    small = disk["fraction"] < IN_CUBE
    if not small.any():
        return None
    return (
        f"{_percent(small.mean())} of the disks have less than {IN_CUBE:.0%} of their lines in their cube,"
        f" the least {disk['fraction'].min():.0%} (column fraction of `disk`): take more spaxels or channels"
    )


def age_notice(galaxy: Mapping[str, np.ndarray]) -> str | None:
    """Return a sentence on stars older than the Universe at the higher redshift; None without them."""
    if "oldest_stars_gyr" not in galaxy:
        return None
    over = galaxy["oldest_stars_gyr"] - galaxy["universe_far_gyr"]
    old = over > 0
    if not old.any():
        return None
    return (
        f"{_percent(old.mean())} of the galaxies have stars older than the Universe at the higher redshift,"
        f" by up to {np.nanmax(over):.1f} Gyr (columns oldest_stars_gyr, universe_far_gyr of `galaxy`):"
        " `population: constant` moves the stars of the lower redshift; `evolving` has those of the higher"
    )


def age_columns(
    spectra: Spectra, row: np.ndarray, z_stars: np.ndarray, z_out: np.ndarray, cosmology: str
) -> dict[str, np.ndarray]:
    """Ages (N,) of the oldest stars of populations as they are at `z_stars`, and of the Universe at z_out."""
    chosen = spectra.chosen
    if not isinstance(chosen, Populations):
        return {}
    later = np.array([s.chosen.time_gyr if isinstance(s.chosen, Burst) else 0.0 for s in chosen.sfh])
    later = np.repeat(later, len(chosen.metallicity) * len(chosen.a_v))[row]
    oldest = np.array([population_age(z, chosen.z_form, cosmology) for z in z_stars.tolist()]) - later
    return {
        "oldest_stars_gyr": oldest,
        "universe_far_gyr": np.array([universe_age(z, cosmology) for z in z_out.tolist()]),
    }


def check_formed(spectra: Spectra, earliest: float, what: str) -> None:
    """ValueError where populations are requested at a redshift `earliest` before their first stars."""
    chosen = spectra.chosen
    if isinstance(chosen, Populations) and earliest >= chosen.z_form:
        raise ValueError(
            f"{what} reaches z = {earliest:g}, and the first stars form at z_form = {chosen.z_form:g}: there"
            " is no light yet; raise z_form, or stay below it"
        )


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if share < 0.995 else f"{100 * share:.0f}%"
