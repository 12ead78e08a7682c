"""Tile-compressed FITS: no bit is lost, and the bytes depend on nothing but the field."""

from __future__ import annotations

import hashlib
from collections import namedtuple
from dataclasses import replace

import numpy as np
import pytest
from astropy.io import fits

from mockforge.errors import InputError
from mockforge.mosaic import packed_file
from mockforge.mosaic.read import open_field
from mockforge.mosaic.write import write_mosaic
from tests.mosaic.test_write import SPEC, Corner, paint


def sha(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.mark.parametrize("cube", [False, True])
def test_it_holds_what_the_plain_file_holds(tmp_path, cube):
    spec = replace(SPEC, cube=cube)
    plain = write_mosaic(tmp_path / "f.fits", spec, paint, window=128, footprint=Corner())
    packed = write_mosaic(tmp_path / "f.fits.fz", spec, paint, window=128, footprint=Corner())
    assert sorted(p.name for p in tmp_path.iterdir() if p.suffix != ".lock") == ["f.fits", "f.fits.fz"]
    assert packed.stat().st_size < 0.3 * plain.stat().st_size
    with fits.open(plain) as ours, fits.open(packed, checksum=True) as theirs:
        for one, other in zip(ours[1:], theirs[1:], strict=True):
            assert isinstance(other, fits.CompImageHDU)
            np.testing.assert_array_equal(one.data, other.data)
            same = [key for key in one.header if key not in ("CHECKSUM", "DATASUM")]
            assert [one.header[key] for key in same] == [other.header.get(key) for key in same]
    with fits.open(packed, disable_image_compression=True) as units:
        assert all(unit.verify_checksum() == unit.verify_datasum() == 1 for unit in units)
        assert all(unit.header["ZCMPTYPE"] == "GZIP_2" for unit in units[1:])
    if not cube:
        one, other = open_field(plain), open_field(packed)
        np.testing.assert_array_equal(one.read(10, 290, 200, 260), other.read(10, 290, 200, 260))
        assert one.bands == other.bands and one.planes == other.planes


def test_bytes_depend_neither_on_workers_nor_on_an_interruption(tmp_path, monkeypatch):
    first = sha(write_mosaic(tmp_path / "a.fits.fz", SPEC, paint, window=128))
    assert sha(write_mosaic(tmp_path / "b.fits.fz", SPEC, paint, window=64, workers=2)) == first

    def stopped(*args):
        raise KeyboardInterrupt

    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(packed_file, "_gzip2", stopped)
        write_mosaic(tmp_path / "c.fits.fz", SPEC, paint, window=128)
    assert (tmp_path / "c.fits.fz.part").exists() and not (tmp_path / "c.fits.fz.packed").exists()
    painted = []

    def counted(*window):
        painted.append(window)
        return paint(*window)

    assert sha(write_mosaic(tmp_path / "c.fits.fz", SPEC, counted, window=128)) == first and not painted


def test_64_bit_places(tmp_path, monkeypatch):
    monkeypatch.setattr(packed_file, "_LONG", 1000)
    packed = write_mosaic(tmp_path / "f.fits.fz", SPEC, paint, window=128)
    with fits.open(packed, disable_image_compression=True) as units:
        assert units["g"].header["TFORM1"].startswith("1QB")
    with fits.open(packed, checksum=True) as units:
        np.testing.assert_array_equal(units["r"].data, paint(0, 300, 0, 411)["image"][1])


def test_the_disk_must_take_both_files(tmp_path, monkeypatch):
    usage = namedtuple("usage", "free")
    monkeypatch.setattr("shutil.disk_usage", lambda path: usage(3_000_000))
    write_mosaic(tmp_path / "f.fits", SPEC, paint, window=128)
    with pytest.raises(InputError, match="bytes are wanted and 3,000,000 are free"):
        write_mosaic(tmp_path / "f.fits.fz", SPEC, paint, window=128)
    assert [p.name for p in tmp_path.iterdir() if p.suffix != ".lock"] == ["f.fits"]
