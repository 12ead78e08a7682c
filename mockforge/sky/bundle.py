"""Makes the bundled data anew: `python -m mockforge.sky.bundle --sps FOLDER`.

The folder holds `bc03_chabrier_lr` (binary .ised files) and `candels_goodss_filters` (ASCII curves).
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from mockforge.sky.band_fit import fit_nodes
from mockforge.sky.bandpass import CANDELS_GOODSS
from mockforge.sky.population_grid import ised_grid, pack
from mockforge.sky.sed import REFERENCE_REDSHIFTS, flux_table
from mockforge.sky.spectra import Populations, Spectra

DATA = Path(__file__).with_name("data")


TOLERANCE = 0.005
"""Farthest that a fitted throughput may be from the curve, in its peak."""

_BAND_HEADER = """\
# Throughputs of the 17 bands of the CANDELS GOODS-S catalogue (Guo et al. 2013, ApJS 207, 24):
# nodes fitted by mockforge.sky.bundle to the curves in github.com/dunkenj/smpy a644170e (MIT).
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
    part = path.with_name(path.name + ".part")
    part.write_text(_BAND_HEADER + "".join(lines))
    os.replace(part, path)
    return path


def write_grid(library: Path, out: Path) -> Path:
    """The compact composite populations of a folder of `.ised` files."""
    return _write(out / "bc03_chabrier.npz", pack(ised_grid(library)))


def write_table(out: Path) -> Path:
    """The reference table, from the bundled bands and populations."""
    table = flux_table(Spectra(populations=Populations()), CANDELS_GOODSS, REFERENCE_REDSHIFTS)
    return _write(out / "reference_table.npz", {"flux": table.flux.astype(np.float32)})


def _write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    os.replace(part, path)
    return path


def main() -> None:
    """Write the bundled data from a library of simple populations and the filter curves."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sps", type=Path, required=True, help="bc03_chabrier_lr and candels_goodss_filters")
    words = parser.parse_args()
    made = (
        write_bands(words.sps / "candels_goodss_filters", DATA),
        write_grid(words.sps / "bc03_chabrier_lr", DATA),
        write_table(DATA),  # last: it is made from the two others
    )
    for path in made:
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
