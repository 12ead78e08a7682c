"""A published SGAN with random weights, in files."""

from __future__ import annotations

from pathlib import Path

from mockforge.sgan.lattice.config import Smith2019
from mockforge.sgan.lattice.instrument import Instrument
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.lattice.painter import Scaling
from mockforge.sgan.lattice.save import save_model

WHITE = ((0.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 0.0))


def untrained(folder: Path, name: str, bands: tuple[str, ...]) -> Path:
    """Write an untrained model of some bands; returns its JSON."""
    n = len(bands)
    instrument = Instrument(rms_njy=(4.0,) * n, psf_fwhm_pix=(0.0,) * n, noise_kernel=(WHITE,) * n)
    spec, scaling = Smith2019(z_channels=8, widths=(8, 8, 8, 8)), Scaling((-10.0,) * n, (500.0,) * n)
    fresh = LatticeModel(name, spec, bands, instrument, scaling, pixel_scale_arcsec=0.2)
    history = {"steps": 3, "hours": 0.1, "device": "CPU"}
    return save_model(fresh.trained(fresh.painter().generator, history), folder)
