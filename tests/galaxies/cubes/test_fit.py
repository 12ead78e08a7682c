"""The fit finds what was put in, and says how well."""

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.galaxies.cubes.body.disk import Physics, disks
from mockforge.galaxies.cubes.fit import Observed, fit
from mockforge.galaxies.cubes.light.channels import Spectrum
from mockforge.galaxies.cubes.light.grid import Grid, Sampling
from mockforge.galaxies.cubes.light.model import cubes
from mockforge.observe.psf.models import moffat

TRUE = {
    "x": 0.05, "y": -0.08, "flux": 40.0, "r_half": 0.75, "inclination": 58.0, "position_angle": 215.0,
    "v_max": 190.0, "r_turn": 0.2, "velocity": 15.0, "sigma": 32.0,
}  # fmt: skip


@pytest.fixture(scope="module")
def observed() -> Observed:
    edges = 7000 + (np.arange(31) - 15) * 1.25
    spectrum = Spectrum(edges[None], np.array([[7000.0]]), np.ones(1), np.array([[1.136]]))
    grid = Grid((18, 18), 0.2, moffat(0.7, 2.8))
    disk = disks(**TRUE, height=0.15 * TRUE["r_half"])
    with torch.no_grad():
        clean = cubes(disk, Physics(), grid, spectrum, Sampling(3, 8))[0]
    rms = float(clean.max()) / 20
    noise = torch.as_tensor(np.random.default_rng(3).normal(0, rms, clean.shape), dtype=torch.float32)
    return Observed(clean + noise, torch.full_like(clean, rms**2), Physics(), grid, spectrum)


def test_parameters_come_back_within_their_errors(observed):
    found = fit(observed)
    assert found.converged and found.chi2 == pytest.approx(1.0, abs=0.05)
    for name, true in TRUE.items():
        assert abs(found.values[name] - true) < 3.5 * found.errors[name], name
    assert found.errors["inclination"] < 4 and found.errors["v_max"] < 15
    assert found.values["position_angle"] == pytest.approx(215.0, abs=3)


def test_what_is_no_cube_is_refused(observed):
    with pytest.raises(InputError, match="wants a cube and a variance of"):
        fit(Observed(observed.cube[1:], observed.variance, Physics(), observed.grid, observed.spectrum))
    dark = Observed(0 * observed.cube, observed.variance, Physics(), observed.grid, observed.spectrum)
    with pytest.raises(InputError, match="light above its noise"):
        fit(dark)
