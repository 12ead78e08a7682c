"""Floating-point operations: what is counted is what a network computes."""

from contextlib import nullcontext
from dataclasses import replace

import pytest
import torch
from torch import nn

from mockforge.train.cost import Cost, Operations, peak_rate
from mockforge.train.loop import fit
from tests.builders.tiny_training import SETTINGS, Line, rows


def operations(layer: nn.Module, image: torch.Tensor) -> tuple[int, int]:
    """Of the forward pass, and of forward and backward."""
    with Operations() as once:
        layer(image)
    with Operations() as whole:
        layer(image).sum().backward()
    return once.total, whole.total


@pytest.mark.parametrize("groups", [1, 2, 8])
@pytest.mark.parametrize("transposed", [False, True])
def test_a_convolution_costs_each_weight_at_each_place(groups, transposed):
    kind = nn.ConvTranspose2d if transposed else nn.Conv2d
    layer = kind(8, 16, 3, stride=2, groups=groups)
    image = torch.randn(5, 8, 11, 13, requires_grad=True)
    places = 11 * 13 if transposed else layer(image).shape[2] * layer(image).shape[3]
    forward = 2 * 5 * places * (8 * 16 // groups) * 9
    assert operations(layer, image) == (forward, 3 * forward)  # the image's and the weights' gradient
    assert operations(layer, image.detach()) == (forward, 2 * forward)


def test_a_matrix_product_and_a_gradient_penalty_are_counted():
    layer = nn.Linear(6, 4)
    x = torch.randn(3, 6, requires_grad=True)
    assert operations(layer, x) == (2 * 3 * 6 * 4, 3 * 2 * 3 * 6 * 4)
    net = nn.Sequential(nn.utils.parametrizations.spectral_norm(nn.Conv2d(2, 4, 3)), nn.Conv2d(4, 1, 3))
    image = torch.randn(2, 2, 9, 9, requires_grad=True)
    with Operations() as plain:
        net(image).sum().backward()
    with Operations() as penalised:
        made = net(image)
        (slope,) = torch.autograd.grad(made.sum(), image, create_graph=True)
        (slope.pow(2).sum() + made.sum()).backward()
    assert penalised.total > 1.5 * plain.total


def test_steps_between_counted_ones_cost_the_mean_of_the_last():
    cost, layer, made = Cost(), nn.Linear(10, 10, bias=False), 0.0
    for step in range(30):
        with cost.step(step):
            layer(torch.zeros(1 + step % 2, 10))
        made += 200 * (1 + step % 2)
    assert len(cost.counts) == 16
    assert cost.operations == made
    record = cost.record(10.0, torch.device("cpu"), 2, True)
    assert record == {"seconds": 10.0, "floating_point_operations": 2 * made}
    assert peak_rate(torch.device("cpu"), True) is None


def test_a_known_gpu_gives_the_fraction_of_its_peak(monkeypatch):
    # of the hardware: no test needs a GPU
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H200")
    record = Cost(operations=9.89e14).record(10.0, torch.device("cuda"), 1, True)
    assert record["fraction_of_peak"] == pytest.approx(0.1)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "another card")
    assert "fraction_of_peak" not in Cost(operations=1.0).record(10.0, torch.device("cuda"), 1, True)


def test_counting_changes_no_loss_and_survives_a_resume(tmp_path, monkeypatch):
    counted, uncounted = Line(), Line()
    fit(counted, SETTINGS, 3, tmp_path / "counted")
    assert counted.history["floating_point_operations"] > 0
    fit(Line(), replace(SETTINGS, steps=5), 3, tmp_path / "parts")
    resumed = Line()
    fit(resumed, SETTINGS, 3, tmp_path / "parts", resume=True)
    cost = "floating_point_operations"
    assert resumed.history[cost] == counted.history[cost]
    monkeypatch.setattr(Cost, "step", lambda self, step: nullcontext())  # no setting leaves it out
    fit(uncounted, SETTINGS, 3, tmp_path / "uncounted")
    assert rows(tmp_path / "uncounted") == rows(tmp_path / "counted")
