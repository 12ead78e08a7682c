"""GalPaK 3D on one cube, run as a program of its own on a folder.

It reads `cube.fits` and `ask.json` there, and writes `chain.npz` and `answer.json`. Nothing of ours but this
file is needed, so that the fit is independent of the model that made the cube.
"""

from __future__ import annotations

import contextlib
import json
import logging
import sys
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np

_FEWEST = 100
"""Steps of a chain that something is measured on."""
NAMES = (
    *("x", "y", "z", "flux", "radius", "inclination", "pa"),
    *("turnover_radius", "maximum_velocity", "velocity_dispersion"),
)


def main(folder: Path) -> None:
    """Fit the cube of a folder."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    ask = json.loads((folder / "ask.json").read_text())
    rows, held = fit(str(folder / "cube.fits"), ask)
    np.savez_compressed(folder / "chain.npz", rows=rows, held=held, names=np.array([*NAMES, "chi2"]))
    answer = {"proposed": int(held.sum()), "steps": len(rows)}
    (folder / "answer.json").write_text(json.dumps(answer))


def fit(cube: str, ask: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Return the states that were accepted, in GalPaK's units and with chi2 last, and how long each was held.

    Parameters
    ----------
    cube : str
        FITS with the extensions DATA and STAT.
    ask : dict
        `psf` with `fwhm` in arcsec and `beta` or None; `lsf_fwhm` in Angstrom; `line`, GalPaK's doublet or
        None; `flux_profile`, `thickness_profile`, `rotation_curve`, `aspect`; `isotropic`, whether the
        dispersion of a thick disk is left out; `start`, parameter -> first value; `largest`, parameter ->
        upper bound; `steps`, `seconds` of the processor, whichever comes first; `seed`.
    """
    import galpak as library

    galpak: Any = library  # without types

    np.random.seed(ask["seed"])  # noqa: NPY002  GalPaK draws from numpy's global state
    psf = ask["psf"]
    spread = (
        galpak.GaussianPointSpreadFunction(fwhm=psf["fwhm"])
        if psf["beta"] is None
        else galpak.MoffatPointSpreadFunction(fwhm=psf["fwhm"], beta=psf["beta"])
    )
    lsf = galpak.GaussianLineSpreadFunction(fwhm=ask["lsf_fwhm"])
    instrument = galpak.Instrument(psf=spread, lsf=lsf)
    model = _model(galpak, ask)
    run = _run(galpak, cube, instrument, ask["seconds"])
    largest, start = galpak.GalaxyParameters(), galpak.GalaxyParameters()
    for values, given in ((largest, ask["largest"]), (start, ask["start"])):
        for name, value in given.items():
            values[NAMES.index(name)] = value
    with contextlib.suppress(_TimeUpError):
        run.run_mcmc(
            model=model,
            max_iterations=ask["steps"],
            initial_parameters=start,
            max_boundaries=largest,
            random_scale=ask["random_scale"],
            min_acceptance_rate=0,
            verbose=False,
        )
    rows = np.asarray(run.chain_rows, dtype=float)
    if len(rows) < _FEWEST:
        raise RuntimeError(f"its chain took {len(rows)} steps in {ask['seconds']:g} s, fewer than {_FEWEST}")
    held = np.bincount(np.array(run.states) - 1, minlength=len(rows))[: len(rows)] if run.states else []
    return rows, np.asarray(held, dtype=np.int64)


class _TimeUpError(Exception):
    """The chain has had its time; the steps that it took are kept."""


def _run(galpak: Any, cube: str, instrument: Any, seconds: float) -> Any:
    """Return GalPaK's run, which ends after so many seconds of the processor."""
    base: Any = galpak.GalPaK3D

    class Timed(base):
        """Counts what is proposed from each state, and makes each model once: the library makes it twice."""

        def __init__(self, *args: Any, **how: Any) -> None:
            super().__init__(*args, **how)
            self.states: list[int] = []
            self._last: tuple[bytes, Any] = (b"", None)

        def _sampling_method(self, sampling: Any, params: Any, scale: Any) -> Any:
            if time.process_time() - began > seconds:
                raise _TimeUpError
            if self.chain_rows:
                self.states.append(len(self.chain_rows))
            return super()._sampling_method(sampling, params, scale)

        def compute_chi(self, galaxy: Any, **how: Any) -> Any:
            if np.asarray(galaxy).tobytes() != self._last[0]:
                chi = super().compute_chi(galaxy, **how)
                self._last = (np.asarray(galaxy).tobytes(), chi)  # it changes what it is given
            return self._last[1]

    run: Any = Timed(cube, instrument=instrument, quiet=True)
    began = time.process_time()
    return run


def _model(galpak: Any, ask: dict[str, Any]) -> Any:
    class Isotropic(galpak.ModelSersic):
        """GalPaK's disk without the dispersion of a thick disk, which ours adds by choice."""

        def set_dispersion_profile(self, hz: Any, vtot: Any, radius_cube: Any) -> Any:
            return np.zeros_like(radius_cube)

    kind = Isotropic if ask["isotropic"] else galpak.ModelSersic
    return kind(
        flux_profile=ask["flux_profile"],
        thickness_profile=ask["thickness_profile"],
        rotation_curve=ask["rotation_curve"],
        aspect=ask["aspect"],
        line=ask["line"],
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
