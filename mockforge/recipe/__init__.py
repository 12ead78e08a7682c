"""Recipes: closed YAML to typed, frozen configuration, or one error that lists every problem."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__all__ = ["Recipe", "load", "load_training"]

if TYPE_CHECKING:
    from mockforge.recipe.read import Recipe, load, load_training


def __getattr__(name: str) -> Any:
    """Import a public name when it is first requested: the list of recipes needs no pydantic."""
    if name not in __all__:
        raise AttributeError(f"module 'mockforge.recipe' has no attribute {name!r}")
    from mockforge.recipe import read

    return getattr(read, name)
