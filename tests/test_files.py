"""Every file that a recipe reads is in its fingerprint, by whatever path it is named."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from mockforge.errors import InputError
from mockforge.files import files_of, from_home, located
from mockforge.galaxies.cubes.source.picture_spec import DiskPicture
from mockforge.galaxies.real.files import FileGalaxies
from mockforge.galaxies.real.painted import SkyGalaxies
from mockforge.galaxies.real.rule import RealStamps
from mockforge.galaxies.real.spec import GalaxyImages
from mockforge.galaxies.shapes import Bulge, Companions, Knots
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Psf, PsfImage
from mockforge.observe.psf.transfer import transfer
from mockforge.observe.surveys.read import PRESETS
from mockforge.photometry.colours import Colours
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.files import SpectrumFiles
from mockforge.photometry.spectra.spec import Spectra
from mockforge.registry import STAGES, TRAININGS
from mockforge.sgan.lattice.config import GeneratorChoice, Smith2019
from mockforge.sgan.lattice.training import TrainLattice
from mockforge.sgan.training_field import TrainingField
from mockforge.stages.degrade import Degrade
from mockforge.stages.disk import Disk
from mockforge.stages.ifu import Ifu
from mockforge.stages.image import ImageTiles
from mockforge.stages.inject import Inject
from mockforge.stages.observe import Observe, Pairing
from mockforge.stages.one_sky import OneSky, SceneSources, View
from mockforge.stages.redshift_images import RedshiftImages
from mockforge.stages.scene import SceneTiles
from mockforge.stages.sersic_sed import SersicSed
from mockforge.stages.sgan import Sgan
from mockforge.stages.stamps import Stamps
from mockforge.tasks.recover.training import TrainRecover
from mockforge.tasks.redshifter.training import TrainRedshifter
from mockforge.train.run_record import check_run, record_run
from tests.builders.tiny_forge import tiny_forge

SMALL = Psf(gaussian=Gaussian(fwhm_arcsec=0.2))


def text(path: Path) -> None:
    path.write_text("1000 1\n200000 1\n")


def curve(path: Path) -> None:
    path.write_text("7000 1\n8000 1\n")


def image(path: Path) -> None:
    header = fits.Header({"BUNIT": "nJy", "PIXSCALE": 0.1, "PSFFWHM": 0.2})
    fits.PrimaryHDU(np.arange(4096.0, dtype=np.float32).reshape(64, 64), header).writeto(path)


def catalogue(path: Path) -> None:
    image(path.with_name("field.fits"))
    path.write_text("file,z\nfield.fits,0.5\n")


def real(path: Path) -> None:
    stamps = [fits.PrimaryHDU(), fits.ImageHDU(np.ones((8, 8)))]
    for name in ("images.fits", "psfs.fits"):
        fits.HDUList(stamps).writeto(path.with_name(name))
    one = {"IDENT": [1], "BAND": ["F814W"], "GAL_FILENAME": ["images.fits"], "GAL_HDU": [1], "MAG": [20.0]}
    Table(one | {"PSF_FILENAME": ["psfs.fits"], "PSF_HDU": [1], "PIXEL_SCALE": [0.03]}).write(path)
    Table({"IDENT": [1], "zphot": [0.5]}).write(path.with_name("real_fits.fits"))


def survey(path: Path) -> None:
    path.write_bytes((PRESETS / "kids-dr4.yaml").read_bytes())


def model(path: Path) -> None:
    tiny_forge(("g", "r"), path.stem).save(path.parent)


def sgan(survey_path: str, **asked: Any) -> Sgan:
    """The source, of a model beside a survey's file."""
    return Sgan(model=str(tiny_forge(("g", "r")).save(from_home(survey_path).parent)), **asked)


def grid(path: Path) -> None:
    path.write_bytes(b"one metallicity")


def of_spectra(path: str, **more: Any) -> Spectra:
    return Spectra(files=SpectrumFiles(files=(path,), **more))


def painted(beside: str) -> GalaxyImages:
    """Galaxies of a painted sky, whose model lies beside a file."""
    return GalaxyImages(
        sky=SkyGalaxies(model=str(tiny_forge(("g", "r", "Z")).save(from_home(beside).parent)))
    )


def of_psf(path: str) -> Psf:
    return Psf(image=PsfImage(files=(path,), pixel_scale_arcsec=0.1))


def moved(**given: Any) -> RedshiftImages:
    return RedshiftImages(**{"psf_out": SMALL} | given)


FRAME = {"bands": ("F606W",), "pixel_scale_arcsec": 0.1}


def published(**how: Any) -> TrainLattice:
    """A recipe for training the published SGAN."""
    return TrainLattice(name="m", network=GeneratorChoice(smith2019=Smith2019()), **how)


def one_sky(view: dict[str, Any]) -> OneSky:
    """The source, one of whose views reads a file."""
    return OneSky(scene=SceneSources(), views={"a": View(**FRAME, psf=SMALL), "b": View(**view)})


CASES: dict[str, tuple[str, Callable[[Path], None], Callable[[str], Any]]] = {
    "sgan model": ("m.json", model, lambda p: Sgan(model=p)),
    "sgan weights": ("m.safetensors", model, lambda p: Sgan(model=p.replace(".safetensors", ".json"))),
    "sgan depth": ("s.yaml", survey, lambda p: sgan(p, depth={"g": p, "r": 25.0})),
    "sgan seeing": ("s.yaml", survey, lambda p: sgan(p, seeing={"g": p})),
    "one_sky survey": ("s.yaml", survey, lambda p: one_sky({"survey": p, "bands": ("F606W",)})),
    "one_sky psf": ("a.fits", image, lambda p: one_sky({**FRAME, "psf": of_psf(p)})),
    "image": ("a.fits", image, lambda p: ImageTiles(files=(p,))),
    "image [0]": ("a.fits", image, lambda p: ImageTiles(files=p + "[0]")),
    "sersic_sed spectra": ("a.txt", text, lambda p: SersicSed(spectra=of_spectra(p))),
    "sersic_sed folder": (
        "a.txt",
        text,
        lambda p: SersicSed(spectra=Spectra(files=SpectrumFiles(folder=os.path.dirname(p)))),
    ),
    "sersic_sed grid": (
        "a.ised",
        grid,
        lambda p: SersicSed(spectra=Spectra(populations=Populations(grid=os.path.dirname(p)))),
    ),
    "sersic_sed bulge": ("a.txt", text, lambda p: SersicSed(bulge=Bulge(spectra=of_spectra(p)))),
    "sersic_sed companions": (
        "a.txt",
        text,
        lambda p: SersicSed(companions=Companions(spectra=of_spectra(p))),
    ),
    "sersic_sed knots": ("a.txt", text, lambda p: SersicSed(knots=Knots(spectra=of_spectra(p)))),
    "sersic_sed psf_in": ("a.fits", image, lambda p: SersicSed(psf_in=of_psf(p), psf_out=SMALL)),
    "sersic_sed psf survey": ("s.yaml", survey, lambda p: SersicSed(psf_in=SMALL, psf_out=Psf(survey=p))),
    "redshift_images catalogue": (
        "t.csv",
        catalogue,
        lambda p: moved(galaxies=GalaxyImages(files=FileGalaxies(catalogue=p, bands=("F814W",)))),
    ),
    "redshift_images image": (
        "field.fits",
        lambda path: catalogue(path.with_name("t.csv")),
        lambda p: moved(
            galaxies=GalaxyImages(
                files=FileGalaxies(catalogue=p.replace("field.fits", "t.csv"), bands=("F814W",))
            )
        ),
    ),
    "redshift_images file psf": (
        "p.fits",
        lambda path: (image(path), catalogue(path.with_name("t.csv"))),
        lambda p: moved(
            galaxies=GalaxyImages(
                files=FileGalaxies(catalogue=p.replace("p.fits", "t.csv"), bands=("F814W",), psf=of_psf(p))
            )
        ),
    ),
    "redshift_images real psf": (
        "psfs.fits",
        lambda path: real(path.with_name("real.fits")),
        lambda p: moved(galaxies=GalaxyImages(real=RealStamps(catalogue=p.replace("psfs", "real")))),
    ),
    "redshift_images real redshifts": (
        "real_fits.fits",
        lambda path: real(path.with_name("real.fits")),
        lambda p: moved(galaxies=GalaxyImages(real=RealStamps(catalogue=p.replace("real_fits", "real")))),
    ),
    "redshift_images sky": (
        "m.safetensors",
        model,
        lambda p: moved(galaxies=GalaxyImages(sky=SkyGalaxies(model=p))),
    ),
    "redshift_images spectra": (
        "a.txt",
        text,
        lambda p: moved(galaxies=painted(p), spectra=of_spectra(p)),
    ),
    "redshift_images psf_in": (
        "a.fits",
        image,
        lambda p: moved(galaxies=painted(p), psf_in=of_psf(p)),
    ),
    "redshift_images psf_out": (
        "a.fits",
        image,
        lambda p: moved(galaxies=painted(p), psf_out=of_psf(p)),
    ),
    "sersic_sed band": ("a.dat", curve, lambda p: SersicSed(bands=("F606W", p))),
    "sersic_sed magnitude_band": ("a.dat", curve, lambda p: SersicSed(magnitude_band=p)),
    "scene band": ("a.dat", curve, lambda p: SceneTiles(bands=("F606W", f"own={p}"), psf=SMALL)),
    "inject curve": ("a.dat", curve, lambda p: Inject(curves={"g": p})),
    "stamps other_bands": ("a.dat", curve, lambda p: Stamps(bands=("F606W",), other_bands=(p,))),
    "degrade colours": (
        "a.dat",
        curve,
        lambda p: Degrade(to="hst-cosmos", bands=("F814W",), colours=Colours(bands=(p,))),
    ),
    "stamps psf": ("a.fits", image, lambda p: Stamps(psf=of_psf(p))),
    "scene psf": ("a.fits", image, lambda p: SceneTiles(psf=of_psf(p))),
    "scene noise": ("s.yaml", survey, lambda p: SceneTiles(noise=Noise(survey=p))),
    "scene real": (
        "images.fits",
        lambda path: real(path.with_name("real.fits")),
        lambda p: SceneTiles(real=RealStamps(catalogue=p.replace("images", "real"))),
    ),
    "inject psf": ("a.fits", image, lambda p: Inject(psf=of_psf(p))),
    "inject real": (
        "real.fits",
        real,
        lambda p: Inject(real=RealStamps(catalogue=p)),
    ),
    "observe noise": (
        "s.yaml",
        survey,
        lambda p: Observe(noise_in=Noise(survey=p), pairing=Pairing(input="observed", target="clean")),
    ),
    "degrade to": ("s.yaml", survey, lambda p: Degrade(to=p)),
    "degrade psf": ("a.fits", image, lambda p: Degrade(to="hst-cosmos", psf_out=of_psf(p))),
    "disk psf": ("a.fits", image, lambda p: Disk(psf=of_psf(p))),
    "disk spectra": ("a.txt", text, lambda p: Disk(spectra=of_spectra(p))),
    "ifu psf": ("a.fits", image, lambda p: Ifu(psf=of_psf(p))),
    "ifu curve": ("a.txt", text, lambda p: Ifu(curve="table", curve_file=p)),
    "ifu dispersion": ("a.txt", text, lambda p: Ifu(sigma_file=p)),
    "ifu picture of a sky": (
        "m.safetensors",
        model,
        lambda p: Ifu(picture=DiskPicture(sky=SkyGalaxies(model=p))),
    ),
    "ifu picture": (
        "real.fits",
        real,
        lambda p: Ifu(picture=DiskPicture(real=RealStamps(catalogue=p))),
    ),
    "train field": (
        "a.fits",
        image,
        lambda p: published(
            field=TrainingField(files=(os.path.basename(p),), folder=os.path.dirname(p)),
        ),
    ),
    "train start": (
        "m.safetensors",
        model,
        lambda p: published(start_from=p, field=TrainingField(files=())),
    ),
    "train dataset": (
        "manifest.json",
        text,
        lambda p: TrainRedshifter(name="m", dataset=os.path.dirname(p)),
    ),
    "train degraded": ("manifest.json", text, lambda p: TrainRecover(name="m", degraded=os.path.dirname(p))),
}


def change(path: Path) -> None:
    """Other content of the same size and time."""
    before, raw = path.stat(), bytearray(path.read_bytes())
    at = raw.find(b"1000") if raw.startswith(b"1000") else len(raw) - 1
    raw[at] ^= 1
    with path.open("r+b") as stream:
        stream.write(raw)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert path.stat().st_size == before.st_size and path.stat().st_mtime_ns == before.st_mtime_ns


@pytest.mark.parametrize("how", ["absolute", "home", "relative", "symlink"])
@pytest.mark.parametrize("case", CASES)
def test_a_changed_file_changes_the_fingerprint(
    case: str, how: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name, make, stage = CASES[case]
    folder = tmp_path / "data"
    folder.mkdir()
    make(folder / name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link").symlink_to(folder)
    at = {"absolute": str(folder), "home": "~/data", "relative": "data", "symlink": "link"}[how]
    read = stage(f"{at}/{name}")
    before = read.fingerprint()
    assert before == read.fingerprint()
    change(folder / name)
    after = read.fingerprint()
    assert before.keys() == after.keys()
    assert sum(before[key] != after[key] for key in before) == 1


def test_a_new_file_of_a_folder_changes_the_fingerprint(tmp_path: Path) -> None:
    text(tmp_path / "a.txt")
    stage = SersicSed(spectra=Spectra(files=SpectrumFiles(folder=str(tmp_path))))
    before = stage.fingerprint()
    text(tmp_path / "b.txt")
    assert stage.fingerprint() != before


def test_every_stage_and_training_that_reads_files_is_walked() -> None:
    """A part that can read files has a case here: none is left out when one is added."""
    kinds = {STAGES.load(name) for name in STAGES} | {TRAININGS.load(key) for key in TRAININGS}
    reading = {kind for kind in kinds if any(hasattr(part, "files_read") for part in _parts(kind, set()))}
    made = {name.split()[0] for name in CASES}
    assert {name for name in STAGES if STAGES.load(name) in reading} <= made
    assert {TRAININGS.load(key) for key in TRAININGS} <= reading


def _parts(kind: Any, seen: set[Any]) -> set[Any]:
    if is_dataclass(kind) and kind not in seen:
        seen.add(kind)
        known = get_type_hints(kind)
        for one in fields(kind):
            _parts(known[one.name], seen)
    for inner in get_args(kind) if get_origin(kind) in (Union, UnionType, tuple, dict) else ():
        _parts(inner, seen)
    return seen


def test_a_missing_file_is_a_sentence() -> None:
    with pytest.raises(InputError, match=r"nowhere\.fits: no such file"):
        ImageTiles(files="nowhere.fits").fingerprint()


def test_a_psf_named_through_the_home_folder_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    y, x = np.indices((33, 33)) - 16
    fits.PrimaryHDU(np.exp(-0.5 * (x**2 + y**2) / 4.0)).writeto(tmp_path / "p.fits")
    for given in ({"files": ("p.fits",), "folder": "~"}, {"files": ("~/p.fits",)}):
        psf = Psf(image=PsfImage(pixel_scale_arcsec=0.1, **given))
        assert transfer(psf, ("F814W",), 0.1, (32, 32)).fwhm_arcsec == pytest.approx(0.47, rel=0.05)


def test_located_names() -> None:
    assert located("a/b.fits[SCI]") == Path("a/b.fits")
    assert list(files_of(ImageTiles(files="~/a.fits[1]")).values()) == [Path.home() / "a.fits"]


def test_a_resumed_training_refuses_data_that_changed(tmp_path: Path) -> None:
    image(tmp_path / "a.fits")
    recipe = published(field=TrainingField(files=("a.fits",), folder=str(tmp_path)))
    out = tmp_path / "run"
    record_run(recipe, out, "")
    (out / "checkpoint.pt").write_bytes(b"begun")
    check_run(recipe, out, resume=True)
    moved_to = tmp_path / "elsewhere"
    moved_to.mkdir()
    (tmp_path / "a.fits").rename(moved_to / "a.fits")
    moved = published(field=TrainingField(files=("a.fits",), folder=str(moved_to)))
    check_run(moved, out, resume=True)
    change(moved_to / "a.fits")
    with pytest.raises(InputError, match=r"file a\.fits"):
        check_run(moved, out, resume=True)
