"""Filter curves: those of other surveys against the libraries they are from, and a user's own files."""

from __future__ import annotations

import pickle
from copy import deepcopy
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from mockforge.errors import InputError
from mockforge.photometry.band_table import FILTERS, canonical, known_bands
from mockforge.photometry.bands import OwnBand, band, curve, origin, pivot_um
from mockforge.photometry.filter_files import read_filter
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.photometry.spectra.spec import Spectra
from mockforge.photometry.spectra.templates import Templates
from mockforge.recipe.read import load, loads
from mockforge.rng import Stream
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples

WAVE = np.linspace(6800.0, 8600.0, 181)
VALUE = 0.7 * np.exp(-(((WAVE - 7700) / 700) ** 6))
SPECTRA = Spectra(templates=Templates(steps=1))


def pivot(wave: np.ndarray, throughput: np.ndarray) -> float:
    fine = np.linspace(wave[0], wave[-1], 100_001)
    seen = np.interp(fine, wave, throughput)
    return float(np.sqrt(np.trapezoid(seen * fine, fine) / np.trapezoid(seen / fine, fine)))


def test_bundled_filters_are_those_of_the_libraries():
    """Pivot wavelengths within 0.003%, magnitudes of steep power laws within 0.0003."""
    pytest.importorskip("speclite")
    pytest.importorskip("sedpy")
    from mockforge.bundle.bands_and_grids import library_curve

    for name, (library, theirs) in FILTERS.items():
        there, here = library_curve(library, theirs), curve(name)
        middle = pivot(*there)
        assert pivot(*here) == pytest.approx(middle, rel=3e-5), name
        for slope in (-4.0, 4.0):
            flux = []
            for wave, throughput in (there, here):
                fine = np.linspace(wave[0], wave[-1], 100_001)
                seen = np.interp(fine, wave, throughput)
                light = np.trapezoid((fine / middle) ** slope * seen * fine, fine)
                flux.append(light / np.trapezoid(seen / fine, fine))
            assert abs(2.5 * np.log10(flux[0] / flux[1])) < 3e-4, name


@pytest.mark.parametrize(
    ("name", "micron"),
    [("hsc_g", 0.481), ("hsc_i", 0.773), ("VIS", 0.725), ("NISP_H", 1.768), ("F129", 1.284), ("F213", 2.131),
     ("F200W", 1.988), ("F444W", 4.404), ("sdss_r", 0.618), ("vista_Ks", 2.150), ("twomass_J", 1.24),
     ("F140W", 1.392)],
)  # fmt: skip
def test_pivot_wavelengths(name, micron):
    """To half a percent: a curve of another band, unit or convention is farther off."""
    assert pivot(*curve(name)) == pytest.approx(1e4 * micron, rel=5e-3)


def test_other_words_for_a_band():
    words = {
        "ACS_F606W": "F606W",
        "acs_wfc_f814w": "F814W",
        "WFC3_IR_F160W": "F160W",
        "HSC-i": "hsc_i",
        "Euclid_VIS": "VIS",
        "euclid_h": "NISP_H",
        "Roman_F129": "F129",
        "NIRCam_F200W": "F200W",
        "2MASS_Ks": "twomass_Ks",
        "SDSS-r": "sdss_r",
        "viking_Ks": "vista_Ks",
        "f606w": "F606W",
    }
    assert {word: band(word) for word in words} == words
    lower = [name.lower() for name in known_bands()]
    assert len(set(lower)) == len(lower)


def test_every_band_of_the_surveys_has_a_curve_or_a_reason():
    from mockforge.observe.surveys.read import names, survey

    for name in names():
        for one in survey(name).bands:
            if canonical(one) is None:
                with pytest.raises(InputError, match=r"OmegaCAM's curves are in no library.*\{kids_"):
                    band(one)


def files(folder: Path) -> None:
    np.savetxt(folder / "plain.dat", np.c_[WAVE, VALUE])
    np.savetxt(folder / "nm.txt", np.c_[WAVE / 10, VALUE], header="nm")
    np.savetxt(folder / "guessed_nm.dat", np.c_[WAVE / 10, 70 * VALUE])
    np.savetxt(folder / "micron.dat", np.c_[WAVE / 1e4, VALUE][::-1])
    np.savetxt(folder / "named.dat", np.c_[WAVE / 10, VALUE], header="wave_nm T")
    np.savetxt(folder / "said.dat", np.c_[WAVE / 10, VALUE], header="wavelength [nm] transmission")
    np.savetxt(folder / "numbered.res", np.c_[1 + np.arange(len(WAVE)), WAVE, VALUE])
    np.savetxt(folder / "energy.dat", np.c_[WAVE, VALUE * WAVE], header="energy counter, Angstrom")
    text = "lambda(nm),T\n" + "\n".join(f"{w / 10},{v}" for w, v in zip(WAVE, VALUE, strict=True))
    (folder / "heading.csv").write_text(text)
    table = Table({"response": VALUE, "wavelength": WAVE / 1e4})
    table["wavelength"].unit = "um"
    table.write(folder / "table.ecsv")
    table.write(folder / "table.fits")


def test_files_in_every_form_are_one_curve(tmp_path):
    files(tmp_path)
    for path in tmp_path.iterdir():
        wave, throughput = read_filter(path)
        assert throughput.max() == pytest.approx(1.0), path.name
        assert pivot(wave, throughput) == pytest.approx(pivot(WAVE, VALUE), rel=2e-4), path.name


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (
            "1200 1\n1300 1\n",
            r"at 1250 could be in nm, in Angstrom or a frequency; add a first line `# nm`",
        ),
        ("# nm or Angstrom\n7000 1\n8000 1\n", "name nm and Angstrom"),
        ("# energy counter, QE in photons\n7000 1\n8000 1\n", "both energy and photons"),
        ("7000 -20\n8000 1\n", "below 0"),
        ("7000 0\n8000 0\n", "above 0 somewhere"),
        ("7000 1\n7000 0.5\n8000 0\n", "each once"),
        ("7000 1\nx\n", "line 2: expected wavelength and throughput"),
        ("", "no rows"),
        ("7000,5 0,1\n8000,0 0,9\n9000,0 0,1\n", "line 1: '7000,5 0,1' has decimal commas"),
        ("7000 4.2\n8000 0.1\n9000 4.2\n", "higher at both ends .* in magnitudes"),
        ("3.5e14 1\n3.6e14 1\n", "or a frequency"),
    ],
)
def test_files_that_are_not_understood(tmp_path, text, words):
    (tmp_path / "a.dat").write_text(text)
    with pytest.raises(InputError, match=words):
        band(str(tmp_path / "a.dat"))


def test_names_of_own_bands(tmp_path):
    files(tmp_path)
    assert band(str(tmp_path / "plain.dat")) == "plain"
    assert band({"my_i": str(tmp_path / "plain.dat")}) == "my_i"
    assert band(f"my_i={tmp_path / 'plain.dat'}").word == f"my_i={tmp_path / 'plain.dat'}"
    with pytest.raises(InputError, match=r"the name of a bundled curve \(F606W\).*my_f606w"):
        band({"f606w": str(tmp_path / "plain.dat")})
    with pytest.raises(InputError, match="'err_g' is no usable name"):
        band({"err_g": str(tmp_path / "plain.dat")})
    with pytest.raises(InputError, match="no such file"):
        band("filters/nothing.dat")


def test_an_own_band_is_its_name_and_its_curve(tmp_path):
    files(tmp_path)
    one = band({"my_i": str(tmp_path / "plain.dat")})
    for again in (pickle.loads(pickle.dumps(one)), deepcopy(one)):
        assert again == one == "my_i" and isinstance(again, OwnBand) and again.path == one.path
    np.savetxt(tmp_path / "plain.dat", np.c_[WAVE + 500, VALUE])
    other = band({"my_i": str(tmp_path / "plain.dat")})
    assert other != one
    assert pivot(*curve(other)) > pivot(*curve(one)) + 400 or pivot(*curve(other)) > pivot(WAVE, VALUE) + 400
    assert "plain.dat" in origin(other)


def test_fluxes_through_a_file_are_those_through_the_band(tmp_path):
    wave, throughput = curve("hsc_i")
    np.savetxt(tmp_path / "copy.dat", np.c_[wave, 0.3 * throughput])
    z, zero = np.array([0.5]), np.zeros(1, int)
    flux = sed_fluxes(SPECTRA, ("hsc_i", str(tmp_path / "copy.dat")), z, z, zero)[0]
    assert flux[1] == pytest.approx(flux[0], rel=1e-6)


RECIPE = """
name: own
seed: 1
samples: 4
shard_size: 4
stages:
  - sersic_sed:
      bands: [ACS_F606W, {path}, {{wide: {path}}}]
      stamp: 32
      spectra: {{templates: {{steps: 1}}}}
save: {{input: float32, target: float32}}
"""


def test_a_recipe_with_a_filter_file(tmp_path):
    files(tmp_path)
    path = tmp_path / "plain.dat"
    recipe = loads(RECIPE.format(path=path), "r.yaml")
    stage = recipe.stages[0].stage
    assert stage.bands == ("F606W", "plain", "wide")
    assert recipe.weights.keys() == {f"file {path}"}
    again = loads(recipe.text(), "again.yaml")
    assert again.digest() == recipe.digest() and again.stages[0].stage.bands[1].path == str(path)
    made = stage(samples(2), Stream(1, ("x",)))
    assert made.attributes["bands"] == ("F606W", "plain", "wide")
    assert all(type(name) is str for name in made.attributes["bands"])
    assert {"flux_in_plain", "flux_out_wide"} <= made.tables["galaxy"].keys()
    np.testing.assert_allclose(made.tables["galaxy"]["flux_in_plain"], made.tables["galaxy"]["flux_in_wide"])
    np.savetxt(path, np.c_[WAVE + 100, VALUE])
    assert loads(RECIPE.format(path=path), "r.yaml").digest() != recipe.digest()


def test_a_recipe_says_what_is_wrong_with_a_band(tmp_path):
    (tmp_path / "r.yaml").write_text(RECIPE.format(path="filters/none.dat"))
    with pytest.raises(InputError, match=r"bands.*filters/none\.dat: no such file"):
        load(tmp_path / "r.yaml")
    (tmp_path / "r.yaml").write_text(RECIPE.format(path="F6O6W"))
    with pytest.raises(InputError, match="unknown band 'F6O6W'; did you mean 'F606W'"):
        load(tmp_path / "r.yaml")


def test_bands_given_in_python(tmp_path):
    files(tmp_path)
    stage = SersicSed(bands=("HSC-i", str(tmp_path / "plain.dat")))
    assert stage.bands == ("hsc_i", "plain")
    assert len(stage.fingerprint()) == 1
    with pytest.raises(InputError, match="one or more different names"):
        SersicSed(bands=("F606W", "ACS_F606W"))


def test_the_pivot_is_that_of_the_lines_between_few_points(tmp_path):
    """A triangle of three points: by integrals over its lines, not over its corners."""
    path = tmp_path / "triangle.dat"
    path.write_text("# Angstrom\n4000 0\n8000 1\n9000 0\n")
    assert pivot_um(str(path)) == pytest.approx(1e-4 * pivot(*curve(str(path))), rel=1e-6)
    assert pivot_um("VIMOS_U") == pytest.approx(1e-4 * pivot(*curve("VIMOS_U")), rel=1e-6)


def test_a_letter_is_answered_with_the_bands_of_that_letter() -> None:
    with pytest.raises(
        InputError, match=r"unknown band 'r'; did you mean one of lsst_r, hsc_r, .*filters/r.dat"
    ):
        curve("r")
