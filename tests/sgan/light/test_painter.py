"""The painter: against GalSim at several pixel scales and PSFs; fluxes, stamps' sides, the same bits."""

import pickle
from concurrent.futures import ThreadPoolExecutor

import galsim
import numpy as np
import pytest
import torch

from mockforge.errors import InputError
from mockforge.sgan.instrument.psf import PixelPsf
from mockforge.sgan.light.extent import SIDES
from mockforge.sgan.light.modulation import Modulation
from mockforge.sgan.light.painter import SourcePainter
from mockforge.sgan.sources.marks import Marks

SIDE = 128
WIDE = 512


def _psf(moffat: galsim.Moffat, pixel: float = 1.0, bands: int = 1) -> PixelPsf:
    image = moffat.drawImage(nx=129, ny=129, scale=pixel, dtype=np.float64).array
    return PixelPsf(np.repeat(image[None] / image.sum(), bands, axis=0).astype(np.float32))


def _one(radius: float, q: float, n: float, star: bool = False) -> Marks:
    e = (1 - q) / (1 + q)
    shape = {
        "e1": [e * np.cos(1.4)],
        "e2": [e * np.sin(1.4)],
        "log_radius": [np.log(radius)],
        "log_n": [np.log(n)],
    }
    return Marks.make(np.array([40.3]), np.array([-7.2]), np.array([[1.0]]), star=np.array([star]), **shape)


def _galsim(radius: float, q: float, n: float, psf: galsim.GSObject, star: bool = False) -> np.ndarray:
    """The same on the same stamp."""
    source = galsim.Sersic(n=n, half_light_radius=radius).shear(q=q, beta=0.7 * galsim.radians)
    seen = psf if star else galsim.Convolve(source, psf)
    return seen.shift(0.3, -0.2).drawImage(nx=SIDE + 1, ny=SIDE + 1, scale=1.0).array[:SIDE, :SIDE]


def _painted(painter: SourcePainter, source: Marks) -> np.ndarray:
    """Return the middle of a stamp so wide that wings that come in again do not matter."""
    first = (WIDE - SIDE) // 2
    return painter.paint_on(source, WIDE)[0, 0, first : first + SIDE, first : first + SIDE]


def _compare(found: np.ndarray, wanted: np.ndarray, peak: float) -> None:
    """Within 1e-3 of the flux in apertures, within `peak` of the peak in pixels."""
    assert np.abs(found - wanted).max() < peak * wanted.max()
    y, x = np.indices(wanted.shape) - SIDE // 2
    for radius in (2, 4, 8, 16, 32, 60):
        inside = np.hypot(y, x) < radius
        assert abs(found[inside].sum() - wanted[inside].sum()) < 1e-3


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
@pytest.mark.parametrize(
    ("radius", "q", "n"), [(0.5, 0.3, 0.5), (1.0, 0.9, 4.0), (2.0, 0.6, 1.0), (4.0, 0.3, 2.5)]
)
def test_as_galsim_draws_on_any_grid(scale: float, radius: float, q: float, n: float) -> None:
    moffat = galsim.Moffat(beta=3.5, fwhm=3.3)
    painter = SourcePainter(_psf(moffat), None, 1e-3, pixels_per_native=scale)
    found = _painted(painter, _one(radius, q, n))
    _compare(found, _galsim(radius * scale, q, n, moffat.dilate(scale)), 1e-3)


@pytest.mark.parametrize("fwhm", [2.5, 6.0])
@pytest.mark.parametrize(("radius", "q", "n"), [(0.7, 0.5, 1.0), (3.0, 0.4, 4.0)])
def test_another_telescope(fwhm: float, radius: float, q: float, n: float) -> None:
    moffat = galsim.Moffat(beta=3.5, fwhm=fwhm)
    painter = SourcePainter(_psf(moffat), None, 1e-3, pixels_per_native=1.5, pixels_per_psf=1.0)
    found = _painted(painter, _one(radius, q, n))
    _compare(found, _galsim(1.5 * radius, q, n, moffat), 2e-3)


def test_a_psf_too_sharp_for_the_pixels_is_given_on_finer_ones() -> None:
    moffat = galsim.Moffat(beta=3.5, fwhm=1.3)
    fine = _psf(moffat, pixel=0.25)  # as seen by pixels of a quarter
    painter = SourcePainter(fine, None, 1e-3, pixels_per_native=1.0, pixels_per_psf=0.25)
    _compare(_painted(painter, _one(1, 1, 1, star=True)), _galsim(1, 1, 1, moffat, star=True), 2e-3)
    _compare(_painted(painter, _one(0.6, 0.5, 2.0)), _galsim(0.6, 0.5, 2.0, moffat), 3e-3)


@pytest.mark.parametrize("scale", [0.5, 1.0, 2.0])
def test_stars_are_the_psf_between_pixels(scale: float) -> None:
    moffat = galsim.Moffat(beta=3.0, fwhm=3.0)
    painter = SourcePainter(_psf(moffat), None, 1e-3, pixels_per_native=scale)
    found = _painted(painter, _one(1, 1, 1, star=True))
    _compare(found, _galsim(1, 1, 1, moffat.dilate(scale), star=True), 2e-3)


def _many(count: int = 200, bands: int = 3) -> Marks:
    rng = np.random.default_rng(4)
    e, angle = np.abs(rng.normal(0, 0.2, count)).clip(0, 0.8), rng.uniform(0, np.pi, count)
    flux = 100 * rng.random(count)[:, None] ** -0.8 * rng.uniform(0.5, 2, (count, bands))
    return Marks.make(
        rng.uniform(-50, 50, count), rng.uniform(-50, 50, count), flux,
        log_radius=rng.normal(0.5, 0.4, count), e1=e * np.cos(2 * angle), e2=e * np.sin(2 * angle),
        log_n=rng.normal(0.2, 0.4, count).clip(-0.9, 1.6), star=rng.random(count) < 0.2,
        shaped=rng.random(count) < 0.5, z=rng.normal(size=(count, 6)), mirrored=rng.random(count) < 0.5,
    )  # fmt: skip


def _learned(scale: float = 0.4) -> Modulation:
    torch.manual_seed(2)
    network = Modulation(3)
    torch.nn.init.normal_(network.last.weight, 0, scale)
    return network.requires_grad_(False)


@pytest.fixture(scope="module")
def painter() -> SourcePainter:
    return SourcePainter(PixelPsf.from_moffat([3.6, 3.3, 3.9], 3.0), _learned(), 0.3)


def test_each_stamp_has_all_of_its_flux_and_little_at_its_edge(painter: SourcePainter) -> None:
    sources = _many()
    top, left, side = painter.footprints(sources)
    assert len(set(side.tolist())) >= 3 and set(side.tolist()) <= set(SIDES)
    assert (np.abs(top + side // 2 - sources.y) <= 0.5).all()
    assert (np.abs(left + side // 2 - sources.x) <= 0.5).all()
    for one in np.unique(side):
        rows = sources.rows(side == one)
        image = painter.paint(rows)
        assert image.dtype == np.float32 and image.shape[1:] == (3, one, one)
        np.testing.assert_allclose(image.sum((2, 3), dtype=np.float64) / rows.flux, 1, atol=1e-5)
        edge = np.concatenate([image[..., 0, :], image[..., -1, :], image[..., 0], image[..., -1]], axis=-1)
        assert edge.max() < 0.6  # what comes in from the other side may double it
    assert not painter.capped(sources).any()


def test_larger_stamps_have_the_same_light(painter: SourcePainter) -> None:
    sources = _many()
    sources = sources.rows(painter.sides(sources) == 32)
    small, large = painter.paint(sources), painter.paint_on(sources, 64)
    away = np.abs(large[..., 16:-16, 16:-16] - small).max(axis=(1, 2, 3))
    assert (away < 0.6 + 1e-3 * small.max(axis=(1, 2, 3))).all()


def test_learned_shapes_change_light_and_leave_stars_and_others(painter: SourcePainter) -> None:
    sources = _many()
    plain = SourcePainter(PixelPsf.from_moffat([3.6, 3.3, 3.9], 3.0), None, 0.3)
    a, b = painter.paint_on(sources, 64), plain.paint_on(sources, 64)
    shaped = sources.shaped & ~sources.star
    assert np.array_equal(a[~shaped], b[~shaped])
    assert (np.abs(a - b).max(axis=(1, 2, 3)) > 1e-3 * b.max(axis=(1, 2, 3)))[shaped].all()


def test_untrained_shapes_are_the_profiles() -> None:
    psf, sources = PixelPsf.from_moffat([3.6, 3.3, 3.9], 3.0), _many(40)
    a, b = (
        SourcePainter(psf, m, 0.3).paint_on(sources, 64) for m in (Modulation(3).requires_grad_(False), None)
    )
    assert np.abs(a - b).max() < 1e-6 * b.max()


@pytest.mark.parametrize("scale", [0.5, 2.0])
def test_learned_shapes_are_the_same_on_another_grid(scale: float) -> None:
    psf = PixelPsf.from_moffat(9.0, bands=3)  # so wide that a pixel and a quarter of it see the same
    sources = _many(30).replace(x=np.zeros(30), y=np.zeros(30))
    sources = sources.rows(sources.shaped & ~sources.star)
    coarse, fine = sorted((1.0, scale))
    images = []
    for network in (_learned(), None):
        a = SourcePainter(psf, network, 0.3, pixels_per_native=coarse).paint_on(sources, 64)
        b = SourcePainter(psf, network, 0.3, pixels_per_native=fine).paint_on(sources, 128)
        images.append((a, 4 * b[..., ::2, ::2]))
    (a, b), (c, d) = images
    change = np.abs(a - c).max(axis=(1, 2, 3))
    assert (np.abs((a - c) - (b - d)).max(axis=(1, 2, 3)) < 0.06 * change).all()


def test_the_same_bits_alone_in_threads_and_from_another_process(painter: SourcePainter) -> None:
    sources = _many()
    sources = sources.rows(painter.sides(sources) == 32)
    image = painter.paint(sources)
    assert np.array_equal(painter.paint(sources), image)
    assert np.array_equal(pickle.loads(pickle.dumps(painter)).paint(sources), image)
    with ThreadPoolExecutor(3) as pool:
        assert all(np.array_equal(again, image) for again in pool.map(painter.paint, [sources] * 6))
    for some in ([3], [3, 8], list(range(9, len(sources))), list(range(len(sources)))[::-1]):
        assert np.array_equal(painter.paint(sources.rows(np.array(some))), image[some])


def test_bright_sources_are_capped_and_said_to_be() -> None:
    painter = SourcePainter(PixelPsf.from_moffat(3.3, bands=1), None, 0.1)
    huge = Marks.make([0.0], [0.0], [[1e9]], log_radius=[5.0], log_n=[1.2])
    assert painter.capped(huge).tolist() == [True] and painter.sides(huge).tolist() == [512]
    assert painter.paint(huge).sum(dtype=np.float64) == pytest.approx(1e9, rel=1e-5)


def test_what_cannot_be_painted_is_a_sentence(painter: SourcePainter) -> None:
    psf = PixelPsf.from_moffat(3.3, bands=1)
    with pytest.raises(InputError, match="of one side"):
        painter.paint(_many())
    with pytest.raises(InputError, match="3 bands and the PSF of 1"):
        SourcePainter(psf, Modulation(3), 0.1)
    with pytest.raises(InputError, match="edge_njy"):
        SourcePainter(psf, None, 0.0)
    with pytest.raises(InputError, match="pixels_per_native"):
        SourcePainter(psf, None, 0.1, pixels_per_native=0)
    assert painter.paint(_many().rows(slice(0))).shape[:2] == (0, 3)


@pytest.mark.parametrize(
    ("fwhm", "scale", "of_psf"), [(2.2, 2.5, 1.0), (2.2, 1.0, 1.0), (2.6, 1.0, 0.5), (13.0, 0.1, 0.1)]
)
def test_learned_shapes_through_sharp_psfs_and_on_coarse_grids(
    fwhm: float, scale: float, of_psf: float
) -> None:
    psf, sources = PixelPsf.from_moffat([fwhm] * 3, 3.0), _many(40)
    images = [
        SourcePainter(psf, network, 0.3, pixels_per_native=scale, pixels_per_psf=of_psf).paint_on(
            sources, 128
        )
        for network in (_learned(), None)
    ]
    peak = images[1].max(axis=(1, 2, 3))
    for image in images:
        np.testing.assert_allclose(image.sum((2, 3), dtype=np.float64) / sources.flux, 1, atol=1e-5)
        assert (
            image.min(axis=(1, 2, 3)) > -8e-3 * peak
        ).all()  # no rings but those of a PSF at the pixels' limit
    assert (np.abs(images[0] - images[1]).max(axis=(1, 2, 3)) < 0.3 * peak).all()
