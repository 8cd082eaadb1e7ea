"""The error for input that cannot be used."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from itertools import islice


class InputError(ValueError):
    """Bad input: says where it is, what was got and wanted, how often, and shows up to three examples."""


def bad_input(source: str, column: str | None, problem: str, count: int, examples: Iterable[object]) -> InputError:
    """An InputError in the one form all input checks use: file, column, problem, count, three examples."""
    where = f"{source}, column {column!r}" if column else source
    shown = ", ".join(str(e) if isinstance(e, datetime) else repr(e) for e in islice(examples, 3))
    return InputError(f"{where}: {problem} ({count:,} rows; for example {shown})")
