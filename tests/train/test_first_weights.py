"""Networks begin with the weights of a stream, and nothing draws from torch's global generator."""

import torch
from torch import nn

from mockforge.rng import Stream
from mockforge.sgan.model import load_model
from mockforge.train.first_weights import first_weights
from mockforge.train.model_files import with_weights
from tests.builders.tiny_forge import saved_forge
from tests.builders.untrained import untrained


def layer(stream: Stream) -> torch.Tensor:
    with first_weights(stream):
        return nn.Linear(3, 4).weight.detach()


def test_first_weights_are_those_of_the_stream_and_leave_the_global_state():
    before = torch.get_rng_state()
    a, b = Stream(1, ("weights",)), Stream(2, ("weights",))
    assert torch.equal(layer(a), layer(a))
    assert not torch.equal(layer(a), layer(b))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_trained_network_is_made_without_a_draw(tmp_path):
    state = nn.Linear(3, 4).state_dict()
    paths = (saved_forge(tmp_path), untrained(tmp_path / "published", "published", ("g",)))
    before = torch.get_rng_state()
    made = with_weights(lambda: nn.Linear(3, 4), state, "tiny")
    assert torch.equal(made.weight, state["weight"])
    assert [load_model(path).describe()["model"] for path in paths] == ["tiny", "published"]
    assert torch.equal(torch.get_rng_state(), before)
