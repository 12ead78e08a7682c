"""Model: a trained SGAN as two small files, weights (safetensors) and what they mean (JSON)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import Tensor, nn

from mockforge.errors import InputError, nearest
from mockforge.field import ZEROPOINT_NJY
from mockforge.sgan.card import model_card
from mockforge.sgan.config import Forge, Smith2019
from mockforge.sgan.instrument import Instrument
from mockforge.sgan.networks import count_parameters, make_generator
from mockforge.sgan.painter import Painter, Scaling

BUNDLED = Path(__file__).parent.parent / "models"
_SPECS = {"forge": Forge, "smith2019": Smith2019}


@dataclass(frozen=True)
class Model:
    """A SGAN's configuration, scaling, bands and weights."""

    name: str
    network: Forge | Smith2019
    bands: tuple[str, ...]
    instrument: Instrument
    scaling: Scaling = field(default_factory=Scaling)
    pixel_scale_arcsec: float | None = None
    psf_fwhm_arcsec: tuple[float, ...] | None = None
    training: Mapping[str, Any] = field(default_factory=dict)
    weights: Mapping[str, Tensor] = field(default_factory=dict)
    sha256: str = ""
    """Digest of the weights file."""

    @property
    def clean(self) -> bool:
        """Whether the network paints the noiseless sky, so that its samples have a truth."""
        return isinstance(self.network, Forge)

    def painter(self) -> Painter:
        """The network with these weights (fresh ones where there are none), on the CPU."""
        generator = make_generator(self.network, len(self.bands))
        if self.weights:
            try:
                generator.load_state_dict(dict(self.weights))
            except RuntimeError as error:
                reason = str(error).splitlines()[-1].strip()
                raise InputError(
                    f"model {self.name}: the weights do not fit its network: {reason}"
                ) from error
        return Painter(generator, self.scaling, self.instrument)

    def trained(self, generator: nn.Module, history: Mapping[str, Any]) -> Model:
        """This model with the weights of `generator` and a record of how they came about."""
        weights = {k: v.detach().cpu().contiguous() for k, v in generator.state_dict().items()}
        return replace(self, weights=weights, training={**self.training, **history})

    def save(self, folder: Path) -> Path:
        """Write `NAME.safetensors`, `NAME.json` and the card `NAME.md`; returns the JSON's path."""
        from safetensors.torch import save

        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.name}.safetensors"
        part = path.with_name(path.name + ".part")
        part.write_bytes(save(dict(self.weights)))
        part.replace(path)
        kind = "forge" if self.clean else "smith2019"
        found = {
            "format": 1,
            "name": self.name,
            "network": {kind: asdict(self.network)},
            "bands": list(self.bands),
            "unit": "nJy",
            "zeropoint_ab": ZEROPOINT_NJY,
            "pixel_scale_arcsec": self.pixel_scale_arcsec,
            "psf_fwhm_arcsec": self.psf_fwhm_arcsec,
            "scaling": asdict(self.scaling),
            "instrument": self.instrument.to_json(),
            "training": dict(self.training),
            "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
        out = folder / f"{self.name}.json"
        part = out.with_name(out.name + ".part")
        part.write_text(json.dumps(found, indent=1) + "\n")
        part.replace(out)
        out.with_suffix(".md").write_text(model_card(self))
        return out

    def describe(self) -> dict[str, str]:
        """What `mockforge info` prints of a model."""
        n = count_parameters(make_generator(self.network, len(self.bands)))
        kind = "forge" if self.clean else "smith2019"
        known = self.psf_fwhm_arcsec or ()
        rows = {
            "model": self.name,
            "network": f"{kind}, {n:,} parameters",
            "bands": ", ".join(self.bands),
            "paints": "the noiseless sky, then the instrument" if self.clean else "observed pixels",
            "sky rms": ", ".join(
                f"{b} {r:.4g} nJy" for b, r in zip(self.bands, self.instrument.rms_njy, strict=True)
            ),
            "pixel scale": f"{self.pixel_scale_arcsec:g} arcsec" if self.pixel_scale_arcsec else "not known",
            "PSF FWHM": ", ".join(f"{b} {f:.2f} arcsec" for b, f in zip(self.bands, known, strict=False))
            or "not known",
        }
        rows |= {str(k).replace("_", " "): str(v) for k, v in self.training.items()}
        return rows | {"sha256": self.sha256}


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
    path = Path(name)
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


def load_model(name: str | Path) -> Model:
    """A model by name or path, weights checked against their recorded sha256.

    Raises InputError where a file is missing, unreadable or damaged.
    """
    path = model_path(name).resolve()
    return _load(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=4)
def _load(path: Path, _changed: int) -> Model:
    from safetensors import SafetensorError
    from safetensors.torch import load as load_tensors

    try:
        found = json.loads(path.read_text())
        ((kind, spec),) = found["network"].items()
        network = _SPECS[kind](**{k: tuple(v) if isinstance(v, list) else v for k, v in spec.items()})
        raw = path.with_suffix(".safetensors").read_bytes()
        digest = hashlib.sha256(raw).hexdigest()
        if digest != found["sha256"]:
            raise InputError(
                f"{path.with_suffix('.safetensors')}: sha256 is {digest[:12]}..., {path.name} says "
                f"{found['sha256'][:12]}...; the weights are damaged or of another run: export them again"
            )
        fwhm = found["psf_fwhm_arcsec"]
        return Model(
            name=found["name"],
            network=network,
            bands=tuple(found["bands"]),
            instrument=Instrument.from_json(found["instrument"]),
            scaling=Scaling(**{k: tuple(v) for k, v in found["scaling"].items()}),
            pixel_scale_arcsec=found["pixel_scale_arcsec"],
            psf_fwhm_arcsec=tuple(fwhm) if fwhm else None,
            training=found["training"],
            weights=load_tensors(raw),
            sha256=digest,
        )
    except InputError:
        raise
    except OSError as error:
        raise InputError(f"{error.filename or path}: cannot be read ({error.strerror})") from error
    except (KeyError, TypeError, ValueError, SafetensorError) as error:
        missing = f"no key {error}" if isinstance(error, KeyError) else str(error)
        raise InputError(f"{path}: not a mockforge model ({missing})") from error


def describe(name: str | Path) -> dict[str, str]:
    """What `mockforge info` prints of the model called `name`."""
    return load_model(name).describe()
