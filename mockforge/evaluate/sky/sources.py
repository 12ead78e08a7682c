"""Sources one by one: whether measured features tell a painted bright source from a real one.

Painted sources are added to real source-free sky, so that noise, background and faint neighbours are the
field's on both sides; what is left to tell them apart is the source. It takes seconds, and sees what a
convolutional classifier of a thousand cutouts does not.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from mockforge.errors import InputError
from mockforge.evaluate.report.report import Row, Section, Verdict
from mockforge.evaluate.sky.counts import ks_distance
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.sample import Sample, cut_stamp
from mockforge.evaluate.sky.scatter import CHANCE, FEATURE_SIGMAS, Scatter
from mockforge.observe.measure import core_fwhm
from mockforge.rng import Stream

if TYPE_CHECKING:
    from mockforge.sgan.learn.shapes.cutouts import CutoutRule, Cutouts

TITLE = "Sources one by one"
FLOOR, GENERATED, APART, HELD = "floor", "generated", "real, apart", "generated, against the reference's rows"
_FEWEST = 80
"""Sources of a kind: fewer leave too few for the folds of the floor's halves."""
_CELL = 64
"""Pixels; side of the squares whose sources go to one half of the floor, and to one fold, together."""
_FOLDS = 5
_MORE_HALVES = 2
"""Draws of the floor's halves a seed."""
_TELLING = 6
"""Features that are listed: those whose distributions differ most."""
_COMPACT_SNR, _FEWEST_COMPACT = 30.0, 10
"""Which sources say how wide the PSF is."""
_UNKNOWN_FWHM = 3.0
"""Pixels, where no source says."""


@dataclass(frozen=True)
class Bright:
    """Features (n, feature) of bright sources, and the place of each, pixels."""

    values: np.ndarray
    x: np.ndarray
    y: np.ndarray
    names: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.values)

    def at(self, index: np.ndarray) -> Bright:
        """Return some of them."""
        return Bright(self.values[index], self.x[index], self.y[index], self.names)

    def parts(self, n: int, rng: np.random.Generator) -> np.ndarray:
        """Return a part 0..n-1 of each, (n,), drawn for whole squares of the field."""
        _, cell = np.unique(np.stack([self.x, self.y]) // _CELL, axis=1, return_inverse=True)
        cell = cell.ravel()
        return rng.permutation(int(cell.max()) + 1)[cell] % n


def sources_section(real: Sample, made: Sample, settings: Settings, stream: Stream) -> Section:
    """AUC of painted against real sources, of halves of the real ones, and of the field's parts."""
    rule = rule_of(real, settings.source_snr)
    of_real = real_sources(real, rule)
    painted = painted_sources(made, real, rule, settings.source_seeds, stream.child("painted"))
    section = Section(
        TITLE,
        f"Of {len(of_real)} real and {min(map(len, painted))} painted sources without a neighbour, above "
        f"{settings.source_snr:g} sigma within 1.4 FWHM ({rule.fwhm_pix:.2f} pixels): measured features that "
        "no turn changes (light curve, asymmetry, moments, peakiness, colour structure) and a logistic "
        "regression, cross-validated. "
        + (
            "Painted sources are added, without noise and without sources too faint to be found, to real "
            "source-free sky, which has its own. "
            if made.truths
            else "The noiseless image is not known: painted sources are measured on their own sky, whose "
            "noise tells too. "
        )
        + f"Scatter is that over {settings.source_seeds} seeds: folds, patches of sky, and the floor's "
        "halves. The floor is one half of the real sources against the other; real, apart: the reference's "
        "rows against the rest; the last row asks of the reference's rows alone. A half has half the "
        "sources, and the scatter of an AUC goes as their number to the power -1/2: sigma is the floor's "
        "scatter, at least that of chance, over sqrt(2).",
    )
    if min(len(of_real) // 2, *map(len, painted)) < _FEWEST // 2:
        section.text += f"\n\nNot measured: {_FEWEST} real and {_FEWEST // 2} painted sources are needed."
        return section
    try:
        _compare(section, of_real, painted, _reference(real, of_real), stream.child("classifier"))
    except InputError as error:  # too few for the folds, as chance drew them
        section.text += f"\n\nNot measured: {error}"
    return section


def _compare(
    section: Section, real: Bright, painted: Sequence[Bright], reference: np.ndarray, stream: Stream
) -> None:
    def over_seeds(
        pair: Callable[[int, np.random.Generator], tuple[Bright, Bright]],
        name: str,
        seeds: int = len(painted),
    ) -> Scatter:
        streams = [stream.child(name, seed) for seed in range(seeds)]
        found = tuple(_auc(*pair(i, s.numpy()), s) for i, s in enumerate(streams))
        return Scatter(found, chance_sigma(len(real) // 2, len(real) // 2) if name == FLOOR else 0.0)

    def halves(_: int, rng: np.random.Generator) -> tuple[Bright, Bright]:
        first = real.parts(2, rng) == 0
        return real.at(first), real.at(~first)

    found = {
        GENERATED: over_seeds(lambda i, _: (real, painted[i]), GENERATED),
        FLOOR: over_seeds(halves, FLOOR, _MORE_HALVES * len(painted)),  # its scatter is the measure's sigma
    }
    if min(np.count_nonzero(reference), np.count_nonzero(~reference)) >= _FEWEST // 2:
        found[APART] = over_seeds(lambda *_: (real.at(reference), real.at(~reference)), APART)
        found[HELD] = over_seeds(lambda i, _: (real.at(reference), painted[i]), HELD)
    section.rows = [scatter.row(name) for name, scatter in found.items()] + telling(real, painted[0])
    most = source_limit(found[FLOOR])
    value = found[GENERATED].mean
    floor = f"{FEATURE_SIGMAS:g} sigma above the floor's {found[FLOOR].mean:.3f}"
    rule = f"{value:.3f} against at most {most:.3f}: {floor}"
    section.verdicts.append(Verdict("AUC of features", bool(value <= most), rule))


def telling(real: Bright, painted: Bright, most: int = _TELLING) -> list[Row]:
    """Return rows of the features whose distributions differ most, by their KS distance."""
    distances = [ks_distance(a, b) for a, b in zip(real.values.T, painted.values.T, strict=True)]
    rows: list[Row] = []
    for i in np.argsort(distances)[::-1][:most]:
        low, middle, high = np.percentile(real.values[:, i], [16, 50, 84])
        shift = (np.median(painted.values[:, i]) - middle) / max((high - low) / 2, 1e-12)
        rows.append(
            {"feature": real.names[i], "KS D": distances[i], "shift of the median, sigma": float(shift)}
        )
    return rows


def chance_sigma(n: int, m: int) -> float:
    """Scatter of an AUC of n and m sources that nothing tells apart (Mann & Whitney 1947)."""
    return float(np.sqrt((n + m + 1) / (12.0 * n * m)))


def source_limit(floor: Scatter) -> float:
    """Return the largest AUC within 2 sigma of the floor's, sigma for all the real sources."""
    return max(floor.mean, CHANCE) + FEATURE_SIGMAS * floor.sigma / float(np.sqrt(2.0))


def rule_of(real: Sample, least_snr: float) -> CutoutRule:
    """Return what a source must be to be compared, in the real sample's PSF and noise."""
    from mockforge.sgan.learn.shapes.cutouts import CutoutRule

    most = float("inf") if real.most_peak is None else real.most_peak
    return CutoutRule(fwhm_of(real), tuple(real.rms.tolist()), least_snr=least_snr, most_peak_njy=most)


def fwhm_of(sample: Sample) -> float:
    """FWHM in pixels of the most compact bright sources on the mean of the bands: a unit of length."""
    t = sample.table
    bright = np.flatnonzero(t["snr"] >= _COMPACT_SNR)
    compact = bright[np.argsort(t["flux_radius"][bright])][: max(_FEWEST_COMPACT, len(bright) // 10)]
    widths = []
    for row in compact:
        stamp = sample.stamp(int(row), 25).mean(axis=0)
        x, y = (12.0 + float(t[axis][row]) - round(float(t[axis][row])) for axis in "xy")
        widths.append(core_fwhm(stamp, np.array([x]), np.array([y])))
    known = [w for w in widths if np.isfinite(w)]
    return float(np.median(known)) if known else _UNKNOWN_FWHM


def real_sources(real: Sample, rule: CutoutRule) -> Bright:
    """Measure the bright, isolated sources of the sample's first image."""
    return _measured([_cut(real, 0, rule)[0]], rule)


def painted_sources(made: Sample, real: Sample, rule: CutoutRule, seeds: int, stream: Stream) -> list[Bright]:
    """Measure the bright, isolated painted sources, once a seed on other patches of real sky."""
    if not made.truths:
        return [_measured([_cut(made, p, rule)[0] for p in range(len(made.images))], rule)] * seeds
    import torch

    from mockforge.sgan.learn.shapes.cutouts import painted_cutouts, sky_patches

    light = np.concatenate([_light(made, part, rule) for part in range(len(made.images))])
    sky = sky_patches(
        real.images[0], real.masks[0], real.labels[0], rule, seeds * len(light), stream.child("sky")
    )
    out = []
    for seed in range(seeds):
        patches = sky.at(np.arange(seed * len(light), (seed + 1) * len(light)))
        stamps = torch.from_numpy(light)
        photons = stream.child("photons", seed)
        out.append(_measured([painted_cutouts(stamps, patches, rule, photons, made.gains)], rule))
    return out


def _light(made: Sample, part: int, rule: CutoutRule) -> np.ndarray:
    """Noiseless stamps (n, band, T, T) of isolated sources that may be bright enough, neighbours left out.

    Beyond the radius in which a source is alone only what it owns is kept: the real sky that it is put on
    has neighbours with wings of its own.
    """
    loose = replace(rule, least_snr=0.7 * rule.least_snr)
    _, rows = _cut(made, part, loose)
    side, t = rule.stamp_side, made.table
    line = np.arange(side) - side // 2
    near = np.hypot(line[:, None], line[None, :]) <= rule.scale.clear
    out = np.zeros((len(rows), len(made.bands), side, side), dtype=np.float32)
    for stamp, row in zip(out, rows, strict=True):
        y, x = (round(float(t[axis][row])) - side // 2 for axis in "yx")
        labels = cut_stamp(made.labels[part], y, x, side)
        kept = (labels == t["label"][row]) | (near & (labels == 0))
        stamp[:] = np.where(kept, cut_stamp(made.truths[part], y, x, side), np.float32(0))
    return out


def _cut(sample: Sample, part: int, rule: CutoutRule) -> tuple[Cutouts, np.ndarray]:
    """Cutouts of the bright, isolated sources of an image, and their rows of the table."""
    from mockforge.sgan.learn.shapes.cutouts import real_cutouts

    here = np.flatnonzero(sample.table["part"] == part)
    places = (sample.table["x"][here], sample.table["y"][here])
    found = real_cutouts(sample.images[part], sample.masks[part], sample.labels[part], places, rule)
    return found, here[found.rows]


def _measured(cutouts: Sequence[Cutouts], rule: CutoutRule) -> Bright:
    from mockforge.sgan.learn.shapes.features import feature_names, features

    values = [features(c.pixels, rule.fwhm_pix, rule.noise_njy).detach().numpy() for c in cutouts]
    x, y = (np.concatenate([getattr(c, axis) for c in cutouts]) for axis in "xy")
    names = tuple(feature_names(cutouts[0].pixels.shape[1]))
    return Bright(np.concatenate(values), x, y, names)


def _reference(real: Sample, sources: Bright) -> np.ndarray:
    """Which sources lie in the reference's rows."""
    rows = real.blocks[real.reference][:, 1]
    return (sources.y >= rows.min()) & (sources.y < rows.max() + real.side)


def _auc(one: Bright, two: Bright, stream: Stream) -> float:
    from mockforge.sgan.learn.shapes.two_sample import feature_auc

    rng = stream.child("folds").numpy()
    found = feature_auc(
        one.values, two.values, one.parts(_FOLDS, rng), two.parts(_FOLDS, rng), stream.child("networks"), 0
    )
    return found.logistic
