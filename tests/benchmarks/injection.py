"""Injection into a painted sky: how complete labels are by magnitude, how exact light is, how fast.

Run: python tests/benchmarks/injection.py [MODEL] [TILES] [real=CATALOGUE] [places=random]

Prints the completeness of galaxies and of stars by the magnitude of the mean of the bands, half
magnitudes, with its binomial error; the difference from galsim of single galaxies and stars through
the sky's PSF; and the processor's time for a tile of 256 pixels with 64 pixels around, on one thread.
"""

import sys
import time
from dataclasses import replace

import galsim
import numpy as np
import torch

from mockforge.batch import Batch, concatenate
from mockforge.config import fixed, uniform
from mockforge.galaxies.real.rule import RealStamps
from mockforge.label.completeness import detected_by
from mockforge.rng import Stream
from mockforge.scene.model import Structure
from mockforge.stages.detect import Detect
from mockforge.stages.inject import Inject
from mockforge.stages.match import Match
from mockforge.stages.sgan import Sgan
from tests.builders.batches import samples

BATCH = 16


def one_batch(model: str, rule: Inject, first: int) -> tuple[Batch, dict[str, float]]:
    """Tiles of a sky with injected objects, detected and matched; seconds of the processor in each step."""
    stream = Stream(20190424, ("injection",))
    batch = samples(BATCH, first)
    spent = {}
    stages = {
        "paint the sky": Sgan(model=model), "inject": rule, "detect": Detect(),
        "match": Match(radius_arcsec=0.8),
    }  # fmt: skip
    for name, stage in stages.items():
        start = time.process_time()
        batch = stage(batch, stream.child(name))
        spent[name] = time.process_time() - start
    return replace(batch, arrays={}), spent


def completeness(model: str, tiles: int, rule: Inject) -> None:
    """Print what becomes of galaxies and stars, and the time of every step."""
    done, spent = zip(*(one_batch(model, rule, i) for i in range(0, tiles, BATCH)), strict=True)
    table = concatenate(done).tables["objects"]
    edges = np.arange(18.0, 26.6, 0.5)
    for what, chosen in (("galaxies", ~table["star"]), ("stars", table["star"])):
        found = detected_by({k: v[chosen] for k, v in table.items()}, edges, "magnitude")
        print(f"\n{what}, {found['count'].sum()} in {len(done) * BATCH} tiles of {model}")
        print("AB mag        number  detected        blended  missed")
        for i, n in enumerate(found["count"].tolist()):
            if n:
                d, b, m = (float(found[k][i]) for k in ("detected", "blended", "missed"))
                error = np.sqrt(max(d * (1 - d), 0.25 / n) / n)
                bin_of = f"{edges[i]:4.1f} to {edges[i + 1]:4.1f}"
                print(f"{bin_of}  {n:6d}  {d:6.1%} ± {error:5.1%}  {b:6.1%}  {m:6.1%}")
    later = spent[1:] or spent
    print("\nms of one core for a tile (384 x 384 pixels with its margin), after the first batch:")
    for name in spent[0]:
        print(f"  {name:15s} {1e3 * np.mean([s[name] for s in later]) / BATCH:7.1f}")
    print(f"  objects a tile  {len(table['label']) / len(done) / BATCH:7.1f} in the table")


def against_galsim(model: str, count: int = 40) -> None:
    """Print the difference from galsim of single objects on empty sky with the model's PSF."""
    some = Sgan(model=model, tile=128, margin=0)(samples(1), Stream(1))
    about = some.attributes
    plain = Inject(structure=Structure(bulges=False, knots=0), edge_mag_arcsec2=34.0)
    density = 1.0 / (128 * about["pixel_scale_arcsec"] / 60) ** 2
    print(f"\nagainst galsim, through the PSF of {model}: largest difference over the peak, and sum of")
    print("differences over the flux in the window; median and largest of the objects")
    for what, keys in (
        ("galaxies", {"galaxies_per_arcmin2": fixed(density), "stars_per_arcmin2": fixed(0.0)}),
        ("stars", {"stars_per_arcmin2": fixed(density), "galaxies_per_arcmin2": fixed(0.0)}),
    ):
        empty = np.zeros((count, *some.arrays["truth"].shape[1:]), dtype=np.float32)
        batch = samples(count, arrays={"image": empty, "truth": empty}, attributes=about)
        rule = replace(
            plain, places="grid", magnitude=uniform(19, 25), star_magnitude=uniform(18, 25), **keys
        )
        made = rule(batch, Stream(3))
        worst, total = [], []
        for sample, image in enumerate(made.arrays["truth"]):
            rows = np.flatnonzero(made.tables["objects"]["sample"] == sample)
            theirs = sum((galsim_draws(made, int(i)) for i in rows), np.zeros(image.shape))
            if len(rows):
                worst.append(np.abs(image - theirs).max() / theirs.max())
                total.append(np.abs(image - theirs).sum() / theirs.sum())
        of = [f"{np.median(v):.1e} {max(v):.1e}" for v in (worst, total)]
        print(f"  {what:9s} peak {of[0]}   sum {of[1]}")


def galsim_draws(made: Batch, i: int) -> np.ndarray:
    """Row `i` of `objects` as galsim draws it, (C, H, W)."""
    table, about = made.tables["objects"], made.attributes
    side, scale = made.arrays["truth"].shape[-1], about["pixel_scale_arcsec"]
    out = []
    for band, fwhm in zip(about["bands"], about["psf_fwhm_arcsec"], strict=True):
        seen: galsim.GSObject = galsim.Gaussian(fwhm=fwhm)
        if not table["star"][i]:
            q = float(table["axis_ratio"][i])
            body = galsim.Sersic(float(table["n"][i]), float(table["r_e_arcsec"][i]) * np.sqrt(q))
            angle = float(table["position_angle"][i]) * galsim.degrees
            seen = galsim.Convolution(body.shear(q=q, beta=angle), seen)
        place = [float(table[k][i]) - (side - 1) / 2 for k in ("x", "y")]
        flux = float(table[f"true_flux_{band}"][i])
        image = galsim.Image(side, side, scale=scale, dtype=float)
        out.append(seen.drawImage(image=image, offset=place).array * flux)
    return np.stack(out)


def main(words: list[str]) -> None:
    """The three measurements."""
    torch.set_num_threads(1)
    keys = dict(word.split("=", 1) for word in words if "=" in word)
    plain = [word for word in words if "=" not in word]
    model, tiles = (plain + ["kids-viking", "160"][len(plain) :])[:2]
    rule = Inject(
        places="random" if keys.get("places") == "random" else "grid",
        galaxies_per_arcmin2=fixed(6.0), stars_per_arcmin2=fixed(2.0), magnitude=uniform(20.0, 25.0),
        star_magnitude=uniform(20.0, 25.0),
        real=RealStamps(catalogue=keys["real"]) if "real" in keys else None,
    )  # fmt: skip
    completeness(model, int(tiles), rule)
    against_galsim(model)


if __name__ == "__main__":
    main(sys.argv[1:])
