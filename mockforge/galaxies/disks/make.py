"""Disk galaxies on stamps: their light in each band, and every part of it through the PSF."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from mockforge.galaxies.disks.draws import DrawnDisks, draw_disks
from mockforge.galaxies.disks.model import LENGTHS_IN_R_HALF
from mockforge.galaxies.disks.paint import Disks, SkyClumps, clump_images, disk_images, padded_sides
from mockforge.galaxies.disks.plane import ellipse, to_sky
from mockforge.galaxies.disks.spec import THICK_N, DiskGalaxies
from mockforge.galaxies.disks.structure import structure_transform
from mockforge.observe.psf.transfer import Transfer, psf_fwhm_arcsec, transfer
from mockforge.photometry.fluxes import sed_fluxes, spectrum_set
from mockforge.photometry.spectra.spec import Spectra
from mockforge.profiles.draw import draw
from mockforge.profiles.sersic import Sersics
from mockforge.rng import Stream
from mockforge.torch_state import steadily
from mockforge.train.parallel import usable
from mockforge.units import ZEROPOINT_NJY

PARTS = ("disk", "bulge", "clumps")
_PIXELS = 2**18
"""Pixels of padded stamps worked on at once."""
_GPU_PIXELS = 2**25
_THINNEST = 0.02
"""Least axis ratio of a steep disk, which is drawn as an ellipse."""


@dataclass(frozen=True)
class DiskStamps:
    """N galaxies: what was drawn, their light, and images (N, C, H, W) in nJy through the PSF."""

    drawn: DrawnDisks
    spectra: dict[str, Spectra]
    """Of each part that they have."""
    spectrum: dict[str, np.ndarray]
    """Which of its spectra each galaxy's part has, (N,)."""
    flux: dict[str, np.ndarray]
    """Total flux of each part in each band, (N, C) nJy."""
    clump_x: np.ndarray
    """(N, J) on the stamp, pixels; J is 0 without clumps."""
    clump_y: np.ndarray
    images: dict[str, np.ndarray]
    """Of each part."""
    fwhm_arcsec: tuple[float, ...]


def make_disks(cfg: DiskGalaxies, count: int, stream: Stream) -> DiskStamps:
    """Draw and paint so many galaxies. InputError where drawn numbers cannot go together."""
    drawn = draw_disks(cfg, count, stream)
    spectra = {"disk": cfg.spectra}
    if cfg.bulge is not None:
        spectra["bulge"] = cfg.bulge.spectra or cfg.spectra
    if cfg.clumps is not None:
        spectra["clumps"] = cfg.clumps.spectra or cfg.spectra
    spectrum = {
        part: stream.child(f"{part} sed")
        .numpy()
        .integers(len(spectrum_set(s, cfg.cosmology).names), size=count)
        for part, s in spectra.items()
    }
    flux = _fluxes(cfg, drawn, spectra, spectrum)
    matrix = _matrices(drawn)
    r_half = drawn.r_half_arcsec / cfg.pixel_scale_arcsec
    clump_x = clump_y = np.zeros((count, 0))
    if drawn.clumps is not None:
        x, y = drawn.clumps.on_sky(matrix, r_half)
        clump_x, clump_y = x + drawn.x[:, None], y + drawn.y[:, None]
    images = _paint(cfg, drawn, (clump_x, clump_y), flux)
    fwhm = psf_fwhm_arcsec(cfg.psf, cfg.bands, cfg.pixel_scale_arcsec)
    return DiskStamps(drawn, spectra, spectrum, flux, clump_x, clump_y, images, fwhm)


def shares(drawn: DrawnDisks) -> dict[str, np.ndarray]:
    """Return the share of each part in the galaxy's light, in the band of its magnitude, (N,)."""
    bulge, clumps = drawn.bulge_fraction, drawn.clumps_fraction
    return {"disk": 1 - bulge - clumps, "bulge": bulge, "clumps": clumps}


def _fluxes(
    cfg: DiskGalaxies, drawn: DrawnDisks, spectra: dict[str, Spectra], spectrum: dict[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """Return the flux of each part in each band, (N, C) nJy; its share is that in `magnitude_band`."""
    total, share = 10 ** (0.4 * (ZEROPOINT_NJY - drawn.magnitude)), shares(drawn)
    out = {}
    for part, own in spectra.items():
        raw = sed_fluxes(
            own, (cfg.magnitude_band, *cfg.bands), drawn.z, drawn.z, spectrum[part],
            cosmology=cfg.cosmology, igm=cfg.igm,
        )  # fmt: skip
        out[part] = raw[:, 1:] / raw[:, :1] * (share[part] * total)[:, None]
    return out


def _matrices(drawn: DrawnDisks) -> np.ndarray:
    """Return the matrices (N, 2, 3) from each galaxy's axes to the sky."""
    numbers = (drawn.inclination, drawn.position_angle, drawn.g1, drawn.g2)
    return to_sky(*(torch.from_numpy(np.asarray(v, dtype=np.float64)) for v in numbers)).numpy()


def seen_ellipse(drawn: DrawnDisks) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return what becomes of a circle of radius 1 in the disk's plane: semi-major axis, axis ratio, angle."""
    return ellipse(_matrices(drawn)[:, :, :2])


@steadily()
def _paint(
    cfg: DiskGalaxies, drawn: DrawnDisks, places: tuple[np.ndarray, np.ndarray],
    flux: dict[str, np.ndarray],
) -> dict[str, np.ndarray]:  # fmt: skip
    """Return the images of each part, (N, C, H, W) float32."""
    shape = (len(drawn), len(cfg.bands), cfg.stamp, cfg.stamp)
    out = {part: np.zeros(shape, dtype=np.float32) for part in flux}
    steep = np.flatnonzero(drawn.n > THICK_N)
    if len(steep):
        a, q, angle = (v[steep] for v in seen_ellipse(drawn))
        r_half = drawn.r_half_arcsec[steep] / cfg.pixel_scale_arcsec * a
        shapes = (r_half, drawn.n[steep], np.maximum(q, _THINNEST), angle)
        out["disk"][steep] = _sersics(cfg, drawn, steep, shapes, flux["disk"][steep])
    if "bulge" in flux:
        every = np.arange(len(drawn))
        out["bulge"][:] = _sersics(cfg, drawn, every, _bulges(cfg, drawn), flux["bulge"])
    for chosen, padded in _alike(cfg, drawn):
        smooth = np.flatnonzero(drawn.n[chosen] <= THICK_N)
        if len(smooth):
            light = _of_disks(cfg, drawn, chosen[smooth], padded)
            out["disk"][chosen[smooth]] = _in_bands(light, flux["disk"][chosen[smooth]], padded)
        if "clumps" in flux:
            light = _of_clumps(cfg, drawn, chosen, places, padded)
            out["clumps"][chosen] = _in_bands(light, flux["clumps"][chosen], padded)
    return out


def _alike(cfg: DiskGalaxies, drawn: DrawnDisks) -> Iterator[tuple[np.ndarray, Transfer]]:
    """Yield galaxies of one padded stamp and kind, not too many at once, and its PSFs on the device."""
    device = usable(cfg.device)
    g = np.hypot(drawn.g1, drawn.g2)
    sides = padded_sides(drawn.r_half_arcsec / cfg.pixel_scale_arcsec, drawn.n, g, cfg.stamp)
    alike = np.stack([sides, drawn.structure.arms, drawn.structure.bar_strength > 0])  # waves of one order
    for side, arms, barred in np.unique(alike, axis=1).T.tolist():
        chosen = np.flatnonzero((alike == [[side], [arms], [barred]]).all(axis=0))
        padded = transfer(cfg.psf, cfg.bands, cfg.pixel_scale_arcsec, (side, side)).on(device)
        area = padded.grid[0] * padded.grid[1]
        step = max(1, (_PIXELS if device.type == "cpu" else _GPU_PIXELS) // area)
        for i in range(0, len(chosen), step):
            yield chosen[i : i + step], padded


def _of_disks(cfg: DiskGalaxies, drawn: DrawnDisks, chosen: np.ndarray, padded: Transfer) -> Tensor:
    """Paint the disks of some galaxies, (M, J, H, W) of flux 1."""
    r_half = drawn.r_half_arcsec / cfg.pixel_scale_arcsec
    disks = Disks(
        *(
            _there(v[chosen], padded)
            for v in (
                drawn.x, drawn.y, r_half, drawn.n, drawn.thickness * r_half / LENGTHS_IN_R_HALF,
                drawn.inclination, drawn.position_angle, drawn.g1, drawn.g2,
            )
        )
    )  # fmt: skip
    structure = None
    if drawn.structured():
        structure = structure_transform(drawn.structure.part(chosen), drawn.n[chosen]).on(disks.x.device)
    return disk_images(disks, padded, (cfg.stamp, cfg.stamp), structure)


def _of_clumps(
    cfg: DiskGalaxies,
    drawn: DrawnDisks,
    chosen: np.ndarray,
    places: tuple[np.ndarray, np.ndarray],
    padded: Transfer,
) -> Tensor:
    """Paint the clumps of some galaxies, (M, J, H, W) of flux 1."""
    assert drawn.clumps is not None
    sigma = drawn.clumps.size * drawn.r_half_arcsec / cfg.pixel_scale_arcsec
    numbers = (*places, drawn.clumps.weight, sigma)
    clumps = SkyClumps(*(_there(v[chosen], padded) for v in numbers))
    g1, g2 = (_there(g[chosen], padded) for g in (drawn.g1, drawn.g2))
    return clump_images(clumps, g1, g2, padded, (cfg.stamp, cfg.stamp))


def _there(values: np.ndarray, padded: Transfer) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(padded.mix.device)


def _in_bands(light: Tensor, flux: np.ndarray, padded: Transfer) -> np.ndarray:
    """Return images through the principal PSFs, (M, J, H, W), as those of the bands, (M, C, H, W) nJy."""
    mix = _there(flux, padded)[:, :, None] * padded.mix  # (M, C, J)
    out = mix[:, :, 0, None, None] * light[:, None, 0]
    for j in range(1, light.shape[1]):
        out.addcmul_(mix[:, :, j, None, None], light[:, None, j])
    return out.cpu().numpy()


def _bulges(cfg: DiskGalaxies, drawn: DrawnDisks) -> tuple[np.ndarray, ...]:
    """Return half-light radius (pixels), index, axis ratio and angle of the sheared bulges."""
    flat = replace(drawn, inclination=np.degrees(np.arccos(drawn.bulge_axis_ratio)))
    a, q, angle = seen_ellipse(flat)
    r_half = drawn.bulge_r_half * drawn.r_half_arcsec / cfg.pixel_scale_arcsec
    return r_half * a, drawn.bulge_n, q, angle


def _sersics(
    cfg: DiskGalaxies, drawn: DrawnDisks, chosen: np.ndarray, shapes: tuple[np.ndarray, ...], flux: np.ndarray
) -> np.ndarray:
    """Paint Sersic profiles in the middle of some galaxies, (M, C, H, W) nJy.

    On stamps half as large again: the wings of de Vaucouleurs' law are least exact at the edges.
    """
    device, margin = usable(cfg.device), cfg.stamp // 4
    side = cfg.stamp + 2 * margin
    optics = transfer(cfg.psf, cfg.bands, cfg.pixel_scale_arcsec, (side, side))
    numbers = (drawn.x[chosen] + margin, drawn.y[chosen] + margin, *shapes)
    columns = (
        torch.from_numpy(np.ascontiguousarray(v, dtype=np.float64)).to(device)[:, None] for v in numbers
    )
    x, y, r_e, n, q, angle = columns
    sed = torch.from_numpy(flux).to(device)[:, :, None]
    painted = draw(Sersics(x, y, r_e, n, q, angle), None, sed, optics.shape, optics).psf
    assert painted is not None
    return painted[..., margin : side - margin, margin : side - margin].cpu().numpy()
