"""Flip single bits in the files of a dataset: what `verify` and `load` say of it, and what a repair mends.

Run: python tests/benchmarks/flipped_bits.py [FLIPS] [FILE ...]

Of every file, FLIPS random bits (100) are flipped, one at a time. Counted are the flips that `verify`
names; those that `load` and reading every sample and table name; those that change nothing of what
is read; those that change it without a word (0 is wanted); those after whose repair every file has its
first bytes again; and errors that are no sentence (0 is wanted).
"""

from __future__ import annotations

import hashlib
import sys
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np

from mockforge.data.torch.dataset import load
from mockforge.engine.build import build, verify
from mockforge.errors import MockforgeError
from mockforge.registry import STAGES
from mockforge.rng import Stream
from tests.builders import tiny_stages

RECIPE = """\
name: flipped
seed: 5
samples: 10
shard_size: 4
splits: {train: 0.8, val: 0.2}
stages:
  - noise: {level: {uniform: [0.5, 2]}, shape: {height: 40, width: 40}}
  - bright: {threshold: 1.5}
save: {image: float32, instances: int32}
"""
FILES = ("dataset.h5", "shards/00001.h5", "manifest.json", "README.md", "croissant.json", "preview.png")


def everything(folder: Path) -> str:
    """sha256 of all that a user reads: splits, attributes, samples, tables with their units."""
    seen = hashlib.sha256()
    data = load(folder)
    seen.update(repr((data.splits, sorted(data.attributes.items()), data.arrays, data.tables)).encode())
    for sample in data:
        for name, value in sorted(sample.items()):
            seen.update(f"{name} {np.asarray(value).dtype}".encode() + np.asarray(value).tobytes())
    for name in data.tables:
        table = data.table(name)
        for column in table.colnames:
            seen.update(f"{column} {table[column].unit}".encode() + np.asarray(table[column]).tobytes())
    data.close()
    return seen.hexdigest()


def files(folder: Path) -> dict[str, bytes]:
    """Every file of the dataset."""
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def flip(folder: Path, name: str, bit: int, right: str, before: dict[str, bytes]) -> list[str]:
    """What happens when one bit is flipped; the dataset is put back afterwards."""
    raw = bytearray(before[name])
    raw[bit // 8] ^= 1 << bit % 8
    (folder / name).write_bytes(raw)
    out = []
    try:
        named = {bad.name for bad in verify(folder, quiet=1)}
        out.append("verify named" if named == {Path(name).name} else f"verify said {sorted(named)}")
    except MockforgeError as error:
        out.append("verify named" if Path(name).name in str(error) else "verify said another")
    except Exception as error:
        out.append(f"verify raised {type(error).__name__}")
    try:
        out.append("load unharmed" if everything(folder) == right else "load WRONG WITHOUT A WORD")
    except MockforgeError as error:
        out.append("load named" if Path(name).name in str(error) else "load said another")
    except Exception as error:
        out.append(f"load raised {type(error).__name__}")
    try:
        verify(folder, repair=True, workers=1, quiet=1)
        out.append("repaired" if files(folder) == before else "not repaired")
    except MockforgeError:
        out.append("repair refused")
    except Exception as error:
        out.append(f"repair raised {type(error).__name__}")
    for other, content in before.items():
        (folder / other).write_bytes(content)
    return out


def main(flips: int, names: list[str]) -> None:
    """Print one line of counts for each file."""
    STAGES.rows.update(tiny_stages.STAGES)
    with tempfile.TemporaryDirectory() as place:
        recipe = Path(place, "flipped.yaml")
        recipe.write_text(RECIPE)
        folder = build(recipe, Path(place, "flipped"), workers=1, quiet=1)
        right, before = everything(folder), files(folder)
        for name in names:
            rng = Stream(1, ("flips", name)).numpy()
            bits = rng.integers(0, 8 * len(before[name]), flips)
            counted = Counter(word for bit in bits for word in flip(folder, name, int(bit), right, before))
            print(f"{name} ({len(before[name])} bytes), {flips} flips: ", end="")
            print(", ".join(f"{word} {n}" for word, n in sorted(counted.items())), flush=True)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100, sys.argv[2:] or list(FILES))
