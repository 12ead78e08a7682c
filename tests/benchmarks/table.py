"""The rows of the page of figures: what is measured, beside whom, and the goal."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tests.benchmarks.measure import Measured

Case = tuple[str, str]
"""Module of `tests.benchmarks.rows` and the name of its case."""


@dataclass(frozen=True)
class Row:
    """A line of the table."""

    work: str
    """What is done."""
    ours: Case
    unit: str
    """`s`: processor seconds; otherwise what is counted, by processor second."""
    goal: float
    peers: Mapping[str, Case] = field(default_factory=dict)
    """Name -> the same work done by another."""
    scale: float = 1.0
    """Times what is measured: 1000 for milliseconds."""

    def value(self, measured: Measured) -> float:
        """What stands in the table."""
        if self.unit in ("s", "ms"):
            return self.scale * measured.cpu_s / (measured.count if self.unit == "ms" else 1)
        return measured.rate

    def better(self, one: float, other: float) -> float:
        """How many times better one is."""
        return other / one if self.unit in ("s", "ms") else one / other

    def reached(self, value: float) -> bool:
        """Whether the goal is."""
        return self.better(value, self.goal) >= 1


ROWS = {
    "scene": Row(
        "scene, 1024² × 3, noiseless",
        ("scene", "ours"),
        "s",
        2.0,
        {
            "GalSim": ("scene", "galsim"),
            "UFig, default photons": ("scene", "ufig, its default photons"),
            "UFig, 1e7 photons": ("scene", "ufig, 1e7 photons"),
        },
    ),
    "tile": Row("a live tile of a scene, 256² × 3", ("scene", "tile"), "s", 0.1),
    "first": Row("first window of a scene, empty cache", ("commands", "first window"), "s", 1.0),
    "first_kept": Row("first window of a scene", ("commands", "first window, tables kept"), "s", 1.0),
    "blends": Row(
        "`deblend`, 64² × 3, each galaxy alone",
        ("recipes", "blends"),
        "blends/s",
        60.0,
        {"BTK, LSST": ("recipes", "blends, BTK, LSST"), "BTK, HST": ("recipes", "blends, BTK, HST")},
    ),
    "plain_pairs": Row(
        "pairs, 60² × 9, one Sersic, Airy, noise",
        ("recipes", "plain pairs"),
        "pairs/s",
        1000.0,
        {"GalSim": ("recipes", "plain pairs, GalSim")},
    ),
    "pairs": Row("pairs of the default recipe, 60² × 6", ("recipes", "default pairs"), "pairs/s", 400.0),
    "label": Row(
        "`label`, 3232² × 3, whole command",
        ("commands", "label"),
        "s",
        3.0,
        {
            "sep, mean of the bands": ("commands", "label, sep"),
            "source-extractor, one band": ("commands", "label, source-extractor"),
        },
    ),
    "build": Row("`build segmentation samples=1`", ("commands", "build"), "s", 3.0),
    "joining": Row("joining shards, each", ("reading", "joining"), "ms", 10.0, scale=1000.0),
    "reading": Row(
        "random samples, five arrays",
        ("reading", "all arrays"),
        "samples/s",
        1500.0,
        {
            "h5py": ("reading", "all arrays, h5py"),
            "copy in memory": ("reading", "all arrays, memory"),
        },
    ),
    "image": Row('random samples, `arrays=["image"]`', ("reading", "image"), "samples/s", 3000.0),
    "detections": Row("`as_detection`", ("reading", "detections"), "samples/s", 600.0),
    "generate": Row(
        "`generate --size 3232`, FITS and PNG",
        ("commands", "generate"),
        "Mpix/s",
        0.0,
        {"painting alone": ("commands", "generate, painting alone")},
    ),
    "segmentation": Row("tiles of `segmentation`, 256² × 3", ("recipes", "segmentation"), "tiles/s", 0.0),
    "disks": Row("`disks`, 64² × 3", ("recipes", "disks"), "galaxies/s", 0.0),
}


def shown(row: Row, value: float | None) -> str:
    """A number with its unit, three figures."""
    if value is None:
        return ""
    text = f"{value:.3g}" if value < 1000 else f"{value:,.0f}"
    return f"{text} {row.unit}"


def times_of(ratio: float) -> str:
    """A ratio, two figures or whole."""
    return f"{ratio:,.0f}" if ratio >= 10 else f"{ratio:.2g}"


def markdown(found: Mapping[str, Mapping[str, Measured]], about: str) -> str:
    """The page: `found` has the measures of a row by `now`, `before` and the peers' names."""
    lines = [
        about,
        "",
        "| work | before | now | times | peers (ours is so many times as fast) | goal |",
        "|---|---|---|---|---|---|",
    ]
    for name, measures in found.items():
        row = ROWS[name]
        values = {key: row.value(m) for key, m in measures.items()}
        now, before = values.get("now"), values.get("before")
        times = times_of(row.better(now, before)) if now is not None and before is not None else ""
        peers = [
            f"{peer} {shown(row, value)}" + ("" if now is None else f" ({times_of(row.better(now, value))}×)")
            for peer, value in values.items()
            if peer not in ("now", "before")
        ]
        goal = shown(row, row.goal) if row.goal else ""
        if row.goal and now is not None:
            goal += ", reached" if row.reached(now) else ", not reached"
        cells = (row.work, shown(row, before), shown(row, now), times, "; ".join(peers), goal)
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"
