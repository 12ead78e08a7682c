"""Controls: measures against closed forms, asked against obtained, and a sky that does not listen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from mockforge.evaluate.sky import controls
from mockforge.evaluate.sky.control_measures import (
    counts_slope,
    point_source_depth,
    scale_between,
    star_fwhm,
)
from mockforge.evaluate.sky.controls import controls_section
from mockforge.evaluate.sky.counterfactuals import counterfactual_rows
from mockforge.observe.noise.depth import rms_of_psf_depth
from mockforge.rng import Stream
from mockforge.sgan.paint.sky import Sky
from tests.builders.tiny_forge import tiny_forge

RNG = Stream(7, ("controls",))


@pytest.mark.parametrize("fwhm", [3.0, 5.5])
def test_the_depth_of_white_noise_is_the_closed_form(fwhm):
    magnitude = 25.3
    rms = rms_of_psf_depth(magnitude, 0.2, 0.2 * fwhm)
    noise = rms * RNG.child("white").numpy().standard_normal((512, 512))
    found, error = point_source_depth(noise, fwhm)
    assert error < 0.015
    assert found == pytest.approx(magnitude, abs=4 * error)


def test_the_depth_of_correlated_noise_is_the_closed_form():
    kernel = np.array([[0.1, 0.2, 0.1], [0.2, 0.8, 0.2], [0.1, 0.2, 0.1]])
    kernel /= np.sqrt((kernel**2).sum())
    power = np.abs(np.fft.rfft2(kernel, (5, 5))) ** 2
    autocorrelation = np.fft.fftshift(np.fft.irfft2(power, (5, 5)))
    rms = rms_of_psf_depth(25.0, 0.2, 0.8, autocorrelation=autocorrelation)
    white = RNG.child("correlated").numpy().standard_normal((514, 514))
    places = [(j, i) for j in range(3) for i in range(3)]
    noise = rms * np.sum([kernel[j, i] * white[j : j + 512, i : i + 512] for j, i in places], axis=0)
    found, error = point_source_depth(noise, 4.0)
    assert found == pytest.approx(25.0, abs=4 * error + 0.01)


def test_the_error_of_a_depth_is_its_scatter():
    rng = RNG.child("scatter").numpy()
    found = [point_source_depth(rng.standard_normal((160, 160)), 4.0) for _ in range(40)]
    scatter = float(np.std([d for d, _ in found]))
    assert scatter == pytest.approx(found[0][1], rel=0.3)


@pytest.mark.parametrize("fwhm", [2.6, 4.4])
def test_the_width_of_a_star_is_that_of_its_profile(fwhm):
    y, x = np.mgrid[:63, :63] - 31.2
    star = np.exp(-4 * np.log(2) * (x**2 + y**2) / fwhm**2)
    assert star_fwhm(star) == pytest.approx(fwhm, rel=0.02)


@pytest.mark.parametrize("slope", [0.4, 1.0, 1.7])
def test_the_slope_of_a_power_law_between_limits_is_found(slope):
    u = RNG.child("slope").numpy().uniform(size=20_000)
    low, high = 10.0, 80.0
    flux = (low**-slope - u * (low**-slope - high**-slope)) ** (-1 / slope)
    found, error = counts_slope(np.concatenate([flux, [1.0, 500.0]]), low, high)
    assert error < 0.03 and found == pytest.approx(slope, abs=4 * error)
    assert np.isnan(counts_slope(flux[:9], low, high)[0])


def test_the_scale_between_matched_places_is_found():
    places = RNG.child("scale").numpy().uniform(0, 500, (60, 2))
    other = np.concatenate([1.34 * places[:50] + 0.3, [[9.0, 900.0]]])
    assert scale_between(places, other, 1.33, 8.0) == pytest.approx(1.34, abs=2e-3)
    assert np.isnan(scale_between(places[:3], other, 1.33, 8.0))


@pytest.fixture(scope="module")
def section():
    return controls_section(tiny_forge(), 448, 3)


def test_a_sky_has_what_was_requested(section):
    assert not [v for v in section.verdicts if not v.passed]
    kinds = {row["control"] for row in section.rows}
    assert kinds >= {
        "depth", "seeing", "pixel scale", "density", "counts' slope", "brightest magnitude", "star fraction",
        "clustering", "colour shift", "source removed: pixels changed elsewhere",
    }  # fmt: skip
    seeing = [r for r in section.rows if r["control"] == "seeing" and r["band"] == "g"]
    assert seeing[0]["asked"] < 0.6 < seeing[1]["asked"]  # sharper than the field's, and broader
    changed = [r["obtained"] for r in section.rows if r["control"].endswith("elsewhere")]
    assert changed == [0.0] * 5


def test_a_sky_that_does_not_listen_fails(monkeypatch):
    monkeypatch.setattr(
        controls, "Sky", lambda model, seed, **asked: Sky(model, seed, sources=asked.get("sources"))
    )
    deaf = controls_section(tiny_forge(pixel_scale_arcsec=None), 448, 3)
    failed = {v.measure.rsplit(" ", 1)[0] for v in deaf.verdicts if not v.passed}
    assert {"brightest magnitude", "star fraction", "clustering", "colour shift 0.3,"} <= failed
    assert "not known" in deaf.text and not any(r["control"] == "depth" for r in deaf.rows)


def test_other_pixels_that_change_are_counted():
    """A sky whose edits draw other noise has all of its pixels changed."""
    sky = Sky(tiny_forge(), 3)

    class Careless:
        model = sky.model
        sources, layers, pixels = sky.sources, sky.layers, sky.pixels

        @staticmethod
        def without(name):
            return Sky(tiny_forge(), 3, rms=9.0).without(name)

        edit = without

    careless = Careless()
    careless.edit = lambda table: sky.edit(table)  # type: ignore[method-assign]
    rows = {r["control"]: r["obtained"] for r in counterfactual_rows(careless, 128)}  # type: ignore[arg-type]
    assert rows["source removed: pixels changed elsewhere"] > 1000
    assert rows["source moved: pixels changed elsewhere"] == 0


def test_a_field_without_stars_has_no_fraction_of_them():
    model = tiny_forge()
    found = controls_section(replace(model, sources=replace(model.sources, stars=None)), 128, 3)
    assert "too few stars" in found.text
    assert not any(r["control"] == "star fraction" for r in found.rows)
