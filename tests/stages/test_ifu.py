"""The source `ifu`: cubes and noise are what is said of them, and bad words are answered."""

from dataclasses import replace

import numpy as np
import pytest

from mockforge.config import Varying, fixed, uniform
from mockforge.errors import InputError
from mockforge.galaxies.cubes.source.spec import Companion, CubeNoise, DiskClumps, Motion
from mockforge.observe.psf.spec import Gaussian, Moffat, Psf
from mockforge.recipe.read import load
from mockforge.rng import Stream
from mockforge.stages.ifu import Ifu
from tests.builders.batches import samples

SMALL = Ifu(
    spaxels=16,
    channels=32,
    margin=2,
    r_half_arcsec=uniform(0.3, 0.4),
    psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.6)),
    tolerance=0.01,
)


@pytest.fixture(scope="module")
def made():
    return replace(SMALL, clumps=DiskClumps(most=3), ratio=uniform(0.8, 1.5))(samples(6), Stream(5))


def test_a_cube_holds_the_flux_of_the_table_and_its_maps(made):
    flux = made.tables["disk"]["line_flux"]
    total = made.arrays["cube_truth"].sum(axis=(1, 2, 3)) * 1.25 / 100
    np.testing.assert_allclose(total, flux, rtol=0.06)  # some light lies beside the field
    np.testing.assert_allclose(made.arrays["flux_observed"].sum(axis=(1, 2)), total, rtol=0.01)
    names = {"cube", "cube_truth", "cube_variance", "velocity_map", "snr_mask", "curve_speed", "wavelength"}
    assert names <= set(made.arrays) <= SMALL.writes()
    assert made.arrays["cube"].shape == (6, 32, 16, 16) and made.arrays["cube"].dtype == np.float32
    assert all(np.isfinite(a).all() for a in made.arrays.values())
    assert set(made.arrays) | set(made.tables) == SMALL.writes()


def test_noise_has_the_variance_and_the_peak_the_ratio_that_are_said(made):
    clean, cube, variance = (made.arrays[n] for n in ("cube_truth", "cube", "cube_variance"))
    assert np.std((cube - clean) / np.sqrt(variance)) == pytest.approx(1.0, rel=0.02)
    quiet = np.sqrt(variance.min(axis=(1, 2, 3)))
    found = clean.max(axis=(1, 2, 3)) / quiet
    assert (found <= made.tables["disk"]["peak_snr"] * 1.001).all()


def test_sky_lines_make_their_channels_noisier():
    stage = replace(SMALL, lines="line", line="Ha", redshift=fixed(8430.2 / 6562.8 - 1))
    variance = stage(samples(1), Stream(1)).arrays["cube_variance"][0, :, 0, 0]
    at = stage(samples(1), Stream(1)).arrays["wavelength"][0]
    assert abs(at[variance.argmax()] - 8430.2) < 1.3
    assert variance.max() > 5 * variance.min()
    quiet = replace(stage, noise=CubeNoise(sky_lines=0.0))(samples(1), Stream(1)).arrays["cube_variance"]
    assert quiet.max() == quiet.min()


def test_channels_lie_on_the_instruments_grid_about_the_lines(made):
    first = made.tables["disk"]["wavelength_first"]
    np.testing.assert_allclose(((first - 4750) / 1.25) % 1, 0, atol=1e-6)
    wave, cube = made.arrays["wavelength"], made.arrays["cube_truth"]
    mean = (cube.sum(axis=(2, 3)) * wave).sum(axis=1) / cube.sum(axis=(1, 2, 3))
    assert (abs(mean - wave.mean(axis=1)) < 3).all()


def test_a_pair_is_two_disks_in_one_cube():
    stage = replace(SMALL, companion=Companion(share=1.0, flux_ratio=fixed(0.5)), noise=None)
    made = stage(samples(3), Stream(2))
    table = made.tables["disk"]
    assert list(table["label"]) == [1, 1, 1, 2, 2, 2] and list(table["sample"][3:]) == [0, 1, 2]
    np.testing.assert_allclose(table["line_flux"][3:], 0.5 * table["line_flux"][:3])
    assert set(made.arrays) | set(made.tables) == stage.writes()


def test_members_of_a_pair_are_known_apart():
    pair = Companion(share=0.5, flux_ratio=fixed(0.5))
    stage = replace(SMALL, companion=pair, noise=None, equivalent_width_angstrom=40.0, flux=fixed(20.0))
    made = stage(samples(6), Stream(2))
    arrays, table = made.arrays, made.tables["disk"]
    assert set(arrays) | set(made.tables) == stage.writes()
    both = table["sample"][table["label"] == 2]
    assert 0 < len(both) < 6
    flux, v = arrays["flux_observed_each"], arrays["velocity_observed_each"]
    assert flux.shape == (6, 2, 16, 16)
    alone = np.setdiff1d(np.arange(6), both)
    assert not flux[alone, 1].any() and (flux[both, 1].max(axis=(1, 2)) > 0).all()
    np.testing.assert_allclose(flux.sum(axis=1), arrays["flux_observed"], rtol=1e-5, atol=1e-9)
    mean = (flux * v).sum(axis=1)
    np.testing.assert_allclose(mean, arrays["flux_observed"] * arrays["velocity_observed"], atol=1e-3)
    one = arrays["dispersion_map_each"][alone, 0]
    np.testing.assert_allclose(one, arrays["dispersion_map"][alone], rtol=1e-6)
    empty = arrays["cube_truth"][:, 0]  # a channel without lines
    np.testing.assert_allclose(empty, arrays["continuum_each"].sum(axis=1), atol=1e-4 * empty.max())


@pytest.mark.parametrize("name", ["kmos-h", "sinfoni-k", "eris-k", "nirspec-g235h", "manga", "muse-udf"])
def test_every_instrument_makes_cubes(name):
    z = {"kmos-h": 1.5, "nirspec-g235h": 2.5, "manga": 0.03, "muse-udf": 0.2}.get(name, 2.3)
    size = {"manga": 3.0, "eris-k": 0.15}.get(name, 0.4)
    stage = Ifu(
        instrument=name, spaxels=12, channels=96, lines="ha_nii", redshift=fixed(z), tolerance=0.02,
        r_half_arcsec=fixed(size), equivalent_width_angstrom=50.0, thick=True,
    )  # fmt: skip
    made = stage(samples(2), Stream(4))
    assert made.attributes["instrument"] == name
    assert (made.arrays["cube_truth"] >= -1e-4 * made.arrays["cube_truth"].max()).all()
    corner = made.arrays["cube"][:, :, 0, 0]
    assert (corner == 0).all() == (name == "manga")  # outside of the hexagon


def test_a_shard_does_not_depend_on_the_rest(made):
    again = replace(SMALL, clumps=DiskClumps(most=3), ratio=uniform(0.8, 1.5))(samples(6), Stream(5))
    np.testing.assert_array_equal(again.arrays["cube"], made.arrays["cube"])


BAD = {
    "stages.ifu.inclination=120": "inclination.*<= 90",
    "stages.ifu.inclination={uniform: [20, 100]}": "uniform reaches 100",
    "stages.ifu.v_max=-5": "v_max",
    "stages.ifu.thickness=0": "thickness",
    "stages.ifu.n=12": "n: should be",
    "stages.ifu.r_half_arcsec=0": "r_half_arcsec",
    "stages.ifu.sigma=-3": "sigma",
    "stages.ifu.curve=arctn": "curve",
    "stages.ifu.curve=table": "curve_file go together",
    "stages.ifu.instrument=muze": "did you mean 'muse'",
    "stages.ifu.lines=oiii": "lines",
    "stages.ifu.redshift=3.0": "OII3729 at redshift 3 lies at .* outside",
    "stages.ifu.channels=1": "Angstrom apart, and 1 channels",
    "stages.ifu.spaxels=400": "wider than the 60 arcsec of muse",
    "stages.ifu.psf={gaussian: {fwhm_arcsec: 9.0}}": "wider than the cube's field",
    "stages.ifu.noise={snr: 0}": "snr",
    "stages.ifu.noise={sky_lines: -1}": "sky_lines",
    "stages.ifu.clumps={share: 1.2}": "share",
    "stages.ifu.companion={flux_ratio: 3}": "flux_ratio",
    "stages.ifu.motion={warp_inclination: 5}": "a warp in inclination needs disks below 75",
    "stages.ifu.convention=doppler": "convention",
    "stages.ifu.ratio=0": "ratio",
    "stages.ifu.tolerance=0": "tolerance",
    "stages.ifu.inclinaton=4": "did you mean",
}


@pytest.mark.parametrize("word", BAD)
def test_what_cannot_be_is_answered_in_a_sentence(word):
    with pytest.raises(InputError, match=BAD[word]):
        load("ifu_disks", [word])


def test_a_curve_table_that_falls_back_is_named(tmp_path):
    path = tmp_path / "curve.txt"
    path.write_text("0 0\n1 100\n0.5 120\n")
    found = list(replace(SMALL, curve="table", curve_file=str(path)).problems(()))
    assert "falls back from 1 to 0.5 arcsec" in found[0][1]


def test_a_users_curve_is_the_one_of_the_cube(tmp_path):
    path = tmp_path / "curve.txt"
    path.write_text("0 0\n0.1 50\n0.4 150\n2 160\n")
    made = replace(SMALL, curve="table", curve_file=str(path))(samples(1), Stream(1))
    radius, speed = made.arrays["curve_radius"][0], made.arrays["curve_speed"][0]
    assert np.interp(0.4, radius, speed) == pytest.approx(150, abs=2)


def test_motions_show_in_the_maps():
    base = {"inclination": fixed(50.0), "psf": Psf(moffat=Moffat(fwhm_arcsec=0.5)), "noise": None}
    plain = replace(SMALL, **base)(samples(2), Stream(3)).arrays["velocity_map"]
    for motion in (
        Motion(v_radial=fixed(60.0)),
        Motion(v_bar=fixed(80.0)),
        Motion(warp_angle=fixed(20.0), warp_start=Varying("fixed", (0.5,))),
    ):
        moved = replace(SMALL, motion=motion, **base)(samples(2), Stream(3)).arrays["velocity_map"]
        assert abs(moved - plain).max() > 15


def test_the_share_of_a_line_in_its_cube_is_told(made):
    disk = made.tables["disk"]
    total = made.arrays["cube_truth"].sum(axis=(1, 2, 3)) * 1.25 / 100
    np.testing.assert_allclose(disk["fraction"], total / disk["line_flux"], rtol=1e-4)
    assert SMALL.notices(made.tables) == []


def test_lines_that_leave_the_channels_are_a_notice():
    fast = replace(SMALL, v_max=fixed(3000.0), inclination=fixed(80.0))
    (said,) = fast.notices(fast(samples(2), Stream(5)).tables)
    assert said.startswith("100% of the disks have less than 80% of their lines in their cube")
