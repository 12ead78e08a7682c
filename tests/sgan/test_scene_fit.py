"""The scene fit: what is recovered of known sources, what it says of its errors, masks, blends, a resume."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.learn.field import LearnField, learn_field
from mockforge.sgan.learn.fit.fitted import FittedScene
from mockforge.sgan.learn.fit.picture import fit_picture
from mockforge.sgan.learn.fit.stage import CHECKPOINT, SceneFit, fit_scene
from mockforge.sgan.learn.fit.windows import SceneImage, windows
from mockforge.sgan.sources.marks import Marks
from mockforge.sgan.training_field import Cut

SIDE, RMS = 256, 12.0


def seeing(*fwhm: float) -> PixelPsf:
    return PixelPsf.from_moffat(fwhm, 3.0, bands=len(fwhm), side=65)


def population(n: int, bands: int, rng: np.random.Generator, star: float = 0.15) -> Marks:
    """Sources all over a field of 256 px, 60 to 2000 rms of a pixel bright."""
    flux = 1500.0 * 30.0 ** rng.random(n)
    colour = np.exp(rng.normal(0, 0.4, (n, bands)))
    e1, e2 = np.clip(rng.normal(0, 0.2, (2, n)), -0.45, 0.45)
    return Marks.make(
        *rng.uniform(8, SIDE - 8, (2, n)),
        flux[:, None] * colour / colour.mean(1, keepdims=True),
        log_radius=np.log(1.6) + rng.normal(0, 0.4, n) + 0.15 * np.log(flux / 5000),
        e1=e1, e2=e2, log_n=np.clip(np.log(1.3) + rng.normal(0, 0.35, n), -0.6, 1.5),
        star=rng.random(n) < star,
    )  # fmt: skip


def painted(marks: Marks, psf: PixelPsf, side: int = SIDE) -> np.ndarray:
    shape = np.stack([marks.x, marks.y, np.where(marks.star, -1.9, marks.log_radius), marks.e1, marks.e2,
                      marks.log_n], axis=1)  # fmt: skip
    groups = windows(torch.from_numpy(shape), np.full(len(marks), 160), marks.bands)
    image = SceneImage(psf, side, side)
    return image.paint(torch.from_numpy(shape), torch.from_numpy(marks.flux), groups).numpy()


def observed(
    clean: np.ndarray, rng: np.random.Generator, mask: np.ndarray | None = None, fwhm: tuple[float, ...] = ()
) -> LearnField:
    image = (clean + rng.normal(0, RMS, clean.shape)).astype(np.float32)
    return learn_field(Field(image, tuple("grizY"[: len(image)]), mask=mask), Cut(), fwhm or None)


def matched(scene: FittedScene, truth: Marks, within: float = 1.5) -> tuple[np.ndarray, np.ndarray]:
    """Rows of true sources that have a good fitted one near, and its rows."""
    apart = np.hypot(scene.marks.x[:, None] - truth.x, scene.marks.y[:, None] - truth.y)
    nearest = apart.argmin(0)
    found = (apart.min(0) < within) & scene.good[nearest] & (scene.snr[nearest] > 10)
    return np.flatnonzero(found), nearest[found]


def alone(marks: Marks, than: float) -> np.ndarray:
    apart = np.hypot(marks.x[:, None] - marks.x, marks.y[:, None] - marks.y)
    return np.sort(apart, axis=1)[:, 1] > than


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> tuple[Marks, LearnField, FittedScene]:
    rng = np.random.default_rng(3)
    truth, psf = population(55, 2, rng), seeing(2.8, 3.6)
    field = observed(painted(truth, psf), rng)
    return truth, field, fit_scene(field, psf, SceneFit(), tmp_path_factory.mktemp("crowd"))


def test_marks_are_recovered_within_the_errors_that_are_stated(crowd) -> None:
    truth, _, scene = crowd
    true, own = matched(scene, truth)
    assert len(true) > 45
    keep = alone(truth, 9.0)[true]
    true, own = true[keep], own[keep]
    galaxy = ~truth.star[true] & ~scene.marks.star[own]
    fitted, wanted = scene.marks.rows(own), truth.rows(true)
    pulls = {
        "flux": ((fitted.flux - wanted.flux) / scene.flux_err[own]).ravel(),
        "radius": ((fitted.log_radius - wanted.log_radius) / scene.log_radius_err[own])[galaxy],
        "e1": ((fitted.e1 - wanted.e1) / scene.e_err[own])[galaxy],
        "e2": ((fitted.e2 - wanted.e2) / scene.e_err[own])[galaxy],
        "n": ((fitted.log_n - wanted.log_n) / scene.log_n_err[own])[galaxy],
        "x": (fitted.x - wanted.x) / scene.place_err[own],
    }
    for name, pull in pulls.items():
        width = 0.5 * np.subtract(*np.quantile(pull, [0.84, 0.16]))
        assert 0.6 < width < 1.5, name
        assert abs(np.median(pull)) < 0.8, name


def test_stars_are_told_from_galaxies_and_the_residual_is_noise(crowd) -> None:
    truth, field, scene = crowd
    true, own = matched(scene, truth)
    assert (scene.marks.star[own] == truth.star[true]).mean() > 0.9
    for row in scene.numbers["chi2 per pixel"]:
        assert 0.9 < row["all"] < 1.15
    assert fit_picture(field, scene, 100).shape == (100, 308, 3)


def test_a_scene_is_kept_as_arrays_and_read_back(crowd) -> None:
    _, _, scene = crowd
    arrays = scene.to_arrays()
    again = FittedScene.from_arrays(arrays)
    assert np.array_equal(again.why, scene.why)
    assert np.array_equal(again.marks.flux, scene.marks.flux)
    assert np.array_equal(again.model, scene.model)
    with pytest.raises(InputError, match="snr"):
        FittedScene.from_arrays({**arrays, "snr": arrays["snr"][:3]})
    with pytest.raises(InputError, match="no `why`"):
        FittedScene.from_arrays({k: v for k, v in arrays.items() if k != "why"})


def test_sersic_galaxies_of_another_painter_are_measured_rightly(tmp_path: Path) -> None:
    galsim = pytest.importorskip("galsim")
    psf = seeing(3.2)
    image = np.zeros((SIDE, SIDE), dtype=np.float32)
    moffat = galsim.Moffat(beta=3.0, fwhm=3.2)
    places = [(36.3 + 46 * i, 35.8 + 46 * j) for i in range(5) for j in range(5)]
    sizes, indices, flux = (1.5, 2.5, 4.0), (0.6, 1.0, 2.5, 4.0), 60_000.0
    canvas = galsim.ImageF(image, xmin=0, ymin=0, scale=1.0)
    for k, (x, y) in enumerate(places):
        profile = galsim.Sersic(n=indices[k % 4], half_light_radius=sizes[k % 3], flux=flux)
        seen = galsim.Convolve(profile.shear(g1=0.2 * (k % 2), g2=-0.1), moffat)
        stamp = seen.drawImage(nx=90, ny=90, scale=1.0, method="no_pixel",
                               center=galsim.PositionD(x, y))  # fmt: skip
        both = stamp.bounds & canvas.bounds
        canvas[both] += stamp[both]
    field = observed(canvas.array[None] * 1.0, np.random.default_rng(0))
    scene = fit_scene(field, psf, SceneFit(), tmp_path)
    truth = Marks.make(*np.array(places).T, np.full((25, 1), flux))
    true, own = matched(scene, truth)
    assert len(true) == 25
    fitted = scene.marks.rows(own)
    low = np.array([indices[k % 4] for k in true]) < 3.0  # the wings of n = 4 are lost in the background
    assert np.allclose(fitted.flux[low], flux, rtol=0.05)
    assert np.allclose(np.exp(fitted.log_radius[low]), np.array([sizes[k % 3] for k in true])[low], rtol=0.08)
    assert np.allclose(fitted.e1, [0.2 * (k % 2) for k in true], atol=0.05)
    assert np.allclose(fitted.log_n, np.log([indices[k % 4] for k in true]), atol=0.25)


def test_blended_sources_keep_their_own_light_and_masked_pixels_count_for_nothing(tmp_path: Path) -> None:
    rng = np.random.default_rng(11)
    psf = seeing(3.0)
    x, y = np.meshgrid(np.arange(30.0, 240, 48), np.arange(30.0, 240, 48))
    x, y = (np.concatenate([v.ravel(), v.ravel() + shift]) for v, shift in ((x, 4.6), (y, 1.7)))
    flux = np.where(np.arange(len(x)) < len(x) // 2, 24_000.0, 12_000.0)
    truth = Marks.make(x, y, flux[:, None], log_radius=np.full(len(x), np.log(1.3)))
    clean = painted(truth, psf)
    mask = np.zeros((SIDE, SIDE), dtype=bool)
    mask[20:60, 27:33] = True  # through the first pair
    clean[:, mask] = 1e6
    scene = fit_scene(observed(clean, rng, mask, (3.0,)), psf, SceneFit(), tmp_path)
    true, own = matched(scene, truth)
    assert len(true) >= len(truth) - 4
    error = scene.marks.flux[own, 0] / truth.flux[true, 0] - 1.0
    assert np.median(np.abs(error)) < 0.05
    assert abs(np.median(error)) < 0.04
    near = np.hypot(scene.marks.x - 30.0, scene.marks.y - 30.0) < 3
    assert not scene.good[near].any()
    assert scene.marks.flux.max() < 2e5


def test_one_band_without_a_star_and_a_resume_with_the_same_bits(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    truth, psf = population(40, 1, rng, star=0.0), seeing(3.0)
    truth = truth.replace(log_radius=np.maximum(truth.log_radius, 0.5))
    field = observed(painted(truth, psf), rng)
    settings = SceneFit(steps=12)
    whole = fit_scene(field, psf, settings, tmp_path / "whole")
    assert (whole.marks.star[matched(whole, truth)[1]]).mean() < 0.1

    def stop(step: int, numbers: object) -> None:
        if step == 6:
            raise KeyboardInterrupt

    often = replace(settings, checkpoint_minutes=1e-6)
    with pytest.raises(KeyboardInterrupt):
        fit_scene(field, psf, often, tmp_path / "part", stop)
    steps: list[int] = []
    again = fit_scene(field, psf, often, tmp_path / "part", lambda step, _: steps.append(step))
    assert steps[0] in (6, 7)
    one, other = whole.to_arrays(), again.to_arrays()
    assert all(np.array_equal(one[name], other[name]) for name in one)
    logs = [(tmp_path / name / "log.csv").read_text() for name in ("whole", "part")]
    assert logs[0] == logs[1]
    (tmp_path / "part" / CHECKPOINT).write_bytes(b"nothing")
    with pytest.raises(InputError, match="not a checkpoint of a scene fit"):
        fit_scene(field, psf, settings, tmp_path / "part")
    with pytest.raises(InputError, match="the PSF has 2 bands, the field 1"):
        fit_scene(field, seeing(3.0, 3.0), settings, tmp_path / "two")


def test_a_field_that_cannot_be_learned_is_said_to_be_one() -> None:
    rng = np.random.default_rng(1)
    sky = rng.normal(0, 5, (1, 200, 200)).astype(np.float32)
    with pytest.raises(InputError, match="at least 20 are required"):
        learn_field(Field(sky, ("r",)), Cut())
    with pytest.raises(InputError, match="at least 128 on each side"):
        learn_field(Field(sky[:, :100], ("r",)), Cut())
    with pytest.raises(InputError, match="band r has no noise"):
        learn_field(Field(np.zeros_like(sky), ("r",)), Cut())


def test_the_field_knows_its_noise_by_place_and_its_saturated_stars() -> None:
    rng = np.random.default_rng(2)
    truth, psf = population(60, 1, rng), seeing(3.0)
    clean = painted(truth, psf)
    star = painted(Marks.make([128.0], [128.0], [[4e7]], star=[True]), psf)
    deeper = np.where(np.arange(SIDE) < SIDE // 2, 1.0, 2.0)
    image = np.minimum(clean + star, 3e5) + RMS * deeper * rng.normal(size=clean.shape)
    field = learn_field(Field(image.astype(np.float32), ("r",)), Cut())
    y, x = np.indices((SIDE, SIDE)) - 128
    assert field.mask[np.hypot(y, x) < 12].all()
    assert not field.free[field.mask].any()
    assert field.rms[0, :, 20].mean() == pytest.approx(RMS, rel=0.1)
    assert field.rms[0, :, -20].mean() == pytest.approx(2 * RMS, rel=0.1)
