"""A fortnight on one home: after each night the champion's answers are those of its towers to the newest export.

The fixtures are one story, each the next night. Answers that should be there are computed from the exported files
alone (`nights_world.Shop.fresh`).
"""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import dagster as dg
import mlflow
import polars as pl
import pytest

from feature_repo.schema import Entity
from feature_repo.store.sqlite_rows import key_of, tables_in
from orchestration.definitions import defs
from serving.registry import Registry
from tests.pipeline.nights_world import DATASET, GONE, SHUT, WITHDRAWN, Night, Shop, alike, new_shop
from tests.pipeline.planted import Home, write_world


@pytest.fixture(scope="module")
def home(home: Home) -> Home:
    return home.light()


@pytest.fixture(scope="module")
def shop(home: Home) -> Shop:
    return new_shop(home)


@pytest.fixture(scope="module")
def client(home: Home) -> mlflow.MlflowClient:
    return mlflow.MlflowClient(home.settings.mlflow_uri, home.settings.mlflow_uri)


@pytest.fixture(scope="module")
def fortnight(home: Home, shop: Shop, client: mlflow.MlflowClient) -> dict[str, Night]:
    """Fourteen nights, with what people did on the days between."""
    nights: dict[str, Night] = {}

    def night(name: str, *options: str, **policy: Any) -> None:
        nights[name] = shop.night(name, *options, **policy)

    shop.export(44)
    night("first")
    text = (shop.folder / "events.csv").read_text()
    (shop.folder / "events.csv").write_text(text[: len(text) // 2] + '"')
    night("bad export")
    shop.export(46, wrong_clock=True)
    night("wrong clock")
    night("nothing new")
    shop.export(48)
    tier = shop.log.users.with_columns(tier=pl.lit("gold"))
    tier.write_parquet(shop.folder / "users.parquet")
    shop.configure(lambda config: config["users"]["features"].update(tier={"kind": "categorical"}))
    night("new column, failed gate", **SHUT)
    shop.export(50, without=True)
    tier.filter(pl.col("user_id") != GONE).write_parquet(shop.folder / "users.parquet")
    shop.log.items.filter(~pl.col("item_id").is_in(WITHDRAWN)).write_csv(shop.folder / "items.csv")
    night("deleted user")
    home.command("rollback", "--dataset", DATASET)
    night("rolled back")
    items = (shop.folder / "items.csv").read_text()
    (shop.folder / "items.csv").write_text("\n".join(items.splitlines()[:40]))
    night("half the items")
    (shop.folder / "items.csv").write_text(items)
    shop.export(52, without=True)
    home.command("promote", str(nights["deleted user"].champion), "--dataset", DATASET)
    night("update", "--update", "champion")
    shop.export(54, without=True)
    failed = nights["new column, failed gate"].ended.data["version"]
    client.set_registered_model_alias(DATASET, "champion", str(failed))
    night("alias on what failed")
    nights["alias put back"] = shop.asked(home.command("rollback", "--dataset", DATASET))
    client.delete_registered_model_alias(DATASET, "champion")
    night("alias deleted")
    shop.export(56, without=True)
    night("mended")
    shop.export(58, without=True)
    nights |= broken_champion(home, shop)
    nights["cleaned"] = shop.asked(home.command("clean", "--keep", "1", "--dataset", DATASET, "--json"))
    home.command("rollback", "--dataset", DATASET)
    night("after the cleaning")
    return nights


def broken_champion(home: Home, shop: Shop) -> dict[str, Night]:
    """A night on which a file of the champion is lost, and the promotion of its undecided successor."""
    path = Registry(home.settings, DATASET).download(home.champion(DATASET)) / "user_tower.pt2"
    content = path.read_bytes()
    path.write_bytes(b"")
    lost = shop.night("champion lost")
    promote = ("promote", str(lost.ended.data["version"]), "--dataset", DATASET)
    overridden = shop.asked(home.command(*promote, "--override", "the old one is broken"))
    path.write_bytes(content)
    return {"champion lost": lost, "overridden": overridden}


SERVING = (
    "first", "bad export", "wrong clock", "nothing new", "new column, failed gate", "deleted user", "rolled back",
    "half the items", "update", "alias put back", "mended", "overridden", "cleaned", "after the cleaning",
)  # fmt: skip
SILENT = {
    "alias on what failed": "no override is recorded",
    "alias deleted": "the alias was deleted in MLflow",
    "champion lost": "the files in",
}


@pytest.mark.parametrize("name", SERVING)
def test_the_answers_are_those_of_a_fresh_computation(fortnight: dict[str, Night], name: str) -> None:
    alike(fortnight[name].answers, fortnight[name].fresh)


@pytest.mark.parametrize("name", SILENT)
def test_without_a_champion_that_may_serve_there_is_a_reason_and_no_answer(
    fortnight: dict[str, Night], name: str
) -> None:
    assert SILENT[name] in str(fortnight[name].answers)


def test_the_champion_moves_on_a_passed_verdict_or_on_purpose_only(fortnight: dict[str, Night]) -> None:
    ends = {name: night.ended.code for name, night in fortnight.items()}
    assert ends == dict.fromkeys(fortnight, 0) | {
        "bad export": 1,
        "half the items": 1,
        "new column, failed gate": 3,
        "alias on what failed": 3,
        "alias deleted": 3,
        "champion lost": 3,
        "after the cleaning": 3,
    }
    assert {name: night.champion for name, night in fortnight.items()} == {
        "first": 1,
        "bad export": 1,
        "wrong clock": 2,
        "nothing new": 2,
        "new column, failed gate": 2,
        "deleted user": 4,
        "rolled back": 2,
        "half the items": 2,
        "update": 5,
        "alias on what failed": 3,
        "alias put back": 5,
        "alias deleted": None,
        "mended": 7,
        "champion lost": 7,
        "overridden": 8,
        "cleaned": 8,
        "after the cleaning": 7,
    }


def test_a_bad_export_is_named_and_changes_nothing(fortnight: dict[str, Night]) -> None:
    for name, before, file in (("bad export", "first", "events.csv"), ("half the items", "rolled back", "'item_id'")):
        assert file in fortnight[name].ended.err
        assert fortnight[name].answers == fortnight[before].answers


def test_an_event_of_the_future_is_dropped_with_a_count_and_poisons_nothing(fortnight: dict[str, Night]) -> None:
    data = fortnight["wrong clock"].ended.data
    (note,) = [note for note in data["notes"] if "2099" in note]
    assert "1 events dropped" in note
    assert data["as_of"] < "2025"


def test_the_same_export_gives_the_same_version(fortnight: dict[str, Night]) -> None:
    for name, before in (("nothing new", "wrong clock"), ("rolled back", "deleted user")):
        data = fortnight[name].ended.data
        assert (data["version"], data["reused"]) == (fortnight[before].ended.data["version"], True)


def test_a_deleted_user_is_unknown_to_every_release(home: Home, fortnight: dict[str, Night]) -> None:
    for name, night in fortnight.items():
        serves = name in SERVING
        before = list(fortnight).index(name) < list(fortnight).index("deleted user")
        assert (GONE in night.known) == (serves and before), name
        assert ("u001" in night.known) == serves, name
    path = home.settings.feast_home / "online.db"
    with closing(sqlite3.connect(path)) as connection:
        for table in (name for name in tables_in(path) if name.startswith(DATASET)):
            query = f'SELECT count(*) FROM "{table}" WHERE entity_key = ?'
            assert connection.execute(query, [key_of(Entity.USER, GONE)]).fetchone() == (0,)


def test_an_update_is_that_of_the_champion(fortnight: dict[str, Night]) -> None:
    data = fortnight["update"].ended.data
    assert (data["training"], data["parent"]) == ("update", 4)


def test_what_cannot_be_compared_is_undecided(fortnight: dict[str, Night]) -> None:
    for name in ("alias on what failed", "champion lost"):
        data = fortnight[name].ended.data
        assert data["outcome"] == "undecided", name
        assert any("cannot be measured" in reason and "gatehouse doctor" in reason for reason in data["reasons"]), name


def test_cleaning_keeps_what_serves_and_what_a_rollback_needs(home: Home, fortnight: dict[str, Night]) -> None:
    done = fortnight["cleaned"].ended.data
    assert set(map(int, done["kept"])) == {7, 8}
    assert set(done["versions"]) == {1, 2, 3, 4, 5, 6}
    assert done["collections"] and done["folders"] and done["schemas"]
    assert not [each for each in done["folders"] if Path(each).exists()]
    assert home.versions(DATASET) == [8, 7]
    again = home.command("clean", "--keep", "1", "--dry-run", "--dataset", DATASET, "--json").data
    assert not again["versions"] + again["collections"] + again["folders"] + again["schemas"]


def test_a_version_is_verified_and_a_mismatch_is_named(home: Home, fortnight: dict[str, Night]) -> None:
    ended = home.command("verify", "8", "--dataset", DATASET, "--json")
    assert (ended.code, set(ended.data.values())) == (0, {"holds", "holds by an override: the old one is broken"})
    assert ended.data["verdict"].startswith("holds by an override")
    path = Registry(home.settings, DATASET).download(8) / "popular.json"
    content = path.read_text()
    path.write_text(json.dumps([["i001", 1]]))
    ended = home.command("verify", "8", "--dataset", DATASET)
    path.write_text(content)
    assert ended.code == 1
    assert "popular.json" in ended.out


def test_another_folder_of_the_same_name_is_refused(home: Home, shop: Shop, fortnight: dict[str, Night]) -> None:
    """Whether its champion could be compared or not."""
    other = replace(
        shop.log,
        events=shop.log.events.with_columns(pl.col("user_id") + "x", pl.col("item_id") + "x"),
        users=shop.log.users.with_columns(pl.col("user_id") + "x"),
        items=shop.log.items.with_columns(pl.col("item_id") + "x"),
    )
    folder = write_world(home.root / "elsewhere" / DATASET, other)
    before = home.versions(DATASET)
    ended = home.command("run", "--data", folder, "--recipe", "quick")
    assert ended.code == 1
    assert "is other data, from" in ended.err
    assert "0 of 64 users and 0 of 64 items" in ended.err
    assert home.versions(DATASET) == before


def test_the_nightly_schedule_knows_the_home_and_its_folders(
    home: Home, shop: Shop, fortnight: dict[str, Night]
) -> None:
    with home.entered(), dg.DagsterInstance.get() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=datetime(2024, 1, 1, 3))
        asked = defs.resolve_schedule_def("nightly").evaluate_tick(context).run_requests
    configs = [request.run_config["resources"]["workspace"]["config"] for request in asked]
    (own,) = [config for config in configs if config.get("data") == str(shop.folder.absolute())]
    assert (own["dataset"], own["recipe"]) == ("own", "quick")
    assert not {"as_of", "retrain", "update"} & own.keys()
