"""How well published fitters, and ours, recover the disks of a dataset of cubes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from mockforge.evaluate.cubes import kinms_model
from mockforge.evaluate.cubes.fits import Fitter, NoFitError
from mockforge.evaluate.cubes.galpak_fitter import galpak_fitter
from mockforge.evaluate.cubes.own import own_fitter
from mockforge.evaluate.cubes.pictures import scatter, velocity_maps
from mockforge.evaluate.cubes.recovery import (
    Recovered,
    bins,
    coverage,
    error_of,
    published_region,
    recover,
    scores,
    verdicts,
)
from mockforge.evaluate.cubes.sample import MEASURED, Sample, read_sample
from mockforge.evaluate.report.report import Report, Row, Section
from mockforge.extras import how_to, installed, need_extra

_COMPARED = 3
"""Galaxies whose cubes KinMS makes too."""


@dataclass(frozen=True)
class Effort:
    """How long fits may take."""

    steps: int = 15_000
    """Accepted steps of GalPaK's chain, at most; its own default."""
    seconds: float = 60.0
    """Of the processor, for a chain; ten times as many of the clock end a program."""
    chains: Path | None = None
    """Folder that chains are kept in, and taken from where they are of the same fit."""


def evaluate_cubes(
    dataset: Path | str,
    *,
    split: str = "test",
    count: int = 20,
    effort: Effort | None = None,
    fitters: Sequence[Fitter] | None = None,
    told: Callable[[str], None] = lambda _: None,
) -> Report:
    """Fit a sample of a dataset of cubes with every fitter that is installed.

    Parameters
    ----------
    dataset : path
        Built from a recipe with the source `ifu`.
    split : str
        Whose galaxies.
    count : int
        At most so many, the first that are alone in their cube.
    effort : Effort, optional
        How long fits may take.
    fitters : sequence of Fitter, optional
        By default GalPaK, where it is installed, and ours.
    told : function
        Gets a sentence after each galaxy.

    Returns
    -------
    Report
        Recovery in all, by S/N and size over seeing; coverage; KinMS's cubes beside ours; pictures.

    Raises
    ------
    InputError
        A dataset that holds no cubes to fit.
    """
    need_extra("report", "evaluation", "matplotlib", "jinja2")
    began = time.monotonic()
    effort = effort or Effort()
    sample = read_sample(dataset, split, count)
    missing: list[str] = []
    if fitters is None:
        fitters, missing = _installed(effort)
    able = []
    for fitter in fitters:
        why = fitter.cannot(sample)
        if why is None:
            able.append(fitter)
        else:
            missing.append(f"{fitter.name} was left out: {why}.")
    found = [recover(fitter, sample, time.monotonic, told) for fitter in able]
    report = Report("Turning disks fitted back", _sections(found, sample, missing))
    report.sections.insert(-1, _kinms(sample, effort, told))
    report.facts = {
        "dataset": sample.dataset,
        "split": sample.split,
        "galaxies": len(sample.galaxies),
        "instrument": sample.cfg.instrument,
        "seeing FWHM, arcsec": sample.psf_fwhm,
        "lines": sample.cfg.lines,
        "steps of GalPaK": effort.steps,
        "seconds": round(time.monotonic() - began, 1),
    }
    return report


def _installed(effort: Effort) -> tuple[list[Fitter], list[str]]:
    """Return the fitters at hand, and a sentence for each that is not."""
    missing = []
    fitters = [own_fitter()]
    if installed("galpak"):
        fitters.append(galpak_fitter(effort.steps, effort.seconds, effort.chains))
    else:
        missing.append(f"galpak is not installed; type: {how_to('ifu')}.")
    if not installed("dysmalpy"):
        missing.append("dysmalpy is not installed; its licence keeps it out of our extras.")
    else:
        missing.append("dysmalpy is installed, and is not driven from here yet.")
    return fitters, missing


def _sections(found: Sequence[Recovered], sample: Sample, missing: Sequence[str]) -> list[Section]:
    everyone = list(range(len(sample.galaxies)))
    overall = Section("Recovery", _explained(found, sample, missing))
    for one in found:
        row: Row = {"method": one.fitter.name, **scores(one, sample, everyone)}
        overall.rows.append(row | {"seconds a galaxy": sum(one.seconds) / max(len(one.seconds), 1)})
        overall.verdicts += verdicts(one, sample)
    by_bin = Section(
        "By S/N and size",
        "S/N is that of the brightest channel of the brightest spaxel; size the half-light radius over the"
        " seeing's radius, half of its FWHM.",
        [
            {"S/N": snr, "size": size, "method": one.fitter.name, **scores(one, sample, chosen)}
            for (snr, size), chosen in bins(sample).items()
            for one in found
        ],
    )
    covered = Section(
        "Coverage of the 68% intervals",
        "Share of the true values within the fitters' 68% intervals, of fits that converged.",
        [coverage(one, sample) for one in found],
    )
    pictures = {}
    if found:
        pictures = {
            "Mean velocity through the PSF, km/s from the galaxy's: the truth, with its clumps; each fit's "
            "parameters drawn by our model without them; and the residual, in a quarter of the range": (
                velocity_maps(found, sample)
            ),
            "Fitted against true parameters, with 68% intervals; open where the fit has not converged": (
                scatter(found, sample)
            ),
        }
    every = Section("Every galaxy", rows=[row for one in found for row in _each(one, sample)])
    return [overall, by_bin, covered, Section("Pictures", pictures=pictures), every]


def _explained(found: Sequence[Recovered], sample: Sample, missing: Sequence[str]) -> str:
    methods = "\n\n".join(f"{one.fitter.what}." for one in found)
    held = len(published_region(sample))
    return (
        "Errors are fitted over true less one, of the position angle in right angles; error is the median of"
        " their size, bias their median, of the fits that converged. Published for GalPaK where S/N is above"
        " 3 per pixel and the half-light radius above 1.5 times the seeing's radius: inclination and position"
        f" angle to 10%, V_max to 20%; {held} of the galaxies are such.\n\n{methods}\n\n{' '.join(missing)}"
    )


def _each(one: Recovered, sample: Sample) -> list[Row]:
    rows = []
    for galaxy, fit, said, seconds in zip(sample.galaxies, one.fits, one.said, one.seconds, strict=True):
        row: Row = {
            "galaxy": galaxy.number,
            "method": one.fitter.name,
            "S/N": galaxy.snr,
            "size": sample.size(galaxy),
        }
        for name in MEASURED:
            label = name.replace("_", " ")
            row[label] = galaxy.truth[name]
            row[f"{label} fitted"] = None if fit is None else galaxy.truth[name] + error_of(name, fit, galaxy)
            row[f"{label} +-"] = None if fit is None else (fit.high[name] - fit.low[name]) / 2
        rows.append(row | {"chi2": None if fit is None else fit.chi2, "seconds": seconds, "remark": said})
    return rows


def _kinms(sample: Sample, effort: Effort, told: Callable[[str], None]) -> Section:
    section = Section("KinMS's cubes beside ours", f"{kinms_model.WHAT}.")
    if not installed("kinms"):
        section.text = f"KinMS is not installed, so that its cubes are not compared; type: {how_to('ifu')}"
        return section
    for galaxy in sample.galaxies[:_COMPARED]:
        try:
            section.rows.append(kinms_model.compare(galaxy, sample, 10 * effort.seconds))
        except NoFitError as error:
            section.rows.append({"galaxy": galaxy.number, "remark": f"KinMS {error}"})
        told(f"kinms: galaxy {galaxy.number}")
    return section
