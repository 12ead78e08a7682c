"""The stage `match`: what was detected, joined with what is there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mockforge.batch import Batch, Stage, Table
from mockforge.config import Fraction, Positive, config
from mockforge.errors import InputError
from mockforge.label.completeness import brief, section
from mockforge.label.matching import MatchRule, matches_of, with_truth
from mockforge.rng import Stream


@config
class Match(Stage):
    """Join the `catalogue` of `detect` with the `objects` of a source or of `separate`, both ways.

    A detection is the object that gives most of the light in its pixels, among those whose centre
    lies within `radius_arcsec` of the detection's or in its pixels, and whose light there is at
    least `least_share` of all the flux in them. Columns of that object go into the catalogue as
    `true_*`; `true_label` is 0 and the others nan for a spurious detection. `objects` says of each
    object whether it is `detected` (and as which `detected_label`), else `blended`, with at least
    `merged_share` of its light in the pixels of another's detection, or `missed`.
    """

    radius_arcsec: Positive = 0.3
    """Farthest that an object's centre may lie from the detection's, unless in its pixels."""
    least_share: Fraction = 0.3
    """Least light of the object in the detection's pixels over the flux there, noise included (mean of
    the bands)."""
    merged_share: Fraction = 0.5
    """Share of an object's light that makes it part of another's detection."""

    def reads(self) -> frozenset[str]:
        """Labels and truth."""
        return frozenset({"catalogue", "objects", "instances", "image", "truth"})

    def writes(self) -> frozenset[str]:
        """Further columns."""
        return frozenset({"catalogue", "objects"})

    def tables(self) -> frozenset[str]:
        """Return the names that are of tables."""
        return frozenset({"catalogue", "objects"})

    def card_sections(
        self, tables: Mapping[str, Table], attributes: Mapping[str, Any]
    ) -> list[tuple[str, str]]:
        """Return how complete and how pure the labels are."""
        if not {"objects", "catalogue"} <= set(tables):
            return []
        bands = attributes.get("bands", ())
        about = tables, (bands,) if isinstance(bands, str) else tuple(bands), attributes.get("zeropoint_ab")
        return [(section(*about), brief(*about))]

    def __call__(self, batch: Batch, stream: Stream) -> Batch:
        """Return the batch with both tables matched.

        InputError without a pixel scale, and where nothing says which pixels the objects have.
        """
        scale = batch.attributes.get("pixel_scale_arcsec")
        if scale is None:
            raise InputError("match: needs the pixel scale of the images, and no stage before gives it")
        catalogue, objects = batch.tables["catalogue"], batch.tables["objects"]
        rule = MatchRule(self.radius_arcsec, float(scale), self.least_share, self.merged_share)
        matches = matches_of(batch.trimmed().arrays, batch.sample, catalogue, objects, rule)
        bands = tuple(batch.attributes["bands"])
        return batch.with_table("catalogue", with_truth(catalogue, objects, matches, bands)).with_table(
            "objects",
            {
                **objects,
                "detected": matches.detected > 0,
                "detected_label": matches.detected,
                "blended": matches.merged,
                "missed": (matches.detected == 0) & ~matches.merged,
            },
        )
