"""A user's spectra: the forms that are read, and what is said of the others."""

from __future__ import annotations

import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.sky.sed import sed_fluxes, spectrum_set
from mockforge.sky.spectra import Spectra, SpectrumFiles
from mockforge.sky.spectrum_files import read_spectrum

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
        ("1000 1\n2000 x\n", "line 2: wanted are wavelength and flux, found '2000 x'"),
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
