"""Anyone's FITS bands: units, extensions, masks, and every malformed input as a sentence."""

import gzip
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs


def noise(seed: int = 0, shape: tuple[int, ...] = (32, 48)) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, shape).astype(np.float32)


def put(path: Path, data: np.ndarray | None, **cards: object) -> Path:
    header = fits.Header()
    for key, value in cards.items():
        header[key] = value
    fits.PrimaryHDU(data, header=header).writeto(path)
    return path


def test_files_are_bands_and_units_become_nanojansky(tmp_path: Path) -> None:
    g = put(tmp_path / "g.fits", noise(1), BUNIT="uJy", FILTER="g")
    r = put(tmp_path / "r.fits", noise(2), MAGZERO=30.0)
    field = Field.read([g, r], pixel_scale_arcsec=0.2)
    assert field.bands == ("g", "r") and field.unit == "nJy" and field.pixel_scale_arcsec == 0.2
    np.testing.assert_allclose(field.image[0], 1000 * noise(1), rtol=1e-6)
    np.testing.assert_allclose(field.image[1], 10 ** (0.4 * 1.4) * noise(2), rtol=1e-6)


@pytest.mark.parametrize(
    ("cards", "nanojansky"),
    [
        ({"BUNIT": "Jy"}, 1e9),
        ({"BUNIT": "mJy"}, 1e6),
        ({"BUNIT": "nJy/pixel"}, 1.0),
        ({"BUNIT": "nanomaggy"}, 10 ** (0.4 * 8.9)),
        ({"BUNIT": "10*nJy"}, 10.0),
        ({"BUNIT": "MJy/sr", "PIXAR_SR": 1e-13}, 1e15 * 1e-13),
        ({"FLUXMAG0": 10**12.0}, 3630.78 * 1e9 / 1e12),
        ({"PHOTFLAM": 7.0331e-20, "PHOTPLAM": 8047.3, "BUNIT": "ELECTRONS/S"}, 151.9),
        ({"PHOTFLAM": 7.0331e-20, "PHOTPLAM": 8047.3, "BUNIT": "ELECTRONS", "EXPTIME": 10.0}, 15.19),
    ],
)
def test_zeropoints(tmp_path: Path, cards: dict[str, object], nanojansky: float) -> None:
    field = Field.read(put(tmp_path / "a.fits", noise(), **cards))
    assert field.unit == "nJy"
    np.testing.assert_allclose(field.image[0] / noise(), nanojansky, rtol=2e-3)


def test_the_users_zeropoint_goes_first(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fits", noise(), BUNIT="Jy")
    np.testing.assert_allclose(Field.read(path, zeropoint=31.4).image[0], noise())
    with pytest.raises(InputError, match="2 values for 1 band"):
        Field.read(path, zeropoint=[1, 2])


def test_without_zeropoint_the_unit_is_native(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fits", noise(), MAGZERO=25.0, MAGSYS="Vega")
    field = Field.read(path)
    assert field.unit == "native" and field.zeropoint_ab is None
    with pytest.raises(InputError, match="--zeropoint"):
        Field.read(path, require_njy=True)


def test_a_band_twice_and_a_scale_of_nothing_are_refused(tmp_path: Path) -> None:
    path = put(tmp_path / "a.fits", noise())
    with pytest.raises(InputError, match="given twice"):
        Field.read([path, path])
    for scale in (0.0, -0.2, float("nan")):
        with pytest.raises(InputError, match="pixel scale"):
            Field.read(path, pixel_scale_arcsec=scale)


def test_extensions_planes_and_compression(tmp_path: Path) -> None:
    units = [fits.PrimaryHDU(), fits.ImageHDU(noise(1), name="G"), fits.CompImageHDU(noise(2), name="R")]
    units += [
        fits.ImageHDU(noise(3), name="WHT"),
        fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]),
    ]
    path = tmp_path / "all.fits"
    fits.HDUList(units).writeto(path)
    assert Field.read(path).bands == ("G", "R")
    np.testing.assert_array_equal(Field.read(path, bands=["r", "g"], zeropoint=31.4).image[1], noise(1))
    assert Field.read(path, extensions=["R"]).bands == ("R",)
    assert Field.read(f"{path}[G]").bands == ("G",)
    with pytest.raises(InputError, match="did you mean 'WHT'"):
        Field.read(path, extensions=["WTH"])
    cube = put(tmp_path / "cube.fits", noise(4, (3, 32, 32)))
    assert Field.read(cube, bands="grZ").shape == (3, 32, 32)
    with pytest.raises(InputError, match="2 names"):
        Field.read(cube, bands=["g", "r"])
    packed = tmp_path / "a.fits.gz"
    packed.write_bytes(gzip.compress(cube.read_bytes()))
    np.testing.assert_array_equal(Field.read(packed).image, Field.read(cube).image)


def test_scaled_integers_and_blank(tmp_path: Path) -> None:
    data = np.arange(32 * 32, dtype=np.int16).reshape(32, 32)
    header = fits.Header({"BLANK": 5, "BSCALE": 0.5, "BZERO": 100.0})
    with fits.open(put(tmp_path / "raw.fits", data)) as units:
        for key, value in header.items():
            units[0].header[key] = value
        units.writeto(tmp_path / "a.fits", output_verify="ignore")
    raw = bytearray((tmp_path / "raw.fits").read_bytes())
    cards = [f"{k:8}= {v:>20}" for k, v in (("BLANK", 5), ("BSCALE", 0.5), ("BZERO", 100.0))]
    at = raw.index(b"END" + b" " * 77)
    text = "".join(c.ljust(80) for c in [*cards, "END"]).encode()
    raw[at : at + len(text)] = text
    (tmp_path / "b.fits").write_bytes(raw)
    field = Field.read(tmp_path / "b.fits", zeropoint=31.4)
    assert field.mask is not None and field.mask.sum() == 1 and field.mask[0, 5]
    assert field.image[0, 3, 4] == 100.0 + 0.5 * (3 * 32 + 4)


def test_nan_and_footprints_are_masked(tmp_path: Path) -> None:
    one, two = noise(1), noise(2)
    one[:, :10] = 0
    two[:, :10] = 0
    two[20, 20], one[21, 21], one[22, 22] = np.nan, np.inf, 1e31
    field = Field.read([put(tmp_path / "a.fits", one), put(tmp_path / "b.fits", two)], zeropoint=31.4)
    assert field.mask is not None
    assert field.mask[:, :10].all() and field.mask.sum() == 32 * 10 + 3
    assert np.isfinite(field.image).all() and (field.image[:, field.mask] == 0).all()
    mock = np.where(noise(3) > 1, np.float32(5), np.float32(0))  # a noiseless mock keeps its zeros
    assert Field.read(put(tmp_path / "c.fits", mock), zeropoint=31.4).mask is None


def test_wcs_gives_the_scale_and_must_agree(tmp_path: Path) -> None:
    wcs = tan_wcs((32, 48), 0.3)
    cards = dict(wcs.to_header().items())
    a = put(tmp_path / "a.fits", noise(1), **cards)
    assert Field.read(a).pixel_scale_arcsec == pytest.approx(0.3)
    near = put(tmp_path / "b.fits", noise(2), **cards | {"CRPIX1": cards["CRPIX1"] + 0.05})
    assert Field.read([a, near]).wcs is not None
    far = put(tmp_path / "c.fits", noise(2), **cards | {"CRPIX1": cards["CRPIX1"] + 1})
    with pytest.raises(InputError, match=r"not aligned.*differ by 1 pixels"):
        Field.read([a, far])
    with pytest.raises(InputError, match=r"0\.2 arcsec was given and the WCS says 0\.3"):
        Field.read(a, pixel_scale_arcsec=0.2)


def _damaged(path: Path, old: bytes, new: bytes) -> Path:
    raw = path.read_bytes()
    assert old in raw and len(old) == len(new)
    path.write_bytes(raw.replace(old, new, 1))
    return path


def _malformed(folder: Path) -> dict[str, tuple[list[Path], str]]:
    """Name -> files and the words their message must hold."""
    folder.mkdir(exist_ok=True)
    good = put(folder / "good.fits", noise())

    def copy(name: str, old: str, new: str) -> list[Path]:
        path = put(folder / f"{name}.fits", noise())
        return [_damaged(path, f"{old:<80}"[:30].encode(), f"{new:<80}"[:30].encode())]

    short = folder / "short.fits"
    short.write_bytes(good.read_bytes()[:5000])
    header_only = folder / "header.fits"
    header_only.write_bytes(good.read_bytes()[:1000])
    packed = folder / "short.fits.gz"
    packed.write_bytes(gzip.compress(good.read_bytes())[:2000])
    text = folder / "text.fits"
    text.write_text("# my catalogue\n1 2 3\n")
    empty = folder / "empty.fits"
    empty.write_bytes(b"")
    table = folder / "table.fits"
    fits.BinTableHDU.from_columns([fits.Column("a", "E", array=[1.0])]).writeto(table)
    tiles = folder / "tiles.fits"
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(noise())]).writeto(tiles)
    card = f"{'ZNAXIS1':8}= "
    raw = tiles.read_bytes()
    at = raw.index(card.encode())
    tiles.write_bytes(raw[:at] + f"{card}{10**9:>20}".encode() + raw[at + 30 :])
    axis = f"{'NAXIS1':8}= {48:>20}"
    return {
        "missing": ([folder / "nothing.fits"], "no such file"),
        "folder": ([folder], "is a folder"),
        "not FITS": ([text], "not a FITS file"),
        "empty file": ([empty], "not a FITS file"),
        "truncated": ([short], "truncated"),
        "truncated header": ([header_only], "truncated"),
        "truncated gzip": ([packed], "truncated"),
        "no image": ([table], "no image"),
        "one axis": ([put(folder / "line.fits", noise(0, (4000,)))], "two dimensions"),
        "four axes": ([put(folder / "hyper.fits", noise(0, (2, 2, 20, 20)))], "dimension"),
        "spectral cube": ([put(folder / "cube.fits", noise(0, (80, 20, 20)))], "spectral cube"),
        "all NaN": ([put(folder / "nan.fits", noise() * np.nan)], "no finite pixel"),
        "constant": ([put(folder / "flat.fits", np.ones((32, 32), np.float32))], "constant"),
        "too small": ([put(folder / "small.fits", noise(0, (8, 8)))], "too small"),
        "other shape": ([good, put(folder / "other.fits", noise(0, (48, 32)))], "one grid"),
        "negative axis": (copy("negative", axis, f"{'NAXIS1':8}= {-48:>20}"), "NAXIS1 = -48"),
        "huge axis": (copy("huge", axis, f"{'NAXIS1':8}= {10**11:>20}"), "truncated, or its header is wrong"),
        "no number": (copy("word", axis, f"{'NAXIS1':8}= {'many':>20}"), "NAXIS1 = many"),
        "bitpix": (copy("bits", f"{'BITPIX':8}= {-32:>20}", f"{'BITPIX':8}= {17:>20}"), "BITPIX = 17"),
        "compressed, huge": ([tiles], "compressed image"),
        "bscale": ([put(folder / "scale.fits", noise(), XSCALE=0.0)], "BSCALE"),
        "bad wcs": (
            [put(folder / "wcs.fits", noise(), CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CDELT1=0.0, CDELT2=0.0)],
            "WCS",
        ),
        "zeropoint card": ([put(folder / "zp.fits", noise(), MAGZERO=999.0)], "MAGZERO = 999"),
    }


CASES = (
    "missing", "folder", "not FITS", "empty file", "truncated", "truncated header", "truncated gzip",
    "no image", "one axis", "four axes", "spectral cube", "all NaN", "constant", "too small", "other shape",
    "negative axis", "huge axis", "no number", "bitpix", "compressed, huge", "bscale", "bad wcs",
    "zeropoint card",
)  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_malformed_input_is_a_sentence(tmp_path: Path, case: str) -> None:
    files, words = _malformed(tmp_path / "in")[case]
    if case == "bscale":
        _damaged(files[0], b"XSCALE  =", b"BSCALE  =")
    tracemalloc.start()
    try:
        with pytest.raises(InputError) as caught:
            Field.read(files)
        assert tracemalloc.get_traced_memory()[1] < 50e6  # whatever the header asks for
    finally:
        tracemalloc.stop()
    assert words in str(caught.value)
    assert any(str(f) in str(caught.value) for f in files)


def test_every_malformed_case_is_tried(tmp_path: Path) -> None:
    assert tuple(_malformed(tmp_path / "in")) == CASES


def test_random_damage_never_escapes_as_another_error(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(noise(1)), fits.ImageHDU(noise(2), name="B")]).writeto(
        tmp_path / "good.fits"
    )
    good = (tmp_path / "good.fits").read_bytes()
    path = tmp_path / "bad.fits"
    refused = 0
    for _ in range(60):
        raw = bytearray(good[: int(rng.integers(100, len(good)))] if rng.random() < 0.3 else good)
        for at in rng.integers(0, len(raw), 30):
            raw[at] = int(rng.integers(32, 127))
        path.write_bytes(raw)
        try:
            Field.read(path)
        except InputError:
            refused += 1
    assert refused > 10


def test_the_real_field(shared_data: Path) -> None:
    folder = shared_data / "kids_viking"
    field = Field.read([folder / "r.fits", folder / "Z.fits"], zeropoint=[0, 30], pixel_scale_arcsec=0.2)
    assert field.shape == (2, 2600, 2600) and field.bands == ("r", "Z")
    rms = [1.4826 * np.median(np.abs(b - np.median(b))) for b in field.image[:, ::7, ::7]]
    assert rms[0] == pytest.approx(4.4e-12 * 3.631e12, rel=0.1) and rms[1] == pytest.approx(
        6.6 * 3.631, rel=0.1
    )
