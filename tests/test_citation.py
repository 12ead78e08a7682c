"""CITATION.cff holds what the Citation File Format 1.2.0 asks for, and agrees with the package."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest
from ruamel.yaml import YAML

import mockforge

ROOT = Path(__file__).parent.parent
KEYS = {
    "abstract", "authors", "cff-version", "commit", "contact", "date-released", "doi", "identifiers",
    "keywords", "license", "license-url", "message", "preferred-citation", "references", "repository",
    "repository-artifact", "repository-code", "title", "type", "url", "version",
}  # fmt: skip
"""Keys of the format's schema, which allows no others."""
REQUIRED = {"authors", "cff-version", "message", "title"}


@pytest.fixture(scope="module")
def citation() -> dict:
    return YAML(typ="safe").load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def people(entries: list[dict]) -> Iterator[bool]:
    for one in entries:
        yield set(one) == {"name"} or set(one) == {"family-names", "given-names"}


def test_the_file_has_the_keys_of_the_format(citation: dict) -> None:
    assert set(citation) >= REQUIRED and set(citation) <= KEYS
    assert citation["cff-version"] == "1.2.0" and citation["type"] == "software"
    assert all(people(citation["authors"]))
    for reference in citation["references"]:
        assert set(reference) >= {"authors", "title", "type"} and all(people(reference["authors"]))
        assert reference["type"] == "article" and reference["year"] > 1900


def test_it_agrees_with_the_package(citation: dict) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == mockforge.__version__
    assert citation["license"] == project["license"]
    assert citation["keywords"] == project["keywords"]
    assert [one["name"] for one in citation["authors"]] == [one["name"] for one in project["authors"]]
