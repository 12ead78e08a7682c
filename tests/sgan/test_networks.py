"""The two generators and their discriminators."""

from dataclasses import replace

import pytest
import torch

from mockforge.sgan.config import Forge, PackedCritic, PatchCritic, Smith2019
from mockforge.sgan.networks.forge import CELL, up
from mockforge.sgan.networks.make import count_parameters, make_critic, make_generator

SMALL = Forge(z_channels=8, widths=(16, 12, 8, 8), dilations=(1, 2), density=False)


def test_the_published_network_has_its_published_size():
    assert count_parameters(make_generator(Smith2019(), 3)) == 1_582_851


@pytest.mark.slow
def test_the_published_network_paints_3232_pixels_from_202_cells():
    generator = make_generator(Smith2019(), 3).eval()
    with torch.no_grad():
        assert generator(torch.randn(1, 50, 202, 202)).shape == (1, 3, 3232, 3232)


def test_depth_of_the_published_networks_is_configuration():
    deeper = make_generator(Smith2019(unit_layers=3), 3)
    assert count_parameters(deeper) == 1_582_851 + sum(16 * w * w + w for w in (128, 64, 32))
    assert deeper(torch.randn(1, 50, 4, 4)).shape == (1, 3, 64, 64)
    five = make_critic(PackedCritic(widths=(32, 64, 128, 256, 256)), 3)
    assert five(torch.randn(4, 3, 64, 64))[0].shape == (2, 1)


@pytest.mark.parametrize("spec", [SMALL, replace(SMALL, dilations=(1,), detail_layers=0)])
def test_forge_loses_what_it_says(spec):
    generator = make_generator(spec, 2)
    z = torch.randn(1, generator.z_channels, 2 * generator.halo + 3, 2 * generator.halo + 2)
    assert generator(z).shape == (1, 2, 3 * CELL, 2 * CELL)


def test_forge_pixels_depend_on_position_and_not_on_the_window():
    generator = make_generator(SMALL, 2).double().eval()
    side = 2 * generator.halo + 4
    z = torch.randn(1, generator.z_channels, side + 5, side + 5, dtype=torch.float64)
    whole = _paint(generator, z)
    part = _paint(generator, z[:, :, 2 : 2 + side, 3 : 3 + side])
    n = part.shape[-1]
    there = whole[:, :, 2 * CELL : 2 * CELL + n, 3 * CELL : 3 * CELL + n]
    assert torch.allclose(part, there, atol=1e-6)


def test_a_cell_is_felt_over_more_than_256_pixels():
    generator = make_generator(Forge(z_channels=2, fine_channels=(1, 1), widths=(2, 2, 2, 2)), 1).double()
    assert generator.receptive_field == make_generator(Forge(), 1).receptive_field > 256
    side = 2 * generator.halo + 2 * (generator.halo + 1) + 1
    z = torch.randn(1, generator.z_channels, side, side, dtype=torch.float64)
    moved = z.clone()
    moved[:, :, side // 2, side // 2] += 1.0
    with torch.no_grad():
        there = torch.nonzero((generator(z) != generator(moved))[0, 0])
    assert ((there.amax(0) - there.amin(0) + 1) > 256).all()


def test_doubling_prints_no_lattice():
    """Neighbours within an element and across two are equally alike, within 10% (bilinear: 1.5)."""
    x = torch.randn(1, 1, 3, 20_000, dtype=torch.float64).expand(1, 1, 3, 20_000)
    line = up(x)[0, 0, 0]
    within = (line[0::2] * line[1::2]).mean()
    across = (line[1:-1:2] * line[2::2]).mean()
    assert within / across == pytest.approx(1.1, abs=0.03)


def test_density_is_the_last_channel_of_a_conditioned_network():
    generator = make_generator(replace(SMALL, density=True), 1).eval()
    z = torch.randn(1, generator.z_channels, 2 * generator.halo + 2, 2 * generator.halo + 2)
    crowded = z.clone()
    crowded[:, -1] = 2.0
    assert generator.z_channels == make_generator(SMALL, 1).z_channels + 1
    assert not torch.equal(generator(z), generator(crowded))


def test_the_patch_critic_sees_a_condition():
    critic = make_critic(PatchCritic(widths=(8, 16), scales=(1,)), 3, conditions=1)
    x = torch.randn(2, 3, 32, 32)
    a, b = (critic(x, torch.full((2, 1), v))[0] for v in (-1.0, 1.0))
    assert a.shape == (2, 1, 8, 8)
    assert not torch.equal(a, b)


def test_forge_reaches_no_further_than_its_halo():
    generator = make_generator(SMALL, 1).eval()
    h = generator.halo
    z = torch.randn(1, generator.z_channels, 2 * h + 1, 2 * h + 1)
    moved = z.clone()
    moved[:, :, h, h] += 1.0
    assert not torch.equal(generator(z), generator(moved))
    wide = torch.randn(1, generator.z_channels, 2 * h + 3, 2 * h + 3)
    far = wide.clone()
    far[:, :, 0, 0] += 1.0  # beyond the halo of the last cell
    assert torch.equal(generator(wide)[..., -CELL:, -CELL:], generator(far)[..., -CELL:, -CELL:])


def test_the_patch_critic_sees_every_scale():
    critic = make_critic(PatchCritic(widths=(8, 16), scales=(1, 4), packed=2), 3)
    one, four = critic(torch.randn(6, 3, 64, 64))
    assert one.shape == (3, 1, 16, 16)
    assert four.shape == (3, 1, 4, 4)


def _paint(generator, z):
    with torch.no_grad():
        return generator(z)
