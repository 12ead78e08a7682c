"""Every effect of moving a galaxy in redshift, measured on pixels, against its closed form.

Run as a program it prints the table: `python tests/sky/test_effects.py`.
"""

from __future__ import annotations

import astropy.cosmology
import galsim
import numpy as np
import pydantic
import pytest

from mockforge.batch import Batch
from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.spec import Spectra
from mockforge.rng import Stream
from mockforge.stages.observe import Observe
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples

REDSHIFTS = ((0.05, 0.1), (0.1, 0.5), (0.5, 1.0), (1.0, 2.0), (2.0, 4.0), (4.0, 8.0), (0.05, 8.0))
COSMOLOGY = astropy.cosmology.Planck18
STREAM = Stream(3, ("effects",))
BANDS = ["F814W", "F160W"]
PLAIN = {
    "bands": BANDS, "stamp": 101, "pixel_scale_arcsec": 0.05, "redshift_grid": None, "jitter": 0.3,
    "r_e": 0.45, "r_e_unit": "arcsec", "n": 0.5, "axis_ratio": {"uniform": [0.5, 1.0]}, "igm": "none",
    "spectra": {"populations": {"a_v": [0.5], "metallicity": [1.0]}},
}  # fmt: skip


def pairs(count: int = 4, **keys) -> Batch:
    """Pairs of Gaussian galaxies, whose moments a stamp holds whole."""
    stage = pydantic.TypeAdapter(SersicSed).validate_python({**PLAIN, **keys})
    return stage(samples(count), STREAM)


def moments(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Flux (N, C) and mean square radius (N, C) in square pixels, without the pixel's own 1/6."""
    y, x = np.mgrid[: image.shape[-2], : image.shape[-1]].astype(float)
    flux = image.sum(axis=(2, 3), dtype=float)
    mean = [(image * v).sum(axis=(2, 3), dtype=float) / flux for v in (x, y)]
    square = (image * (x**2 + y**2)).sum(axis=(2, 3), dtype=float) / flux
    return flux, square - mean[0] ** 2 - mean[1] ** 2 - 1 / 6


def ratio(batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    """Flux and size of the targets over those of the inputs."""
    (flux_in, square_in), (flux_out, square_out) = (moments(batch.arrays[k]) for k in ("input", "target"))
    return flux_out / flux_in, np.sqrt(square_out / square_in)


def galsim_flux(band: str, wave: np.ndarray, spectrum: np.ndarray, z: float) -> float:
    """Flux of a spectrum in a band at redshift z, by galsim and astropy alone, any unit.

    galsim keeps photons and shifts their wavelengths, so the 1 / (1 + z) of f_lambda is in it.
    """
    from mockforge.photometry.bands import BANDPASSES

    table = galsim.LookupTable(wave, spectrum, interpolant="linear")
    sed = galsim.SED(table, wave_type="Angstrom", flux_type="flambda").atRedshift(z)
    seen = galsim.Bandpass(BANDPASSES[band], wave_type="nm").withZeropoint("AB")
    nearness = 1.0 / COSMOLOGY.luminosity_distance(z).value ** 2
    return 10 ** (-0.4 * sed.calculateMagnitude(seen)) * nearness


def angular_size(z_in: float, z_out: float) -> tuple[float, float]:
    wanted = COSMOLOGY.angular_diameter_distance(z_in) / COSMOLOGY.angular_diameter_distance(z_out)
    return float(ratio(pairs(z_in=z_in, z_out=z_out))[1].mean()), float(wanted)


def dimming(z_in: float, z_out: float) -> tuple[float, float]:
    flux, size = ratio(pairs(z_in=z_in, z_out=z_out, band_shift=False))
    return float((flux / size**2).mean()), ((1 + z_in) / (1 + z_out)) ** 4


def band_shift(z_in: float, z_out: float) -> tuple[float, float]:
    """The worst of both bands and all galaxies."""
    batch = pairs(z_in=z_in, z_out=z_out)
    chosen = Spectra(populations=Populations(a_v=(0.5,), metallicity=(1.0,)))
    found = spectrum_set(chosen, "Planck18")
    z = [float(batch.arrays[k][0]) for k in ("z_in", "z_out")]
    light = found.luminosity(z[0])
    wanted = np.empty((len(batch), 2))
    for i, m in enumerate(batch.tables["galaxy"]["sed"]):
        for c, band in enumerate(BANDS):
            near, far = (galsim_flux(band, found.wave, light[m], at) for at in z)
            wanted[i, c] = far / near
    measured = ratio(batch)[0]
    worst = np.abs(measured / wanted - 1).argmax()
    return float(measured.flat[worst]), float(wanted.flat[worst])


def luminosity_evolution(z_in: float, z_out: float) -> tuple[float, float]:
    plain, evolved = (ratio(pairs(z_in=z_in, z_out=z_out, luminosity_evolution=e))[0] for e in (0.0, -0.4))
    return float((evolved / plain).mean()), 10 ** (0.16 * (z_out - z_in))


def size_evolution(z_in: float, z_out: float) -> tuple[float, float]:
    keys = {"z_in": z_in, "z_out": z_out, "angular_size": False}
    return float(ratio(pairs(size_evolution=-0.5, **keys))[1].mean()), ((1 + z_in) / (1 + z_out)) ** 0.5


def psf(z_in: float, z_out: float) -> tuple[float, float]:
    """Growth of the mean square radius of the target by a Gaussian PSF of 0.3 arcsec, square pixels."""
    kernel = {"gaussian": {"fwhm_arcsec": 0.3}}
    batch = pairs(z_in=z_in, z_out=z_out, psf_in=kernel, psf_out=kernel)
    grown = moments(batch.arrays["target_psf"])[1] - moments(batch.arrays["target_clean"])[1]
    return float(grown.mean()), 2 * (6.0 / np.sqrt(8 * np.log(2))) ** 2


def psf_flux(z_in: float, z_out: float) -> tuple[float, float]:
    """Flux with the PSF over flux without."""
    kernel = {"gaussian": {"fwhm_arcsec": 0.3}}
    batch = pairs(z_in=z_in, z_out=z_out, psf_in=kernel, psf_out=kernel, r_e=0.3)
    return float(
        (moments(batch.arrays["target_psf"])[0] / moments(batch.arrays["target_clean"])[0]).mean()
    ), 1.0


def noise(z_in: float, z_out: float) -> tuple[float, float]:
    """Rms of what noise adds to the target, nJy."""
    batch = pairs(z_in=z_in, z_out=z_out)
    words = {"noise_in": {"rms_njy": 2.0}, "noise_out": {"rms_njy": [2.5, 2.5]}}
    seen = pydantic.TypeAdapter(Observe).validate_python(words)(batch, STREAM)
    return float((seen.arrays["target_observed"] - seen.arrays["target_clean"]).std()), 2.5


EFFECTS = {
    angular_size: 0.01, dimming: 0.01, band_shift: 0.001, luminosity_evolution: 0.001,
    size_evolution: 0.01, psf: 0.01, psf_flux: 0.001, noise: 0.01,
}  # fmt: skip
"""Effect -> what is allowed between measured and closed form."""


@pytest.mark.parametrize("redshifts", REDSHIFTS, ids=str)
@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.__name__)
def test_an_effect_is_its_closed_form(effect, redshifts):
    measured, wanted = effect(*redshifts)
    assert measured == pytest.approx(wanted, rel=EFFECTS[effect])


if __name__ == "__main__":
    print(f"{'effect':<22}{'z_in':>6}{'z_out':>6}{'measured':>14}{'closed form':>14}{'difference':>12}")
    for one in EFFECTS:
        for low, high in REDSHIFTS:
            found, form = one(low, high)
            print(f"{one.__name__:<22}{low:>6}{high:>6}{found:>14.6g}{form:>14.6g}{found / form - 1:>12.1e}")
