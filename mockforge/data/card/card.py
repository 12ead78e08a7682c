"""The dataset card: README.md, for people and for dataset hubs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mockforge.data.card.describe import counts, swept
from mockforge.data.columns import meaning_of
from mockforge.data.kinds import detected, kind_of, simulated
from mockforge.data.manifest import Manifest
from mockforge.data.reader import Reader
from mockforge.files import replace_file

CARD = "README.md"
_SIZES = ((1_000, "n<1K"), (10_000, "1K<n<10K"), (100_000, "10K<n<100K"), (1_000_000, "100K<n<1M"))

MOST_WORDS = 400
"""Of a card. What does not fit is in croissant.json (columns), manifest.json (recipe, networks' cards)
and the tables themselves."""

LICENCE = (
    "mockforge claims no rights in what it makes. Where survey images were read, here or by a network used "
    "here, the survey's terms hold: name it."
)

_DETECTED = (
    "Labels come from a detection rule, not from the truth: what is fainter is sky, unresolved blends are "
    "one object, noise peaks can be objects."
)


@dataclass(frozen=True)
class CardSection:
    """A part of a card in Markdown, heading included: as it is where all fits, and in few words."""

    full: str
    brief: str


def write_card(
    folder: str | Path, manifest: Manifest, sections: Sequence[CardSection] = (), caveats: Sequence[str] = ()
) -> None:
    """Write `README.md`: what the dataset is, what it holds, how to load it, how it was made.

    Needs the shards and the joined view, not the manifest file. Markdown with the YAML front matter
    that dataset hubs read, of at most MOST_WORDS words: with every column, the recipe and the networks'
    cards where they fit, else with where those are. `sections` are further ones; `caveats`, a sentence
    of each of the recipe's stages that says what its product is not.
    """
    with Reader(folder, manifest) as reader:
        kept = list(sections)
        for detail in ("full", "brief", "names", *("names",) * len(kept)):
            text = _card(manifest, reader, kept, caveats, detail)
            if (words(text) if detail == "full" else len(text.split())) <= MOST_WORDS:
                break  # a short card is held to the strictest count, where what rules a table counts too
            if detail == "names" and kept:
                kept.pop()  # the last resort: what stages noticed is in the build's log too
    replace_file(Path(folder) / CARD, text)


def words(text: str) -> int:
    """Words of a text, those of code and front matter included; what rules a table is none."""
    return sum(not set(word) <= set("|-:") or word == "-" for word in text.split())


def _card(
    manifest: Manifest, reader: Reader, sections: Sequence[CardSection], caveats: Sequence[str], detail: str
) -> str:
    """Return the text: whole (`full`), without long lists, or without what each array is (`names`)."""
    full = detail == "full"
    extra = [section.full if full else section.brief for section in sections]
    parts = [
        _front_matter(manifest, reader),
        f"# {manifest.name}\n\n{_what(manifest, reader)}\n\n![preview](preview.png)",
        _load(manifest, reader),
        _contents(manifest, reader) if full else _brief_contents(manifest, reader, detail),
        *(section for section in extra if section),
        _made(manifest) if full else _brief_made(manifest),
        *(f"## The network {n}\n\n{_demoted(text)}" for n, text in manifest.model_cards.items() if full),
        "## Known limits\n\n" + _limits(reader, caveats),
        f"## Licence and citation\n\n{LICENCE}\n\n{_cite(manifest)}",
    ]
    return "\n\n".join(parts) + "\n"


def _front_matter(manifest: Manifest, reader: Reader) -> str:
    task = kind_of(reader.arrays, reader.attributes).hub_task
    size = next((name for limit, name in _SIZES if len(reader) < limit), "n>1M")
    lines = [
        f"pretty_name: {_quoted(manifest.name)}",
        "license: other",
        "license_name: see-licence-and-citation",
        *([f"task_categories: [{task}]"] if task else []),
        f"tags: [{', '.join(tags(reader))}]",
        f"size_categories: [{_quoted(size)}]",
    ]
    return "---\n" + "\n".join(lines) + "\n---"


def tags(reader: Reader) -> list[str]:
    """Words that the dataset can be found by; `simulation` where it holds what no telescope gives."""
    return [
        "astronomy",
        "galaxies",
        *(["simulation"] if simulated(reader.arrays) else []),
        "hdf5",
        "mockforge",
    ]


def _what(manifest: Manifest, reader: Reader) -> str:
    bands = reader.attributes.get("bands", ())
    bands = (bands,) if isinstance(bands, str) else bands
    in_bands = f" in {len(bands)} band{'s' * (len(bands) != 1)} ({', '.join(bands)})" if bands else ""
    task = kind_of(reader.arrays, reader.attributes).what.format(in_bands=in_bands)
    return (
        f"{len(reader)} {task}, made with mockforge "
        f"{manifest.versions.get('mockforge', '')} on {manifest.made}. Splits: {counts(manifest.splits)}."
    )


def _load(manifest: Manifest, reader: Reader) -> str:
    kind = kind_of(reader.arrays, reader.attributes)
    split = next(iter(manifest.splits), "train")
    code = [
        "import mockforge",
        f'train = mockforge.load("{manifest.name}", split="{split}"){kind.method}',
        kind.first,
    ]
    return (
        "## Load it\n\n```python\n" + "\n".join(code) + "\n```\n\n"
        "The first argument is this folder's path. Without it: h5py and `dataset.h5` (beside `shards/`)."
    )


def _brief_contents(manifest: Manifest, reader: Reader, detail: str) -> str:
    arrays = []
    for name in reader.arrays:
        size = "×".join(str(n) for n in reader.shapes[name])
        kind_of = " ".join(filter(None, (size, str(reader.dtypes[name]), reader.units[name])))
        meaning = meaning_of(name) if detail == "brief" else ""
        arrays.append(f"- `{name}` ({kind_of})" + f": {meaning}" * bool(meaning))
    tables = ", ".join(f"`{table}` ({rows} rows)" for table, rows in manifest.rows().items())
    columns = f"Tables: {tables}; `mockforge.load(PATH).table(NAME)` explains the columns." if tables else ""
    return "\n\n".join(p for p in ("## What it holds", "\n".join(arrays), _pixels(reader), columns) if p)


def _pixels(reader: Reader) -> str:
    about = reader.attributes
    pixel = [
        f"{_short(about[key])} {meaning}".strip() + swept(reader, key)
        for key, meaning in _PIXELS.items()
        if key in about
    ]
    return f"Pixels: {'; '.join(pixel)}. Arrays are `(band, y, x)`, y upwards." if pixel else ""


def _short(value: Any) -> str:
    """Return an attribute in four digits."""
    if isinstance(value, tuple):
        return ", ".join(_short(v) for v in value)
    return f"{value:.4g}" if isinstance(value, float) else str(value)


_PIXELS = {
    "pixel_scale_arcsec": "arcsec",
    "truth_pixel_scale_arcsec": "arcsec on the fine grid",
    "psf_fwhm_arcsec": "arcsec PSF FWHM",
    "unit": "",
    "zeropoint_ab": "AB zeropoint",
}
"""Root attribute -> what follows its value."""


def _brief_made(manifest: Manifest) -> str:
    lines = [
        "`manifest.json` holds the recipe, of which `mockforge build` makes the dataset again; `mockforge "
        "verify` checks the files against it."
    ]
    file_names = [name.removeprefix("file ").rsplit("/", 1)[-1] for name in manifest.weights]
    if file_names:
        more = f" and {len(file_names) - 4} more" if len(file_names) > 4 else ""
        lines.append(f"It reads {', '.join(f'`{name}`' for name in file_names[:4])}{more}.")
    return "## How it was made\n\n" + " ".join(lines)


def _contents(manifest: Manifest, reader: Reader) -> str:
    arrays = ["| array | shape of a sample | type | unit | what |", "|---|---|---|---|---|"]
    for name in reader.arrays:
        shape = " x ".join(str(n) for n in reader.shapes[name]) or "1"
        cells = (f"`{name}`", shape, str(reader.dtypes[name]), reader.units[name], meaning_of(name))
        arrays.append(f"| {' | '.join(cells)} |")
    splits = ["| split | samples |", "|---|---|", *(f"| {s} | {n} |" for s, n in manifest.splits.items())]
    parts = ["## What it holds", "\n".join(splits), "\n".join(arrays), _pixels(reader)]
    for table, rows in manifest.rows().items():
        columns, units = reader.table(table, slice(0))
        lines = [f"Table `{table}`, {rows} rows, a sample's by `sample`:", ""]
        lines += ["| column | type | unit | what |", "|---|---|---|---|"]
        for name, values in columns.items():
            kind_of = "text" if values.dtype.kind == "U" else str(values.dtype)
            shape = "".join(f" x {n}" for n in values.shape[1:])
            lines.append(f"| `{name}` | {kind_of}{shape} | {units[name]} | {meaning_of(name)} |")
        parts.append("\n".join(lines))
    return "\n\n".join(part for part in parts if part)


def _made(manifest: Manifest) -> str:
    lines = [
        "## How it was made",
        "`mockforge build` makes it again of this recipe:",
        f"```yaml\n{manifest.recipe.rstrip()}\n```",
        f"- recipe digest: `{manifest.recipe_digest}`"
        + "".join(f"\n- reads {name}: sha256 `{digest}`" for name, digest in manifest.weights.items()),
        "`mockforge verify` checks the files against `manifest.json`.",
    ]
    return "\n\n".join(lines)


def _limits(reader: Reader, caveats: Sequence[str]) -> str:
    lines = dict.fromkeys(
        [*caveats, *([_DETECTED] if detected(reader.arrays, reader.tables) else []), "Test on a real survey."]
    )
    return "\n".join(f"- {text}" for text in lines)


def _cite(manifest: Manifest) -> str:
    return (
        f"Cite it as: *{manifest.name}*, mockforge {manifest.versions.get('mockforge', '')}, recipe"
        f" digest {manifest.recipe_digest[:16]}."
        + (" Generated skies: Smith & Geach 2019, MNRAS 490, 4985." if manifest.model_cards else "")
    )


def _quoted(text: str) -> str:
    """Return a YAML double-quoted scalar."""
    import json

    return json.dumps(text, ensure_ascii=False)


def _demoted(card: str) -> str:
    """Return a model's card below a heading of this one: without front matter, headings two deeper."""
    body = re.sub(r"\A---\n.*?\n---\n", "", card, flags=re.DOTALL)
    return re.sub(r"(?m)^(#{1,4}) ", r"##\1 ", body.strip())
