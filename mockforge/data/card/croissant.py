"""croissant.json: the dataset's card for machines (MLCommons Croissant 1.0, JSON-LD)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from mockforge.data.card.card import LICENCE, tags
from mockforge.data.card.describe import counts
from mockforge.data.columns import meaning_of
from mockforge.data.manifest import SHARDS, VIEW, Manifest
from mockforge.data.reader import Reader
from mockforge.data.rescue import manifest_property
from mockforge.data.shards import file_sha256
from mockforge.files import replace_file

CROISSANT = "croissant.json"
HDF5 = "application/x-hdf5"

CONTEXT: dict[str, Any] = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}


def write_croissant(folder: str | Path, manifest: Manifest) -> None:
    """Write `croissant.json`: every file with its sha256, every array and column as a field.

    Needs the shards and the joined view, not the manifest file. Croissant 1.0 knows no way to
    name a dataset inside an HDF5 file; `extract.column` holds its path there.
    """
    with Reader(folder, manifest) as reader:
        document = {
            "@context": CONTEXT,
            "@type": "sc:Dataset",
            "name": manifest.name,
            "description": f"{len(reader)} samples made with mockforge ({counts(manifest.splits)}).",
            "conformsTo": "http://mlcommons.org/croissant/1.0",
            "license": LICENCE,
            "url": f"./{manifest.name}",
            "version": "1.0.0",
            "datePublished": manifest.made,
            "citeAs": f"{manifest.name}, made with mockforge, recipe digest {manifest.recipe_digest[:16]}",
            "creator": {"@type": "sc:Organization", "name": "mockforge"},
            "keywords": tags(reader)[:-2],
            "distribution": _files(Path(folder), manifest),
            "additionalProperty": manifest_property(manifest),
            "recordSet": [_samples(reader), *(_table(reader, name) for name in reader.tables)],
        }
    replace_file(Path(folder) / CROISSANT, json.dumps(document, indent=1, ensure_ascii=False) + "\n")


def _files(folder: Path, manifest: Manifest) -> list[dict[str, Any]]:
    view = folder / VIEW
    files = [(VIEW, file_sha256(view), view.stat().st_size, "joined view over the shards")]
    files += [(f"{SHARDS}/{r.name}", r.sha256, r.bytes, f"{r.samples} samples") for r in manifest.shards]
    return [
        {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "description": description,
            "contentUrl": name,
            "contentSize": f"{size} B",
            "encodingFormat": HDF5,
            "sha256": digest,
        }
        for name, digest, size, description in files
    ]


def _samples(reader: Reader) -> dict[str, Any]:
    fields = [
        _field("samples", "sample", "sample", np.dtype("i8"), (), ""),
        _field("samples", "split", "split", np.dtype("U1"), (), ""),
        *(
            _field("samples", a, a, reader.dtypes[a], reader.shapes[a], reader.units[a])
            for a in reader.arrays
        ),
    ]
    return {
        "@type": "cr:RecordSet",
        "@id": "samples",
        "name": "samples",
        "description": "One record per sample.",
        "key": {"@id": "samples/sample"},
        "field": fields,
    }


def _table(reader: Reader, table: str) -> dict[str, Any]:
    columns, units = reader.table(table, slice(0))
    fields = [_field(table, c, f"{table}/{c}", v.dtype, v.shape[1:], units[c]) for c, v in columns.items()]
    for field in fields:
        if field["name"] == "sample":
            field["references"] = {"field": {"@id": "samples/sample"}}
    return {
        "@type": "cr:RecordSet",
        "@id": table,
        "name": table,
        "description": "Rows that belong to samples, by the field sample.",
        "field": fields,
    }


def _field(
    record_set: str, name: str, path: str, dtype: np.dtype, shape: tuple[int, ...], unit: str
) -> dict[str, Any]:
    kinds = {"f": "sc:Float", "i": "sc:Integer", "u": "sc:Integer", "b": "sc:Boolean"}
    shown = f"shape {' x '.join(map(str, shape))}" if shape else ""
    parts = [meaning_of(name), shown, str(dtype) if dtype.kind in "fiu" else "", unit]
    out: dict[str, Any] = {
        "@type": "cr:Field",
        "@id": f"{record_set}/{name}",
        "name": name,
        "description": "; ".join(part for part in parts if part),
        "dataType": kinds.get(dtype.kind, "sc:Text"),
        "source": {"fileObject": {"@id": VIEW}, "extract": {"column": path}},
    }
    return out | ({"repeated": True} if shape else {})
