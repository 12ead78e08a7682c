"""A chromatic galaxy of galsim at two redshifts, pixel by pixel against ours."""

from __future__ import annotations

import astropy.cosmology
import galsim
import numpy as np
import pydantic
import pytest

from mockforge.photometry.bands import BANDPASSES
from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.spectra.spec import Spectra
from mockforge.rng import Stream
from mockforge.stages.sersic_sed import SersicSed
from tests.builders.batches import samples

COSMOLOGY = astropy.cosmology.Planck18
POPULATIONS = {"a_v": [0.0, 1.0], "metallicity": [1.0]}
BANDS = ["F606W", "F814W", "F125W", "F160W"]
STAMP, SCALE, FWHM = 60, 0.1, 0.18
WORDS = {
    "bands": BANDS, "stamp": STAMP, "pixel_scale_arcsec": SCALE, "redshift_grid": None,
    "spectra": {"populations": POPULATIONS}, "igm": "none", "magnitude": -21.0, "r_e": 4.0,
    "n": {"uniform": [0.8, 1.5]}, "axis_ratio": {"uniform": [0.3, 1.0]},
    "bulge": {"fraction": {"uniform": [0.2, 0.6]}, "n": 3.0},
    "psf_in": {"gaussian": {"fwhm_arcsec": FWHM}}, "psf_out": {"gaussian": {"fwhm_arcsec": FWHM}},
}  # fmt: skip


def part(row, prefix: str, n: float, q: float, r_e: float, z: float, share: float) -> galsim.ChromaticObject:
    """Bulge or disk of galsim, its flux for a distance of 1 Mpc, of the spectrum our table names."""
    found = spectrum_set(Spectra(populations=Populations(a_v=(0.0, 1.0), metallicity=(1.0,))), "Planck18")
    light = found.luminosity(row["z_in"])[row[f"{prefix}sed"]]
    rest = galsim.SED(galsim.LookupTable(found.wave, light, "linear"), "Angstrom", "flambda")
    near = rest.withMagnitude(0.0, galsim.Bandpass(BANDPASSES["lsst_r"], "nm").withZeropoint("AB"))
    profile = galsim.Sersic(n, half_light_radius=r_e * np.sqrt(q), flux=share)
    profile = profile.shear(q=q, beta=row["position_angle"] * galsim.degrees)
    return profile * near.atRedshift(z)


def drawn_by_galsim(row, end: str, band: str) -> np.ndarray:
    """The stamp in nJy."""
    z, r_e = row[f"z_{end}"], row[f"r_e_{end}"]
    bulge = row["bulge_fraction"]
    disk = part(row, "", row["n"], row["axis_ratio"], r_e, z, 1 - bulge)
    core = part(row, "bulge_", row["bulge_n"], row["bulge_axis_ratio"], r_e * row["bulge_r_e"], z, bulge)
    middle = (STAMP - 1) / 2
    galaxy = (disk + core).shift((row["x"] - middle) * SCALE, (row["y"] - middle) * SCALE)
    seen = galsim.Convolve(galaxy, galsim.Gaussian(fwhm=FWHM))
    filter_ = galsim.Bandpass(BANDPASSES[band], "nm").withZeropoint("AB")
    image = seen.drawImage(filter_, nx=STAMP, ny=STAMP, scale=SCALE, dtype=float).array
    nearness = (1e-5 / COSMOLOGY.luminosity_distance(z).value) ** 2  # magnitudes were set at 10 pc
    return image * nearness * 10 ** (0.4 * (31.4 - filter_.zeropoint - row["magnitude"]))


@pytest.mark.parametrize(("z_in", "z_out"), [(0.2, 1.0), (0.5, 2.0), (1.0, 4.0)])
def test_pixels_agree_with_a_chromatic_galaxy(z_in, z_out):
    stage = pydantic.TypeAdapter(SersicSed).validate_python({**WORDS, "z_in": z_in, "z_out": z_out})
    made = stage(samples(3), Stream(8, ("chromatic",)))
    table = made.tables["galaxy"]
    for i in range(3):
        row = {key: column[i] for key, column in table.items()}
        for image, end in (("input", "in"), ("target", "out")):
            for c, band in enumerate(BANDS):
                wanted = drawn_by_galsim(row, end, band)
                found = made.arrays[image][i, c]
                difference = np.linalg.norm(found - wanted) / np.linalg.norm(wanted)
                assert difference < 0.01, (i, end, band)
                print(f"\n{z_in} {z_out} {i} {end} {band} {difference:.1e}")
