"""Galaxies through a PSF against galsim, component by component, and what must hold of any drawing."""

from __future__ import annotations

import galsim
import numpy as np
import pytest
import torch
from astropy.io import fits

from mockforge.observe.psf.spec import Airy, Gaussian, Moffat, Psf, PsfImage
from mockforge.observe.psf.transfer import Transfer, transfer
from mockforge.profiles.draw import DrawnStamps, GaussianKnots, draw
from mockforge.profiles.sersic import Sersics

SHAPE = (60, 60)
SCALE = 0.1
FINE = galsim.GSParams(
    folding_threshold=3e-4, maxk_threshold=1e-4, kvalue_accuracy=1e-6, maximum_fft_size=16384
)
GALAXIES = [
    (0.5, 4.0, 1.0),
    (0.5, 6.0, 0.7),
    (0.8, 0.3, 0.5),
    (2.0, 4.0, 0.3),
    (5.0, 1.0, 0.1),
    (5.0, 4.0, 0.6),
    (12.0, 1.0, 0.06),
    (20.0, 2.5, 0.5),
    (20.0, 0.5, 0.3),
]
X, Y, ANGLE = 29.7, 29.2, 33.0


def sersics(*rows: tuple[float, ...]) -> Sersics:
    """A galaxy with one component a row: x, y, r_e, n, q, angle[, asymmetry, its angle]."""
    table = torch.tensor([(*row, 0.0, 0.0)[:8] for row in rows], dtype=torch.float64)[:, None, :]
    return Sersics(*table.unbind(dim=2))


def one(row: tuple[float, ...], psf: Transfer | None, shape: tuple[int, int] = SHAPE) -> DrawnStamps:
    bands = 1 if psf is None else len(psf.fwhm_arcsec)
    return draw(sersics(row), None, torch.ones(1, bands, 1), shape, psf)


def theirs(r_e: float, n: float, q: float, psf: galsim.GSObject, method: str = "auto") -> np.ndarray:
    """The same through galsim, centred at (X, Y)."""
    galaxy = galsim.Sersic(n, half_light_radius=r_e * np.sqrt(q) * SCALE, gsparams=FINE)
    galaxy = galaxy.shear(q=q, beta=ANGLE * galsim.degrees)
    seen = galsim.Convolve([galaxy, psf.withGSParams(FINE)], gsparams=FINE)
    middle = (SHAPE[0] - 1) / 2
    offset = (X - middle, Y - middle)
    image = seen.drawImage(nx=60, ny=60, scale=SCALE, offset=offset, dtype=float, method=method)
    return image.array


def agree(ours: np.ndarray, wanted: np.ndarray, whole: float = 2e-3) -> None:
    """Every pixel to 0.1% of the peak, the whole to 0.2%."""
    assert np.abs(ours - wanted).max() < 1e-3 * wanted.max()
    assert np.sqrt(((ours - wanted) ** 2).sum() / (wanted**2).sum()) < whole


@pytest.mark.parametrize("fwhm", [0.09, 0.15, 0.7])
def test_gaussian_psf(fwhm):
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=fwhm)), ("F160W",), SCALE, SHAPE)
    for r_e, n, q in GALAXIES:
        ours = one((X, Y, r_e, n, q, ANGLE), psf).psf
        assert ours is not None
        agree(ours[0, 0].numpy(), theirs(r_e, n, q, galsim.Gaussian(fwhm=fwhm)))


@pytest.mark.parametrize(
    ("psf", "wanted"),
    [
        (Psf(moffat=Moffat(fwhm_arcsec=0.6, beta=3.0)), galsim.Moffat(beta=3.0, fwhm=0.6)),
        (Psf(moffat=Moffat(fwhm_arcsec=0.2, beta=4.765)), galsim.Moffat(beta=4.765, fwhm=0.2)),
        (
            Psf(airy=Airy(diameter_m=2.4, obscuration=0.33, wavelength_um=(1.54,))),
            galsim.Airy(lam=1540, diam=2.4, obscuration=0.33),
        ),
    ],
    ids=["moffat 0.6", "moffat 0.2", "airy"],
)
def test_psfs_with_wings(psf, wanted):
    made = transfer(psf, ("F160W",), SCALE, SHAPE)
    for r_e, n, q in ((0.5, 4.0, 1.0), (3.0, 1.0, 0.4), (5.0, 2.5, 0.7)):
        ours = one((X, Y, r_e, n, q, ANGLE), made).psf
        assert ours is not None
        agree(ours[0, 0].numpy(), theirs(r_e, n, q, wanted))


@pytest.mark.parametrize("band", ["f435w", "f160w"])
def test_real_psf(shared_data, band):
    """Real HST PSFs, as galsim interpolates them with little loss (F435W is undersampled)."""
    path = shared_data / "psf" / f"hst-{band}.fits"
    image = PsfImage(files=(str(path),), folder="/", pixel_scale_arcsec=0.06, includes_pixel=False)
    made = transfer(Psf(image=image), (band.upper(),), SCALE, SHAPE)
    pixels = fits.getdata(path).astype(float)
    wanted = galsim.InterpolatedImage(
        galsim.Image(pixels / pixels.sum()), scale=0.06, x_interpolant="lanczos15"
    )
    for r_e, n, q in ((1.0, 4.0, 0.8), (3.0, 1.0, 0.4)):
        ours = one((X, Y, r_e, n, q, ANGLE), made).psf
        assert ours is not None
        agree(ours[0, 0].numpy(), theirs(r_e, n, q, wanted), 3e-3)


def test_effective_psf_on_its_own_pixels(tmp_path):
    """`includes_pixel` at the scale drawn is galsim's no_pixel."""
    pixels = galsim.Gaussian(fwhm=0.25).drawImage(nx=41, ny=41, scale=SCALE).array
    fits.PrimaryHDU(pixels).writeto(tmp_path / "psf.fits")
    image = PsfImage(files=("psf.fits",), folder=str(tmp_path), pixel_scale_arcsec=SCALE)
    made = transfer(Psf(image=image), ("F160W",), SCALE, SHAPE)
    ours = one((X, Y, 2.0, 1.0, 0.5, ANGLE), made).psf
    assert ours is not None
    agree(ours[0, 0].numpy(), theirs(2.0, 1.0, 0.5, galsim.Gaussian(fwhm=0.25)))


def test_bands_and_components_add_up():
    """Bulge, disk and knots with colours: each band is the sum of its components' own drawings."""
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=(0.1, 0.2))), ("F435W", "F160W"), SCALE, SHAPE)
    bulge, disk = (29.5, 29.4, 1.0, 4.0, 0.9, 10.0), (29.5, 29.4, 5.0, 1.0, 0.4, 70.0)
    both = Sersics(*(torch.stack([v[0], v[1]], dim=1) for v in vars(sersics(bulge, disk)).values()))
    knots = GaussianKnots(
        *(torch.tensor([v]).double() for v in ([26, 33.3], [31.5, 28], [0.4, 1.5], [0.3, 0.7]))
    )
    sed = torch.tensor([[[100.0, 50.0, 10.0], [300.0, 20.0, 0.0]]])
    got = draw(both, knots, sed, SHAPE, psf)
    assert got.profile.shape == (1, 3, *SHAPE)
    alone = [one(row, psf) for row in (bulge, disk)]
    grid = torch.arange(60).double()
    assert got.psf is not None
    for image, name in ((got.clean, "clean"), (got.psf, "psf")):
        assert image.dtype == torch.float32
        for c, fwhm in enumerate((0.1, 0.2)):
            wanted = sum(sed[0, c, k] * getattr(alone[k], name)[0, c] for k in range(2)).double()
            for x, y, sigma, weight in zip(*(v[0] for v in vars(knots).values()), strict=True):
                wide = torch.sqrt(sigma**2 + (fwhm / SCALE / 2.35482) ** 2 * (name == "psf"))
                ends = [torch.erf((grid - v + h) / wide / 2**0.5) / 2 for v in (x, y) for h in (-0.5, 0.5)]
                wanted += weight * sed[0, c, 2] * (ends[3] - ends[2])[:, None] * (ends[1] - ends[0])
            assert (image[0, c] - wanted).abs().max() < 1e-3 * wanted.max()
    torch.testing.assert_close(
        torch.einsum("nck,nkyx->ncyx", sed, got.profile), got.clean, rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("row", [(2.0, 1.0, 0.6), (0.6, 3.0, 0.9), (8.0, 1.0, 0.3)])
def test_asymmetry_through_a_psf(row):
    """Against a grid five times finer, convolved there."""
    side, fine = 0.6, 5
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.16)), ("F160W",), SCALE, SHAPE)
    ours = one((X, Y, *row, ANGLE, side, 200.0), psf).psf
    half = (fine - 1) / 2
    place = (X * fine + half, Y * fine + half, row[0] * fine, *row[1:])
    sharp = one((*place, ANGLE, side, 200.0), None, (300, 300)).clean[0, 0].double()
    k = 2 * np.pi * np.hypot(np.fft.fftfreq(300)[:, None], np.fft.rfftfreq(300))
    soft = torch.exp(torch.from_numpy(-0.5 * (k * 1.6 * fine / 2.35482) ** 2))
    wanted = torch.fft.irfft2(torch.fft.rfft2(sharp) * soft, s=(300, 300))
    wanted = wanted.reshape(60, fine, 60, fine).sum((1, 3)).numpy()
    assert ours is not None
    inner = slice(8, 52)
    assert np.abs(ours[0, 0].numpy() - wanted)[inner, inner].max() < 3e-3 * wanted.max()


def test_light_from_beyond_the_stamp_comes_in():
    """A small stamp is the middle of a large one."""
    psf = Psf(gaussian=Gaussian(fwhm_arcsec=0.2))
    small = transfer(psf, ("F160W",), SCALE, (24, 24))
    large = transfer(psf, ("F160W",), SCALE, (96, 96))
    row = (12.0, 1.5, 0.6, 50.0)
    near = one((11.6, 11.8, *row), small, (24, 24)).psf
    whole = one((47.6, 47.8, *row), large, (96, 96)).psf
    assert near is not None and whole is not None
    middle = whole[0, 0, 36:60, 36:60]
    assert (near[0, 0] - middle).abs().max() < 2e-3 * middle.max()


def test_a_galaxy_does_not_depend_on_its_batch():
    rng = np.random.default_rng(4)
    rows = [
        (*rng.uniform(29, 30, 2), r, n, q, rng.uniform(0, 180), s, 40.0)
        for r, n, q, s in (
            (0.7, 4, 0.9, 0),
            (3, 1, 0.3, 0.4),
            (9, 2, 0.6, 0),
            (25, 1, 0.2, 0.1),
            (1, 0.5, 1, 0),
        )
    ]
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), ("F160W",), SCALE, SHAPE)
    together = draw(sersics(*rows), None, torch.ones(5, 1, 1), SHAPE, psf)
    assert together.psf is not None
    for i, row in enumerate(rows):
        alone = one(row, psf)
        assert alone.psf is not None
        torch.testing.assert_close(alone.clean[0], together.clean[i], rtol=1e-6, atol=1e-8)
        torch.testing.assert_close(alone.psf[0], together.psf[i], rtol=1e-5, atol=1e-6)


def test_without_psf_and_oblong():
    got = one((20.0, 9.0, 2.0, 1.0, 0.7, 0.0), None, (20, 40))
    assert got.psf is None and got.clean.shape == (1, 1, 20, 40)
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), ("F160W",), SCALE, (20, 40))
    seen = one((20.0, 9.0, 2.0, 1.0, 0.7, 0.0), psf, (20, 40)).psf
    assert seen is not None and np.unravel_index(int(seen.argmax()), (20, 40)) == (9, 20)
    assert seen.sum().item() == pytest.approx(1.0, abs=0.01)


def test_a_psf_for_another_shape_is_refused():
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), ("F160W",), SCALE, (20, 40))
    with pytest.raises(ValueError, match="made for stamps"):
        one((20.0, 9.0, 2.0, 1.0, 0.7, 0.0), psf, (40, 20))


@pytest.mark.gpu
def test_cuda_draws_the_same():
    psf = transfer(Psf(gaussian=Gaussian(fwhm_arcsec=0.15)), ("F160W",), SCALE, SHAPE)
    shapes = sersics((29.5, 29.2, 3.0, 4.0, 0.5, 10.0, 0.3, 20.0), (29.5, 29.2, 20.0, 1.0, 0.3, 10.0))
    knots = GaussianKnots(*(torch.tensor([[v]] * 2).double() for v in (28.0, 31.0, 0.7, 1.0)))
    sed = torch.ones(2, 1, 2)
    here = draw(shapes, knots, sed, SHAPE, psf)
    moved = [type(v)(*(t.cuda() for t in vars(v).values())) for v in (shapes, knots)]
    there = draw(moved[0], moved[1], sed.cuda(), SHAPE, psf)
    assert there.psf is not None and here.psf is not None and there.psf.is_cuda
    torch.testing.assert_close(there.clean.cpu(), here.clean, rtol=1e-4, atol=1e-7)
    torch.testing.assert_close(there.psf.cpu(), here.psf, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("what", ["star", "galaxy"])
def test_nothing_rings_along_the_axes_of_a_bright_source(what):
    """A column through the centre, far from it, is as smooth as its neighbours to 1e-6 of the peak."""
    side, scale = 301, 0.06
    psf = Psf(moffat=Moffat(fwhm_arcsec=0.072, beta=1.61))  # undersampled: much is folded
    galaxy = {"x": 150.2, "y": 149.7, "r_e": 2.0, "n": 4.0, "axis_ratio": 0.9, "position_angle": 10.0}
    sersics = Sersics(
        **{key: torch.full((1, 1), value, dtype=torch.float64) for key, value in galaxy.items()},
        asymmetry=torch.zeros((1, 1), dtype=torch.float64),
        asymmetry_angle=torch.zeros((1, 1), dtype=torch.float64),
    )
    point = {"x": 150.2, "y": 149.7, "sigma": 1e-3, "weight": 1.0}
    knots = GaussianKnots(
        **{key: torch.full((1, 1), value, dtype=torch.float64) for key, value in point.items()}
    )
    light = torch.tensor([[[0.0, 1.0]]] if what == "star" else [[[1.0, 0.0]]], dtype=torch.float64)
    image = draw(sersics, knots, light, (side, side), transfer(psf, ("F814W",), scale, (side, side))).psf
    assert image is not None
    far = image[0, 0, 200:290].double()
    rough = (far[:, 149:152] - 0.5 * (far[:, 148:151] + far[:, 150:153])).abs().max()
    assert rough < 1.5e-6 * image.max()
