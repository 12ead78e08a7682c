"""Samples a second of the recipes' stages, without start and writing, and the peers' way to the same.

Blends: three bands of 64 x 64 pixels with every galaxy alone. BTK draws blends of up to four galaxies, each
also alone, with the optics and the sky of LSST (bands g, r, i) or of COSMOS's HST (F814W, its time times
three), of a catalogue of the same population. Pairs: GalSim, in a loop, draws a Sersic profile in each band
through each end's Airy PSF and adds noise.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.measure import Measured, least, main

RECIPES = Path(__file__).parents[3] / "recipes"
NINE = ("F435W", "F606W", "F775W", "F814W", "F850LP", "F098M", "F105W", "F125W", "F160W")
MICRON = (0.433, 0.592, 0.769, 0.806, 0.904, 0.986, 1.055, 1.249, 1.537)
PLAIN = (
    f"stages.sersic_sed.bands=[{', '.join(NINE)}]",
    *(f"stages.sersic_sed.{name}=null" for name in ("bulge", "knots", "asymmetry")),
    *(
        f"stages.sersic_sed.psf_{end}={{airy: {{diameter_m: 2.4, obscuration: 0.33}}}}"
        for end in ("in", "out")
    ),
    *(f"stages.observe.noise_{end}={{rms_njy: 1.0, electrons_per_njy: 50.0}}" for end in ("in", "out")),
)


def of(name: str, size: int, *changes: str) -> Callable[[], Measured]:
    """Shards of a recipe, another each round."""

    def case() -> Measured:
        import torch

        from mockforge.engine.worker import make_batch
        from mockforge.recipe.read import load

        torch.set_num_threads(1)
        recipe = load(RECIPES / f"{name}.yaml", (f"samples={64 * size}", f"shard_size={size}", *changes))
        numbers = count()
        return least(lambda: make_batch(recipe, next(numbers)), size, 4)

    return case


def btk(survey: str, bands: tuple[str, ...], times: float) -> Callable[[], Measured]:
    """BTK's blends of up to four galaxies, with noise, a share alone."""

    def case() -> Measured:
        import btk.catalog
        import btk.draw_blends
        import btk.sampling_functions
        import btk.survey

        chosen = btk.survey.get_surveys(survey)
        for name in list(chosen.available_filters):
            if name not in bands:
                del chosen._filters[name]
        chosen.available_filters = list(bands)
        side = 64 * chosen.pixel_scale.to_value("arcsec")
        draw = btk.sampling_functions.DefaultSampling(
            stamp_size=side + 1e-6, max_number=4, max_shift=min(1.5, 0.4 * side), max_mag=25.5
        )
        size = 16
        blends = btk.draw_blends.CatsimGenerator(
            btk.catalog.CatsimCatalog(_catalogue(bands)), draw, chosen, batch_size=size, add_noise="all"
        )
        blends.seedseq = _Seeds(1)
        m = least(lambda: next(blends), size, 2)
        return Measured(m.cpu_s * times, m.clock_s * times, size, m.peak_mb, f"{survey} optics")

    return case


class _Seeds:
    """numpy's SeedSequence, as BTK 1.0.9 uses it, with seeds that GalSim takes under numpy 2."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)

    def spawn(self, number: int) -> list[_Seeds]:
        return [_Seeds(int(self.rng.integers(2**31))) for _ in range(number)]

    def generate_state(self, number: int) -> int:
        return int(self.rng.integers(1, 2**31))


def _catalogue(bands: tuple[str, ...]) -> Any:
    """Disks and bulges of a scene's galaxies, as CatSim tells them."""
    from astropy.table import Table

    from mockforge.scene.model import SceneModel
    from mockforge.scene.scene import Scene

    objects = Scene(SceneModel(faintest=26.0), 1).drawn(0, 2048, 0, 2048)
    keep = ~objects.star
    q, share = objects.axis_ratio[keep], objects.bulge_fraction[keep]
    size, magnitude = objects.size[keep], objects.magnitude[keep]
    table = Table({"a_d": size[:, 0], "b_d": size[:, 0] * q, "a_b": size[:, 1], "b_b": size[:, 1] * q})
    table["b_b"], table["a_b"] = np.maximum(table["b_b"], 1e-3), np.maximum(table["a_b"], 1e-3)
    table["pa_disk"] = table["pa_bulge"] = objects.position_angle[keep]
    table["fluxnorm_disk"], table["fluxnorm_bulge"], table["fluxnorm_agn"] = 1 - share, share, 0 * share
    for band in {*bands, "i"}:
        table[f"{band}_ab"] = magnitude + 1.0
    table["ra"] = table["dec"] = 0.0
    return table


def galsim_pairs() -> Measured:
    """A Sersic profile at two redshifts in nine bands, Airy, noise."""
    import galsim

    rng = np.random.default_rng(1)
    pairs, side, scale = 8, 60, 0.1
    psfs = [galsim.Airy(lam=1e3 * micron, diam=2.4, obscuration=0.33) for micron in MICRON]

    def work() -> None:
        for _ in range(pairs):
            n, q, angle = rng.uniform(0.5, 2), rng.uniform(0.2, 1), rng.uniform(0, 180)
            for r_e in np.exp(rng.normal(np.log(0.4), 0.5, 2)):
                round_ = galsim.Sersic(n=n, half_light_radius=r_e * q**0.5)
                galaxy = round_.shear(q=q, beta=angle * galsim.degrees)
                for psf in psfs:
                    flux = rng.uniform(100, 1000)
                    seen = galsim.Convolve(galaxy.withFlux(flux), psf)
                    image = seen.drawImage(nx=side, ny=side, scale=scale, dtype=np.float32)
                    sigma = np.sqrt(1.0 + np.maximum(image.array, 0) / 50.0)
                    image.array[:] += rng.normal(size=(side, side)) * sigma

    return least(work, pairs, 2)


CASES = {
    "blends": of("deblend", 64),
    "blends, BTK, LSST": btk("LSST", ("g", "r", "i"), 1.0),
    "blends, BTK, HST": btk("COSMOS", ("f814w",), 3.0),
    "plain pairs": of("redshift_pairs", 128, *PLAIN),
    "plain pairs, GalSim": galsim_pairs,
    "default pairs": of("redshift_pairs", 128),
    "segmentation": of("segmentation", 16),
    "disks": of("disks", 64),
}

if __name__ == "__main__":
    main(CASES)
