"""Stamps of galaxies: what is drawn is what the table says, in the bands of both telescopes."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.batch import Batch
from mockforge.galaxies.population import REFERENCE_BAND, SPECTRA
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.rng import Stream
from mockforge.stages.stamps import Stamps
from mockforge.units import ZEROPOINT_NJY
from tests.builders.batches import samples


@pytest.fixture(scope="module")
def made() -> Batch:
    stage = Stamps(bands=("F606W", "F814W"), other_bands=("lsst_r", "lsst_i"), stamp=64, margin=32)
    return stage(samples(40), Stream(3))


def test_images_hold_the_fluxes_of_the_table(made: Batch) -> None:
    table = made.tables["objects"]
    total = np.zeros((40, 2, 2))
    for k, names in enumerate((("F606W", "F814W"), ("lsst_r", "lsst_i"))):
        for c, band in enumerate(names):
            np.add.at(total[:, k, c], table["sample"], table[f"true_flux_{band}"])
    small = np.array([table["r_e_arcsec"][table["sample"] == i].max() < 0.35 for i in range(40)])
    for k, name in enumerate(("truth", "light")):
        found = made.arrays[name].sum(axis=(2, 3), dtype=np.float64)
        assert found[small] == pytest.approx(total[small, k], rel=0.06)  # some light lies beyond the stamp
    assert small.sum() > 10


def test_fluxes_follow_magnitude_redshift_and_spectrum(made: Batch) -> None:
    t = made.tables["objects"]
    bands = (REFERENCE_BAND, "F606W", "lsst_i")
    flux = sed_fluxes(SPECTRA, bands, t["z"], t["z"], t["sed"].astype(np.int64))
    scale = 10 ** (0.4 * (ZEROPOINT_NJY - t["magnitude"])) / flux[:, 0]
    assert t["true_flux_F606W"] == pytest.approx(flux[:, 1] * scale, rel=1e-6)
    assert t["true_flux_lsst_i"] == pytest.approx(flux[:, 2] * scale, rel=1e-6)
    assert (t["z"] >= 0.1).all() and (t["z"] <= 5).all()
    assert (t["magnitude"] <= 25).all() and (t["magnitude"] >= 18).all()


def test_half_have_a_neighbour_within_the_radius(made: Batch) -> None:
    t = made.tables["objects"]
    middle, beside = t["label"] == 1, t["label"] == 2
    assert middle.sum() == 40 and 10 <= beside.sum() <= 30
    place = {s: (x, y) for s, x, y in zip(t["sample"][middle], t["x"][middle], t["y"][middle], strict=True)}
    far = [np.hypot(x - place[s][0], y - place[s][1]) for s, x, y in
           zip(t["sample"][beside], t["x"][beside], t["y"][beside], strict=True)]  # fmt: skip
    assert max(far) <= 15 and max(far) > 8
    assert np.abs(t["x"][middle] - 31.5).max() <= 0.5


def test_instances_are_the_brighter_one_above_the_isophote(made: Batch) -> None:
    t, labels = made.tables["objects"], made.arrays["instances"]
    assert made.margin == 32 and labels.shape == (40, 128, 128)
    mean = made.arrays["truth"].mean(axis=1)
    least = 10 ** (0.4 * (ZEROPOINT_NJY - 27.0)) * 0.06**2
    assert (mean[labels > 0] > least).all()
    alone = np.setdiff1d(np.arange(40), t["sample"][t["label"] == 2])
    assert ((labels[alone] == 1) == (mean[alone] > least)).all()


def test_other_bands_need_one_for_each() -> None:
    with pytest.raises(ValueError, match="for each of the 2 bands"):
        Stamps(bands=("F606W", "F814W"), other_bands=("lsst_r",))
