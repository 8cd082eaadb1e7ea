"""Nights on one home, after which the champion's answers are those of the newest data.

The fixtures are one story in one dataset, each the next chapter.
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import polars as pl
import pytest
import yaml

from feature_repo.datasets.canonical import Tables
from feature_repo.schema import Entity
from feature_repo.store.sqlite_rows import key_of, tables_in
from orchestration.definitions import defs
from serving.open import open_retriever
from serving.registry import Registry
from tests.pipeline.planted import Ended, Home, world, write_world

DATASET, SHUT = "nights", {"floors": {"all/recall@20": 0.99}}


@dataclass(frozen=True, kw_only=True)
class Night:
    """A run and what was so after it."""

    ended: Ended
    champion: int | None
    features_until: dict[str, datetime | None]
    """Time of the online features by user, as the champion reads them."""
    known: list[str]


@pytest.fixture(scope="module")
def log() -> Tables:
    return world(DATASET)


@pytest.fixture(scope="module")
def folder(home: Home, log: Tables) -> Path:
    return write_world(home.root / DATASET, until(log, 65))


def until(log: Tables, days: int) -> Tables:
    """The log of the first days."""
    start = log.events["timestamp"].min()
    return replace(log, events=log.events.filter(pl.col("timestamp") < start + timedelta(days=days)))


def night(home: Home, folder: Path, *options: str, **policy: Any) -> Night:
    ended = home.command("run", "--data", folder, "--recipe", "quick", "--json", *options, **policy)
    users = ["u000", "u001", "u063"]
    with home.entered(), open_retriever(home.settings, DATASET) as retriever:
        rows = retriever._store.read_online(Entity.USER, users)
        known = retriever.known_users()
    times = dict(rows.select("user_id", "event_timestamp").iter_rows())
    return Night(ended=ended, champion=home.champion(DATASET), features_until=times, known=known)


@pytest.fixture(scope="module")
def first(home: Home, folder: Path) -> Night:
    return night(home, folder)


@pytest.fixture(scope="module")
def wrong_clock(home: Home, folder: Path, log: Tables, first: Night) -> Night:
    """Two days later, one event of 2099 in the export."""
    wrong = log.events.head(1).with_columns(
        pl.lit(datetime(2099, 1, 1)).cast(pl.Datetime("us")).alias(name) for name in ("timestamp", "created")
    )
    pl.concat([until(log, 67).events, wrong]).write_csv(folder / "events.csv")
    return night(home, folder)


@pytest.fixture(scope="module")
def new_column(home: Home, folder: Path, log: Tables, wrong_clock: Night) -> Night:
    """One more column and a later log; the challenger fails."""
    until(log, 69).events.write_csv(folder / "events.csv")
    log.users.with_columns(tier=pl.lit("gold")).write_parquet(folder / "users.parquet")
    config = yaml.safe_load((folder / "gatehouse.yaml").read_text())
    config["users"]["features"]["tier"] = {"kind": "categorical"}
    (folder / "gatehouse.yaml").write_text(yaml.safe_dump(config))
    return night(home, folder, **SHUT)


@pytest.fixture(scope="module")
def deleted(home: Home, folder: Path, log: Tables, new_column: Night) -> Night:
    """A user asked to be deleted, and two items were withdrawn; the challenger fails again."""
    gone = pl.col("item_id").is_in(["i000", "i004"]) | (pl.col("user_id") == "u000")
    log.events.filter(~gone).write_csv(folder / "events.csv")
    log.users.filter(pl.col("user_id") != "u000").with_columns(tier=pl.lit("gold")).write_parquet(
        folder / "users.parquet"
    )
    log.items.filter(~pl.col("item_id").is_in(["i000", "i004"])).write_csv(folder / "items.csv")
    return night(home, folder, **SHUT)


def test_an_event_of_the_future_is_dropped_with_a_count_and_poisons_nothing(
    log: Tables, first: Night, wrong_clock: Night
) -> None:
    (note,) = [note for note in wrong_clock.ended.data["notes"] if "2099" in note]
    assert "1 events dropped" in note
    assert wrong_clock.ended.data["as_of"] < "2025"
    newest = until(log, 67).events["timestamp"].max()
    assert set(wrong_clock.features_until.values()) == {newest.replace(microsecond=0)}
    assert max(first.features_until.values()) < newest


def test_a_new_column_with_a_failed_challenger_leaves_the_champion_fresh_features(
    log: Tables, wrong_clock: Night, new_column: Night
) -> None:
    assert (new_column.ended.code, new_column.ended.data["outcome"]) == (3, "failed")
    assert new_column.champion == wrong_clock.champion
    newest = until(log, 69).events["timestamp"].max()
    assert set(new_column.features_until.values()) == {newest.replace(microsecond=0)}


def test_a_deleted_user_is_unknown_and_leaves_no_online_row(home: Home, deleted: Night) -> None:
    assert deleted.features_until["u000"] is None
    assert "u000" not in deleted.known
    assert "u001" in deleted.known
    answer = home.command("recommend", "u000", "--dataset", DATASET, "--json").data
    assert answer["source"] == "popular"
    path = home.settings.feast_home / "online.db"
    with closing(sqlite3.connect(path)) as connection:
        for table in (name for name in tables_in(path) if name.startswith(DATASET)):
            query = f'SELECT count(*) FROM "{table}" WHERE entity_key = ?'
            assert connection.execute(query, [key_of(Entity.USER, "u000")]).fetchone() == (0,)


def test_withdrawn_items_are_not_answered_by_the_champion(home: Home, deleted: Night) -> None:
    for user in ("u004", "u000"):
        items = home.command("recommend", user, "-k", "500", "--dataset", DATASET, "--json").data["items"]
        assert len(items) == 158 if user == "u004" else 100 < len(items) <= 158
        assert not {"i000", "i004"} & {item["item_id"] for item in items}


def test_another_folder_of_the_same_name_is_refused(home: Home, log: Tables, deleted: Night) -> None:
    """Whether its champion could be compared or not."""
    other = replace(
        log,
        events=log.events.with_columns(pl.col("user_id") + "x", pl.col("item_id") + "x"),
        users=log.users.with_columns(pl.col("user_id") + "x"),
        items=log.items.with_columns(pl.col("item_id") + "x"),
    )
    folder = write_world(home.root / "elsewhere" / DATASET, other)
    before = home.versions(DATASET)
    ended = home.command("run", "--data", folder, "--recipe", "quick")
    assert ended.code == 1
    assert "is other data, from" in ended.err
    assert "0 of 64 users and 0 of 64 items" in ended.err
    assert home.versions(DATASET) == before


def test_the_nightly_schedule_knows_the_home_and_its_folders(home: Home, folder: Path, deleted: Night) -> None:
    with home.entered(), dg.DagsterInstance.get() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2024, 1, 1, 3))
        asked = defs.resolve_schedule_def("nightly").evaluate_tick(context).run_requests
    configs = [request.run_config["resources"]["workspace"]["config"] for request in asked]
    (own,) = [config for config in configs if config.get("data") == str(folder.absolute())]
    assert (own["dataset"], own["recipe"]) == ("own", "quick")
    assert not {"as_of", "retrain", "update"} & own.keys()


@pytest.fixture(scope="module")
def by_hand(home: Home, folder: Path, deleted: Night) -> dict[str, Ended]:
    """The alias on a version that failed; rolled back; the alias deleted; a run."""
    client = mlflow.MlflowClient(home.settings.mlflow_uri, home.settings.mlflow_uri)
    failed, champion = home.versions(DATASET)[0], deleted.champion
    client.set_registered_model_alias(DATASET, "champion", str(failed))
    found = {
        "answer": home.command("recommend", "u001", "--dataset", DATASET),
        "releases": home.command("releases", "--dataset", DATASET),
        "rollback": home.command("rollback", "--dataset", DATASET),
    }
    assert home.champion(DATASET) == champion
    client.delete_registered_model_alias(DATASET, "champion")
    found["none"] = home.command("recommend", "u001", "--dataset", DATASET)
    found["failed run"] = home.command("run", "--data", folder, "--recipe", "quick")
    found["mended"] = home.command("run", "--data", folder, "--recipe", "quick", "--seed", "5", "--json")
    return found


def test_an_alias_moved_by_hand_serves_nothing_that_failed(deleted: Night, by_hand: dict[str, Ended]) -> None:
    assert by_hand["answer"].code == 1
    assert "its verdict is failed and no override is recorded" in by_hand["answer"].err
    assert "does not serve: the alias was moved to it by hand" in by_hand["releases"].out
    assert by_hand["rollback"].out == f"champion: nights v{deleted.champion}\n"


def test_a_deleted_alias_is_called_that_and_mended_by_a_run_that_passes(by_hand: dict[str, Ended]) -> None:
    assert "the alias was deleted in MLflow" in by_hand["none"].err
    assert by_hand["failed run"].code == 3
    assert "(no champion: the alias was deleted in MLflow)" in by_hand["failed run"].out
    mended = by_hand["mended"].data
    assert (mended["outcome"], mended["champion"]) == ("passed", mended["version"])


def test_a_version_is_verified_and_a_mismatch_is_named(home: Home, by_hand: dict[str, Ended]) -> None:
    version = by_hand["mended"].data["version"]
    ended = home.command("verify", str(version), "--dataset", DATASET, "--json")
    assert (ended.code, set(ended.data.values())) == (0, {"holds"})
    path = Registry(home.settings, DATASET).download(version) / "popular.json"
    content = path.read_text()
    path.write_text(json.dumps([["i001", 1]]))
    ended = home.command("verify", str(version), "--dataset", DATASET)
    path.write_text(content)
    assert ended.code == 1
    assert "popular.json" in ended.out


def test_a_broken_champion_leaves_its_successor_undecided_and_an_override_works(
    home: Home, folder: Path, by_hand: dict[str, Ended]
) -> None:
    champion = home.champion(DATASET)
    path = Registry(home.settings, DATASET).download(champion) / "user_tower.pt2"
    content = path.read_bytes()
    path.write_bytes(b"")
    ended = home.command("run", "--data", folder, "--recipe", "quick", "--seed", "6")
    path.write_bytes(content)
    assert ended.code == 3
    assert "the champion could not be measured" in ended.out
    assert f"champion {champion} cannot be measured" in ended.out
    version = home.versions(DATASET)[0]
    promoted = home.command("promote", str(version), "--dataset", DATASET, "--override", "the old one is broken")
    assert promoted.out == f"champion: nights v{version}\n"
    assert len(home.command("recommend", "u001", "--dataset", DATASET, "--json").data["items"]) == 20


def test_cleaning_keeps_what_serves_and_what_a_rollback_needs(home: Home, folder: Path, by_hand: Any) -> None:
    champion = home.champion(DATASET)
    before = home.files(), home.versions(DATASET)
    planned = home.command("clean", "--keep", "1", "--dry-run", "--dataset", DATASET, "--json").data
    assert (home.files(), home.versions(DATASET)) == before
    answers = home.answers(DATASET)
    done = home.command("clean", "--keep", "1", "--dataset", DATASET, "--json").data
    assert done == planned
    kept = set(map(int, done["kept"]))
    assert champion in kept
    assert set(home.versions(DATASET)) == kept
    assert set(done["versions"]) == set(before[1]) - kept
    assert done["versions"] and done["collections"] and done["folders"] and done["schemas"]
    assert not [each for each in done["folders"] if Path(each).exists()]
    assert home.answers(DATASET) == answers
    again = home.command("clean", "--keep", "1", "--dataset", DATASET, "--json").data
    assert not again["versions"] + again["collections"] + again["folders"] + again["schemas"]
    assert home.command("rollback", "--dataset", DATASET).code == 0
    assert home.command("run", "--data", folder, "--recipe", "quick", "--json").code in (0, 3)
