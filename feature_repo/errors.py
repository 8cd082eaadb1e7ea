"""Errors of input that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from itertools import islice

_SHOWN = 200
"""Characters of an example that a message shows."""


class InputError(ValueError):
    """Bad input: its source, what was got and wanted, and up to three examples."""


def bad_input(source: str, column: str | None, problem: str, count: int, examples: Iterable[object]) -> InputError:
    """InputError in the one form of all input checks.

    Args:
        source: file or table.
        column: column of the source; None for the whole source.
        problem: what was got, and what was wanted.
        count: number of bad rows.
        examples: bad values, of which three are in the message.
    """
    where = f"{source}, column {column!r}" if column else source
    texts = (str(e) if isinstance(e, datetime) else repr(e) for e in islice(examples, 3))
    shown = ", ".join(text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…" for text in texts)
    return InputError(f"{where}: {problem} ({count:,} rows; for example {shown})")


def unknown_name(kind: str, name: str, known: Iterable[str]) -> str:
    """Message for an unknown name: the nearest known one, and all of them.

    Args:
        kind: noun for the named thing, such as `recipe`.
        name: the unknown name.
        known: the known names.
    """
    names = sorted(known)
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    return f"no {kind} {name!r}; {hint}there are {', '.join(names)}"


class OnlineStoreError(ConnectionError):
    """Online store that cannot be read or written now: its address, and why."""


class NewerOnlineError(InputError):
    """Online features of a later time than those that were to be loaded."""
