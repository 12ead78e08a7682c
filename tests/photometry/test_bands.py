"""Band curves: names, ends, and the bundled fits against the curves that they were fitted to."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from mockforge.bundle.band_fit import fit_nodes
from mockforge.errors import InputError
from mockforge.photometry.bands import BANDPASSES, CANDELS_GOODSS, BandName, bandpass, curve


def pivot(wave: np.ndarray, throughput: np.ndarray) -> float:
    fine = np.linspace(wave[0], wave[-1], 100_001)
    seen = np.interp(fine, wave, throughput)
    return float(np.sqrt(np.trapezoid(seen * fine, fine) / np.trapezoid(seen / fine, fine)))


def test_every_name_has_a_curve():
    assert len(CANDELS_GOODSS) == 17
    for name in get_args(BandName):
        wave, throughput = curve(name)
        assert (np.diff(wave) > 0).all()
        assert 0 <= throughput.min() < 0.02 * throughput.max() <= 0.02
        assert name in BANDPASSES or throughput.max() == pytest.approx(1.0)


def test_galsim_makes_a_bandpass_of_each():
    """The effective wavelength (photons) of galsim's integral and of ours."""
    for name in ("F160W", "lsst_u", "IRAC_ch2", "candels_F606W"):
        wave, throughput = curve(name)
        fine = np.linspace(wave[0], wave[-1], 200_001)
        seen = np.interp(fine, wave, throughput)
        mean = np.trapezoid(seen * fine, fine) / np.trapezoid(seen, fine)
        assert 10 * bandpass(name).effective_wavelength == pytest.approx(mean, rel=2e-4)


def test_unknown_names():
    for ask in (bandpass, curve):
        with pytest.raises(InputError, match="did you mean 'F606W'"):
            ask("F606")


def test_fits_give_the_fluxes_of_their_curves(shared_data):
    """Power laws from steep blue to steep red within 0.05%, pivot wavelength within 0.003%."""
    files = sorted((shared_data / "sps" / "candels_goodss_filters").glob("*.txt"))
    for name, path in zip(CANDELS_GOODSS, files, strict=True):
        theirs, ours = np.loadtxt(path, unpack=True), curve(name)
        assert pivot(*ours) == pytest.approx(pivot(*theirs), rel=3e-5)
        for slope in (-4.0, 0.0, 4.0):
            fluxes = []
            for wave, throughput in (theirs, ours):
                fine = np.linspace(wave[0], wave[-1], 100_001)
                seen = np.interp(fine, wave, throughput)
                fluxes.append(np.trapezoid(fine**slope * seen * fine, fine) / np.trapezoid(seen / fine, fine))
            assert fluxes[1] == pytest.approx(fluxes[0], rel=5e-4)


def test_a_fit_keeps_shape_and_integral():
    wave = np.linspace(4000.0, 6000.0, 2001)
    throughput = 0.4 * np.exp(-(((wave - 5000) / 300) ** 4)) * (1 + 0.1 * np.sin(wave / 40))
    at, value = fit_nodes(wave, throughput, 0.005)
    assert len(at) < 150
    scale = np.trapezoid(throughput, wave) / np.trapezoid(value, at)
    np.testing.assert_allclose(np.interp(wave, at, scale * value), throughput, atol=0.01 * throughput.max())
