"""Fields degraded from disk to disk: equal to the whole field at once, whatever the windows and workers."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from typer.testing import CliRunner

from mockforge.cli import app
from mockforge.commands.degrade import degrade_field
from mockforge.commands.degrade_file import DegradedFile, degraded_file
from mockforge.errors import InputError
from mockforge.field.field import Field, tan_wcs
from mockforge.mosaic.read import open_field
from mockforge.observe.degrade.degrader import Degrader
from mockforge.observe.psf.models import gaussian, moffat
from mockforge.observe.psf.spec import Gaussian, Moffat, Psf
from mockforge.stages.degrade import Degrade

H, W = 790, 1010
BANDS = ("F606W", "F814W")
STAGE = Degrade(
    to="hsc-wide", bands=("hsc_r", "hsc_i"), labels=(), pixel_scale_arcsec=0.53,
    psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.4)), psf_out=Psf(gaussian=Gaussian(fwhm_arcsec=1.2)),
)  # fmt: skip


def sources() -> np.ndarray:
    """Gaussians, bright and faint, some of them over the edge of the field."""
    rng = np.random.default_rng(3)
    y, x = np.mgrid[:H, :W].astype(np.float32)
    out = np.zeros((2, H, W), dtype=np.float32)
    for cy, cx in [(1, 2), (H - 2, W - 1), (300, 0), *rng.uniform(0, (H, W), (40, 2))]:
        sigma, flux = rng.uniform(1.2, 4), 10 ** rng.uniform(2, 4.5)
        spot = np.exp(-((y - cy) ** 2 + (x - cx) ** 2) / (2 * sigma**2)) * flux / (2 * np.pi * sigma**2)
        out += spot * np.array([1.0, 1.7], dtype=np.float32)[:, None, None]
    return out


@pytest.fixture(scope="module")
def field() -> Field:
    truth = sources()
    mask = np.zeros((H, W), dtype=bool)
    mask[200:260, 600:680] = True
    noise = np.random.default_rng(1).normal(0, 0.3, truth.shape).astype(np.float32)
    return Field(truth + noise, BANDS, 0.2, (0.45, 0.45), truth=truth, mask=mask,
                 wcs=tan_wcs((H, W), 0.2, rotation_deg=20))  # fmt: skip


@pytest.fixture(scope="module")
def path(field: Field, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return field.write(tmp_path_factory.mktemp("fine") / "fine.fits")


def in_blocks(path: Path, stage: Degrade = STAGE, seed: int = 1, margin: int = 140) -> DegradedFile:
    """Return a degraded file of blocks of 256 pixels, four of them; a margin for a PSF without wings."""
    made = degraded_file(open_field(path), stage, seed)
    blocks = replace(made.windows.blocks, side=256, margin=margin)
    return replace(made, windows=replace(made.windows, blocks=blocks))


@pytest.fixture(scope="module")
def made(path: Path) -> DegradedFile:
    return in_blocks(path)


@pytest.fixture(scope="module")
def written(made: DegradedFile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return made.write(tmp_path_factory.mktemp("coarse") / "coarse.fits")


def sha(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_blocks_equal_the_whole_field_at_once(field: Field, made: DegradedFile, written: Path) -> None:
    found, far = Field.read(written), 2 * made.windows.blocks.margin
    wide = np.pad(field.truth, [(0, 0), (far, far), (far, far)], mode="symmetric")
    change = Degrader(wide.shape[1:], made.windows.blocks.grid.moved(far), 0.2, [gaussian(0.4)] * 2,
                      [gaussian(1.2)] * 2, around=False, precise=True)  # fmt: skip
    whole, rms = change(wide), np.array(made.sky_rms)[:, None, None]
    assert whole.max() > 150 * rms.max()
    assert np.abs((found.truth - whole) / rms).max() < 1e-4  # 2e-7 of the brightest pixel
    faint = whole < rms
    assert np.abs((found.truth - whole) / rms)[faint].max() < 1e-5


def test_light_in_the_wings_comes_from_far(field: Field, path: Path) -> None:
    stage = replace(STAGE, psf_out=Psf(moffat=Moffat(fwhm_arcsec=1.2, beta=3.0)))
    margin = degraded_file(open_field(path), stage).windows.blocks.margin
    windows = in_blocks(path, stage, margin=margin).windows
    wide = np.pad(field.truth[:1], [(0, 0), (700, 700), (700, 700)], mode="symmetric")
    psfs, grid = ([gaussian(0.4)], [moffat(1.2, 3.0)]), windows.blocks.grid.moved(700)
    change = Degrader(wide.shape[1:], grid, 0.2, *psfs, around=False, precise=True)
    whole, found = change(wide)[0], windows(0, 256, 0, 256)["truth"][0]
    assert np.abs(found - whole[:256, :256]).max() < 3e-7 * whole.max()
    at_once = degrade_field(field, stage).field
    assert np.abs(found - at_once.truth[0, :256, :256]).max() < 1e-3 * np.sqrt(np.median(at_once.variance))


def test_it_is_the_field_degraded_in_memory(field: Field, written: Path) -> None:
    found, whole = Field.read(written), degrade_field(field, STAGE).field
    rms = np.sqrt(np.median(whole.variance))
    assert np.abs(found.truth - whole.truth).max() < 1e-3 * rms
    np.testing.assert_allclose(found.variance, whole.variance, rtol=1e-4)
    np.testing.assert_array_equal(found.mask, whole.mask)
    assert found.mask.any()
    with fits.open(written) as units, fits.open(whole.write(written.with_name("whole.fits"))) as other:
        assert [u.name for u in units] == [u.name for u in other]
        for unit, same in zip(units, other, strict=True):
            for key in set(same.header) - {"CHECKSUM", "DATASUM", "COMMENT", "", "EXTEND"}:
                assert unit.header[key] == same.header[key], key
    added = ((found.image - found.truth) / np.sqrt(found.variance))[:, 20:-20]
    assert added.std() == pytest.approx(1, rel=0.01) and abs(added.mean()) < 0.01


def test_any_window_at_any_place_holds_the_same(made: DegradedFile, written: Path) -> None:
    with fits.open(written) as units:
        for y0, y1, x0, x1 in ((0, 40, 0, 30), (200, 290, 240, 300), (255, 257, 255, 257)):
            window = made.windows(y0, y1, x0, x1)
            for c, band in enumerate(("hsc_r", "hsc_i")):
                np.testing.assert_array_equal(window["image"][c], units[band].data[y0:y1, x0:x1])
                np.testing.assert_array_equal(window["truth"][c], units[f"TRUTH_{band}"].data[y0:y1, x0:x1])
            np.testing.assert_array_equal(window["mask"][0], units["MASK"].data[y0:y1, x0:x1])


def test_bytes_depend_neither_on_workers_nor_on_a_cut(
    made: DegradedFile, written: Path, path: Path, tmp_path: Path
) -> None:
    assert sha(made.write(tmp_path / "two.fits", workers=2)) == sha(written)

    def stop(pixels: int) -> None:
        if pixels:
            raise KeyboardInterrupt

    cut = tmp_path / "cut.fits"
    with pytest.raises(KeyboardInterrupt):
        made.write(cut, advance=stop)
    assert not cut.exists() and (tmp_path / "cut.fits.part").exists()
    with pytest.raises(InputError, match="unfinished file of another command"):
        in_blocks(path, seed=2).write(cut)
    with pytest.raises(InputError, match="unfinished file of another command"):
        in_blocks(path, replace(STAGE, psf_out=Psf(gaussian=Gaussian(fwhm_arcsec=1.25)))).write(cut)
    assert sha(made.write(cut)) == sha(written)


def test_zarr_in_and_out(path: Path, made: DegradedFile, written: Path, tmp_path: Path) -> None:
    pytest.importorskip("zarr")
    coarse = open_field(made.write(tmp_path / "coarse.zarr"))
    same = open_field(written)
    for plane in ("image", "truth", "variance"):
        np.testing.assert_array_equal(
            coarse.read(0, 290, 0, 370, plane), same.read(0, 290, 0, 370, plane), strict=True
        )
    again = degraded_file(coarse, replace(STAGE, pixel_scale_arcsec=1.1, bands=None, psf=None))
    assert again.write(tmp_path / "coarser.fits").exists()
    assert Field.read(tmp_path / "coarser.fits").bands == ("hsc_r", "hsc_i")


def test_beyond_the_field_there_can_be_nothing(field: Field, path: Path) -> None:
    windows = in_blocks(path, replace(STAGE, edge="empty", noisy=False)).windows
    assert windows.planes == ("image", "truth", "mask")
    wide = np.pad(field.truth, [(0, 0), (400, 400), (400, 400)])
    change = Degrader(wide.shape[1:], windows.blocks.grid.moved(400), 0.2, [gaussian(0.4)] * 2,
                      [gaussian(1.2)] * 2, around=False, precise=True)  # fmt: skip
    np.testing.assert_allclose(windows(0, 60, 0, 60)["image"], change(wide)[:, :60, :60], atol=1e-4)


def test_onto_the_pixels_of_another_file(field: Field, path: Path, tmp_path: Path) -> None:
    wcs = tan_wcs((300, 420), 0.5, rotation_deg=-15)
    other = Field(np.ones((1, 300, 420), np.float32), ("i",), 0.5, wcs=wcs).write(tmp_path / "other.fits")
    stage = replace(STAGE, pixel_scale_arcsec=None, noisy=False)
    whole = degrade_field(field, stage, wcs=other).field
    made = degraded_file(open_field(path), stage, wcs=other)
    blocks = replace(made.windows.blocks, side=256, margin=140)
    made = replace(made, windows=replace(made.windows, blocks=blocks))
    found = Field.read(made.write(tmp_path / "onto.fits"))
    np.testing.assert_array_equal(found.mask, whole.mask)
    assert found.mask.any() and found.wcs.wcs.compare(wcs.wcs, tolerance=1e-9)
    pixel = found.pixel_scale_arcsec
    assert pixel == pytest.approx(whole.pixel_scale_arcsec, rel=1e-6)
    y, x = (axis[~whole.mask] for axis in np.indices(whole.mask.shape))
    at = field.wcs.world_to_pixel(wcs.pixel_to_world(x, y))
    inner = (np.minimum(at[0], W - 1 - at[0]) > 100) & (np.minimum(at[1], H - 1 - at[1]) > 100)
    off = np.abs(found.truth - whole.truth)[:, ~whole.mask][:, inner]
    assert inner.sum() > 20_000 and off.max() < 1e-6 * whole.truth.max()
    far = tan_wcs((30, 30), 0.5, ra=10.0)
    other = Field(np.ones((1, 30, 30), np.float32), ("i",), 0.5, wcs=far).write(tmp_path / "far.fits")
    with pytest.raises(InputError, match="none of its pixels lies on the image"):
        degraded_file(open_field(path), stage, wcs=other)
    with pytest.raises(InputError, match="take sweep, shape and phase out"):
        degraded_file(open_field(path), replace(stage, shape=20), wcs=other)


def test_an_observed_image_is_filled_up(field: Field, path: Path) -> None:
    stage = replace(STAGE, input="image")
    made, whole = in_blocks(path, stage), degrade_field(field, stage)
    assert made.sky_rms == pytest.approx(whole.sky_rms, rel=0.02)
    window = made.windows(0, 298, 0, 381)
    assert set(window) == {"image", "variance", "mask"}
    sky = np.abs(whole.field.image) < 4 * np.sqrt(whole.field.variance)
    assert window["image"][sky].std() == pytest.approx(whole.field.image[sky].std(), rel=0.02)
    with pytest.raises(InputError, match="3 numbers for 2 bands"):
        in_blocks(path, replace(stage, own_rms_njy=(1.0, 2.0, 3.0)))


def test_correlated_noise_has_no_seams(path: Path) -> None:
    stage = replace(STAGE, to="euclid-wide", bands=("NISP_Y", "NISP_J"), pixel_scale_arcsec=0.3)
    window = in_blocks(path, stage).windows(0, 500, 0, 600)
    noise = ((window["image"] - window["truth"]) / np.sqrt(window["variance"]))[0]
    inside = np.mean(noise[:, 100:200] * noise[:, 101:201])
    across = np.mean(noise[:, 255] * noise[:, 256])
    assert inside > 0.3 and across == pytest.approx(inside, abs=0.15)


def test_pixels_without_a_value_are_masked(field: Field, tmp_path: Path) -> None:
    truth = field.truth.copy()
    truth[:, 500:, :300] = np.nan
    whole = replace(field, truth=truth, mask=None).write(tmp_path / "holes.fits")
    window = in_blocks(whole).windows(0, 290, 0, 370)
    assert np.isfinite(window["truth"]).all()
    assert window["mask"][0, 200:, :100].all() and not window["mask"][0, :150].any()


def test_what_cannot_be_done_is_said_in_a_sentence(path: Path, field: Field, tmp_path: Path) -> None:
    def call(*words: str | Path) -> str:
        found = CliRunner().invoke(app, ["degrade", *map(str, words)])
        assert found.exit_code == 2 and "Traceback" not in found.output
        return " ".join(found.output.split())

    words = ("--to", "hsc-wide", "--target-bands", "hsc_r,hsc_i", "-o")
    assert "leave it out" in call(path, *words, tmp_path / "x.fits", "--workers", "2")
    out = tmp_path / "x.zarr"
    assert "take sweep out" in call(path, *words, out, "--set", "sweep={fwhm_factor: 1.1}")
    bare = replace(field, truth=None).write(tmp_path / "bare.fits")
    assert "no noiseless image" in call(bare, *words, out, "--truth")
    assert not out.exists() and not list(tmp_path.glob("x*"))
    with pytest.raises(InputError, match="is the image that is read"):
        in_blocks(path).write(path)


def test_the_command_does_large_images_so(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mockforge.commands.degrade_file.LARGE", 1000)
    words = ["degrade", str(path), "--to", "hsc-wide", "--set", "psf_out={gaussian: {fwhm_arcsec: 1.2}}"]
    out = tmp_path / "out.fits"
    found = CliRunner().invoke(app, [*words, "--target-bands", "hsc_r,hsc_i", "--truth", "-o", str(out)])
    assert found.exit_code == 0, found.output
    assert '1202 x 940 pixels (x, y) of 0.168"; rms of the noise hsc_r' in found.output
    assert "zeropoint:" in found.output
    assert Field.read(out).truth.shape == (2, 940, 1202)
    assert [p.name for p in tmp_path.iterdir()] == ["out.fits"]
    found = CliRunner().invoke(app, [*words, "-o", str(tmp_path / "out.fit")])
    assert found.exit_code == 2 and "end its name so" in " ".join(found.output.split())
