"""Interpolation and the networks: what they keep by construction."""

import numpy as np
import pytest
import torch
from torch import nn

from mockforge.rng import Stream
from mockforge.tasks.recover.config import Cgan, Critic, RecovererNetwork, Residual
from mockforge.tasks.recover.grid import fine_shape, upsampled
from mockforge.tasks.recover.make import make_network
from mockforge.tasks.recover.networks import Dcgan, stretched, unstretched
from tests.builders import tiny_degraded


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=Stream(1, ("noise",)).torch())


def shaken(network: nn.Module) -> nn.Module:
    """The network with every weight moved at random, as if it had been trained."""
    source = Stream(2, ("shaken",)).torch()
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.03 * torch.randn(p.shape, generator=source))
    return network.eval()


def test_interpolation_keeps_flux_and_place():
    x, y, sigma = np.array([4.6]), np.array([5.3]), np.array([1.5])
    coarse = torch.from_numpy(tiny_degraded.gaussian(x, y, sigma, 11)).float()[:, None]
    fine = upsampled(coarse, (31, 31), 2.8)
    assert float(fine.sum()) == pytest.approx(1, abs=2e-3)
    rows = torch.arange(31.0)
    assert float((fine[0, 0].sum(0) * rows).sum() / fine.sum()) == pytest.approx(
        (4.6 - 5) * 2.8 + 15, abs=0.03
    )
    assert float((fine[0, 0].sum(1) * rows).sum() / fine.sum()) == pytest.approx(
        (5.3 - 5) * 2.8 + 15, abs=0.03
    )


def test_interpolation_is_keys_cubic_convolution():
    """At whole steps it is torch's bicubic with a = -1/2; PIL's BICUBIC has the same kernel."""
    from PIL import Image

    image = noise(12, 12)
    wanted = np.asarray(Image.fromarray(image.numpy()).resize((36, 36), Image.Resampling.BICUBIC))
    found = 9 * upsampled(image[None, None], (36, 36), 3.0)[0, 0].numpy()
    assert np.allclose(found[6:-6, 6:-6], wanted[6:-6, 6:-6], atol=1e-5)
    assert fine_shape((21, 10), 2.8) == (58, 28)


def test_the_stretch_can_be_undone():
    flux = torch.tensor([-3.0, 0.0, 1e-3, 1.0, 4e4]).view(1, 1, 1, 5)
    unit = torch.full((1, 1, 1, 1), 0.5)
    assert torch.allclose(unstretched(stretched(flux, unit), unit), flux, rtol=1e-5)


def test_a_fresh_residual_network_is_the_interpolated_image():
    base, unit = 3 * noise(2, 3, 21, 30), torch.full((2, 3, 1, 1), 0.7)
    network = make_network(Residual(widths=(8, 8), fine_width=4), 3, (8, 11), (21, 30))
    assert torch.allclose(network(base, unit, torch.zeros(2, 3)), base, atol=1e-5)


def test_its_reach_is_a_bound():
    network = shaken(make_network(Residual(widths=(6, 6), fine_width=4), 1, (8, 8), (96, 96)))
    reach, unit = network.reach, torch.ones(1, 1, 1, 1)
    side = 2 * reach + 32
    base = noise(1, 1, side, side)
    other = base.clone()
    other[..., side // 2, side // 2] += 50
    changed = (network(base, unit, torch.zeros(1, 1)) - network(other, unit, torch.zeros(1, 1)))[0, 0] != 0
    rows = torch.nonzero(changed.any(dim=1)).ravel()
    assert side // 2 - reach <= int(rows.min()) and int(rows.max()) <= side // 2 + reach
    assert int(rows.max()) - int(rows.min()) > 8


def test_scale_is_kept():
    """Twice the flux at twice the noise is twice the image."""
    network = shaken(make_network(Residual(widths=(8, 8), fine_width=4), 2, (8, 8), (24, 24)))
    base, unit, depth = 5 * noise(1, 2, 24, 24), torch.ones(1, 2, 1, 1), torch.zeros(1, 2)
    assert torch.allclose(network(2 * base, 2 * unit, depth), 2 * network(base, unit, depth), rtol=1e-4)


@pytest.mark.parametrize(("shape", "fine"), [((21, 21), (64, 64)), ((11, 11), (32, 30))])
def test_the_originals_generator_paints_stamps_of_its_size(shape, fine):
    network = make_network(Cgan(ngf=4), 3, shape, fine)
    made = network(noise(2, 3, *fine), torch.ones(2, 3, 1, 1), torch.zeros(2, 3))
    assert made.shape == (2, 3, *fine) and bool(made.isfinite().all())


def test_the_original_discriminator_has_the_dcgans_layers():
    critic = Dcgan(Critic(ndf=64, layers=4), 3)
    wide = [m.out_channels for m in critic.modules() if isinstance(m, nn.Conv2d)]
    assert wide == [64, 128, 256, 512, 1]
    assert critic(noise(2, 3, 64, 64), noise(2, 3, 64, 64))[0].shape == (2, 1, 4, 4)


def test_a_network_is_named_once():
    with pytest.raises(ValueError, match="exactly one"):
        RecovererNetwork(residual=Residual(), cgan=Cgan())
