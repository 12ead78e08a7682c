"""Cubes as FITS: axes, units and wavelengths are the dataset's, and others open them silently."""

import warnings

import numpy as np
import pytest

import mockforge
from mockforge.data.export.export import export

WORDS = [
    *(
        "samples=2",
        "shard_size=2",
        "stages.ifu.spaxels=12",
        "stages.ifu.margin=1",
        "stages.ifu.tolerance=0.02",
    ),
    *("stages.ifu.redshift=0.5", "stages.ifu.r_half_arcsec=0.4"),
]


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cubes")
    data = mockforge.build("ifu_disks", folder / "data", WORDS, workers=1, quiet=1)
    out = export(data, "fits", folder / "fits")
    return mockforge.load(data), sorted(out.glob("*/*.fits"))[0]


def test_axes_units_and_rest_wavelength(written):
    from astropy import units
    from astropy.io import fits
    from astropy.wcs import WCS

    dataset, path = written
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with fits.open(path) as hdus:
            hdus.verify("exception")
            header = hdus["DATA"].header
            wcs = WCS(header)
            sample = dataset[int(hdus[0].header["SAMPLE"])]
            np.testing.assert_array_equal(hdus["DATA"].data, sample["cube"])
            np.testing.assert_array_equal(hdus["STAT"].data, sample["cube_variance"])
            assert WCS(hdus["VELOCITY_MAP"].header).naxis == 2
            assert units.Unit(hdus["VELOCITY_MAP"].header["BUNIT"]) == units.km / units.s
    assert units.Unit(header["BUNIT"]) == units.Unit("1e-20 erg s-1 cm-2 Angstrom-1")
    assert header["CTYPE3"] == "AWAV" and header["RESTWAV"] == pytest.approx(3729.875e-10)
    waves = wcs.spectral.pixel_to_world_values(np.arange(40))
    np.testing.assert_allclose(waves * 1e10, sample["wavelength"], rtol=1e-9)
    scales = wcs.celestial.proj_plane_pixel_scales()
    np.testing.assert_allclose([s.to_value("arcsec") for s in scales], 0.2)
    assert "once" in header["LSFNOTE"]


def test_mpdaf_opens_it_without_a_word(written, capfd):
    from astropy import units

    mpdaf = pytest.importorskip("mpdaf.obj")
    dataset, path = written
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cube = mpdaf.Cube(str(path))
    assert capfd.readouterr() == ("", "")
    assert cube.shape == (40, 12, 12) and cube.var is not None
    assert cube.wave.get_step() == pytest.approx(1.25)
    np.testing.assert_allclose(cube.wcs.get_step(unit=units.arcsec), 0.2)
    assert cube.wave.coord(3) == pytest.approx(float(dataset[0]["wavelength"][3]))


def test_spectral_cube_opens_it_without_a_word(written, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its import, under a newer astropy
        spectral_cube = pytest.importorskip("spectral_cube")
    _, path = written
    capfd.readouterr()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cube = spectral_cube.SpectralCube.read(str(path), hdu=1)
    assert capfd.readouterr() == ("", "")
    assert cube.shape == (40, 12, 12)
    rest = cube.wcs.wcs.restwav * 1e10
    vacuum = cube.spectral_axis.to_value("Angstrom").mean() * 1.00028
    assert vacuum / rest - 1 == pytest.approx(0.5, abs=0.002)
