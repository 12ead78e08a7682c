"""GalPaK 3D on one cube, run as a program of its own on a folder.

It reads `cube.fits` and `ask.json` there, and writes `answer.json`. Nothing of ours but this file is
needed, so that the fit is independent of the model that made the cube.
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

_LAST = 0.6
"""Part of the chain that parameters are measured on."""
_FEWEST = 100
"""Steps of a chain that something is measured on."""
_NAMES = (
    *("x", "y", "z", "flux", "radius", "inclination", "pa"),
    *("turnover_radius", "maximum_velocity", "velocity_dispersion"),
)


def main(folder: Path) -> None:
    """Fit the cube of a folder."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    ask = json.loads((folder / "ask.json").read_text())
    answer = fit(str(folder / "cube.fits"), ask)
    (folder / "answer.json").write_text(json.dumps(answer))


def fit(cube: str, ask: dict[str, Any]) -> dict[str, Any]:
    """Return the chain's means, standard deviations and quantiles, in GalPaK's units.

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
            values[_NAMES.index(name)] = value
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
    return measured(rows) | {"proposed": run.proposed, "steps": len(rows)}


def measured(rows: np.ndarray) -> dict[str, Any]:
    """Return medians, middle 68%, both halves and best chi2 of the last part of a chain.

    `rows` are parameters and chi2 per degree of freedom, a row for each accepted step.
    """
    last = rows[int(len(rows) * (1 - _LAST)) :]
    first_half, second_half = (half.mean(axis=0) for half in np.array_split(last, 2))
    ends = {"value": 0.5, "low": 0.16, "high": 0.84}
    out: dict[str, Any] = {
        name: dict(zip(_NAMES, np.quantile(last[:, :-1], q, axis=0).tolist(), strict=True))
        for name, q in ends.items()
    }
    halves = np.stack([first_half, second_half], axis=1)[:-1]
    out["halves"] = dict(zip(_NAMES, halves.tolist(), strict=True))
    out["chi2"] = float(last[:, -1].min())
    return out


class _TimeUpError(Exception):
    """The chain has had its time; the steps that it took are kept."""


def _run(galpak: Any, cube: str, instrument: Any, seconds: float) -> Any:
    """Return GalPaK's run, which ends after so many seconds of the processor."""
    base: Any = galpak.GalPaK3D

    class Timed(base):
        proposed = 0

        def compute_chi(self, galaxy: Any, **how: Any) -> Any:
            self.proposed += 1
            if time.process_time() - began > seconds:
                raise _TimeUpError
            return super().compute_chi(galaxy, **how)

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
