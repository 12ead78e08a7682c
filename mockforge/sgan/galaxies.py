"""The galaxies of a painted sky, cut from its noiseless pixels."""

from __future__ import annotations

import numpy as np

from mockforge.errors import InputError
from mockforge.galaxies.real.cutouts import Cutout, mirrored
from mockforge.galaxies.real.painted import SkyGalaxies
from mockforge.label.detect import detect
from mockforge.observe.measure import stars
from mockforge.observe.psf.spec import Gaussian, Psf
from mockforge.sgan.paint.sky import Sky


class SkyCatalogue:
    """The galaxies of a `SkyGalaxies`; see `mockforge.galaxies.real.cutouts.CutoutCatalogue`.

    InputError where the model does not paint the noiseless sky, lacks a band, or paints nothing
    bright enough.
    """

    def __init__(self, rule: SkyGalaxies) -> None:
        from skimage.segmentation import expand_labels

        sky = Sky(rule.model, seed=rule.seed)
        field = sky[0 : rule.area, 0 : rule.area]
        painted = [b.painted for b in rule.bands]
        lacking = [name for name in painted if name not in field.bands]
        if field.truth is None or lacking or not field.pixel_scale_arcsec or not field.psf_fwhm_arcsec:
            reason = (
                f"has no band {lacking[0]}"
                if lacking
                else "does not paint the noiseless sky, with PSF and scale"
            )
            raise InputError(f"model {rule.model} {reason} (it has {', '.join(field.bands)}); use another")
        detection = detect(
            field.image, rule.detect, bands=field.bands, pixel_scale_arcsec=field.pixel_scale_arcsec
        )
        half, table = rule.side / 2, detection.table
        x, y = np.asarray(table["x"], dtype=np.float64), np.asarray(table["y"], dtype=np.float64)
        inside = (np.minimum(x, y) > half) & (np.maximum(x, y) < rule.area - half)
        good = inside & ~np.asarray(table["truncated"]) & (np.asarray(table["snr"]) >= rule.min_snr)
        if rule.leave_blended:
            good &= ~np.asarray(table["blended"], dtype=bool)
        if rule.leave_stars:
            good[stars(np.asarray(table["flux_radius"]), np.asarray(table["snr"]))] = False
        if not good.any():
            raise InputError(
                f"model {rule.model}: no object of signal to noise {rule.min_snr:g} on {rule.area} pixels"
            )
        order = np.flatnonzero(good)[np.argsort(y[good], kind="stable")]  # neighbours stay together
        channel = [field.bands.index(name) for name in painted]
        self.rule, self._labels = rule, np.asarray(expand_labels(detection.instances, rule.grow))
        self._truth = field.truth[channel]
        self._x, self._y, self._label = x[order], y[order], np.asarray(table["label"])[order]
        self.bands = tuple(b.band for b in rule.bands)
        self.photometry: tuple[str, ...] = ()
        self.pixel_scale_arcsec = float(field.pixel_scale_arcsec)
        self.redshifts = np.full(len(order), np.nan)
        fwhm = tuple(float(field.psf_fwhm_arcsec[c]) for c in channel)
        self.psf = Psf(gaussian=Gaussian(fwhm_arcsec=fwhm))

    def cutout(self, i: int) -> Cutout:
        """Return the i-th galaxy, alone."""
        x, y, side = self._x[i], self._y[i], self.rule.side
        x0, y0 = round(x - (side - 1) / 2), round(y - (side - 1) / 2)
        window = (slice(y0, y0 + side), slice(x0, x0 + side))
        labels, own = self._labels[window], self._labels[window] == self._label[i]
        image = np.where(own, self._truth[:, *window], 0.0).astype(np.float64)
        other = (labels > 0) & ~own
        centre = (float(x - x0), float(y - y0))
        return Cutout(
            name=f"{self.rule.model} {self.rule.seed} ({y:.0f}, {x:.0f})",
            image=mirrored(image, other, centre),
            centre=centre,
            mask=np.zeros(labels.shape, dtype=bool),
            body=own,
        )
