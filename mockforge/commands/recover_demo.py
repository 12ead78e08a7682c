"""The demonstration: a galaxy as Hubble sees it, degraded, and recovered."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mockforge.batch import Batch
from mockforge.errors import InputError
from mockforge.extras import need_extra
from mockforge.field.picture import asinh_rgb, save_figure
from mockforge.rng import Stream
from mockforge.stages.degrade import Degrade
from mockforge.stages.stamps import Stamps
from mockforge.tasks.recover.degraded import sky_level
from mockforge.tasks.recover.model import Recoverer, load_recoverer, predict

_OTHER = {"hsc_g": "lsst_g", "hsc_r": "lsst_r", "hsc_i": "lsst_i", "hsc_z": "lsst_z", "hsc_y": "lsst_y"}
"""Curves that stand for the target's bands, in which a galaxy's colours are drawn."""


@dataclass(frozen=True)
class Demonstration:
    """One galaxy three times, nJy; the middles of the images fall together."""

    truth: np.ndarray
    """(C,H,W): what Hubble sees, without noise."""
    image: np.ndarray
    """(C,h,w): the same through the other telescope, with its noise."""
    recovered: np.ndarray
    """(C,H,W)"""
    rms: np.ndarray
    """(C,) of the sky in a coarse pixel."""
    step: float
    redshift: float
    magnitude: float
    """AB, in F160W."""
    neighbour: bool
    bands: tuple[str, ...]
    """Of the degraded image."""
    fine_bands: tuple[str, ...]


def demonstrate(
    model: Recoverer | str | Path = "recover-hsc", *, seed: int = 1, survey: str = "hsc-wide",
    faintest: float = 26.0, z_max: float = 2.0, device: str = "cpu",
) -> Demonstration:  # fmt: skip
    """Draw a galaxy with z < `z_max` and magnitude < `faintest`, degrade it, recover it.

    Half of the galaxies have a neighbour. Raises InputError where the model's bands have no
    curves that the galaxy could be drawn in.
    """
    if not isinstance(model, Recoverer):
        model = load_recoverer(model)
    s = model.scales
    unknown = [band for band in s.bands if band not in _OTHER]
    if unknown or s.shape[0] != s.shape[1] or s.fine[0] != s.fine[1]:
        raise InputError(
            f"the demonstration is for models from square stamps in {', '.join(_OTHER)}; {model.name} has "
            f"{', '.join(s.bands)} and {s.shape[0]} x {s.shape[1]} pixels"
        )
    source = Stamps(
        bands=s.fine_bands,
        other_bands=tuple(_OTHER[band] for band in s.bands),
        stamp=s.fine[0],
        pixel_scale_arcsec=s.fine_arcsec,
        faintest=faintest,
        z_max=z_max,
    )
    degrade = Degrade(
        to=survey, input="light", bands=s.bands, shape=s.shape[0], pixel_scale_arcsec=s.coarse_arcsec
    )
    sample = np.zeros(1, dtype=np.int64)
    batch = source(Batch(sample, sample, np.array(["train"])), Stream(seed, ("demonstration", "stamps")))
    batch = degrade(batch, Stream(seed, ("demonstration", "degrade")))
    return _recovered(model, batch, device)


def _recovered(model: Recoverer, batch: Batch, device: str) -> Demonstration:
    import torch

    image, truth = batch.arrays["image"], batch.arrays["truth"]
    level = sky_level(torch.from_numpy(batch.arrays["variance"][0])).numpy()
    recovered = predict(model, image, level[None], shape=model.scales.fine, device=device)
    drawn = batch.tables["objects"]
    return Demonstration(
        truth=truth[0],
        image=image[0],
        recovered=recovered[0],
        rms=level,
        step=model.scales.step,
        redshift=float(drawn["z"][0]),
        magnitude=float(drawn["magnitude"][0]),
        neighbour=len(drawn["z"]) > 1,
        bands=model.scales.bands,
        fine_bands=model.scales.fine_bands,
    )


def demonstration_picture(found: Demonstration, path: Path) -> None:
    """Four panels as a PNG: Hubble, degraded, recovered, and recovered less Hubble.

    The first three in one stretch of surface brightness; the residual, mean of the bands, in
    units of the noise of the degraded image.
    """
    need_extra("report", "the picture", "matplotlib")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 3.9), dpi=110, layout="constrained")
    FigureCanvasAgg(figure)
    panels = figure.subplots(1, 4)
    unit = found.rms / found.step**2
    bright = max(float(found.truth.mean(axis=0).max()) / 60, 2 * float(np.sqrt(np.mean(unit**2))))
    half = (found.truth.shape[1] / 2, found.truth.shape[2] / 2)
    coarse = (found.image.shape[1] * found.step / 2, found.image.shape[2] * found.step / 2)
    noise = float(np.sqrt(np.mean(found.rms**2)))
    for panel, image, bands, rms, size, title in (
        (panels[0], found.truth, found.fine_bands, bright, half, "Hubble, without noise"),
        (panels[1], found.image, found.bands, bright * found.step**2, coarse, "degraded"),
        (panels[2], found.recovered, found.fine_bands, bright, half, "recovered"),
    ):
        rgb = asinh_rgb(image, rms, bands=bands, noise=noise if image is found.image else 0.0)
        panel.imshow(rgb, extent=(-size[1], size[1], -size[0], size[0]), interpolation="none")
        panel.set_title(title)
    residual = ((found.recovered - found.truth) / unit[:, None, None]).mean(axis=0)
    shown = panels[3].imshow(
        residual,
        origin="lower",
        cmap="RdBu_r",
        vmin=-10,
        vmax=10,
        extent=(-half[1], half[1], -half[0], half[0]),
    )
    panels[3].set_title("recovered - Hubble")
    figure.colorbar(shown, ax=panels[3], label="rms of the degraded image", shrink=0.85)
    for panel in panels:
        panel.set(xlim=(-half[1], half[1]), ylim=(-half[0], half[0]), xticks=[], yticks=[], facecolor="black")
    beside = ", with a neighbour" if found.neighbour else ""
    flux = 100 * (found.recovered.sum() / found.truth.sum() - 1)
    figure.suptitle(
        f"A galaxy at z = {found.redshift:.2f}, F160W = {found.magnitude:.1f}{beside}; "
        f"error of its flux {flux:+.1f}%"
    )
    save_figure(figure, path)
