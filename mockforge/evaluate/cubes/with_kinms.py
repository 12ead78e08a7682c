"""KinMS's cube of given parameters, run as a program of its own on a folder with `ask.json`.

It writes `cube.npy` (C, y, x) and `answer.json`. Nothing of ours but this file is needed.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np


def main(folder: Path) -> None:
    """Make the cube of a folder."""
    warnings.simplefilter("ignore")
    ask = json.loads((folder / "ask.json").read_text())
    began = time.perf_counter()
    cube = model(ask)
    seconds = time.perf_counter() - began
    np.save(folder / "cube.npy", cube)
    (folder / "answer.json").write_text(json.dumps({"seconds": seconds}))


def model(ask: dict[str, Any]) -> np.ndarray:
    """Return a cube (C, y, x) of one line.

    `ask`: `spaxels`, `channels`, `scale` (arcsec), `channel` (km/s), `fwhm` of a Gaussian beam (arcsec),
    `clouds`, `radius` (arcsec), `light`, `speed` (km/s), `height` (arcsec), `inclination`, `angle` from +y
    of the receding end (degrees), `sigma` (km/s, with the line-spread function), `flux`, `offset` of
    the centre (arcsec) and of the velocity (km/s).
    """
    from kinms import KinMS

    side, depth = ask["spaxels"] * ask["scale"], ask["channels"] * ask["channel"]
    kinms = KinMS(
        side, side, depth, ask["scale"], ask["channel"], ask["fwhm"], nSamps=ask["clouds"], verbose=False
    )
    cube = kinms.model_cube(
        ask["inclination"],
        ask["angle"],
        gasSigma=ask["sigma"],
        diskThick=ask["height"],
        sbProf=ask["light"],
        sbRad=ask["radius"],
        velRad=ask["radius"],
        velProf=ask["speed"],
        intFlux=ask["flux"] * ask["channel"],
        phaseCent=ask["offset"][:2],
        vOffset=ask["offset"][2],
    )
    beam = float(np.sum(kinms.psf))  # its unit is that of a beam, ours of a spaxel
    return np.asarray(cube).transpose(2, 1, 0) / beam


if __name__ == "__main__":
    main(Path(sys.argv[1]))
