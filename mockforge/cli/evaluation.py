"""The command `evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mockforge.cli.arguments import check_folder, names_of, numbers_of, range_of, words_of
from mockforge.cli.program import (
    Bands,
    Device,
    Extensions,
    MaskBits,
    PixelScale,
    Quiet,
    Verbose,
    Zeropoint,
    app,
    command,
    print_lines,
)
from mockforge.cli.typed import IMAGE, refuse, typed
from mockforge.errors import InputError


@app.command()
@command
def evaluate(
    context: typer.Context,
    more: Annotated[
        list[Path] | None,
        typer.Argument(metavar="FITS", help="More files of the reference.", show_default=False),
    ] = None,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", "-m", metavar="NAME", help="A network: its name, file or folder.", show_default=False
        ),
    ] = None,
    dataset: Annotated[
        Path | None,
        typer.Option(
            "--dataset", metavar="DIR", help="A dataset: of tiles, or of pairs.", show_default=False
        ),
    ] = None,
    field: Annotated[
        Path | None, typer.Option("--field", metavar="FITS", help="A generated field.", show_default=False)
    ] = None,
    reference: Annotated[
        list[Path] | None,
        typer.Option(
            "--reference", metavar="FITS...", help="The real field to compare with.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="DIR", help="Write report.json and report.html.", show_default=False
        ),
    ] = None,
    rows: Annotated[
        str | None,
        typer.Option(metavar="Y0:Y1", help="Rows of the reference that were held out.", show_default=False),
    ] = None,
    masked_columns: Annotated[
        str | None,
        typer.Option(metavar="X0:X1,...", help="Columns of the reference to leave out.", show_default=False),
    ] = None,
    mask_peaks_above: Annotated[
        float | None,
        typer.Option(metavar="NJY", help="Leave out real objects with brighter peaks.", show_default=False),
    ] = None,
    bands: Bands = None,
    extensions: Extensions = None,
    zeropoint: Zeropoint = None,
    pixel_scale: PixelScale = None,
    mask_bits: MaskBits = None,
    own_noise: Annotated[
        bool, typer.Option("--own-noise", help="A model's own sky rms, not the reference's local one.")
    ] = False,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card", metavar="DIR", help="Write the model's card with the results.", show_default=False
        ),
    ] = None,
    quick: Annotated[
        bool,
        typer.Option("--quick", help="Leave out shapes, classifier and controls, which take minutes."),
    ] = False,
    split: Annotated[str, typer.Option(metavar="NAME", help="Split of a dataset of pairs.")] = "test",
    allow_training_split: Annotated[
        bool,
        typer.Option("--allow-training-split", help="Measure on the training split too, without a verdict."),
    ] = False,
    limit: Annotated[int, typer.Option(metavar="N", min=1, help="Pairs to evaluate at most.")] = 512,
    seed: Annotated[int, typer.Option(metavar="N", min=0, help="Seed of the painted sky.")] = 1,
    device: Device = "cpu",
    quiet: Quiet = False,
    verbose: Verbose = False,
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
    from mockforge.progress import say

    if out is not None:
        check_folder(out)
    if card is not None:
        check_folder(card)
        if model is None or not (reference or more):
            raise InputError("--card writes the card of a --model compared with a --reference; give both")
    files = [*(reference or ()), *(more or ())]
    if more and not reference:
        raise InputError(f"{more[0]}: put --reference before the files of the real field")
    of_fields = ["rows", "masked_columns", "mask_peaks_above", "own_noise", "quick", "seed", "field", *IMAGE]
    of_datasets = ["split", "limit", "allow_training_split", "extrapolate"]
    if files:
        refuse(context, of_datasets, "for datasets of pairs or of degraded images, without --reference")
        sources = typed(context, ["model", "dataset", "field"])
        if len(sources) > 1:
            raise InputError(f"{' and '.join(sources)} exclude each other: give the one to be measured")
        if model is None:
            refuse(context, ["own_noise"], "is that of a --model, whose sky is painted here; give one")
            refuse(context, ["device"], "paints a --model's sky; what is on disk needs none")
    elif dataset is not None:
        refuse(context, of_fields, "for skies compared with a real field; give that with --reference")
    if files:
        from mockforge.evaluate.sky.fields import evaluate_fields
        from mockforge.evaluate.sky.floor import Settings

        fast = Settings(splits=20, bootstraps=20, morphology_objects=0, classifier_blocks=0, controls=0)
        report = evaluate_fields(
            files,
            model=model,
            dataset=dataset,
            field=field,
            out=out,
            card=card,
            seed=seed,
            rows=range_of("--rows", rows),
            masked_columns=[
                r for w in words_of(masked_columns) or () if (r := range_of("--masked-columns", w))
            ],
            mask_peaks_above=mask_peaks_above,
            own_noise=own_noise,
            bands=words_of(bands),
            extensions=names_of(extensions),
            zeropoint=numbers_of("--zeropoint", zeropoint),
            pixel_scale_arcsec=pixel_scale,
            mask_bits=names_of(mask_bits),
            device=device,
            settings=fast if quick else None,
            told=(lambda _: None) if quiet else say,
        )
    elif dataset is not None and field is None:
        if _recovers(model, dataset):
            from mockforge.evaluate.recover.recover import evaluate_recoverer as measure
        else:
            from mockforge.evaluate.redshift.redshifter import evaluate_redshifter as measure

        report = measure(
            model,
            str(dataset),
            out,
            split=split,
            limit=limit,
            device=device,
            allow_training_split=allow_training_split,
        )
    else:
        raise InputError(
            "give the real field with --reference, or with --dataset redshift pairs or degraded images; "
            "`mockforge evaluate --help` shows how"
        )
    print_lines(report.lines())
    if out is not None:
        print_lines(out / name for name in ("report.html", "report.json"))
    if card is not None:
        print(card)


def _recovers(model: str | None, dataset: Path) -> bool:
    """Whether this is about recovering: by the model, or without one by what the dataset holds."""
    if model is not None:
        from mockforge.train.model_files import model_path, network_kind

        return network_kind(model_path(model)) in ("residual", "cgan")
    from mockforge.data.torch.dataset import load

    return {"image", "truth", "variance"} <= set(load(dataset).arrays)
