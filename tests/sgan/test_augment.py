"""Adaptive augmentation: what it does to a crop, and how its probability follows the discriminator."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.config import (
    AdversarialLoss,
    CriticChoice,
    CropSizes,
    Forge,
    GeneratorChoice,
    InstrumentChoice,
    PatchCritic,
)
from mockforge.sgan.learn.prepare import prepare
from mockforge.sgan.learn.training import TrainSgan, make_task
from mockforge.sgan.model import load_model
from mockforge.sgan.networks import augment
from mockforge.sgan.networks.augment import BATCHES, CROPS, HIGHEST, TARGET, Augment, moved
from mockforge.sgan.training_field import Cut, TrainingField
from mockforge.train.adversarial import decisions
from mockforge.train.config import TrainConfig

NONE = np.zeros((1, 2))


def noise(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=Stream(3, ("crops",)).torch())


def star(y: float, x: float, size: int = 64, fwhm: float = 3.0) -> torch.Tensor:
    """A Gaussian (1, 1, size, size) of peak 1 at (y, x) from the centre."""
    place = torch.arange(size) - (size - 1) / 2
    r2 = (place[:, None] - y) ** 2 + (place - x) ** 2
    return torch.exp(-r2 / (2 * (fwhm / 2.3548) ** 2))[None, None]


@pytest.mark.parametrize("size", [64, 96])
def test_a_constant_field_stays_constant(size):
    flat = torch.full((3, 2, size, size), 5.0)
    seen = moved(flat, np.array([0.0, 45.0, -31.0]), np.array([[0.5, -0.3], [0.0, 0.0], [0.2, 0.4]]))
    assert torch.allclose(seen, flat, rtol=1e-3)


@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_quarter_turns_are_exact(turns):
    crop = noise(1, 2, 64, 64)
    wanted = torch.rot90(crop, turns, (-2, -1))
    assert torch.allclose(moved(crop, np.array([90.0 * turns]), NONE), wanted, atol=1e-5)


def test_half_quarter_turns_add_up_to_a_quarter_turn():
    crop = star(9.0, -4.0) + 0.5 * star(-6.0, -11.0)
    twice = moved(moved(crop, np.array([45.0]), NONE), np.array([45.0]), NONE)
    assert torch.allclose(twice, torch.rot90(crop, 1, (-2, -1)), atol=1e-3)


@pytest.mark.parametrize("angle", [10.0, -45.0, 130.0, 200.0])
def test_a_star_goes_where_turn_and_shift_take_it(angle):
    t, (y, x), (dy, dx) = np.deg2rad(angle), (10.3, -15.2), (0.4, -0.25)
    seen = moved(star(y, x), np.array([angle]), np.array([[dy, dx]]))
    wanted = star(y * np.cos(t) - x * np.sin(t) + dy, y * np.sin(t) + x * np.cos(t) + dx)
    assert torch.allclose(seen, wanted, atol=1e-3)


def test_a_shift_moves_the_centroid_by_its_amount():
    shift = np.array([[0.37, -0.21]])
    before, after = star(2.0, -5.0)[0, 0], moved(star(2.0, -5.0), np.zeros(1), shift)[0, 0]
    place = torch.arange(64.0)
    for axis, wanted in enumerate(shift[0]):
        a, b = ((image.sum(1 - axis) * place).sum() / image.sum() for image in (after, before))
        assert float(a - b) == pytest.approx(wanted, abs=1e-3)


def test_white_noise_stays_white_and_keeps_its_rms():
    crops = noise(16, 3, 96, 96)
    seen = moved(crops, np.linspace(-45, 45, 16), np.full((16, 2), 0.5))
    assert float(seen.std()) == pytest.approx(float(crops.std()), rel=0.01)
    for lag in (seen[..., 1:] * seen[..., :-1], seen[..., 1:, :] * seen[..., :-1, :]):
        assert abs(float(lag.mean())) < 0.01


def test_gradients_flow_back_as_through_a_linear_map():
    crops, weight = noise(2, 1, 32, 32).requires_grad_(), torch.ones(2, 1, 32, 32)
    weight[:, :, :, :10] = 3.0
    angle, shift = np.array([30.0, -12.0]), np.array([[0.1, 0.2], [0.0, -0.4]])
    seen = (moved(crops, angle, shift) * weight).sum()
    (slope,) = torch.autograd.grad(seen, crops)
    assert float((slope * crops.detach()).sum()) == pytest.approx(float(seen.detach()), rel=1e-4)
    assert (slope.abs().amax(dim=(1, 2, 3)) > 0.5).all()


def sure(share: float, patches: int = 100) -> list[torch.Tensor]:
    """Logits of two scales, of which this share is positive."""
    one = torch.where(torch.arange(patches) < share * patches, 0.7, -0.2)
    return [one, 10 * one]


def test_the_probability_follows_the_mean_sign_of_the_logits():
    made, batch = Augment(), 8
    for _ in range(3 * BATCHES):
        made.follow(sure(1.0), batch)
    up = 3 * BATCHES * batch / CROPS
    assert float(made.p) == pytest.approx(up)
    for _ in range(BATCHES):  # a mean sign of 0.5, below the target
        made.follow(sure(0.75), batch)
    assert float(made.p) == pytest.approx(2 * up / 3)
    for _ in range(5 * BATCHES):
        made.follow(sure(0.5), batch)
    assert float(made.p) == 0.0
    for _ in range(2 * BATCHES):
        made.follow(sure(1.0), CROPS)
    assert float(made.p) == pytest.approx(HIGHEST)
    assert TARGET == 0.6


def test_a_relativistic_discriminator_decides_by_how_far_real_lies_above_generated():
    real, fake = [torch.tensor([-3.0, -1.0])], [torch.tensor([-2.5, -1.5])]
    assert decisions("hinge", real, fake)[0].sign().tolist() == [-1, -1]
    assert decisions("relativistic", real, fake)[0].sign().tolist() == [-1, 1]


def test_as_many_crops_change_as_the_probability_says_and_no_global_state_does():
    made, crops = Augment(), noise(200, 1, 32, 32)
    before = torch.get_rng_state(), repr(np.random.get_state())  # noqa: NPY002
    assert made(crops, Stream(1)) is crops
    made.p.fill_(0.3)
    seen = made(crops, Stream(1))
    changed = (seen != crops).flatten(1).any(dim=1)
    assert float(changed.float().mean()) == pytest.approx(1 - 0.7**2, abs=0.1)
    assert torch.equal(seen[~changed], crops[~changed])
    assert torch.equal(seen, made(crops, Stream(1)))
    assert not torch.equal(seen, made(crops, Stream(2)))
    assert torch.equal(before[0], torch.get_rng_state())
    assert before[1] == repr(np.random.get_state())  # noqa: NPY002


def small_field() -> np.ndarray:
    """Two bands of 160 pixels with a few stars."""
    image = 10 * Stream(2, ("small",)).numpy().standard_normal((2, 160, 160), dtype=np.float32)
    for y, x in Stream(2, ("stars",)).numpy().uniform(10, 150, (12, 2)):
        image += 900 * star(y - 79.5, x - 79.5, 160)[0].numpy()
    return image


def recipe(**crops) -> TrainSgan:
    return TrainSgan(
        name="tiny",
        field=TrainingField(files=("small.fits",), cut=Cut(background_mesh=64)),
        network=GeneratorChoice(
            forge=Forge(z_channels=4, widths=(8, 8, 8, 8), dilations=(1,), density=False)
        ),
        critic=CriticChoice(patch=PatchCritic(widths=(8, 8), packed=2)),
        crops=CropSizes(sizes=(32, 64), batch=4, **crops),
        loss=AdversarialLoss(r1=0.1, r1_every=2),
        train=TrainConfig(steps=5, device="cpu", log_steps=1, preview_steps=100),
    )


def task_of(made: TrainSgan):
    ready = prepare(small_field(), None, made.field.cut, made.instrument)
    return make_task(made, ready, ("g", "r"), 0.2)


class Certain(torch.nn.Module):
    """A discriminator of a single mind: its logits, whatever it sees, have this share above 0."""

    packed = 1

    def __init__(self, share: float) -> None:
        super().__init__()
        self.share = share

    def forward(self, x: torch.Tensor, condition: torch.Tensor | None = None) -> list[torch.Tensor]:
        return [logit + 0 * x.sum() for logit in sure(self.share)]


@pytest.mark.parametrize(("share", "rises"), [(1.0, True), (0.5, False)])
def test_it_sets_in_where_a_small_field_is_learned_by_heart(share, rises):
    task = task_of(recipe(augment="adaptive"))
    task.critic, task.loss = Certain(share), AdversarialLoss()
    losses = [task.losses("critic", Stream(7, ("step", i))) for i in range(2 * BATCHES)]
    assert float(losses[0]["augment/p"]) == 0.0
    assert (float(losses[-1]["augment/p"]) > 0.0) is rises


def test_a_discriminator_that_is_balanced_trains_as_without():
    with_it, without = (task_of(recipe(augment=kind)) for kind in ("adaptive", "none"))
    for phase in ("critic", "generator"):
        a, b = (task.losses(phase, Stream(1)) for task in (with_it, without))
        assert all(torch.equal(a[key], b[key]) for key in b)
    assert with_it.augment is not None
    with_it.augment.p.fill_(0.8)
    a, b = (task.losses("generator", Stream(1)) for task in (with_it, without))
    assert a["loss/generator"] != b["loss/generator"]
    a["loss/generator"].backward()
    slopes = [p.grad.abs().sum() for p in with_it.painter.generator.parameters() if p.grad is not None]
    assert torch.stack(slopes).isfinite().all()
    assert torch.stack(slopes).sum() > 0


@pytest.fixture
def files(tmp_path):
    from mockforge.field.field import Field

    Field(small_field(), ("g", "r"), pixel_scale_arcsec=0.2).write(tmp_path / "small.fits")
    return tmp_path


def eager(monkeypatch) -> None:
    """Make the probability rise at once, whatever the discriminator: as published it takes 100,000 crops."""
    monkeypatch.setattr(augment, "TARGET", -2.0)
    monkeypatch.setattr(augment, "CROPS", 16)
    monkeypatch.setattr(augment, "BATCHES", 2)


def test_a_resumed_augmented_gan_is_the_uninterrupted_one(files, monkeypatch):
    eager(monkeypatch)
    made = recipe(augment="adaptive")
    made = replace(made, field=replace(made.field, folder=str(files)), crops=replace(made.crops, sizes=(32,)))
    whole = load_model(made.run(files / "whole"))
    assert whole.training["augmentation_probability"] > 0.3
    replace(made, train=replace(made.train, steps=3)).run(files / "parts")  # between two steps of p
    parts = load_model(made.run(files / "parts", resume=True))
    assert parts.sha256 == whole.sha256
    assert (files / "parts/log.csv").read_text() == (files / "whole/log.csv").read_text()
    assert "augment/p" in (files / "whole/log.csv").read_text().splitlines()[0]


def test_a_run_begun_before_it_existed_goes_on_without_it(files):
    made = recipe()
    made = replace(made, field=replace(made.field, folder=str(files)), train=replace(made.train, steps=1))
    checkpoint = torch.load(made.run(files / "run").parent / "checkpoint.pt", weights_only=True)
    assert not [key for key in checkpoint["networks"]["critic"] if "augment" in key]
    record = json.loads((files / "run/run.json").read_text())
    del record["crops"]["augment"], record["instrument"]["saturation_njy"]
    (files / "run/run.json").write_text(json.dumps(record))
    other = replace(made, crops=replace(made.crops, augment="adaptive"))
    with pytest.raises(InputError, match=r"\(crops.augment: none -> adaptive\)"):
        other.run(files / "run", resume=True)
    more = replace(made, train=replace(made.train, steps=2))
    assert load_model(more.run(files / "run", resume=True)).training["steps"] == 2


def test_a_saturation_is_in_the_field_and_in_what_is_painted():
    image = small_field()
    for given, most in ((400.0, (400.0, 400.0)), ((0.0, 300.0), (np.inf, 300.0))):
        ready = prepare(image, None, Cut(background_mesh=64), InstrumentChoice(saturation_njy=given))
        assert ready.instrument.saturation_njy == most
        free = prepare(image, None, Cut(background_mesh=64), InstrumentChoice())
        assert np.array_equal(ready.image, np.minimum(free.image, np.array(most, np.float32)[:, None, None]))
        stored = json.loads(json.dumps(ready.instrument.to_json(), allow_nan=False))
        assert type(ready.instrument).from_json(stored) == ready.instrument
        side = 20 + 2 * ready.instrument.noise_radius
        bright, white = torch.full((1, 2, 20, 20), 2000.0), torch.zeros(1, 2, side, side)
        seen = ready.instrument.tensors().observe(bright, white)
        assert seen.amax(dim=(0, 2, 3)).tolist() == [min(m, 2000.0) for m in most]
    assert free.instrument.saturation_njy == ()
    with pytest.raises(InputError, match="has 3 numbers, the field 2 bands"):
        prepare(image, None, Cut(background_mesh=64), InstrumentChoice(saturation_njy=(1.0, 2.0, 3.0)))
