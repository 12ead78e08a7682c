"""What the detector finds on a scene agrees with what went into it."""

from __future__ import annotations

import numpy as np
import pytest

import mockforge

WORDS = [
    "samples=2", "shard_size=1", "splits={train: 1.0}", "stages.scene.tile=640", "stages.scene.stars=null",
    "save={image: float32}",
]  # fmt: skip


@pytest.mark.slow
def test_counts_colours_and_sizes_come_back(tmp_path):
    folder = mockforge.build("scene_xdf_like", tmp_path / "out", WORDS, workers=1, quiet=1)
    dataset = mockforge.load(folder)
    true, found = dataset.table("objects"), dataset.table("catalogue")
    magnitude = 31.4 - 2.5 * np.log10(np.asarray(true["true_flux_F814W"]))
    alone = (np.asarray(true["blendedness"]) < 0.05) & np.asarray(true["inside"], dtype=bool)
    bright = alone & (magnitude < 28.0)
    assert bright.sum() > 50
    assert np.asarray(true["detected"], dtype=bool)[bright].mean() > 0.97
    matched = found[np.asarray(found["true_label"]) > 0]
    flux = {b: np.asarray(matched[f"flux_{b}"]) for b in ("F606W", "F814W")}
    real = {b: np.asarray(matched[f"true_flux_{b}"]) for b in ("F606W", "F814W")}
    used = (real["F814W"] > 10 ** (0.4 * (31.4 - 27.0))) & (flux["F606W"] > 0) & (flux["F814W"] > 0)
    assert used.sum() > 40
    colour = [-2.5 * np.log10(f["F606W"][used] / f["F814W"][used]) for f in (flux, real)]
    assert np.median(colour[0] - colour[1]) == pytest.approx(0.0, abs=0.05)
    lost = -2.5 * np.log10(flux["F814W"][used] / real["F814W"][used])
    assert 0.0 < np.median(lost) < 0.2  # Kron apertures miss the wings
