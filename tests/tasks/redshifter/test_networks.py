"""The two networks: what they keep by construction."""

import pytest
import torch
from torch import nn

from mockforge.rng import Stream
from mockforge.tasks.redshifter.config import Cvae, RedshifterNetwork, Unet
from mockforge.tasks.redshifter.cvae import CvaeRedshifter
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.unet import UnetRedshifter, band_scale

GEOMETRY = Geometry((6000.0, 9000.0))


def sample(height: int = 24, width: int = 24, n: int = 3) -> tuple[torch.Tensor, ...]:
    source = Stream(1, ("sample",)).torch()
    blob = torch.exp(-0.5 * sum(a**2 for a in _offsets(height, width)) / 9)
    image = blob * torch.rand(n, 2, 1, 1, generator=source) + 0.01 * torch.randn(
        n, 2, height, width, generator=source
    )
    return image, 0.4 + 0.2 * torch.rand(n, generator=source), 0.8 + torch.rand(n, generator=source)


def _offsets(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    return torch.arange(height)[:, None] - (height - 1) / 2, torch.arange(width)[None] - (width - 1) / 2


def shaken(network: nn.Module) -> nn.Module:
    """The network with every weight moved at random, as if it had been trained."""
    source = Stream(2, ("shaken",)).torch()
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.05 * torch.randn(p.shape, generator=source))
    return network.eval()


def made(kind: str) -> nn.Module:
    if kind == "unet":
        return shaken(UnetRedshifter(Unet(widths=(8, 12), embedding=8), 2, GEOMETRY))
    return shaken(CvaeRedshifter(Cvae(widths=(8, 8, 8, 8)), 2, GEOMETRY, (24, 24)))


def test_a_fresh_unet_is_the_first_guess():
    image, z_in, z_out = sample()
    network = UnetRedshifter(Unet(widths=(8, 12)), 2, GEOMETRY)
    wanted = network.guess(image, z_in, z_out)
    assert torch.allclose(network(image, z_in, z_out), wanted, atol=1e-5 * float(wanted.abs().max()))


def test_half_precision_keeps_the_digits_of_the_first_guess():
    image, z_in, z_out = sample()
    network = UnetRedshifter(Unet(widths=(8, 12)), 2, GEOMETRY)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = network(image, z_in, z_out)
    wanted = network.guess(image, z_in, z_out)
    assert found.dtype == torch.float32
    assert torch.allclose(found, wanted, atol=1e-5 * float(wanted.abs().max()))


@pytest.mark.parametrize("kind", ["unet", "cvae"])
def test_absolute_flux_is_kept(kind):
    image, z_in, z_out = sample()
    network = made(kind)
    with torch.no_grad():
        one, many = network(image, z_in, z_out), network(image * 5e3, z_in, z_out)
    assert torch.allclose(many, 5e3 * one, rtol=1e-3, atol=1e-3 * float(many.abs().max()))


@pytest.mark.parametrize("kind", ["unet", "cvae"])
def test_every_weight_learns_and_a_sample_does_not_depend_on_the_others(kind):
    image, z_in, z_out = sample()
    network = made(kind)
    losses = network.losses(image, 0.5 * image, z_in, z_out, Stream(1).torch())
    sum(losses.values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() and p.grad.any() for p in network.parameters())
    with torch.no_grad():
        together, alone = network(image, z_in, z_out)[1:2], network(image[1:2], z_in[1:2], z_out[1:2])
    assert torch.allclose(together, alone, atol=1e-5 * float(together.abs().max()))


def test_a_unet_takes_any_stamp():
    with torch.no_grad():
        assert made("unet")(*sample(25, 30)).shape == (3, 2, 25, 30)


def test_the_cvae_is_the_published_one():
    network = CvaeRedshifter(Cvae(), 9, Geometry(tuple(range(4000, 13000, 1000))), (60, 60))
    assert network.shapes == [(60, 60), (60, 60), (30, 30), (10, 10), (4, 4)]
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in network.encoder] == [
        (9, 64, 1), (64, 64, 2), (64, 64, 3), (64, 128, 3),
    ]  # fmt: skip
    assert [(c.in_channels, c.out_channels, c.stride[0]) for c in network.decoder] == [
        (128, 64, 3), (64, 64, 3), (64, 64, 2), (64, 9, 1),
    ]  # fmt: skip
    assert network.unfold.in_features == 22
    assert network.decode(torch.zeros(2, 20), torch.ones(2), torch.ones(2)).shape == (2, 9, 60, 60)


def test_the_divergence_is_that_of_two_gaussians():
    network = CvaeRedshifter(Cvae(widths=(4,), strides=(2,), latent=3), 2, GEOMETRY, (24, 24))
    nn.init.zeros_(network.describe.weight)
    network.describe.bias.data = torch.tensor([1.0, 0.0, -2.0, 0.0, 0.5, 0.0])
    image, z_in, z_out = sample()
    found = network.losses(image, image, z_in, z_out, Stream(1).torch())["loss/kl"]
    mean, scale = torch.tensor([1.0, 0.0, -2.0]), torch.tensor([0.0, 0.25, 0.0]).exp()
    gaussians = torch.distributions.Normal(mean, scale), torch.distributions.Normal(0.0, 1.0)
    assert float(found.detach()) == pytest.approx(
        float(torch.distributions.kl_divergence(*gaussians).sum()), rel=1e-5
    )


def test_the_scale_of_a_dark_band_is_held_up():
    image = torch.ones(1, 2, 4, 4) * torch.tensor([1.0, 1e-9])[:, None, None]
    assert band_scale(image, 0.01).flatten().tolist() == pytest.approx([1.0, 0.01])


def test_one_network_is_chosen():
    assert isinstance(RedshifterNetwork(cvae=Cvae()).chosen, Cvae)
    with pytest.raises(ValueError, match="exactly one of unet, cvae"):
        RedshifterNetwork()
    with pytest.raises(ValueError, match="3 widths and 4 strides"):
        Cvae(widths=(1, 2, 3))
