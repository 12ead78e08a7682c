"""The adversarial stage moves shapes towards the real ones, and nothing else; unequal sky stops it."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from mockforge.rng import Stream
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.shapes import features
from mockforge.sgan.learn.shapes.ablation import Variant, ablation
from mockforge.sgan.learn.shapes.adversarial import (
    AdversarialChoice,
    AdversarialTask,
    Compared,
    Painter,
    ToldOnSky,
    copied,
)
from mockforge.sgan.learn.shapes.cutouts import CutoutRule, Cutouts, painted_cutouts
from mockforge.sgan.learn.shapes.refine import refine, same_sky
from mockforge.sgan.learn.shapes.shaped import Shaper
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.sources.marks import Marks

RULE = CutoutRule(2.6, (8.0, 10.0), side=33)
PSF = PixelPsf.from_moffat([2.6, 2.6], side=65)
CHOICE = AdversarialChoice(
    steps=30, check_steps=15, batch=32, checked_sources=200, draws=2, rate_generator=5e-3, rate_critic=5e-3
)


def drawn(n, rng, z):
    e, angle = rng.uniform(0, 0.3, n), rng.uniform(0, np.pi, n)
    return Marks.make(
        *rng.uniform(-0.5, 0.5, (2, n)), np.exp(rng.normal(9.3, 0.4, n))[:, None] * np.array([1.0, 1.5]),
        log_radius=rng.normal(0.5, 0.1, n), e1=e * np.cos(2 * angle), e2=e * np.sin(2 * angle),
        log_n=np.zeros(n), z=z, shaped=np.ones(n, bool), mirrored=rng.random(n) < 0.5,
    )  # fmt: skip


class Draw:
    """Sources whose z is far too quiet: the real ones' has another scatter and mean."""

    def __init__(self, scatter=0.1, mean=0.0):
        self.scatter, self.mean = scatter, mean
        self.rows = drawn(200, np.random.default_rng(3), self._z(200, np.random.default_rng(4)))

    def _z(self, n, rng):
        return self.mean + self.scatter * rng.normal(size=(n, 2))

    def __call__(self, n, stream, z=None):
        rng = stream.numpy()
        chosen = (self.rows.z if z is None else z)[rng.integers(0, len(self.rows), n)]
        return drawn(n, rng, chosen)


def sky(n, rng, level=0.0, rms=1.0):
    side = RULE.stamp_side
    noise = torch.from_numpy(rng.normal(size=(n, 2, side, side))).float()
    pixels = level + rms * noise * torch.tensor(RULE.noise_njy)[:, None, None]
    return Cutouts(pixels, *rng.uniform(0, 2000, (2, n)), np.arange(n))


@pytest.fixture(scope="module")
def modulation():
    network = Modulation(2, 2, 8)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for p in network.parameters():
            p.copy_(0.7 * torch.randn(p.shape, generator=generator))
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def compared(modulation):
    rng = np.random.default_rng(5)
    marks = Draw(scatter=0.7, mean=1.5)(400, Stream(6))
    with torch.no_grad():
        light = Shaper(PSF).stamps(marks, modulation, RULE.stamp_side)
    real = painted_cutouts(light, sky(400, rng), RULE, Stream(7))
    return Compared(RULE, real, sky(300, rng), sky(500, rng), (0.0, 0.0))


@pytest.fixture(scope="module")
def refined(compared, modulation, tmp_path_factory):
    draw = Draw()
    return refine(compared, draw, PSF, draw.rows, modulation, CHOICE, 1, tmp_path_factory.mktemp("stage6"))


def test_a_wrong_distribution_of_z_moves_towards_the_real_one(compared, refined):
    assert refined.helped, refined.facts["verdict"]
    assert refined.facts["feature AUC after"] < refined.facts["feature AUC before"] - 0.03
    assert refined.facts["critic of pixels"] == "no"
    table = refined.facts["feature AUC, part by part"]
    assert [r["painted"] for r in table] == [
        "real against real", "smooth profiles", "with morphology", "with the critic"
    ]  # fmt: skip
    assert refined.picture.dtype == np.uint8 and refined.picture.ndim == 3


def test_fluxes_do_not_move(refined):
    marks = Draw()(30, Stream(8), refined.z)
    with torch.no_grad():
        light = Shaper(PSF).stamps(marks, refined.modulation, 121).double().sum((2, 3)).numpy()
        plain = Shaper(PSF).stamps(marks, None, 121).double().sum((2, 3)).numpy()
    np.testing.assert_allclose(light, plain, rtol=2e-4)


@pytest.mark.slow
def test_a_stopped_run_goes_on_and_ends_with_the_same_verdict(compared, modulation, refined, tmp_path):
    draw = Draw()
    short = replace(CHOICE, steps=15)
    refine(compared, draw, PSF, draw.rows, modulation, short, 1, tmp_path)
    again = refine(compared, draw, PSF, draw.rows, modulation, CHOICE, 1, tmp_path)
    assert again.facts["checks"] == refined.facts["checks"]
    np.testing.assert_array_equal(again.z, refined.z)


def test_what_does_not_help_is_not_kept(modulation, tmp_path):
    rng, draw = np.random.default_rng(9), Draw()
    with torch.no_grad():
        light = Shaper(PSF).stamps(draw(300, Stream(6)), modulation, RULE.stamp_side)
    same = Compared(
        RULE, painted_cutouts(light, sky(300, rng), RULE, Stream(7)), sky(200, rng), sky(300, rng), ()
    )
    choice = replace(CHOICE, steps=10, check_steps=10, patience=1, rate_generator=0.1, light_curve=0.0)
    out = refine(same, draw, PSF, draw.rows, modulation, choice, 1, tmp_path)
    assert not out.helped and out.modulation is modulation and out.z is draw.rows.z
    assert "stage 5's" in out.facts["verdict"]


def test_unequal_sky_is_seen_before_training_and_while(compared, modulation):
    assert same_sky(compared, Stream(1)) < 0.6
    rng = np.random.default_rng(10)
    louder = replace(compared, sky=sky(500, rng, rms=1.3))
    with pytest.raises(ToldOnSky, match="source-free sky"):
        same_sky(louder, Stream(1))
    task = AdversarialTask(louder, Draw(), PSF, modulation, CHOICE)
    critics = task.networks["critic"]
    assert abs(AdversarialTask(compared, Draw(), PSF, modulation, CHOICE).check_sky(critics, 3) - 0.5) < 0.1
    units = critics.features.units(task.compared.measured(task._bare(Stream(2))[0]))
    first, last = critics.features.layers[0], critics.features.layers[4]
    with torch.no_grad():  # a critic that has learned how rough the sky is
        first.weight.zero_()
        first.weight[:, [features.feature_names(2).index(f"{k}.peakiness") for k in range(2)]] = 1.0
        first.bias.zero_()
        critics.features.layers[2].weight.abs_()
        last.weight.abs_()
    assert torch.isfinite(units).all()
    with pytest.raises(ToldOnSky, match="step 7: on source-free sky"):
        task.check_sky(critics, 7)


def test_a_level_of_the_sky_is_no_difference(compared):
    raised = replace(compared, sky=sky(500, np.random.default_rng(11), level=500.0))
    assert same_sky(raised, Stream(1)) < 0.6  # the same background rule on both sides takes it off


def test_the_light_curve_is_held(compared, modulation):
    task = AdversarialTask(compared, Draw(), PSF, modulation, CHOICE)
    marks = Draw()(40, Stream(3))
    with torch.no_grad():
        light = task.shaper.stamps(marks, modulation, RULE.stamp_side)
        plain = task.shaper.stamps(marks, None, RULE.stamp_side)
    assert float(task._held(light, light, marks)) == 0.0
    assert float(task._held(light, plain, marks)) > 1.0


def test_many_sources_have_a_critic_of_pixels_too(compared, modulation):
    task = AdversarialTask(compared, Draw(), PSF, modulation, replace(CHOICE, pixels_above=100, batch=8))
    assert (
        len(task.networks["critic"](task.networks["critic"].units(task.real[:3], compared.real.pixels[:3])))
        == 2
    )
    for phase in ("critic", "generator"):
        assert all(torch.isfinite(v) for v in task.losses(phase, Stream(1)).values())


def test_a_painter_begins_with_what_it_was_given_and_the_ablation_tells_variants_apart(compared, modulation):
    draw = Draw()
    painter = Painter(copied(modulation))
    np.testing.assert_allclose(painter.latents(draw.rows), draw.rows.z, atol=1e-6)
    true = Draw(scatter=0.7, mean=1.5)
    variants = {"physics": Variant(None), "true": Variant(modulation, true.rows.z)}
    rows = ablation(compared, draw, PSF, variants, Stream(2), n=200, draws=1)
    assert [r["painted"] for r in rows] == ["real against real", "physics", "true"]
    floor, physics, truth = (r["logistic AUC"] for r in rows)
    assert physics > 0.7 and abs(truth - floor) < 0.15
