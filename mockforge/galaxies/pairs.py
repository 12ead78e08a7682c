"""Pairs of Sersic galaxies: everything that is drawn for them, their stamps and their table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from mockforge.batch import Batch
from mockforge.galaxies.bodies import Bodies, Sizes, draw_bodies, sizes_of
from mockforge.galaxies.notices import age_columns
from mockforge.galaxies.pair_spec import SersicPairs
from mockforge.galaxies.shapes import Shapes, draw_shapes
from mockforge.galaxies.table import light_columns, part_columns, scale_columns, spectrum_columns
from mockforge.observe.psf.spec import Psf
from mockforge.observe.psf.transfer import transfer
from mockforge.photometry.epochs import Epochs, Light, Magnitudes, light
from mockforge.photometry.fluxes import spectrum_set
from mockforge.photometry.spectra.spec import Spectra
from mockforge.profiles.draw import GaussianKnots as DrawnKnots
from mockforge.profiles.draw import draw, draw_seen, knots_on_stamp
from mockforge.profiles.sersic import Sersics, on_stamp
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.train.parallel import usable
from mockforge.units import ZEROPOINT_NJY


@dataclass(frozen=True)
class GalaxyPairs:
    """N galaxies at both redshifts: what was drawn for them, their light and their stamps."""

    body: Bodies
    shapes: Shapes
    sizes: Sizes
    spectra: tuple[Spectra, ...]
    """Of each part of the galaxies."""
    spectrum: np.ndarray
    """(N, K + 1): which of its part's spectra each has."""
    light: Light
    near: Painted
    """Stamps at z_in."""
    far: Painted
    """Stamps at z_out."""


@dataclass(frozen=True)
class Painted:
    """Stamps at one redshift: those that are wanted."""

    clean: Tensor | None
    """(N, C, H, W) nJy, before the PSF."""
    psf: Tensor | None
    """(N, C, H, W) nJy, seen through the PSF."""
    profile: Tensor | None
    """(N, K[+1], H, W) share of a component's flux in each pixel, before the PSF; knots last."""
    inside: np.ndarray
    """(N, K[+1]) share of a component's flux on the stamp, before the PSF."""


def draw_pairs(cfg: SersicPairs, count: int, stream: Stream, bare: bool = True) -> GalaxyPairs:
    """Draw and paint so many pairs; `bare` says whether images and profiles before the PSF are wanted.

    InputError where redshifts cannot be paired.
    """
    body = draw_bodies(cfg, count, stream)
    shapes = draw_shapes(body.n, body.axis_ratio, body.position_angle, cfg, stream)
    spectra, spectrum = _choose_spectra(cfg, shapes, stream)
    magnitude = Magnitudes(body.magnitude, cfg.magnitude_kind, cfg.magnitude_band)
    fluxes = light(spectra, spectrum, shapes.weight, magnitude, cfg.bands, _epochs(cfg, body))
    sizes = sizes_of(cfg, body)
    near = _paint(cfg, body, shapes, sizes.r_e_in, fluxes.sed_in, (cfg.psf_in, bare))
    far = _paint(cfg, body, shapes, sizes.r_e_out, fluxes.sed_out, (cfg.psf_out, bare))
    return GalaxyPairs(body, shapes, sizes, spectra, spectrum, fluxes, near, far)


def _choose_spectra(
    cfg: SersicPairs, shapes: Shapes, stream: Stream
) -> tuple[tuple[Spectra, ...], np.ndarray]:
    """Return the spectra of each part, and which of them each galaxy's part has, (N, K + 1)."""
    count, companions = len(shapes.x), 0 if cfg.companions is None else cfg.companions.most
    own = [("sed", cfg.spectra)]
    if cfg.bulge is not None:
        own.append(("bulge sed", cfg.bulge.spectra or cfg.spectra))
    if cfg.companions is not None:
        own += [(f"companion {j} sed", cfg.companions.spectra or cfg.spectra) for j in range(companions)]
    if cfg.knots is not None:
        own.append(("knots sed", cfg.knots.spectra or cfg.spectra))
    else:
        own.append(("sed", cfg.spectra))  # no light; the column keeps the shapes alike
    rows = [
        stream.child(name).numpy().integers(len(spectrum_set(s, cfg.cosmology).names), size=count)
        for name, s in own
    ]
    return tuple(s for _, s in own), np.stack(rows, axis=1)


def _epochs(cfg: SersicPairs, body: Bodies) -> Epochs:
    return Epochs(
        z_in=body.z_in,
        z_out=body.z_out,
        cosmology=cfg.cosmology,
        igm=cfg.igm,
        evolving=cfg.population == "evolving",
        angular_size=cfg.angular_size,
        dimming=cfg.dimming,
        band_shift=cfg.band_shift,
        luminosity_evolution=cfg.luminosity_evolution,
    )


@steadily()
def _paint(
    cfg: SersicPairs,
    body: Bodies,
    shapes: Shapes,
    r_e_arcsec: np.ndarray,
    sed: np.ndarray,
    wanted: tuple[Psf | None, bool],
) -> Painted:
    """Return the stamps of galaxies whose main body has this effective radius."""
    psf, bare = wanted
    device = usable(cfg.device)
    r_e = (r_e_arcsec / cfg.pixel_scale_arcsec)[:, None]
    x, y = body.x[:, None], body.y[:, None]

    def there(array: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.ascontiguousarray(array, dtype=np.float64)).to(device)

    sersics = Sersics(
        x=there(x + shapes.x * r_e),
        y=there(y + shapes.y * r_e),
        r_e=there(shapes.r_e * r_e),
        n=there(shapes.n),
        axis_ratio=there(shapes.axis_ratio),
        position_angle=there(shapes.position_angle),
        asymmetry=there(shapes.asymmetry),
        asymmetry_angle=there(shapes.asymmetry_angle),
    )
    knots = None
    if cfg.knots is None:
        sed = sed[:, :, :-1]
    else:
        sigma = np.broadcast_to(shapes.knot_size[:, None] * r_e, shapes.knot_x.shape)
        knots = DrawnKnots(
            x=there(x + shapes.knot_x * r_e),
            y=there(y + shapes.knot_y * r_e),
            sigma=there(sigma),
            weight=there(shapes.knot_weight),
        )
    shape = (cfg.stamp, cfg.stamp)
    psf_transfer = None if psf is None else transfer(psf, cfg.bands, cfg.pixel_scale_arcsec, shape)
    inside = on_stamp(Sersics(**{name: v.reshape(-1) for name, v in vars(sersics).items()}), shape)
    inside = inside.view(shapes.r_e.shape)
    if knots is not None:
        inside = torch.cat([inside, knots_on_stamp(knots, shape)[:, None]], dim=1)
    if psf_transfer is not None and not bare:
        seen = draw_seen(sersics, knots, there(sed), shape, psf_transfer)
        return Painted(None, seen, None, inside.cpu().numpy())
    drawn = draw(sersics, knots, there(sed), shape, psf_transfer)
    return Painted(drawn.clean, drawn.psf, drawn.profile, inside.cpu().numpy())


def filled(cfg: SersicPairs, batch: Batch, pairs: GalaxyPairs) -> Batch:
    """Return the batch with its images and what is true of all of them."""
    near, far, body = pairs.near, pairs.far, pairs.body
    images = {
        "input_clean": near.clean,
        "target_clean": far.clean,
        "input": near.clean if near.psf is None else near.psf,
        "target": far.clean if far.psf is None else far.psf,
        "profile_in": near.profile,
        "profile_out": far.profile,
        "input_psf": near.psf,
        "target_psf": far.psf,
    }
    return batch.with_arrays(
        **{name: image.cpu().numpy() for name, image in images.items() if image is not None},
        z_in=body.z_in.astype(np.float32),
        z_out=body.z_out.astype(np.float32),
    ).with_attributes(
        bands=cfg.bands,
        pixel_scale_arcsec=cfg.pixel_scale_arcsec,
        unit="nJy",
        zeropoint_ab=ZEROPOINT_NJY,
        psf_fwhm_in_arcsec=_fwhm(cfg, cfg.psf_in),
        psf_fwhm_out_arcsec=_fwhm(cfg, cfg.psf_out),
    )


def _fwhm(cfg: SersicPairs, psf: Psf | None) -> tuple[float, ...]:
    if psf is None:
        return (0.0,) * len(cfg.bands)
    shape = (cfg.stamp, cfg.stamp)
    return tuple(float(f) for f in transfer(psf, cfg.bands, cfg.pixel_scale_arcsec, shape).fwhm_arcsec)


def galaxy_table(cfg: SersicPairs, batch: Batch, pairs: GalaxyPairs) -> dict[str, Any]:
    """Return the table `galaxy`: a row a sample."""
    body, shapes, sizes = pairs.body, pairs.shapes, pairs.sizes
    spectra, spectrum = pairs.spectra, pairs.spectrum
    companions = 0 if cfg.companions is None else cfg.companions.most
    prefixes = ["", *(["bulge_"] if cfg.bulge else []), *(f"companion_{j}_" for j in range(companions))]
    prefixes += ["knots_"] if cfg.knots else []
    table: dict[str, Any] = {
        "sample": batch.sample,
        "z_in": body.z_in,
        "z_out": body.z_out,
        "x": body.x,
        "y": body.y,
        "r_e_in": sizes.r_e_in,
        "r_e_out": sizes.r_e_out,
        "r_e_kpc_in": sizes.kpc_in,
        "r_e_kpc_out": sizes.kpc_out,
        "n": body.n,
        "axis_ratio": body.axis_ratio,
        "position_angle": body.position_angle,
        "magnitude": body.magnitude,
        **light_columns(cfg.bands, pairs.light),
        **scale_columns(body.z_in, body.z_out, cfg.cosmology),
        **part_columns(
            shapes, cfg.bulge is not None, companions, cfg.knots is not None, cfg.asymmetry is not None
        ),
        "fraction_in": _on_stamp(pairs.near.inside, pairs.light.sed_in),
        "fraction_out": _on_stamp(pairs.far.inside, pairs.light.sed_out),
        **age_columns(
            spectra[0], spectrum[:, 0], body.z_in if cfg.population == "constant" else body.z_out,
            body.z_out, cfg.cosmology,
        ),
    }  # fmt: skip
    for k, prefix in enumerate(prefixes):
        table |= spectrum_columns(prefix, spectra[k], spectrum[:, k], cfg.cosmology)
    return table


def _on_stamp(inside: np.ndarray, sed: np.ndarray) -> np.ndarray:
    """Share of the total flux of all bands that falls on the stamp without PSF, (N,)."""
    parts = sed.sum(axis=1)[:, : inside.shape[1]]
    return (inside * parts).sum(axis=1) / sed.sum(axis=(1, 2))
