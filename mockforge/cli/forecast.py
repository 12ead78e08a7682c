"""The command `forecast`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder, words_of
from mockforge.cli.options import Quiet
from mockforge.cli.program import print_lines
from mockforge.errors import InputError
from mockforge.evaluate.forecast.blends import BlendRule
from mockforge.evaluate.forecast.forecast import Asked
from mockforge.evaluate.forecast.forecast import forecast as made
from mockforge.progress import say
from mockforge.recipe.read import load_stage


@dataclass(frozen=True)
class Rule:
    """When a detection is an unrecognised blend, as it was typed."""

    radius: Annotated[
        float, typer.Option(metavar="ARCSEC", help="Radius about a detection in which sources are counted.")
    ] = 1.0
    magnitude_difference: Annotated[
        float, typer.Option(metavar="MAG", help="Sources fainter than the brightest by more do not count.")
    ] = 2.5
    faintest: Annotated[float, typer.Option(metavar="MAG", help="Faintest source that counts.")] = 28.0

    def blend_rule(self) -> BlendRule:
        """Return it, or InputError."""
        for flag, value in (
            ("--radius", self.radius),
            ("--magnitude-difference", self.magnitude_difference),
        ):
            if not value > 0:
                raise InputError(f"{flag}: should be above 0, found {value:g}")
        if not 10 <= self.faintest <= 28.5:
            raise InputError(f"--faintest: should be between 10 and 28.5, found {self.faintest:g}")
        return BlendRule(
            radius_arcsec=self.radius,
            magnitude_difference=self.magnitude_difference,
            faintest=self.faintest,
        )


@dataclass(frozen=True)
class Sky:
    """How much sky is painted, as it was typed."""

    tiles: Annotated[int, typer.Option(metavar="N", min=2, help="Tiles of sky; errors come from them.")] = 32
    size: Annotated[
        int, typer.Option(metavar="PIXELS", min=128, max=8192, help="Side of a tile, survey pixels.")
    ] = 512
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Another sky.")] = 1


def forecast(
    *,
    to: Annotated[
        str, typer.Option("--to", metavar="SURVEY", help="A survey's name, or a file of your own.")
    ],
    bands: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES",
            help="Bands to detect in, r,i; magnitudes are of the first [nearest to i].",
            show_default=False,
        ),
    ] = None,
    rule: Rule,
    sky: Sky,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", metavar="KEY=VALUE", help="Any setting of the stage `detect`.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write report.json, report.html.", show_default=False
        ),
    ] = None,
    quiet: Quiet = False,
) -> None:
    """Forecast how many of a survey's detections are blends that nobody recognises.

    \b
      mockforge forecast --to lsst-10yr --out forecast
      mockforge forecast --to hsc-wide --tiles 64
      mockforge forecast --to euclid-wide --radius 0.5
      mockforge forecast --to lsst-10yr --bands lsst_i,lsst_r --set threshold=5

    A sky of galaxies and stars whose truth is known is painted in the survey's pixels, through its PSF, with
    its noise, and detected (3 sigma above the sky through the PSF; --set changes it). The share of
    detections with more true sources than detections about them is given by magnitude, with errors,
    beside the shares that were measured on real sky. `mockforge surveys` lists the surveys.
    """
    if out is not None:
        check_folder(out)
    asked = Asked(
        to, tuple(words_of(bands) or ()) or None, sky.tiles, sky.size, rule.blend_rule(), seed=sky.seed
    )
    if settings:
        words = ["threshold=3.0", "matched_filter=true", "detection_image=weighted"]
        keys = {word.partition("=")[0].strip() for word in settings}
        words = [word for word in words if word.partition("=")[0] not in keys]
        asked = replace(asked, detection=load_stage("detect", [*words, *settings]))
    report = made(asked, told=None if quiet else lambda line: say(line, 0))
    print_lines(report.lines())
    if out is not None:
        print_lines(report.write(out))
