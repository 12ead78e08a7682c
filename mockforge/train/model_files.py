"""Trained networks on disk: NAME.safetensors, NAME.json that says what it is, and a card NAME.md."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Mapping
from dataclasses import fields
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar, get_type_hints

from torch import Tensor, nn

from mockforge.errors import InputError, nearest
from mockforge.files import Stamp, from_home, replace_file, stamp
from mockforge.names import name_problem
from mockforge.torch_state import numpy_default
from mockforge.train.described import described, parse_json
from mockforge.train.first_weights import first_weights
from mockforge.train.model_file import ALWAYS, ModelFile, description_digest
from mockforge.train.weights import check_weights, most_bytes

BUNDLED = Path(__file__).parent.parent / "models"
T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)
F = TypeVar("F", bound=ModelFile)
Make = Callable[[F, dict[str, Tensor]], T]
"""What a model is made of: its description and the weights."""


def write_model(
    folder: Path, name: str, weights: Mapping[str, Tensor], found: Mapping[str, Any], card: str
) -> Path:
    """Write weights, description and card; returns the JSON's path. Each file appears whole.

    `found` is what the JSON says besides `format` and the digests. InputError where `name` is none.
    """
    from safetensors.torch import save

    problem = name_problem(name)
    if problem:
        raise InputError(f"name of the model: {problem}")
    folder.mkdir(parents=True, exist_ok=True)
    raw = save(dict(weights))
    replace_file(folder / f"{name}.safetensors", raw)
    out = folder / f"{name}.json"
    description = {"format": 1, "name": name, **_finite(found), "sha256": hashlib.sha256(raw).hexdigest()}
    description["description_sha256"] = description_digest(json.loads(json.dumps(description)))
    replace_file(out, (json.dumps(description, indent=1, allow_nan=False) + "\n").encode())
    replace_file(out.with_suffix(".md"), card.encode())
    return out


def bundled_models() -> dict[str, Path]:
    """Names of the models that come with mockforge, and their JSON files."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.json"))}


def model_path(name: str | Path) -> Path:
    """Return the JSON file of a bundled model's name, of a path to it, to its weights or to its folder.

    Raises InputError where there is none, with the nearest name.
    """
    bundled = bundled_models()
    if str(name) in bundled:
        return bundled[str(name)]
    path = from_home(name)
    try:
        folder = path.is_dir()
    except OSError as error:  # too long a name
        raise InputError(f"no model {str(name)[:60]!r}... ({error.strerror})") from error
    if folder:
        models = [p for p in sorted(path.glob("*.json")) if p.with_suffix(".safetensors").exists()]
        if len(models) == 1:
            return models[0]
        raise InputError(
            f"{path}: holds {len(models)} models (NAME.json beside NAME.safetensors), expected one"
        )
    if path.suffix in (".json", ".safetensors"):
        if path.with_suffix(".json").exists():
            return path.with_suffix(".json")
        raise InputError(f"{path.with_suffix('.json')}: no such file")
    raise InputError(
        f"no model {str(name)!r}{nearest(name, bundled)} (a bundled name, or a path to NAME.json)"
    )


def model_files(name: str | Path) -> dict[str, Path]:
    """Return the weights and the JSON of a model, by what they are called. InputError as `model_path`."""
    path = model_path(name)
    return {f"model {path.stem}": path.with_suffix(".safetensors"), f"model {path.stem}, JSON": path}


def training_notes(training: Mapping[str, Any]) -> dict[str, str]:
    """Return what cards and `mockforge info` say of a model's training: the history, in words."""
    return {
        str(key).replace("_", " "): _in_words(value)
        for key, value in training.items()
        if value not in ("", None)
    }


def _in_words(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and value >= 1e9 else str(value)


def network_kind(path: Path) -> str:
    """Return the word that says what network a model's JSON describes. InputError where it says none."""
    stamp(path)  # no pipe or device: reading one would not end
    try:
        network = parse_json(path.read_bytes()).get("network")
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: not a mockforge model ({error})") from error
    if not isinstance(network, dict) or len(network) != 1:
        raise InputError(f"{path}: not a mockforge model (network: should have one key, the network's kind)")
    return str(next(iter(network)))


@numpy_default()
def load(name: str | Path, kind: type[F], make: Make[F, T]) -> T:
    """`read_model` of a model by name or path; the last few are kept while their files do not change."""
    path = model_path(name).resolve()
    return _kept(path, (stamp(path), stamp(path.with_suffix(".safetensors"))), kind, make)


@lru_cache(maxsize=4)
def _kept(path: Path, _changed: tuple[Stamp, Stamp], kind: type[F], make: Make[F, T]) -> T:
    return read_model(path, kind, make)


def read_model(path: Path, kind: type[F], make: Make[F, T]) -> T:
    """`make(description, weights)` of the model at `path` (its JSON), whose description is a `kind`.

    Raises InputError where a file is missing, unreadable or damaged, a field of the description is
    unknown, missing or beyond its limits, the network is of another kind, or the weights are not
    those of the network or not finite.
    """
    try:
        description = _description(path, kind)
        blank_weights = description.wanted()
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise InputError(f"{path}: not a mockforge model ({error})") from error
    weights = _weights(path.with_suffix(".safetensors"), description.sha256, most_bytes(blank_weights))
    check_weights(weights, blank_weights, str(path.with_suffix(".safetensors")))
    return make(description, weights)


def _description(path: Path, kind: type[F]) -> F:
    plain = parse_json(path.read_bytes())
    network = plain.get("network")
    specs = [f.name for f in fields(get_type_hints(kind)["network"])]
    if isinstance(network, dict) and len(network) == 1 and next(iter(network)) not in specs:
        raise InputError(
            f"{path}: not a model for this: it is a {next(iter(network))[:40]}, expected {kind.what}:"
            f" {' or '.join(specs)}; `mockforge info` of it says what it does"
        )
    if plain.get("description_sha256") and plain["description_sha256"] != description_digest(plain):
        raise ValueError(
            "description_sha256: is not that of its other fields: the file was damaged or edited; export the"
            " model again, or take that line out if the edit was meant"
        )
    description = described(kind, plain)
    missing = [key for key in ALWAYS if key not in plain]
    if missing:
        raise ValueError(f"{missing[0]}: is missing")
    description.check_all()
    return description


def _weights(path: Path, digest: str, most: int) -> dict[str, Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    try:
        size = path.stat().st_size
        if size > most:
            raise InputError(f"{path}: has {size} bytes, its network's weights at most {most}")
        raw = path.read_bytes()
        actual = hashlib.sha256(raw).hexdigest()
        if actual != digest:
            raise InputError(
                f"{path}: sha256 is {actual[:12]}..., {path.with_suffix('.json').name} says "
                f"{digest[:12]}...; the weights are damaged or of another run: export them again"
            )
        return load_tensors(raw)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError, SafetensorError, RuntimeError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: not a file of weights ({str(error).splitlines()[0]})") from error


def _finite(value: Any) -> Any:
    """Return the same without NaN and infinities, which JSON does not have."""
    if isinstance(value, Mapping):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def with_weights(make: Callable[[], N], weights: Mapping[str, Tensor] | None, name: str) -> N:
    """Return the network that `make` makes with a model's weights; None: fresh ones.

    Raises InputError where they are another network's.
    """
    if weights is None:
        return make()
    with first_weights():
        network = make()
    try:
        network.load_state_dict(dict(weights))
    except RuntimeError as error:
        reason = str(error).splitlines()[-1].strip()
        raise InputError(f"model {name}: the weights do not fit its network: {reason}") from error
    return network


def weights_of(network: nn.Module) -> dict[str, Tensor]:
    """Return the state on the CPU, as it is stored."""
    return {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def count_parameters(network: nn.Module) -> int:
    """Numbers that are learned."""
    return sum(p.numel() for p in network.parameters())
