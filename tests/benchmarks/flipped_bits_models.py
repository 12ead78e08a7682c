"""Flip bits in a model's weights, its description and a run's checkpoint: how many are named, how many
are harmless (the numbers read are the ones written), how many are silent, how many end in a traceback.

Run:    python tests/benchmarks/flipped_bits_models.py [COUNT]
"""

import random
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch

from mockforge.errors import InputError
from mockforge.sgan.model import load_model
from mockforge.train.loop import fit
from mockforge.train.model_files import bundled_models
from tests.builders.tiny_training import SETTINGS, Line


def flipped(path: Path, read: Callable[[], object], count: int, seed: int = 1) -> Counter[str]:
    """What became of `count` flipped bits in a file that `read` reads; the file is whole afterwards."""
    whole, right, draw = path.read_bytes(), read(), random.Random(seed)
    found: Counter[str] = Counter()
    for _ in range(count):
        damaged = bytearray(whole)
        damaged[draw.randrange(len(whole))] ^= 1 << draw.randrange(8)
        path.write_bytes(damaged)
        try:
            found["harmless" if same(read(), right) else "SILENT"] += 1
        except InputError as error:
            found["named" if path.name in str(error) else "said, another file named"] += 1
        except Exception as error:
            found[f"TRACEBACK {type(error).__name__}"] += 1
    path.write_bytes(whole)
    return found


def same(one: object, other: object) -> bool:
    """Whether two states hold the same numbers."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(same(one[k], other[k]) for k in one)
    if isinstance(one, torch.Tensor) and isinstance(other, torch.Tensor):
        return torch.equal(one, other)
    return one == other


def main(count: int) -> None:
    """Print a row a file."""
    folder = Path(tempfile.mkdtemp())
    path = bundled_models()["kids-viking"]
    for end in (".json", ".safetensors"):
        (folder / f"m{end}").write_bytes(path.with_suffix(end).read_bytes())

    def model() -> dict[str, object]:
        found = load_model(folder / "m.json")
        rest = {k: v for k, v in found.to_json().items() if k != "arrays"}
        return {"arrays": {k: torch.from_numpy(v) for k, v in found.arrays().items()}, "rest": rest}

    def state() -> dict[str, object]:
        found = fit(Line(), replace(SETTINGS, steps=14), 3, folder / "run", resume=True)
        return {k: v.state_dict() for k, v in {**found.networks, "average": found.averages["line"]}.items()}

    fit(Line(), SETTINGS, 3, folder / "run")
    kept = (folder / "run/checkpoint.pt").read_bytes()

    def resumed() -> dict[str, object]:
        found = (folder / "run/checkpoint.pt").read_bytes()
        try:
            return state()
        finally:
            (folder / "run/checkpoint.pt").write_bytes(found)

    for name, read in (("m.safetensors", model), ("m.json", model), ("run/checkpoint.pt", resumed)):
        print(f"{name:20s}", dict(flipped(folder / name, read, count)))
    assert (folder / "run/checkpoint.pt").read_bytes() == kept


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 100)
