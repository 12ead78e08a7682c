"""What was typed: options that have no effect beside others are refused, not ignored."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import typer

from mockforge.errors import InputError


def typed(context: typer.Context, names: Iterable[str]) -> list[str]:
    """Of the parameters `names`, those given on the command line, as they are written there: `--seed`."""
    written = {p.name: max(p.opts, key=len) for p in context.command.params}
    return [
        written[name]
        for name in names
        if name in written and getattr(context.get_parameter_source(name), "name", "") == "COMMANDLINE"
    ]


def refuse(context: typer.Context, names: Iterable[str], why: str) -> None:
    """InputError where one of the parameters `names` was given on the command line."""
    flags = typed(context, names)
    if flags:
        raise InputError(f"{', '.join(flags)}: {why}")


def settings_of(given: Mapping[str, str | None], settings: Iterable[str] | None) -> list[str]:
    """Words `key=value` of a stage: those that options give, and those of --set.

    `given`: key -> `option=value` text with the option's name, None where it was not given. InputError
    where a key is given twice, since one of both would be ignored.
    """
    words, by = [], {}
    for key, value in given.items():
        if value is not None:
            option, _, text = value.partition("=")
            words.append(f"{key}={text}")
            by[key] = option
    for word in settings or ():
        key = word.partition("=")[0].strip()
        if key in by:
            raise InputError(f"--set {word}: {by[key]} gives `{key}` too; give one of them")
        by[key] = "another --set"
        words.append(word)
    return words
