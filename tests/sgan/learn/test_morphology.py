"""Shapes of bright sources are learned by reconstruction, fluxes exactly kept."""

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.shapes.bright import BrightScene
from mockforge.sgan.learn.shapes.morphology import (
    Morphology,
    MorphologyChoice,
    MorphologyTask,
    learn_morphology,
)
from mockforge.sgan.learn.shapes.shaped import Bodies, Extent, Shaper, by_extent
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.sources.marks import Marks

SIDE, BANDS, NOISE = 480, 2, 10.0
HALF, WINDOW = 24, 64


class Lopsided:
    """A morphology known to the test alone: one side is brighter, by z."""

    def __call__(self, frame, marks, z):
        return (z[:, :1] * torch.tanh(frame.u))[:, None].expand(-1, BANDS, -1)


def galaxies(n, rng):
    grid = (np.arange(8) + 0.5) * SIDE / 8
    places = np.stack(np.meshgrid(grid, grid), -1).reshape(-1, 2)[:n] + rng.uniform(-5, 5, (n, 2))
    e, angle = rng.uniform(0, 0.3, n), rng.uniform(0, np.pi, n)
    return Marks.make(
        *places.T, np.exp(rng.normal(9.5, 0.4, n))[:, None] * np.array([1.0, 1.6]),
        log_radius=rng.normal(0.9, 0.1, n), e1=e * np.cos(2 * angle), e2=e * np.sin(2 * angle),
        log_n=np.full(n, 0.2),
    )  # fmt: skip


def painted(marks, modulation, z, psf):
    body = Bodies.of(marks.replace(z=z))
    with torch.no_grad():
        return Shaper(psf).paint(body, modulation, Extent(HALF), WINDOW).numpy()


def placed(stamps, marks):
    image = np.zeros((BANDS, SIDE, SIDE))
    line = np.arange(WINDOW) - WINDOW // 2
    for stamp, x, y in zip(stamps, np.rint(marks.x), np.rint(marks.y), strict=True):
        rows, columns = (line + int(y)), (line + int(x))
        r, c = (rows >= 0) & (rows < SIDE), (columns >= 0) & (columns < SIDE)
        image[:, rows[r][:, None], columns[c][None]] += stamp[:, r][:, :, c]
    return image


@pytest.fixture(scope="module")
def scene():
    rng = np.random.default_rng(1)
    marks, psf = galaxies(64, rng), PixelPsf.from_moffat([3.0] * BANDS, side=65)
    z = 0.8 * rng.normal(size=(len(marks), 1))
    truth = painted(marks, Lopsided(), z, psf)
    plain = painted(marks, None, z, psf)
    image = placed(truth, marks) + NOISE * rng.normal(size=(BANDS, SIDE, SIDE))
    noise = np.full((BANDS, SIDE, SIDE), NOISE, np.float32)
    shown = placed(plain, marks).astype(np.float32)
    free = np.zeros((SIDE, SIDE), bool)
    return (
        BrightScene(image.astype(np.float32), free, noise, np.zeros(BANDS), shown, marks, psf),
        truth,
        plain,
    )


CHOICE = MorphologyChoice(latent=2, width=12, steps=120, batch_pixels=40_000)


@pytest.fixture(scope="module")
def learned(scene, tmp_path_factory):
    return learn_morphology(scene[0], CHOICE, 1, tmp_path_factory.mktemp("morphology"))


def test_an_injected_asymmetry_is_recovered_also_where_the_network_did_not_learn(scene, learned):
    field, truth, plain = scene
    made = learned.applied(field.marks)
    light = painted(made, learned.modulation, made.z, field.psf)
    for some in (learned.held_out, ~learned.held_out):
        assert ((light - truth)[some] ** 2).sum() < 0.3 * ((plain - truth)[some] ** 2).sum()
    facts = learned.facts
    smooth, learned_too = (
        facts[f"chi2 per pixel, held out, {k}"] for k in ("smooth profiles", "with morphology")
    )
    assert smooth > 1.5 and learned_too - 1 < 0.4 * (smooth - 1)
    assert facts["sources"] == 64 and 0 < learned.held_out.sum() < 32
    assert learned.picture.dtype == np.uint8 and learned.picture.shape[2] == 3


def test_fluxes_are_kept_in_every_band(scene, learned):
    field = scene[0]
    made = learned.applied(field.marks)
    assert made.shaped.all()
    light = painted(made, learned.modulation, 3 * made.z, field.psf).sum((2, 3), dtype=np.float64)
    np.testing.assert_allclose(light, made.flux, rtol=1e-5)


def test_what_was_learned_survives_a_file(scene, learned):
    back = Morphology.from_arrays(learned.to_arrays(), BANDS)
    np.testing.assert_array_equal(back.z, learned.z)
    np.testing.assert_array_equal(back.held_out, learned.held_out)
    marks = learned.applied(scene[0].marks)
    images = [painted(marks, m.modulation, marks.z, scene[0].psf) for m in (back, learned)]
    np.testing.assert_array_equal(*images)


def test_held_out_sources_do_not_move_the_network(scene):
    task = MorphologyTask(scene[0], CHOICE, 1)
    task.to("cpu")
    task.held_out[:] = True
    table = task.networks["shapes"]
    torch.nn.init.normal_(table.modulation.last.weight)
    rows = torch.from_numpy(task.classes[0].rows)
    task._light(table, rows, task.classes[0]).sum().backward()
    assert all(p.grad is None or not p.grad.any() for p in table.modulation.parameters())
    assert table.z.grad.any()


def test_masked_pixels_and_those_off_the_field_have_no_weight(scene):
    field = scene[0]
    mask = field.mask.copy()
    mask[:100] = True
    masked = MorphologyTask(BrightScene(**{**vars(field), "mask": mask}), CHOICE, 1)
    some = next(c for c in masked.classes if (field.marks.y[c.rows] < 40).any())
    edge = int(np.argmin(field.marks.y[some.rows]))
    assert not some.weight[edge, :, : some.side // 2].any()


def test_too_few_bright_sources_is_a_sentence(scene, tmp_path):
    few = BrightScene(**{**vars(scene[0]), "marks": scene[0].marks.rows(slice(0, 5))})
    with pytest.raises(InputError, match="5 galaxies are bright enough"):
        learn_morphology(few, CHOICE, 1, tmp_path)


def test_a_fresh_network_changes_nothing_and_sizes_grow_with_radius():
    rng = np.random.default_rng(2)
    marks, psf = galaxies(4, rng), PixelPsf.from_moffat(3.0, bands=BANDS, side=65)
    z = rng.normal(size=(4, 3))
    plain, fresh = (painted(marks, m, z, psf) for m in (None, Modulation(BANDS, 3)))
    np.testing.assert_allclose(fresh, plain, atol=1e-4 * plain.max())
    sizes = by_extent(
        marks.replace(log_radius=np.array([-1.0, 1.0, 2.0, 5.0]), e1=np.zeros(4), e2=np.zeros(4))
    )
    assert [rows.tolist() for _, rows in sizes] == [[0], [1], [2], [3]]
    assert sizes[0][0].fine == 2 and sizes[1][0].fine == 1  # what is narrow is sampled more finely


def test_the_trainer_paints_what_the_painter_paints():
    rng = np.random.default_rng(3)
    marks, psf = galaxies(8, rng), PixelPsf.from_moffat([2.8, 3.4], side=65)
    marks = marks.replace(z=rng.normal(size=(8, 3)), shaped=np.arange(8) != 1, star=np.arange(8) == 2)
    network = Modulation(BANDS, 3)
    with torch.no_grad():
        network.last.weight.normal_(0, 0.6, generator=torch.Generator().manual_seed(1))
        ours = Shaper(psf).stamps(marks, network, 63).numpy()
    theirs = SourcePainter(psf, network, 1.0).paint_on(marks, 64)[..., 1:, 1:]
    plain = SourcePainter(psf, None, 1.0).paint_on(marks, 64)[..., 1:, 1:]
    assert np.abs(theirs - plain).max() > 0.02 * theirs.max()
    np.testing.assert_allclose(
        ours, theirs, atol=0.02 * theirs.max()
    )  # half as many samples, not other light
