"""Scenes: any window the same pixels, pixels as galsim draws them, numbers as requested."""

from dataclasses import replace

import galsim
import numpy as np
import pytest

from mockforge.errors import InputError
from mockforge.galaxies.population import Galaxies, hst_population
from mockforge.observe.noise.correlation import Correlation, Drizzle, drizzle_autocorrelation
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.spec import Gaussian, Moffat, Psf
from mockforge.rng import Stream
from mockforge.scene.clustering import CELL, clumped
from mockforge.scene.model import Clustering, SceneModel, Stars, Structure
from mockforge.scene.noise import root_kernel
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies, stars
from mockforge.scene.scene import Scene
from mockforge.scene.shear import sheared

TIGHT = galsim.GSParams(folding_threshold=2e-4, maxk_threshold=1e-4, maximum_fft_size=16384)
SMOOTH = Psf(gaussian=Gaussian(fwhm_arcsec=0.12))
SMALL = SceneModel(bands=("F606W", "F814W"), psf=SMOOTH, faintest=27.0, brightest=22.0)


def test_every_window_has_the_same_pixels_to_the_last_bit():
    model = replace(SMALL, noise=Noise(rms_njy=0.2, correlation=Correlation(drizzle=Drizzle())))
    whole = Scene(model, seed=3)[-40:120, 30:200]
    part = Scene(model, seed=3)[20:90, 100:160]
    assert np.array_equal(part.image, whole.image[:, 60:130, 70:130])
    assert np.array_equal(part.truth, whole.truth[:, 60:130, 70:130])
    assert not np.array_equal(part.truth, Scene(model, seed=4)[20:90, 100:160].truth)
    assert part.truth.max() > 0


def test_a_scene_has_no_edges_and_says_so():
    with pytest.raises(InputError, match="both ends"):
        Scene(SMALL)[:10, 0:5]


def test_cells_hold_the_populations_number_of_galaxies():
    scene = Scene(replace(SMALL, stars=None), seed=1)
    counts = np.array([len(scene.cell(cy, 0)) for cy in range(60)])
    area = (CELL * 0.06 / 60) ** 2
    expected = hst_population().density(27.0, 22.0) * area
    assert counts.mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / 60))
    assert counts.var() == pytest.approx(expected, rel=0.8)


def test_clumps_have_the_asked_correlation():
    """Pairs at 1.5 to 6 arcsec, against w = A theta^-0.8, over a sky of many cells."""
    rule, scale = Clustering(amplitude=2.0, slope=0.8, reach_arcsec=30.0, share=0.6), 0.06
    side, number = 30, 40.0
    places = []
    for cy in range(side):
        for cx in range(side):
            y, x = clumped(rule, Stream(5, (cy, cx)).numpy(), number, scale)[:2]
            places.append(np.stack([y + cy * CELL, x + cx * CELL], axis=1) * scale)
    from scipy.spatial import cKDTree

    points = np.concatenate(places)
    low, high = 35.0, side * CELL * scale - 35.0
    inner = points[((points > low) & (points < high)).all(axis=1)]
    edges = np.array([1.5, 2.1, 3.0, 4.2, 6.0])
    pairs = np.diff(cKDTree(inner).count_neighbors(cKDTree(points), edges))
    density = number / (CELL * scale) ** 2
    random = len(inner) * density * np.pi * np.diff(edges**2)
    found = pairs / random - 1.0
    # the mean of theta^-0.8 over each ring
    wanted = 2.0 * np.diff(edges**1.2) / 1.2 / (np.diff(edges**2) / 2)
    assert found == pytest.approx(wanted, rel=0.2, abs=0.03)


def one_galaxy(model, **changes):
    values = {"magnitude": 23.0, "r_e": 0.4, "n": 1.0, "axis_ratio": 0.6, "z": 0.8, "spectrum": 20} | changes
    drawn = Galaxies(**{k: np.array([v], dtype=int if k == "spectrum" else float) for k, v in values.items()})
    return galaxies(model, drawn, np.array([40.3]), np.array([25.8]), Stream(1))


def as_galsim(made, model, psf):
    scale, side, offset = model.pixel_scale_arcsec, int(made.side[0]), None
    top, left = (int(v[0]) for v in made.corner())
    parts = [
        galsim.Sersic(n=float(made.index[0, k]), half_light_radius=float(made.size[0, k]), flux=float(f))
        # galsim's radius is that of the round profile, whose area a shear keeps
        .dilate(float(np.sqrt(made.axis_ratio[0])))
        .shear(q=float(made.axis_ratio[0]), beta=float(made.position_angle[0]) * galsim.degrees)
        for k, f in ((0, made.sed[0, 0, 0]), (1, made.sed[0, 0, 1]))
        if f > 0
    ]
    offset = (made.x[0] - left - (side - 1) / 2, made.y[0] - top - (side - 1) / 2)
    seen = galsim.Convolve(galsim.Sum(parts), psf)
    return seen.drawImage(nx=side, ny=side, scale=scale, offset=offset).array


@pytest.mark.parametrize("n", [1.0, 2.5])
def test_a_galaxy_is_what_galsim_draws(n):
    """Disk, or bulge and disk, through a Moffat: within 0.5% of the flux in every pixel's sum."""
    psf = Psf(moffat=Moffat(fwhm_arcsec=0.09, beta=2.5))
    model = SceneModel(bands=("F814W",), psf=psf, structure=Structure(knots=0))
    made = one_galaxy(model, n=n)
    mine = paint(model, made)[0, 0]
    gs = galsim.Moffat(beta=2.5, fwhm=0.09, gsparams=TIGHT)
    theirs = as_galsim(made, model, gs)
    assert np.abs(mine - theirs).sum() < 5e-3 * theirs.sum()
    assert mine.sum() == pytest.approx(theirs.sum(), rel=3e-3)


def test_a_star_is_the_psf_at_its_place():
    psf = Psf(moffat=Moffat(fwhm_arcsec=0.09, beta=2.5))
    model = SceneModel(bands=("F814W",), psf=psf)
    made = stars(model, Stars(), np.array([24.0]), np.array([100.37]), np.array([-7.81]), Stream(2))
    mine = paint(model, made)[0, 0]
    side, (top, left) = int(made.side[0]), (int(v[0]) for v in made.corner())
    offset = (100.37 - left - (side - 1) / 2, -7.81 - top - (side - 1) / 2)
    theirs = galsim.Moffat(beta=2.5, fwhm=0.09, flux=float(made.flux[0, 0]), gsparams=TIGHT).drawImage(
        nx=side, ny=side, scale=0.06, offset=offset
    )
    assert np.abs(mine - theirs.array).max() < 1e-3 * theirs.array.max()
    assert mine.sum() == pytest.approx(theirs.array.sum(), rel=1e-3)


def test_parts_keep_the_whole_galaxys_radius_and_flux():
    model = SceneModel(bands=("F606W", "F160W"), psf=SMOOTH, structure=Structure(knots=5))
    drawn = hst_population().draw(Stream(3).numpy(), 400, 26.0, 22.0)
    made = galaxies(model, drawn, np.zeros(400), np.zeros(400), Stream(4))
    assert made.sed.sum(axis=2) == pytest.approx(made.flux, rel=1e-12)
    assert (made.sed >= 0).all() and made.knots[..., 3].sum(axis=1) == pytest.approx(1.0)
    from scipy.special import gammainc, gammaincinv

    def inside(r, n):
        return gammainc(2 * n, gammaincinv(2 * n, 0.5) * r ** (1 / n))

    f = made.bulge_fraction
    half = (1 - f) * inside(drawn.r_e / made.size[:, 0], made.index[:, 0]) + f * inside(
        drawn.r_e / made.size[:, 1], made.index[:, 1]
    )
    assert half == pytest.approx(0.5, abs=2e-3)


def test_shear_is_galsims():
    q, angle = np.array([0.4, 0.8]), np.array([20.0, 130.0])
    stretch, q2, angle2 = sheared(q, angle, 0.05, -0.03)
    for i in range(2):
        first = galsim.Shear(q=q[i], beta=angle[i] * galsim.degrees)
        both = galsim.Shear(g1=0.05, g2=-0.03) + first
        assert q2[i] == pytest.approx(both.q, rel=1e-9)
        assert angle2[i] % 180 == pytest.approx(both.beta / galsim.degrees % 180, rel=1e-9)
        assert stretch[i] ** 2 * q2[i] == pytest.approx(q[i], rel=1e-12)  # the area


def test_noise_has_the_asked_rms_and_correlation():
    model = replace(
        SMALL,
        density_factor=0.0,
        stars=None,
        noise=Noise(rms_njy=(0.2, 0.4), correlation=Correlation(drizzle=Drizzle(pixfrac=0.8, scale=0.6))),
    )
    noise = Scene(model, seed=2)[0:500, 0:500].image
    assert noise.std(axis=(1, 2)) == pytest.approx([0.2, 0.4], rel=0.02)
    wanted = drizzle_autocorrelation(0.8 / 0.6)
    middle = len(wanted) // 2
    for dy, dx in ((0, 1), (1, 0), (1, 1), (0, 2)):
        a, b = noise[:, dy:, dx:], noise[:, : 500 - dy, : 500 - dx]
        found = (a * b).mean(axis=(1, 2)) / noise.var(axis=(1, 2))
        assert found == pytest.approx(np.full(2, wanted[middle + dy, middle + dx]), abs=0.02)


def test_the_kernel_is_the_root_of_the_correlation():
    from scipy.signal import correlate2d

    wanted = drizzle_autocorrelation(1.5)
    kernel = root_kernel(wanted)
    found = correlate2d(kernel, kernel)
    middle, lags = len(found) // 2, len(wanted) // 2
    inner = found[middle - lags : middle + lags + 1, middle - lags : middle + lags + 1]
    assert inner == pytest.approx(wanted, abs=5e-3)


def test_source_noise_grows_with_flux():
    model = replace(SMALL, noise=Noise(rms_njy=0.01, electrons_per_njy=1.0))
    scene = Scene(model, seed=1)
    truth = np.full((2, 200, 200), 50.0, dtype=np.float32)
    noise = scene.observed(truth, 0, 0) - truth
    assert noise.var(axis=(1, 2)) == pytest.approx([50.0, 50.0], rel=0.03)
