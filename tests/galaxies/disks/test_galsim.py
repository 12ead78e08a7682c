"""Disks, bulges and clumps against GalSim's own profiles: pixels, flux and the response to a shear."""

from __future__ import annotations

import galsim
import numpy as np
import pytest

from mockforge.config import fixed
from mockforge.galaxies.disks.make import make_disks
from mockforge.galaxies.disks.spec import Clumps, DiskBulge, DiskGalaxies
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.rng import Stream
from mockforge.units import ZEROPOINT_NJY

SHARP = galsim.GSParams(folding_threshold=1e-4, maxk_threshold=1e-4, maximum_fft_size=20000)
WIDE = SHARP.withParams(folding_threshold=2e-5)
"""For what has wings."""
SCALE, SIDE, R_HALF = 0.06, 64, 0.5
DEGREES = galsim.degrees
PSFS = {
    "beta 3.5": (Psf(moffat=Moffat(fwhm_arcsec=0.12, beta=3.5)), galsim.Moffat(beta=3.5, fwhm=0.12)),
    "beta 5": (
        Psf(moffat=Moffat(fwhm_arcsec=0.3546, beta=5.0)),
        galsim.Moffat(beta=5.0, half_light_radius=0.2),
    ),
}


def spec(psf: Psf, **more: object) -> DiskGalaxies:
    given = dict(inclination=fixed(60.0), position_angle=fixed(30.0), g1=fixed(0.05), g2=fixed(-0.03))
    return DiskGalaxies(
        bands=("F814W",), magnitude=fixed(ZEROPOINT_NJY), r_half=fixed(R_HALF), jitter=0.3, psf=psf,
        **(given | more),
    )  # fmt: skip


def drawn_by_galsim(
    profile: galsim.GSObject, psf: galsim.GSObject, x: float, y: float, gsparams: galsim.GSParams = SHARP
) -> np.ndarray:
    middle = (SIDE - 1) / 2
    moved = profile.shift((x - middle) * SCALE, (y - middle) * SCALE)
    seen = galsim.Convolve([moved, psf], gsparams=gsparams)
    return seen.drawImage(nx=SIDE, ny=SIDE, scale=SCALE).array


@pytest.mark.parametrize("name", PSFS)
@pytest.mark.parametrize(("inclination", "thickness"), [(0, 0.1), (60, 0.1), (60, 0.0), (85, 0.2), (90, 0.1)])
def test_inclined_exponential(name: str, inclination: float, thickness: float) -> None:
    psf, theirs = PSFS[name]
    made = make_disks(spec(psf, inclination=fixed(inclination), thickness=fixed(thickness)), 1, Stream(1))
    profile = galsim.InclinedExponential(
        inclination * DEGREES, half_light_radius=R_HALF, scale_h_over_r=max(thickness, 1e-5)
    )
    profile = profile.rotate(30 * DEGREES).shear(g1=0.05, g2=-0.03)
    expected = drawn_by_galsim(profile, theirs, made.drawn.x[0], made.drawn.y[0])
    ours = made.images["disk"][0, 0]
    assert np.abs(ours - expected).sum() < 3e-4
    assert np.abs(ours - expected).max() < 2e-4 * expected.max()
    assert ours.sum() == pytest.approx(expected.sum(), abs=1e-4)


def test_a_steep_disk_is_sersics_ellipse() -> None:
    psf, theirs = PSFS["beta 3.5"]
    made = make_disks(spec(psf, n=fixed(3.0), thickness=fixed(0.0)), 1, Stream(1))
    profile = galsim.InclinedSersic(3.0, 60 * DEGREES, half_light_radius=R_HALF, scale_h_over_r=1e-5)
    profile = profile.rotate(30 * DEGREES).shear(g1=0.05, g2=-0.03)
    expected = drawn_by_galsim(profile, theirs, made.drawn.x[0], made.drawn.y[0], WIDE)
    assert np.abs(made.images["disk"][0, 0] - expected).sum() < 1e-3


def test_bulge_is_de_vaucouleurs() -> None:
    psf, theirs = PSFS["beta 3.5"]
    bulge = DiskBulge(fraction=fixed(0.2), r_half=fixed(0.4), axis_ratio=fixed(0.8))
    made = make_disks(spec(psf, bulge=bulge), 1, Stream(1))
    profile = galsim.DeVaucouleurs(half_light_radius=0.4 * R_HALF * 0.8**0.5, flux=0.2)
    profile = profile.shear(q=0.8, beta=30 * DEGREES).shear(g1=0.05, g2=-0.03)
    expected = drawn_by_galsim(profile, theirs, made.drawn.x[0], made.drawn.y[0], WIDE)
    ours = made.images["bulge"][0, 0]
    assert ours.sum() == pytest.approx(expected.sum(), abs=1e-3 * 0.2)
    assert np.abs(ours - expected).max() < 2e-4 * expected.max()
    assert np.abs(ours - expected).sum() < 4e-4  # of the galaxy's flux, which is 1
    assert made.flux["bulge"][0, 0] == pytest.approx(0.2)
    assert made.flux["disk"][0, 0] == pytest.approx(0.8)


def test_clumps_are_galsims_random_knots() -> None:
    """GalSim's points, put where it has them, through the shear and the PSF."""
    psf, theirs = PSFS["beta 3.5"]
    walk = galsim.RandomKnots(30, half_light_radius=R_HALF, flux=0.1, rng=galsim.BaseDeviate(5))
    tilt = np.cos(np.radians(60))
    places = tuple((float(x) / R_HALF, float(y) / R_HALF / tilt, 1.0) for x, y in walk.points)
    places = tuple(p for p in places if abs(p[1]) < 6)
    clumps = Clumps(fraction=fixed(0.1), places=places, size=fixed(0.0))
    made = make_disks(spec(psf, clumps=clumps, position_angle=fixed(0.0)), 1, Stream(1))
    points = [(u * R_HALF, v * tilt * R_HALF) for u, v, _ in places]
    profile = galsim.Add([galsim.DeltaFunction(flux=0.1 / len(points)).shift(*p) for p in points])
    profile = profile.shear(g1=0.05, g2=-0.03)
    expected = drawn_by_galsim(profile, theirs, made.drawn.x[0], made.drawn.y[0])
    assert len(places) == 30
    assert np.abs(made.images["clumps"][0, 0] - expected).sum() < 1e-3 * 0.1


def test_drawn_clumps_scatter_as_galsims_random_knots_do() -> None:
    clumps = Clumps(fewest=1000, most=1000, along="random_walk", brightness="equal")
    cfg = spec(PSFS["beta 3.5"][0], clumps=clumps)
    placed = make_disks(cfg, 2, Stream(4)).drawn.clumps
    assert placed is not None
    radius = np.hypot(placed.u, placed.v).ravel()
    theirs = np.hypot(*galsim.RandomKnots(2000, half_light_radius=1.0, rng=galsim.BaseDeviate(5)).points.T)
    quantiles = (0.3, 0.5, 0.9)
    assert np.quantile(radius, quantiles) == pytest.approx(np.quantile(theirs, quantiles), rel=0.08)
    assert np.quantile(radius, 0.5) == pytest.approx(1.0, rel=0.05)


@pytest.mark.parametrize("component", [0, 1])
def test_response_to_a_shear(component: int) -> None:
    """Derivatives of the pixels by g1 and g2, of all parts together."""
    psf, theirs = PSFS["beta 3.5"]
    step, key = 0.01, ("g1", "g2")[component]
    clumps = Clumps(fraction=fixed(0.1), places=((0.8, 0.5, 1.0), (-1.0, 0.2, 2.0)), size=fixed(0.05))
    bulge = DiskBulge(fraction=fixed(0.2), r_half=fixed(0.4), axis_ratio=fixed(1.0))
    none = dict(g1=fixed(0.0), g2=fixed(0.0))
    ours, expected = [], []
    for g in (-step, step):
        cfg = spec(psf, clumps=clumps, bulge=bulge, **(none | {key: fixed(g)}))
        made = make_disks(cfg, 1, Stream(1))
        ours.append(sum(image[0, 0].astype(np.float64) for image in made.images.values()))
        tilt, turn = np.cos(np.radians(60)), 30 * DEGREES
        disk = galsim.InclinedExponential(60 * DEGREES, half_light_radius=R_HALF, flux=0.7).rotate(turn)
        round_bulge = galsim.DeVaucouleurs(half_light_radius=0.4 * R_HALF, flux=0.2)
        knots = [
            galsim.Gaussian(sigma=0.05 * R_HALF, flux=0.1 * share / 3).shift(u * R_HALF, v * tilt * R_HALF)
            for u, v, share in clumps.places or ()
        ]
        whole = galsim.Add([disk, round_bulge, galsim.Add(knots).rotate(turn)]).shear(**{key: g})
        expected.append(drawn_by_galsim(whole, theirs, made.drawn.x[0], made.drawn.y[0]))
    ours, expected = ((v[1] - v[0]) / (2 * step) for v in (ours, expected))
    assert np.abs(ours - expected).sum() < 2e-3 * np.abs(expected).sum()
