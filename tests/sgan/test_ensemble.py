"""Several networks of one run as one model."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.rng import Stream
from mockforge.sgan.lattice.config import CriticChoice, CropSizes, GeneratorChoice, PackedCritic, Smith2019
from mockforge.sgan.lattice.ensemble import joined, of_member
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.painter import Scaling
from mockforge.sgan.lattice.prepare import Prepared
from mockforge.sgan.lattice.save import save_model
from mockforge.sgan.lattice.shorten import HARMLESS, shortened
from mockforge.sgan.lattice.training import TrainLattice, make_task
from mockforge.sgan.model import LatticeModel, load_model
from mockforge.sgan.training_field import TrainingField
from mockforge.train.config import TrainConfig
from mockforge.train.loop import fit
from mockforge.train.members import Member, kept_members
from mockforge.train.model_files import training_notes

SMALL = Smith2019(z_channels=4, widths=(8, 8, 8, 8))
INSTRUMENT = Instrument(rms_njy=(5.0,), psf_fwhm_pix=(3.0,), noise_kernel=(((1.0,),),))
RECIPE = TrainLattice(
    name="several",
    field=TrainingField(files=()),
    network=GeneratorChoice(smith2019=SMALL),
    critic=CriticChoice(packed=PackedCritic(widths=(8,))),
    crops=CropSizes(sizes=(32,), batch=2),
    train=TrainConfig(steps=6, members=3, device="cpu", preview_steps=0, checkpoint_minutes=1e-6),
)
Weights = dict[str, torch.Tensor]


def train(folder, **changes) -> LatticeModel:
    """A run of the recipe."""
    noise = Stream(1, ("noise",)).numpy().normal(0, 5, (1, 64, 64)).astype(np.float32)
    ready = Prepared(noise, np.zeros((64, 64), bool), INSTRUMENT, (3.0,), ((-20.0, 20.0),))
    resume = changes.pop("resume", False)
    task = make_task(RECIPE, ready, ("r",), None)
    fit(task, replace(RECIPE.train, **changes), 1, folder, resume=resume)
    return load_model(folder / "several.json")


def weights_of(model: LatticeModel, member: int) -> Weights:
    return dict(model.painter(member).generator.state_dict())


def equal(a: Weights, b: Weights) -> bool:
    """Whether a model's weights are these, or these in float16, as a model keeps them where it may."""
    short = {key: value.half().float() for key, value in b.items()}
    return a.keys() == b.keys() and any(all(torch.equal(a[k], w[k]) for k in a) for w in (b, short))


@pytest.fixture(scope="module")
def ensemble(tmp_path_factory) -> tuple[LatticeModel, object]:
    folder = tmp_path_factory.mktemp("ensemble")
    return train(folder), folder


def test_the_members_are_the_averages_of_their_steps_the_end_first(ensemble, tmp_path):
    model, folder = ensemble
    assert (model.n_members, model.members) == (3, (6, 5, 4))
    alone = train(tmp_path / "alone", members=1)
    assert (alone.n_members, alone.members) == (1, ())
    assert equal(weights_of(model, 0), weights_of(alone, 0))
    kept = {m.step: m.weights["generator"] for m in kept_members(folder, (4, 5))}
    assert equal(weights_of(model, 1), kept[5])
    assert equal(weights_of(model, 2), kept[4])
    assert not equal(kept[4], kept[5])


def test_a_resumed_run_ends_in_the_same_ensemble(ensemble, tmp_path):
    train(tmp_path, minutes=1e-9)  # stops after its first step
    assert train(tmp_path, resume=True).sha256 == ensemble[0].sha256


def test_members_can_be_thinned_after_the_run(ensemble, tmp_path):
    train(tmp_path)
    fewer = train(tmp_path, members=2, members_from=1 / 3, resume=True)
    assert fewer.members == (6, 4)
    assert equal(weights_of(fewer, 1), weights_of(ensemble[0], 2))


def test_a_member_that_is_not_there_is_an_input_error(ensemble, tmp_path):
    with pytest.raises(InputError, match="no member 3; choose 0 to 2"):
        ensemble[0].painter(3)
    with pytest.raises(InputError, match="no member 1; choose 0: it has one"):
        replace(ensemble[0], members=(), weights={}).painter(member=1)
    lost = {key: value for key, value in ensemble[0].weights.items() if not key.startswith("2/")}
    assert of_member(lost, 1, 3, "lost")
    with pytest.raises(InputError, match="weights do not fit"):
        replace(ensemble[0], weights=lost).painter(2)


def test_an_ensemble_says_what_it_is(ensemble):
    model, folder = ensemble
    assert model.describe()["members"] == "3, of steps 4, 5, 6"
    card = (folder / "several.md").read_text()
    assert "- 3 members, the averaged weights of steps 4, 5, 6" in card
    assert "- floating point operations: " in card
    assert 1e6 < model.training["floating_point_operations"] < 1e12
    assert training_notes({"a_rate": 9.89e14, "seed": 0, "hours": 12.345, "source": ""}) == {
        "a rate": "9.89e+14", "seed": "0", "hours": "12.345",
    }  # fmt: skip


def made(weights: Weights | None = None, std: float = 0.2) -> LatticeModel:
    model = LatticeModel("tiny", SMALL, ("r",), INSTRUMENT, Scaling((-20.0,), (2000.0,)))
    network = model.painter().generator
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=std, generator=Stream(2, (parameter.numel(),)).torch())
    if weights:
        network.load_state_dict(weights)
    return model.trained(network, {"steps": 9})


def painted(model: LatticeModel, member: int) -> torch.Tensor:
    painter = model.painter(member)
    first = painter.generator.lost
    side = painter.span(first, 128)
    z = torch.randn(1, painter.generator.z_channels, side, side, generator=Stream(5).torch())
    with torch.no_grad():
        return painter.window(z, first, 128) / INSTRUMENT.rms_njy[0]


def test_a_member_is_stored_short_only_where_that_leaves_its_flux(tmp_path):
    """Large weights lose flux in float16; weights that float16 holds exactly lose none."""
    rough = made()
    exact = made({key: value.half().float() for key, value in rough.weights.items()})
    both = replace(rough, weights=joined([rough.weights, exact.weights]), members=(9, 6))
    stored = shortened(both)
    assert {t.dtype for k, t in stored.weights.items() if k.startswith("0/")} == {torch.float32}
    assert {t.dtype for k, t in stored.weights.items() if k.startswith("1/")} == {torch.float16}
    assert stored.training["weights"].startswith("1 of 2 in float16")
    found = load_model(save_model(stored, tmp_path))
    for member in (0, 1):
        assert (painted(found, member) - painted(both, member)).abs().max() < HARMLESS
    short = made({key: value.half() for key, value in rough.weights.items()})
    assert (painted(short, 0) - painted(rough, 0)).abs().max() > HARMLESS


def test_trained_takes_earlier_averages_in_the_order_of_their_steps():
    a, b = made(), made(std=0.1)
    generator = made(std=0.3).painter().generator
    kept = [Member(3, {"generator": a.weights}), Member(6, {"generator": b.weights})]
    model = a.trained(generator, {"steps": 9}, kept)
    assert model.members == (9, 6, 3)
    assert equal(weights_of(model, 1), dict(b.weights))
    assert equal(weights_of(model, 2), dict(a.weights))
