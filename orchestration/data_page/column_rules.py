"""Rules on columns and ids: what they held, and what they hold now."""

from __future__ import annotations

from collections.abc import Iterator

import polars as pl

from feature_repo.schema import ITEM_ID, USER_ID, Kind
from orchestration.data_page.columns import SAMPLE, Column, Quantiles
from orchestration.data_page.finding import Finding
from orchestration.data_page.log import total
from orchestration.data_page.profile import Profile

UNIT, LEAST_JUMPS = 8.0, 2
"""Ratio of two quantiles at least, of which two must jump the same way: another unit makes 10,
100 or 1,000; prices do not rise eightfold overnight, and one quantile may cross a gap."""
UNIT_QUANTILES = ("5 %", "25 %", "half", "75 %", "95 %")
LEAST_VALUES = 30
"""Values of which quantiles and shares are no chance."""
MISSING, FILLED = 0.1, 0.5
"""Rise of the share of missing values that is no chance; a column that was at least half
filled and is empty now was lost."""
UNSEEN, HEAD = 0.2, 20
"""Share of the rows of the 20 commonest values whose value was not among the 100 commonest
before: new categories come one at a time."""
FEWER_ROWS = 0.1
"""Share of users or items that may leave between two runs."""
KNOWN, KNOWN_FAIL = 0.5, 0.02
"""Share of the former ids that are still there: a log keeps nearly all, a window that moves
most; where none is left, the ids are written in another way."""
SHOWN_VALUES = 3


def columns(new: Profile, old: Profile) -> Iterator[Finding]:
    """Columns that came, went, or mean something else."""
    for table, former in old.tables.items():
        now = new.tables.get(table)
        if now is None:
            yield Finding(rule="columns", fails=False, text=f"the table {table} is gone")
            continue
        for name, before in former.columns.items():
            where = f"{table}, column {name!r}"
            if name not in now.columns:
                yield Finding(rule="columns", fails=False, text=f"{where} is gone")
            else:
                yield from _column(where, now.columns[name], before)
        share = 1 - now.rows / max(former.rows, 1)
        if table in ("users", "items") and share > FEWER_ROWS:
            text = f"{table}: {now.rows:,} rows, in the last version's data {former.rows:,} ({-share:.0%})"
            yield Finding(rule="rows", fails=False, text=text)


def _column(where: str, now: Column, before: Column) -> Iterator[Finding]:
    """Findings on one column.

    Args:
        where: the column in words.
        now: its profile.
        before: that of the last version's data.
    """
    if now.kind != before.kind:
        yield Finding(rule="kind", fails=False, text=f"{where} was {before.kind} and is {now.kind}")
        return
    risen = now.missing_share - before.missing_share
    if risen > MISSING and now.rows >= LEAST_VALUES:
        text = f"{where}: {now.missing_share:.0%} missing, before {before.missing_share:.0%}"
        lost = now.missing == now.rows and before.missing_share < FILLED
        yield Finding(rule="missing", fails=lost, text=text)
    if now.kind == Kind.NUMERIC and min(now.rows - now.missing, before.rows - before.missing) >= LEAST_VALUES:
        yield from unit_jump(where, now.quantiles, before.quantiles)
    if now.kind in (Kind.CATEGORICAL, Kind.MULTI_VALUED):
        yield from _renamed(where, now, before)


def unit_jump(where: str, now: Quantiles, before: Quantiles) -> Iterator[Finding]:
    """Numbers that are many times larger or smaller.

    Args:
        where: the column in words.
        now: its quantiles.
        before: those of the last version's data.
    """
    pairs = {name: (float(now[name]), float(before[name])) for name in now.keys() & before.keys()}
    ratios = [here / there for name, (here, there) in pairs.items() if name in UNIT_QUANTILES and here * there > 0]
    jumps = [ratio for ratio in ratios if ratio >= UNIT], [ratio for ratio in ratios if ratio <= 1 / UNIT]
    if max(map(len, jumps)) >= min(LEAST_JUMPS, max(len(ratios), 1)):
        here, there = pairs["half"]
        text = f"{where}: half of the values are up to {here:g}, before up to {there:g}: is it another unit?"
        yield Finding(rule="unit", fails=False, text=text)


def _renamed(where: str, now: Column, before: Column) -> Iterator[Finding]:
    head = dict(list(now.commonest.items())[:HEAD])
    unseen = {value: rows for value, rows in head.items() if value not in before.commonest}
    total = sum(head.values())
    if total >= LEAST_VALUES and before.commonest and sum(unseen.values()) > UNSEEN * total:
        gone = [value for value in list(before.commonest)[:HEAD] if value not in now.commonest]
        text = f"{where}: {sum(unseen.values()) / total:.0%} of the commonest rows have values unseen before, such as "
        text += _listed(list(unseen)) + (f"; gone: {_listed(gone)}" if gone else "")
        yield Finding(rule="categories", fails=False, text=text)


def values_of_new_days(new: Profile, old: Profile) -> Iterator[Finding]:
    """Values of the days that came, which are too few to move those of the whole log."""
    days, former = new.days.filter(pl.col("day") > old.last.date()), old.days.tail(LEAST_VALUES)
    if not {"missing"} <= {*days.columns} & {*former.columns} or total(days["events"]) < LEAST_VALUES:
        return
    where = "events, column 'value' of the new days"
    shares = [total(each["missing"]) / total(each["events"]) for each in (days, former)]
    if shares[0] - shares[1] > MISSING:
        text = f"{where}: {shares[0]:.0%} missing, before {shares[1]:.0%}"
        yield Finding(rule="missing", fails=False, text=text)
    named = {"low": "25 %", "middle": "half", "high": "75 %"}
    now, before = ({named[name]: each[name].median() or 0.0 for name in named} for each in (days, former))
    yield from unit_jump(where, now, before)  # type: ignore[arg-type]


def ids(new: Profile, old: Profile) -> Iterator[Finding]:
    """Users or items of whom hardly any was there before: ids of another form."""
    for name in (USER_ID, ITEM_ID):
        now, before = (each.tables["events"].columns[name] for each in (new, old))
        known = known_share(now, before)
        if known < KNOWN:
            forms = _listed(list(now.commonest)), _listed(list(before.commonest))
            text = f"events: {known:.0%} of the former {name}s are still there; they look like {forms[0]}, before like "
            text += f"{forms[1]} (9 is a digit, a and A are letters)"
            yield Finding(rule="ids", fails=known < KNOWN_FAIL and new.first <= old.last, text=text)


def known_share(now: Column, before: Column) -> float:
    """Share of the former ids that are still there, by the smallest hashes of both."""
    # Of a full sample, what is beyond its largest hash is unknown.
    ends = [max(each.sample) for each in (now, before) if len(each.sample) == SAMPLE]
    former = {each for each in before.sample if each <= min(ends, default="g")}
    return len(former.intersection(now.sample)) / max(len(former), 1)


def _listed(values: list[str]) -> str:
    return ", ".join(repr(value[:40]) for value in values[:SHOWN_VALUES])


COLUMN_RULES = (columns, values_of_new_days, ids)
