"""Detection against other programs and other algorithms, and on a sky whose truth is known."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import sep
from astropy.io import fits
from scipy import ndimage

from mockforge.errors import InputError
from mockforge.field.field import Field
from mockforge.label import extract
from mockforge.label.detect import detect
from mockforge.stages.detect import Detect

WHOLE = {"deblend_contrast": 1.0}
"""Deblending off: masks can then be compared with a plain labelling."""


def sky(seed: int, side: int = 256, sources: int = 25, bands: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian sources of known flux on white noise of rms 10: (image, truth), (band, y, x)."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side]
    truth = np.zeros((bands, side, side))
    for _ in range(sources):
        flux, sigma = 10 ** rng.uniform(3.3, 4.8), rng.uniform(1.3, 3.0)
        cx, cy = rng.uniform(0, side, 2)
        spot = np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2) / (2 * np.pi * sigma**2)
        truth += flux * spot * np.linspace(0.7, 1.3, bands)[:, None, None]
    image = truth + rng.normal(0, 10, truth.shape) + np.linspace(0, 20, side)
    return image.astype(np.float32), truth.astype(np.float32)


def plain_labelling(band: np.ndarray, threshold: float = 5.0, least: int = 5) -> np.ndarray:
    """8-connected pixels above `threshold` times the local rms, at least `least` of them."""
    background = sep.Background(np.ascontiguousarray(band), bw=64, bh=64, fw=3, fh=3)
    above = band - background.back() > threshold * background.rms()
    labels, n = ndimage.label(above, structure=np.ones((3, 3)))
    size = np.bincount(labels.ravel(), minlength=n + 1)
    return np.isin(labels, np.flatnonzero(size >= least)) & above


def source_extractor(band: np.ndarray, folder: Path) -> np.ndarray:
    """The segmentation map of SExtractor itself under the same rule."""
    fits.PrimaryHDU(np.ascontiguousarray(band)).writeto(folder / "band.fits")
    (folder / "out.param").write_text("NUMBER\n")
    words = {
        "CATALOG_NAME": "none", "CATALOG_TYPE": "NONE", "PARAMETERS_NAME": "out.param", "FILTER": "N",
        "DETECT_THRESH": "5.0", "ANALYSIS_THRESH": "5.0", "DETECT_MINAREA": "5", "THRESH_TYPE": "RELATIVE",
        "CLEAN": "N", "DEBLEND_NTHRESH": "32", "DEBLEND_MINCONT": "0.005", "BACK_SIZE": "64",
        "BACK_FILTERSIZE": "3", "CHECKIMAGE_TYPE": "SEGMENTATION", "CHECKIMAGE_NAME": "seg.fits",
        "VERBOSE_TYPE": "QUIET", "STARNNW_NAME": "none.nnw", "WEIGHT_TYPE": "NONE",
    }  # fmt: skip
    command = ["source-extractor", "band.fits", "-c", "empty.sex"]
    (folder / "empty.sex").write_text("")
    for key, value in words.items():
        command += [f"-{key}", value]
    subprocess.run(command, cwd=folder, check=True, capture_output=True, timeout=60)
    with fits.open(folder / "seg.fits", memmap=False) as units:
        return units[0].data


@pytest.fixture(params=["made", "kids_viking", "sep"])
def band(request: pytest.FixtureRequest) -> np.ndarray:
    if request.param == "made":
        return sky(3)[0][0]
    folder: Path = request.getfixturevalue("shared_data")
    if request.param == "sep":
        return Field.read(folder / "sep" / "image.fits").image[0]
    with fits.open(folder / "kids_viking" / "r.fits") as units:
        return (units[1].data[300:700, 1200:1600] * 3.631e12).astype(np.float32)


def test_the_mask_is_a_plain_labelling_above_the_local_rms(band: np.ndarray) -> None:
    found = detect(band[None], Detect(**WHOLE))
    wanted = plain_labelling(band)
    assert wanted.any()
    np.testing.assert_array_equal(found.instances > 0, wanted)
    labels, n = ndimage.label(wanted, structure=np.ones((3, 3)))
    assert n == len(found.table["label"])
    assert len(np.unique(np.stack([labels, found.instances]).reshape(2, -1), axis=1).T) == n + 1


@pytest.mark.skipif(not shutil.which("source-extractor"), reason="source-extractor is not installed")
def test_the_mask_is_source_extractors(band: np.ndarray, tmp_path: Path) -> None:
    theirs = source_extractor(band, tmp_path)
    ours = detect(band[None], Detect(local_rms=False)).instances
    assert theirs.max() > 3
    np.testing.assert_array_equal(ours > 0, theirs > 0)
    assert ours.max() == theirs.max()
    # Pixels below the last deblending level are shared out between blends by lot, in both programs.
    pairs, counts = np.unique(
        np.stack([ours, theirs]).reshape(2, -1)[:, ours.ravel() > 0], axis=1, return_counts=True
    )
    best = [counts[pairs[0] == label].max() for label in range(1, ours.max() + 1)]
    assert sum(best) > 0.995 * np.count_nonzero(ours)


def test_the_catalogue_describes_the_mask() -> None:
    image, _ = sky(1)
    found = detect(image, Detect(), bands=("g", "r", "Z"), pixel_scale_arcsec=0.2, zeropoint_ab=31.4)
    table, n = found.table, int(found.instances.max())
    assert n > 15 and table["label"].tolist() == list(range(1, n + 1))
    for i, box in enumerate(ndimage.find_objects(found.instances)):
        ys, xs = box
        assert (table["bbox_x0"][i], table["bbox_x1"][i]) == (xs.start, xs.stop)
        assert (table["bbox_y0"][i], table["bbox_y1"][i]) == (ys.start, ys.stop)
    np.testing.assert_array_equal(table["area"], np.bincount(found.instances.ravel())[1:])
    assert (table["a"] >= table["b"]).all() and (np.abs(table["theta"]) <= 90).all()
    assert (table["snr"] > 5).all() and np.isnan(table["ra"]).all()
    good = table["flux_g"] > 0
    np.testing.assert_allclose(
        table["mag_g"][good], 31.4 - 2.5 * np.log10(table["flux_g"][good].astype(float)), rtol=1e-5
    )
    np.testing.assert_allclose(found.sky_rms, 10, rtol=0.06)


def test_fluxes_are_the_true_ones() -> None:
    side = 200
    y, x = np.mgrid[:side, :side]
    wanted = np.array([3e3, 1e4, 3e4, 1e5])
    truth = sum(
        f * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 4.0) / (8 * np.pi)
        for f, cx, cy in zip(wanted, (50, 150, 50, 150), (50.3, 50, 150, 149.6), strict=True)
    )
    image = np.stack([truth, 2 * truth]) + np.random.default_rng(2).normal(0, 3, (2, side, side))
    table = detect(image, Detect(), truth=np.stack([truth, 2 * truth]), pixel_scale_arcsec=0.2).table
    order = np.argsort(table["flux_band1"])
    for band, factor in (("band1", 1), ("band2", 2)):
        flux, error = table[f"flux_{band}"][order], table[f"flux_err_{band}"][order]
        assert (np.abs(flux - factor * wanted) < 4 * error + 0.05 * factor * wanted).all()
        iso, true_iso = table[f"flux_iso_{band}"][order], table[f"true_flux_iso_{band}"][order]
        assert (np.abs(iso - true_iso) < 5 * table[f"flux_iso_err_{band}"][order]).all()
    inside = 1 - np.exp(-0.5 * 5.0**2 / 4)  # a circle of 5 pixels
    np.testing.assert_allclose(table["flux_aper_band2"][order], 2 * wanted * inside, rtol=0.05)
    np.testing.assert_allclose(table["flux_radius"][order][2:], 2 * 1.1774, rtol=0.1)
    assert np.isnan(table["mag_band1"]).all()  # no zeropoint, no magnitude


def test_blends_and_edges_are_flagged() -> None:
    y, x = np.mgrid[:128, :128]
    image = np.random.default_rng(4).normal(0, 1, (1, 128, 128))
    for cx, cy in ((60, 60), (69, 60), (0, 30), (100, 100)):
        image[0] += 400 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 6)
    mask = np.zeros((128, 128), dtype=bool)
    mask[95:105, 103:106] = True
    image[0, mask] = np.nan
    table = detect(image, Detect(), mask=mask).table
    places = {"left": (60, 60), "right": (69, 60), "edge": (0, 30), "mask": (99, 100)}
    spot = {k: int(np.argmin(np.hypot(table["x"] - cx, table["y"] - cy))) for k, (cx, cy) in places.items()}
    assert len(set(spot.values())) == 4
    assert [bool(table["blended"][spot[k]]) for k in spot] == [True, True, False, False]
    assert [bool(table["truncated"][spot[k]]) for k in spot] == [False, False, True, True]
    joined = detect(image, Detect(**WHOLE), mask=mask).table
    assert len(joined["x"]) == len(table["x"]) - 1 and not joined["blended"].any()


def test_options_change_what_they_say() -> None:
    image, _ = sky(6, sources=40)
    default = len(detect(image, Detect()).table["x"])
    assert len(detect(image, Detect(threshold=20.0)).table["x"]) < default
    assert len(detect(image, Detect(min_pixels=60)).table["x"]) < default
    assert len(detect(image, Detect(detection_image="weighted")).table["x"]) > 0
    matched = detect(
        image, Detect(matched_filter=True), pixel_scale_arcsec=0.2, psf_fwhm_arcsec=(0.7, 0.7, 0.7)
    )
    assert len(matched.table["x"]) >= default - 2
    assert len(detect(image, Detect(clean=True)).table["x"]) <= default


def test_bands_in_different_units_count_alike() -> None:
    image, _ = sky(6)
    unlike = image * np.array([1.0, 1e-9, 1e6])[:, None, None]
    rule = Detect(detection_image="snr")
    np.testing.assert_array_equal(detect(unlike, rule).instances > 0, detect(image, rule).instances > 0)


def test_an_empty_sky_has_an_empty_catalogue() -> None:
    image = np.random.default_rng(0).normal(0, 1, (2, 64, 64))
    found = detect(image, Detect(threshold=9.0))
    assert found.instances.max() == 0
    full = detect(sky(1, bands=2)[0], Detect()).table
    assert {k: v.dtype for k, v in found.table.items()} == {k: v.dtype for k, v in full.items()}


def test_the_same_input_gives_the_same_bytes() -> None:
    image, _ = sky(9)
    first, second = detect(image, Detect()), detect(image.copy(), Detect())
    assert first.instances.tobytes() == second.instances.tobytes()
    assert all(first.table[k].tobytes() == second.table[k].tobytes() for k in first.table)


def test_images_without_noise_or_pixels_are_refused() -> None:
    with pytest.raises(InputError, match="no noise"):
        detect(np.zeros((1, 64, 64)), Detect())
    with pytest.raises(InputError, match="no pixel is usable"):
        detect(np.full((1, 64, 64), np.nan), Detect())


def test_what_is_found_does_not_depend_on_the_room_that_sep_gets_first(monkeypatch):
    rng = np.random.default_rng(1)
    y, x = np.mgrid[:150, :150]
    image = (rng.normal(0, 1, (150, 150)) + 60 * np.exp(-np.hypot(y - 75, x - 75) / 8)).astype(np.float32)
    for cx, cy in rng.uniform(0, 150, (20, 2)):
        image += (40 * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / 6)).astype(np.float32)
    table, labels = extract.extracted(image, 3.0, err=1.0, minarea=5)
    monkeypatch.setattr(extract, "_FEWEST_PIXELS", 300)
    again, same = extract.extracted(image, 3.0, err=1.0, minarea=5)
    assert len(table) == len(again) > 3
    for name in table.dtype.names:
        np.testing.assert_array_equal(table[name], again[name], err_msg=name)
    np.testing.assert_array_equal(labels, same)
