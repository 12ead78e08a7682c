"""Model files from anyone: every field closed, typed and bounded, every weight checked, names are names."""

import copy
import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from mockforge.errors import InputError
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.save import save_model
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.tasks.recover.config import Residual
from mockforge.tasks.recover.model import load_recoverer
from mockforge.tasks.redshifter.config import RedshifterNetwork, Unet
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.model import Redshifter, load_redshifter
from mockforge.train.members import Member
from mockforge.train.model_files import bundled_models, write_model
from tests.builders.tiny_forge import saved_forge
from tests.builders.untrained import untrained

ODD = (None, "x", "", -1, 0, 2.5, 1e9, 1e308, 10**30, True, [], {}, [[]], [1], ["a"], {"a": 1}, "../../x")
"""What is put in place of every value of a description."""


@pytest.fixture(scope="module")
def redshifter(tmp_path_factory: pytest.TempPathFactory) -> Path:
    geometry = Geometry((4300.0, 5900.0))
    made = Redshifter(
        name="small", network=RedshifterNetwork(unet=Unet(widths=(4, 6))), bands=("a", "b"),
        geometry=geometry, shape=(32, 32), pixel_scale_arcsec=0.1, redshifts=(0.1, 2.0),
    )  # fmt: skip
    return made.trained(made.network_with_weights(), {"steps": 1}).save(tmp_path_factory.mktemp("model"))


def copied(path: Path, folder: Path, name: str = "m") -> Path:
    """A model's two files under another name, without the digest of the description."""
    found = json.loads(path.read_text())
    del found["description_sha256"]
    out = folder / f"{name}.json"
    out.write_text(json.dumps(found))
    out.with_suffix(".safetensors").write_bytes(path.with_suffix(".safetensors").read_bytes())
    return out


def places(value: object, at: tuple = ()):
    """Every key and the first item of every list below a description."""
    below = value.items() if isinstance(value, dict) else list(enumerate(value))[:1]
    for key, one in below:
        yield (*at, key)
        if isinstance(one, (dict, list)):
            yield from places(one, (*at, key))


def changed(found: dict, at: tuple, value: object) -> dict:
    out = copy.deepcopy(found)
    here = out
    for key in at[:-1]:
        here = here[key]
    if value is ...:
        del here[at[-1]]
    else:
        here[at[-1]] = value
    return out


@pytest.fixture(scope="module")
def described(redshifter: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Small networks under the descriptions of bundled models: quick to load, with every field there is."""
    folder = tmp_path_factory.mktemp("described")
    recoverer = load_recoverer("recover-hsc")
    small = replace(recoverer.network, residual=Residual(widths=(4, 4), fine_width=2))
    recoverer = replace(recoverer, network=small, weights={})
    return {
        "forge": saved_forge(folder / "forge"),
        "smith2019": untrained(folder / "lattice", "published", ("g", "r")),
        "recover": recoverer.trained(recoverer.network_with_weights(), dict(recoverer.training)).save(folder),
        "redshifter": redshifter,
    }


@pytest.mark.parametrize("kind", ["forge", "smith2019", "recover", "redshifter"])
def test_no_field_of_a_description_can_break_a_model(kind: str, tmp_path: Path, described: dict[str, Path]):
    path = copied(described[kind], tmp_path)
    load = {"recover": load_recoverer, "redshifter": load_redshifter}.get(kind, load_model)
    found = json.loads(path.read_text())
    if "arrays" in found:  # as valid, and read in less time: one of each kind
        found["training"] = {}
    refused = 0
    for at in places(found):
        for value in (*ODD, ...):
            path.write_text(json.dumps(changed(found, at, value)))
            try:
                load(path).describe()
            except InputError as error:
                assert str(path) in str(error) or path.stem in str(error)
                refused += 1
    assert refused > 200


def test_what_is_wrong_is_named_with_its_key(tmp_path: Path):
    path = copied(untrained(tmp_path / "lattice", "published", ("g", "r", "Z")), tmp_path)
    found = json.loads(path.read_text())
    for at, value, words in (
        (("name",), "../../x", "name: should be of letters"),
        (
            ("network", "smith2019", "unit_layers"),
            10**9,
            "network.smith2019.unit_layers: should be >= 0 and <= 64",
        ),
        (
            ("network", "smith2019", "widths"),
            [9, 9],
            "network.smith2019.widths: should have 4 items, found 2",
        ),
        (("network", "smith2019", "depth"), 3, "network.smith2019.depth: unknown key"),
        (("instrument", "rms_njy"), [1.0], "bands has 3, instrument.rms_njy has 1"),
        (("instrument", "noise_kernel", 0, 0, 0), 1e6, "noise of rms 1 has rms 1e+06"),
        (("scaling", "high_njy"), [-20.0] * 3, "high_njy should be above low_njy"),
        (("format",), 2, "format: should be 1, found 2"),
        (("unit",), "Jy", "unit: should be 'nJy'"),
        (("bands",), ["g", "g", "Z"], "bands: 'g' is there twice"),
    ):
        path.write_text(json.dumps(changed(found, at, value)))
        with pytest.raises(InputError) as caught:
            load_model(path)
        assert words in str(caught.value), str(caught.value)
    for raw, words in (
        (b'{"name": NaN}', "NaN"),
        (b'{"name": "a", "name": "b"}', "name: is given twice"),
        (b"[" * 100_000, "nested too deeply"),
        (b"[1]", "no description"),
        (b"\xff\xfe", "not a mockforge model"),
        (b"", "not a mockforge model"),
    ):
        path.write_bytes(raw)
        with pytest.raises(InputError, match=words):
            load_model(path)


@pytest.mark.parametrize("make", [saved_forge, lambda folder: untrained(folder, "tiny", ("g", "r"))])
def test_a_number_that_was_changed_is_not_silent(tmp_path: Path, make):
    path = make(tmp_path)
    whole = path.read_text()
    assert '"pixel_scale_arcsec": 0.2' in whole
    path.write_text(whole.replace('"pixel_scale_arcsec": 0.2', '"pixel_scale_arcsec": 0.3'))
    with pytest.raises(InputError, match="damaged or edited"):
        load_model(path)


def ensemble(folder: Path) -> Path:
    """The files of a published network with four members, without the digest of the description."""
    model = load_model(untrained(folder / "one", "one", ("g",)))
    assert isinstance(model, LatticeModel)
    own = model.weights
    members = [Member(k, {"generator": {n: w.clone() for n, w in own.items()}}) for k in (1, 2, 3)]
    several = model.trained(model.painter().generator, {"steps": 4}, members)
    return copied(save_model(several, folder / "four"), folder)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda w: w[..., :0], "expected"),
        (lambda w: w.to(torch.int32), "is of int32, expected floating-point numbers"),
        (lambda w: w.to(torch.complex64), "complex64"),
        (lambda w: torch.full_like(w, torch.nan), "are not finite"),
        (lambda w: w.flatten(), "expected"),
        (None, "lacks 3/layers.0.weight"),
        ("more", "has extra beside them"),
    ],
)
def test_weights_are_those_of_the_network_in_every_member(tmp_path: Path, change, words: str):
    path = ensemble(tmp_path)
    weights = load_file(path.with_suffix(".safetensors"))
    last = "3/layers.0.weight"  # of the last member: the first alone would not show it
    if change is None:
        del weights[last]
    elif change == "more":
        weights["extra"] = torch.zeros(3)
    else:
        weights[last] = change(weights[last]).contiguous()
    save_file(weights, path.with_suffix(".safetensors"))
    digest = hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": digest}))
    with pytest.raises(InputError, match=words):
        load_model(path)


def test_a_file_larger_than_its_network_is_not_read(tmp_path: Path):
    path = copied(bundled_models()["recover-hsc"], tmp_path)
    with path.with_suffix(".safetensors").open("r+b") as stream:
        stream.truncate(10**11)  # sparse: takes no disk
    with pytest.raises(InputError, match="has 100000000000 bytes, its network's weights at most"):
        load_recoverer(path)


def test_nothing_is_written_outside_under_a_models_name(tmp_path: Path):
    for name in ("../x", "a/b", "..", "", "a" * 200):
        with pytest.raises(InputError, match="name of the model"):
            write_model(tmp_path / "in", name, {}, {}, "")
    assert not list(tmp_path.iterdir())


def test_weights_that_are_replaced_are_read_again(tmp_path: Path, redshifter: Path):
    path = copied(redshifter, tmp_path)
    first = load_redshifter(path)
    weights = {k: v + 1 for k, v in first.weights.items()}
    save_file(weights, path.with_suffix(".safetensors"))
    with pytest.raises(InputError, match="the weights are damaged or of another run"):
        load_redshifter(path)


@pytest.mark.parametrize(
    ("factor", "words"), [(1e30, "holds .*e.*, at most 1e\\+12"), (3e8, "are not finite")]
)
def test_weights_that_are_finite_and_paint_what_is_not_are_refused(tmp_path: Path, factor: float, words: str):
    path = ensemble(tmp_path)
    weights = {k: w.float() * factor for k, w in load_file(path.with_suffix(".safetensors")).items()}
    save_file(weights, path.with_suffix(".safetensors"))
    digest = hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest()
    path.write_text(json.dumps(json.loads(path.read_text()) | {"sha256": digest}))
    with pytest.raises(InputError, match=words):
        Sky(path)[0:32, 0:32]
