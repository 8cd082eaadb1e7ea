"""Account of a table's files: rows that were read, and rows that were dropped."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True)
class Dropped:
    """Rows of one kind that were left out."""

    rows: int
    """Number of the rows."""
    why: str
    """Kind in words."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """Files of a table, and what became of their rows."""

    files: tuple[str, ...]
    """Names of the files."""
    rows: int
    """Rows of the files."""
    dropped: tuple[Dropped, ...]
    """Rows that were left out, by kind; no row is counted twice."""
    unused: tuple[str, ...]
    """Columns of the files that have no role."""

    def without(self, rows: int, why: str) -> Reading:
        """Account after further rows were dropped."""
        return replace(self, dropped=(*self.dropped, Dropped(rows, why))) if rows else self
