"""The population of a blank field against the catalogues and a published luminosity function.

Run: python tests/benchmarks/population_table.py --catalogues ../shared/data/catalogues
Another tree (before a change): PYTHONPATH=TREE python tests/benchmarks/population_table.py ...
"""

from __future__ import annotations

import argparse
import importlib.util
from itertools import pairwise
from pathlib import Path

import numpy as np

from mockforge.galaxies.population import SPECTRA, Galaxies, hst_population
from mockforge.photometry.cosmology import luminosity_distance
from mockforge.photometry.fluxes import sed_fluxes
from mockforge.rng import Stream
from mockforge.units import ZEROPOINT_NJY

Z_EDGES = (0.0, 1.0, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5, 6.0, 10.01)
ARCMIN2 = 400.0
_HERE = Path(__file__).resolve().parents[2] / "mockforge" / "galaxies" / "uv_galaxies.py"
COSMOS_ARCMIN2 = 222.0


def published():
    """This tree's `uv_galaxies`, also where another tree's mockforge is being measured."""
    spec = importlib.util.spec_from_file_location("uv_galaxies", _HERE)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def cosmos(folder: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Magnitude, redshift (FAST) and index (nan without a good fit) of COSMOS' galaxies."""
    fit = np.loadtxt(folder / "cosmos_3dhst.v4.1_f160w.galfit")
    fast = np.loadtxt(folder / "cosmos_3dhst.v4.1.fout")
    place = {int(i): k for k, i in enumerate(fast[:, 0])}
    fit = fit[[int(i) in place for i in fit[:, 0]]]
    z = fast[[place[int(i)] for i in fit[:, 0]], 1]
    flag, m, r_e, error, n = fit[:, 3], fit[:, 4], fit[:, 6], fit[:, 7], fit[:, 8]
    star = (flag <= 2) & (r_e < 0.035) & (m < 25.0)
    kept = (flag <= 2) & ~star
    good = (flag == 0) & (error < 0.3 * r_e) & (n > 0.21) & (n < 7.9)
    return m[kept], z[kept], np.where(good, n, np.nan)[kept]


def sky(seed: int = 3) -> Galaxies:
    """The population of ARCMIN2 square arcmin down to F160W = 30."""
    table = hst_population()
    rng = Stream(seed).numpy()
    return table.draw(rng, rng.poisson(table.density(30.0, 18.0) * ARCMIN2), 30.0, 18.0)


def redshifts(drawn: Galaxies, catalogue: tuple[np.ndarray, ...] | None) -> None:
    """Galaxies per arcmin^2 and magnitude by magnitude and redshift."""
    print("\nn(z): galaxies per arcmin^2 and magnitude in F160W")
    print("H          of         " + "".join(f"{a:g}-{b:.3g}".rjust(9) for a, b in pairwise(Z_EDGES)))
    for low in (22.0, 23.0, 24.0, 25.0, 26.0, 27.0, 28.0, 29.0):
        rows = [("scene", drawn.magnitude, drawn.z, ARCMIN2, 1.0)]
        if catalogue is not None and low < 25.5:
            width = 0.5 if low == 25.0 else 1.0
            rows.append(("COSMOS" if width == 1.0 else "COSMOS<.5", *catalogue[:2], COSMOS_ARCMIN2, width))
        for name, m, z, area, width in rows:
            mine = z[(m >= low) & (m < low + width)]
            found = np.histogram(mine, Z_EDGES)[0] / area / width
            print(f"{low:g}-{low + 1:g}  {name:10s}" + "".join(f"{v:9.2f}" for v in found))


def edges(drawn: Galaxies) -> None:
    """Shares of galaxies at exactly the least and the greatest value of each parameter."""
    print("\natoms: % of galaxies with exactly the least, exactly the greatest value drawn")
    for low, high in ((18.0, 30.0), (25.0, 26.0), (29.0, 30.0)):
        s = (drawn.magnitude >= low) & (drawn.magnitude < high)
        words = []
        for name in ("z", "n", "r_e", "axis_ratio"):
            v = getattr(drawn, name)[s]
            words.append(f"{name} {100 * (v == v.min()).mean():.2f} {100 * (v == v.max()).mean():.2f}")
        print(f"H {low:g}-{high:g}: " + "; ".join(words))


def indices(drawn: Galaxies, catalogue: tuple[np.ndarray, ...] | None) -> None:
    """Quantiles of the Sersic index."""
    print("\nn: share below 0.3, 0.5, above 6 (%), and its 5, 25, 50, 75, 95%")
    for low in (21.0, 22.0, 23.0, 24.0, 26.0, 28.0, 29.0):
        rows = [("scene", drawn.magnitude, drawn.n)]
        if catalogue is not None and low < 24.5:
            rows.append(("COSMOS", catalogue[0], catalogue[2]))
        for name, m, n in rows:
            mine = n[(m >= low) & (m < low + 1) & np.isfinite(n)]
            part = [100 * (mine < 0.3).mean(), 100 * (mine < 0.5).mean(), 100 * (mine > 6).mean()]
            print(
                f"{low:g}-{low + 1:g}  {name:7s}" + "".join(f"{p:7.2f}" for p in part)
                + "".join(f"{q:7.2f}" for q in np.quantile(mine, (0.05, 0.25, 0.5, 0.75, 0.95)))
            )  # fmt: skip


def uv_counts(drawn: Galaxies) -> None:
    """Galaxies by redshift and M_UV (1600 Angstrom, the catalogue's cosmology) against the function."""
    from astropy.cosmology import FlatLambdaCDM

    lf = published()
    universe = FlatLambdaCDM(*lf.LF_COSMOLOGY)
    print("\nUV: galaxies per arcmin^2 and magnitude, scene (poisson error) / Bouwens et al. 2021 / ratio")
    for a, b in ((3.5, 4.0), (4.0, 4.5), (4.5, 5.5), (5.5, 6.5), (6.5, 7.5), (7.5, 9.5)):
        chosen = np.flatnonzero((drawn.z >= a) & (drawn.z < b) & (drawn.magnitude < 29.5))
        z, s = drawn.z[chosen], drawn.spectrum[chosen]
        if not len(z):
            print(f"z {a:g}-{b:g}: none")
            continue
        grid = np.round(z / 0.05) * 0.05
        seen = sed_fluxes(SPECTRA, ("candels_F160W",), grid, grid, s)[:, 0]
        rest = m1600(grid, s)
        modulus = universe.distmod(z).value
        own = 5 * np.log10(luminosity_distance(grid, "Planck18")) + 25
        m_uv = drawn.magnitude[chosen] - modulus - (ZEROPOINT_NJY - 2.5 * np.log10(seen) - own - rest)
        line = []
        zs = np.linspace(a, b, 41)
        volume = universe.differential_comoving_volume(zs).value * np.radians(1 / 60) ** 2
        for m in np.arange(-23.0, -17.0, 1.0):
            ms = np.linspace(m, m + 1, 41)
            wanted = np.trapezoid(
                np.trapezoid(lf.luminosity_function(ms[None], zs[:, None]), ms, axis=1) * volume, zs
            )
            number = int(((m_uv >= m) & (m_uv < m + 1)).sum())
            found = number / ARCMIN2
            line.append(
                f"{m + 0.5:g}: {found:.4f}({np.sqrt(number) / ARCMIN2:.4f})/{wanted:.4f}={found / wanted:.2f}"
            )
        print(f"z {a:g}-{b:g}  " + "  ".join(line))


def m1600(z: np.ndarray, spectrum: np.ndarray) -> np.ndarray:
    """Absolute AB magnitude at 1600 Angstrom of spectra (N,) as they are at z."""
    from mockforge.photometry.fluxes import spectrum_set
    from mockforge.photometry.luminosity import TEN_PC_MPC, njy_per_luminosity

    found = spectrum_set(SPECTRA)
    near = np.abs(found.wave - 1600.0) <= 50.0
    x = found.wave[near]
    pairs, back = np.unique(np.stack([z, spectrum]), axis=1, return_inverse=True)
    light = np.array([np.trapezoid(found.row(a, int(k))[near] * x, x) for a, k in pairs.T])
    flux = light / np.log(x[-1] / x[0]) * njy_per_luminosity(TEN_PC_MPC)
    return (ZEROPOINT_NJY - 2.5 * np.log10(flux))[back]


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--catalogues", type=Path, help="folder of the catalogues; none for the scene alone")
    folder = parser.parse_args().catalogues
    catalogue = None if folder is None else cosmos(folder)
    drawn = sky()
    table = hst_population()
    print(f"galaxies per arcmin^2: {table.density(27, 18):.0f} to 27, {table.density(30, 18):.0f} to 30")
    edges(drawn)
    redshifts(drawn, catalogue)
    indices(drawn, catalogue)
    uv_counts(drawn)


if __name__ == "__main__":
    main()
