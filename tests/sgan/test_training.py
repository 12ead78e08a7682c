"""From a user's FITS bands to a trained model."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.rng import Stream
from mockforge.sgan.lattice.config import (
    AdamPair,
    AdversarialLoss,
    CriticChoice,
    CropSizes,
    GeneratorChoice,
    PackedCritic,
    Smith2019,
)
from mockforge.sgan.lattice.crops import FieldCrops
from mockforge.sgan.lattice.prepare import prepare
from mockforge.sgan.lattice.training import TrainLattice, make_task
from mockforge.sgan.model import load_model
from mockforge.sgan.paint.sky import Sky
from mockforge.sgan.training_field import Cut, TrainingField
from mockforge.train.config import TrainConfig

FWHM = (3.0, 4.0)
RMS = (10.0, 20.0)


def starfield(size: int = 400) -> np.ndarray:
    """Stars of known FWHM on white noise of known rms, two bands."""
    rng = Stream(4, ("stars",)).numpy()
    image = np.stack([rng.normal(0, rms, (size, size)) for rms in RMS])
    y, x = np.mgrid[:size, :size]
    for xc, yc in rng.uniform(15, size - 15, (50, 2)):
        flux = rng.uniform(1e4, 6e4)
        near = np.s_[max(int(yc) - 14, 0) : int(yc) + 15, max(int(xc) - 14, 0) : int(xc) + 15]
        for band, fwhm in zip(image, FWHM, strict=True):
            s = fwhm / 2.3548
            r2 = (x[near] - xc) ** 2 + (y[near] - yc) ** 2
            band[near] += flux / (2 * np.pi * s * s) * np.exp(-r2 / (2 * s * s))
    return image.astype(np.float32) + 50.0


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """Two aligned bands in one FITS file, with an unusable corner."""
    folder = tmp_path_factory.mktemp("field")
    mask = np.zeros((400, 400), dtype=bool)
    mask[:40, :40] = True
    Field(starfield(), ("g", "r"), pixel_scale_arcsec=0.2, mask=mask).write(folder / "field.fits")
    return folder


def recipe(files: Path, **changes) -> TrainLattice:
    made = TrainLattice(
        name="tiny",
        seed=1,
        field=TrainingField(files=("field.fits",), folder=str(files), cut=Cut(rows=(0, 300))),
        network=GeneratorChoice(smith2019=Smith2019(z_channels=4, widths=(8, 8, 8, 8))),
        critic=CriticChoice(packed=PackedCritic(widths=(8, 8))),
        crops=CropSizes(sizes=(32, 64), batch=4),
        train=TrainConfig(steps=3, device="cpu", log_steps=1, preview_steps=2),
    )
    return replace(made, **changes)


def test_noise_psf_and_background_of_a_field_are_measured():
    found = prepare(starfield(), None, Cut())
    assert found.instrument.rms_njy == pytest.approx(RMS, rel=0.03)
    assert found.psf_fwhm_pix == pytest.approx(FWHM, rel=0.05)
    assert abs(np.median(found.image)) < 0.5
    centre = [k[4][4] for k in found.instrument.noise_kernel]
    assert centre == pytest.approx([1.0, 1.0], abs=0.01)  # white


def test_cut_holds_out_rows_masks_columns_and_saturated_stars():
    image = starfield()
    found = prepare(image, None, Cut(rows=(50, 350), masked_columns=((100, 120),)))
    assert found.image.shape == (2, 300, 400)
    assert found.mask[:, 100:120].all()
    masked = prepare(image, None, Cut(mask_peaks_above=3000.0, mask_grow=4))
    kept = np.where(masked.mask, 0.0, masked.image)
    assert image.max() > 3000 > kept.max()
    turned_by = prepare(image, None, Cut(rotate_deg=30.0))
    assert turned_by.image.shape[1] > 500
    assert 0.3 < turned_by.mask.mean() < 0.6
    with pytest.raises(InputError, match="rows"):
        prepare(image, None, Cut(rows=(0, 900)))


def test_crops_avoid_masked_pixels_and_come_in_every_orientation():
    image = np.arange(100 * 80, dtype=np.float32).reshape(1, 100, 80)
    mask = np.zeros((100, 80), dtype=bool)
    mask[50, 40] = True
    crops = FieldCrops(np.where(mask, -1e9, image), mask, (32,))
    turns = Stream(1, ("turn",)).numpy().integers(0, 8, 200)
    drawn = crops.draw(32, crops.places(32, 200, Stream(1)), turns)
    assert drawn.min() >= 0
    assert {int(d[0, 0, 1] - d[0, 0, 0]) for d in drawn} == {1, -1, 80, -80}
    with pytest.raises(InputError, match="smaller than crops"):
        FieldCrops(image, mask, (96,))
    with pytest.raises(InputError, match="free of masked"):
        FieldCrops(image, np.ones_like(mask), (32,))


def test_training_ends_in_a_model_a_sky_can_use(files, tmp_path):
    path = recipe(files).run(tmp_path / "run", recipe_text="# a recipe\n")
    model = load_model(path)
    assert model.bands == ("g", "r")
    assert model.psf_fwhm_arcsec == pytest.approx([f * 0.2 for f in FWHM], rel=0.1)
    assert model.training["steps"] == 3
    assert Sky(path, 1)[0:64, 0:64].image.shape == (2, 64, 64)
    assert (tmp_path / "run" / "recipe.yaml").read_text() == "# a recipe\n"
    with pytest.raises(InputError, match="--resume"):
        recipe(files).run(tmp_path / "run")


def test_a_resumed_gan_is_the_uninterrupted_one(files, tmp_path):
    whole = load_model(recipe(files).run(tmp_path / "whole"))
    recipe(files, train=replace(recipe(files).train, steps=1)).run(tmp_path / "parts")
    parts = load_model(recipe(files).run(tmp_path / "parts", resume=True))
    assert parts.sha256 == whole.sha256
    assert (tmp_path / "parts/log.csv").read_text() == (tmp_path / "whole/log.csv").read_text()


@pytest.mark.parametrize("kind", ["relativistic", "non_saturating"])
def test_the_published_network_trains_too(files, tmp_path, kind):
    published = recipe(
        files,
        loss=AdversarialLoss(kind=kind, r1=1.0),
        adam=AdamPair(rate_generator=2e-4, rate_critic=2e-4, beta1=0.5, beta2=0.999),
        crops=CropSizes(sizes=(64,), batch=4, equal_pixels=False),
    )
    model = load_model(published.run(tmp_path / "run"))
    assert not model.clean
    field = Sky(model, 1)[0:64, 0:64]
    assert field.truth is None
    for band, low, high in zip(field.image, model.scaling.low_njy, model.scaling.high_njy, strict=True):
        assert low <= band.min() < band.max() <= high


def test_the_published_network_is_trained_on_the_published_z(files):
    made = recipe(
        files,
        network=GeneratorChoice(smith2019=Smith2019(z_channels=4, widths=(8, 8, 8, 8))),
        critic=CriticChoice(packed=PackedCritic(widths=(8, 8))),
        crops=CropSizes(sizes=(64,), batch=4, equal_pixels=False),
    )
    ready = prepare(starfield(), None, Cut())
    task = make_task(made, ready, ("g", "r"), 0.2)
    seen = []
    task.generator.register_forward_pre_hook(lambda _, inputs: seen.append(tuple(inputs[0].shape)))
    for size, cells in ((64, 4), (128, 8), (256, 16)):
        assert task.fakes(size, 2, Stream(1)).shape == (2, 2, size, size)
        assert seen[-1] == (2, 4, cells, cells)


def test_what_cannot_be_trained_on_is_an_input_error(files, tmp_path):
    spec = recipe(files).field
    with pytest.raises(InputError, match="no such file"):
        recipe(files, field=replace(spec, files=("none.fits",), sha256=("0" * 64,))).run(tmp_path / "a")
    with pytest.raises(InputError, match="download it again"):
        recipe(files, field=replace(spec, sha256=("0" * 64,))).run(tmp_path / "a")
    with pytest.raises(InputError, match="smaller than crops"):
        recipe(files, crops=CropSizes(sizes=(512,))).run(tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_a_resume_with_another_recipe_says_what_changed(files, tmp_path):
    made = recipe(files)
    with pytest.raises(InputError, match="nothing to resume"):
        made.run(tmp_path / "none", resume=True)
    assert not (tmp_path / "none").exists()
    made.run(tmp_path / "run")
    other = replace(made, crops=replace(made.crops, batch=3), train=replace(made.train, steps=5, log_steps=2))
    with pytest.raises(InputError, match=r"\(crops.batch: 4 -> 3\)"):
        other.run(tmp_path / "run", resume=True)


def test_a_device_this_machine_lacks_is_an_input_error(files, tmp_path):
    absent = replace(recipe(files).train, device="cuda:99")
    with pytest.raises(InputError, match="use auto or cpu"):
        recipe(files, train=absent).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_the_bundled_recipe_takes_a_step(tmp_path):
    """With its own networks and losses, on a small field in place of the real one."""
    from mockforge.recipe.bundled import bundled_recipes
    from mockforge.recipe.read import load_training

    field = np.concatenate([starfield(160), starfield(160)[:1]])
    for i, band in enumerate(field):
        Field(band[None], (f"b{i}",), pixel_scale_arcsec=0.2).write(tmp_path / f"b{i}.fits")
    cut = "{rows: null, columns: null, masked_columns: [], rotate_deg: 0, background_mesh: 64}"
    made, _ = load_training(
        bundled_recipes()["train_smith2019"],
        [f"field.folder={tmp_path}", "field.files=[b0.fits, b1.fits, b2.fits]", f"field.cut={cut}",
         "crops.sizes=[64]", "crops.batch=2", "train.steps=1", "train.device=cpu"],
    )  # fmt: skip
    assert load_model(made.run(tmp_path / "run")).training["steps"] == 1


def test_training_may_begin_with_the_weights_of_another_model(files, tmp_path):
    first = recipe(files).run(tmp_path / "first")
    weights = load_model(first).weights
    same = recipe(files, start_from=str(first)).task().generator.state_dict()
    assert all(torch.equal(weights[k].float(), v) for k, v in same.items())
    cut = TrainingField(files=("field.fits",), folder=str(files), extensions=("g",), bands=("g",))
    other = recipe(files, field=cut, start_from=str(first)).task()
    state = other.generator.state_dict()
    assert torch.equal(state["layers.0.weight"], weights["layers.0.weight"].float())
    assert str(other.model.training["started_from"]).startswith("tiny (")
    wider = GeneratorChoice(smith2019=Smith2019(z_channels=4, widths=(12, 12, 12, 12)))
    with pytest.raises(InputError, match="at least half are required"):
        recipe(files, network=wider, start_from=str(first)).task()
