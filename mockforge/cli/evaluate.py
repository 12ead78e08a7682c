"""The command `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder, range_of, words_of
from mockforge.cli.options import Device, Quiet
from mockforge.cli.program import print_lines
from mockforge.cli.reading import IMAGE, Reading
from mockforge.cli.typed import refuse, typed
from mockforge.errors import InputError
from mockforge.evaluate.networks import evaluate_network
from mockforge.evaluate.sky.fields import GeneratedFrom, ReferencePart, evaluate_fields
from mockforge.evaluate.sky.floor import Settings
from mockforge.progress import say

OF_FIELDS = ("rows", "masked_columns", "mask_peaks_above", "own_noise", "quick", "seed", "field", *IMAGE)
"""Parameters of the comparison of a sky with a real field."""
OF_DATASETS = ("split", "limit", "allow_training_split", "extrapolate")
"""Parameters of the evaluation of a network on a dataset."""


QUICK = Settings(splits=20, bootstraps=20, morphology_objects=0, classifier_blocks=0, controls=0)
"""What --quick measures: no shapes, no classifier, no controls."""


@dataclass(frozen=True)
class Reference:
    """The real field that a sky is compared with, as it was typed."""

    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FITS", help="More files of the reference.", show_default=False),
    ] = None
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            "--reference", metavar="FITS...", help="The real field to compare with.", show_default=False
        ),
    ] = None
    rows: Annotated[
        str | None,
        typer.Option(metavar="Y0:Y1", help="Rows of the reference that were held out.", show_default=False),
    ] = None
    masked_columns: Annotated[
        str | None,
        typer.Option(metavar="X0:X1,...", help="Columns of the reference to leave out.", show_default=False),
    ] = None
    mask_peaks_above: Annotated[
        float | None,
        typer.Option(metavar="NJY", help="Leave out real objects with brighter peaks.", show_default=False),
    ] = None

    def files(self) -> list[Path]:
        """Return the files of the real field."""
        return [*(self.reference or ()), *(self.more or ())]

    def given(self) -> bool:
        """Return whether there is one."""
        return bool(self.reference or self.more)

    def part(self) -> ReferencePart:
        """Return which part of it is used."""
        columns = (range_of("--masked-columns", word) for word in words_of(self.masked_columns) or ())
        return ReferencePart(
            range_of("--rows", self.rows), [column for column in columns if column], self.mask_peaks_above
        )


@dataclass(frozen=True)
class Subject:
    """What is measured, and how thoroughly, as it was typed."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="A network: its name, file or folder.", show_default=False
        ),
    ] = None
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset", metavar="DIR", help="A dataset: of tiles, or of pairs.", show_default=False
        ),
    ] = None
    field: Annotated[
        Path | None, typer.Option("--field", metavar="FITS", help="A generated field.", show_default=False)
    ] = None
    own_noise: Annotated[
        bool, typer.Option("--own-noise", help="A model's own sky rms, not the reference's local one.")
    ] = False
    card: Annotated[
        Path | None,
        typer.Option(
            "--card", metavar="DIR", help="Write the model's card with the results.", show_default=False
        ),
    ] = None
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out shapes, classifier and controls, which take minutes."),
    ] = False
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of a dataset of pairs.")] = "test"
    allow_training_split: Annotated[
        bool,
        typer.Option("--allow-training-split", help="Measure on the training split too, without a verdict."),
    ] = False
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Pairs to evaluate at most.")] = 512
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the painted sky.")] = 1

    def generated(self, device: str) -> GeneratedFrom:
        """Return where the generated pixels come from."""
        return GeneratedFrom(self.model, self.dataset, self.field, self.seed, device, self.own_noise)


def evaluate(
    context: typer.Context,
    *,
    reference: Reference,
    subject: Subject,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write report.json and report.html.", show_default=False
        ),
    ] = None,
    reading: Reading,
    device: Device = "cpu",
    quiet: Quiet = False,
) -> None:
    """Compare generated skies and networks with the truth.

    \b
      mockforge evaluate --model kids-viking --reference g.fits r.fits Z.fits --zeropoint 0,0,30
      mockforge evaluate --dataset datasets/segmentation --reference g.fits r.fits Z.fits --out report
      mockforge evaluate --field painted.fits --reference g.fits r.fits Z.fits --rows 1950:2600
      mockforge evaluate --model runs/mine --reference g.fits r.fits Z.fits --card runs/mine
      mockforge evaluate --model runs/redshifter --dataset datasets/redshift_pairs --out report
      mockforge evaluate --model recover-hsc --dataset datasets/hst_to_hsc --out report

    Skies: counts, colours, shapes, noise, positions, memorisation and a classifier, each beside the
    same measure of the real field against itself; a model that paints the noiseless sky is observed
    with the reference's local rms, and its depth, seeing and density are requested and measured.
    A card is NAME.md and NAME.png; sections that were added to NAME.md by hand are kept.
    Redshifters: fluxes, half-light radii and misplaced light beside four non-neural baselines.
    Recovered images: pixels, fluxes, sizes and blends beside interpolation and deconvolution. Either
    passes only where it beats the strongest of these, on a split that it was not trained on (any
    other is refused). Prints the tables; DIR gets report.json and report.html with the figures.
    """
    _check(context, reference, subject, out)
    if reference.given():
        report = evaluate_fields(
            reference.files(),
            subject.generated(device),
            reference.part(),
            out=out,
            card=subject.card,
            settings=QUICK if subject.quick else None,
            told=(lambda _: None) if quiet else say,
            **reading.keywords(),
        )
    elif subject.dataset is not None:
        report = evaluate_network(
            subject.model,
            subject.dataset,
            out,
            split=subject.split,
            limit=subject.limit,
            device=device,
            allow_training_split=subject.allow_training_split,
        )
    else:
        raise InputError(
            "give the real field with --reference, or with --dataset redshift pairs or degraded images; "
            "`mockforge evaluate --help` shows how"
        )
    print_lines(report.lines())
    if out is not None:
        print_lines(out / name for name in ("report.html", "report.json"))
    if subject.card is not None:
        print(subject.card)


def _check(context: typer.Context, reference: Reference, subject: Subject, out: Path | None) -> None:
    """InputError where options do not go together, or with the one thing that is measured."""
    for folder in (out, subject.card):
        if folder is not None:
            check_folder(folder)
    if subject.card is not None and (subject.model is None or not reference.given()):
        raise InputError("--card writes the card of a --model compared with a --reference; give both")
    if reference.more and not reference.reference:
        raise InputError(f"{reference.more[0]}: put --reference before the files of the real field")
    if not reference.given():
        if subject.dataset is not None:
            refuse(context, OF_FIELDS, "for skies compared with a real field; give that with --reference")
        return
    refuse(context, OF_DATASETS, "for datasets of pairs or of degraded images, without --reference")
    sources = typed(context, ["model", "dataset", "field"])
    if len(sources) > 1:
        raise InputError(f"{' and '.join(sources)} exclude each other: give the one to be measured")
    if subject.model is None:
        refuse(context, ["own_noise"], "is that of a --model, whose sky is painted here; give one")
        refuse(context, ["device"], "paints a --model's sky; what is on disk needs none")
