"""Surveys by name or by path: a YAML file each, those in `presets/` and a user's own, all of one form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from mockforge.errors import InputError, nearest
from mockforge.files import Stamp, from_home, located, named, stamp
from mockforge.observe.surveys.spec import Survey, SurveyBand
from mockforge.photometry.bands import band as named_band

PRESETS = Path(__file__).parent / "presets"


def names() -> tuple[str, ...]:
    """Return the surveys that come with the package."""
    return tuple(sorted(path.stem for path in PRESETS.glob("*.yaml")))


def is_file(name: str) -> bool:
    """Whether `name` is a path of a survey's file, not the name of a preset."""
    return name not in names()


def survey(name: str) -> Survey:
    """Return a survey by its name, or from a YAML file.

    Parameters
    ----------
    name : str
        One of `names()`, or the path of a survey's YAML file.

    Returns
    -------
    Survey
        Its numbers; the paths of curves of its own are whole.

    Raises
    ------
    InputError
        For an unknown name, with the nearest survey; for a file, every line that is wrong, a curve
        that is missing or is none included.
    """
    path = _path(name)
    out, _ = _read(str(path), stamp(path))
    curves = [located(one.curve) for one in out.bands.values() if one.curve is not None]
    return _checked(str(path), stamp(path), tuple(stamp(one) if one.is_file() else None for one in curves))


def survey_curve(survey: Survey, band: str) -> str:
    """Return the band as `mockforge.photometry` knows it: with the survey's own curve where it has one."""
    own = survey.band(band).curve
    return band if own is None else named_band({band: own})


def text(name: str) -> str:
    """Return a survey's file, with the sources of its numbers. InputError as `survey`."""
    survey(name)
    return _path(name).read_text(encoding="utf-8")


def own_files(name: str | None) -> dict[str, Path]:
    """Return the file of a survey of the user's own and those of its curves, as `files_read` gives them.

    Empty for a preset and for None. A file that cannot be read names no curves: who uses it says what is
    wrong. InputError where it is missing.
    """
    if not name or not is_file(name):
        return {}
    path = _path(name)
    try:
        out, _ = _read(str(path), stamp(path))
    except InputError:
        return {f"file {name}": path}
    curves = [band.curve for band in out.bands.values() if band.curve is not None]
    return {f"file {name}": path} | named(curves)


def _path(name: str) -> Path:
    if name in names():
        return PRESETS / f"{name}.yaml"
    path = from_home(name)
    if path.is_file():
        return path
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        raise InputError(
            f"{name}: no such file; give the path of a survey's YAML, or one of {', '.join(names())}"
        )
    raise InputError(f"unknown survey {name!r}, and no YAML file of that path{nearest(name, names())}")


@cache
def _checked(path: str, changed: Stamp, curves: tuple[Stamp | None, ...]) -> Survey:
    """Return the survey in a file, its curves read once; other stamps make it be read again."""
    out, place = _read(path, changed)
    problems = []
    for name in out.bands:
        try:
            survey_curve(out, name)
        except InputError as error:
            problems.append(f"{place(('bands', name, 'curve'))}: bands.{name}.curve: {error}")
    if problems:
        raise InputError("\n".join(problems))
    return out


@cache
def _read(path: str, changed: Stamp) -> tuple[Survey, Callable[[tuple[int | str, ...]], str]]:
    """Return the survey in a file, and what gives file and line of a key."""
    from pydantic import TypeAdapter, ValidationError
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        document = YAML(typ="rt").load(Path(path).read_text(encoding="utf-8"))
    except MarkedYAMLError as error:
        line = f":{error.problem_mark.line + 1}" if error.problem_mark else ""
        problem = str(error.problem or error.context).partition(" with value ")[0]
        raise InputError(f"{path}{line}: cannot be read as YAML: {problem}") from error
    except (YAMLError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"{path}: cannot be read as YAML: {' '.join(str(error).split())}") from error
    if not isinstance(document, dict):
        raise InputError(
            f"{path}: should be the fields of a survey: title, pixel_scale_arcsec, bands, sources"
        )
    try:
        out = TypeAdapter(Survey).validate_python(document)
    except ValidationError as error:
        lines = [f"{path}{_line(document, e['loc'])}: {_problem(e)}" for e in error.errors()]
        raise InputError("\n".join(lines)) from error
    bands = {name: _located(band, Path(path).parent) for name, band in out.bands.items()}
    return replace(out, bands=bands), lambda key: f"{path}{_line(document, key)}"


def _located(band: SurveyBand, folder: Path) -> SurveyBand:
    """Return the band with the whole path of its curve."""
    return band if band.curve is None else replace(band, curve=str(folder / from_home(band.curve)))


def _line(document: Any, loc: tuple[int | str, ...]) -> str:
    """`:7` where the faulty key, or the part of the file it should be in, is in line 7."""
    line: int = 0
    for key in loc:
        if not hasattr(document, "lc") or key not in document:
            break
        line, document = document.lc.key(key)[0] + 1, document[key]
    return f":{line}" if line else ""


def _problem(error: Any) -> str:
    place = ".".join(str(part) for part in error["loc"])
    value = error.get("input")
    message = error["msg"].removeprefix("Value error, ")
    shown = f" (found {value!r})" if isinstance(value, (str, int, float)) else ""
    return f"{place}: {message[:1].lower() + message[1:]}{shown}" if place else message
