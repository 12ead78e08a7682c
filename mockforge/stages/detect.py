"""The `detect` stage: instance masks and a catalogue for every sample."""

from __future__ import annotations

from typing import Any

import numpy as np

from mockforge.batch import Batch, Stage
from mockforge.config import config
from mockforge.errors import MockforgeError
from mockforge.label.catalogue import joined, tile_rows, wcs_from_text, with_sky
from mockforge.label.detect import detect
from mockforge.label.rule import DetectionRule
from mockforge.rng import Stream


@config
class Detect(DetectionRule, Stage):
    """Find objects as SExtractor does: contiguous pixels above the local background.

    The defaults are the published rule, five contiguous pixels at 5 sigma above the local
    background, with SExtractor's deblending, no matched filter and no cleaning.
    Bertin & Arnouts 1996, A&AS 117, 393; Barbary 2016, JOSS 1, 58.
    """

    def reads(self) -> frozenset[str]:
        """Arrays this stage needs."""
        return frozenset({"image"})

    def writes(self) -> frozenset[str]:
        """Arrays and tables this stage gives."""
        return frozenset({"instances", "sky_rms", "catalogue"})

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"catalogue"})

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with `instances`, `sky_rms` and `catalogue`.

        Objects are found on the whole window, margin included, so that one at the tile's edge
        keeps the label it would have in the field; the catalogue holds those with at least one
        pixel in the tile. Uses `mask` and `truth` of the batch where they are there, and on a
        degraded image `image_noiseless`.
        """
        image = batch.arrays["image"]
        bands = tuple(batch.attributes.get("bands") or (f"band{i + 1}" for i in range(image.shape[1])))
        masks, truths = (
            batch.arrays.get("mask"),
            batch.arrays.get("image_noiseless", batch.arrays.get("truth")),
        )
        if truths is not None and truths.shape != image.shape:
            truths = None  # of a finer image
        scale = batch.attributes.get("pixel_scale_arcsec")
        fwhm = batch.attributes.get("psf_fwhm_arcsec")
        place = _place(batch)
        instances = np.zeros((len(batch), *image.shape[2:]), dtype=np.int32)
        rms = np.zeros(image.shape[:2], dtype=np.float32)
        tables = []
        for i in range(len(batch)):
            try:
                detection = detect(
                    image[i],
                    self,
                    bands=bands,
                    mask=None if masks is None else masks[i],
                    truth=None if truths is None else truths[i],
                    pixel_scale_arcsec=scale,
                    psf_fwhm_arcsec=fwhm,
                    zeropoint_ab=batch.attributes.get("zeropoint_ab"),
                )
            except MockforgeError as error:
                raise type(error)(f"detect: sample {int(batch.sample[i])}: {error}") from error
            instances[i], table = tile_rows(detection, batch.margin, int(batch.sample[i]))
            rms[i] = detection.sky_rms
            tables.append(place(table, i))
        return batch.with_arrays(instances=instances, sky_rms=rms).with_table("catalogue", joined(tables))


def _place(batch: Batch) -> Any:
    """Fill ra, dec and theta_sky where the batch knows where on the sky its tiles lie."""
    text, tiles = batch.attributes.get("wcs"), batch.tables.get("tile")
    if not text or tiles is None or "sky_x0" not in tiles:
        return lambda table, i: table

    wcs = wcs_from_text(str(text))
    tile_row = {int(s): k for k, s in enumerate(tiles["sample"])}

    def place(table: dict[str, np.ndarray], i: int) -> dict[str, np.ndarray]:
        k = tile_row[int(batch.sample[i])]
        return with_sky(table, wcs, float(tiles["sky_x0"][k]), float(tiles["sky_y0"][k]))

    return place
