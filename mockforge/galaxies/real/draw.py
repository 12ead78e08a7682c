"""What is drawn for a pair of `redshift_images`: galaxy, redshifts, orientation, place."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from mockforge.batch import Batch
from mockforge.errors import InputError, nearest
from mockforge.galaxies.real.cutouts import CutoutCatalogue
from mockforge.galaxies.real.spec import ImagePairs
from mockforge.galaxies.real.spectra import RedshiftRequest
from mockforge.photometry.fluxes import spectrum_set
from mockforge.rng import Stream


@dataclass(frozen=True)
class DrawnPairs:
    """What is drawn for each pair, all (N,); redshifts are exact in float32."""

    galaxy: np.ndarray
    z_in: np.ndarray
    z_out: np.ndarray
    spectrum: np.ndarray
    turn: np.ndarray
    x: np.ndarray
    y: np.ndarray


def draw(cfg: ImagePairs, galaxies: CutoutCatalogue, batch: Batch, stream: Stream) -> DrawnPairs:
    """Galaxy, redshifts, spectrum, orientation and place of every pair of the batch.

    Each parameter from a stream of its own, so that changing one leaves the others alone.
    InputError where the spectrum is unknown or redshifts cannot be paired.
    """
    n = len(batch)
    names = spectrum_set(cfg.spectra, cfg.cosmology).names
    if cfg.spectrum is not None and cfg.spectrum not in names:
        raise InputError(f"redshift_images: unknown spectrum {cfg.spectrum!r}{nearest(cfg.spectrum, names)}")
    galaxy, z_in, z_out = (np.zeros(n, dtype=t) for t in (np.int64, np.float64, np.float64))
    usable = _usable(cfg, galaxies)
    for split in dict.fromkeys(batch.split.tolist()):
        rows = np.flatnonzero(batch.split == split)
        own = shared_out(
            len(usable),
            batch.splits,
            str(split),
            stream.seed,
            ordered=cfg.galaxies.sky is not None,
        )
        galaxy[rows], z_in[rows], z_out[rows] = _redshifts(
            cfg, galaxies, usable[own], len(rows), stream.child("redshift", str(split))
        )
    spectrum = stream.child("spectrum").numpy().integers(len(names), size=n)
    turn = stream.child("turn").numpy().integers(8, size=n)
    shift = stream.child("centre").numpy().uniform(-cfg.jitter, cfg.jitter, (2, n)) + (cfg.stamp - 1) / 2
    return DrawnPairs(
        galaxy=galaxy,
        z_in=z_in,
        z_out=z_out,
        spectrum=spectrum if cfg.spectrum is None else np.full(n, names.index(cfg.spectrum)),
        turn=turn if cfg.turn else np.zeros(n, dtype=np.int64),
        x=shift[0],
        y=shift[1],
    )


def redshifted(cfg: ImagePairs, galaxies: CutoutCatalogue, drawn: DrawnPairs) -> RedshiftRequest:
    """Return what is requested of the spectra of the galaxies drawn."""
    switches = (cfg.angular_size, cfg.dimming, cfg.band_shift)
    return RedshiftRequest(
        z_in=drawn.z_in,
        z_out=drawn.z_out,
        bands=cfg.bands,
        present=galaxies.bands,
        photometry=galaxies.photometry,
        spectra=cfg.spectra,
        cosmology=cfg.cosmology,
        igm=cfg.igm,
        evolving=cfg.population == "evolving",
        switches=switches,
        size_evolution=cfg.size_evolution,
        luminosity_evolution=cfg.luminosity_evolution,
        magnitude_band=cfg.magnitude_band,
        fit=cfg.fit,
        free=cfg.spectrum is None,
    )


def shared_out(
    count: int,
    splits: Mapping[str, float],
    split: str,
    seed: int,
    ordered: bool = False,
    stage: str = "redshift_images",
) -> np.ndarray:
    """Return the galaxies of one split, by its share; every galaxy belongs to one split alone.

    Dealt at random by the seed, or in their order where neighbours are to stay together.
    InputError where there are fewer galaxies than splits.
    """
    shares = {name: share for name, share in splits.items() if share > 0}
    if count < len(shares):
        raise InputError(
            f"{stage}: {count} galaxies for {len(shares)} splits; give more galaxies, or fewer splits"
        )
    order = np.arange(count) if ordered else Stream(seed, (stage, "splits")).numpy().permutation(count)
    edges = np.round(np.cumsum([0.0, *shares.values()]) / sum(shares.values()) * count).astype(int)
    for i in range(1, len(edges) - 1):  # never an empty split
        edges[i] = min(max(edges[i], edges[i - 1] + 1), count - (len(edges) - 1 - i))
    i = list(shares).index(split)
    return order[edges[i] : edges[i + 1]]


def _usable(cfg: ImagePairs, galaxies: CutoutCatalogue) -> np.ndarray:
    """Return the galaxies that can have a z_out above their own redshift."""
    kind, values = cfg.z_out.kind, cfg.z_out.values
    highest = np.inf
    if kind in ("fixed", "choice"):
        highest = max(values)
    elif kind not in ("normal", "lognormal"):
        highest = values[1]
    usable = np.flatnonzero(~(galaxies.redshifts >= highest))
    if not len(usable):
        raise InputError(
            f"redshift_images: no z_out is above a galaxy's redshift; z_out ends at {highest:g} and the"
            f" redshifts start at {galaxies.redshifts.min():.3g}"
        )
    return usable


def _redshifts(
    cfg: ImagePairs, galaxies: CutoutCatalogue, own: np.ndarray, n: int, stream: Stream
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Galaxies of a split with z_in and z_out > z_in; pairs that do not fit are drawn again."""
    rng = stream.numpy()
    galaxy, z_in, z_out = np.zeros(n, dtype=np.int64), np.zeros(n), np.zeros(n)
    missing = np.arange(n)
    for _ in range(2000):
        chosen = own[rng.integers(len(own), size=len(missing))]
        z = galaxies.redshifts[chosen]
        if cfg.galaxies.sky is not None:
            z = cfg.galaxies.sky.z_in.draw(rng, len(missing))
        pair = np.stack([z, cfg.z_out.draw(rng, len(missing))]).astype(np.float32).astype(np.float64)
        good = pair[1] > pair[0]
        galaxy[missing[good]] = chosen[good]
        z_in[missing[good]], z_out[missing[good]] = pair[:, good]
        missing = missing[~good]
        if not len(missing):
            return galaxy, z_in, z_out
    raise InputError(
        f"redshift_images: almost no z_out is above the redshifts of the {len(own)} galaxies of a split"
        f" (lowest {np.nanmin(galaxies.redshifts[own], initial=np.inf):.3g}); let z_out reach farther"
    )
