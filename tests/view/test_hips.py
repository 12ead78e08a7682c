"""A field as HiPS: its coverage, and its light where a reader of HiPS finds it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.commands.view import Looked, view_thing
from mockforge.errors import InputError
from mockforge.field.field import tan_wcs
from mockforge.view.colour import colours_of
from mockforge.view.hips import names_of, write_hips
from tests.view.conftest import Held, field_of

pytest.importorskip("astropy_healpix")
mocpy = pytest.importorskip("mocpy")

from mockforge.view.healpix import SIDE, numbers, order_for, pixel_arcsec, places_of, tiles_of  # noqa: E402

PLACES = ((61, 52), (250, 90), (420, 60), (130, 160), (310, 170), (560, 150), (70, 240), (210, 250),
          (400, 235), (600, 245))  # fmt: skip


@pytest.fixture(scope="module")
def written(tmp_path_factory) -> tuple[Held, Path]:
    """A noiseless field of ten round sources, and its HiPS."""
    field = field_of(300, 700, ("g", "r"), sources=0)
    y, x = np.mgrid[:300, :700]
    field.image[:] = 0.0
    for i, (cx, cy) in enumerate(PLACES):
        spot = np.exp(-((x - cx - 0.3) ** 2 + (y - cy + 0.2) ** 2) / 8.0)
        field.image[:] += np.array([100.0, 60.0])[:, None, None] * (1 + i) * spot
    held = Held(field)
    held.largest = 0
    write_hips(held, tmp_path_factory.mktemp("hips") / "h", "a field", colours_of(held), "normal")
    return held, tmp_path_factory.getbasetemp()


@pytest.fixture(scope="module")
def made(written) -> tuple[Held, Path]:
    return written[0], next(written[1].glob("hips*/h"))


def properties(folder):
    lines = (folder / "properties").read_text().splitlines()
    return {key.strip(): value for key, value in (line.split(" = ", 1) for line in lines)}


def test_the_coverage_is_that_of_the_field(made):
    held, out = made
    for name in ("colour", "g", "r"):
        moc = mocpy.MOC.load(str(out / name / "Moc.fits"), format="fits")
        corners = held.wcs.pixel_to_world([-0.5, 699.5, 699.5, -0.5], [-0.5, -0.5, 299.5, 299.5])
        footprint = mocpy.MOC.from_polygon_skycoord(corners, max_depth=moc.max_order)
        for here, there in ((footprint, moc), (moc, footprint)):  # cells of 0.8 arcsec on the border
            assert here.difference(there).sky_fraction < 0.02 * footprint.sky_fraction
        assert moc.max_order == 11 + 7


def test_light_is_where_it_belongs_to_a_reader_of_hips(made):
    """Tiles by the independent map of pixels of `reproject`; aperture fluxes of ten sources."""
    utils = pytest.importorskip("reproject.hips._utils")
    from astropy.coordinates import ICRS
    from astropy.wcs import WCS

    held, out = made
    order = int(properties(out / "r")["hips_order"])
    lon, lat, light = [], [], []
    for path in (out / "r" / f"Norder{order}").glob("Dir*/Npix*.fits"):
        header = utils.tile_header_2d(level=order, index=int(path.stem[4:]), frame=ICRS(), tile_size=SIDE)
        x, y = np.meshgrid(np.arange(SIDE), np.arange(SIDE))
        for values, all_of in zip(
            (*WCS(header).all_pix2world(x, y, 0), fits.getdata(path)), (lon, lat, light), strict=True
        ):
            all_of.append(values[np.isfinite(fits.getdata(path))])
    lon, lat, light = (np.concatenate(v) for v in (lon, lat, light))
    u, v = held.wcs.world_to_pixel_values(lon, lat)
    area = pixel_arcsec(order) ** 2
    for i, (cx, cy) in enumerate(PLACES):
        on = np.hypot(u - cx - 0.3, v - cy + 0.2) < 12
        true = 60.0 * (1 + i) * np.pi * 8
        assert light[on].sum() * area == pytest.approx(true, rel=0.02)


def test_orders_are_means_and_colours_lie_as_fluxes_do(made):
    from PIL import Image

    _, out = made
    for path in (out / "r" / "Norder10").glob("Dir*/Npix*.fits"):
        coarse, number = fits.getdata(path), int(path.stem[4:])
        rows, columns = {0: (1, 0), 1: (0, 0), 2: (1, 1), 3: (0, 1)}[1]
        name = f"Norder11/Dir{(4 * number + 1) // 10000 * 10000}/Npix{4 * number + 1}.fits"
        if (out / "r" / name).exists():
            fine = fits.getdata(out / "r" / name)
            part = coarse[rows * 256 : rows * 256 + 256, columns * 256 : columns * 256 + 256]
            mean = fine.reshape(256, 2, 256, 2).mean(axis=(1, 3))
            some = np.isfinite(mean)
            np.testing.assert_allclose(part[some], mean[some], rtol=1e-4, atol=1e-3)
        picture = np.asarray(Image.open(out / "colour" / path.relative_to(out / "r").with_suffix(".png")))
        picture = picture[::-1]  # the first row is the top
        known = picture[..., 3] > 0 if picture.shape[2] == 4 else np.ones((SIDE, SIDE), bool)
        np.testing.assert_array_equal(known, np.isfinite(coarse))
        bright = np.nan_to_num(coarse) > 0.5 * np.nanmax(coarse)
        if np.nanmax(coarse) < 1000:  # no source in it
            continue
        assert picture[bright][:, :3].mean() > 3 * picture[known & ~bright][:, :3].mean()
    allsky = fits.getdata(out / "r" / "Norder3" / "Allsky.fits")
    tile = int(next((out / "r" / "Norder3").glob("Dir0/Npix*.fits")).stem[4:])
    y, x = np.argwhere(np.isfinite(allsky))[0]
    assert (28 - y // 64) * 27 + x // 64 == tile and allsky.shape == (29 * 64, 27 * 64)


def test_its_properties_are_those_that_the_standard_wants(made):
    held, out = made
    for name, form in (("colour", "png"), ("g", "fits")):
        said = properties(out / name)
        assert (
            said["hips_tile_format"] == form
            and said["hips_order"] == "11"
            and said["hips_frame"] == "equatorial"
        )
        assert {"creator_did", "obs_title", "hips_version", "hips_release_date", "hips_status",
                "dataproduct_type", "hips_tile_width"} <= set(said)  # fmt: skip
        assert float(said["hips_initial_ra"]) == pytest.approx(150.0)
    assert held.largest < 900 * 900  # tiles are read, not the field


@pytest.mark.parametrize(
    ("ra", "dec"), [(0.0, 0.0), (45.0, 41.81), (200.0, -88.0), (359.999, 12.0), (33.0, 89.9)]
)
def test_pixels_of_tiles_anywhere_on_the_sky(ra, dec):
    """Places by lines between nodes are those of the pixels' centres, and every pixel is in some tile."""
    from astropy import units as u
    from astropy_healpix import healpix_to_lonlat, lonlat_to_healpix

    wcs, order = tan_wcs((900, 900), 0.2, ra, dec), 11
    tiles = tiles_of(wcs, 900, 900, order)
    for tile in tiles[:: max(1, len(tiles) // 4)]:
        x, y = places_of(wcs, order, tile)
        cells = tile * SIDE**2 + numbers(SIDE)[::37, ::41]
        lon, lat = healpix_to_lonlat(cells, 2 ** (order + 9), order="nested")
        exact = wcs.world_to_pixel_values(lon.deg, lat.deg)
        near = np.hypot(exact[0], exact[1]) < 3000
        np.testing.assert_allclose(x[::37, ::41][near], exact[0][near], atol=1e-3)
        np.testing.assert_allclose(y[::37, ::41][near], exact[1][near], atol=1e-3)
    px, py = (v.ravel() for v in np.meshgrid(np.linspace(-0.5, 899.5, 60), np.linspace(-0.5, 899.5, 60)))
    lon, lat = wcs.pixel_to_world_values(px, py)
    assert set(lonlat_to_healpix(lon * u.deg, lat * u.deg, 2**order, order="nested").tolist()) <= set(tiles)


def test_orders_and_names():
    assert [order_for(scale) for scale in (0.2, 0.06, 1000.0)] == [11, 13, 3]
    assert names_of(["g", "hsc/r", "G", "colour", ".."]) == ["g", "hsc_r", "G-3", "colour-4", "band5"]


def test_what_cannot_be_a_hips_is_said_in_a_sentence(tmp_path, monkeypatch):
    bare = field_of(80, 90)
    bare.write(tmp_path / "f.fits")
    plain = Held(bare)
    monkeypatch.setattr(Held, "wcs", None)
    with pytest.raises(InputError, match="has no WCS"):
        write_hips(plain, tmp_path / "h", "t", colours_of(plain), "normal")
    monkeypatch.undo()
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs" / "a.txt").write_text("x")
    path, hips = str(tmp_path / "f.fits"), tmp_path / "h"
    for what, looked, sentence in (
        ("kids-viking", Looked(hips=hips), "made of a field on disk"),
        (path, Looked(hips=hips, out=tmp_path / "o"), "--out: is for a viewer"),
        (path, Looked(hips=tmp_path / "theirs"), "no viewer of mockforge, not overwritten"),
        (path, Looked(hips=hips, flight=tmp_path / "a.gif"), "exclude each other"),
    ):
        with pytest.raises(InputError, match=sentence):
            list(view_thing(what, looked))
    monkeypatch.setattr("mockforge.view.hips.shutil.disk_usage", lambda path: type("D", (), {"free": 10}))
    with pytest.raises(InputError, match="and 10 are free"):
        list(view_thing(str(tmp_path / "f.fits"), Looked(hips=tmp_path / "h", quiet=True)))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["f.fits", "theirs"]
