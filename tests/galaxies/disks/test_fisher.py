"""The Fisher matrix of a disk: derivatives, and what an image cannot tell."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.galaxies.disks.fisher import disk_forecast
from mockforge.observe.psf.spec import Gaussian, Psf

PSF = Psf(gaussian=Gaussian(fwhm_arcsec=0.12))


def test_a_thin_disk_does_not_tell_inclination_from_shear() -> None:
    thin = disk_forecast(psf=PSF, stamp=32)
    assert thin.correlation("inclination", "g1") == pytest.approx(-1, abs=1e-9)
    assert thin.degeneracy() < 1e-12
    thick = disk_forecast(at={"thickness": 0.05}, psf=PSF, stamp=32)
    assert -1 < thick.correlation("inclination", "g1") < -0.9999
    known_radius = disk_forecast(("flux", "inclination", "g1"), psf=PSF, stamp=32)
    assert known_radius.correlation("inclination", "g1") > -0.9


def test_derivatives_are_those_of_differences() -> None:
    """A degree of inclination: F is its square over the noise's."""
    fisher = disk_forecast(("inclination",), {"thickness": 0.1}, PSF, 32).fisher[0, 0]

    def along(step: float) -> float:
        cross = disk_forecast(("flux",), {"thickness": 0.1, "inclination": 60 + step}, PSF, 32)
        return cross.fisher[0, 0]

    # sum(I^2) is F of the flux times flux^2; its slope by inclination is 2 sum(I dI), from F of both
    both = disk_forecast(("flux", "inclination"), {"thickness": 0.1}, PSF, 32).fisher
    slope = (along(0.01) - along(-0.01)) / 0.02
    assert 2 * both[0, 1] / 1000.0 == pytest.approx(slope, rel=1e-5)
    assert both[1, 1] == pytest.approx(fisher)


def test_errors_fall_with_the_noise() -> None:
    free = ("flux", "r_half", "inclination", "position_angle")
    one, two = (disk_forecast(free, psf=PSF, stamp=32, rms_njy=rms).errors() for rms in (1.0, 2.0))
    assert list(two.values()) == pytest.approx(2 * np.array(list(one.values())))


@pytest.mark.parametrize(
    ("free", "at", "sentence"),
    [
        (("inclinaton",), {}, "unknown parameter 'inclinaton'.*inclination"),
        ((), {}, "one or more different names"),
        (("g1",), {"size": 1.0}, "unknown parameter 'size'"),
    ],
)
def test_bad_parameters_are_a_sentence(free: tuple[str, ...], at: dict[str, float], sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        disk_forecast(free, at, PSF, 32)
