"""The stage `observe`: noise from configuration, pairings, directions, streams."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from mockforge.batch import Batch, concatenate
from mockforge.errors import InputError
from mockforge.observe.noise.depth import rms_of_psf_depth
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.noise.spec import Ccd, Depth, Noise, pixel_noise
from mockforge.observe.surveys.read import survey
from mockforge.recipe.errors import read
from mockforge.recipe.yaml import Document
from mockforge.rng import Stream
from mockforge.stages.observe import Observe, Pairing
from tests.builders.batches import samples

BANDS = ("F606W", "F814W")
QUIET = Noise(rms_njy=0.5)


def pairs(n: int = 6, first: int = 0, psf: bool = True) -> Batch:
    """Pairs whose arrays say what they are by their values."""
    rng = np.random.default_rng(first)
    sample = np.arange(first, first + n)
    states = ("clean", "psf") if psf else ("clean",)
    arrays: dict[str, Any] = {
        f"{end}_{state}": rng.uniform(0, 9, (n, 2, 16, 16)).astype(np.float32)
        for end in ("input", "target")
        for state in states
    }
    arrays |= {end: arrays[f"{end}_{states[-1]}"] for end in ("input", "target")}
    arrays |= {"z_in": np.full(n, 0.5, np.float32), "z_out": np.full(n, 1.5, np.float32)}
    galaxy = {"sample": sample, "n": np.ones(n), "flux_in_F606W": np.full(n, 7.0)}
    galaxy |= {"flux_out_F606W": np.full(n, 2.0), "r_e_in": np.full(n, 0.3), "r_e_out": np.full(n, 0.2)}
    out = samples(
        n,
        first,
        arrays=arrays,
        tables={"galaxy": galaxy},
        attributes={"bands": BANDS, "pixel_scale_arcsec": 0.1, "psf_fwhm_arcsec": (0.15, 0.2)},
    )
    return replace(out, draw=sample + 100)


@pytest.mark.parametrize("direction", ["low_to_high", "high_to_low"])
@pytest.mark.parametrize(
    "states", [("clean", "clean"), ("psf", "clean"), ("observed", "psf"), ("observed",) * 2]
)
def test_pairings(direction: Any, states: tuple[Any, Any]) -> None:
    stage = Observe(
        noise_in=QUIET,
        noise_out=Noise(rms_njy=2.0),
        pairing=Pairing(input=states[0], target=states[1], direction=direction),
    )
    before = pairs()
    after = stage(before, Stream(1))
    assert stage.reads() <= set(before.arrays)
    assert stage.writes() <= set(after.arrays)
    low, high = ("input", "target") if direction == "low_to_high" else ("target", "input")
    for end, state in zip(("input", "target"), states, strict=True):
        assert after.arrays[end] is after.arrays[f"{end}_{state}"]
    for state in ("clean", "psf"):
        assert after.arrays[f"{low}_{state}"] is before.arrays[f"input_{state}"]
        assert after.arrays[f"{high}_{state}"] is before.arrays[f"target_{state}"]
    np.testing.assert_array_equal(after.arrays[f"{low}_rms"], np.full((6, 2), 0.5, np.float32))
    np.testing.assert_array_equal(after.arrays[f"{high}_rms"], np.full((6, 2), 2.0, np.float32))
    spread = (after.arrays[f"{high}_observed"] - before.arrays["target_psf"]).std()
    assert spread == pytest.approx(2.0, rel=0.1)


def test_high_to_low_exchanges_redshifts_and_columns() -> None:
    before = pairs()
    galaxy = before.tables["galaxy"]
    after = Observe(pairing=Pairing(direction="high_to_low"))(before, Stream(1))
    assert (after.arrays["z_in"] == 1.5).all() and (after.arrays["z_out"] == 0.5).all()
    assert after.tables["galaxy"]["flux_out_F606W"] is galaxy["flux_in_F606W"]
    assert after.tables["galaxy"]["r_e_in"] is galaxy["r_e_out"]
    assert set(after.tables["galaxy"]) == set(galaxy)
    assert after.arrays["input"] is before.arrays["target"]
    assert after.attributes["psf_fwhm_arcsec"] == (0.15, 0.2)


def test_noise_of_a_sample_does_not_depend_on_the_others() -> None:
    noisy = Noise(rms_njy=1.0, electrons_per_njy=2.0, rms_factor=_lognormal(1.0, 0.3))
    stage = Observe(noise_in=noisy, noise_out=QUIET)
    a, b = pairs(4), pairs(5, first=4)
    together = stage(concatenate([a, b]), Stream(3))
    for part, where in ((a, slice(0, 4)), (b, slice(4, 9))):
        alone = stage(part, Stream(3))
        for name in ("input", "target", "input_rms"):
            np.testing.assert_array_equal(alone.arrays[name], together.arrays[name][where])
    values = together.arrays["input"] - concatenate([a, b]).arrays["input_psf"]
    assert np.abs(np.corrcoef(values.reshape(9, -1)) - np.eye(9)).max() < 0.2
    again = stage(a, Stream(4)).arrays["input"]
    assert not np.array_equal(again, stage(a, Stream(3)).arrays["input"])


def test_input_and_target_have_noise_of_their_own() -> None:
    before = pairs()
    after = Observe(noise_in=QUIET, noise_out=QUIET)(before, Stream(1))
    one, other = (after.arrays[f"{e}_observed"] - before.arrays[f"{e}_psf"] for e in ("input", "target"))
    assert abs(np.corrcoef(one.ravel(), other.ravel())[0, 1]) < 0.1


def test_images_without_a_psf_get_noise_too() -> None:
    before = pairs(psf=False)
    after = Observe(noise_in=QUIET)(before, Stream(1))
    assert after.arrays["input"] is after.arrays["input_observed"]
    assert after.arrays["target"] is before.arrays["target_clean"]
    assert "target_rms" not in after.arrays


def test_the_rms_written_is_the_rms_drawn() -> None:
    stage = Observe(noise_in=Noise(rms_njy=(1.0, 3.0), rms_factor=_lognormal(1.0, 0.5)))
    before = pairs(40)
    after = stage(before, Stream(1))
    rms = after.arrays["input_rms"]
    assert rms[:, 0].std() > 0.2
    np.testing.assert_allclose(rms[:, 1], 3 * rms[:, 0], rtol=1e-6)
    drawn = (after.arrays["input_observed"] - before.arrays["input_psf"]).std(axis=(2, 3))
    assert (drawn / rms).mean() == pytest.approx(1.0, rel=0.01)


def _lognormal(median: float, sigma: float) -> Any:
    from mockforge.config import Varying

    return Varying("lognormal", (median, sigma))


def test_noise_from_a_depth_a_survey_and_a_detector() -> None:
    model = pixel_noise(Noise(depth=Depth(magnitude=(27.0, 26.0))), BANDS, 0.1, (0.15, 0.2))
    expected = [rms_of_psf_depth(m, 0.1, f, pixel=0.1) for m, f in ((27.0, 0.15), (26.0, 0.2))]
    np.testing.assert_allclose(model.rms, expected)
    assert model.electrons is None

    noise = Noise(survey="lsst-10yr", survey_bands=("lsst_r", "lsst_i"))
    model = pixel_noise(noise, BANDS, 0.1)
    np.testing.assert_allclose(
        model.rms, [sky_noise(survey("lsst-10yr"), b, 0.1).rms_njy for b in ("lsst_r", "lsst_i")]
    )
    np.testing.assert_allclose(model.electrons, [264.2, 196.8], rtol=1e-3)  # type: ignore[arg-type]

    by_time = Noise(rms_njy=1.0, zeropoint_e=26.4, exposure_s=(100.0, 200.0))
    np.testing.assert_allclose(pixel_noise(by_time, BANDS, 0.1).electrons, [1.0, 2.0])  # type: ignore[arg-type]
    for exposure in (None, 1000.0):
        candels = Noise(survey="candels-goodss-deep", exposure_s=exposure)
        own = survey("candels-goodss-deep").band("F606W").exposure_s
        electrons = (exposure or own or 0.0) * 10 ** (-0.4 * (31.4 - 26.51))
        assert pixel_noise(candels, ("F606W",), 0.06).electrons == pytest.approx(electrons)

    ccd = Ccd(sky_mag_arcsec2=21.4, zeropoint_e=26.4, exposure_s=100.0, exposures=4, read_noise_e=5.0)
    model = pixel_noise(Noise(ccd=ccd), BANDS, 0.2)
    sky_e = 100 * 100 * 0.04  # 5 mag below the zeropoint: 100 electrons a second in a square arcsec
    per_njy = 1.0  # 31.4 is 5 mag above: 0.01 a second for a nJy
    np.testing.assert_allclose(model.electrons, per_njy)  # type: ignore[arg-type]
    np.testing.assert_allclose(model.rms, np.sqrt(sky_e + 4 * 25) / per_njy)
    np.testing.assert_allclose(model.sky, sky_e / per_njy)  # type: ignore[arg-type]


def test_what_does_not_fit_is_said() -> None:
    before = pairs()
    with pytest.raises(InputError, match="gpu0"):
        Observe(noise_in=QUIET, device="gpu0")(before, Stream(1))
    for noise, words in (
        (Noise(rms_njy=(1.0, 2.0, 3.0)), "observe: noise_in: rms_njy has 3 numbers and the images 2 bands"),
        (Noise(rms_njy=-1.0), "should be numbers >= 0"),
        (Noise(survey="lsst-10yr"), "no band 'F606W'"),
        (Noise(survey="lsst-10yr", survey_bands=("lsst_r",)), "names 1 bands, the images have 2"),
    ):
        with pytest.raises(InputError, match=words):
            Observe(noise_in=noise)(before, Stream(1))
    with pytest.raises(InputError, match="PSF of the images is not known"):
        pixel_noise(Noise(depth=Depth(magnitude=26.0)), BANDS, 0.1)


def test_settings_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(ValueError, match="exactly one of rms_njy, depth, ccd, survey; found none"):
        Noise()
    with pytest.raises(ValueError, match="found rms_njy, survey"):
        Noise(rms_njy=1.0, survey="lsst-10yr")
    with pytest.raises(InputError, match="did you mean 'hsc-wide'"):
        Noise(survey="hsc-wid")
    with pytest.raises(ValueError, match="added needs `ccd`"):
        Noise(rms_njy=1.0, background="added")
    with pytest.raises(ValueError, match="exposure_s says no gain without zeropoint_e"):
        Noise(rms_njy=1.0, exposure_s=100.0)
    with pytest.raises(ValueError, match="give it, or those two"):
        Noise(rms_njy=1.0, exposure_s=100.0, electrons_per_njy=1.0)
    with pytest.raises(ValueError, match="input: observed needs noise_out"):
        Observe(noise_in=QUIET, pairing=Pairing(input="observed", direction="high_to_low"))


def test_a_recipe_can_say_all_of_it() -> None:
    document = Document("recipe.yaml", {})
    stage = read(
        Observe,
        {
            "noise_in": {
                "rms_njy": [0.1, 0.2],
                "electrons_per_njy": 20,
                "correlation": {"drizzle": {"pixfrac": 0.8}},
            },
            "noise_out": {
                "survey": "hsc-wide",
                "survey_bands": ["hsc_r", "hsc_i"],
                "rms_factor": {"uniform": [1, 2]},
            },
            "pairing": {"input": "observed", "target": "psf", "direction": "high_to_low"},
        },
        document,
        (),
    )
    assert isinstance(stage, Observe) and stage.noise_out is not None
    assert stage.noise_out.survey_bands == ("hsc_r", "hsc_i")
    assert stage.reads() == {"input", "target", "input_psf"}
