"""The published generator and discriminator."""

import pytest
import torch

from mockforge.sgan.lattice.config import PackedCritic, Smith2019
from mockforge.sgan.lattice.networks import PackedDiscriminator, Smith2019Generator
from mockforge.train.model_files import count_parameters


def test_the_published_network_has_its_published_size():
    assert count_parameters(Smith2019Generator(Smith2019(), 3)) == 1_582_851


@pytest.mark.slow
def test_the_published_network_paints_3232_pixels_from_202_cells():
    generator = Smith2019Generator(Smith2019(), 3).eval()
    with torch.no_grad():
        assert generator(torch.randn(1, 50, 202, 202)).shape == (1, 3, 3232, 3232)


def test_depth_of_the_published_networks_is_configuration():
    deeper = Smith2019Generator(Smith2019(unit_layers=3), 3)
    assert count_parameters(deeper) == 1_582_851 + sum(16 * w * w + w for w in (128, 64, 32))
    assert deeper(torch.randn(1, 50, 4, 4)).shape == (1, 3, 64, 64)
    five = PackedDiscriminator(PackedCritic(widths=(32, 64, 128, 256, 256)), 3)
    assert five(torch.randn(4, 3, 64, 64))[0].shape == (2, 1)


def test_zero_padding_reaches_no_farther_than_the_halo():
    generator = Smith2019Generator(Smith2019(z_channels=4, widths=(8, 8, 8, 8)), 1).double().eval()
    z = torch.randn(1, 4, 14, 14, dtype=torch.float64)
    with torch.no_grad():
        whole, part = generator(z), generator(z[:, :, 1:-1, 1:-1])
    lost = generator.lost
    assert torch.allclose(whole[..., 16 + lost : -16 - lost, 16 + lost : -16 - lost],
                          part[..., lost:-lost, lost:-lost], atol=1e-7)  # fmt: skip
