"""The stage `separate`: labels that no detection on noisy pixels can give, from the noiseless image."""

from __future__ import annotations

import math

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import Count, Fraction, NonNegative, Positive, config
from mockforge.errors import InputError, MockforgeError
from mockforge.field.robust import SIGMA_PER_MAD
from mockforge.label.catalogue import joined, tile_rows
from mockforge.label.detection import Detection
from mockforge.label.noiseless import SeparationRule, separate
from mockforge.rng import Stream


@config
class Separate(Stage):
    """Separate the sources of the noiseless image, down to a stated surface brightness.

    Writes `instances_truth` (N,H,W), 0 below the isophote of the mean of the bands and 1, 2, ... the
    sources from the brightest on, and the table `objects`, a row per source with a pixel in the tile;
    where an earlier stage wrote the exact `objects`, the table is `separated`. `match` then tells
    which of them were detected. Of any source that gives `truth`.

    The isophote is half of the sky's rms unless given, ten times below the published detection
    threshold. In a crowded field of known contents true fluxes were then right within 3% down to the
    field's depth. At twice that isophote those of the faintest were 7% too low and most sources two
    magnitudes fainter were lost; at half of it more sources ran together, and nothing was gained to
    that depth.
    """

    isophote_sigma: Positive = 0.5
    """Surface brightness that bounds the sources, in rms of the sky of the mean of the bands, which is
    measured on image less truth."""
    isophote_mag_arcsec2: float | None = None
    """The same in AB magnitudes per square arcsec, mean of the bands; stands in for `isophote_sigma`."""
    min_pixels: Count = 5
    """Fewest contiguous pixels (corners count) above the isophote."""
    deblend_levels: Count = 32
    """Thresholds, spaced evenly in log flux, at which a source is looked at for parts."""
    deblend_contrast: Fraction = 1e-4
    """Least share that a part has of all that is connected to it, of the sum of log(1 + flux / isophote);
    1 turns deblending off."""
    reach: NonNegative = 1.0
    """Light below the isophote counts for the true flux of the nearest source up to this many of its
    radii away; 0: the light in its pixels alone."""

    def reads(self) -> frozenset[str]:
        """Return the noiseless image, and the observed one where the isophote is in its noise."""
        return frozenset({"truth"} if self.isophote_mag_arcsec2 is not None else {"truth", "image"})

    def writes(self) -> frozenset[str]:
        """Arrays and tables this stage gives."""
        return frozenset({"instances_truth", "objects"})

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"objects", "separated"})

    def caveat(self) -> str:
        """Return what its product is not, a sentence for the dataset's card."""
        return (
            "True sources are peaks of the noiseless image above an isophote: clumps of a galaxy can be"
            " several, one in the glare of another none."
        )

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with `instances_truth` and the table.

        Sources are separated on the whole window, margin included. InputError where there is no noise
        to measure the isophote in, or no pixel scale or zeropoint to turn it into flux.
        """
        truth = batch.arrays.get("image_noiseless", batch.arrays["truth"])
        bands = tuple(batch.attributes.get("bands") or (f"band{i + 1}" for i in range(truth.shape[1])))
        zeropoint = batch.attributes.get("zeropoint_ab")
        instances = np.zeros((len(batch), *truth.shape[2:]), dtype=np.int32)
        tables = []
        for i, sample in enumerate(batch.sample.tolist()):
            try:
                isophote = self._isophote(batch, truth, i)
                rule = SeparationRule(
                    isophote, self.min_pixels, self.deblend_levels, self.deblend_contrast, self.reach
                )
                sources = separate(truth[i], bands, rule, zeropoint_ab=zeropoint, margin=batch.margin)
            except MockforgeError as error:
                raise type(error)(f"separate: sample {sample}: {error}") from error
            detection = Detection(sources.instances, np.zeros(len(bands), np.float32), sources.table, bands)
            instances[i], table = tile_rows(detection, batch.margin, sample)
            height, width = (n - 2 * batch.margin for n in truth.shape[2:])
            x, y = table["x"], table["y"]
            table["inside"] = (x > -0.5) & (x < width - 0.5) & (y > -0.5) & (y < height - 0.5)
            table["isophote_mag_arcsec2"] = np.full(len(x), self._surface_brightness(batch, isophote))
            tables.append(table)
        name = "separated" if "objects" in batch.tables else "objects"
        return batch.with_arrays(instances_truth=instances).with_table(name, joined(tables))

    def _isophote(self, batch: Batch, truth: np.ndarray, i: int) -> float:
        """Flux per pixel of sample i."""
        if self.isophote_mag_arcsec2 is not None:
            scale, zeropoint = (batch.attributes.get(k) for k in ("pixel_scale_arcsec", "zeropoint_ab"))
            if scale is None or zeropoint is None:
                raise InputError(
                    f"isophote_mag_arcsec2 {self.isophote_mag_arcsec2:g} needs the pixel scale and the"
                    f" zeropoint of the image (found {scale} arcsec, {zeropoint} mag); use isophote_sigma"
                )
            return 10 ** (-0.4 * (self.isophote_mag_arcsec2 - zeropoint)) * scale**2
        noise = (batch.arrays["image"][i] - truth[i]).mean(axis=0)
        # its mean is 0; the median is the sky's, because the sources' photon noise is in few pixels
        rms = SIGMA_PER_MAD * float(np.median(np.abs(noise)))
        if not rms > 0.0:
            raise InputError(
                f"image and truth differ by a noise of rms {rms:g}, so no isophote of {self.isophote_sigma:g}"
                " sigma can be drawn; add noise before, or set isophote_mag_arcsec2"
            )
        return self.isophote_sigma * rms

    @staticmethod
    def _surface_brightness(batch: Batch, isophote: float) -> float:
        scale, zeropoint = (batch.attributes.get(k) for k in ("pixel_scale_arcsec", "zeropoint_ab"))
        if scale is None or zeropoint is None:
            return math.nan
        return zeropoint - 2.5 * math.log10(isophote / scale**2)
