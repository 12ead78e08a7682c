"""Which evaluation a network has on a dataset: a table, and what it is called with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from mockforge.data.kinds import kind_of as kind_of_dataset
from mockforge.data.torch.dataset import load
from mockforge.errors import InputError
from mockforge.evaluate.report.report import Report, Section
from mockforge.registry import Registry
from mockforge.train.model_files import training_notes
from mockforge.train.networks import kind_of, open_model

EVALUATIONS = Registry(
    "evaluation of a network",
    "mockforge.evaluations",
    {
        "unet": ("mockforge.evaluate.redshift.redshifter", "evaluate_redshifter"),
        "cvae": ("mockforge.evaluate.redshift.redshifter", "evaluate_redshifter"),
        "residual": ("mockforge.evaluate.recover.recover", "evaluate_recoverer"),
        "cgan": ("mockforge.evaluate.recover.recover", "evaluate_recoverer"),
    },
)
"""The word for a network -> its evaluation on a split of a dataset, a function that returns a `Report`:

    evaluate(model, dataset, *, split, limit, device, allow_training_split)
"""

WITHOUT_MODEL = {"pairs": "unet", "degraded": "residual"}
"""Kind of a dataset -> the network whose non-neural baselines are evaluated where no model is given."""


def evaluate_network(model: str | Path | None, dataset: Path, out: Path | None = None, **how: Any) -> Report:
    """Evaluate a network on a split of a dataset, or its non-neural baselines alone.

    Parameters
    ----------
    model
        A model's name, file or folder; None for the baselines that belong to the kind of dataset.
    out
        Folder for report.json and report.html.
    how
        `split`, `limit`, `device` and `allow_training_split`, as the evaluations take them.

    Raises
    ------
    InputError
        Where the network has no evaluation on a dataset, and what its evaluation raises.
    """
    if model is not None:
        kind = kind_of(model)
        if kind not in EVALUATIONS:
            raise InputError(
                f"model {model}: a network {kind!r} is not evaluated on a dataset; one that paints a sky is "
                f"compared with a real field, given with --reference"
            )
    else:
        data = load(dataset)
        dataset_kind = kind_of_dataset(data.arrays, data.attributes).name
        if dataset_kind not in WITHOUT_MODEL:
            raise InputError(
                f"{dataset}: holds neither redshift pairs nor degraded images; give a --model, or "
                "the real field with --reference"
            )
        kind = WITHOUT_MODEL[dataset_kind]
    report = EVALUATIONS.load(kind)(model, str(dataset), **how)
    if out is not None:
        report.write(out)
    return report


def measured_in_training(model: str | Path) -> Report:
    """Return what a model of single galaxies did on galaxies that were left out while it was trained.

    InputError where it is another network's, which is compared with a real field or on a dataset.
    """
    if kind_of(model) != "galaxies":
        raise InputError(
            f"model {model}: give the real field with --reference, or with --dataset redshift pairs or "
            "degraded images; `mockforge evaluate --help` shows how"
        )
    found = open_model(model)
    section = Section(
        "Galaxies left out, by folds",
        "Measured by its training recipe, on real galaxies that models of the others had not learned from; "
        "pictures and tables are on the run's page, index.html. More real galaxies: train with `folds`.",
    )
    section.rows = [{"measure": name, "found": text} for name, text in training_notes(found.training).items()]
    return Report(f"{found.name}: single galaxies", [section], {"model": found.name, "sha256": found.sha256})
