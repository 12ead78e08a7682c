"""Makes the bundled data: `python -m mockforge.bundle.bands_and_grids --sps FOLDER` and `... --filters`.

The folder holds `bc03_chabrier_lr` (binary .ised files) and `candels_goodss_filters` (ASCII curves);
the filters of other surveys are taken from the installed astro-sedpy and speclite.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mockforge.bundle.band_fit import fit_nodes
from mockforge.files import appearing, replace_file
from mockforge.photometry.band_table import FILTERS
from mockforge.photometry.bands import CANDELS_GOODSS
from mockforge.photometry.fluxes import REFERENCE_REDSHIFTS, flux_table
from mockforge.photometry.populations.composite import Populations
from mockforge.photometry.populations.simple import ised_grid, pack
from mockforge.photometry.spectra.spec import Spectra

DATA = Path(__file__).parents[1] / "photometry" / "data"


TOLERANCE = 0.005
"""Farthest that a fitted throughput may be from the curve, in its peak."""

_CORE, _LEAK = 0.01, 1e-3
"""A band reaches from its outermost 1% of the peak to where it first falls below 0.1%: what a filter leaks
beyond is left out, at most 0.8% of the photons of a flat f_lambda, 2.8% in decam_u."""

_BAND_HEADER = """\
# Throughputs of the 17 bands of the CANDELS GOODS-S catalogue (Guo et al. 2013, ApJS 207, 24):
# nodes fitted by mockforge.bundle to the curves in github.com/dunkenj/smpy a644170e (MIT).
# Linear between the nodes, peak 1, band fluxes within 0.05%. Band, wavelength (Angstrom), throughput.
"""


def write_bands(curves: Path, out: Path) -> Path:
    """Node fits to the filter curves of a folder, taken in the order of their file names."""
    files = sorted(curves.glob("Filter*.txt"))
    lines = []
    for name, path in zip(CANDELS_GOODSS, files, strict=True):
        wave, throughput = np.loadtxt(path, unpack=True)
        fitted = zip(*fit_nodes(wave, throughput, TOLERANCE), strict=True)
        lines += [f"{name} {at:.2f} {value:.6g}\n" for at, value in fitted]
    path = out / "bandpasses.txt"
    replace_file(path, _BAND_HEADER + "".join(lines))
    return path


_FILTER_HEADER = """\
# Throughputs of bands of other surveys: nodes fitted by mockforge.bundle to the curves that speclite
# 1.0.0 (BSD-3) and astro-sedpy 0.4.1 (MIT) ship. Both are photons detected per photon (or an area times
# that), total systems, atmosphere included on the ground; each is scaled to a peak of 1. Leaks below 1%
# of the peak are left out. Magnitudes of power laws from f_lambda ~ lambda^-4 to ^4 within 0.0003,
# pivot wavelengths within 0.003%. Linear between the nodes.
# Band, wavelength (Angstrom), throughput; before each band where it is from.
"""


def library_curve(library: str, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Wavelength in Angstrom and photon throughput, peak 1, of a library's curve without its leaks."""
    if library == "speclite":
        from speclite.filters import load_filter  # pyright: ignore[reportMissingImports]

        curve = load_filter(name)
        wave, value = np.asarray(curve.wavelength, dtype=np.float64), np.asarray(curve.response)
    else:
        from sedpy.observate import Filter  # pyright: ignore[reportMissingImports]

        curve = Filter(name)
        wave, value = curve.wavelength, curve.transmission
    value = np.maximum(np.asarray(value, dtype=np.float64), 0.0)
    rising = np.concatenate([[True], np.diff(wave) > 0])
    wave, value = wave[rising], value[rising] / value.max()
    core = np.flatnonzero(value > _CORE)
    first, last = core[0], core[-1]
    while first > 0 and value[first] > _LEAK:
        first -= 1
    while last < len(value) - 1 and value[last] > _LEAK:
        last += 1
    return wave[first : last + 1], value[first : last + 1]


def write_filters(out: Path) -> Path:
    """Node fits to the curves of `band_table.FILTERS`."""
    lines = []
    for name, (library, curve_name) in FILTERS.items():
        fitted = fit_nodes(*library_curve(library, curve_name), TOLERANCE)
        lines.append(f"# {name}: {curve_name} of {library}\n")
        lines += [f"{name} {at:.2f} {value:.5g}\n" for at, value in zip(*fitted, strict=True)]
    path = out / "filters.txt"
    replace_file(path, _FILTER_HEADER + "".join(lines))
    return path


def write_grid(library: Path, out: Path) -> Path:
    """Return the compact composite populations of a folder of `.ised` files."""
    return _write(out / "bc03_chabrier.npz", pack(ised_grid(library)))


def write_table(out: Path) -> Path:
    """Return the reference table, from the bundled bands and populations."""
    table = flux_table(Spectra(populations=Populations()), CANDELS_GOODSS, REFERENCE_REDSHIFTS)
    return _write(out / "reference_table.npz", {"flux": table.flux.astype(np.float32)})


def _write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    with appearing(path) as part, part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return path


def main() -> None:
    """Write the bundled data from a library of simple populations and the filter curves."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sps", type=Path, help="bc03_chabrier_lr and candels_goodss_filters")
    parser.add_argument("--filters", action="store_true", help="of speclite and astro-sedpy, installed")
    words = parser.parse_args()
    paths: tuple[Path, ...] = (write_filters(DATA),) if words.filters else ()
    if words.sps is not None:
        paths += (
            write_bands(words.sps / "candels_goodss_filters", DATA),
            write_grid(words.sps / "bc03_chabrier_lr", DATA),
            write_table(DATA),  # last: it is made from the two others
        )
    for path in paths:
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
