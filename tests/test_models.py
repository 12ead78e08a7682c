"""The models that come with mockforge: complete, small, and as good as their cards say."""

import numpy as np

from mockforge.info import about
from mockforge.recover.demo import demonstrate
from mockforge.recover.grid import upsampled
from mockforge.recover.model import load_recoverer
from mockforge.train.model_files import bundled_models, network_kind

LARGEST = 8e6
"""Bytes of weights."""


def test_every_bundled_model_is_whole_and_small():
    known = bundled_models()
    assert "kids-viking" in known
    for name, path in known.items():
        assert f"model: {name}".split() == about(name)[0].split()
        assert path.with_suffix(".safetensors").stat().st_size < LARGEST
        assert path.with_suffix(".md").read_text().startswith(f"# {name}\n")


def test_bundled_models_recover_more_than_interpolation_shows():
    import torch

    for name, path in bundled_models().items():
        if network_kind(path) != "residual":
            continue
        model, gains = load_recoverer(name), []
        for seed in range(6):
            found = demonstrate(model, seed=seed)
            base = upsampled(torch.from_numpy(found.image)[None], model.scales.fine, found.step)[0].numpy()
            errors = [np.square(image - found.truth).mean() for image in (base, found.recovered)]
            gains.append(10 * np.log10(errors[0] / errors[1]))
        assert np.mean(gains) > 5, f"{name}: {gains} dB"
