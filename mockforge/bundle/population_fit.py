"""Fits the bundled population to catalogues: what `python -m mockforge.bundle.population_fit` does.

3D-HST COSMOS gives galaxies down to F160W = 24.5 with size, shape, redshift and stellar
population, and counts to 25.5; the HDF-North gives those fainter, with redshifts and spectra fitted
here to seven bands and with sizes that go on as they change in COSMOS, and the slope of the counts.
Beyond the measured counts, galaxies of the luminosity function (`mockforge.galaxies.distant`) are added to
what that slope gives for those nearer.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.bundle.mixture import fit_mixture
from mockforge.bundle.population_photometry import Boxes, fast_boxes, nearest_spectrum, photometric
from mockforge.files import appearing
from mockforge.galaxies.distant import Distant, nodes, share
from mockforge.galaxies.population import (
    FAINTEST_KNOWN,
    REFERENCE_BAND,
    SPECTRA,
    TABLE,
    Population,
    population_of,
)
from mockforge.galaxies.uv_galaxies import LF_COSMOLOGY
from mockforge.photometry.cosmology import arcsec_per_kpc, luminosity_distance
from mockforge.photometry.fluxes import flux_table, spectrum_set
from mockforge.photometry.luminosity import TEN_PC_MPC, njy_per_luminosity
from mockforge.units import ZEROPOINT_NJY

COSMOS_ARCMIN2 = 222.0
"""Area of the catalogue."""
HDFN_ARCMIN2 = ((26.0, 5.31), (28.0, 3.92))
"""Area of the HDF-North down to a magnitude in F814W: its edges are less deep."""
_SHAPES_LIMIT, _COUNTS_LIMIT, _HDFN_LIMIT = 24.5, 25.5, 27.0
"""F160W to which COSMOS has shapes and is complete; F814W to which HDF-N is."""
_EDGES = np.arange(16.0, 30.5 + 0.25, 0.5)
_COMPONENTS = 40
_SIZE_RANGE = (22.0, 25.0)
"""Magnitudes over which the change of size with magnitude is measured."""


@dataclass(frozen=True)
class Rows:
    """Galaxies of a catalogue, (N,) each."""

    magnitude: np.ndarray
    r_e: np.ndarray
    n: np.ndarray
    axis_ratio: np.ndarray
    z: np.ndarray
    spectrum: np.ndarray


def cosmos(folder: Path) -> tuple[Rows, np.ndarray, np.ndarray]:
    """Galaxies with good fits, and counts of all galaxies and of stars in half magnitudes per arcmin^2."""
    fit = np.loadtxt(folder / "cosmos_3dhst.v4.1_f160w.galfit")
    fast = np.loadtxt(folder / "cosmos_3dhst.v4.1.fout")
    place = {int(i): k for k, i in enumerate(fast[:, 0])}
    fit = fit[[int(i) in place for i in fit[:, 0]]]
    fast = fast[[place[int(i)] for i in fit[:, 0]]]
    flag, m, r_e, n, q = fit[:, 3], fit[:, 4], fit[:, 6], fit[:, 8], fit[:, 10]
    star = (flag <= 2) & (r_e < 0.035) & (m < 25.0)
    counts = np.histogram(m[(flag <= 2) & ~star & (m > 0)], _EDGES)[0] / COSMOS_ARCMIN2
    stars = np.histogram(m[star], _EDGES)[0] / COSMOS_ARCMIN2
    good = (flag == 0) & ~star & (m > _EDGES[0]) & (m < 25.5) & (r_e > 0.02) & (r_e < 4.0)
    good &= fit[:, 7] < 0.3 * r_e  # without it one in 25 is a failed fit of a huge radius
    good &= (n > 0.21) & (n < 7.9) & (q > 0.05) & (q < 0.999) & (fast[:, 1] > 0.03) & (fast[:, 10] < 60)
    fast = fast[good]
    boxes = Boxes(SPECTRA)
    spectrum = nearest_spectrum(boxes, fast[:, 1], fast_boxes(boxes, fast))
    return Rows(m[good], r_e[good], n[good], q[good], fast[:, 1], spectrum), counts, stars


def hdfn(folder: Path, near: Rows, rng: np.random.Generator) -> Rows:
    """Return the faint galaxies: redshift and spectrum fitted, shapes those of COSMOS' faintest, smaller."""
    table = np.genfromtxt(folder / "hdfn_fs99_eazy.cat")
    flux, error, spec = table[:, 1:15:2] * 1e3, table[:, 2:16:2] * 1e3, table[:, 15]
    z, spectrum, magnitude = photometric(Boxes(SPECTRA), flux, error, spec)
    used = (magnitude > _SHAPES_LIMIT - 0.5) & (magnitude < 29.0) & (flux[:, 3] > 5 * error[:, 3])
    slope, _ = size_slope(near)
    pool = np.flatnonzero((near.magnitude > 23.5) & (near.magnitude < 25.0))
    like = rng.choice(pool, int(used.sum()))
    r_e = near.r_e[like] * 10 ** (slope * (magnitude[used] - near.magnitude[like]))
    return Rows(magnitude[used], r_e, near.n[like], near.axis_ratio[like], z[used], spectrum[used])


def size_slope(rows: Rows) -> tuple[float, float]:
    """Change of lg r_e per magnitude, and lg r_e at magnitude 24: medians in half magnitudes."""
    edges = np.arange(_SIZE_RANGE[0], _SIZE_RANGE[1] + 0.25, 0.5)
    bins = list(zip(edges[:-1], edges[1:], strict=True))
    median = [np.median(np.log10(rows.r_e[(rows.magnitude >= a) & (rows.magnitude < b)])) for a, b in bins]
    slope, at = np.polyfit([0.5 * (a + b) - 24.0 for a, b in bins], median, 1)
    return float(slope), float(at)


def faint_slope(folder: Path) -> float:
    """Change of lg counts per magnitude of the HDF-North in F814W from 24 to 27."""
    flux = np.genfromtxt(folder / "hdfn_fs99_eazy.cat")[:, 7] * 1e3
    magnitude = ZEROPOINT_NJY - 2.5 * np.log10(flux[flux > 0])
    edges = np.arange(24.0, _HDFN_LIMIT + 0.25, 0.5)
    (shallow, wide), (_, deep) = HDFN_ARCMIN2
    area = np.where(edges[:-1] < shallow, wide, deep)
    counts = np.histogram(magnitude, edges)[0]
    return float(np.polyfit(edges[:-1], np.log10(counts / area), 1, w=np.sqrt(counts))[0])


def joined_counts(near: np.ndarray, slope: float) -> np.ndarray:
    """Return counts per bin: COSMOS, its bright end a straight line, and on at the faint end with `slope`."""
    middle = 0.5 * (_EDGES[1:] + _EDGES[:-1])
    out = near.copy()
    last = int(np.flatnonzero(middle < _COUNTS_LIMIT)[-1])
    out[last:] = near[last] * 10 ** (slope * (middle[last:] - middle[last]))
    bright = (middle > 18.5) & (middle < 21.5)
    rise, level = np.polyfit(middle[bright] - 20.0, np.log10(near[bright]), 1)
    return np.where(middle < 18.5, 10 ** (level + rise * (middle - 20.0)), out)


def star_counts(stars: np.ndarray) -> np.ndarray:
    """Return a straight line through lg of the counts from 17 to 23.5, weighted by their numbers."""
    middle = 0.5 * (_EDGES[1:] + _EDGES[:-1])
    used = (middle > 17) & (middle < 23.5)
    slope, at = np.polyfit(middle[used] - 20, np.log10(stars[used]), 1, w=np.sqrt(stars[used]))
    return 10 ** (at + slope * (middle - 20))


def fit(folder: Path, seed: int = 20190424) -> dict[str, np.ndarray]:
    """Return the arrays of the bundled table."""
    rng = np.random.default_rng(seed)
    near, counts, stars = cosmos(folder)
    far = hdfn(folder, near, rng)
    bright = near.magnitude < _SHAPES_LIMIT
    faint = far.magnitude >= _SHAPES_LIMIT
    rows = Rows(
        *(
            np.concatenate([a[bright], b[faint]])
            for a, b in zip(vars(near).values(), vars(far).values(), strict=True)
        )
    )
    q = np.clip(rows.axis_ratio, 0.03, 0.99)
    v = np.stack(
        [rows.magnitude, np.log(rows.r_e), np.log(rows.n), np.log(q / (1 - q)), np.log1p(rows.z)], axis=1
    )
    # every half magnitude counts alike from 20 on: the counts are kept apart
    number = np.histogram(v[:, 0], _EDGES)[0]
    each = number[np.clip(np.digitize(v[:, 0], _EDGES) - 1, 0, len(number) - 1)]
    weight = 1.0 / np.maximum(each, 100)
    mixture = fit_mixture(v, weight, rows.spectrum, _spectra_count(), _COMPONENTS, rng)
    slope = faint_slope(folder)
    arrays = {
        "edges": _EDGES,
        "counts": joined_counts(counts, slope),
        "stars": star_counts(stars),
        "weight": mixture.weight,
        "mean": mixture.mean,
        "root": np.linalg.cholesky(mixture.covariance),
        "shares": mixture.shares,
        "size_slope": np.array(size_slope(near)[0]),
        **{f"distant_{key}": value for key, value in vars(distant()).items()},
    }
    arrays["counts"] = deep_counts(population_of(arrays), rng)
    return {key: value.astype("<f4") for key, value in arrays.items()}


def deep_counts(known: Population, rng: np.random.Generator, draws: int = 40_000) -> np.ndarray:
    """Return the counts, beyond those measured with as many distant galaxies as there are.

    What `known` extrapolates is cut to the share of the mixture that is not distant, and the luminosity
    function's galaxies are added.
    """
    middle = 0.5 * (known.edges[1:] + known.edges[:-1])
    out = known.counts.copy()
    for i in np.flatnonzero(middle > _COUNTS_LIMIT).tolist():
        m = np.full(draws, min(middle[i], FAINTEST_KNOWN))
        z = np.expm1(known._mixture(rng, m)[0][:, 3])
        assert known.distant is not None
        more = known.distant.density(np.linspace(known.edges[i], known.edges[i + 1], 11)).mean()
        out[i] = out[i] * (1.0 - share(z)).mean() + more * (known.edges[i + 1] - known.edges[i])
    return out


def distant() -> Distant:
    """Return the population's spectra at high redshift, as they are seen and at 1600 Angstrom."""
    from astropy.cosmology import FlatLambdaCDM

    z, rest = nodes(), (1600.0, 2200.0)
    flat: Any = FlatLambdaCDM  # its arguments are not in its type
    universe = flat(*LF_COSMOLOGY)
    spectra = spectrum_set(SPECTRA)
    light = np.stack([spectra.luminosity(float(x)) for x in z])
    uv = np.stack([_near_f_nu(spectra.wave, light, at) for at in rest], axis=-1)  # (Z, M, 2)
    m_uv = ZEROPOINT_NJY - 2.5 * np.log10(uv[..., 0] * njy_per_luminosity(TEN_PC_MPC))
    flux = flux_table(SPECTRA, (REFERENCE_BAND,), z).flux[:, 0]
    modulus = 5.0 * np.log10(luminosity_distance(z) / TEN_PC_MPC)
    arcmin2 = np.radians(1.0 / 60.0) ** 2
    return Distant(
        modulus=universe.distmod(z).value,
        volume=universe.differential_comoving_volume(z).value * arcmin2,
        kpc=1.0 / arcsec_per_kpc(z),
        colour=ZEROPOINT_NJY - 2.5 * np.log10(flux) - m_uv - modulus[:, None],
        slope=np.log(uv[..., 1] / uv[..., 0]) / np.log(rest[1] / rest[0]) - 2.0,
        used=np.array([not name.startswith("burst") for name in spectra.names]),
    )


def _near_f_nu(wave: np.ndarray, light: np.ndarray, at: float) -> np.ndarray:
    """Mean f_nu (...) of L_lambda (..., W) within 50 Angstrom of `at`."""
    inside = np.abs(wave - at) <= 50.0
    x = wave[inside]
    return np.trapezoid(light[..., inside] * x, x, axis=-1) / np.log(x[-1] / x[0])


def _spectra_count() -> int:
    return len(spectrum_set(SPECTRA).names)


def main() -> None:
    """Fit, and write the bundled table (or `--out`)."""
    parser = argparse.ArgumentParser(prog="python -m mockforge.bundle.population_fit", description=__doc__)
    parser.add_argument("--catalogues", type=Path, required=True, help="folder of the catalogues")
    parser.add_argument("--out", type=Path, default=TABLE, help="the table")
    args = parser.parse_args()
    arrays = fit(args.catalogues)
    with appearing(args.out) as part, part.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
    print(f"{args.out}: {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
