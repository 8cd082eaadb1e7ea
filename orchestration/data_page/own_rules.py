"""Rules on a dataset alone, for a run that has nothing to compare with too."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from orchestration.data_page.finding import Finding
from orchestration.data_page.log import total
from orchestration.data_page.profile import Profile

COPIES = 0.2
"""Share of exact duplicates from which on an export may have been loaded twice."""
ONE_ID, ABOVE = 0.3, 20
"""Share of the events from which on an id is a crawler or a word for nobody, if it has as many
times the events of the median one: of ten users one may have a third."""
GAP, GAPS, BEHIND = timedelta(days=30), 10, 0.01
"""Gap ahead of the last events, beside the longest gap before, and their share: a wrong clock."""


def duplicates(data: Profile) -> Iterator[Finding]:
    """Many exact duplicates."""
    share = total(data.days["copies"]) / total(data.days["events"])
    if share >= COPIES:
        text = f"{share:.0%} of the events equal another one in every column: was an export loaded twice?"
        yield Finding(rule="duplicates", fails=False, text=text)


def one_id(data: Profile) -> Iterator[Finding]:
    """One user or item with a large part of the log."""
    events = total(data.days["events"])
    for key, counts in (("user", data.per_user), ("item", data.per_item)):
        if counts["most"] >= max(ONE_ID * events, ABOVE * counts["half"]):
            text = f"one {key} has {counts['most']:,.0f} of {events:,} events: is it a word for nobody or nothing?"
            yield Finding(rule="one id", fails=False, text=text)


def lone_end(data: Profile) -> Iterator[Finding]:
    """Few events a long time after all others, which move the end of the log."""
    days = data.days.filter(data.days["events"].cum_sum(reverse=True) <= BEHIND * total(data.days["events"]))
    gaps = data.days["day"].diff().drop_nulls()
    late = gaps.tail(days.height)
    if days.height == 0 or late.is_empty():
        return
    longest, before = late.max(), gaps.head(len(gaps) - len(late)).max() or timedelta(days=1)
    if longest >= GAP and longest >= GAPS * before:  # type: ignore[operator]
        count = total(days["events"])
        text = f"the last {count:,} events come {longest.days} days after all others: did a wrong clock write them?"  # type: ignore[union-attr]
        yield Finding(rule="clock", fails=False, text=text)


def empty_columns(data: Profile) -> Iterator[Finding]:
    """Columns that hold nothing."""
    for table, profile in data.tables.items():
        for name, column in profile.columns.items():
            if column.missing == column.rows:
                yield Finding(rule="missing", fails=False, text=f"{table}, column {name!r} is empty")


OWN_RULES = (duplicates, one_id, lone_end, empty_columns)
