"""The dataset card: README.md, for people and for dataset hubs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from mockforge.data.columns import meaning_of
from mockforge.data.describe import KNOWN, counts, plain
from mockforge.data.manifest import Manifest, write_text
from mockforge.data.reader import Reader

CARD = "README.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

LICENCE = (
    "mockforge is BSD-3-Clause and claims no rights in what it makes. Where the recipe reads a survey's "
    "images, or uses a network that was trained on them, that survey's terms hold for this dataset too: name "
    "the survey when you publish."
)

_LIMITS = {
    "detect": "Labels come from a detection rule, not from the truth: objects fainter than its threshold are "
    "sky in `instances`, blends it cannot separate are one object, a peak of the noise can be an object.",
    "separate": "True objects are peaks of the noiseless image above an isophote: clumps of a large galaxy "
    "can be several, one in the glare of another can be none, and what is fainter is sky.",
    "sgan": "The sky was painted by a network that learned one survey: its objects are samples of what it "
    "learned, there is no large-scale structure, rare objects (large, very bright) are coarse or missing.",
    "inject": "Injected objects are those of deep Hubble fields in size, shape and colour, in numbers and "
    "magnitudes as asked: they do not cluster, and the bands have the colours of the curves that stand for "
    "them. What was there before has the truth that its own stage gives.",
    "sersic_sed": "Galaxies are Sersic profiles, with knots where asked, and spectra of stars without "
    "emission lines: no bars, arms or dust lanes, and each parameter is drawn by itself, not as a survey "
    "has them together.",
    "redshift_images": "Galaxies are those of the images, with their selection, their neighbours' light and "
    "some of their noise: the target shows only what the input was deep and sharp enough to show.",
    "observe": "Noise is that of a calibrated image without flaws: one PSF and one depth over a tile, no "
    "neighbours, cosmic rays or residual sky.",
    "scene": "Galaxies are bulge, disk and knots drawn from one fitted population: no bars, arms, dust lanes "
    "or tails, light ends 256 pixels from a centre, clustering is that of one power law in clumps of one "
    "redshift each (with `clustering: null`, close pairs share a redshift by chance alone), and stars have "
    "no spikes or saturation.",
    "stamps": "Galaxies are single Sersic profiles with one spectrum each, at most two to a stamp: no bars, "
    "arms, clumps, dust lanes or colour gradients, and no faint galaxies in the background.",
    "degrade": "The coarse images have the survey's PSF, depth and noise as its preset gives them, the same "
    "everywhere: no gaps, artefacts, saturation or error of the background.",
    "image": "Tiles are cut from real images: artefacts that are not masked there are here too.",
}
"""Stage -> what its product is not."""


def write_card(folder: str | Path, manifest: Manifest, sections: Sequence[str] = ()) -> None:
    """Write `README.md`: what the dataset is, what it holds, how to load it, how it was made.

    Needs the shards and the joined view, not the manifest file. Markdown with the YAML front
    matter that dataset hubs read. `sections` are further ones in Markdown, headings included; empty
    ones are left out.
    """
    with Reader(folder, manifest) as reader:
        parts = [
            _front_matter(manifest, reader),
            f"# {manifest.name}\n\n{_what(manifest, reader)}\n\n![preview](preview.png)",
            _load(manifest, reader),
            _contents(manifest, reader),
            *(section for section in sections if section),
            _made(manifest),
        ]
        for name, text in manifest.model_cards.items():
            parts.append(f"## The network {name}\n\n{_demoted(text)}")
        parts.append("## Known limits\n\n" + _limits(manifest))
        parts.append(f"## Licence and citation\n\n{LICENCE}\n\n{_cite(manifest)}")
    write_text(Path(folder) / CARD, "\n\n".join(parts) + "\n")


def _front_matter(manifest: Manifest, reader: Reader) -> str:
    task = {
        "segmentation": "image-segmentation",
        "pairs": "image-to-image",
        "degraded": "image-to-image",
    }.get(kind(reader))
    size = next((name for limit, name in _SIZES if len(reader) < limit), "n>1M")
    lines = [
        f"pretty_name: {_quoted(manifest.name)}",
        "license: other",
        "license_name: see-licence-and-citation",
        *([f"task_categories: [{task}]"] if task else []),
        "tags: [astronomy, galaxies, simulation, hdf5, mockforge]",
        f"size_categories: [{_quoted(size)}]",
    ]
    return "---\n" + "\n".join(lines) + "\n---"


def _what(manifest: Manifest, reader: Reader) -> str:
    bands = reader.attributes.get("bands", ())
    bands = (bands,) if isinstance(bands, str) else bands
    in_bands = f" in {len(bands)} band{'s' * (len(bands) != 1)} ({', '.join(bands)})" if bands else ""
    task = {
        "segmentation": f"images of the sky{in_bands} with every detected object outlined and measured",
        "pairs": f"pairs of pictures{in_bands} of one galaxy, at redshift z_in and at z_out",
        "degraded": f"images{in_bands} as a coarser telescope sees them, with the fine ones they came from",
    }.get(kind(reader), f"samples{in_bands}")
    return (
        f"{len(reader)} {task}, made with mockforge "
        f"{manifest.versions.get('mockforge', '')} on {manifest.made}. Splits: {counts(manifest.splits)}."
    )


def _load(manifest: Manifest, reader: Reader) -> str:
    lines = {
        "segmentation": [
            "images, targets = train.collate([train[0], train[1]])   # as torchvision's Mask R-CNN takes them"
        ],
        "pairs": ["input, target, z_in, z_out = train[0]"],
    }.get(kind(reader), ["sample = train[0]                                       # a dict of tensors"])
    method = {"segmentation": ".as_detection()", "pairs": ".as_pairs()"}.get(kind(reader), "")
    split = next(iter(manifest.splits), "train")
    code = ["import mockforge", f'train = mockforge.load("{manifest.name}", split="{split}"){method}', *lines]
    return (
        "## Load it\n\n```python\n" + "\n".join(code) + "\n```\n\n"
        "The first argument is the path of this folder. Without mockforge: open `dataset.h5` with h5py "
        "(keep it beside `shards/`), or any one file of `shards/` alone."
    )


def _contents(manifest: Manifest, reader: Reader) -> str:
    arrays = ["| array | shape of a sample | type | unit | what |", "|---|---|---|---|---|"]
    for name in reader.arrays:
        shape = " x ".join(str(n) for n in reader.shapes[name]) or "1"
        cells = (f"`{name}`", shape, str(reader.dtypes[name]), reader.units[name], meaning_of(name))
        arrays.append(f"| {' | '.join(cells)} |")
    splits = ["| split | samples |", "|---|---|", *(f"| {s} | {n} |" for s, n in manifest.splits.items())]
    pixel = [f"- `{key}`: {plain(reader.attributes[key])}" for key in KNOWN if key in reader.attributes]
    parts = ["## What it holds", "\n".join(splits), "\n".join(arrays), "\n".join(pixel)]
    parts.append(
        "Images are channel-first `(band, y, x)`; pixel centres are integers, x to the right, y upwards. "
        "`split` and `sample` give the split and the number of every sample."
    )
    for table, rows in manifest.rows().items():
        columns, units = reader.table(table)
        lines = [f"Table `{table}`, {rows} rows; its column `sample` says whose row it is:", ""]
        lines += ["| column | type | unit | what |", "|---|---|---|---|"]
        for name, values in columns.items():
            kind_of = "text" if values.dtype.kind == "U" else str(values.dtype)
            shape = "".join(f" x {n}" for n in values.shape[1:])
            lines.append(f"| `{name}` | {kind_of}{shape} | {units[name]} | {meaning_of(name)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def _made(manifest: Manifest) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in manifest.versions.items())
    lines = [
        "## How it was made",
        "Save this recipe as `recipe.yaml` and `mockforge build recipe.yaml` builds the dataset again:",
        f"```yaml\n{manifest.recipe.rstrip()}\n```",
        f"- recipe digest: `{manifest.recipe_digest}`\n- versions: {versions}"
        + "".join(f"\n- weights of {name}: sha256 `{digest}`" for name, digest in manifest.weights.items()),
        "`manifest.json` holds the sha256 of every shard; `mockforge verify` checks them.",
    ]
    return "\n\n".join(lines)


def _limits(manifest: Manifest) -> str:
    used = [
        text for stage, text in _LIMITS.items() if re.search(rf"(?m)^\s*-?\s*{stage}\s*:", manifest.recipe)
    ]
    return "\n".join(
        f"- {text}" for text in [*used, "Simulated or selected data are not a survey: test on one."]
    )


def _cite(manifest: Manifest) -> str:
    return (
        f"Cite it as: *{manifest.name}*, made with mockforge {manifest.versions.get('mockforge', '')}, "
        f"recipe digest {manifest.recipe_digest[:16]}."
        + (" Generated skies: Smith & Geach 2019, MNRAS 490, 4985." if manifest.weights else "")
    )


def kind(reader: Reader) -> str:
    """`segmentation`, `pairs`, `degraded` or `other`, from what there is."""
    names = set(reader.arrays)
    if "image" in names and "truth_pixel_scale_arcsec" in reader.attributes:
        return "degraded"
    if {"image", "instances"} <= names:
        return "segmentation"
    return "pairs" if {"input", "target"} <= names else "other"


def _quoted(text: str) -> str:
    """A YAML double-quoted scalar."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _demoted(card: str) -> str:
    """A model's card below a heading of this one: without front matter, headings two deeper."""
    body = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    return re.sub(r"(?m)^(#{1,4}) ", r"##\1 ", body.strip())
