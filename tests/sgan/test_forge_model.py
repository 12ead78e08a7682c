"""A learned sky as two small files: what is written is read, and damage is a sentence."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.train.model_file import description_digest
from mockforge.train.networks import open_model
from tests.builders.tiny_forge import saved_forge, tiny_forge


@pytest.fixture
def path(tmp_path):
    return saved_forge(tmp_path)


def rewritten(path, **changes):
    """The JSON with other values, and the digest that belongs to them."""
    found = json.loads(path.read_text()) | changes
    found["description_sha256"] = description_digest(found)
    path.write_text(json.dumps(found))
    return path


@pytest.mark.parametrize("shaped", [True, False])
def test_a_model_is_the_same_after_its_files(tmp_path, shaped):
    made = tiny_forge(shaped=shaped)
    found = load_model(made.save(tmp_path))
    assert found.sha256 and found.bands == made.bands and found.latent == made.latent
    for name, values in made.arrays().items():
        assert np.array_equal(found.arrays()[name], values), name
    one, two = (Sky(m, 3)[0:48, 0:48].truth for m in (load_model(found.save(tmp_path / "again")), found))
    assert np.array_equal(one, two)
    assert open_model(tmp_path / "tiny.json") is not None


def test_it_says_what_it_is(path):
    model = load_model(path)
    about = model.describe()
    assert (
        "learned morphology, latent of 3" in about["network"] and "every pixel has owners" in about["paints"]
    )
    card = path.with_suffix(".md").read_text()
    assert "| g | " in card and "## Limits" in card and "- source: nothing: nobody trained it" in card
    assert "forge" in repr(model)


def test_damaged_files_are_sentences(path):
    raw = bytearray(path.with_suffix(".safetensors").read_bytes())
    raw[-1] ^= 1
    path.with_suffix(".safetensors").write_bytes(bytes(raw))
    with pytest.raises(InputError, match="sha256 is"):
        load_model(path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"bands": ["g"]}, "should be|one image per band"),
        ({"bands": ["g", "g"]}, "'g' is there twice"),
        ({"pixel_scale_arcsec": -1.0}, "pixel_scale_arcsec"),
        ({"limit_mag": [25.0]}, "one number per band"),
        ({"network": {"forge": {"latent": 5, "width": 8}}}, "latent 5 and width 8 are described"),
        ({"network": {"forge": {"depth": 5}}}, "unknown key"),
    ],
)
def test_absurd_descriptions_are_sentences(path, changes, words):
    with pytest.raises(InputError, match=words):
        load_model(rewritten(path, **changes))


def test_arrays_that_are_not_those_described_are_sentences(path):
    arrays = json.loads(path.read_text())["arrays"]
    with pytest.raises(InputError, match="lacks extra"):
        load_model(rewritten(path, arrays=arrays | {"extra": [3]}))
    with pytest.raises(InputError, match="has psf beside them"):
        load_model(rewritten(path, arrays={k: v for k, v in arrays.items() if k != "psf"}))
    with pytest.raises(InputError, match="arrays: have"):
        load_model(rewritten(path, arrays=arrays | {"extra": [60000, 60000]}))


def test_parts_that_do_not_belong_together_are_sentences():
    made = tiny_forge()
    with pytest.raises(InputError, match="population draws"):
        replace(made, sources=tiny_forge(shaped=False).sources)
    with pytest.raises(InputError, match="is of 1 bands"):
        replace(made, psf=made.psf.band(0))


def test_another_network_is_a_sentence():
    with pytest.raises(InputError, match="expected a SGAN: forge or smith2019"):
        load_model("redshifter")
