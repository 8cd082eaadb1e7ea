"""Users who are forgotten: in the log, in a consumer at work, online, and in the next training."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from feature_repo.errors import NewerOnlineError
from feature_repo.events import user_events
from feature_repo.events.frames import read_frame
from feature_repo.events.history import with_log
from feature_repo.events.sqlite_log import SqliteEventLog
from orchestration.forgetting import forget_users, text_of
from serving.experiments.exposure_log import ExposureLog
from serving.settings import Settings
from tests.integration.consumer_world import CUT, WHOLE, World, load, make_world, odd, online_rows, seen_items
from tests.integration.online_servers import KINDS, client_of
from tests.integration.test_consumer_loads import note
from tests.unit.serving.experiments.test_exposure import EXPOSURE

GONE, OTHER = "u003", "u004"


def at(hours: float) -> datetime:
    return CUT + timedelta(hours=hours)


def history(world: World, user: str) -> list[str] | None:
    return online_rows(world, [user])["history_items"].to_list()[0]


@pytest.mark.parametrize("held", [user_events.HELD, 1])
def test_a_forgotten_user_begins_anew(
    world: World, log: SqliteEventLog, held: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though the consumer holds the user's events, and has pushed them."""
    monkeypatch.setattr(user_events, "HELD", held)
    consumer = world.consumer(log)
    log.append([odd(1, item_id="i007"), odd(2, user_id=OTHER), odd(3, user_id="u009")])
    consumer.step()
    before = online_rows(world, [OTHER])
    log.forget(GONE, at(4))
    assert consumer.step() == 0
    assert history(world, GONE) is None
    assert seen_items(world, [GONE])[GONE] == []
    assert online_rows(world, [OTHER]).equals(before)
    log.append([odd(5, item_id="i001")])
    assert consumer.step() == 1
    assert history(world, GONE) == ["i001"]
    log.append([odd(6, item_id="i002")])
    assert world.consumer(log).step() == 1  # one that starts behind the note
    assert history(world, GONE) == ["i002", "i001"]


def test_an_event_that_follows_at_once_does_not_bring_the_past_back(world: World, log: SqliteEventLog) -> None:
    consumer = world.consumer(log)
    log.append([odd(1, item_id="i007")])
    log.forget(GONE, at(2))
    log.append([odd(3, item_id="i001")])
    consumer.step()
    assert history(world, GONE) == ["i001"]


def test_a_note_that_is_read_late_leaves_what_came_after_it(
    world: World, log: SqliteEventLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Kafka, it lies in another topic."""
    consumer = world.consumer(log)
    log.append([odd(1, item_id="i007")])
    consumer.step()
    log.forget(GONE, at(2))
    log.append([odd(3, item_id="i001"), odd(4, user_id=OTHER)])
    with monkeypatch.context() as patched:
        patched.setattr(log, "forgotten", lambda _: [])
        assert consumer.step() == 2
    assert consumer.step() == 0
    assert history(world, GONE) == ["i001"]


def test_features_that_a_batch_pushed_behind_the_deletion_go_when_the_consumer_starts(
    world: World, log: SqliteEventLog
) -> None:
    """A consumer was killed between the two."""
    log.append([odd(1, item_id="i007"), odd(2, user_id=OTHER)])
    world.consumer(log).step()
    for user in (GONE, OTHER):
        log.forget(user, at(3))
    log.append([odd(4, user_id=OTHER, item_id="i002")])
    world.consumer(log).step()
    assert history(world, OTHER) == ["i002"]
    consumer = world.consumer(log)
    assert (history(world, GONE), history(world, OTHER)) == (None, ["i002"])
    assert consumer.lag == 0


def test_the_data_of_a_newer_run_decide(world: World, log: SqliteEventLog, tmp_path: Path) -> None:
    """Its files list the user, who therefore stays; the consumer of older data deletes nothing of it."""
    consumer = world.consumer(log)
    log.append([odd(1, user_id=OTHER)])
    log.forget(GONE, at(2))
    whole = with_log(world.base.tables, read_frame(log), at(3))
    assert whole.log_until == log.forgotten(0)[-1].sequence
    as_of = at(3)
    load(whole, as_of, world.home, tmp_path / "newer")
    kept = history(world, GONE)
    assert kept
    with pytest.raises(NewerOnlineError):
        consumer.step()
    later = replace(world, base=replace(world.base, key="newer", tables=whole, as_of=as_of))
    later.consumer(log).step()
    assert history(world, GONE) == kept


def test_the_next_training_does_not_see_what_was_forgotten(world: World, log: SqliteEventLog) -> None:
    log.append([odd(1), odd(2, user_id=OTHER)])
    log.forget(GONE, at(3))
    log.append([odd(4, item_id="i001")])
    whole = with_log(world.base.tables, read_frame(log), at(5))
    new = whole.events.filter(pl.col("timestamp") > CUT)
    assert sorted(new["user_id"]) == [GONE, OTHER]
    assert new.filter(pl.col("user_id") == GONE)["item_id"].to_list() == ["i001"]


def test_the_command_counts_first_and_deletes_then(world: World, log: SqliteEventLog, tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path / "settings")})
    (tmp_path / "settings").mkdir()
    (tmp_path / "settings" / "feast").symlink_to(world.home)
    load(world.base.tables, world.base.as_of, settings.feast_home, tmp_path / "again")
    note(world, tmp_path / "data")
    log.append([odd(1), odd(2), odd(3, user_id=OTHER)])
    world.consumer(log).step()
    held = world.base.tables.events.filter(pl.col("user_id") == GONE).height
    users = [GONE, "never seen", GONE]
    exposures = ExposureLog(settings.exposure_log("world"))
    exposures.keep([replace(EXPOSURE, user_id=user, request_id=request) for user in (GONE, OTHER) for request in "ab"])
    for dry_run in (True, False):
        found = forget_users(settings, "world", log, users, now=at(4), dry_run=dry_run)
        assert [(each.user, each.events, each.exposures, each.online, each.in_data) for each in found] == [
            (GONE, 2, 2, True, held),
            ("never seen", 0, 0, False, 0),
        ]
        assert (history(world, GONE) is None) is not dry_run
        assert log.count(GONE) == exposures.count(GONE) == (2 if dry_run else 0)
    assert online_rows(world, [GONE])["region"].item() is None
    assert history(world, OTHER)
    assert exposures.count(OTHER) == 2
    said = text_of(found[0], dry_run=False)
    assert said.startswith(f"{GONE}: 2 events of the log, 2 exposures and online features deleted; the")
    unexposed = replace(found[0], exposures=0)
    assert "the log and online features deleted" in text_of(unexposed, dry_run=False)


@pytest.mark.parametrize("kind", ["redis", "postgres"])
def test_a_server_forgets_what_was_pushed_after_the_load(kind: str, tmp_path: Path, log: SqliteEventLog) -> None:
    client_of(kind)
    with KINDS[kind][1]() as server:
        world = make_world(WHOLE, CUT, tmp_path, server.online)
        consumer = world.consumer(log)
        log.append([odd(1, item_id="i007")])
        consumer.step()
        log.forget(GONE, at(2))
        consumer.step()
        assert history(world, GONE) is None
        log.append([odd(3, item_id="i001")])
        consumer.step()
        assert history(world, GONE) == ["i001"]
