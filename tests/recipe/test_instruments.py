"""Bands, PSFs and noise of a recipe are checked before any work, all at once, each with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from mockforge.errors import InputError
from mockforge.recipe.read import load, loads

PAIRS = """\
name: pairs
seed: 1
samples: 4
shard_size: 4
splits: {train: 1.0}
stages:
  - sersic_sed:
      bands: [F606W, F160W]
      psf_in: {gaussian: {fwhm_arcsec: [0.1, 0.2]}}
      psf_out: {survey: candels-goodss-deep}
  - observe:
      noise_in: {survey: candels-goodss-deep}
      noise_out: {rms_njy: [1, 2]}
save: {input: float32}
"""
COARSE = """\
name: coarse
seed: 1
samples: 4
shard_size: 4
splits: {train: 1.0}
stages:
  - stamps: {bands: [F606W, F775W, F814W]}
  - degrade: {to: hsc-wide, bands: [hsc_r, hsc_i, hsc_z], labels: []}
save: {image: float32}
"""


def problems(text: str, *changes: tuple[str, str]) -> str:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    with pytest.raises(InputError) as error:
        loads(text, "r.yaml")
    return str(error.value)


def test_a_recipe_that_fits_is_read() -> None:
    assert loads(PAIRS, "r.yaml").samples == 4 and loads(COARSE, "r.yaml").samples == 4


def test_everything_that_does_not_fit_is_said_at_once_with_its_line() -> None:
    said = problems(
        PAIRS,
        ("[0.1, 0.2]", "[0.1, 0.2, 0.3]"),
        ("psf_out: {survey: candels-goodss-deep}", "psf_out: {survey: hsc-wide}"),
        ("noise_in: {survey: candels-goodss-deep}", "noise_in: {survey: lsst-10yr}"),
        ("[1, 2]", "[1, 2, 3]"),
    ).splitlines()
    assert len(said) == 4
    assert said[0].startswith(
        "r.yaml:9: stages[0].sersic_sed.psf_in: psf: 3 values of `fwhm_arcsec` for 2 bands"
    )
    assert said[1].startswith("r.yaml:10: stages[0].sersic_sed.psf_out: HSC-SSP, Wide layer: no band 'F606W'")
    assert said[2].startswith(
        "r.yaml:12: stages[1].observe.noise_in.survey: LSST, ten-year coadd has no band"
    )
    assert said[3].startswith("r.yaml:13: stages[1].observe.noise_out.rms_njy: rms_njy has 3 numbers")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("hsc_z]", "hsc_q]", "no band 'hsc_q'"),
        ("[hsc_r, hsc_i, hsc_z]", "[hsc_r, hsc_i]", "2 bands of HSC-SSP, Wide layer .* for 3 of the image"),
        (", bands: [hsc_r, hsc_i, hsc_z]", "", "hsc_i is the band nearest to F775W and F814W"),
        ("labels: []", "labels: [], psf_out: {gaussian: {fwhm_arcsec: [1, 2]}}", "psf_out: .* 2 values"),
        ("labels: []", "labels: [], noise: {survey: lsst-10yr}", "degrade.noise.survey: .* no band 'hsc_r'"),
        ("labels: []", "labels: [], noise: {rms_njy: 1, shot: true}", "shot: true needs the gain"),
        ("to: hsc-wide", "to: hsc-wade", "did you mean 'hsc-wide'"),
        ("labels: []", "labels: [], sweep: {seeing: 1.2}", "called fwhm_factor now"),
        ("labels: []", "labels: [], sweep: {depth: 1}", "called depth_offset_mag now"),
    ],
)
def test_siblings(old: str, new: str, words: str) -> None:
    import re

    said = problems(COARSE, (old, new))
    assert re.search(words, said) and said.startswith("r.yaml:8: ")


@pytest.mark.parametrize("bands", ["[F606W, r]", "[]", "F606W", "[F606W, none.dat]"])
def test_bands_that_cannot_be_read_are_not_answered_with_the_default_ones(bands: str) -> None:
    said = problems(PAIRS, ("[F606W, F160W]", bands))
    assert "bands" in said and "F775W'" not in said and "candels" not in said.lower().replace("candels_f", "")


def test_old_names_of_arrays_tell_the_new_ones() -> None:
    said = problems(
        COARSE,
        ("labels: []", "labels: [], sweep: {fwhm_factor: {uniform: [0.9, 1.1]}}"),
        ("image: float32", "seeing: float32"),
    )
    assert "it is called fwhm_factor now" in said


def test_missing_files_are_said_with_everything_else(tmp_path: Path) -> None:
    said = problems(
        PAIRS,
        ("{gaussian: {fwhm_arcsec: [0.1, 0.2]}}", f"{{image: {{files: [a.fits], folder: {tmp_path}}}}}"),
        ("[1, 2]", "[1, 2, 3]"),
    )
    assert "r.yaml:9:" in said and "a.fits" in said and "r.yaml:13:" in said


def test_a_recipe_with_a_model_knows_its_bands() -> None:
    with pytest.raises(InputError, match="rms_njy has 2 numbers and the images 3 bands"):
        loads(
            "name: a\nseed: 1\nsamples: 1\nshard_size: 1\nsplits: {train: 1.0}\nstages:\n"
            "  - sgan: {model: kids-viking}\n"
            "  - degrade: {to: lsst-10yr, labels: [], noise: {rms_njy: [1, 2]}}\nsave: {image: float32}\n",
            "r.yaml",
        )


def test_bundled_recipes_fit() -> None:
    for name in ("redshift_pairs", "domain_shift", "hst_to_hsc", "scene_xdf_like", "deblend", "injection"):
        assert load(name).name == name
