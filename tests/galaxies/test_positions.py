"""Where a catalogue's galaxies are: every way to say it is read, or is a sentence; none is dropped."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.coordinates import FK4, SkyCoord
from astropy.io import fits
from astropy.table import MaskedColumn, Table
from astropy.wcs import WCS

from mockforge.errors import InputError
from mockforge.galaxies.real.catalogue import known_redshifts, numbers
from mockforge.galaxies.real.cutouts import Cleaning
from mockforge.galaxies.real.files import FileCatalogue, FileGalaxies
from mockforge.galaxies.real.positions import places
from mockforge.observe.psf.spec import Gaussian, Psf

HERE = (40.0, 31.0)
FAR = Cleaning(subtract_sky=False, mask_neighbours=False)


def header(**more) -> fits.Header:
    out = {"BUNIT": "nJy", "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 150.1, "CRVAL2": 2.2}
    out |= {"CRPIX1": 50.0, "CRPIX2": 50.0, "CDELT1": -0.06 / 3600, "CDELT2": 0.06 / 3600}
    return fits.Header(out | more)


@pytest.fixture
def folder(tmp_path):
    image = np.random.default_rng(1).normal(size=(100, 100)).astype("f4")
    fits.PrimaryHDU(image, header()).writeto(tmp_path / "f.fits")
    plain = fits.Header({"BUNIT": "nJy", "PIXSCALE": 0.06})
    fits.PrimaryHDU(image, plain).writeto(tmp_path / "nowcs.fits")
    galactic = header(CTYPE1="GLON-TAN", CTYPE2="GLAT-TAN")
    centre = SkyCoord(150.1, 2.2, unit="deg").galactic
    galactic["CRVAL1"], galactic["CRVAL2"] = centre.l.deg, centre.b.deg
    fits.PrimaryHDU(image, galactic).writeto(tmp_path / "galactic.fits")
    return tmp_path


def centre(folder, columns, file="f.fits", rows=1, **keys):
    table = Table({"file": [file] * rows, "z": [0.5] * rows} | columns)
    table.write(folder / "t.ecsv", overwrite=True)
    rule = FileGalaxies(
        catalogue=str(folder / "t.ecsv"),
        bands=("F814W",),
        psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.1)),
        clean=FAR,
        **keys,
    )
    found = FileCatalogue(rule)
    return found._centre(0, found._field(0))


def place() -> SkyCoord:
    ra, dec = WCS(header()).pixel_to_world_values(*HERE)
    return SkyCoord(ra, dec, unit="deg")


def sky_columns() -> dict[str, dict]:
    c = place()
    b = c.transform_to(FK4(equinox="B1950"))
    degrees = ([c.ra.deg], [c.dec.deg])
    out = {
        name: dict(zip(name.split(), degrees, strict=True))
        for name in ("ra dec", "RA DEC", "RAJ2000 DEJ2000", "_RAJ2000 _DEJ2000", "ALPHA_J2000 DELTA_J2000",
                     "X_WORLD Y_WORLD", "RA_ICRS DE_ICRS", "ra_deg dec_deg")
    }  # fmt: skip
    out["colons"] = {"ra": [c.ra.to_string("hour", sep=":", precision=4)], "dec": [c.dec.to_string(sep=":")]}
    out["spaces"] = {
        "RAJ2000": [c.ra.to_string("hour", sep=" ", precision=4)],
        "DEJ2000": [c.dec.to_string(sep=" ")],
    }
    out["letters"] = {"ra": [c.ra.to_string("hour", precision=4)], "dec": [c.dec.to_string()]}
    out["words"] = {"ra": [f"{c.ra.deg:.8f}"], "dec": [f" {c.dec.deg:+.8f}"]}
    out["radians"] = {"ra": [c.ra.rad], "dec": [c.dec.rad]}
    out["hours"] = {"ra": [c.ra.hour], "dec": [c.dec.deg]}
    out["galactic"] = {"glon": [c.galactic.l.deg], "glat": [c.galactic.b.deg]}
    out["B1950"] = {"RAB1950": [b.ra.deg], "DEB1950": [b.dec.deg]}
    return out


@pytest.mark.parametrize("image", ["f.fits", "galactic.fits"])
@pytest.mark.parametrize("name", sky_columns())
def test_positions_on_the_sky_are_read(folder, name, image):
    table = Table(sky_columns()[name])
    if name == "radians":
        table["ra"].unit = table["dec"].unit = "rad"
    if name == "hours":
        table["ra"].unit, table["dec"].unit = "hourangle", "deg"
    found = centre(folder, {c: table[c] for c in table.colnames}, image)
    wanted = HERE
    if image == "galactic.fits":
        with fits.open(folder / image) as units:
            wanted = WCS(units[0].header).world_to_pixel(place())
    assert found == pytest.approx(tuple(float(v) for v in wanted), abs=0.03)


@pytest.mark.parametrize(
    ("columns", "first"),
    [(("x", "y"), 0), (("X", "Y"), 0), (("xcentroid", "ycentroid"), 0), (("X_IMAGE", "Y_IMAGE"), 1),
     (("XWIN_IMAGE", "YWIN_IMAGE"), 1)],
)  # fmt: skip
def test_pixels_are_counted_as_their_programs_do(folder, columns, first):
    given = {name: [at + first] for name, at in zip(columns, HERE, strict=True)}
    assert centre(folder, given, "nowcs.fits") == HERE


def test_without_columns_the_middle(folder):
    assert centre(folder, {}) == (49.5, 49.5)
    ra_dec = {"ra": [150.0], "dec": [2.0]}
    assert centre(folder, ra_dec, "nowcs.fits", position="middle") == (49.5, 49.5)


def test_pixels_and_sky_agree_or_are_a_sentence(folder):
    c = place()
    both = {"ra": [c.ra.deg], "dec": [c.dec.deg], "X_IMAGE": [HERE[0] + 1], "Y_IMAGE": [HERE[1] + 1]}
    assert centre(folder, both) == HERE
    assert centre(folder, both, "nowcs.fits") == HERE
    both |= {"X_IMAGE": [80.0]}
    with pytest.raises(
        InputError, match=r"two places: pixels \(79\.0, 31\.0\).*\(40\.0, 31\.0\).*position: pixels"
    ):
        centre(folder, both)
    assert centre(folder, both, position="pixels") == (79.0, 31.0)
    assert centre(folder, both, position="sky") == pytest.approx(HERE, abs=1e-3)


@pytest.mark.parametrize(
    ("columns", "file", "words"),
    [
        ({"ra": [150.1], "dec": [2.2]}, "nowcs.fits", r"no WCS.*ra, dec.*position: middle"),
        ({"ra": [150.1]}, "f.fits", "'ra' without 'dec'"),
        ({"x": [4.0]}, "f.fits", "'x' without 'y'"),
        ({"ra": ["ten"], "dec": ["2"]}, "f.fits", r"row 1 has ra = 'ten'"),
        ({"ra": ["--"], "dec": ["2"]}, "f.fits", "row 1 has no ra"),
        ({"ra": [np.nan], "dec": [2.0]}, "f.fits", "row 1 has no ra"),
        ({"ra": MaskedColumn([150.1], mask=[True]), "dec": [2.0]}, "f.fits", "row 1 has no ra"),
        ({"x": [np.nan], "y": [2.0]}, "f.fits", "row 1 has no x, y"),
        ({"x": MaskedColumn([3], mask=[True]), "y": [2]}, "f.fits", "row 1 has no x, y"),
        ({"ra": [150.1], "dec": [-99.0]}, "f.fits", "no place on the sky"),
        (
            {"ra": [150.1], "dec": [2.2], "RAJ2000": [150.2], "DEJ2000": [2.2]},
            "f.fits",
            "of different places",
        ),
        ({"Ra": [150.1], "RA": [150.1], "dec": [2.2]}, "f.fits", "could both be 'ra'"),
        ({"RAh": [10], "RAm": [0], "DEd": [2]}, "f.fits", "found RAh, RAm, DEd; expected ra and dec"),
        ({"lon": [10.0], "lat": [0.0]}, "f.fits", "understood"),
        ({"xpos": [10.0], "ypos": [0.0]}, "f.fits", "the first is 0"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(folder, columns, file, words):
    with pytest.raises(InputError, match=words):
        centre(folder, columns, file)


def test_units_that_are_no_angles_are_a_sentence():
    table = Table({"ra": [1.0], "dec": [2.0], "x": [1.0], "y": [1.0]})
    table["ra"].unit = "kpc"
    with pytest.raises(InputError, match="'ra' is in kpc"):
        places(table, np.ones(1, bool), "sky", "t")
    table["x"].unit = "arcsec"
    with pytest.raises(InputError, match="'x' is in arcsec"):
        places(table, np.ones(1, bool), "pixels", "t")


def test_a_place_without_an_object_is_a_sentence(tmp_path):
    y, x = np.indices((100, 100))
    image = np.random.default_rng(1).normal(size=(100, 100)) + 500 * np.exp(
        -0.5 * ((x - 80) ** 2 + (y - 80) ** 2) / 4
    )
    fits.PrimaryHDU(image.astype("f4"), header()).writeto(tmp_path / "f.fits")
    for at, good in ((80.0, True), (20.0, False)):
        (tmp_path / "t.csv").write_text(f"file,z,x,y\nf.fits,0.5,{at},{at}\n")
        psf = Psf(gaussian=Gaussian(fwhm_arcsec=0.1))
        found = FileCatalogue(FileGalaxies(catalogue=str(tmp_path / "t.csv"), bands=("F814W",), psf=psf))
        if good:
            assert found.cutout(0).centre == pytest.approx((80, 80), abs=0.3)
        else:
            with pytest.raises(InputError, match=r"no object is detected at its place \(20\.0, 20\.0\)"):
                found.cutout(0)


def test_numbers_are_read_or_named():
    masked = MaskedColumn([1, 2], mask=[False, True])
    np.testing.assert_array_equal(numbers(masked), [1.0, np.nan])
    np.testing.assert_array_equal(numbers(np.array(["1.5", "--", "-", "", "n/a"])), [1.5] + [np.nan] * 4)
    with pytest.raises(InputError, match=r"t\.csv: row 2 holds '1,5'"):
        numbers(np.array(["1.5", "1,5"]), "t.csv")


def test_sentinels_are_no_redshifts():
    z = known_redshifts(np.array([0.5, -99.0, 99.0, 99.9, -1.0, 0.0, 999.0, np.nan]), "z", "t")
    assert z[0] == 0.5 and np.isnan(z[1:]).all()
    with pytest.raises(InputError, match=r"row 2 has a redshift z = 150\.1"):
        known_redshifts(np.array([0.5, 150.1]), "z", "t")


def test_what_was_taken_is_said(folder):
    c = place()
    lines = f"file,z,RAJ2000,DEJ2000\nf.fits,0.5,{c.ra.deg},{c.dec.deg}\nf.fits,-99,{c.ra.deg},{c.dec.deg}\n"
    (folder / "t.csv").write_text(lines)
    psf = Psf(gaussian=Gaussian(fwhm_arcsec=0.1))
    said = FileGalaxies(catalogue=str(folder / "t.csv"), bands=("F814W",), psf=psf).origins()
    assert said["galaxies"] == "1 galaxies of 2 rows have a redshift"
    assert said["places"] == "raj2000, dej2000"
    assert "zeropoint" in said and "pixel scale" in said


@pytest.mark.parametrize(
    "names",
    [("RA(deg)", "Dec(deg)"), ("ra_best", "dec_best"), ("x_peak", "y_peak"), ("xcen_pix", "ycen_pix"),
     ("RAh", "DE-"), ("coord",), ("radec",), ("lon", "lat")],
)  # fmt: skip
def test_columns_that_speak_of_positions_and_are_not_read_are_named(names, folder):
    (folder / "t.csv").write_text(f"file,z,{','.join(names)}\nf.fits,0.5{',1' * len(names)}\n")
    with pytest.raises(InputError, match="that are understood") as caught:
        catalogue(folder, folder / "t.csv")
    assert all(name in str(caught.value) for name in names)


@pytest.mark.parametrize(
    "names", ["position_angle", "alpha_sersic,delta_mag", "l_x,b_v", "flux_x,flux_y", "x_err,y_err"]
)
def test_other_columns_are_no_positions(names, folder):
    (folder / "t.csv").write_text(f"file,z,{names}\nf.fits,0.5{',1' * len(names.split(','))}\n")
    assert catalogue(folder, folder / "t.csv").place.names == ""


@pytest.mark.parametrize("form", ["comments", "mark", "semicolons", "votable"])
def test_catalogues_in_other_forms(form, folder):
    text = "file,z,x,y\nf.fits,0.5,40,31\n"
    path = folder / ("t.vot" if form == "votable" else "t.csv")
    if form == "votable":
        table = Table({"file": ["f.fits"], "z": [0.5], "x": [40.0], "y": [31.0]})
        table.write(path, format="votable")
    else:
        changed = {
            "comments": f"# made by hand\n\n{text}",
            "mark": f"\ufeff{text}",
            "semicolons": text.replace(",", ";"),
        }
        path.write_text(changed[form], encoding="utf-8")
    found = catalogue(folder, path)
    assert found.redshifts.tolist() == [0.5] and found.place.xy.tolist() == [[40.0, 31.0]]


def test_magnitudes_in_a_column_z_are_no_redshifts(folder):
    with pytest.raises(InputError, match="magnitudes in the band z"):
        known_redshifts(np.array([21.5, 22.8, 0.7]), "z", "t.csv")
    with pytest.raises(InputError, match="column 'z' is in mag"):
        known_redshifts(MaskedColumn([21.5], unit="mag"), "z", "t.csv")
    assert known_redshifts(np.array([14.4, 1.0, 2.0]), "z", "t.csv").tolist() == [14.4, 1.0, 2.0]


def catalogue(folder, path) -> FileCatalogue:
    psf = Psf(gaussian=Gaussian(fwhm_arcsec=0.1))
    return FileCatalogue(FileGalaxies(catalogue=str(path), folder=str(folder), bands=("F814W",), psf=psf))
