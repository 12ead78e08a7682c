"""The source `disk`: parts add up, tables tell what is in the pixels, bad settings are a sentence."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mockforge.batch import Batch
from mockforge.config import Varying, fixed, uniform
from mockforge.data.columns import meaning_of
from mockforge.errors import InputError
from mockforge.galaxies.disks.spec import Bar, Clumps, DiskBulge, SpiralArms
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.rng import Stream
from mockforge.stages.disk import Disk
from tests.builders.batches import samples

WHOLE = Disk(
    bulge=DiskBulge(), clumps=Clumps(), arms=SpiralArms(), bar=Bar(), g1=fixed(0.03), r_half=fixed(0.25),
    noise=Noise(rms_njy=(1.0, 2.0, 1.5), electrons_per_njy=40.0), z=uniform(0.2, 0.8),
    psf=Psf(moffat=Moffat(fwhm_arcsec=(0.1, 0.12, 0.18), beta=3.5)),
)  # fmt: skip


@pytest.fixture(scope="module")
def made() -> Batch:
    return WHOLE(samples(24), Stream(1))


def test_parts_add_up_and_hold_the_fluxes_of_the_table(made: Batch) -> None:
    arrays, table = made.arrays, made.tables["galaxy"]
    assert set(arrays) | set(made.tables) == WHOLE.writes()
    parts = sum(arrays[f"truth_{part}"] for part in ("disk", "bulge", "clumps"))
    assert np.abs(parts - arrays["truth"]).max() < 1e-4 * arrays["truth"].max()
    for c, band in enumerate(WHOLE.bands):
        whole = sum(table[f"true_flux_{part}_{band}"] for part in ("disk", "bulge", "clumps"))
        assert table[f"true_flux_{band}"] == pytest.approx(whole)
        for part, held in (("disk", 1e-2), ("clumps", 5e-3)):
            flux = arrays[f"truth_{part}"][:, c].sum(axis=(1, 2))
            assert flux == pytest.approx(table[f"true_flux_{part}_{band}"], rel=held)
    total = 10 ** (0.4 * (31.4 - table["magnitude"]))
    assert table["true_flux_F814W"] == pytest.approx(total)
    assert table["true_flux_bulge_F814W"] == pytest.approx(total * table["bulge_share"])
    assert (table["fraction"] > 0.95).all()


def test_parts_have_colours_of_their_own(made: Batch) -> None:
    table = made.tables["galaxy"]
    colour = {
        part: table[f"true_flux_{part}_F160W"] / table[f"true_flux_{part}_F606W"]
        for part in ("disk", "bulge", "clumps")
    }
    assert np.median(colour["bulge"]) > np.median(colour["disk"]) > np.median(colour["clumps"])


def test_shares_are_those_of_the_mission() -> None:
    table = replace(WHOLE, noise=None, arms=None, bar=None, stamp=16)(samples(400), Stream(2)).tables[
        "galaxy"
    ]
    assert table["bulge_share"].mean() == pytest.approx(0.2, abs=0.01)
    assert table["bulge_share"].std() == pytest.approx(0.05, abs=0.01)
    assert table["clumps_share"].mean() == pytest.approx(0.1, abs=0.015)
    assert set(table["clumps"]) == set(range(5, 21))


def test_clumps_are_where_the_table_says(made: Batch) -> None:
    clumps, image = made.tables["clumps"], made.arrays["truth_clumps"][:, 0]
    for i in range(24):
        own = clumps["sample"] == i
        weight = clumps["share"][own]
        grid = np.arange(64)
        flux = image[i].sum()
        assert image[i].sum(axis=0) @ grid / flux == pytest.approx(weight @ clumps["x"][own], abs=0.15)
        assert image[i].sum(axis=1) @ grid / flux == pytest.approx(weight @ clumps["y"][own], abs=0.15)
    assert made.tables["galaxy"]["clumps"].sum() == len(clumps["sample"])


def test_noise_is_that_of_the_sky_and_of_photons(made: Batch) -> None:
    noise, truth = made.arrays["image"] - made.arrays["truth"], made.arrays["truth"]
    rms = np.array([1.0, 2.0, 1.5])
    assert made.arrays["sky_rms"] == pytest.approx(np.tile(rms, (24, 1)))
    sigma = np.sqrt(rms[:, None, None] ** 2 + np.maximum(truth, 0) / 40.0)
    assert (noise / sigma).std() == pytest.approx(1.0, abs=0.01)
    bright = truth > 10 * rms[:, None, None]
    assert (noise / sigma)[bright].std() == pytest.approx(1.0, abs=0.05)


def test_a_sample_does_not_depend_on_what_is_left_out() -> None:
    """Without arms or noise the same galaxies are drawn."""
    plain = replace(WHOLE, arms=None, bar=None, noise=None)(samples(6), Stream(1)).tables["galaxy"]
    whole = WHOLE(samples(6), Stream(1)).tables["galaxy"]
    for key in ("inclination", "magnitude", "z", "bulge_share", "x", "sed"):
        assert (plain[key] == whole[key]).all()


def test_every_column_is_explained(made: Batch) -> None:
    names = {name for table in made.tables.values() for name in table} | set(made.arrays)
    unknown = {name for name in names if not meaning_of(name)}
    assert unknown <= {"z", *(n for n in unknown if "sfh" in n or "sed" in n)}


BAD = {
    "inclination: 120": "inclination.*<= 90",
    "inclination: {uniform: [0, 100]}": "inclination.*reaches 100",
    "g1: {uniform: [-0.9, 0.9]}\ng2: 0.8": r"sqrt\(g1\^2 \+ g2\^2\) should be below 1",
    "g1: 1.2": "g1.*< 1",
    "n: {uniform: [0.5, 4]}": "n reaches 4.*at most 2.*thickness: 0",
    "thickness: -0.1": "thickness.*>= 0",
    "bulge: {fraction: 0.8}\nclumps: {fraction: 0.5}": "more than the whole galaxy's light",
    "clumps: {fewest: 10, most: 5}": r"fewest \(10\) should not be above most \(5\)",
    "clumps: {places: [[9, 0, 1]]}": "within 6 half-light radii",
    "clumps: {places: []}": "1 to 1000 clumps",
    "arms: {number: []}": "one or more numbers of arms",
    "arms: {number: [2, 7]}": "number.*<= 4",
    "arms: {pitch: 0}": "pitch.*>= 5",
    "bar: {share: 1.5}": "share.*<= 1",
    "r_half: 0": "r_half.*> 0",
    "bands: [F814W, F999W]": "F999W",
    "psf: {moffat: {fwhm_arcsec: 0.12}, gaussian: {fwhm_arcsec: 0.1}}": "exactly one of",
    "spectra: {populations: {z_form: 1.0}}\nz: 2": "no light yet",
    "noise: {rms_njy: 1, depth: {magnitude: 27}}": "exactly one of",
    "inclinaton: 30": "inclination",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_settings_are_a_sentence(text: str, tmp_path) -> None:
    import re

    from mockforge.recipe.read import load

    path = tmp_path / "bad.yaml"
    lines = "".join(f"      {line}\n" for line in text.splitlines())
    path.write_text(f"name: bad\nseed: 1\nsamples: 2\nstages:\n  - disk:\n{lines}save: {{image: float32}}\n")
    with pytest.raises(InputError) as error:
        load(path)
    assert re.search(BAD[text], str(error.value).replace("\n", " ")), str(error.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"r_half": fixed(500.0)}, "too far for stamps of 64"),
        ({"n": Varying("normal", (1.9, 0.5))}, "has n = .*at most 2"),
        (
            {"bulge": DiskBulge(fraction=uniform(0.6, 1)), "clumps": Clumps(fraction=uniform(0.39999, 1))},
            "light",
        ),
    ],
)
def test_draws_that_do_not_go_together_are_a_sentence(changes: dict, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        Disk(**({"bands": ("F814W",)} | changes))(samples(40), Stream(1))
