"""The first guess against astropy, exact integrals and drawn galaxies."""

import math

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.photometry.bands import pivot_um
from mockforge.photometry.cosmology import flux_factor, luminosity_distance, size_factor
from mockforge.profiles.sersic import Sersics, sersic
from mockforge.tasks.redshifter.geometry import FirstGuess, Geometry, centroid, overlap, pivot_wavelengths

WAVE = (6000.0, 4000.0, 9000.0)


def tensor(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


@pytest.fixture(scope="module")
def guess() -> FirstGuess:
    return FirstGuess(Geometry(WAVE))


def gaussian(sigma: float, centre: float, count: int = 64) -> np.ndarray:
    """A Gaussian of sum 1 integrated over pixels, one axis."""
    edges = (np.arange(count + 1) - 0.5 - centre) / (sigma * math.sqrt(2))
    return 0.5 * np.diff([math.erf(e) for e in edges])


def test_distances_and_factors_are_those_of_the_cosmology(guess):
    z_in, z_out = np.array([0.013, 0.11, 1.7, 3.0]), np.array([0.5, 2.0, 0.2, 9.7])
    found = guess.luminosity_distance(torch.from_numpy(z_out)).numpy()
    assert found == pytest.approx(luminosity_distance(z_out), rel=1e-6)
    size, flux = guess.factors(torch.from_numpy(z_in), torch.from_numpy(z_out))
    assert size.numpy() == pytest.approx(size_factor(z_in, z_out), rel=1e-6)
    assert flux.numpy() == pytest.approx(flux_factor(z_in, z_out), rel=1e-6)


@pytest.mark.parametrize(("size", "tolerance"), [(0.3, 0.01), (0.8, 0.04), (1.0, 1e-3), (2.5, 0.01)])
def test_scaling_an_image_keeps_its_flux_and_scales_its_size(size, tolerance):
    centre = 31.8
    before, wanted = (torch.from_numpy(gaussian(s, centre)) for s in (4.0, 4.0 * size))
    after = overlap(64, tensor(centre), tensor(size))[0] @ before
    assert after.sum().item() == pytest.approx(wanted.sum().item(), abs=3e-4)
    assert ((after - wanted).norm() / wanted.norm()).item() < tolerance


def test_a_band_shift_is_exact_for_a_straight_spectrum_and_knows_no_order(guess):
    z_in, z_out = tensor(0.5, 1.0), tensor(0.8, 0.6)
    shift = guess.band_shift(z_in, z_out)
    spectrum = lambda wave: 3.0 + wave / 1000.0  # noqa: E731
    seen = torch.einsum("ncd,d->nc", shift, spectrum(tensor(*WAVE)))
    squeeze = ((1 + z_out) / (1 + z_in))[:, None]
    wanted = spectrum((tensor(*WAVE) / squeeze).clamp(min(WAVE), max(WAVE))) * squeeze
    assert torch.allclose(seen, wanted)
    same = guess.band_shift(z_in, z_in)
    assert torch.allclose(same, torch.eye(3, dtype=torch.float64).expand(2, 3, 3))


def test_one_band_is_only_squeezed():
    shift = FirstGuess(Geometry((5000.0,))).band_shift(tensor(1.0), tensor(3.0))
    assert shift.flatten().tolist() == [2.0]


def test_the_first_guess_of_a_flat_spectrum_is_the_drawn_galaxy(guess):
    z_in, z_out = tensor(0.3, 1.5), tensor(1.0, 0.4)
    factor = np.asarray(size_factor(z_in.numpy(), z_out.numpy()))
    x, y, n, q, angle = (
        tensor(30.1, 29.4),
        tensor(29.2, 29.9),
        tensor(1, 1),
        tensor(0.8, 0.6),
        tensor(20, 130),
    )
    near = sersic(Sersics(x, y, tensor(7, 4), n, q, angle), (60, 60))
    far = sersic(Sersics(x, y, tensor(7, 4) * torch.from_numpy(factor), n, q, angle), (60, 60))
    image = near[:, None].expand(2, 3, 60, 60)
    found = guess(image, z_in, z_out)
    gain = flux_factor(z_in.numpy(), z_out.numpy()) * (1 + z_out.numpy()) / (1 + z_in.numpy())
    wanted = far[:, None] * torch.from_numpy(gain).float()[:, None, None, None]
    error = (found - wanted).flatten(1).norm(dim=1) / wanted.expand_as(found).flatten(1).norm(dim=1)
    assert error[0] < 0.02  # shrunk
    assert error[1] < 0.08  # enlarged: the cusp is not resolved in the input
    assert (found.sum(dim=(2, 3)) / wanted.sum(dim=(2, 3))).flatten().tolist() == pytest.approx(
        [1] * 6, abs=0.01
    )


def test_the_centre_of_the_light_is_found_and_stays_near_the_stamp_s():
    x, y = tensor(29.1, 30.2, 40.0), tensor(29.9, 29.0, 29.5)
    image = sersic(
        Sersics(x, y, tensor(5, 3, 4), tensor(1, 3, 1), tensor(0.5, 0.9, 1), tensor(40, 0, 0)), (60, 60)
    )
    found = centroid(image[:, None] * 1e-5)
    assert found[:2].numpy() == pytest.approx(np.stack([y, x], axis=1)[:2], abs=0.05)
    assert found[2, 1].item() == pytest.approx(31.5)  # two pixels from the centre, no farther
    assert torch.isfinite(centroid(torch.zeros(1, 2, 20, 20))).all()


def test_pivot_wavelengths():
    # Instrument handbooks: ACS F606W 5921, WFC3 F160W 15369 Angstrom.
    assert pivot_wavelengths(("F606W", "F160W")) == pytest.approx((5921, 15369), rel=0.003)
    assert pivot_wavelengths(("VIMOS_U",)) == pytest.approx((1e4 * pivot_um("VIMOS_U"),), rel=1e-9)
    with pytest.raises(InputError, match="wavelength_angstrom"):
        pivot_wavelengths(("F606W", "F607W"))
