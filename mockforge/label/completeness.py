"""Completeness and purity: what became of the true objects, and of the detections, by magnitude."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mockforge.label.catalogue import magnitude_of
from mockforge.units import ZEROPOINT_NJY

STEP = 0.5
"""Magnitudes in a bin, unless edges are given."""
FEWEST = 5
"""Fewest matched detections of a bin whose flux error is given: quantiles of fewer say nothing."""


@dataclass(frozen=True)
class Completeness:
    """Labels against the truth in B bins of AB magnitude (mean of the bands); shares are nan without any."""

    edges: np.ndarray
    """(B + 1,) magnitudes."""
    objects: np.ndarray
    """(B,) true objects of that true magnitude."""
    detected: np.ndarray
    """(B,) share of them that is a detection of its own."""
    blended: np.ndarray
    """(B,) share of them that is in the pixels of another's detection."""
    missed: np.ndarray
    """(B,) the rest."""
    detections: np.ndarray
    """(B,) detections of that measured magnitude."""
    pure: np.ndarray
    """(B,) share of them that is a true object; nan everywhere where the truth holds injected objects
    alone, because then a detection may be of the sky that they were painted into."""
    flux_error: np.ndarray
    """(B,) median of measured over true flux less 1, by true magnitude."""
    flux_scatter: np.ndarray
    """(B,) half of the 16th to 84th percentile of the same."""

    def rows(self) -> list[dict[str, float]]:
        """Return a dictionary for each bin with an object or a detection, in order of magnitude."""
        names = (
            "objects", "detected", "blended", "missed", "detections", "pure", "flux_error", "flux_scatter",
        )  # fmt: skip
        return [
            {"from": float(self.edges[i]), "to": float(self.edges[i + 1])}
            | {name: float(getattr(self, name)[i]) for name in names}
            for i in np.flatnonzero((self.objects > 0) | (self.detections > 0))
        ]

    def markdown(self) -> str:
        """Return the table as Markdown."""
        lines = [
            "| AB mag | objects | detected | blended | missed | detections | pure | flux error |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in self.rows():
            cells = [f"{row['from']:.1f} to {row['to']:.1f}", f"{row['objects']:.0f}"]
            cells += [_percent(row[name]) for name in ("detected", "blended", "missed")]
            cells += [f"{row['detections']:.0f}", _percent(row["pure"])]
            error = "" if np.isnan(row["flux_error"]) else f"{_percent(row['flux_error'], '+')} ± "
            cells.append(error + _percent(row["flux_scatter"]))
            lines.append(f"| {' | '.join(cells)} |")
        return "\n".join(lines)


def completeness(
    objects: Mapping[str, np.ndarray],
    catalogue: Mapping[str, np.ndarray],
    bands: Sequence[str],
    *,
    edges: np.ndarray | None = None,
    zeropoint_ab: float = ZEROPOINT_NJY,
    least: float = 0.5,
) -> Completeness:
    """Return the tables of a sample, or of a dataset, after `match`, by magnitude.

        data = mockforge.load("datasets/segmentation")
        objects, catalogue = data.table("objects"), data.table("catalogue")
        print(completeness(objects, catalogue, data.attributes["bands"]).markdown())

    Magnitudes are those of the mean flux of `bands`, true for objects and measured for detections.

    Parameters
    ----------
    objects : mapping
        Columns (N,) `inside`, `fraction`, `detected`, `blended`, `missed` and `true_flux_<band>`. Counted
        are objects whose centre is in the tile and at least `least` of whose light is there, and of a
        table that has the column `injected` those that were.
    catalogue : mapping
        Columns (M,) `true_label`, `flux_<band>` and `true_flux_<band>` of the detections.
    bands : sequence of str
        Names of the bands.
    edges : ndarray, optional
        (B + 1,) AB magnitudes; by default multiples of half a magnitude.
    zeropoint_ab : float
        AB magnitude of flux 1; 31.4 for nJy.
    least : float
        Least share of an object's light in the tile, 0 to 1.

    Returns
    -------
    Completeness
        Numbers and shares (B,) in each bin.
    """
    objects, catalogue = _columns(objects), _columns(catalogue)
    true = magnitude(objects, [f"true_flux_{b}" for b in bands], zeropoint_ab)
    measured = magnitude(catalogue, [f"flux_{b}" for b in bands], zeropoint_ab)
    injected = objects.get("injected", np.zeros(len(true), dtype=bool)).astype(bool)
    used = injected if "injected" in objects else np.ones(len(true), dtype=bool)
    if edges is None:
        edges = _edges(np.concatenate([true[used], measured]))
    chosen = {name: column[used] for name, column in objects.items()} | {"mean_mag": true[used]}
    bins = detected_by(chosen, edges, "mean_mag", least)
    purity_known = not len(injected) or not injected.all()
    pure = pure_by({**catalogue, "mean_mag": measured}, edges, "mean_mag")
    error, scatter = _flux_error(catalogue, bands, edges, zeropoint_ab)
    return Completeness(
        edges, bins["count"], bins["detected"], bins["blended"], bins["missed"], pure["count"],
        pure["pure"] if purity_known else np.full(len(edges) - 1, np.nan), error, scatter,
    )  # fmt: skip


def _columns(table: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Return a mapping, or an astropy Table, as plain arrays by name."""
    return {str(name): np.asarray(table[name]) for name in table.keys()}  # noqa: SIM118  a Table iterates rows


def detected_by(
    objects: Mapping[str, np.ndarray], edges: np.ndarray, column: str = "magnitude", least: float = 0.5
) -> dict[str, np.ndarray]:
    """Share of the objects detected, blended and missed between the `edges` of a column.

    Objects whose centre is in the tile and at least `least` of whose light is there. Returns
    `count` (B,) and (B,) shares, nan where there is none.
    """
    used = objects["inside"] & (objects["fraction"] >= least)
    place = np.digitize(objects[column][used], edges) - 1
    good = (place >= 0) & (place < len(edges) - 1)
    count = np.bincount(place[good], minlength=len(edges) - 1)
    out: dict[str, np.ndarray] = {"count": count}
    for name in ("detected", "blended", "missed"):
        number = np.bincount(place[good], weights=objects[name][used][good], minlength=len(edges) - 1)
        out[name] = np.where(count > 0, number / np.maximum(count, 1), np.nan)
    return out


def pure_by(catalogue: Mapping[str, np.ndarray], edges: np.ndarray, column: str) -> dict[str, np.ndarray]:
    """Share of the detections that are an object, between the `edges` of a measured column."""
    place = np.digitize(catalogue[column], edges) - 1
    good = (place >= 0) & (place < len(edges) - 1)
    count = np.bincount(place[good], minlength=len(edges) - 1)
    real = np.bincount(place[good], weights=catalogue["true_label"][good] > 0, minlength=len(edges) - 1)
    return {"count": count, "pure": np.where(count > 0, real / np.maximum(count, 1), np.nan)}


def magnitude(
    table: Mapping[str, np.ndarray], columns: Sequence[str], zeropoint_ab: float = ZEROPOINT_NJY
) -> np.ndarray:
    """AB magnitude of the mean of flux columns, nan where that is not positive."""
    mean = np.stack([table[name] for name in columns]).mean(axis=0, dtype=np.float64)
    return magnitude_of(mean, zeropoint_ab)


def section(
    tables: Mapping[str, Mapping[str, np.ndarray]], bands: Sequence[str], zeropoint_ab: float | None
) -> str:
    """Return what a dataset's card says of its labels.

    Empty where a recipe did not `match`, or nothing was there.

    `tables` are those of the dataset by name.
    """
    by_mag = _of(tables, bands, zeropoint_ab)
    if by_mag is None:
        return ""
    return (
        f"## Completeness and purity of the labels\n\nWhat became of the {_counted(tables)} (`objects`;"
        " centre in the tile, at least half of the light there) and how many of the detections"
        " (`catalogue`) are one, by the AB magnitude of the mean of the bands: true for objects and for the"
        " flux error (median and half of the 16th to 84th percentile of measured over true flux, less 1),"
        " measured for detections. Blended: in the pixels of another's detection.\n\n"
        f"{by_mag.markdown()}"
    )


def brief(
    tables: Mapping[str, Mapping[str, np.ndarray]], bands: Sequence[str], zeropoint_ab: float | None
) -> str:
    """Return the same in two sentences: down to where half are detected, and how pure."""
    by_mag = _of(tables, bands, zeropoint_ab)
    if by_mag is None:
        return ""
    number = int(by_mag.objects.sum())
    share = np.nansum(by_mag.detected * by_mag.objects) / max(number, 1)
    text = f"{_percent(share)} of the {number} {_counted(tables)} (`objects`) have a detection of their own"
    faint = _half(by_mag)
    if faint is not None:
        text += f", half at {faint:.1f} AB mag (mean of the bands)"
    has_purity = np.isfinite(by_mag.pure)
    if has_purity.any():
        count = by_mag.detections[has_purity].sum()
        pure = (by_mag.pure[has_purity] * by_mag.detections[has_purity]).sum() / max(count, 1)
        text += f"; {_percent(pure)} of the {count} detections (`catalogue`) are real"
    return (
        f"## Completeness and purity of the labels\n\n{text}. By magnitude:"
        " `completeness(objects, catalogue, bands)` of `mockforge.label.completeness`."
    )


def _half(found: Completeness) -> float | None:
    """Where the share detected first falls through a half, bins linearly interpolated; None where nowhere."""
    used = np.flatnonzero(found.objects > 0)
    share, middle = found.detected[used], 0.5 * (found.edges[used] + found.edges[used + 1])
    below = np.flatnonzero((share[1:] < 0.5) & (share[:-1] >= 0.5))
    if not len(below):
        return None
    i = int(below[0])
    return float(middle[i] + (share[i] - 0.5) / (share[i] - share[i + 1]) * (middle[i + 1] - middle[i]))


def _counted(tables: Mapping[str, Mapping[str, np.ndarray]]) -> str:
    return "injected objects" if "injected" in tables["objects"] else "true objects"


def _of(
    tables: Mapping[str, Mapping[str, np.ndarray]], bands: Sequence[str], zeropoint_ab: float | None
) -> Completeness | None:
    """Of a dataset's tables; None where a recipe did not `match`, or nothing was there."""
    objects, catalogue = tables.get("objects"), tables.get("catalogue")
    if objects is None or catalogue is None or zeropoint_ab is None:
        return None
    needed = {"inside", "fraction", "detected", "blended", "missed", *(f"true_flux_{b}" for b in bands)}
    measured = {"true_label", *(f"flux_{b}" for b in bands)}
    if needed - set(objects) or measured - set(catalogue) or not len(objects["inside"]):
        return None
    by_mag = completeness(objects, catalogue, bands, zeropoint_ab=zeropoint_ab)
    return by_mag if by_mag.rows() else None


def _flux_error(
    catalogue: Mapping[str, np.ndarray], bands: Sequence[str], edges: np.ndarray, zeropoint_ab: float
) -> tuple[np.ndarray, np.ndarray]:
    """Median and scatter (B,) of measured over true flux less 1 of the matched detections."""
    true = magnitude(catalogue, [f"true_flux_{b}" for b in bands], zeropoint_ab)
    measured_flux = np.mean([catalogue[f"flux_{b}"] for b in bands], axis=0, dtype=np.float64)
    ratio = measured_flux / 10 ** (-0.4 * (true - zeropoint_ab)) - 1.0
    good = (catalogue["true_label"] > 0) & np.isfinite(ratio)
    place = np.digitize(true, edges) - 1
    error, scatter = np.full((2, len(edges) - 1), np.nan)
    for i in range(len(edges) - 1):
        values = ratio[good & (place == i)]
        if len(values) >= FEWEST:
            low, error[i], high = np.percentile(values, [16, 50, 84])
            scatter[i] = 0.5 * (high - low)
    return error, scatter


def _edges(magnitudes: np.ndarray) -> np.ndarray:
    """Multiples of STEP around the finite ones."""
    good = magnitudes[np.isfinite(magnitudes)]
    if not len(good):
        return np.array([0.0, STEP])
    low, high = np.floor(good.min() / STEP), np.floor(good.max() / STEP) + 1
    return np.arange(low, high + 0.5) * STEP


def _percent(share: float, sign: str = "") -> str:
    return "" if np.isnan(share) else f"{100 * share:{sign}.0f}%"
