"""Every survey's noise and PSF against what real files say: a table in Markdown.

    python tests/benchmarks/survey_table.py --data DIR

Noise a pixel (nJy, the survey's own pixels) as `observe` and `degrade` make it, measured on what they
made; as measured on real images where DIR has some; the correlation of neighbouring pixels; the light
of a star within 0.17 and 0.5 arcsec, of the preset and of a real PSF image. Then the shot noise of the
default redshift pairs at the peak, asked and measured.
"""

from __future__ import annotations

import argparse
import warnings
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.observe.degrade.degrader import psf_pixels
from mockforge.observe.noise.existing import own_noise
from mockforge.observe.noise.spec import Noise
from mockforge.observe.psf.of_survey import survey_psf
from mockforge.observe.psf.per_band import models
from mockforge.observe.surveys.read import names, survey
from mockforge.recipe.read import load
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from mockforge.stages.observe import Observe
from tests.builders.batches import samples

RADII = (0.17, 0.5)
PSFS = {
    **{b: ("hst-" + b.lower() + ".fits", None, 0.06) for b in ("F435W", "F606W", "F775W", "F850LP", "F160W")},
    "VIS": ("euclid_group.fits", "VIS_PSF", 0.1),
    **{f"NISP_{b}": ("euclid_group.fits", f"NIR_{b}_PSF", 0.1) for b in "YJH"},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="Folder of the real images and PSFs.")
    asked = parser.parse_args()
    print("| survey | band | depth AB | observe | degrade | measured | lag-1 made / real | EE 0.17 preset /"
          " real | EE 0.5 preset / real | source |")  # fmt: skip
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name in names():
        chosen = survey(name)
        for band, numbers in chosen.bands.items():
            seen, coarse = by_observe(name, band), by_degrade(name, band)
            real = measured(asked.data, name, band)
            rms = "-" if real is None else f"{real[0]:.3g}"
            lag = f"{lag1(seen):.2f} / " + ("-" if real is None or real[1] is None else f"{real[1]:.2f}")
            light = encircled(name, band, asked.data)
            made = "-" if coarse is None else f"{coarse.std():.3g}"
            print(f"| {name} | {band} | {numbers.depth_ab} | {seen.std():.3g} | {made} | {rms} | {lag} |"
                  f" {light[0]} | {light[1]} | {source(chosen, numbers)} |")  # fmt: skip
    print("\n| band | gain e/nJy | sky rms | shot rms at the peak (median) | variance measured / asked |")
    print("|---|---|---|---|---|")
    for row in shot():
        print(row)


def source(chosen: Any, numbers: Any) -> str:
    if getattr(numbers, "rms_njy", None) is not None:
        return "rms measured"
    return "depth, aperture" if chosen.depth.aperture_arcsec else "depth, point source"


def by_observe(name: str, band: str) -> np.ndarray:
    """What `observe` adds to nothing, (n, side, side), in the survey's own pixels."""
    empty = {key: np.zeros((32, 1, 96, 96), np.float32) for key in ("input", "target")}
    batch = samples(32, arrays=empty)
    batch = batch.with_attributes(bands=(band,), pixel_scale_arcsec=survey(name).pixel_scale_arcsec)
    return Observe(noise_in=Noise(survey=name))(batch, Stream(1)).arrays["input_observed"][:, 0]


def by_degrade(name: str, band: str) -> np.ndarray | None:
    """What `degrade` makes of nothing, in the survey's own pixels."""
    scale = survey(name).pixel_scale_arcsec
    batch = samples(16, arrays={"truth": np.zeros((16, 1, 200, 200), "f4")})
    batch = batch.with_attributes(
        bands=(band,), pixel_scale_arcsec=scale / 2, psf={"gaussian": {"fwhm_arcsec": scale}}
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return Degrade(to=name, labels=(), shape=96)(batch, Stream(2)).arrays["image"][:, 0]
        except Exception as error:
            print(f"<!-- {name} {band}: {error} -->")
            return None


def lag1(noise: np.ndarray) -> float:
    return float((noise[..., 1:] * noise[..., :-1]).mean() / noise.var())


def measured(data: Path, name: str, band: str) -> tuple[float, float | None] | None:
    """Rms (nJy) and correlation of neighbours in a real image of the survey; None without one."""
    from astropy.io import fits

    if name == "hst-xdf" and band in ("F105W", "F160W"):
        path = data / "xdf_cutouts" / f"xdf_hst_wfc3ir_60mas_{band.lower()}_sci.fits"
        return real_noise(fits.getdata(path), {"F105W": 26.27, "F160W": 25.94}[band])
    if name == "euclid-wide":
        extension = band.replace("NISP", "NIR") + "_FLUX"
        with fits.open(data / "psf" / "euclid_group.fits") as units:
            return real_noise(units[extension].data, units[extension].header["MAGZERO"])
    if name == "hst-cosmos":
        folder = data / "cosmos_stamps"
        rows = fits.getdata(folder / "real_galaxy_catalog_26_extension_example.fits")
        tied = fits.getdata(folder / "acs_I_unrot_sci_20_cf.fits")
        middle = tied.shape[0] // 2
        rms = np.sqrt(np.median(rows["NOISE_VARIANCE"])) * 10 ** (0.4 * (31.4 - 25.94))
        return float(rms), float(tied[middle, middle + 1] / tied[middle, middle])
    return None


def real_noise(image: np.ndarray, zeropoint: float) -> tuple[float, float]:
    found = own_noise(image[None, None].astype(np.float64))[0]
    assert found.autocorrelation is not None
    middle = len(found.autocorrelation) // 2
    return found.rms * 10 ** (0.4 * (31.4 - zeropoint)), float(found.autocorrelation[middle, middle + 1])


def encircled(name: str, band: str, data: Path) -> list[str]:
    """Light within RADII of a star's image, of the preset and of a real PSF: preset / real."""
    from astropy.io import fits

    file, extension, scale = PSFS.get(band, ("", None, survey(name).pixel_scale_arcsec))
    try:
        model = models(survey_psf(name, [band]), [band])[0]
    except Exception:
        return ["-", "-"]
    side = 2 * int(6.0 / scale / 2) + 1
    own = within(psf_pixels(model, scale, side).astype(float), scale)
    if not file:
        return [f"{o:.3f} / -" for o in own]
    image = fits.getdata(data / "psf" / file, extension) if extension else fits.getdata(data / "psf" / file)
    real = within(image / image.sum(dtype=np.float64), scale)
    return [f"{o:.3f} / {r:.3f}" for o, r in zip(own, real, strict=True)]


def within(image: np.ndarray, scale: float) -> list[float]:
    y, x = np.indices(image.shape)
    cy, cx = (float(v) for v in np.unravel_index(image.argmax(), image.shape))
    for _ in range(60):
        near = image * np.exp(-0.5 * ((y - cy) ** 2 + (x - cx) ** 2) / 2.5**2)
        cy, cx = float((near * y).sum() / near.sum()), float((near * x).sum() / near.sum())
    off = (np.arange(9) + 0.5) / 9 - 0.5
    square = (y[..., None, None] + off[:, None] - cy) ** 2 + (x[..., None, None] + off - cx) ** 2
    return [float((image * (square < (r / scale) ** 2).mean(axis=(-2, -1))).sum()) for r in RADII]


def shot(count: int = 48, draws: int = 300) -> list[str]:
    """The default redshift pairs at the peak: variance measured over draws of the noise, and asked."""
    source, observe = (entry.stage for entry in load("redshift_pairs").stages)
    batch = source(samples(count), Stream(1, ("pairs",)))
    bands, flux = batch.attributes["bands"], batch.arrays["input"]
    seen = [observe(batch, Stream(7, ("noise", i))).arrays["input_observed"] - flux for i in range(draws)]
    rms = observe(batch, Stream(7)).arrays["input_rms"][0]
    variance = np.stack(seen).var(axis=0).reshape(count, len(bands), -1)
    flat = flux.reshape(count, len(bands), -1)
    peak = flat.argmax(axis=-1)[..., None]
    bright, found = (np.take_along_axis(a, peak, -1)[..., 0] for a in (flat, variance))
    out = []
    for c, band in enumerate(bands):
        gain = survey("candels-goodss-deep").band(band).electrons_per_njy or np.inf
        photons = bright[:, c] / gain
        ratio = (found[:, c] / (rms[c] ** 2 + photons)).mean()
        out.append(f"| {band} | {gain:.4g} | {rms[c]:.3g} nJy | {np.median(np.sqrt(photons)):.3g} nJy"
                   f" ({np.median(np.sqrt(photons)) / rms[c]:.2f} of the sky's) | {ratio:.3f} |")  # fmt: skip
    return out


if __name__ == "__main__":
    main()
