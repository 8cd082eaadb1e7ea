"""Identity of a dataset: whether a log continues that of a name.

A sample that hardly changes when a log grows is kept with the name: the smallest hashes
of users and items, and of the events of such users. Two logs of one shop share many of
them, whatever was appended or corrected; two shops share none of the events.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import ITEM_ID, USER_ID

IDS, EVENTS = 64, 256
"""Sizes of the samples; the text of all three has less than 4,000 characters."""
DIGITS = 8
LEAST_SHARED = 0.1
"""Share of sampled users or items below which a folder holds other data than before."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Samples of a log, as hashes."""

    events: frozenset[str]
    """Events of the users with the smallest hashes."""
    users: frozenset[str]
    """Users with the smallest hashes."""
    items: frozenset[str]
    """Items with the smallest hashes."""

    @classmethod
    def of(cls, tables: Tables) -> Identity:
        """Sample canonical tables."""
        users = _smallest(tables.users[USER_ID], IDS)
        chosen = tables.events.filter(pl.col(USER_ID).is_in(list(users.values())))
        keys = chosen.select(pl.concat_str(USER_ID, ITEM_ID, pl.col("timestamp").dt.epoch("us"), separator="\n"))
        return cls(
            events=frozenset(_smallest(keys.to_series(), EVENTS)),
            users=frozenset(users),
            items=frozenset(_smallest(tables.items[ITEM_ID], IDS)),
        )

    def to_text(self) -> str:
        """Write the samples as three lines."""
        return "\n".join(" ".join(sorted(each)) for each in (self.events, self.users, self.items))

    @classmethod
    def from_text(cls, text: str) -> Identity:
        """Read what `to_text` wrote."""
        events, users, items = (frozenset(line.split()) for line in text.split("\n"))
        return cls(events=events, users=users, items=items)

    def difference(self, former: Identity, *, same_folder: bool) -> str | None:
        """Say why this is other data than the former; None for the same dataset.

        Args:
            former: identity of the data that the name stood for.
            same_folder: whether it comes from the same folder, whose export may have
                replaced all events.
        """
        shared = {name: len(getattr(self, name) & getattr(former, name)) for name in ("events", "users", "items")}
        known = max(shared[name] / max(len(getattr(former, name)), 1) for name in ("users", "items"))
        if shared["events"] or (same_folder and known >= LEAST_SHARED):
            return None
        return (
            f"of the former data, 0 of {len(former.events)} sampled events, {shared['users']} of {len(former.users)}"
            f" users and {shared['items']} of {len(former.items)} items are in it"
        )


def _smallest(texts: pl.Series, number: int) -> dict[str, str]:
    """Texts with the smallest hashes, by hash."""
    import duckdb

    # SHA-256 of a million ids takes seconds in Python.
    query = f"SELECT left(sha256(text), {DIGITS}) AS hash, min(text) FROM texts GROUP BY hash ORDER BY hash LIMIT ?"
    with duckdb.connect() as connection:
        connection.register("texts", texts.alias("text").to_frame().to_arrow())
        return dict(connection.execute(query, [number]).fetchall())
