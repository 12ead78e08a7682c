"""The galaxies of a learned sky, each alone and without noise."""

from __future__ import annotations

import numpy as np

from mockforge.errors import InputError
from mockforge.galaxies.real.cutouts import Cutout
from mockforge.galaxies.real.painted import SkyGalaxies
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.sgan.lattice.model import LatticeModel
from mockforge.sgan.paint.sky import Sky

_BLENDED = 0.3
"""Blendedness from which a galaxy counts as blended with others."""


class SkyCatalogue:
    """The galaxies of a `SkyGalaxies`; see `mockforge.galaxies.real.cutouts.CutoutCatalogue`.

    InputError where pixels of the model's sky have no owners, it lacks a band or a pixel scale, or paints
    nothing bright enough.
    """

    def __init__(self, rule: SkyGalaxies) -> None:
        sky = Sky(rule.model, seed=rule.seed)
        painted = [b.painted for b in rule.bands]
        lacking = [name for name in painted if name not in sky.bands]
        if isinstance(sky.model, LatticeModel) or lacking or not sky.pixel_scale_arcsec:
            reason = f"has no band {lacking[0]}" if lacking else "has no sources, or no pixel scale"
            raise InputError(f"model {rule.model} {reason} (it has {', '.join(sky.bands)}); use another")
        window = (0, rule.area, 0, rule.area)
        table, truth, rms = sky.sources(*window), sky.truth(*window), sky.control.noise.rms_njy
        half = rule.side / 2
        x, y = (np.asarray(table[axis], dtype=np.float64) for axis in ("x", "y"))
        least = np.pi * float(np.mean(sky.control.grid.fwhm_pix)) ** 2
        noise = np.sqrt((rms**2).sum()) / len(rms) * np.sqrt(np.maximum(truth.amodal_area, least))
        good = (np.minimum(x, y) > half) & (np.maximum(x, y) < rule.area - half)
        good &= truth.light >= rule.min_snr * noise
        if rule.leave_blended:
            good &= truth.blendedness < _BLENDED
        if rule.leave_stars:
            good &= ~np.asarray(table["star"])
        if not good.any():
            raise InputError(
                f"model {rule.model}: no object of signal to noise {rule.min_snr:g} on {rule.area} pixels"
            )
        order = np.flatnonzero(good)[np.argsort(y[good], kind="stable")]  # neighbours stay together
        channel = [sky.bands.index(name) for name in painted]
        wanted = set(order.tolist())
        light = {
            layer.row: (layer.image[channel], layer.y.start, layer.x.start)
            for layer in sky.layers(*window)
            if layer.row in wanted
        }
        self.rule, self._light = rule, [light[row] for row in order.tolist()]
        self._x, self._y, self._isophote = x[order], y[order], sky.isophote_njy()
        self.bands = tuple(b.band for b in rule.bands)
        self.photometry: tuple[str, ...] = ()
        self.pixel_scale_arcsec = float(sky.pixel_scale_arcsec)
        self.redshifts = np.full(len(order), np.nan)
        fwhm = tuple(float((sky.psf_fwhm_arcsec or ())[c]) for c in channel)
        self.psf = Psf(gaussian=Gaussian(fwhm_arcsec=fwhm))

    def cutout(self, i: int) -> Cutout:
        """Return the i-th galaxy, alone."""
        x, y, side = self._x[i], self._y[i], self.rule.side
        x0, y0 = round(x - (side - 1) / 2), round(y - (side - 1) / 2)
        light, top, left = self._light[i]
        image = np.zeros((len(light), side, side))
        rows, columns = (
            (max(first, start), min(first + size, start + side))
            for first, start, size in ((top, y0, light.shape[1]), (left, x0, light.shape[2]))
        )
        image[:, rows[0] - y0 : rows[1] - y0, columns[0] - x0 : columns[1] - x0] = light[
            :, rows[0] - top : rows[1] - top, columns[0] - left : columns[1] - left
        ]
        return Cutout(
            name=f"{self.rule.model} {self.rule.seed} ({y:.0f}, {x:.0f})",
            image=image,
            centre=(float(x - x0), float(y - y0)),
            mask=np.zeros((side, side), dtype=bool),
            body=image.mean(axis=0) > self._isophote,
        )
