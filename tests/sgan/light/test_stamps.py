"""Stamps of Sersic profiles and their transforms: against GalSim, and their derivatives."""

import galsim
import numpy as np
import pytest
import torch

from mockforge.sgan.light.stamps import phases, profile_spectra, spectra, stamps


def _marks(*values: float) -> list[torch.Tensor]:
    return [torch.tensor([v], dtype=torch.float32) for v in values]


@pytest.mark.parametrize(
    ("radius", "e1", "e2", "n"),
    [(0.6, 0.0, 0.0, 1.0), (2.0, 0.3, -0.2, 0.5), (3.0, -0.1, 0.45, 1.7), (6.0, 0.1, 0.0, 4.0)],
)
def test_as_galsim_draws(radius: float, e1: float, e2: float, n: float) -> None:
    dx, dy = 0.3, -0.4
    found = stamps(*_marks(dx, dy, np.log(radius), e1, e2, np.log(n)), half=40)[0].numpy()
    profile = galsim.Sersic(n=n, half_light_radius=radius).shear(g1=e1, g2=e2).shift(dx, dy)
    seen = galsim.Convolve(profile, galsim.Gaussian(sigma=0.7))
    wanted = seen.drawImage(nx=81, ny=81, scale=1.0, method="sb").array
    assert np.abs(found - wanted).max() < 1.2e-3 * wanted.max()
    assert abs(found.sum() - wanted.sum()) < 1e-3


def test_transforms_are_those_of_the_stamps() -> None:
    first, second = _marks(0.2, -0.3, 0.8, 0.2, 0.1, 0.0), _marks(-0.4, 0.1, 0.3, 0.0, 0.4, -0.6)
    marks = [torch.cat(pair) for pair in zip(first, second, strict=True)]
    half, side = 32, 65
    smoothed = torch.fft.rfft2(torch.roll(stamps(*marks, half=half, smooth_pix=1.5), (-half, -half), (1, 2)))
    square = torch.fft.fftfreq(side)[:, None] ** 2 + torch.fft.rfftfreq(side) ** 2
    smoothing = torch.exp(-2 * (np.pi * 1.5) ** 2 * square)
    assert (spectra(*marks, side=side) * smoothing - smoothed).abs().max() < 2e-5


def test_a_shift_is_a_phase() -> None:
    x, y = torch.tensor([3.0]), torch.tensor([5.0])
    point = torch.fft.irfft2(phases(x, y, 16), s=(16, 16))[0]
    assert point[5, 3] == pytest.approx(1, abs=1e-5)
    assert point.abs().sum() == pytest.approx(1, abs=1e-3)


def test_derivatives() -> None:
    generator = torch.Generator().manual_seed(3)
    values = [torch.rand(3, generator=generator, dtype=torch.float64) - 0.5 for _ in range(6)]
    values[3][0] = values[4][0] = 0.0  # round: no kink there
    values = [v.requires_grad_() for v in values]
    assert torch.autograd.gradcheck(lambda *m: stamps(*m, 4), values)
    assert torch.autograd.gradcheck(lambda *m: profile_spectra(*m, 6), values[2:])
    assert torch.autograd.gradcheck(lambda *m: torch.view_as_real(spectra(*m, 6)), values)


def test_a_source_does_not_depend_on_its_company_beyond_rounding() -> None:
    generator = torch.Generator().manual_seed(4)
    marks = [torch.rand(50, generator=generator) * 0.6 for _ in range(6)]
    together = stamps(*marks, half=9)
    alone = stamps(*(m[7:8] for m in marks), half=9)
    assert (together[7] - alone[0]).abs().max() < 1e-6 * alone.max()


def test_too_elongated_shapes_are_finite() -> None:
    marks = _marks(0.0, 0.0, 1.0, 1.2, 0.0, 0.0)
    assert torch.isfinite(stamps(*marks, half=5)).all()


def test_derivatives_after_others_used_none() -> None:
    marks = [torch.zeros(1) for _ in range(6)]
    with torch.inference_mode():
        stamps(*marks, half=17)
        profile_spectra(*marks[2:], side=34)
    marks = [m.requires_grad_(True) for m in marks]
    (stamps(*marks, half=17).sum() + profile_spectra(*marks[2:], side=34).sum()).backward()
    assert all(torch.isfinite(m.grad).all() for m in marks)
