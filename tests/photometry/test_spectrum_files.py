"""A user's spectra: the forms that are read, and what is said of the others."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.photometry.spectra.files import SpectrumFiles, read_spectrum
from mockforge.photometry.spectra.spec import Spectra

WAVE = np.linspace(1000.0, 20_000.0, 500)
FLUX = 1 + np.sin(WAVE / 2000.0) ** 2


def ask(folder, *files: str, **keys) -> Spectra:
    return Spectra(files=SpectrumFiles(files=files, folder=str(folder), **keys))


@pytest.fixture
def folder(tmp_path):
    """One spectrum in every form."""
    from astropy.io import fits

    np.savetxt(tmp_path / "text.txt", np.c_[WAVE, FLUX], header="wave flux")
    np.savetxt(tmp_path / "nano.csv", np.c_[WAVE / 10, FLUX * WAVE**2], delimiter=",")
    np.savetxt(tmp_path / "falling.dat", np.c_[WAVE, 3 * FLUX][::-1])
    columns = [fits.Column("LAMBDA", "D", array=WAVE), fits.Column("FLUX", "E", array=FLUX)]
    fits.HDUList([fits.PrimaryHDU(), fits.BinTableHDU.from_columns(columns)]).writeto(tmp_path / "table.fits")
    image = fits.PrimaryHDU(FLUX)
    image.header.update(CRVAL1=WAVE[0], CRPIX1=1, CDELT1=WAVE[1] - WAVE[0])
    image.writeto(tmp_path / "image.fits")
    logarithmic = np.linspace(3.0, np.log10(20_000.0), 4000)
    image = fits.PrimaryHDU(np.interp(10**logarithmic, WAVE, FLUX)[None])
    image.header.update({"CRVAL1": 3.0, "CD1_1": logarithmic[1] - logarithmic[0], "DC-FLAG": 1})
    image.writeto(tmp_path / "log.fits")
    return tmp_path


@pytest.mark.parametrize(
    ("name", "factor"), [("WAVE_NM", 0.1), ("lambda (um)", 1e-4), ("wavelength_aa", 1.0)]
)
def test_the_unit_in_a_columns_name(name, factor, folder):
    from astropy.table import Table

    Table({name: WAVE * factor, "flux": FLUX}).write(folder / "named.fits")
    z, bands = np.array([0.3]), ("F606W", "F814W")
    fluxes = [sed_fluxes(ask(folder, f), bands, z, z, np.array([0]))[0] for f in ("text.txt", "named.fits")]
    np.testing.assert_allclose(fluxes[1], fluxes[0], rtol=2e-4)


@pytest.mark.parametrize(("low", "high"), [(350.0, 2500.0), (30.0, 20_000.0), (0.1, 5.0)])
def test_wavelengths_that_nothing_says_the_unit_of_are_asked_about(low, high, folder):
    wave = np.geomspace(low, high, 300)
    np.savetxt(folder / "silent.txt", np.c_[wave, np.ones(300)])
    with pytest.raises(InputError, match="wavelength_unit"):
        spectrum_set(ask(folder, "silent.txt"))


def test_every_form_gives_the_same_fluxes(folder):
    z, bands = np.array([0.3]), ("F606W", "F814W")
    asked = [ask(folder, f) for f in ("text.txt", "falling.dat", "table.fits", "image.fits", "log.fits")]
    asked.append(ask(folder, "nano.csv", wavelength_unit="nm", flux="f_nu"))
    fluxes = [sed_fluxes(s, bands, z, z, np.array([0]))[0] for s in asked]
    np.testing.assert_allclose(fluxes, np.repeat(fluxes[:1], len(fluxes), axis=0), rtol=2e-4)
    both = spectrum_set(ask(folder, "text.txt", "table.fits"))
    assert both.names == ("text", "table")
    np.testing.assert_allclose(np.trapezoid(both.luminosity(1.0), both.wave, axis=1), 1e10, rtol=1e-3)


def test_a_changed_file_is_read_again(folder):
    asked = ask(folder, "text.txt")
    before = spectrum_set(asked).digest()
    np.savetxt(folder / "text.txt", np.c_[WAVE, FLUX * WAVE])
    assert spectrum_set(asked).digest() != before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("# nothing\n", "no rows"),
        ("1000 1\n2000 x\n", "line 2: expected wavelength and flux, found '2000 x'"),
        ("1000\n2000\n", "line 1"),
        ("1000 1\n", "two or more wavelengths"),
        ("1000 1\n1000 2\n", "should rise"),
        ("1000 1\n2000 nan\n", "finite and not negative"),
        ("1000 -1\n2000 1\n", "finite and not negative"),
        ("SIMPLE  =                    T / cut short", "not a readable FITS spectrum"),
    ],
)
def test_what_is_wrong_is_said(tmp_path, content, message):
    path = tmp_path / "bad.txt"
    path.write_text(content)
    with pytest.raises(InputError, match=message):
        read_spectrum(path)


def test_files_that_do_not_fit(folder):
    from astropy.io import fits

    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        spectrum_set(ask(folder, "none.txt"))
    np.savetxt(folder / "far.txt", [[30_000.0, 1.0], [40_000.0, 1.0]])
    with pytest.raises(InputError, match="no wavelengths in common"):
        spectrum_set(ask(folder, "text.txt", "far.txt"))
    np.savetxt(folder / "dark.txt", [[1000.0, 0.0], [40_000.0, 0.0]])
    with pytest.raises(InputError, match=r"dark\.txt: no light"):
        spectrum_set(ask(folder, "dark.txt"))
    fits.PrimaryHDU(np.ones(5)).writeto(folder / "bare.fits")
    with pytest.raises(InputError, match="no CRVAL1"):
        read_spectrum(folder / "bare.fits")
    fits.PrimaryHDU(np.ones((5, 5))).writeto(folder / "picture.fits")
    with pytest.raises(InputError, match="neither a table"):
        read_spectrum(folder / "picture.fits")
    with pytest.raises(InputError, match="covers 1000 to 20000"):
        sed_fluxes(ask(folder, "text.txt"), ("F435W",), np.array([5.0]), np.array([5.0]), np.array([0]))


def test_a_folder_is_all_its_files_in_order(tmp_path):
    wave = np.linspace(1000.0, 20000.0, 50)
    for name in ("b.txt", "a.txt"):
        np.savetxt(tmp_path / name, np.column_stack([wave, np.ones(50)]))
    found = spectrum_set(Spectra(files=SpectrumFiles(folder=str(tmp_path))))
    assert found.names == ("a", "b")
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no files of spectra"):
        spectrum_set(Spectra(files=SpectrumFiles(folder=str(tmp_path / "empty"))))


BANDS = ("F435W", "F606W", "F814W", "F160W")
LONG = np.geomspace(400.0, 2e5, 3000)
SHAPE = (LONG / 5000) ** -1.5 * (1 + 0.8 * np.exp(-(((LONG - 4500) / 600) ** 2))) * (LONG > 912)


def colours(spectra: Spectra) -> np.ndarray:
    flux = sed_fluxes(spectra, BANDS, np.ones(1), np.ones(1), np.zeros(1, int))[0]
    return -2.5 * np.log10(flux[:-1] / flux[1:])


def write_table(path, wave, flux, wave_unit, flux_unit, names=("wavelength", "flux"), **how):
    from astropy.table import Table

    table = Table([wave, flux], names=names)
    table[names[0]].unit, table[names[1]].unit = wave_unit, flux_unit
    table.write(path, **how)


def forms(folder) -> dict[str, str]:
    """The one spectrum in files that say their units; name -> what is special."""
    from astropy.io import fits

    nm, f_nu, c = LONG / 10, SHAPE * LONG**2, 2.99792458e18
    write_table(folder / "angstrom.fits", LONG, SHAPE, "Angstrom", "erg/(s cm2 Angstrom)")
    write_table(folder / "nm.fits", nm, SHAPE, "nm", "W/(m2 nm)")
    write_table(folder / "mjy.fits", nm, f_nu, "nm", "mJy")
    write_table(folder / "jy.ecsv", LONG / 1e4, f_nu, "um", "Jy")
    write_table(folder / "lsun.ecsv", LONG, SHAPE, "Angstrom", "solLum/Angstrom")
    write_table(folder / "photons.ecsv", LONG, SHAPE * LONG, "Angstrom", "ph/(s cm2 Angstrom)")
    write_table(folder / "hertz.ecsv", c / LONG, f_nu, "Hz", "erg/(s cm2 Hz)", ("freq", "f_nu"))
    write_table(folder / "swapped.fits", SHAPE, np.log10(LONG), None, None, ("flux", "loglam"))
    for name, top, x, y in (
        ("nm.txt", "nm", nm, SHAPE),
        ("bracket.txt", "wavelength [um]   flux [uJy]", LONG / 1e4, f_nu),
        ("cgs.txt", "Wavelength(Angstroms)  F_lambda (erg/s/cm2/A)", LONG, SHAPE),
        ("words.txt", "lambda in microns, fnu", LONG / 1e4, f_nu),
        ("si.txt", "column 1: nanometers\n column 2: W m-2 Hz-1", nm, f_nu),
        ("article.txt", "A galaxy", LONG, SHAPE),
    ):
        np.savetxt(folder / name, np.c_[x, y], header=top)
    lin = np.linspace(60.0, 20_000.0, 60_000)
    h = fits.Header(
        {"CRVAL1": 60.0, "CDELT1": lin[1] - lin[0], "CRPIX1": 1.0, "CUNIT1": "nm", "CTYPE1": "WAVE"}
    )
    fits.PrimaryHDU(np.interp(lin * 10, LONG, SHAPE).astype(np.float32), h).writeto(folder / "image.fits")
    iraf = fits.Header({"CRVAL1": 600.0, "CDELT1": 10 * (lin[1] - lin[0]), "CRPIX1": 1.0})
    iraf["WAT1_001"] = "wtype=linear label=Wavelength units=angstroms"
    fits.PrimaryHDU(np.interp(lin * 10, LONG, SHAPE).astype(np.float32), iraf).writeto(folder / "iraf.fits")
    step = np.log(150.0) / 20_000
    h = fits.Header({"CRVAL1": 1000.0, "CDELT1": 1000 * step, "CRPIX1": 1.0, "CUNIT1": "Angstrom"})
    h["CTYPE1"] = "WAVE-LOG"
    at = 1000.0 * np.exp(step * np.arange(20_000))
    fits.PrimaryHDU(np.interp(at, LONG, SHAPE), h).writeto(folder / "log.fits")
    return {path.name: "" for path in folder.iterdir()}


def test_units_that_files_say_are_used(tmp_path):
    found = {name: colours(ask(tmp_path, name)) for name in forms(tmp_path)}
    for name, value in found.items():
        np.testing.assert_allclose(value, found["angstrom.fits"], atol=0.01, err_msg=name)


def test_file_and_recipe_disagree(tmp_path):
    forms(tmp_path)
    with pytest.raises(
        InputError, match=r"nm\.fits: .*say\(s\) nm, and the recipe says wavelength_unit: Angstrom"
    ):
        spectrum_set(ask(tmp_path, "nm.fits", wavelength_unit="Angstrom"))
    with pytest.raises(InputError, match=r"say\(s\) f_nu, and the recipe says flux: f_lambda"):
        spectrum_set(ask(tmp_path, "mjy.fits", flux="f_lambda"))
    with pytest.raises(InputError, match=r"bracket\.txt: its comments say\(s\) um"):
        spectrum_set(ask(tmp_path, "bracket.txt", wavelength_unit="nm"))
    asked = ask(tmp_path, "nm.fits", wavelength_unit="nm", flux="f_lambda", units="recipe")
    np.testing.assert_allclose(colours(asked), colours(ask(tmp_path, "angstrom.fits")), atol=1e-6)


@pytest.mark.parametrize(
    ("header", "words"),
    [
        ("wavelength (nm)  flux (counts)", "unit 'counts' .* neither"),
        ("lambda [um]  nuFnu [W/m2]", "unit 'nuFnu'"),
        ("normalised at 5500 Angstrom; wavelengths in nm", "name Angstrom and nm; .*units: recipe"),
        ("fluxes in Jy, once f_lambda", "name f_nu and f_lambda"),
    ],
)
def test_comments_that_do_not_say_one_thing(tmp_path, header, words):
    np.savetxt(tmp_path / "a.txt", np.c_[LONG, SHAPE], header=header)
    with pytest.raises(InputError, match=words):
        spectrum_set(ask(tmp_path, "a.txt"))
    spectrum_set(ask(tmp_path, "a.txt", wavelength_unit="Angstrom", flux="f_lambda", units="recipe"))


def test_units_that_are_not_known_are_named(tmp_path):
    write_table(tmp_path / "a.ecsv", LONG, SHAPE, "pix", "Jy")
    with pytest.raises(InputError, match="the unit 'pix'"):
        spectrum_set(ask(tmp_path, "a.ecsv"))
    write_table(tmp_path / "b.ecsv", LONG, SHAPE, "Angstrom", "erg/(s cm2)")
    with pytest.raises(InputError, match="the unit 'erg / "):
        spectrum_set(ask(tmp_path, "b.ecsv"))
    np.savetxt(tmp_path / "c.txt", np.c_[np.log10(LONG), SHAPE])
    with pytest.raises(InputError, match=r"would be 2\.602 to 5\.301 Angstrom"):
        spectrum_set(ask(tmp_path, "c.txt"))


def test_wavelengths_in_air(tmp_path):
    from mockforge.photometry.units import angstrom

    # [O III] 5006.843 in air is 5008.240 in vacuum (NIST; SDSS's table of lines).
    assert angstrom(np.array([5006.843]), "Angstrom", air=True)[0] == pytest.approx(5008.240, abs=2e-3)


def test_one_grid_in_two_units(tmp_path):
    """Wavelengths that differ by rounding are one: no step between nodes is 0."""
    np.savetxt(tmp_path / "a.txt", np.c_[LONG / 10, SHAPE], header="nm")
    np.savetxt(tmp_path / "b.txt", np.c_[LONG, SHAPE])
    spectra = ask(tmp_path, "a.txt", "b.txt")
    z = np.linspace(0.1, 3.0, 30)
    flux = [sed_fluxes(spectra, BANDS, z, z, np.full(30, k)) for k in (0, 1)]
    np.testing.assert_allclose(flux[0], flux[1], rtol=1e-6)
    said = spectra.chosen.origins()["units of spectra"]
    assert "1 file(s) in nm, f_lambda (its comments)" in said and "Angstrom, f_lambda (the default)" in said
