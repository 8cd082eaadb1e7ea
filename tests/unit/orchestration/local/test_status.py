"""The state of a home, as `gatehouse status` shows it."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from orchestration.local.status import status, status_text
from serving.index.base import Fields
from serving.index.milvus import MilvusIndex
from serving.registry import INPUT_KEY, OVERRIDE, Registry
from serving.release.manifest import collection_name
from serving.settings import Settings

ROOT = Path(__file__).parents[4]
UNKNOWN = {"override": None, "features_as_of": None, "newest_features": None}


def settings_of(home: Path, **variables: str) -> Settings:
    return Settings.from_environment({"GATEHOUSE_HOME": str(home), **variables})


def values(home: Path, folder: str, dataset: str, seconds: dict[str, int]) -> None:
    """Write the newest value of each asset, at these seconds of 1970."""
    (home / "values" / folder).mkdir(parents=True)
    for asset, second in seconds.items():
        path = home / "values" / folder / f"{asset}.json"
        path.write_text(json.dumps({"dataset": dataset}))
        os.utime(path, (second, second))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Home with two versions, the second the champion with three items.

    Another dataset has only been read.
    """
    home = tmp_path_factory.mktemp("released")
    settings = settings_of(home)
    settings.create_home()
    registry = Registry(settings, "shop")
    model = home / "data" / "shop" / "model"
    model.mkdir(parents=True)
    (model / "recipe.json").write_text("{}")
    for _ in range(2):
        with registry.run("towers") as run:
            version = run.register(model, {INPUT_KEY: "key"})
    registry.set_champion(version)
    with MilvusIndex(settings, Fields(types={})) as index:
        items = pl.DataFrame({"item_id": ["a", "b", "c"]})
        index.build(collection_name("shop", version), items, np.eye(3, 4, dtype=np.float32))
    values(home, "own-1a2b3c4d", "shop", {"events": 10, "champion": 70})
    values(home, "tiny", "tiny", {"events": 3_600})
    (home / "feast").joinpath("registry.db").touch()
    return settings


def test_a_home_that_is_not_there_is_told_and_not_made(tmp_path: Path) -> None:
    state = status(settings_of(tmp_path / "home"))
    assert (state["format"], state["bytes"]["total"], state["datasets"], state["services"]) == (None, 0, {}, {})
    assert [state[part]["state"] for part in ("registry", "index")] == ["nothing yet", "nothing yet"]
    assert "nothing here yet" in status_text(state)
    assert list(tmp_path.iterdir()) == []


def test_without_releases_it_is_cheap(tmp_path: Path) -> None:
    values(tmp_path, "tiny", "tiny", {"events": 60})
    program = "import os, sys; from orchestration.local.status import *; from serving.settings import Settings\n"
    program += "status(Settings.from_environment(os.environ)); print(*sys.modules)"
    environment = {**os.environ, "GATEHOUSE_HOME": str(tmp_path), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert "polars" in done.stdout.split()
    assert not {"mlflow", "pymilvus", "feast", "dagster", "torch", "pandas"} & set(done.stdout.split())


def test_datasets_with_champion_versions_and_last_run(released: Settings) -> None:
    assert status(released)["datasets"] == {
        "shop": {"champion": 2, "versions": 2, **UNKNOWN, "last_run": "1970-01-01T00:01:10"},
        "tiny": {"champion": None, "versions": 0, **UNKNOWN, "last_run": "1970-01-01T01:00:00"},
    }


def test_the_index_counts_the_items_of_the_champion(released: Settings) -> None:
    index = status(released)["index"]
    assert (index["state"], index["collections"]) == ("there", {"shop_items_v2": 3})


def test_an_index_that_a_run_holds_is_left_alone(released: Settings) -> None:
    with MilvusIndex(released, Fields(types={})) as index:
        assert index.info("shop_items_v1") is None
        state = status(released)
    assert (state["index"]["state"], state["index"]["collections"]) == ("held by another process", {})
    assert state["datasets"]["shop"]["champion"] == 2


def test_features_are_there_or_not(released: Settings, tmp_path: Path) -> None:
    assert status(released)["features"] == {"registry": "there", "type": "sqlite", "online_store": "nothing yet"}
    redis = settings_of(tmp_path, GATEHOUSE_ONLINE_STORE='{"type": "redis", "connection_string": "10.0.0.1"}')
    assert status(redis)["features"] == {"registry": "nothing yet", "type": "redis", "online_store": "configured"}


def test_bytes_by_part(tmp_path: Path) -> None:
    for name, size in {"current": 5, "mlflow/a": 10, "mlflow/b/c": 20, "feast/registry.db": 20}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    state = status(settings_of(tmp_path))
    assert state["bytes"] == {"mlflow": 30, "feast": 20, "other": 5, "total": 55}
    assert list(state["bytes"]) == ["mlflow", "feast", "other", "total"]


def test_servers_that_do_not_answer_are_told_without_their_password(tmp_path: Path) -> None:
    (tmp_path / "data" / "shop").mkdir(parents=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        address = f"127.0.0.1:{free.getsockname()[1]}"
    state = status(
        settings_of(
            tmp_path,
            GATEHOUSE_MLFLOW_URI=f"http://me:secret@{address}",
            GATEHOUSE_MILVUS_URI=f"http://:secret@{address}",
        )
    )
    assert state["registry"] == {"uri": f"http://{address}", "state": "does not answer"}
    assert state["index"] == {"uri": f"http://{address}", "state": "does not answer", "collections": {}}
    assert state["datasets"]["shop"] == {"champion": None, "versions": None, **UNKNOWN, "last_run": None}
    assert "secret" not in json.dumps(state)
    assert "shop: releases unknown" in status_text({**state, "format": "1"})


def test_the_text_agrees_with_the_data(released: Settings) -> None:
    text = status_text(json.loads(json.dumps(status(released))))
    assert str(released.home) in text
    assert "shop: champion 2, versions 2, features as of unknown, last run 1970-01-01T00:01:10" in text
    assert "shop_items_v2: 3 items" in text
    assert "services  none; `gatehouse up` starts them" in text


def test_a_champion_that_serves_by_an_override_is_called_that(released: Settings) -> None:
    assert "override" not in status_text(status(released))
    registry = Registry(released, "shop")
    registry.set_tags(2, {OVERRIDE: "<b>lost</b>\nindex"})
    state = status(released)
    registry.remove_tag(2, OVERRIDE)
    assert state["datasets"]["shop"]["override"] == "<b>lost</b> index"
    assert "shop: champion 2 (serves by an override: <b>lost</b> index), versions 2" in status_text(state)
