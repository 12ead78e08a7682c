"""A galaxy's pixels do not depend on which others are drawn with it, to the last bit, on any processor.

By construction: lists and rows are whole vectors, sums are made term after term, and a galaxy has its own
Fourier transforms (`mockforge.profiles.lanes`). Other processors' code can be had on one that knows more:
ATEN_CPU_CAPABILITY=default or avx2, MKL_ENABLE_INSTRUCTIONS=AVX2, OMP_NUM_THREADS=2.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from astropy.io import fits

from mockforge.galaxies.population import SPECTRA, hst_population
from mockforge.observe.psf.spec import Airy, Moffat, Psf, PsfImage
from mockforge.observe.psf.transfer import transfer
from mockforge.photometry.epochs import Epochs, Magnitudes, light
from mockforge.profiles.draw import DrawnStamps, GaussianKnots, draw
from mockforge.profiles.lanes import VECTOR, spared, summed, whole
from mockforge.profiles.sersic import Sersics, sersic
from mockforge.rng import Stream
from mockforge.scene.model import SceneModel
from mockforge.scene.objects import Objects
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies
from mockforge.scene.scene import Scene

BATCHES = (1, 2, 3, 7, 64)
BANDS = ("F606W", "F814W", "F160W")


def some(count: int, side: int, lopsided: float = 0.0) -> tuple[Sersics, GaussianKnots, torch.Tensor]:
    """Galaxies of two components and knots: small and wide ones, cusps, some beyond the stamp's edge."""
    rng = np.random.default_rng(8)
    two, many = (count, 2), (count, 5)
    place = (side - 1) / 2 + rng.uniform(-0.6 * side, 0.6 * side, (2, count, 1)) * (
        rng.random((count, 1)) < 0.3
    )
    values = {
        "x": np.repeat(place[0] + rng.uniform(-0.5, 0.5, (count, 1)), 2, axis=1),
        "y": np.repeat(place[1] + rng.uniform(-0.5, 0.5, (count, 1)), 2, axis=1),
        "r_e": np.exp(rng.normal(1.0, 1.0, two)),
        "n": rng.uniform(0.4, 7.0, two),
        "axis_ratio": rng.uniform(0.15, 1.0, two),
        "position_angle": rng.uniform(0, 180, two),
        "asymmetry": np.full(two, lopsided),
        "asymmetry_angle": rng.uniform(0, 360, two),
    }
    knots = (side / 2 + rng.normal(0, 4, many), side / 2 + rng.normal(0, 4, many), rng.uniform(0.2, 2, many))
    there = [torch.from_numpy(v) for v in knots]
    weight = torch.full(many, 0.2, dtype=torch.float64)
    sed = torch.from_numpy(rng.uniform(1, 100, (count, 3, 3)))
    return Sersics(**{k: torch.from_numpy(v) for k, v in values.items()}), GaussianKnots(*there, weight), sed


def painted(
    given: tuple[Sersics, GaussianKnots, torch.Tensor], rows: slice, side: int, psf: Psf | None
) -> DrawnStamps:
    sersics, knots = (type(g)(**{k: v[rows] for k, v in vars(g).items()}) for g in given[:2])
    seen = None if psf is None else transfer(psf, BANDS, 0.06, (side, side))
    return draw(sersics, knots, given[2][rows], (side, side), seen)


def test_a_profile_is_the_same_in_any_batch():
    given = some(64, 33)[0]
    names = ("x", "y", "r_e", "n", "axis_ratio", "position_angle")
    columns = [getattr(given, name)[:, 0] for name in names]
    asymmetry = (torch.full((64,), 0.5).double(), given.asymmetry_angle[:, 0])
    for lopsided in (None, asymmetry):

        def of(rows: slice, lopsided=lopsided):
            more = () if lopsided is None else tuple(v[rows] for v in lopsided)
            return sersic(Sersics(*(c[rows] for c in columns), *more), (33, 29))

        alone = torch.cat([of(slice(i, i + 1)) for i in range(64)])
        for size in BATCHES:
            batches = torch.cat([of(slice(i, i + size)) for i in range(0, 64, size)])
            torch.testing.assert_close(batches, alone, rtol=0, atol=0)


@pytest.mark.parametrize(
    ("kind", "side", "lopsided"),
    [("moffat", 31, 0.0), ("airy", 48, 0.4), ("image", 31, 0.4), ("none", 31, 0.0)],
)
@pytest.mark.filterwarnings("ignore:PSF image")  # it is centred, and says so
def test_a_galaxy_seen_is_the_same_in_any_batch(kind, side, lopsided, tmp_path):
    psf = {
        "moffat": Psf(moffat=Moffat(fwhm_arcsec=(0.057, 0.09, 0.17), beta=1.8)),
        "airy": Psf(airy=Airy(diameter_m=2.4, obscuration=0.33)),
        "none": None,
        "image": None,
    }[kind]
    if kind == "image":  # not symmetric: its transfer function is complex
        y, x = np.mgrid[-15:16, -15:16]
        pixels = np.exp(-0.3 * np.hypot(x, 1.3 * y)) + 0.1 * np.exp(-0.5 * ((x - 4) ** 2 + y**2))
        fits.writeto(tmp_path / "psf.fits", pixels.astype(np.float32))
        image = PsfImage(files=("psf.fits",), folder=str(tmp_path), pixel_scale_arcsec=0.06)
        psf = Psf(image=image)
    given = some(64, side, lopsided)
    all_of_them = painted(given, slice(0, 64), side, psf)
    for size in BATCHES[:-1]:
        for i in range(0, 12, size):
            rows = slice(i, i + size)
            now = painted(given, rows, side, psf)
            for name, values in vars(now).items():
                if values is not None:
                    wanted = getattr(all_of_them, name)[rows]
                    torch.testing.assert_close(values, wanted, rtol=0, atol=0)


def test_a_scenes_object_has_the_same_light_whatever_its_neighbours():
    model, rng = SceneModel(), np.random.default_rng(2)
    drawn = hst_population().draw(rng, 400, 26.0, 20.0)
    x, y = rng.uniform(0, 2000, (2, len(drawn.z)))
    made = galaxies(model, drawn, x, y, Stream(3, ("objects",)))
    checked = 0
    for side in (32, 64):
        alike = made.rows(np.flatnonzero(made.side == side)[:64])
        whole_batch = paint(model, alike)
        for size in BATCHES:
            for i in range(0, min(len(alike), 12), size):
                rows = np.arange(i, min(i + size, len(alike)))
                np.testing.assert_array_equal(paint(model, alike.rows(rows)), whole_batch[rows])
                checked += len(rows)
        mixed = Objects.together(
            [alike.rows(np.array([5])), alike.rows(np.array([2])), alike.rows(np.array([5]))]
        )
        np.testing.assert_array_equal(paint(model, mixed), whole_batch[[5, 2, 5]])
    assert checked > 60


def test_a_window_of_a_scene_is_cut_from_any_other():
    model = replace(SceneModel(), faintest=26.0)
    wide = Scene(model, seed=5)[-60:200, -70:190]
    scene = Scene(model, seed=5)
    for y, x, size in ((3, 5, 1), (50, -70, 2), (-60, 150, 3), (100, 100, 7), (10, 20, 64)):
        part = scene[y : y + size, x : x + size]
        cut = np.s_[:, y + 60 : y + 60 + size, x + 70 : x + 70 + size]
        np.testing.assert_array_equal(part.truth, wide.truth[cut])


def test_a_galaxys_fluxes_do_not_depend_on_the_other_rows():
    rng, count = np.random.default_rng(4), 64
    z_in, z_out = rng.uniform(0.1, 1.0, count), rng.uniform(1.0, 3.0, count)
    spectrum = rng.integers(0, 6, (count, 1))
    magnitude = rng.uniform(18, 25, count)

    def of(rows: slice):
        epochs = Epochs(z_in[rows], z_out[rows], "Planck18", "inoue2014", True, True, True, True, -0.3)
        weight = np.ones((len(z_in[rows]), 1))
        return light(
            (SPECTRA,),
            spectrum[rows],
            weight,
            Magnitudes(magnitude[rows], "apparent", "F814W"),
            BANDS,
            epochs,
        )

    whole_batch = of(slice(None))
    for size in BATCHES:
        parts = [of(slice(i, i + size)) for i in range(0, count, size)]
        for name, values in vars(whole_batch).items():
            now = np.concatenate([getattr(part, name) for part in parts])
            np.testing.assert_array_equal(now, values, err_msg=name)


def test_lists_are_filled_up_and_sums_are_in_order():
    assert [whole(n) for n in (0, 1, 64, 65)] == [0, VECTOR, VECTOR, 2 * VECTOR]
    assert spared(torch.arange(5.0)).tolist() == [0, 1, 2, 3] + [4] * 60
    assert spared(torch.zeros(0, 3)).shape == (0, 3)
    terms, weights = torch.rand(9, 40), torch.rand(9)
    wanted = terms[0] * weights[0]
    for i in range(1, 9):
        wanted = wanted + terms[i] * weights[i]
    torch.testing.assert_close(summed(terms.clone(), weights), wanted, rtol=0, atol=0)
