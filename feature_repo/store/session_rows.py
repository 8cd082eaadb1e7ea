"""Online rows of users as they are after the items of a session.

A session comes with a request, and is in no table yet. Its items are interactions just
before the request, one microsecond apart, the last of them one before it. Histories
count them as `tables.user_history` would; all other features stay as stored, and are
missing for a user of whom nothing is stored.

Legend: B users.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from feature_repo.encode.numbers import MICROSECONDS_PER_DAY
from feature_repo.schema import Feature, Kind, View
from feature_repo.store.online_rows import OnlineRows
from feature_repo.tables.user_history import PARTS

Fact = tuple[int, int, int]
"""Last time, count, and decayed count as a moment, of one item."""


def with_sessions(
    rows: OnlineRows, views: Iterable[View], sessions: Sequence[Sequence[str]], times_B: np.ndarray
) -> OnlineRows:
    """Put sessions in front of the histories of users.

    Args:
        rows: users as read.
        views: their views.
        sessions: items of each user's session, the oldest first; empty for no session.
        times_B: times of the requests in microseconds, int64.

    Returns:
        The rows as they are where the schema has no history. Else a user with a session
            is known, since the time of the request if nothing is stored.
    """
    views = tuple(views)
    histories = [each for view in views for each in view.features if each.kind is Kind.HISTORY]
    if not histories or not any(sessions):
        return rows
    empty: list[Any] = [None] * len(rows.ids)
    columns = {name: list(rows.columns.get(name, empty)) for view in views for name in view.columns}
    for n in (n for n, session in enumerate(sessions) if session):
        for feature in histories:
            names = [f"{feature.name}_{part}" for part in PARTS]
            extended = _extended(feature, {name: columns[name][n] for name in names}, sessions[n], int(times_B[n]))
            for name, values in zip(names, extended, strict=True):
                columns[name][n] = values
    fresh_B = ~rows.known_B & np.array([bool(session) for session in sessions])
    return OnlineRows(ids=rows.ids, times_B=np.where(fresh_B, times_B, rows.times_B), columns=columns)


def _extended(feature: Feature, stored: Mapping[str, Any], session: Sequence[str], now: int) -> tuple[list[Any], ...]:
    """Lists of a history after a session, one for each of PARTS.

    An item that has left the stored list is counted from the session on.

    Args:
        feature: the history.
        stored: its columns, in the order of PARTS.
        session: items, the oldest first.
        now: time of the request in microseconds.
    """
    half_life = feature.half_life_days * MICROSECONDS_PER_DAY
    items, *facts = (values or () for values in stored.values())
    before: dict[str, Fact] = dict(zip(items, zip(*facts, strict=True), strict=True))
    met: dict[str, Fact] = {}
    for time, item in enumerate(session, now - len(session)):
        former = met.pop(item, None) or before.pop(item, None)
        met[item] = _after(former, time, half_life)  # behind all others: the newest
    newest = [(item, *fact) for item, fact in (*reversed(met.items()), *before.items())][: feature.length]
    return tuple(map(list, zip(*newest, strict=True)))


def _after(former: Fact | None, time: int, half_life: float) -> Fact:
    """Facts of an item after one more interaction."""
    if former is None:
        return time, 1, time
    _, count, decayed = former
    # 2^(T'/h) = 2^(T/h) + 2^(t/h), relative to t, so that nothing overflows.
    excess = np.logaddexp2(0.0, (decayed - time) / half_life)
    return time, count + 1, time + round(float(excess) * half_life)
