"""Finding on the data of a run: a warning, or a failure that stops it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that a person should look at."""

    rule: str
    """Name of the rule, such as `duplicates`."""
    fails: bool
    """Whether it is surely wrong, so that the run stops."""
    text: str
    """What was found, where, and beside what."""
