"""The weak shear of a scene, against galsim and what the theory of lensing expects of ellipticities."""

from dataclasses import replace

import galsim
import numpy as np
import pytest

from mockforge.galaxies.population import Galaxies
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.rng import Stream
from mockforge.scene.model import SceneModel, Structure
from mockforge.scene.paint import paint
from mockforge.scene.populate import galaxies
from mockforge.scene.scene import Scene

SHEAR = (0.05, -0.03)
TIGHT = galsim.GSParams(folding_threshold=2e-4, maxk_threshold=1e-4, maximum_fft_size=16384)


def alike(model, count, stream, **changes):
    """Galaxies of the same parameters, each turned its own way."""
    values = {"magnitude": 21.0, "r_e": 0.6, "n": 1.0, "axis_ratio": 0.6, "z": 0.8, "spectrum": 20} | changes
    kind = {"spectrum": np.int64}
    drawn = Galaxies(**{k: np.full(count, v, dtype=kind.get(k, np.float64)) for k, v in values.items()})
    return galaxies(model, drawn, np.full(count, 0.3), np.full(count, -0.2), stream)


def moments(image):
    """Flux and unweighted second moments xx, xy, yy of images (..., y, x)."""
    y, x = np.indices(image.shape[-2:])
    flux = image.sum((-2, -1))
    cx, cy = ((image * v).sum((-2, -1)) / flux for v in (x, y))
    dx, dy = x - cx[..., None, None], y - cy[..., None, None]
    return flux, *((image * v).sum((-2, -1)) / flux for v in (dx * dx, dx * dy, dy * dy))


def test_ellipticities_of_galaxies_turned_every_way_answer_as_expected():
    """Gaussians: the mean of epsilon = (1 - q) / (1 + q) exp(2i phi) is g (Seitz & Schneider 1997,
    A&A 318, 687), that of e = (1 - q^2) / (1 + q^2) exp(2i phi) is 2 g (1 - e^2 / 2) (Bernstein &
    Jarvis 2002, AJ 123, 583), to first order in g."""
    model = SceneModel(bands=("F814W",), psf=None, structure=Structure(bulges=False, knots=0))
    plain = alike(model, 1, Stream(1), n=0.5)
    found = {}
    for g in (0.0, 0.02):
        lensed = replace(model, shear=(g, -g / 2))
        ellipticity = []
        for seed in range(48):
            made = alike(lensed, 1, Stream(seed), n=0.5)
            _, xx, xy, yy = moments(paint(lensed, made)[0, 0].astype(np.float64))
            both = xx + yy
            chi = (xx - yy + 2j * xy) / both
            ellipticity.append((chi, chi / (1 + np.sqrt(1 - abs(chi) ** 2))))
        found[g] = np.array(ellipticity)
    change = (found[0.02] - found[0.0]).mean(axis=0)
    q = float(plain.axis_ratio[0])
    e = (1 - q**2) / (1 + q**2)
    turns = np.exp(1j * np.angle(found[0.0][:, 0]))  # 48 random angles do not average exactly
    second = (turns**2).mean()
    g = 0.02 - 0.01j
    # derivatives at one angle: de = 2 (g - e Re(g e*)), d epsilon = g - epsilon^2 g*
    assert change[0] == pytest.approx(2 * g * (1 - e**2 / 2) - e**2 * second * np.conj(g), abs=4e-4)
    epsilon = (1 - q) / (1 + q)
    assert change[1] == pytest.approx(g - epsilon**2 * second * np.conj(g), abs=2e-4)


def test_a_sheared_galaxy_with_bulge_and_knots_is_the_image_of_the_whole():
    """Second moments of the light without PSF map as A Q A^T, and flux stays."""
    model = SceneModel(bands=("F606W",), psf=None, structure=Structure(knots=5, knot_fraction=0.9))
    lensed = replace(model, shear=SHEAR)
    a = np.array([[1 + SHEAR[0], SHEAR[1]], [SHEAR[1], 1 - SHEAR[0]]]) / np.sqrt(1 - 0.05**2 - 0.03**2)
    checked = 0
    for seed in range(12):
        before, after = (alike(m, 1, Stream(seed), n=1.0, axis_ratio=0.4) for m in (model, lensed))
        if before.knot_fraction[0] < 0.2:
            continue
        (f0, xx, xy, yy), (f1, *new) = (
            moments(paint(m, o)[0, 0].astype(np.float64)) for m, o in ((model, before), (lensed, after))
        )
        q = np.array([[xx, xy], [xy, yy]])
        wanted = a @ q @ a.T
        assert f1 == pytest.approx(f0, rel=2e-3) and np.array_equal(before.flux, after.flux)
        moved = abs(wanted - q).max()
        assert abs(np.array([[new[0], new[1]], [new[1], new[2]]]) - wanted).max() < 0.02 * moved
        checked += 1
    assert checked >= 4


def test_a_sheared_galaxy_is_what_galsim_shears():
    """The unlensed parts, summed, sheared by galsim and seen through the PSF."""
    psf = Psf(moffat=Moffat(fwhm_arcsec=0.09, beta=2.5))
    how = {"n": 1.5, "axis_ratio": 0.5}
    model = SceneModel(bands=("F814W",), psf=psf, structure=Structure(knots=6, knot_fraction=0.8))
    plain, made = (alike(m, 1, Stream(3), **how) for m in (model, replace(model, shear=SHEAR)))
    assert plain.knot_fraction[0] > 0.1 and plain.bulge_fraction[0] > 0.1
    sed, q, angle = plain.sed[0, 0], float(plain.axis_ratio[0]), float(plain.position_angle[0])
    parts = [
        galsim.Sersic(
            n=float(plain.index[0, k]), half_light_radius=float(plain.size[0, k]), flux=float(sed[k])
        )
        .dilate(np.sqrt(q))
        .shear(q=q, beta=angle * galsim.degrees)
        for k in (0, 1)
    ]
    parts += [
        galsim.Gaussian(sigma=float(s), flux=float(sed[2] * w)).shift(float(x), float(y))
        for x, y, s, w in plain.knots[0]
        if w > 0
    ]
    whole = galsim.Sum(parts).shear(g1=SHEAR[0], g2=SHEAR[1])
    side, (top, left) = int(made.side[0]), (int(v[0]) for v in made.corner())
    offset = (made.x[0] - left - (side - 1) / 2, made.y[0] - top - (side - 1) / 2)
    seen = galsim.Convolve(whole, galsim.Moffat(beta=2.5, fwhm=0.09, gsparams=TIGHT))
    theirs = seen.drawImage(nx=side, ny=side, scale=0.06, offset=offset).array
    mine = paint(model, made)[0, 0]
    assert np.abs(mine - theirs).sum() < 1e-2 * theirs.sum()
    # and not what the unlensed galaxy is
    assert np.abs(paint(model, plain)[0, 0] - theirs).sum() > 5e-2 * theirs.sum()


def test_windows_of_a_lensed_sky_have_the_same_pixels_and_places():
    model = SceneModel(bands=("F814W",), psf=None, faintest=25.0, shear=SHEAR)
    (_, whole), (_, part) = (Scene(model, seed=3).pixels(*w) for w in ((0, 150, -30, 120), (40, 90, 0, 60)))
    assert np.array_equal(part, whole[:, 40:90, 30:90]) and part.max() > 0
    lensed, plain = (Scene(m, seed=3).cell(0, 0) for m in (model, replace(model, shear=(0.0, 0.0))))
    assert np.array_equal(lensed.x, plain.x) and np.array_equal(lensed.flux, plain.flux)
