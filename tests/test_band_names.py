"""Names that would merge: bands whose columns are another band's, spectra and galaxies of long names."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.galaxies.table import spectrum_columns
from mockforge.names import band_problem, check_bands
from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.populations.sfh import Constant, Sfh
from mockforge.photometry.spectra.files import SpectrumFiles
from mockforge.photometry.spectra.spec import Spectra
from tests.builders.batches import samples


@pytest.mark.parametrize("name", ["g", "F606W", "hsc_i", "Ks", "NISP_Y", "band1", "i2", "F814W-v2"])
def test_usual_names(name):
    assert band_problem(name) == ""


@pytest.mark.parametrize(
    "name",
    ["err_g", "ERR_g", "iso_g", "iso_err_g", "aper_g", "radius", "in_g", "out_F606W", "TRUTH_g", "VAR_g",
     "MASK", "a/b", "", " g", "g ", "H\u03b1", "g" * 51, ".", None],
)  # fmt: skip
def test_names_that_would_be_another_column(name):
    assert band_problem(name)
    with pytest.raises(InputError, match="bands: "):
        check_bands(("g", name))


def test_one_name_twice():
    with pytest.raises(InputError, match="'g' is the name of two bands"):
        check_bands(("g", "r", "g"))
    check_bands(("z", "Z", "y", "Y"))


def test_fields_files_and_batches_refuse_them(tmp_path):
    image = np.random.default_rng(0).normal(size=(2, 64, 64)).astype("f4")
    with pytest.raises(InputError, match="'err_g' is no usable name"):
        Field(image, ("g", "err_g"))
    with pytest.raises(InputError, match="'err_g' is no usable name"):
        samples(1).with_attributes(bands=("err_g",))
    units = [fits.PrimaryHDU(), *(fits.ImageHDU(image[i], name=n) for i, n in enumerate(("G", "ERR_G")))]
    fits.HDUList(units).writeto(tmp_path / "a.fits")
    with pytest.raises(InputError):
        Field.read(tmp_path / "a.fits", bands=("g", "err_g"), extensions=(1, 2))


def test_spectra_of_long_names_stay_apart(tmp_path):
    start = "a_template_with_a_very_long_name_of_all_its_parameters_and_of_where_it_is_from_"
    for end in ("A", "B", "\u03b1"):
        np.savetxt(tmp_path / f"{start}{end}.txt", [[300.0, 1.0], [2e5, 2.0]])
    spectra = Spectra(files=SpectrumFiles(folder=str(tmp_path)))
    names = spectrum_columns("", spectra, np.array([0, 1, 2, 1]), "Planck18")["sed_name"]
    assert [n.decode() for n in names] == [f"{start}{end}" for end in ("A", "B", "\u03b1", "B")]


def test_populations_of_near_numbers_stay_apart():
    sfh = tuple(Sfh(constant=Constant(duration_gyr=t)) for t in (1.0000001, 1.0000002, 1.0))
    names = spectrum_set(Spectra(populations=Populations(sfh=sfh, metallicity=(1.0,), a_v=(0.0,)))).names
    assert names == ("const_t1.0000001_Z1_Av0", "const_t1.0000002_Z1_Av0", "const_t1_Z1_Av0")
