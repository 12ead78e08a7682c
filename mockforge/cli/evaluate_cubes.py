"""The options of `evaluate --cubes`: fits of turning disks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.evaluate.report.report import Report

OF_CUBES = ("galaxies", "steps", "fit_seconds")
"""Parameters of fits to cubes."""


@dataclass(frozen=True)
class CubeFits:
    """Which cubes are fitted, and for how long, as it was typed."""

    cubes: Annotated[
        Path | None,
        typer.Option("--cubes", metavar="DIR", help="A dataset of cubes, fitted back.", show_default=False),
    ] = None
    galaxies: Annotated[
        int, typer.Option("--galaxies", "-n", metavar="N", min=1, help="Cubes to fit at most.")
    ] = 20
    steps: Annotated[
        int, typer.Option("--steps", metavar="N", min=100, help="Accepted steps of GalPaK's chain, at most.")
    ] = 15_000
    fit_seconds: Annotated[
        float, typer.Option("--fit-seconds", metavar="S", min=1, help="Processor time of a fit of GalPaK.")
    ] = 60.0

    def report(self, split: str, out: Path | None, told: Callable[[str], None]) -> Report:
        """Fit the cubes and write the report."""
        from mockforge.evaluate.cubes.evaluate import Effort, evaluate_cubes

        assert self.cubes is not None
        effort = Effort(self.steps, self.fit_seconds, None if out is None else out / "chains")
        report = evaluate_cubes(self.cubes, split=split, count=self.galaxies, effort=effort, told=told)
        if out is not None:
            report.write(out)
        return report
