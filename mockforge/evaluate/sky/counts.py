"""Counts, magnitudes, colours and simple shapes: distributions of the detected objects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from mockforge.evaluate.report.report import Row, Section
from mockforge.evaluate.sky.floor import Measure, Pick, Settings, Splits, compare
from mockforge.evaluate.sky.sample import Sample

MEAN = "mag of the mean of the bands"
"""The column of it: of the pixels that objects are found and shapes are measured on."""
KS_P = "KS p (goal: at least the floor's 25%)"
MEDIAN = "median magnitude, |difference|"
FEWEST = 5
"""A distribution of fewer objects is none."""


def ks_distance(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sample Kolmogorov-Smirnov D; inf with fewer than five values on a side."""
    a, b = np.sort(a[np.isfinite(a)]), np.sort(b[np.isfinite(b)])
    if min(len(a), len(b)) < FEWEST:
        return float("inf")
    both = np.concatenate([a, b])
    below_a, below_b = np.searchsorted(a, both, side="right"), np.searchsorted(b, both, side="right")
    return float(np.abs(below_a / len(a) - below_b / len(b)).max())


def ks_probability(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sided p of the two-sample Kolmogorov-Smirnov test; 0 with fewer than five values on a side."""
    from scipy.stats import ks_2samp

    a, b = a[np.isfinite(a)], b[np.isfinite(b)]
    if min(len(a), len(b)) < FEWEST:
        return 0.0
    return float(ks_2samp(a, b, method="asymp").pvalue)  # type: ignore[union-attr]


def completeness_limit(magnitude: np.ndarray) -> float:
    """Return the magnitude at which the counts turn over: to it a sample is taken as complete.

    The mode of the histogram smoothed by a Gaussian of 0.2 mag; inf with fewer than 20 objects.
    """
    from scipy.ndimage import gaussian_filter1d

    finite = magnitude[np.isfinite(magnitude)]
    if len(finite) < 4 * FEWEST:
        return float("inf")
    edges = np.arange(finite.min() - 1.0, finite.max() + 1.05, 0.05)
    counts = gaussian_filter1d(np.histogram(finite, edges)[0].astype(float), 4.0)
    peak = int(np.argmax(counts))
    return float((edges[peak] + edges[peak + 1]) / 2)


def magnitudes(sample: Sample, zeropoint: float) -> dict[str, np.ndarray]:
    """Kron magnitude of every object per band; NaN where the flux is not positive."""
    out = {}
    for band in sample.bands:
        flux = sample.table[f"flux_{band}"].astype(np.float64)
        positive = np.where(flux > 0, flux, np.nan)
        out[band] = zeropoint - 2.5 * np.log10(positive)
    return out


def add_columns(sample: Sample, zeropoint: float) -> None:
    """Write magnitudes, of the bands and of their mean, colours and ellipticity into the sample's table."""
    mags = magnitudes(sample, zeropoint)
    mean = np.mean([sample.table[f"flux_{b}"].astype(np.float64) for b in sample.bands], axis=0)
    sample.table[MEAN] = zeropoint - 2.5 * np.log10(np.where(mean > 0, mean, np.nan))
    for band, mag in mags.items():
        sample.table[f"mag_{band}"] = mag
    for first_band, second_band in colours(sample.bands):
        sample.table[f"{first_band}-{second_band}"] = mags[first_band] - mags[second_band]
    table = sample.table
    table["ellipticity"] = 1.0 - table["b"] / np.maximum(table["a"], 1e-6)


def colours(bands: tuple[str, ...]) -> list[tuple[str, str]]:
    """Neighbouring bands."""
    return list(zip(bands[:-1], bands[1:], strict=True))


def counts_section(
    real: Sample, splits: Splits, limits: Mapping[str, float], settings: Settings, rng: np.random.Generator
) -> Section:
    """Per band: number ratio, median magnitude and KS to the completeness limit."""
    section = Section(
        "Counts and magnitudes",
        "Objects by one detection rule for real and generated pixels: mean of the bands, five contiguous "
        "pixels at 5 sigma above the local background. Magnitudes are Kron magnitudes, to the magnitude at "
        "which the real counts turn over. Number ratio is |ln(generated / real)| per unmasked area.",
    )
    for band in real.bands:
        name, limit = f"mag_{band}", limits[band]
        rows: list[tuple[str, Measure, float]] = [
            ("number ratio, |ln|", lambda a, b, n=name, m=limit: _number(a, b, n, m), 0.0),
            (MEDIAN, lambda a, b, n=name, m=limit: _median(a, b, n, m), 0.01),
            ("KS D", lambda a, b, n=name, m=limit: ks_distance(_to(a, n, m), _to(b, n, m)), 0.0),
        ]
        for title, measure, allowance in rows:
            comparison = compare(measure, splits, settings, rng)
            section.rows.append(comparison.row(title, band))
            section.verdicts.append(comparison.verdict(f"{title}, {band}", settings.margin, allowance))
        p = compare(
            lambda a, b, n=name, m=limit: ks_probability(_to(a, n, m), _to(b, n, m)), splits, settings, rng
        )
        section.rows.append(p.row(KS_P, band))
    section.rows += _densities(splits, limits)
    return section


def shapes_section(
    splits: Splits, limits: Mapping[str, float], settings: Settings, rng: np.random.Generator
) -> Section:
    """KS of colours, half-light radius and ellipticity of the detected objects."""
    bands = splits.floor[0][0].sample.bands
    section = Section(
        "Colours and sizes",
        "KS distance of the distributions: of colours, over the objects brighter than the completeness limit "
        "in both bands; of half-light radius and ellipticity, on the mean of the bands and to its limit.",
    )
    names = {f"{a}-{b}": (a, b) for a, b in colours(bands)}
    names |= {"flux_radius": (MEAN,), "ellipticity": (MEAN,)}
    for name, needed in names.items():
        comparison = compare(
            lambda a, b, n=name, use=needed: ks_distance(
                _complete(a, n, use, limits), _complete(b, n, use, limits)
            ),
            splits,
            settings,
            rng,
        )
        title = {"flux_radius": "half-light radius"}.get(name, name)
        section.rows.append(comparison.row(f"{title}, KS D"))
        section.verdicts.append(comparison.verdict(f"{title}, KS D", settings.margin))
    return section


def _to(pick: Pick, name: str, limit: float) -> np.ndarray:
    values = pick.column(name)
    return values[values < limit]


def _complete(pick: Pick, name: str, bands: tuple[str, ...], limits: Mapping[str, float]) -> np.ndarray:
    columns = [b if b == MEAN else f"mag_{b}" for b in bands]
    bright = np.all([pick.column(c) < limits[b] for c, b in zip(columns, bands, strict=True)], axis=0)
    return pick.column(name)[bright]


def area(pick: Pick) -> float:
    """Unmasked pixels."""
    return float(pick.sample.clear[pick.blocks].sum())


def _number(a: Pick, b: Pick, name: str, limit: float) -> float:
    n, m = len(_to(a, name, limit)), len(_to(b, name, limit))
    return abs(float(np.log(m / area(b) * area(a) / n))) if n and m else float("inf")


def _median(a: Pick, b: Pick, name: str, limit: float) -> float:
    mag_a, mag_b = _to(a, name, limit), _to(b, name, limit)
    return (
        abs(float(np.median(mag_a) - np.median(mag_b)))
        if min(len(mag_a), len(mag_b)) >= FEWEST
        else float("inf")
    )


def _densities(splits: Splits, limits: Mapping[str, float]) -> list[Row]:
    """Plain numbers: objects per Mpix and median magnitude of either side."""
    rows: list[Row] = []
    real, generated = splits.generated[0]
    for band in real.sample.bands:
        limit = limits[band]
        real_mags, generated_mags = (_to(p, f"mag_{band}", limit) for p in (real, generated))
        rows.append(
            {
                "measure": f"to {limit:.2f} mag, generated against real: objects per Mpix; median magnitude",
                "band": band,
                "generated": f"{1e6 * len(generated_mags) / area(generated):.0f}; {_middle(generated_mags)}",
                "real": f"{1e6 * len(real_mags) / area(real):.0f}; {_middle(real_mags)}",
            }
        )
    return rows


def _middle(values: np.ndarray) -> str:
    return f"{np.median(values):.2f}" if len(values) else "none"
