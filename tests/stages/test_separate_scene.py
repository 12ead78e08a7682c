"""What is separated on a noiseless parametric sky is what was painted there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

import mockforge
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.stages.scene import SceneTiles
from tests.benchmarks.truth import against_painted, scene
from tests.builders.batches import samples


def test_bright_galaxies_come_back_with_their_flux() -> None:
    stage = SceneTiles(
        bands=("F606W", "F814W"), psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.12)), tile=256, margin=32,
        faintest=27.0, brightest=22.0, noise=Noise(rms_njy=0.15), edge_mag_arcsec2=31.0, overlap=8,
    )  # fmt: skip
    found = against_painted(stage(samples(2), Stream(3)), step=12.0)
    assert found.objects[0] >= 20
    assert found.detected[0] > 0.9 and found.missed[0] == 0.0 and found.pure[0] > 0.85
    assert found.flux_error[0] == pytest.approx(0.0, abs=0.03) and found.flux_scatter[0] < 0.15


@pytest.mark.slow
def test_a_crowded_deep_field_comes_back() -> None:
    """To the field's 5 sigma depth: four in five alone, none missed, fluxes without bias."""
    found = against_painted(scene(640, 2))
    deep = (found.edges[:-1] >= 22.0) & (found.edges[1:] <= 30.0)
    number = found.objects[deep]
    assert number.sum() > 300
    assert (found.detected[deep] > 0.7).all() and (found.missed[deep] < 0.01).all()
    assert (found.detected[deep] * number).sum() / number.sum() > 0.8
    pure = (found.pure * found.detections)[deep].sum() / found.detections[deep].sum()
    assert pure > 0.93
    enough = deep & np.isfinite(found.flux_error)
    assert np.abs(found.flux_error[enough]).max() < 0.05 and found.flux_scatter[enough].max() < 0.3


def test_the_card_of_the_recipe_has_the_table(tmp_path) -> None:
    words = ["samples=4", "shard_size=2", "stages.sgan.tile=128"]
    folder = mockforge.build("segmentation", tmp_path / "out", words, workers=1, quiet=1)
    card = (folder / "README.md").read_text()
    assert "## Completeness and purity of the labels" in card and "`instances_visible`" in card
    with Image.open(folder / "preview.png") as picture:
        assert picture.width > 4 * 256 > 2 * picture.width / 3  # image, labels, truth, labels of the truth
    dataset = mockforge.load(folder)
    objects, catalogue = dataset.table("objects"), dataset.table("catalogue")
    assert len(objects) > len(catalogue) > 0
    visible = set(np.unique(dataset[0]["instances_visible"])) - {0}
    assert visible <= set(objects["label"][objects["sample"] == 0])  # some are hidden, or below the isophote
    assert (np.asarray(objects["detected"]) | objects["blended"] | objects["missed"]).all()
    real = catalogue["true_label"] > 0
    assert real.mean() > 0.8 and np.isfinite(catalogue["true_flux_r"][real]).all()
