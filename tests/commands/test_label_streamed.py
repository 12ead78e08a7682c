"""`mockforge label` window by window: the files of the whole, for any workers, and after a run cut off."""

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mockforge.commands.label import label_image
from mockforge.commands.label_streamed import label_field
from mockforge.errors import InputError, MockforgeError
from mockforge.field.field import Field, tan_wcs
from mockforge.label import streamed
from mockforge.label.detect import detect
from mockforge.stages.detect import Detect

NAMES = ["catalogue.fits", "overlay.png", "regions.reg", "segmentation.fits"]


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, side = np.random.default_rng(5), 400
    image = rng.normal(0, 1, (2, side, side)).astype(np.float32)
    y, x = np.mgrid[:side, :side]
    for _ in range(80):
        (cx, cy), sigma = rng.uniform(0, side, 2), rng.uniform(1.3, 4)
        image += (rng.uniform(10, 200) * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / sigma**2)).astype(
            "f4"
        )
    field = Field(image=image, bands=("g", "r"), pixel_scale_arcsec=0.2, zeropoint_ab=31.4,
                  wcs=tan_wcs((side, side), 0.2))  # fmt: skip
    return field.write(tmp_path_factory.mktemp("field") / "field.fits")


def test_the_files_are_those_of_the_whole(path: Path, tmp_path: Path) -> None:
    field = Field.read(path)
    whole = detect(field.image, Detect(), bands=field.bands, pixel_scale_arcsec=0.2, zeropoint_ab=31.4,
                   blends_alone=True)  # fmt: skip
    done = label_field([path], tmp_path / "windows", window=150)
    assert sorted(p.name for p in (tmp_path / "windows").iterdir()) == NAMES
    ours, theirs = Table.read(tmp_path / "windows" / "catalogue.fits"), Table(whole.table)
    assert done.objects == len(ours) == len(theirs) and done.blended == np.count_nonzero(theirs["blended"])
    assert ours["label"].tolist() == list(range(1, len(ours) + 1))
    ours.sort(["y", "x"])
    theirs.sort(["y", "x"])
    for name in set(theirs.colnames) & set(ours.colnames) - {"label", "ra", "dec", "theta_sky"}:
        np.testing.assert_allclose(ours[name], theirs[name], rtol=1e-4, atol=1e-4, err_msg=name)
    labels = fits.getdata(tmp_path / "windows" / "segmentation.fits", 0)
    pairs = np.unique(np.stack([labels.ravel(), whole.instances.ravel()]), axis=1)
    assert pairs.shape[1] == done.objects + 1


def test_what_is_written_is_read_as_that_of_an_image_in_memory(path: Path, tmp_path: Path) -> None:
    label_image(path, tmp_path / "memory")
    label_field([path], tmp_path / "windows", window=150)
    for folder, blends in (("memory", "one after another over the image"), ("windows", "each by itself")):
        with fits.open(tmp_path / folder / "segmentation.fits", checksum=True) as units:
            assert len(units) == 1 and units[0].data.dtype == ">i4" and units[0].data.shape == (400, 400)
            head = units[0].header
            assert head["CTYPE1"] == "RA---TAN" and head["NOBJECTS"] == units[0].data.max()
            assert head["BLENDS"] == blends
    ours, theirs = (Table.read(tmp_path / name / "catalogue.fits") for name in ("windows", "memory"))
    assert ours.colnames == theirs.colnames and len(ours) == len(theirs)
    assert [ours[name].unit for name in ours.colnames] == [theirs[name].unit for name in ours.colnames]
    assert (ours.meta["BLENDS"], theirs.meta["BLENDS"]) == (
        "each by itself", "one after another over the image")  # fmt: skip
    again = label_field([path], tmp_path / "memory", window=400)
    assert [n for n in again.notes if "catalogue.ecsv is of an earlier run" in n]


def test_bytes_depend_neither_on_workers_nor_on_interruptions(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    label_field([path], tmp_path / "one", window=200)
    label_field([path], tmp_path / "two", window=200, workers=2)
    found, calls = streamed.Detector.__call__, []

    def failing(self: streamed.Detector, window: tuple[int, int, int, int]) -> streamed.Found:
        calls.append(window)
        if len(calls) == 3:
            raise MockforgeError("cut off")
        return found(self, window)

    monkeypatch.setattr(streamed.Detector, "__call__", failing)
    with pytest.raises(MockforgeError, match="cut off"):
        label_field([path], tmp_path / "again", window=200)
    assert [p.name for p in (tmp_path / "again").iterdir()] == [".unfinished"]
    label_field([path], tmp_path / "again", window=200)
    assert len(calls) == 5  # four windows, one of them twice
    for name in NAMES:
        one = (tmp_path / "one" / name).read_bytes()
        assert (tmp_path / "two" / name).read_bytes() == one == (tmp_path / "again" / name).read_bytes()


def test_parquet_holds_what_fits_holds(path: Path, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    label_field([path], tmp_path / "fits", window=200)
    label_field([path], tmp_path / "parquet", window=200, catalogue="parquet")
    table, ours = Table.read(tmp_path / "fits" / "catalogue.fits"), tmp_path / "parquet" / "catalogue.parquet"
    rows = parquet.read_table(ours)
    assert rows.column_names == table.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(rows[name].to_numpy(), np.asarray(table[name]), err_msg=name)


def test_bad_input_writes_nothing(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.fits or \.parquet"):
        label_field([path], tmp_path / "labels", catalogue="csv")
    with pytest.raises(InputError):
        label_field([tmp_path / "no.fits"], tmp_path / "labels")
    empty = Field(image=np.zeros((1, 90, 90), "f4"), bands=("g",), unit="native").write(
        tmp_path / "empty.fits"
    )
    with pytest.raises(InputError, match=r"no noise|no pixel"):
        label_field([empty], tmp_path / "labels")
    assert [p.name for p in tmp_path.iterdir()] == ["empty.fits"]
