"""Typed, frozen configuration: dataclasses that the recipe reader checks field by field.

A configuration is a plain frozen dataclass, so `train/` and `sgan/` use it without pydantic.
`recipe` hands the same classes to pydantic, which reads the limits, the docstrings below the
fields and the refusal of unknown keys from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Annotated, Any, Literal, TypeVar, dataclass_transform

import numpy as np

from mockforge.errors import nearest
from mockforge.files import fingerprint

T = TypeVar("T")

LARGEST_NUMBER = 1e30
"""Numbers beyond this are no quantity of any recipe, and would overflow in float32 pixels."""


@dataclass_transform(frozen_default=True, kw_only_default=True)
def config(cls: type[T]) -> type[T]:
    """Make `cls` a frozen, keyword-only dataclass that refuses unknown keys when read from YAML.

    Its method `fingerprint` gives the sha256 of every file that it and its parts read.
    """
    decorated = dataclass(frozen=True, kw_only=True)(cls)
    decorated.__pydantic_config__ = {"extra": "forbid", "use_attribute_docstrings": True}  # type: ignore[attr-defined]
    decorated.__get_pydantic_json_schema__ = classmethod(_described)  # type: ignore[attr-defined]
    if not hasattr(decorated, "fingerprint"):
        decorated.fingerprint = fingerprint  # type: ignore[attr-defined]
    return decorated


def is_config(cls: Any) -> bool:
    """Whether `cls` is a class made by `config`."""
    return isinstance(cls, type) and "__pydantic_config__" in vars(cls)


def _described(cls: type, schema: Any, handler: Any) -> Any:
    """JSON Schema with the docstrings of inherited fields: pydantic reads those of a class's own."""
    from pydantic import TypeAdapter

    out = handler(schema)
    fields = handler.resolve_ref_schema(out).get("properties", {})
    for base in cls.__bases__:
        base_schema = TypeAdapter(base).json_schema() if "__pydantic_config__" in vars(base) else {}
        for name, field in base_schema.get("properties", {}).items():
            fields[name] = {"description": field.get("description", "")} | fields[name]
    return out


@dataclass(frozen=True)
class Size:
    """The number of items a list must have; used as `Annotated[tuple[float, ...], Size(1, 64)]`."""

    least: int
    most: int
    of: str = "items"

    def holds(self, value: Any) -> bool:
        """Whether `value` has so many items."""
        return self.least <= len(value) <= self.most

    def __str__(self) -> str:
        return f"{self.least} to {self.most} {self.of}"

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        def check(value: Any) -> Any:
            if value is not None and not self.holds(value):
                raise ValueError(f"should have {self}, found {len(value)}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        out = handler(schema)
        words = ("minLength", "maxLength") if out.get("type") == "string" else ("minItems", "maxItems")
        return out | dict(zip(words, (self.least, self.most), strict=True))


@dataclass(frozen=True)
class Limit:
    """The range a number must lie in; used as `Annotated[float, Limit(gt=0)]`."""

    gt: float | None = None
    ge: float | None = None
    lt: float | None = None
    le: float | None = None

    def holds(self, value: float) -> bool:
        """Whether `value` lies in the range."""
        return (
            (self.gt is None or value > self.gt)
            and (self.ge is None or value >= self.ge)
            and (self.lt is None or value < self.lt)
            and (self.le is None or value <= self.le)
        )

    def __str__(self) -> str:
        marks = ((">", self.gt), (">=", self.ge), ("<", self.lt), ("<=", self.le))
        return " and ".join(f"{mark} {value:g}" for mark, value in marks if value is not None)

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        def check(value: Any) -> Any:
            if value is None:
                return value
            if isinstance(value, Varying):
                return value.limited(self)
            if not self.holds(value):
                raise ValueError(f"should be {self}")
            return value

        return core_schema.no_info_after_validator_function(check, handler(source))

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> Any:
        out = handler(schema)
        names = {"gt": "exclusiveMinimum", "ge": "minimum", "lt": "exclusiveMaximum", "le": "maximum"}
        if out.get("type") in ("number", "integer"):
            out.update({names[k]: v for k, v in vars(self).items() if v is not None})
        return out


Positive = Annotated[float, Limit(gt=0)]
NonNegative = Annotated[float, Limit(ge=0)]
Fraction = Annotated[float, Limit(ge=0, le=1)]
Count = Annotated[int, Limit(ge=1)]
Index = Annotated[int, Limit(ge=0)]
Width = Annotated[int, Limit(ge=1, le=4096)]
"""Filters of a layer of a network."""
Layers = Annotated[int, Limit(ge=0, le=64)]
"""Layers of one kind in a network."""
Band = Annotated[str, Size(1, 60, "characters")]
Bands = Annotated[tuple[Band, ...], Size(1, 64)]
"""Names of an image's bands."""

Kind = Literal["fixed", "uniform", "loguniform", "normal", "lognormal", "choice", "power_law"]

_ARGUMENTS = {
    "uniform": ("low", "high"),
    "loguniform": ("low", "high"),
    "normal": ("mean", "sigma"),
    "lognormal": ("median", "sigma of ln x"),
    "power_law": ("low", "high", "slope"),
}
_FARTHEST_SIGMA = 10.0
"""Standard deviations beyond which no normal draw of any dataset lies."""


@dataclass(frozen=True)
class Varying:
    """A number that may differ from sample to sample: a fixed value or a distribution.

    In a recipe: `2.5`, `{uniform: [low, high]}`, `{loguniform: [low, high]}`,
    `{normal: [mean, sigma]}`, `{lognormal: [median, sigma of ln x]}`, `{choice: [a, b, ...]}`,
    `{power_law: [low, high, slope]}` (p(x) proportional to x**slope between low and high).
    Draws of `normal` and `lognormal` outside the parameter's limits are drawn again.
    """

    kind: Kind
    values: tuple[float, ...]
    limit: Limit = Limit()

    def __post_init__(self) -> None:
        arguments = _ARGUMENTS.get(self.kind)
        if not self.values:
            raise ValueError(f"{self.kind} needs at least one number")
        if arguments and len(self.values) != len(arguments):
            raise ValueError(
                f"{self.kind} needs [{', '.join(arguments)}], found {len(self.values)} number(s)"
            )
        if not all(math.isfinite(v) for v in self.values):
            raise ValueError(f"{self.kind} needs finite numbers, found {list(self.values)}")
        low = self.values[0]
        if self.kind in ("uniform", "loguniform", "power_law") and low > self.values[1]:
            raise ValueError(f"{self.kind}: low {low:g} is above high {self.values[1]:g}")
        if self.kind in ("loguniform", "power_law", "lognormal") and low <= 0:
            raise ValueError(f"{self.kind}: {arguments[0] if arguments else 'value'} {low:g} should be > 0")
        if self.kind in ("normal", "lognormal") and self.values[1] < 0:
            raise ValueError(f"{self.kind}: sigma {self.values[1]:g} should be >= 0")
        self._check_reach()

    def _check_reach(self) -> None:
        """ValueError where draws, or the sums on the way to them, would leave `LARGEST_NUMBER`."""
        far = max(abs(v) for v in self.values[: 1 if self.kind == "lognormal" else 2])
        if self.kind in ("fixed", "choice"):
            far = max(abs(v) for v in self.values)
        elif self.kind == "normal":
            far = abs(self.values[0]) + _FARTHEST_SIGMA * self.values[1]
        elif self.kind == "lognormal":
            far = 10 ** min(300.0, math.log10(far) + _FARTHEST_SIGMA * self.values[1] / math.log(10))
        elif self.kind == "power_law":
            steep = abs(self.values[2] + 1.0) * max(abs(math.log10(v)) for v in self.values[:2])
            if steep > 300:
                raise ValueError(
                    f"power_law: slope {self.values[2]:g} is too steep for this range of numbers"
                )
        if far > LARGEST_NUMBER:
            raise ValueError(
                f"{self.kind} {list(self.values)} reaches {far:.3g}; numbers are at most {LARGEST_NUMBER:g}"
            )

    def limited(self, limit: Limit) -> Varying:
        """Return the same distribution held to `limit`; a ValueError where its range breaks it."""
        ends = {"choice": self.values, "fixed": self.values}.get(self.kind, self.values[:2])
        if self.kind in ("normal", "lognormal"):
            ends = self.values[:1]
        for value in ends:
            if not limit.holds(value):
                raise ValueError(f"should be {limit}, and {self.kind} reaches {value:g}")
        return replace(self, limit=limit)

    def draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        """`n` draws, float64."""
        out = self._draw(rng, n)
        if self.kind in ("normal", "lognormal"):
            for _ in range(1000):
                bad = ~np.vectorize(self.limit.holds, otypes=[bool])(out)
                if not bad.any():
                    return out
                out[bad] = self._draw(rng, int(bad.sum()))
            raise ValueError(f"{self.kind} {list(self.values)} almost never is {self.limit}")
        return out

    def _draw(self, rng: np.random.Generator, n: int) -> np.ndarray:
        v = self.values
        match self.kind:
            case "fixed":
                return np.full(n, v[0], dtype=np.float64)
            case "uniform":
                return rng.uniform(v[0], v[1], n)
            case "loguniform":
                return np.exp(rng.uniform(math.log(v[0]), math.log(v[1]), n))
            case "normal":
                return rng.normal(v[0], v[1], n)
            case "lognormal":
                return v[0] * np.exp(rng.normal(0.0, v[1], n))
            case "choice":
                return rng.choice(np.asarray(v, dtype=np.float64), n)
            case "power_law":
                return _power_law(rng.uniform(0.0, 1.0, n), *v)

    @classmethod
    def parse(cls, value: Any) -> Varying:
        """Return a recipe's value as a Varying; ValueError says what is wrong with it."""
        if isinstance(value, Varying):
            return value
        if isinstance(value, bool) or not isinstance(value, (int, float, dict)):
            raise ValueError("should be a number or a distribution such as {uniform: [a, b]}")
        if isinstance(value, (int, float)):
            return cls("fixed", (float(value),))
        if len(value) != 1:
            raise ValueError("a distribution has one key, such as {uniform: [a, b]}")
        ((kind, numbers),) = value.items()
        if kind not in (*_ARGUMENTS, "choice"):
            raise ValueError(f"unknown distribution {kind!r}{nearest(kind, (*_ARGUMENTS, 'choice'))}")
        if not isinstance(numbers, (list, tuple)) or not all(
            isinstance(x, (int, float)) and not isinstance(x, bool) for x in numbers
        ):
            raise ValueError(f"{kind} needs a list of numbers, found {numbers!r}")
        return cls(kind, tuple(float(x) for x in numbers))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(cls.parse)

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: Any, handler: Any) -> dict[str, Any]:
        numbers = {"type": "array", "items": {"type": "number"}}
        choices = [
            {
                "type": "object",
                "properties": {kind: numbers | ({"minItems": len(a), "maxItems": len(a)} if a else {})},
                "required": [kind],
                "additionalProperties": False,
            }
            for kind, a in (*_ARGUMENTS.items(), ("choice", ()))
        ]
        return {"anyOf": [{"type": "number"}, *choices]}


def given_of(choice: Any) -> list[str]:
    """Return the names of the fields of a configuration that are given, which are those that are not None."""
    return [f.name for f in fields(choice) if getattr(choice, f.name) is not None]


def one_of(choice: Any) -> None:
    """Check that exactly one field of a choice is given; ValueError with their names if not."""
    given = given_of(choice)
    if len(given) != 1:
        names = ", ".join(f.name for f in fields(choice))
        raise ValueError(f"needs exactly one of {names}; found {', '.join(given) or 'none'}")


def check_different(key: str, values: tuple[Any, ...]) -> None:
    """ValueError unless `values` are one or more, each another."""
    if not values or len(set(values)) < len(values):
        raise ValueError(f"{key} should be one or more different values, found {list(values)}")


def fixed(value: float) -> Varying:
    """One value for every sample."""
    return Varying("fixed", (float(value),))


def uniform(low: float, high: float) -> Varying:
    """Uniform between `low` and `high`."""
    return Varying("uniform", (float(low), float(high)))


def _power_law(u: np.ndarray, low: float, high: float, slope: float) -> np.ndarray:
    """Inverse of the cumulative distribution of x**slope on [low, high]."""
    if abs(slope + 1.0) < 1e-12:
        return low * (high / low) ** u
    k = slope + 1.0
    return (low**k + u * (high**k - low**k)) ** (1.0 / k)
