"""An image's pixels do not depend on which others are worked on with it, to the last bit: the telescope
of `degrade`, noise, pairs of redshifts, and what networks predict on a CPU.

By construction: each is worked on alone, in operations of one shape. See `tests/sky/test_alone.py` for
galaxies and scenes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from mockforge.batch import Batch
from mockforge.galaxies import pairs
from mockforge.galaxies.bodies import draw_bodies, sizes_of
from mockforge.galaxies.shapes import Bulge, Knots, draw_shapes
from mockforge.observe.degrade.degrader import Degrader, coarse_grid
from mockforge.observe.noise.correlation import gaussian_autocorrelation
from mockforge.observe.noise.pixels import PixelNoise, add_noise
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.models import gaussian
from mockforge.observe.psf.spec import Moffat, Psf
from mockforge.photometry.epochs import Magnitudes, light
from mockforge.rng import Stream
from mockforge.sgan.paint.sky import Sky
from mockforge.stages.degrade import Degrade
from mockforge.stages.observe import Observe
from mockforge.stages.sersic_sed import SersicSed
from mockforge.tasks.recover.config import Cgan, RecovererNetwork, Residual
from mockforge.tasks.recover.degraded import Scales
from mockforge.tasks.recover.model import Recoverer
from mockforge.tasks.recover.model import predict as recovered
from mockforge.tasks.redshifter.config import RedshifterNetwork, Unet
from mockforge.tasks.redshifter.geometry import Geometry
from mockforge.tasks.redshifter.model import Redshifter
from mockforge.tasks.redshifter.model import predict as redshifted
from tests.builders.batches import samples
from tests.builders.tiny_forge import tiny_forge

BATCHES = (1, 2, 3, 7, 64)
BANDS = ("F606W", "F814W", "F160W")


def same_in_any_batch(made: Callable[[slice], Any]) -> None:
    """Arrays that `made` gives for rows of a batch are those of the whole batch."""
    whole = made(slice(0, 64))
    for size in BATCHES[:-1]:
        for first in (0, 5):
            rows = slice(first, first + size)
            for now, wanted in zip(made(rows), whole, strict=True):
                np.testing.assert_array_equal(now, wanted[rows])


def stamps(count: int, side: int, bands: int = 3) -> np.ndarray:
    """Noisy bumps, (count, bands, side, side) float32."""
    rng = np.random.default_rng(4)
    y, x = np.mgrid[:side, :side][:, None, None] - rng.uniform(0.3, 0.7, (2, count, 1, 1, 1)) * side
    bump = rng.lognormal(4, 2, (count, bands, 1, 1)) * np.exp(-0.5 * (x**2 + y**2) / 9)
    return (bump + rng.normal(0, 1, bump.shape)).astype(np.float32)


def batch_of(rows: slice, **arrays: np.ndarray) -> Batch:
    return samples(
        range(len(next(iter(arrays.values()))))[rows],
        arrays={name: values[rows] for name, values in arrays.items()},
        attributes={"bands": BANDS, "pixel_scale_arcsec": 0.06, "psf_fwhm_arcsec": (0.13, 0.14, 0.18)},
    )  # fmt: skip


@pytest.mark.parametrize(
    "step", [2.0, 2.8, 2.8157]
)  # without reflections folded, folded, a product with waves
@pytest.mark.parametrize("side", [31, 64])
@pytest.mark.parametrize("mirrored", [True, False])
def test_a_telescopes_image(step, side, mirrored):
    grid = coarse_grid((side, side), step)
    wanted = [gaussian(w) for w in (0.5, 0.6, 0.7)]
    change = Degrader((side, side), grid, 0.06, [gaussian(0.15)] * 3, wanted, mirrored=mirrored)
    assert (change._y.coarse is None) == (mirrored or step == 2.8157)
    image = stamps(64, side)
    same_in_any_batch(lambda rows: [change(image[rows])])


@pytest.mark.parametrize("scale", [None, 0.1763])
def test_the_stage_degrade(scale):
    image = stamps(64, 48)
    stage = Degrade(
        to="hsc-wide", input="truth", bands=("hsc_r", "hsc_i", "hsc_z"), pixel_scale_arcsec=scale, labels=()
    )

    def made(rows: slice) -> list[np.ndarray]:
        arrays = stage(batch_of(rows, truth=image), Stream(3)).arrays
        return [arrays[name] for name in ("image", "image_noiseless", "variance")]

    same_in_any_batch(made)


@pytest.mark.parametrize("side", [3, 31, 48])
@pytest.mark.parametrize("kind", ["white", "counted", "correlated", "of one band"])
def test_noise(kind, side):
    bands = 1 if kind == "of one band" else 3
    image, factor = stamps(64, side, bands), torch.linspace(0.5, 2.0, 64)
    model = {
        "white": PixelNoise(np.array([1.0, 2.0, 3.0])),
        "counted": PixelNoise(np.array([1.0, 2.0, 3.0]), np.array([0.5, 2.0, 9.0]), np.full(3, 0.5)),
        "correlated": PixelNoise(
            np.ones(3), np.full(3, 4.0), autocorrelation=gaussian_autocorrelation(1.5)[None].repeat(3, 0)
        ),
        "of one band": PixelNoise(np.ones(1), np.full(1, 4.0)),
    }[kind]

    def made(rows: slice) -> list[np.ndarray]:
        streams = [Stream(5, (i,)).torch() for i in range(64)[rows]]
        return [add_noise(torch.from_numpy(image[rows]), model, streams, factor[rows]).numpy()]

    same_in_any_batch(made)


def test_the_stage_observe():
    image = stamps(64, 31)
    stage = Observe(
        noise_in=Noise(survey="candels-goodss-deep", shot=True), noise_out=Noise(survey="candels-goodss-deep")
    )

    def made(rows: slice) -> list[np.ndarray]:
        arrays = stage(batch_of(rows, input=image, target=image), Stream(3)).arrays
        return [arrays[name] for name in ("input", "target", "input_rms")]

    same_in_any_batch(made)


def of_rows(given: Any, rows: slice) -> Any:
    """A dataclass of arrays (N, ...), with these rows."""
    assert is_dataclass(given)
    return replace(given, **{f.name: getattr(given, f.name)[rows] for f in fields(given)})


def test_pairs_of_redshifts():
    """The same draws with other companions: the light, both images through the PSF, and what is in them."""
    cfg = SersicSed(
        bands=BANDS, stamp=33, pixel_scale_arcsec=0.06, bulge=Bulge(), knots=Knots(),
        psf_in=Psf(survey="candels-goodss-deep"), psf_out=Psf(moffat=Moffat(fwhm_arcsec=0.12, beta=2.0)),
    )  # fmt: skip
    stream = Stream(8)
    body = draw_bodies(cfg, 64, stream)
    given = (body.n, body.axis_ratio, body.position_angle)
    shapes = draw_shapes(*given, replace(cfg, companions=None, asymmetry=None), stream)
    spectra, spectrum = pairs._choose_spectra(cfg, shapes, stream)  # a batch's draws, with fewer companions

    def made(rows: slice) -> list[np.ndarray]:
        own, parts = of_rows(body, rows), of_rows(shapes, rows)
        magnitude = Magnitudes(own.magnitude, cfg.magnitude_kind, cfg.magnitude_band)
        found = light(spectra, spectrum[rows], parts.weight, magnitude, cfg.bands, pairs._epochs(cfg, own))
        sizes = sizes_of(cfg, own)
        near = pairs._paint(cfg, own, parts, sizes.r_e_in, found.sed_in, (cfg.psf_in, True))
        far = pairs._paint(cfg, own, parts, sizes.r_e_out, found.sed_out, (cfg.psf_out, True))
        drawn = pairs.GalaxyPairs(own, parts, sizes, spectra, spectrum[rows], found, near, far)
        batch = batch_of(rows, row=np.arange(64))
        return [
            *pairs.filled(cfg, batch, drawn).arrays.values(),
            *pairs.galaxy_table(cfg, batch, drawn).values(),
        ]

    same_in_any_batch(made)


def test_a_window_of_a_sky_is_cut_from_any_other():
    model = tiny_forge()
    wide, sky = Sky(model, seed=3)[-20:60, -30:50].image, Sky(model, seed=3, kept_tiles=1)
    for y, x, size in ((3, 5, 1), (-20, 48, 2), (30, -30, 3), (40, 40, 7), (-10, -14, 64)):
        cut = np.s_[:, y + 20 : y + 20 + size, x + 30 : x + 30 + size]
        np.testing.assert_array_equal(sky[y : y + size, x : x + size].image, wide[cut])


@pytest.mark.parametrize(
    "network",
    [RecovererNetwork(residual=Residual(widths=(8, 8), fine_width=4)), RecovererNetwork(cgan=Cgan(ngf=4))],
)
def test_what_a_network_recovers(network):
    scales = Scales(
        bands=("hsc_r", "hsc_i"), fine_bands=("F606W", "F814W"), coarse_arcsec=0.168, fine_arcsec=0.06,
        shape=(11, 11), fine=(30, 30), psf_fwhm_arcsec=None, fine_psf_fwhm_arcsec=None,
    )  # fmt: skip
    torch.manual_seed(1)
    model = Recoverer(name="tiny", network=network, scales=scales, rms_njy=(1.0, 1.0))
    model = model.trained(model.network_with_weights(), {})
    image = stamps(64, 11, 2)
    same_in_any_batch(lambda rows: [recovered(model, image[rows], np.ones((1, 2), np.float32))])


def test_what_a_network_redshifts():
    torch.manual_seed(1)
    geometry = Geometry(wavelength=(0.6, 0.8, 1.6))
    model = Redshifter(
        name="tiny", network=RedshifterNetwork(unet=Unet(widths=(8, 16))), bands=BANDS, geometry=geometry,
        shape=(32, 32), pixel_scale_arcsec=None, redshifts=(0.0, 0.0),
    )  # fmt: skip
    model = model.trained(model.network_with_weights(), {})
    image, z = stamps(64, 32), np.linspace(0.2, 0.9, 64)
    same_in_any_batch(lambda rows: [redshifted(model, image[rows], z[rows], 2 * z[rows])])
