"""The models that come with mockforge: complete, small, and as good as their cards say."""

import numpy as np

from mockforge.commands.info import about
from mockforge.commands.recover_demo import demonstrate
from mockforge.evaluate.report.relative_errors import lit, misplaced_light, total_flux
from mockforge.recipe import load
from mockforge.rng import Stream
from mockforge.tasks.recover.grid import upsampled
from mockforge.tasks.recover.model import load_recoverer
from mockforge.tasks.redshifter.geometry import FirstGuess
from mockforge.tasks.redshifter.model import load_redshifter, predict
from mockforge.train.model_files import bundled_models, network_kind
from tests.builders.batches import samples

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


def test_the_bundled_redshifter_learned_more_than_its_first_guess():
    """On galaxies of another seed than those it learned: total flux, and where the light lies."""
    import torch

    model, images = load_redshifter("redshifter"), 32
    recipe = load("redshift_pairs", ["seed=11"])
    batch = samples(images, splits=recipe.splits, split="test")
    for entry in recipe.stages:
        batch = entry.stage(batch, Stream(11, (entry.name,)))
    image, truth, z_in, z_out = (batch.arrays[name] for name in ("input", "target", "z_in", "z_out"))
    assert batch.attributes["bands"] == model.bands and image.shape[2:] == model.shape
    about_it = model.bands, image[0], batch.attributes["psf_fwhm_in_arcsec"], 0.5, 1.5
    assert not list(model.learned.departures(*about_it))
    guess = FirstGuess(model.geometry)(*(torch.from_numpy(v) for v in (image, z_in, z_out))).numpy()
    flux = total_flux(truth)
    errors = [
        [np.median(e[lit(flux)]) for e in (np.abs(total_flux(made) / flux - 1), misplaced_light(made, truth))]
        for made in (predict(model, image, z_in, z_out), guess)
    ]
    assert (np.array(errors[0]) < 0.8 * np.array(errors[1])).all(), errors
