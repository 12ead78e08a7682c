"""Makes the bundled data anew: `python -m mockforge.sky.bundle --sps FOLDER`."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

import numpy as np

from mockforge.sky.population_grid import ised_grid, pack

DATA = Path(__file__).with_name("data")


def write_grid(library: Path, out: Path) -> Path:
    """The compact composite populations of a folder of `.ised` files."""
    return _write(out / "bc03_chabrier.npz", pack(ised_grid(library)))


def _write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    part = path.with_name(path.name + ".part")
    with part.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    os.replace(part, path)
    return path


def main() -> None:
    """Read the library and the filter curves of a folder, write the files beside this module."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--sps", type=Path, required=True, help="folder that holds bc03_chabrier_lr")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to")
    words = parser.parse_args()
    for path in (write_grid(words.sps / "bc03_chabrier_lr", words.out),):
        print(f"{path}: {path.stat().st_size} bytes")


if __name__ == "__main__":
    main()
