"""The sections of a field's evaluation, each with its pictures, in the order of the report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from mockforge.evaluate.report.report import Section
from mockforge.evaluate.sky import figures
from mockforge.evaluate.sky.classifier import classifier_section
from mockforge.evaluate.sky.counts import (
    MEAN,
    add_columns,
    completeness_limit,
    counts_section,
    shapes_section,
)
from mockforge.evaluate.sky.floor import Settings, Splits, interleaved
from mockforge.evaluate.sky.joint import joint_section
from mockforge.evaluate.sky.memory import memory_section
from mockforge.evaluate.sky.morphology import morphology_section
from mockforge.evaluate.sky.noise import noise_of, noise_section
from mockforge.evaluate.sky.sample import Sample
from mockforge.evaluate.sky.sources import sources_section
from mockforge.evaluate.sky.spatial import spatial_section
from mockforge.rng import Stream

SIDE_BY_SIDE = "Real, generated."
"""Caption of the picture that also stands on a model's card."""


@dataclass(frozen=True)
class Evaluation:
    """Two samples, the sets of blocks that are compared, and how."""

    real: Sample
    made: Sample
    more: Sample
    """A larger sample of the same sources, for what needs many bright ones."""
    splits: Splits
    limits: dict[str, float]
    """Band, and `counts.MEAN` -> completeness limit of the real sample in magnitudes."""
    settings: Settings
    stream: Stream
    told: Callable[[str], None]

    @classmethod
    def of(
        cls,
        real: Sample,
        made: Sample,
        more: Sample,
        zeropoint: float,
        settings: Settings,
        stream: Stream,
        told: Callable[[str], None],
    ) -> Evaluation:
        """Add magnitudes of this AB zeropoint to both tables, find the limits, draw the sets."""
        for sample in (real, made):
            add_columns(sample, zeropoint)
        limits = {b: completeness_limit(real.table[f"mag_{b}"]) for b in real.bands}
        limits[MEAN] = completeness_limit(real.table[MEAN])
        splits = interleaved(real, made, settings, stream.child("splits").numpy())
        return cls(real, made, more, splits, limits, settings, stream, told)

    def sections(self) -> Iterator[Section]:
        """One section after the other; `told` hears the name of each before it is worked on."""
        measures: dict[str, Callable[[], Section]] = {
            "counts": self._counts,
            "colours and sizes": self._sizes,
            "joint distributions": self._joint,
        }
        if self.settings.morphology_objects:
            measures["morphology"] = self._morphology
        measures |= {"noise": self._noise, "positions": self._positions, "memorisation": self._memory}
        if self.settings.source_seeds:
            measures["sources one by one"] = self._sources
        if self.settings.classifier_blocks:
            measures["classifier"] = self._classifier
        for name, section in measures.items():
            self.told(name)
            yield section()

    def _counts(self) -> Section:
        rng = self.stream.child("counts").numpy()
        section = counts_section(self.real, self.splits, self.limits, self.settings, rng)
        if self.settings.pictures:
            histograms = figures.magnitude_histograms(self.real, self.made, self.limits)
            section.pictures["Objects per magnitude; dotted: the completeness limit."] = histograms
        return section

    def _sizes(self) -> Section:
        return shapes_section(self.splits, self.limits, self.settings, self.stream.child("sizes").numpy())

    def _joint(self) -> Section:
        rng = self.stream.child("joint").numpy()
        return joint_section(self.real, self.splits, self.limits[MEAN], self.settings, rng)

    def _morphology(self) -> Section:
        rng = self.stream.child("morphology").numpy()
        section, shapes = morphology_section(self.real, self.made, self.settings, rng)
        if self.settings.pictures and shapes:
            section.pictures["Morphology of the bright objects."] = figures.distributions(shapes)
        return section

    def _noise(self) -> Section:
        noise = noise_of(self.real, self.made)
        section = noise_section(noise, self.splits, self.settings, self.stream.child("noise").numpy())
        if self.settings.pictures:
            section.pictures |= {
                "Pixel histogram, autocorrelation, power ratio.": figures.noise_plots(noise, self.splits),
                "Noise power in two dimensions (log): a lattice shows as dots.": figures.spectra(
                    noise, self.splits
                ),
            }
        return section

    def _positions(self) -> Section:
        rng = self.stream.child("positions").numpy()
        section, curves = spatial_section(self.real, self.made, self.splits, self.settings, rng)
        if self.settings.pictures:
            plots = figures.position_plots(self.splits, curves)
            section.pictures["Two-point correlation; positions modulo the stride."] = plots
        return section

    def _memory(self) -> Section:
        rng = self.stream.child("memory").numpy()
        section, nearest = memory_section(self.real, self.made, self.settings, rng)
        if self.settings.pictures and nearest is not None:
            caption = (
                "Above, the generated objects nearest to the training field; below, their nearest there."
            )
            section.pictures[caption] = figures.closest_pairs(self.real, self.made, nearest)
        return section

    def _sources(self) -> Section:
        section = sources_section(self.real, self.more, self.settings, self.stream.child("sources"))
        if self.settings.pictures:
            rows = figures.brightest(self.real, self.made)
            if rows:
                section.pictures["The brightest sources: above real, below generated, in one stretch."] = rows
        return section

    def _classifier(self) -> Section:
        stream = self.stream.child("classifier")
        section, scores = classifier_section(
            self.splits, self.settings, stream, lambda name: self.told(f"classifier: {name}")
        )
        if self.settings.pictures and scores is not None:
            caption = (
                "Above, generated cutouts that the classifier is most certain of; below, those that it takes "
                "to be real."
            )
            section.pictures[caption] = figures.telling_cutouts(scores, self.real)
        return section


def side_by_side(real: Sample, made: Sample, stream: Stream) -> tuple[Section, str]:
    """Pictures of both samples, and the key to the shuffled grid of sources, to be shown apart."""
    section = Section(
        "Side by side", "Real left, generated right, in one stretch: that of the real sky's rms."
    )
    least = min(min(i.shape[1:]) for i in (*real.images, *made.images))
    section.pictures[SIDE_BY_SIDE] = figures.side_by_side(real, made, min(640, least), 1)
    near = figures.side_by_side(real, made, min(240, least), 3, detections=True)
    section.pictures["Enlarged, with what was detected."] = near
    grid, key = figures.source_grid(real, made, 50, stream.child("grid").numpy())
    if key:
        caption = (
            "Real and generated sources, shuffled, in one grey scale. The key is at the end of the report."
        )
        section.pictures[caption] = grid
    return section, key
