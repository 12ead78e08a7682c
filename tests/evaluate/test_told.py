"""What a painted sky is told of the reference: its noise by place, its kernels, its density."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.evaluate.sky import fields, generated, told
from mockforge.evaluate.sky.fields import GeneratedFrom, evaluate_fields
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.local_noise import reference_noise
from mockforge.evaluate.sky.reference import Reference, ReferencePart
from mockforge.field.field import Field
from mockforge.sgan.instrument.noise import NoiseField
from tests.builders.painted_model import PaintedModel, PaintedSky
from tests.builders.painted_sky import BANDS, RMS, light, noise

FAST = Settings(
    block=64, splits=8, bootstraps=3, morphology_objects=0, classifier_blocks=0, source_seeds=0, controls=0,
    pictures=False,
)  # fmt: skip


@pytest.fixture
def painted(monkeypatch) -> None:
    """Skies of a PaintedModel in place of those of a trained one."""
    monkeypatch.setattr(generated, "Sky", PaintedSky)
    monkeypatch.setattr(fields, "load_model", lambda name: PaintedModel(name))


@pytest.fixture(scope="module")
def field() -> Field:
    """A field whose noise is correlated over a pixel, and deeper on its left half."""
    step = np.where(np.arange(512) < 256, 0.6, 1.0)
    image = light(5, 512, 512) + noise(6, 512, 512) * step
    return Field(image=image.astype(np.float32), bands=BANDS, pixel_scale_arcsec=0.2)


def test_the_noise_of_the_reference_is_measured_by_place_with_its_kernels(field):
    reference = Reference.of(field, ReferencePart((128, 512)), 64)
    own = NoiseField.uniform((9.0, 1.0, 2.0))
    found = reference_noise(reference, own, ("Z", "r", "g"))
    assert found is not None and found.bands == 3
    rms = found.rms_mesh
    wanted = np.array([RMS[1], RMS[0]])  # r, g
    assert rms[:, 0, 1:] == pytest.approx(np.broadcast_to(0.6 * wanted, rms[:, 0, 1:].shape), rel=0.12)
    assert rms[:, -1, 1:] == pytest.approx(np.broadcast_to(1.0 * wanted, rms[:, -1, 1:].shape), rel=0.12)
    assert rms[..., 0] == pytest.approx(9.0)  # the reference lacks Z: the model's own
    kernel = found.kernels[1, -1, 2].astype(float)
    power = np.abs(np.fft.fft2(kernel, (64, 64))) ** 2
    next_pixel = np.fft.ifft2(power).real[0, 1] / (kernel**2).sum()
    assert next_pixel == pytest.approx(0.3 / 1.18, abs=0.05)


def test_a_sky_is_told_the_density_of_the_reference(field, painted):
    reference = Reference.of(field, ReferencePart(), 64)
    found = told.told_of(reference, PaintedModel(density=0.6), 3, "cpu", False)
    assert found.asked["density"] == pytest.approx(1 / 0.6, rel=0.3)
    assert "of the model's own" in found.noted["density"] and "kernels" in found.noted["noise"]
    own = told.told_of(reference, PaintedModel(), 3, "cpu", True)
    assert set(own.asked) == {"density"} and own.noted["noise"] == "the model's own"


def test_a_model_told_of_the_reference_has_its_noise_and_one_that_is_not_fails(field, painted, tmp_path):
    field.write(tmp_path / "real.fits")
    passed = {}
    for own in (False, True):
        report = evaluate_fields(tmp_path / "real.fits", GeneratedFrom("tiny", own_noise=own), settings=FAST)
        verdicts = {v.measure: v.passed for s in report.sections for v in s.verdicts}
        passed[own] = [verdicts[f"{m}, {b}"] for m in ("rms ratio, |ln|", "autocorrelation") for b in BANDS]
        assert {"noise", "density"} <= set(report.facts)
    assert all(passed[False]) and not any(passed[True])
    goals = next(s for s in report.sections if s.title == "Goals").rows
    assert next(r["found"] for r in goals if r["goal"] == "fit and training, minutes on CPU") == 15.0
