"""Galaxies that are close on the sky: as often at one redshift as their correlation says."""

import numpy as np
from scipy.spatial import cKDTree

from mockforge.galaxies.population import hst_population
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.rng import Stream
from mockforge.scene.clustering import clumped, in_clumps
from mockforge.scene.model import Clustering, SceneModel, Structure
from mockforge.scene.scene import Scene

MODEL = SceneModel(
    bands=("F814W",), psf=Psf(gaussian=Gaussian(fwhm_arcsec=0.1)), faintest=26.5, brightest=20.0, stars=None,
    structure=Structure(bulges=False, knots=0), clustering=Clustering(),
)  # fmt: skip
RULE = MODEL.clustering


def sky(rule, side: int = 20, limits: tuple[float, float] = (26.5, 20.0)):
    """Places in arcsec, redshifts and magnitudes of galaxies, and the redshifts that were drawn first."""
    table, scale, out, first = hst_population(), MODEL.pixel_scale_arcsec, [], []
    expected = table.density(*limits) * (256 * scale / 60.0) ** 2
    for k in range(side**2):
        y, x, clump = clumped(rule, Stream(4, ("place", k)).numpy(), expected, scale)
        drawn = table.draw(Stream(4, ("galaxy", k)).numpy(), len(x), *limits)
        made = in_clumps(table, Stream(4, ("clump", k)).numpy(), drawn, clump, limits)
        y, x = y + 256 * (k // side), x + 256 * (k % side)
        out.append(np.stack([x * scale, y * scale, made.z, made.magnitude], axis=1))
        first.append(drawn.z)
    return np.concatenate(out), np.concatenate(first)


def share_at_one_redshift(found: np.ndarray, reach: float) -> float:
    """Of the pairs closer than `reach` arcsec."""
    pairs = cKDTree(found[:, :2]).query_pairs(reach, output_type="ndarray")
    x = np.log1p(found[:, 2])
    return float((np.abs(x[pairs[:, 0]] - x[pairs[:, 1]]) < 0.005).mean())


def test_close_pairs_share_a_redshift_as_the_correlation_says():
    """w / (1 + w), averaged to 3 arcsec; without clumps, and by chance, below 1%."""
    found, first = sky(RULE)
    mean = RULE.amplitude * 2.0 / (2.0 - RULE.slope) * 3.0**-RULE.slope
    assert abs(share_at_one_redshift(found, 3.0) - mean / (1 + mean)) < 0.06
    assert share_at_one_redshift(sky(None, 12)[0], 3.0) < 0.02
    # and neither the redshifts nor the magnitudes of the population change
    for q in (0.1, 0.5, 0.9, 0.98):
        assert abs(np.log1p(np.quantile(found[:, 2], q)) - np.log1p(np.quantile(first, q))) < 0.05


def test_members_have_the_velocities_of_a_group():
    table, n = hst_population(), 400
    drawn = table.draw(Stream(1).numpy(), n, 26.0, 20.0)
    clump = np.where(np.arange(n) < 300, np.arange(n) // 6, -1)
    made = in_clumps(table, Stream(2).numpy(), drawn, clump, (26.0, 20.0))
    assert np.array_equal(made.z[300:], drawn.z[300:])
    x = np.log1p(made.z[:300]).reshape(50, 6)
    spread = 299792.458 * np.median(np.std(x, axis=1, ddof=1))
    assert 170 < spread < 300
    assert made.magnitude.max() <= 26.0 and len(np.unique(made.magnitude)) == n


def test_any_window_of_a_clumped_sky_has_the_same_objects():
    whole, part = (
        Scene(MODEL, seed=8).objects(-30, 400, 40, 500),
        Scene(MODEL, seed=8).objects(20, 90, 100, 160),
    )
    for name in ("x", "y", "z", "magnitude", "flux"):
        every = {tuple(row) for row in np.column_stack([whole.x, getattr(whole, name)]).tolist()}
        assert {tuple(row) for row in np.column_stack([part.x, getattr(part, name)]).tolist()} <= every
    assert len(part) > 3
