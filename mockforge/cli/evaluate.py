"""The command `evaluate`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder, range_of, words_of
from mockforge.cli.evaluate_cubes import OF_CUBES, CubeFits
from mockforge.cli.options import Device, Quiet
from mockforge.cli.program import print_lines
from mockforge.cli.reading import IMAGE, Reading
from mockforge.cli.typed import refuse, typed
from mockforge.errors import InputError
from mockforge.evaluate.networks import evaluate_network, measured_in_training
from mockforge.evaluate.sky.fields import GeneratedFrom, evaluate_fields
from mockforge.evaluate.sky.floor import Settings
from mockforge.evaluate.sky.halves import Halves
from mockforge.evaluate.sky.reference import ReferencePart
from mockforge.evaluate.sky.skies import evaluate_skies
from mockforge.progress import say

OF_FIELDS = (
    "rows", "masked_columns", "mask_peaks_above", "own_noise", "quick", "seed", "field", "other", "halves",
    "skies", *IMAGE,
)  # fmt: skip
"""Parameters of the comparison of a sky with a real field."""
OF_DATASETS = ("split", "limit", "allow_training_split", "extrapolate")
"""Parameters of the evaluation of a network on a dataset."""


QUICK = Settings(
    splits=20, bootstraps=20, morphology_objects=0, source_seeds=0, classifier_blocks=0, controls=0
)  # fmt: skip
"""What --quick measures: no shapes, no classifiers, no controls."""


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
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            metavar="NAME",
            help="A network: its name, file or folder; several skies' go into one table.",
            show_default=False,
        ),
    ] = None
    other: Annotated[
        str | None,
        typer.Option(
            "--other",
            metavar="NAME",
            help="A model of the other half of the field: does either copy its half?",
            show_default=False,
        ),
    ] = None
    halves: Annotated[
        str | None,
        typer.Option(
            metavar="Y0:Y1,Y0:Y1",
            help="Rows that --model and --other were trained on.",
            show_default=False,
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
        bool, typer.Option("--own-noise", help="A model's own noise, not the reference's local one.")
    ] = False
    card: Annotated[
        Path | None,
        typer.Option(
            "--card", metavar="DIR", help="Write the model's card with the results.", show_default=False
        ),
    ] = None
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out shapes, classifiers and controls, which take minutes."),
    ] = False
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of a dataset of pairs.")] = "test"
    allow_training_split: Annotated[
        bool,
        typer.Option("--allow-training-split", help="Measure on the training split too, without a verdict."),
    ] = False
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Pairs to evaluate at most.")] = 512
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the painted sky.")] = 1
    skies: Annotated[
        int, typer.Option(metavar="N", min=1, help="Skies of each model, by as many seeds, in one table.")
    ] = 1

    @property
    def network(self) -> str | None:
        """The one network; InputError where several were given."""
        models = self.model or []
        if len(models) > 1:
            raise InputError(
                f"--model: {', '.join(models)}: several are compared as skies, with --reference; give one"
            )
        return models[0] if models else None

    def generated(self, device: str) -> GeneratedFrom:
        """Return where the generated pixels come from."""
        other = None if self.other is None else Halves(self.other, _two_ranges(self.halves))
        return GeneratedFrom(self.network, self.dataset, self.field, self.seed, device, self.own_noise, other)

    def several(self, device: str) -> dict[str, GeneratedFrom]:
        """Return the skies of several models or seeds by their labels; empty where it is one sky."""
        models = self.model or []
        if len(models) * self.skies <= 1:
            return {}
        seeds = range(self.seed, self.seed + self.skies)
        names = {model: Path(model).stem for model in models}
        if len(set(names.values())) < len(models):
            raise InputError(f"--model: {', '.join(models)}: give networks of different names, each once")
        return {
            names[model] + (f"-seed-{seed}" if self.skies > 1 else ""): GeneratedFrom(
                model, seed=seed, device=device, own_noise=self.own_noise
            )
            for model in models
            for seed in seeds
        }


def _two_ranges(text: str | None) -> tuple[tuple[int, int], tuple[int, int]]:
    """Return the rows of `0:975,975:1950`."""
    found = [range_of("--halves", word) for word in words_of(text) or ()]
    if len(found) != 2 or found[0] is None or found[1] is None:
        raise InputError(
            f"--halves: the rows that --model and --other were trained on are needed, such as "
            f"0:975,975:1950, found {text!r}"
        )
    return found[0], found[1]


def evaluate(
    context: typer.Context,
    *,
    reference: Reference,
    subject: Subject,
    fits: CubeFits,
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
      mockforge evaluate --model kids-viking --model runs/smith --skies 3 --reference g.fits r.fits Z.fits
      mockforge evaluate --model runs/a --other runs/b --halves 0:975,975:1950 --reference g.fits r.fits
      mockforge evaluate --model runs/redshifter --dataset datasets/redshift_pairs --out report
      mockforge evaluate --model recover-hsc --dataset datasets/hst_to_hsc --out report
      mockforge evaluate --cubes datasets/ifu_disks -n 20 --out report

    Skies: counts, colours, shapes and how they go together, noise, positions, memorisation, sources one
    by one and a classifier, each beside the same measure of the real field against itself and of its
    reference against its other rows. A model of sources is told the reference's local noise and its
    mean density, and every control is requested and measured. Several models, or --skies of one, go
    into one table of the goals.
    A card is NAME.md and NAME.png; sections that were added to NAME.md by hand are kept.
    Redshifters: fluxes, half-light radii and misplaced light beside four non-neural baselines.
    Recovered images: pixels, fluxes, sizes and blends beside interpolation and deconvolution. Either
    passes only where it beats the strongest of these, on a split that it was not trained on (any
    other is refused).
    A model of single galaxies: what its training measured on galaxies left out.
    Cubes: inclination, position angle, V_max, dispersion and half-light radius as our own fit and
    GalPaK, where it is installed, recover them.
    Prints the tables; DIR gets report.json and report.html with the figures.
    """
    _check(context, reference, subject, fits, out)
    several = subject.several(device)
    if fits.cubes is not None:
        report = fits.report(subject.split, out, (lambda _: None) if quiet else say)
    elif reference.given() and several:
        report = evaluate_skies(
            reference.files(),
            several,
            reference.part(),
            out=out,
            settings=QUICK if subject.quick else None,
            told=(lambda _: None) if quiet else say,
            **reading.keywords(),
        )
    elif reference.given():
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
            subject.network,
            subject.dataset,
            out,
            split=subject.split,
            limit=subject.limit,
            device=device,
            allow_training_split=subject.allow_training_split,
        )
    elif subject.network is not None:
        report = measured_in_training(subject.network)
        if out is not None:
            report.write(out)
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


def _check(
    context: typer.Context, reference: Reference, subject: Subject, fits: CubeFits, out: Path | None
) -> None:
    """InputError where options do not go together, or with the one thing that is measured."""
    if fits.cubes is None:
        refuse(context, OF_CUBES, "for cubes that are fitted; give these with --cubes")
    elif reference.given():
        raise InputError("--cubes and --reference exclude each other: give the one to be measured")
    else:
        refuse(
            context,
            ("model", "dataset", "card", "limit", "allow_training_split", "device", *OF_FIELDS),
            "has no part in fitting --cubes; leave it out",
        )
    for folder in (out, subject.card):
        if folder is not None:
            check_folder(folder)
    if subject.card is not None and len(subject.model or ()) * subject.skies > 1:
        raise InputError("--card writes the card of one model and one sky; give one --model, without --skies")
    if subject.card is not None and (not subject.model or not reference.given()):
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
    if subject.halves is not None and subject.other is None:
        raise InputError("--halves: are those of --model and --other; give the other model too")
    if subject.other is not None and len(subject.model or ()) * subject.skies != 1:
        raise InputError("--other: is compared with one --model and one sky; give these")
    if not subject.model:
        refuse(context, ["skies"], "are those of a --model; give one")
        refuse(context, ["own_noise"], "is that of a --model, whose sky is painted here; give one")
        refuse(context, ["device"], "paints a --model's sky; what is on disk needs none")
