"""The learned modulation: fluxes stay, wings stay, the frame turns with the source, files are checked."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.sgan.light.frame import FADED, Shapes, frame_of, reach
from mockforge.sgan.light.modulation import (
    ACHROMATIC,
    CHROMATIC,
    Modulation,
    coordinates,
    light_curve,
    marks_features,
    modulated,
)
from mockforge.sgan.light.stamps import stamps

HALF = 24


def _network(scale: float = 0.5) -> Modulation:
    torch.manual_seed(1)
    network = Modulation(bands=3)
    torch.nn.init.normal_(network.last.weight, 0, scale)
    return network.requires_grad_(False)


def _shapes(turn: float = 0.0, mirrored: bool = False, e: float = 0.3, place: float = 0.2) -> Shapes:
    angle = 0.4 + turn
    values = (place, -place, np.log(3.0), e * np.cos(2 * angle), e * np.sin(2 * angle), 0.0)
    return Shapes(*(torch.tensor([v], dtype=torch.float32) for v in values), torch.tensor([mirrored]))


def _painted(network: Modulation, shapes: Shapes, seed: int = 5) -> tuple[torch.Tensor, torch.Tensor]:
    flux = torch.full((len(shapes), 3), 2000.0)
    features = marks_features(flux, shapes.log_radius, shapes.e1, shapes.e2, shapes.log_n)
    z = torch.randn(len(shapes), network.latent, generator=torch.Generator().manual_seed(seed))
    plain, frame = stamps(*shapes.marks, HALF), frame_of(shapes, HALF)
    return plain, modulated(plain, network(frame, features, z), frame.fade)


def test_an_untrained_network_changes_nothing() -> None:
    plain, shaped = _painted(Modulation(3), _shapes())
    assert torch.allclose(shaped, plain[:, None].expand_as(shaped), atol=1e-8)


def test_flux_of_each_band_stays_and_wings_stay() -> None:
    plain, shaped = _painted(_network(), _shapes())
    assert (shaped[0] - plain).abs().max() > 0.1 * plain.max()
    np.testing.assert_allclose(shaped.sum((2, 3))[0], np.full(3, float(plain.sum())), rtol=2e-6)
    outside = (frame_of(_shapes(), HALF).radius > FADED).view_as(plain)
    assert outside.any()
    assert torch.equal(shaped[0][:, outside[0]], plain[0][outside[0]].expand(3, -1))
    assert shaped.min() >= 0


def test_the_factor_is_bounded_and_colours_have_no_mean() -> None:
    frame = frame_of(_shapes(), HALF)
    network = _network(40.0)
    log = network(frame, torch.zeros(1, 6), torch.zeros(1, network.latent))
    assert log.abs().max() <= ACHROMATIC + 2 * CHROMATIC
    assert log.mean(dim=1).abs().max() <= ACHROMATIC + 1e-6


def test_half_a_turn_of_the_angle_and_a_quarter_turn_of_the_sky() -> None:
    network = _network()
    image = _painted(network, _shapes(place=0.0))[1][0]
    turned = _painted(network, _shapes(turn=np.pi / 2, place=0.0))[1][0]
    back = torch.rot90(turned, 1, (1, 2))  # +x towards +y is downwards: a turn of -90 degrees of the picture
    other = torch.rot90(back, 2, (1, 2))  # an ellipse has two ends: which is the first, its angle cannot say
    assert min((back - image).abs().max(), (other - image).abs().max()) < 1e-4 * image.max()


def test_parity_mirrors() -> None:
    network = _network()
    along = Shapes(*(torch.tensor([v]) for v in (0.0, 0.0, 1.0, 0.3, 0.0, 0.0)), torch.tensor([False]))
    image = _painted(network, along)[1][0]
    mirrored = _painted(network, Shapes(*along.marks, torch.tensor([True])))[1][0]
    assert (mirrored.flip(1) - image).abs().max() < 1e-5 * image.max()
    assert (mirrored - image).abs().max() > 1e-2 * image.max()


def test_the_same_source_on_a_finer_grid() -> None:
    network = _network()
    coarse, fine = _shapes(), replace(_shapes(place=0.4), log_radius=torch.tensor([np.log(6.0)]).float())
    a, b = frame_of(coarse, 20), frame_of(fine, 40, softening=1.4)
    every = torch.arange(81 * 81).view(81, 81)[::2, ::2].flatten()
    assert (a.u - b.u[:, every]).abs().max() < 1e-5
    assert (a.fade - b.fade[:, every]).abs().max() < 1e-5
    assert network(a, torch.zeros(1, 6), torch.zeros(1, 6)).shape == (1, 3, 41 * 41)


def test_reach_holds_all_that_is_modulated() -> None:
    shapes = _shapes(e=0.5)
    half = int(torch.ceil(reach(shapes.log_radius, shapes.e1, shapes.e2)).item()) + 1
    frame = frame_of(shapes, half)
    ring = frame.fade.view(2 * half + 1, -1)
    assert torch.cat([ring[0], ring[-1], ring[:, 0], ring[:, -1]]).max() == 0


def test_round_and_pointlike_sources_have_finite_derivatives() -> None:
    values = [torch.zeros(2, requires_grad=True) for _ in range(6)]
    shapes = Shapes(*values, torch.tensor([False, True]))
    network = _network().requires_grad_(True)
    _, shaped = _painted(network, shapes)
    shaped.square().sum().backward()
    assert all(torch.isfinite(v.grad).all() for v in values)
    assert coordinates(shapes.dx[:, None], shapes.dy[:, None]).isfinite().all()


def test_company_changes_rounding_at_most() -> None:
    network = _network()
    many = Shapes(*(torch.rand(30, generator=torch.Generator().manual_seed(i)) * 0.5 for i in range(6)),
                  torch.zeros(30, dtype=torch.bool))  # fmt: skip
    frame = frame_of(many, 9)
    marks, z = torch.randn(30, 6), torch.randn(30, 6)
    together, alone = network(frame, marks, z), network(frame.rows(slice(4, 5)), marks[4:5], z[4:5])
    assert (together[4] - alone[0]).abs().max() < 1e-5


def test_light_curve_of_what_is_brightened_inside() -> None:
    shapes = _shapes()
    plain, frame = stamps(*shapes.marks, HALF), frame_of(shapes, HALF)
    log = torch.where(frame.radius < 1, 0.5, 0.0)[:, None].expand(-1, 3, -1)
    edges = torch.tensor([0.0, 1.0, 2.0, 3.0, 7.0])
    change = light_curve(plain, modulated(plain, log, frame.fade), frame, edges).change()[0, 0]
    assert change[0] > 0.15 and change[1] < -0.1
    assert change[0] - change[1] == pytest.approx(0.5, abs=1e-3)


def test_through_a_file_and_back() -> None:
    network = _network()
    arrays = network.to_arrays()
    again = Modulation.from_arrays(arrays, bands=3)
    frame = frame_of(_shapes(), 8)
    marks, z = torch.ones(1, 6), torch.ones(1, 6)
    assert torch.equal(again(frame, marks, z), network(frame, marks, z))
    with pytest.raises(InputError, match=r"second\.weight should"):
        Modulation.from_arrays(arrays | {"modulation.second.weight": np.zeros((3, 3))}, bands=3)
    with pytest.raises(InputError, match="another model"):
        Modulation.from_arrays(arrays, bands=40)
    with pytest.raises(InputError, match="missing"):
        Modulation.from_arrays({}, bands=3)
    with pytest.raises(InputError, match="not finite"):
        Modulation.from_arrays(arrays | {"modulation.last.bias": np.full(4, np.nan)}, bands=3)
