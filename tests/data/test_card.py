"""The card, Croissant, the preview and the description."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from PIL import Image

from mockforge.data.card.describe import describe, swept
from mockforge.data.columns import meaning_of, unit_of
from mockforge.data.preview.preview import write_preview
from mockforge.data.shards import file_sha256
from tests.builders.tiny_datasets import blobs, publish


def test_card_tells_what_a_user_needs(segmentation: Path, redshift: Path) -> None:
    card = (segmentation / "README.md").read_text()
    assert card.startswith('---\npretty_name: "blobs"\nlicense: other\n')
    for words in (
        "image-segmentation",
        'mockforge.load("blobs", split="train").as_detection()',
        "| `image` | 3 x 48 x 48 | float32 | nJy | observed image |",
        "| `flux_r` | float64 | nJy | flux in the Kron aperture |",
        "- image: {files: [a.fits]}",
        "### Tiny",
        "Labels come from a detection rule",
        "| train | 6 |",
    ):
        assert words in card, words
    assert "as_pairs()" in (redshift / "README.md").read_text()


def test_croissant_has_what_the_standard_asks(segmentation: Path) -> None:
    document = json.loads((segmentation / "croissant.json").read_text())
    required = {"@context", "@type", "name", "description", "conformsTo", "license", "url", "datePublished"}
    assert required <= set(document)
    assert document["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    files = {f["@id"]: f for f in document["distribution"]}
    assert set(files) == {"dataset.h5", *(f"shards/{k:05d}.h5" for k in range(3))}
    for name, file in files.items():
        assert file["sha256"] == file_sha256(segmentation / name)
    sets = {s["@id"]: s for s in document["recordSet"]}
    assert set(sets) == {"samples", "catalogue"}
    with h5py.File(segmentation / "dataset.h5") as view:
        for record_set in sets.values():
            for field in record_set["field"]:
                assert field["source"]["fileObject"]["@id"] in files
                assert field["source"]["extract"]["column"] in view
                assert field["dataType"].startswith("sc:")


def test_preview_is_made(segmentation: Path, redshift: Path, tmp_path: Path) -> None:
    for folder in (segmentation, redshift):
        with Image.open(folder / "preview.png") as image:
            picture = np.asarray(image)
        assert picture.shape[2] == 3
        assert picture.shape[1] > 400
        assert picture.std() > 10
    copy = Path(shutil.copytree(segmentation, tmp_path / "copy"))
    (copy / "preview.png").unlink()
    write_preview(copy)
    assert (copy / "preview.png").read_bytes() == (segmentation / "preview.png").read_bytes()


@pytest.mark.parametrize("save", [{"truth": "float32"}, {"instances": "int32"}, {"sky_rms": "float32"}])
def test_other_datasets_are_shown_too(tmp_path: Path, save: dict[str, str]) -> None:
    folder = publish(tmp_path / "odd", lambda k: blobs(k, side=40), save, shards=1)
    with Image.open(folder / "preview.png") as picture:
        assert picture.width > 250
    assert describe(folder)["arrays"].startswith(next(iter(save)))


def test_describe(segmentation: Path) -> None:
    about = describe(segmentation)
    assert about["samples"] == "12 (train 6, val 3, test 3)"
    assert "image: 3 x 48 x 48 float32 nJy" in about["arrays"]
    assert about["tables"] == "catalogue: 27 rows"
    assert about["bands"] == "g, r, Z"
    assert about["psf_fwhm_arcsec"] == "0.8, 0.7, 0.9"


def test_units_by_name() -> None:
    assert unit_of("flux_err_g") == unit_of("image") == "nJy"
    assert unit_of("flux_r", "native") == ""
    assert unit_of("half_light_radius_arcsec") == "arcsec"
    assert unit_of("flux_radius") == "pix"
    assert unit_of("anything") == ""
    assert meaning_of("mag_err_g") == "error of the magnitude"


def test_columns_of_a_galaxys_parts_are_read_from_their_names() -> None:
    assert meaning_of("bulge_n") == "bulge: Sersic index"
    assert meaning_of("companion_12_r_e") == "companion 12: effective radius over the main body's"
    assert meaning_of("bulge_anything") == meaning_of("companion_0_anything") == ""
    assert meaning_of("companions") == "number of companions"
    units = {"bulge_r_e": "", "r_e_in": "arcsec", "companion_0_position_angle": "deg", "bulge_a_v": "mag"}
    units |= {"bulge_sfh_tau_gyr": "Gyr", "k_correction_in_F606W": "mag", "target_rms": "nJy"}
    assert {name: unit_of(name) for name in units} == units


def test_what_differs_by_sample_is_not_said_to_be_one_number() -> None:
    swept_set = SimpleNamespace(arrays=("image", "pixel_scale", "fwhm_factor"))
    assert swept(swept_set, "pixel_scale_arcsec") == " (each sample: array pixel_scale)"
    assert "fwhm_factor" in swept(swept_set, "psf_fwhm_arcsec") and swept(swept_set, "unit") == ""
    assert swept(SimpleNamespace(arrays=("image",)), "pixel_scale_arcsec") == ""
