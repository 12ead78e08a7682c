"""Models against a real field: observed with its local rms, of nine bands, and not clean ones."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.errors import InputError
from mockforge.evaluate.sky.fields import GeneratedFrom, ReferencePart, evaluate_fields, evaluate_pixels
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.generated import from_model
from mockforge.evaluate.sky.local_rms import MESH, local_rms, rms_map
from mockforge.field.field import Field
from mockforge.rng import Stream
from mockforge.sgan.config import Forge, Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.model import SganModel
from mockforge.sgan.painter import Scaling
from mockforge.sgan.save import save_model
from tests.builders.painted_sky import BANDS, RMS

WHITE = ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))
NINE = ("u", "g", "r", "i", "Z", "Y", "J", "H", "Ks")
FAST = Settings(block=64, splits=6, bootstraps=3, morphology_objects=0, classifier_blocks=0, controls=0)


def tiny(bands: tuple[str, ...], rms: tuple[float, ...], name: str = "tiny") -> SganModel:
    """An untrained forge."""
    n = len(bands)
    instrument = Instrument(rms_njy=rms, psf_fwhm_pix=(2.5,) * n, noise_kernel=(WHITE,) * n)
    spec = Forge(z_channels=8, widths=(16, 12, 8, 8), dilations=(1, 2), density=False)
    return SganModel(name, spec, bands, instrument, pixel_scale_arcsec=0.2, psf_fwhm_arcsec=(0.5,) * n)


def stepped(height: int, width: int) -> np.ndarray:
    """Noise of rms (4, 5) left and (8, 7.5) right."""
    white = Stream(11, ("stepped",)).numpy().standard_normal((2, height, width))
    rms = np.repeat(RMS[:, None], width, axis=1)
    rms[:, width // 2 :] *= np.array([2.0, 1.5])[:, None]
    return (white * rms[:, None]).astype(np.float32)


def test_the_local_rms_is_measured_where_the_sky_is_free():
    image, mask = stepped(256, 512), np.zeros((256, 512), dtype=bool)
    image[:, 40:60, 40:60] += 500.0
    mask[:128, 384:] = True
    image[:, :128, 384:] = 1e6
    found = local_rms(image, mask)
    assert found is not None and found.shape == (2, 2, 4)
    wanted = np.repeat(np.array([[4.0, 8.0], [5.0, 7.5]]), 2, axis=1)
    assert found == pytest.approx(
        np.stack([wanted, wanted], axis=1), rel=0.04
    )  # the masked one's is a neighbour's
    assert local_rms(image, np.ones_like(mask)) is None


def test_a_map_is_in_the_models_bands_in_its_order():
    found = np.array([[[4.0, 8.0]], [[5.0, 7.5]]])
    made = rms_map(found, ("r", "g"), tiny(("g", "Z", "r"), (1.0, 2.0, 3.0)))
    assert made.mesh == MESH
    assert np.array_equal(made.njy, [[[5.0, 7.5]], [[2.0, 2.0]], [[4.0, 8.0]]])


def test_a_clean_model_is_observed_with_the_references_rms(tmp_path):
    """The model's own rms is 1; with the field's it has the field's step."""
    real = Field(image=stepped(384, 512), bands=BANDS, pixel_scale_arcsec=0.2)
    real.write(tmp_path / "real.fits")
    model = tiny(BANDS, (1.0, 1.0))
    path = save_model(
        model.trained(model.painter().generator, {"hours": 0.25, "device": "CPU"}), tmp_path / "m"
    )
    rows = {}
    for own in (False, True):
        asked, card = GeneratedFrom(path, own_noise=own), tmp_path / "card" if own else None
        report = evaluate_fields(tmp_path / "real.fits", asked, settings=FAST, card=card)
        noise = next(s for s in report.sections if s.title == "Noise")
        rows[own] = [r["generated"] for r in noise.rows if r["measure"].startswith("rms ratio")]
        assert report.facts["noise"].startswith("the model's own" if own else "the reference's local rms")
        goals = next(s for s in report.sections if s.title == "Goals").rows
        assert next(r["found"] for r in goals if r["goal"] == "training, hours on CPU") == 0.25
    assert max(rows[False]) < 0.1 and min(rows[True]) > 1.0
    card = (tmp_path / "card" / "tiny.md").read_text()
    assert "## Against the real field" in card and (tmp_path / "card" / "tiny.png").stat().st_size <= 700_000
    found = local_rms(real.image, np.zeros((384, 512), dtype=bool))
    assert found is not None
    sky = from_model(path, 384, 512, 1, "cpu", rms_map(found, BANDS, model))
    left, right = (np.std(sky.images[0][:, :, half], axis=(1, 2)) for half in (np.s_[:192], np.s_[320:]))
    assert right / left == pytest.approx([2.0, 1.5], rel=0.1)


def test_a_model_that_is_not_clean_is_evaluated_as_it_paints(tmp_path, real):
    instrument = Instrument(rms_njy=(4.0, 5.0), psf_fwhm_pix=(0.0, 0.0), noise_kernel=(WHITE, WHITE))
    spec, scaling = Smith2019(z_channels=8, widths=(8, 8, 8, 8)), Scaling((-10.0, -10.0), (500.0, 600.0))
    fresh = SganModel("published", spec, BANDS, instrument, scaling)
    path = save_model(fresh.trained(fresh.painter().generator, {"hours": 0.1, "device": "CPU"}), tmp_path)
    real.write(tmp_path / "real.fits")
    report = evaluate_fields(
        tmp_path / "real.fits", GeneratedFrom(path), ReferencePart((224, 448)),
        settings=replace(FAST, controls=256), out=tmp_path / "out", card=tmp_path / "card",
    )  # fmt: skip
    assert report.passed is False and "painted by the model" in report.facts["noise"]
    assert not any(s.title == "Controls" for s in report.sections)  # it has none
    assert (
        json.loads((tmp_path / "out" / "report.json").read_text())["facts"]["noise"] == report.facts["noise"]
    )
    assert "smith2019" in (tmp_path / "card" / "published.md").read_text()


def test_a_card_is_a_models(tmp_path, real):
    real.write(tmp_path / "real.fits")
    with pytest.raises(InputError, match="card is that of a model"):
        evaluate_fields(tmp_path / "real.fits", GeneratedFrom(field=tmp_path / "real.fits"), card=tmp_path)


def test_the_command_writes_a_card(tmp_path, real, monkeypatch):
    monkeypatch.chdir(tmp_path)
    real.write(tmp_path / "real.fits")
    model = tiny(BANDS, (4.0, 5.0))
    save_model(model.trained(model.painter().generator, {"steps": 0}), tmp_path / "m")
    words = ["evaluate", "--model", "m", "--reference", "real.fits", "--card", "card"]
    words += ["--quick", "--quiet", "--rows", "224:448"]
    result = CliRunner().invoke(app, [*words, "--own-noise"])
    assert result.exit_code == 0, result.output
    assert "Noise of the sky: the model's own" in (tmp_path / "card" / "tiny.md").read_text()
    wrong = CliRunner().invoke(app, ["evaluate", "--dataset", "m", "--card", "other"])
    assert wrong.exit_code == 2 and "--card" in wrong.stderr and not (tmp_path / "other").exists()


@pytest.mark.slow
def test_nine_bands_of_the_real_field(shared_data):
    """An untrained network of nine bands fails; the real field's neighbouring rows do not by their noise."""
    files = [shared_data / "kids_viking" / f"{band}.fits" for band in NINE]
    whole = Field.read(files, bands=NINE, zeropoint=[0] * 4 + [30] * 5, pixel_scale_arcsec=0.2)
    field = whole.cutout(1950, 2600, 0, 1040)
    found = local_rms(field.image, np.zeros(field.shape[1:], bool))
    assert found is not None and found.shape == (9, 6, 9)
    model = tiny(NINE, tuple(np.median(found, axis=(1, 2)).tolist()))
    made = from_model(model, 320, 1040, 1, "cpu", rms_map(found[:, 3:], NINE, model))
    settings = replace(FAST, block=64, classifier_blocks=60, classifier_epochs=3, pictures=True)
    report = evaluate_pixels(
        field, made, ReferencePart((325, 650), [(840, 880)], 15_000.0), settings=settings
    )
    sections = {s.title: s for s in report.sections}
    assert sections["Counts and magnitudes"].passed is False
    colours = [r["measure"] for r in sections["Colours and sizes"].rows]
    assert len(colours) == 10 and colours[0] == "u-g, KS D" and colours[7] == "H-Ks, KS D"
    goals = [r for r in sections["Goals"].rows if r["goal"] == "KS p, magnitudes"]
    assert [r["band"] for r in goals] == list(NINE) and not any(r["met"] for r in goals)
    assert next(r["met"] for r in sections["Goals"].rows if r["goal"] == "bands") is True
    ratios = [r for r in sections["Noise"].rows if r["measure"].startswith("rms ratio")]
    assert len(ratios) == 9 and max(r["generated"] for r in ratios) < 0.1
