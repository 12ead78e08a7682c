"""Trained networks on disk: NAME.safetensors, NAME.json that says what it is, and a card NAME.md."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor, nn

from mockforge.errors import InputError, nearest
from mockforge.files import Stamp, stamp
from mockforge.train.first_weights import first_weights

BUNDLED = Path(__file__).parent.parent / "models"
T = TypeVar("T")
N = TypeVar("N", bound=nn.Module)
Make = Callable[[dict[str, Any], dict[str, Tensor], str], T]
"""What a model is made of: description, weights and the digest of their file."""


def write_model(
    folder: Path, name: str, weights: Mapping[str, Tensor], found: Mapping[str, Any], card: str
) -> Path:
    """Write weights, description and card; returns the JSON's path. Each file appears whole.

    `found` is what the JSON says besides `format` and the digest of the weights.
    """
    from safetensors.torch import save

    folder.mkdir(parents=True, exist_ok=True)
    raw = save(dict(weights))
    _write(folder / f"{name}.safetensors", raw)
    out = folder / f"{name}.json"
    whole = {"format": 1, "name": name, **found, "sha256": hashlib.sha256(raw).hexdigest()}
    _write(out, (json.dumps(whole, indent=1) + "\n").encode())
    _write(out.with_suffix(".md"), card.encode())
    return out


def bundled_models() -> dict[str, Path]:
    """Names of the models that come with mockforge, and their JSON files."""
    return {path.stem: path for path in sorted(BUNDLED.glob("*.json"))}


def model_path(name: str | Path) -> Path:
    """The JSON file of a bundled model's name, of a path to it, to its weights or to its folder.

    Raises InputError where there is none, with the nearest name.
    """
    known = bundled_models()
    if str(name) in known:
        return known[str(name)]
    path = Path(name).expanduser()
    if path.is_dir():
        found = [p for p in sorted(path.glob("*.json")) if p.with_suffix(".safetensors").exists()]
        if len(found) == 1:
            return found[0]
        raise InputError(f"{path}: holds {len(found)} models (NAME.json beside NAME.safetensors), wanted one")
    if path.suffix in (".json", ".safetensors"):
        if path.with_suffix(".json").exists():
            return path.with_suffix(".json")
        raise InputError(f"{path.with_suffix('.json')}: no such file")
    raise InputError(f"no model {str(name)!r}{nearest(name, known)} (a bundled name, or a path to NAME.json)")


def model_files(name: str | Path) -> dict[str, Path]:
    """The weights and the JSON of a model, by what they are called. InputError as `model_path`."""
    path = model_path(name)
    return {f"model {path.stem}": path.with_suffix(".safetensors"), f"model {path.stem}, JSON": path}


def training_notes(training: Mapping[str, Any]) -> dict[str, str]:
    """What cards and `mockforge info` say of a model's training: the history, in words."""
    return {
        str(key).replace("_", " "): _in_words(value)
        for key, value in training.items()
        if value not in ("", None)
    }


def _in_words(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) and value >= 1e9 else str(value)


def network_kind(path: Path) -> str:
    """The word that says what network a model's JSON describes, "" where it says none."""
    try:
        return next(iter(json.loads(path.read_text())["network"]), "")
    except (OSError, KeyError, TypeError, ValueError):
        return ""


def load(name: str | Path, make: Make[T]) -> T:
    """`read_model` of a model by name or path; the last few are kept while their files do not change."""
    path = model_path(name).resolve()
    return _kept(path, (stamp(path), stamp(path.with_suffix(".safetensors"))), make)


@lru_cache(maxsize=4)
def _kept(path: Path, _changed: tuple[Stamp, Stamp], make: Make[T]) -> T:
    return read_model(path, make)


def read_model(path: Path, make: Make[T]) -> T:
    """`make(description, weights, sha256)` of the model at `path` (its JSON).

    Raises InputError where a file is missing, unreadable or damaged, or `make` finds it is of
    another kind (a KeyError, TypeError or ValueError).
    """
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    try:
        found = json.loads(path.read_text())
        raw = path.with_suffix(".safetensors").read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        if digest != found["sha256"]:
            raise InputError(
                f"{path.with_suffix('.safetensors')}: sha256 is {digest[:12]}..., {path.name} says "
                f"{found['sha256'][:12]}...; the weights are damaged or of another run: export them again"
            )
        return make(found, load_tensors(raw), digest)
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        missing = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: not a mockforge model ({missing})") from error


def configured(network: Mapping[str, Any], specs: Mapping[str, type[T]], what: str) -> T:
    """The configuration of a description's `network`, one of `specs`; ValueError where it is not `what`."""
    ((kind, found),) = network.items()
    if kind not in specs:
        raise ValueError(f"it is a {kind}, wanted {what}: {' or '.join(specs)}")
    return specs[kind](**tuples(found))


def tuples(found: Mapping[str, Any]) -> dict[str, Any]:
    """Lists, as JSON has them, as the tuples of configurations."""
    return {k: tuple(v) if isinstance(v, list) else v for k, v in found.items()}


def with_weights(make: Callable[[], N], weights: Mapping[str, Tensor] | None, name: str) -> N:
    """The network that `make` makes with a model's weights; None: fresh ones.

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
    """The state on the CPU, as it is stored."""
    return {k: v.detach().cpu().contiguous() for k, v in network.state_dict().items()}


def count_parameters(network: nn.Module) -> int:
    """Numbers that are learned."""
    return sum(p.numel() for p in network.parameters())


def _write(path: Path, raw: bytes) -> None:
    part = path.with_name(path.name + ".part")
    part.write_bytes(raw)
    part.replace(path)
