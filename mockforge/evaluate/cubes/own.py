"""Our own fit: through the torch model, with exact derivatives and errors of the Fisher matrix."""

from __future__ import annotations

import numpy as np
import torch

from mockforge.errors import InputError
from mockforge.evaluate.cubes.fits import Fit, Fitter, NoFitError
from mockforge.evaluate.cubes.sample import Galaxy, Sample
from mockforge.galaxies.cubes.fit import Observed, fit
from mockforge.galaxies.cubes.source.observed import physics_of
from mockforge.torch_state import steadily


def own_fitter() -> Fitter:
    """Return our fit as a fitter."""
    what = (
        "mockforge: Levenberg and Marquardt's steps through the model that made the cubes (lines integrated"
        " over channels), started from the cube's moments; errors by the Fisher matrix; told the curve's"
        " shape, the profile, the PSF and the LSF, and not the clumps"
    )
    return Fitter("mockforge", what, _fit)


@steadily()
def _fit(galaxy: Galaxy, sample: Sample) -> Fit:
    per_channel = sample.instrument.channel_angstrom / 100  # to 1e-18 erg/s/cm2, the unit of a disk's flux
    observed = Observed(
        torch.as_tensor((galaxy.cube * per_channel).astype(np.float32)),
        torch.as_tensor((galaxy.variance * per_channel**2).astype(np.float32)),
        physics_of(sample.cfg),
        sample.grid,
        sample.waves(galaxy).spectrum,
        sample.thickness,
    )
    try:
        found = fit(observed, sample.sampling)
    except InputError as error:
        raise NoFitError(str(error)) from None
    low = {name: found.values[name] - e for name, e in found.errors.items()}
    high = {name: found.values[name] + e for name, e in found.errors.items()}
    said = "" if found.converged else f"still moving after {found.steps} steps"
    return Fit(found.values, low, high, found.chi2, found.converged, said)
