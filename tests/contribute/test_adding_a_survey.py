"""A survey of a telescope that no library knows: one YAML file that names its own curves."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from pydantic import TypeAdapter
from typer.testing import CliRunner

import mockforge
from mockforge.cli import app
from mockforge.observe.noise.sky_noise import sky_noise
from mockforge.observe.surveys.read import survey
from mockforge.photometry.bands import band
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates
from mockforge.recipe.read import load
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from tests.builders.batches import samples

SURVEY = """\
title: A telescope of our own
pixel_scale_arcsec: 0.2
depth: {sigma: 5.0}
bands:
  blue: {curve: curves/blue.dat, depth_ab: 26.0, fwhm_arcsec: 0.7, zeropoint_e: 28.0, exposure_s: 600}
  red: {curve: curves/red.dat, depth_ab: 25.5, fwhm_arcsec: 0.6, zeropoint_e: 28.0, exposure_s: 600}
sources: {depth_ab: "its proposal"}
"""
RECIPE = """\
name: own_telescope
seed: 1
samples: 4
shard_size: 4
stages:
  - sersic_sed: {bands: [{blue: TELESCOPE/curves/blue.dat}, {red: TELESCOPE/curves/red.dat}],
                 stamp: 24, pixel_scale_arcsec: 0.2, z_in: 0.3, z_out: 0.9, redshift_grid: null,
                 spectra: {templates: {names: [Sbc], steps: 1}}, population: constant,
                 bulge: null, knots: null, asymmetry: null,
                 psf_in: {survey: TELESCOPE/ours.yaml}, psf_out: {survey: TELESCOPE/ours.yaml}}
  - observe: {noise_in: {survey: TELESCOPE/ours.yaml}, noise_out: {survey: TELESCOPE/ours.yaml}}
save: {input: float32, target: float32}
"""


def curve(path: Path, low: float, high: float) -> None:
    path.write_text(
        f"# Angstrom\n{low - 20} 0\n{low} 0.8\n{0.5 * (low + high)} 0.9\n{high} 0.8\n{high + 20} 0\n"
    )


@pytest.fixture
def telescope(tmp_path: Path) -> Path:
    folder = tmp_path / "telescope"
    (folder / "curves").mkdir(parents=True)
    curve(folder / "curves" / "blue.dat", 5500, 6400)
    curve(folder / "curves" / "red.dat", 7200, 8200)
    (folder / "ours.yaml").write_text(SURVEY)
    (folder / "build.yaml").write_text(RECIPE.replace("TELESCOPE", str(folder)))
    return folder


def call(*words: str | Path) -> tuple[int, str]:
    outcome = CliRunner().invoke(app, [str(word) for word in words])
    return outcome.exit_code, outcome.output


def hubble(path: Path) -> Path:
    y, x = np.mgrid[:120, :120]
    star = np.exp(-0.5 * ((x - 60) ** 2 + (y - 58) ** 2) / 1.2**2) / (2 * np.pi * 1.2**2)
    image = np.stack([1e4 * star, 2e4 * star]).astype(np.float32)
    return mockforge.Field(image, ("F606W", "F775W"), 0.06, (0.15, 0.15), truth=image).write(path)


def test_it_is_shown_and_an_image_is_degraded_to_it(telescope: Path) -> None:
    code, text = call("surveys", telescope / "ours.yaml")
    assert code == 0 and text == SURVEY
    out = telescope / "out.fits"
    code, text = call("degrade", hubble(telescope / "hst.fits"), "--to", telescope / "ours.yaml", "--truth",
                      "-o", out)  # fmt: skip
    assert code == 0, text
    assert "nearest in wavelength: blue for F606W, red for F775W" in " ".join(text.split())
    field = mockforge.Field.read(out)
    assert field.bands == ("blue", "red") and field.pixel_scale_arcsec == pytest.approx(0.2, rel=1e-6)
    assert field.truth.sum(axis=(1, 2)) == pytest.approx([1e4, 2e4], rel=0.02)


def test_a_build_has_its_curves_its_psf_and_its_noise(telescope: Path) -> None:
    dataset = mockforge.load(mockforge.build(telescope / "build.yaml", out=telescope / "data"))
    assert tuple(dataset.attributes["bands"]) == ("blue", "red")
    assert dataset.attributes["psf_fwhm_in_arcsec"] == pytest.approx([0.68, 0.58], abs=0.02)  # no pixel
    galaxy = dataset.table("galaxy")
    bands = tuple(band({name: str(telescope / "curves" / f"{name}.dat")}) for name in ("blue", "red"))
    spectra = Spectra(templates=Templates(names=("Sbc",), steps=1))
    for end, z in (("in", 0.3), ("out", 0.9)):
        flux = sed_fluxes(spectra, bands, np.array([z]), np.array([z]), np.array([0]))[0]
        made = np.asarray(galaxy[f"flux_{end}_blue"]) / np.asarray(galaxy[f"flux_{end}_red"])
        assert made == pytest.approx([flux[0] / flux[1]] * 4, rel=1e-5)
    survey_rms = [sky_noise(survey(str(telescope / "ours.yaml")), name).rms_njy for name in bands]
    corner = np.stack([sample["target"].numpy()[:, :6, :6] for sample in dataset])
    assert corner.std(axis=(0, 2, 3)) == pytest.approx(survey_rms, rel=0.3)


def test_colours_are_those_of_its_own_curves(telescope: Path) -> None:
    def fluxes(**colours: object) -> np.ndarray:
        stage = load_degrade(telescope, colours)
        truth = np.zeros((1, 2, 61, 61), np.float32)
        truth[:, 0, 30, 30], truth[:, 1, 30, 30] = 1e4, 1.5e4
        batch = samples(1, arrays={"truth": truth})
        batch = batch.with_attributes(bands=("F606W", "F775W"), pixel_scale_arcsec=0.06,
                                      psf_fwhm_arcsec=(0.15, 0.15))  # fmt: skip
        return stage(batch, Stream(1)).arrays["image_noiseless"].sum(axis=(0, 2, 3))

    def load_degrade(folder: Path, colours: dict[str, object]) -> Degrade:
        return TypeAdapter(Degrade).validate_python(
            {"to": str(folder / "ours.yaml"), "bands": ("blue", "red"), "labels": (), "colours": colours}
        )

    named = [{name: str(telescope / "curves" / f"{name}.dat")} for name in ("blue", "red")]
    np.testing.assert_array_equal(fluxes(), fluxes(bands=named))
    assert not np.allclose(fluxes(), fluxes(bands=["lsst_g", "lsst_y"]), rtol=0.01)


def test_its_curves_are_in_the_fingerprint(telescope: Path) -> None:
    before = load(telescope / "build.yaml").weights
    names = [key for key in before if key.endswith(("ours.yaml", "blue.dat", "red.dat"))]
    assert len({Path(name).name for name in names}) == 3
    (telescope / "curves" / "red.dat").write_text("# nm\n700 0\n710 1\n820 1\n830 0\n")
    after = load(telescope / "build.yaml").weights
    assert {Path(key).name for key in before if before[key] != after.get(key)} == {"red.dat"}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("6000 0.5\nno number\n", "line 2: expected wavelength and throughput"),
        ("6000 0.5\n7000 inf\n", "throughputs should be finite"),
        (None, "no such file"),
    ],
)
def test_a_faulty_curve_is_answered_with_the_line_of_the_survey(
    telescope: Path, content: str | None, problem: str
) -> None:
    path = telescope / "curves" / "red.dat"
    path.unlink() if content is None else path.write_text(content)
    place = f"{telescope / 'ours.yaml'}:6: bands.red.curve: "
    for words in (("surveys", telescope / "ours.yaml"), ("build", telescope / "build.yaml")):
        code, text = call(*words)
        assert code == 2 and problem in " ".join(text.split())
        if words[0] == "surveys":
            assert place in "".join(text.splitlines()) or place in " ".join(text.split())


def test_a_curve_cannot_take_the_name_of_a_bundled_band(telescope: Path) -> None:
    path = telescope / "ours.yaml"
    path.write_text(SURVEY.replace("  red:", "  hsc_i:"))
    code, text = call("surveys", path)
    assert code == 2 and "this is the name of a bundled curve" in " ".join(text.split())


@pytest.mark.parametrize(
    ("before", "after", "problem"),
    [
        ("  red:", "  blue:", ':6: cannot be read as YAML: found duplicate key "blue"'),
        ("{sigma: 5.0}", "{sigma: 5.0", ":4: cannot be read as YAML: expected ',' or '}'"),
        ("curves/red.dat", "curves", "curves: is a folder, no file"),
    ],
)
def test_a_faulty_file_is_answered_with_its_line(
    telescope: Path, before: str, after: str, problem: str
) -> None:
    path = telescope / "ours.yaml"
    path.write_text(SURVEY.replace(before, after))
    code, text = call("surveys", path)
    assert code == 2 and problem in text
