"""The error for input that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from itertools import islice


class InputError(ValueError):
    """Bad input: says where it is, what was got and wanted, how often, and shows up to three examples."""


def bad_input(source: str, column: str | None, problem: str, count: int, examples: Iterable[object]) -> InputError:
    """An InputError in the one form all input checks use: file, column, problem, count, three examples."""
    where = f"{source}, column {column!r}" if column else source
    shown = ", ".join(str(e) if isinstance(e, datetime) else repr(e) for e in islice(examples, 3))
    return InputError(f"{where}: {problem} ({count:,} rows; for example {shown})")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for a name that does not exist: the nearest one that does, and all of them.

    Args:
        kind: the noun for what is named, such as `recipe`.
        name: the name that was given.
        known: the names that exist.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no {kind} {name!r}; {hint}there are {', '.join(names)}"
