"""The online store is loaded again after anything that it holds, or should hold, has changed."""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from orchestration.asset_values import Features, Source
from orchestration.online import online_state
from serving.settings import Settings

START = datetime(2024, 1, 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, mlflow_uri="")
    settings.create_home()
    (settings.feast_home / "registry.db").write_bytes(b"rows")
    insert(tmp_path)
    validated(tmp_path, "a")
    return settings


def insert(home: Path) -> None:
    """A row more, as a load writes it: into a log beside the file."""
    with written_to(home) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE IF NOT EXISTS rows (n INTEGER)")
        connection.execute("INSERT INTO rows VALUES (1)")


def written_to(home: Path) -> closing[sqlite3.Connection]:
    return closing(sqlite3.connect(home / "feast" / "online.db"))


def validated(home: Path, key: str) -> None:
    (home / "user.checked.json").write_text(json.dumps({"key": key, "reports": {}}))


def features(home: Path, as_of: datetime = START) -> Features:
    source = Source(dataset="shop", folder=home, sha256="", as_of=as_of, validation_start=START, cut=START)
    return Features(source=source, folder=home / "user")


def state_of(features: Features, settings: Settings, schemas: tuple[str, ...] = ()) -> dict[str, Any] | None:
    return online_state(features, settings, settings.home / "user.checked.json", schemas)


def test_the_state_stays_while_nobody_writes(settings: Settings) -> None:
    state = state_of(features(settings.home), settings)
    assert state is not None
    assert state == state_of(features(settings.home), settings) == json.loads(json.dumps(state))


CHANGES: dict[str, Callable[[Path], object]] = {
    "more rows": insert,
    "other rows": lambda home: os.utime(home / "feast" / "online.db", ns=(0, 1)),
    "another registry": lambda home: os.utime(home / "feast" / "registry.db", ns=(0, 1)),
    "other tables": lambda home: validated(home, "b"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_another_state(settings: Settings, what: str) -> None:
    before = state_of(features(settings.home), settings)
    CHANGES[what](settings.home)
    after = state_of(features(settings.home), settings)
    assert after is not None
    assert after != before


def test_rows_in_the_log_beside_the_file_are_another_state_while_a_reader_keeps_it_open(settings: Settings) -> None:
    with written_to(settings.home) as reader:
        reader.execute("SELECT count(*) FROM rows").fetchone()
        before = state_of(features(settings.home), settings)
        insert(settings.home)
        after = state_of(features(settings.home), settings)
        assert before != after
    assert after == state_of(
        features(settings.home), settings
    )  # the log is moved into the file when the last one leaves


def test_a_later_time_is_another_state(settings: Settings) -> None:
    later = features(settings.home, datetime(2024, 2, 1))
    assert state_of(later, settings) != state_of(features(settings.home), settings)


def test_another_kept_schema_is_another_state(settings: Settings) -> None:
    now = features(settings.home)
    assert state_of(now, settings, ("a",)) != state_of(now, settings) != state_of(now, settings, ("b",))


def test_other_data_is_another_state(settings: Settings) -> None:
    """A user who vanished from the data is to vanish online, whether or not a table changed."""
    now = features(settings.home)
    other = now.model_copy(update={"source": now.source.model_copy(update={"sha256": "other"})})
    assert state_of(other, settings) != state_of(now, settings)


def test_a_server_has_no_state_that_could_be_compared(settings: Settings) -> None:
    assert state_of(features(settings.home), replace(settings, online_store={"type": "redis"})) is None


def test_a_store_that_is_gone_has_none(settings: Settings) -> None:
    (settings.feast_home / "online.db").unlink()
    assert state_of(features(settings.home), settings) is None
