"""Events by user: the same as a filter of all of them, however few are held in memory."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from feature_repo.events import user_events as module
from feature_repo.events.frames import as_frame
from feature_repo.events.log import Logged
from feature_repo.events.mapped_events import MappedEvents
from feature_repo.events.user_events import UserEvents
from tests.unit.feature_repo.events.events_world import click
from tests.worlds import taste_groups

FILES = taste_groups(users=12, items=8, days=9, per_day=8)
USERS = [*FILES.users["user_id"].to_list(), "stranger", ""]


def sent(count: int) -> list[Logged]:
    """Events of the log, of users that the files have and of one that they do not have."""
    return [
        Logged(number, click(number, user_id=USERS[number % (len(USERS) - 1)], item_id=f"i00{number % 8}"))
        for number in range(1, count + 1)
    ]


def test_a_file_gives_the_events_of_some_users(tmp_path: Path) -> None:
    mapped = MappedEvents(FILES.events, tmp_path)
    assert list(tmp_path.iterdir()) == []  # whatever ends the process leaves no file
    for users in (USERS, USERS[3:5], ["zz", "a"], []):
        wanted = FILES.events.filter(pl.col("user_id").is_in(users))
        assert_frame_equal(mapped.of(users), wanted, check_row_order=False)
    assert MappedEvents(FILES.events.clear(), tmp_path).of(USERS).height == 0


@pytest.mark.parametrize("batch", [1, 3, 40])
def test_what_is_moved_to_files_is_still_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, batch: int) -> None:
    monkeypatch.setattr(module, "HELD", 5)
    monkeypatch.setattr(module, "FILES", 2)
    events, logged = UserEvents(FILES, tmp_path), sent(101)
    for start in range(0, len(logged), batch):
        events.add(logged[start : start + batch])
        assert events._newest.height <= 5
        assert len(events._files) <= 2
    whole = pl.concat([FILES.events, as_frame(logged).select(FILES.events.columns)])
    for users in (USERS, USERS[-3:]):
        assert_frame_equal(events.of(users), whole.filter(pl.col("user_id").is_in(users)), check_row_order=False)
