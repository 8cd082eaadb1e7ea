"""The online store is loaded again after anything that it holds, or should hold, has changed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from orchestration.asset_values import Features, Source
from orchestration.defs.release import online_state
from serving.settings import Settings

START = datetime(2024, 1, 1)


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path, mlflow_uri="")
    settings.create_home()
    for name in ("online.db", "registry.db"):
        (settings.feast_home / name).write_bytes(b"rows")
    validated(tmp_path, "a")
    return settings


def validated(home: Path, key: str) -> None:
    (home / "user.checked.json").write_text(json.dumps({"key": key, "reports": {}}))


def features(home: Path, as_of: datetime = START) -> Features:
    source = Source(dataset="shop", folder=home, sha256="", as_of=as_of, validation_start=START, cut=START)
    return Features(source=source, folder=home / "user")


def test_the_state_stays_while_nobody_writes(settings: Settings) -> None:
    state = online_state(features(settings.home), settings)
    assert state is not None
    assert state == online_state(features(settings.home), settings) == json.loads(json.dumps(state))


CHANGES: dict[str, Callable[[Path], object]] = {
    "more rows": lambda home: (home / "feast" / "online.db").write_bytes(b"more rows"),
    "other rows": lambda home: os.utime(home / "feast" / "online.db", ns=(0, 1)),
    "another registry": lambda home: os.utime(home / "feast" / "registry.db", ns=(0, 1)),
    "other tables": lambda home: validated(home, "b"),
}


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_is_another_state(settings: Settings, what: str) -> None:
    before = online_state(features(settings.home), settings)
    CHANGES[what](settings.home)
    after = online_state(features(settings.home), settings)
    assert after is not None
    assert after != before


def test_a_later_time_is_another_state(settings: Settings) -> None:
    later = features(settings.home, datetime(2024, 2, 1))
    assert online_state(later, settings) != online_state(features(settings.home), settings)


def test_a_server_has_no_state_that_could_be_compared(settings: Settings) -> None:
    assert online_state(features(settings.home), replace(settings, online_store={"type": "redis"})) is None


def test_a_store_that_is_gone_has_none(settings: Settings) -> None:
    (settings.feast_home / "online.db").unlink()
    assert online_state(features(settings.home), settings) is None
