"""Looks at moves by hand: a dataset that cannot be looked at stops no other."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from orchestration.definitions import defs
from orchestration.defs import moves
from serving.index.milvus_connection import IndexBusyError
from serving.release.by_hand import HandMove
from serving.release.manifest import ReleaseError
from serving.settings import Settings

UNMENDED = HandMove(dataset="shop", before=1, found=2, champion=2, problem="its verdict is failed")


@pytest.fixture
def alerts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """Alerts of a home with two datasets; the champion of `shop` was moved and cannot be put back."""
    for dataset in ("broken", "shop"):
        (tmp_path / "data" / dataset).mkdir(parents=True)
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    monkeypatch.setattr(moves, "is_made", lambda _: True)
    told: list[str] = []
    monkeypatch.setattr(moves, "unsettled", lambda _, dataset: "version 2 after (1,)")
    monkeypatch.setattr(moves, "alert", lambda settings, subject, text: told.append(subject))
    return told


def tick(name: str, cursor: str | None = None) -> tuple[str, dict[str, object]]:
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_sensor_context(instance=instance, cursor=cursor)
        found = defs.resolve_sensor_def(name).evaluate_tick(context)
    return str(found.skip_message), json.loads(str(found.cursor))


@pytest.mark.parametrize("error", [IndexBusyError("Milvus Lite is held"), OSError("stale"), LookupError("no version")])
def test_a_dataset_that_cannot_be_looked_at_stops_no_other(
    alerts: list[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    def settle(_: Settings, dataset: str, seconds: float) -> HandMove:
        assert seconds <= 10  # of the minute that Dagster gives a look
        if dataset == "broken":
            raise error
        return UNMENDED

    monkeypatch.setattr(moves, "settle", settle)
    said, cursor = tick("champion_moved", json.dumps({"broken": "told before"}))
    assert said == f"broken: {type(error).__name__}: {error}; {UNMENDED.subject()}"
    assert cursor == {"broken": "told before", "shop": UNMENDED.subject()}
    assert alerts == [UNMENDED.subject()]


def test_what_cannot_be_mended_is_looked_at_hourly_or_when_it_changes(
    alerts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even where Dagster ended the look, so that neither its cursor nor its answer came through."""
    looks: list[str] = []

    def settle(_: Settings, dataset: str, seconds: float) -> HandMove:
        looks.append(dataset)
        if looks == ["shop"]:
            raise KeyboardInterrupt
        return UNMENDED

    def look(minute: int, state: str | None, is_busy: bool = False) -> int:
        monkeypatch.setattr(moves, "present_time", lambda: datetime(2024, 1, 1) + timedelta(minutes=minute))
        monkeypatch.setattr(moves, "unsettled", lambda _, dataset: state if dataset == "shop" else None)
        monkeypatch.setattr(moves, "settle", busy if is_busy else settle)
        tick("champion_moved")
        return len(looks)

    def busy(_: Settings, dataset: str, seconds: float) -> HandMove:
        raise ReleaseError("another promotion has been running for 5 s: try again")

    with pytest.raises(KeyboardInterrupt):
        look(0, "version 2 after (1,)")
    assert [look(minute, "version 2 after (1,)") for minute in (1, 59, 60, 61)] == [1, 1, 2, 2]
    assert look(62, "version 3 after (1,)") == 3
    assert look(63, None) == 3
    assert look(63, "version 3 after (1,)") == 4  # moved there once more
    # A promotion at work was no look.
    assert look(64, "version 4 after (1,)", is_busy=True) == 4
    assert look(65, "version 4 after (1,)") == 5


def test_the_same_move_is_mended_each_time(alerts: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    mended = replace(UNMENDED, champion=1)
    monkeypatch.setattr(moves, "settle", lambda _, dataset, seconds: mended if dataset == "shop" else None)
    for _ in range(2):
        tick("champion_moved")
    assert alerts == [mended.subject()] * 2


def test_an_alias_is_mirrored_beside_a_registry_that_cannot_be_read(
    alerts: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Known:
        def champion(self) -> int:
            return 2

    def open_registry(_: Settings, dataset: str) -> Known:
        if dataset == "broken":
            raise RuntimeError("the database is locked")
        return Known()

    monkeypatch.setattr(moves, "open_registry", open_registry)
    monkeypatch.setattr(moves, "try_to_mirror", lambda *_: None)
    said, cursor = tick("milvus_alias", json.dumps({"broken": 1}))
    assert said == "broken: RuntimeError: the database is locked"
    assert cursor == {"broken": 1, "shop": 2}
