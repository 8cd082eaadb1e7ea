"""Production by settings alone: MLflow, Feast's registry and Dagster in Postgres, artifacts in S3; each a real one."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import polars as pl
import pytest
from click.testing import CliRunner
from mlflow.cli import gc
from polars.testing import assert_frame_equal

from feature_repo.errors import OnlineStoreError
from feature_repo.schema import Entity
from feature_repo.store.retention import drop_other_schemas, other_schemas
from feature_repo.store.sqlite_online import features_as_of
from feature_repo.store.store import Store
from orchestration.local.home import prepare_home
from orchestration.local.status import status
from serving.registry.sqlite import open_registry
from serving.release.load import Release
from serving.release.promotion import promote
from serving.release.retention import remove
from serving.settings import Settings
from serving.variables import DAGSTER_STORAGE
from tests.integration.online_servers import free_port, redis_binary, redis_server
from tests.integration.production_servers import BUCKET, postgres_databases, s3_bucket
from tests.integration.release_world import DATASET, register, schema, seal_as, write_artifacts
from tests.integration.store_world import HOURS, SCHEMA, USERS, hour, write

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def databases() -> Iterator[dict[str, str]]:
    with postgres_databases("mlflow", "features", "dagster") as found:
        yield found


@pytest.fixture(scope="module")
def settings(databases: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Home whose registry is in Postgres and whose artifacts are in S3."""
    with s3_bucket() as artifacts:
        home = tmp_path_factory.mktemp("home")
        uris = {"GATEHOUSE_MLFLOW_URI": f"postgresql://{databases['mlflow']}", "GATEHOUSE_ARTIFACTS": artifacts}
        yield Settings.from_environment({"GATEHOUSE_HOME": str(home), **uris})


def test_a_release_lives_in_postgres_and_s3(settings: Settings, tmp_path: Path) -> None:
    for number in (1, 2):
        folder = write_artifacts(tmp_path / f"artifacts{number}", schema(), slope=0.1 * number)
        assert register(settings, folder, input_key=f"key{number}") == number
        seal_as(settings, number)
        promote(settings, DATASET, number)
    registry = open_registry(settings, DATASET)
    assert (registry.champion(), registry.find("key1")) == (2, 1)
    assert [each.version for each in registry.versions()] == [2, 1]
    registry.write_text(2, "note.txt", "kept")
    assert registry.read_text(2, "note.txt") == registry.run_file(2, "note.txt").read_text() == "kept"
    assert registry.read_file(2, "schema.json") == schema().to_json()
    assert Release.load(settings, DATASET).manifest.version == 2
    assert all(each.startswith("s3://gatehouse/artifacts/") for each in registry.addresses(2))
    assert not list((settings.home / "mlflow").iterdir())
    with pytest.raises(FileNotFoundError, match=r"version 2 has no missing.txt"):
        registry.read_text(2, "missing.txt")
    removed = tuple(registry.addresses(1))
    assert len(below(removed)) > 5
    remove(registry, 1)
    assert [each.version for each in registry.versions()] == [2]
    collected = CliRunner().invoke(gc, ["--backend-store-uri", settings.mlflow_uri])
    assert (collected.exit_code, below(removed)) == (0, []), collected.output
    assert Release.load(settings, DATASET).manifest.version == 2


def below(addresses: tuple[str, ...]) -> list[str]:
    """Objects of the bucket below some addresses."""
    import boto3

    found = boto3.resource("s3").Bucket(BUCKET).objects.all()
    return [each.key for each in found if f"s3://{BUCKET}/{each.key}".startswith(addresses)]


def test_the_state_shows_no_password(settings: Settings) -> None:
    shown = status(replace(settings, mlflow_uri=settings.mlflow_uri.replace("gatehouse@", "gatehouse:secret@")))
    assert shown["registry"]["state"] == "there"
    assert "secret" not in str(shown)


@pytest.fixture
def registry(databases: dict[str, str]) -> str:
    return f"postgresql://{databases['features']}"


def loaded(home: Path, tables: Path, registry: str | None, dataset: str, **online: object) -> Store:
    store = Store(replace(SCHEMA, dataset=dataset), home, registry=registry, **online)  # type: ignore[arg-type]
    store.apply(tables)
    store.load_online(Entity.USER, hour(200))
    return store


def test_features_are_registered_in_postgres(tmp_path: Path, tables: dict[str, pl.DataFrame], registry: str) -> None:
    folder, home = write(tmp_path / "tables", tables), tmp_path / "home"
    store = loaded(home, folder, registry, "registered")
    alone = loaded(tmp_path / "alone", folder, None, "registered")  # in the home
    assert_frame_equal(store.read_online(Entity.USER, USERS), alone.read_online(Entity.USER, USERS))
    assert store.loaded_until(Entity.USER) == features_as_of(store.schema, home, registry=registry) == hour(200)
    kept, gone = store.schema.digest, "0123abcd"
    assert other_schemas("registered", [kept], home, registry=registry) == []
    assert other_schemas("registered", [gone], home, registry=registry) == [kept]
    drop_other_schemas("registered", [kept], home, registry=registry)
    assert other_schemas("registered", [gone], home, registry=registry) == []
    assert not (home / "registry.db").exists()


def test_a_service_sees_loads_of_another_process(
    tmp_path: Path, tables: dict[str, pl.DataFrame], registry: str
) -> None:
    """Redis has no note of a load: it stands in the registry, which SQLite's counter does not watch here."""
    if not redis_binary():
        pytest.skip("no Redis is installed, neither by pip (requirements-dev.lock) nor by the system")
    folder, home = write(tmp_path / "tables", tables), tmp_path / "home"
    with redis_server() as server:
        online = {"online": server.online}
        writer = loaded(home, folder, registry, "watched", **online)
        reader = Store(writer.schema, home, registry=registry, online=server.online)
        assert reader.loaded_until(Entity.USER) == hour(200)
        writer.load_online(Entity.USER, hour(HOURS))
        with patch("feature_repo.store.registry_database.time.monotonic", return_value=1e9):  # a second later
            assert reader.loaded_until(Entity.USER) == hour(HOURS)
        assert features_as_of(writer.schema, home, registry=registry, online=server.online) == hour(HOURS)


def test_a_registry_that_is_away_is_named_without_its_password(tmp_path: Path) -> None:
    port = free_port()
    store = Store(SCHEMA, tmp_path, registry=f"postgresql://me:secret@127.0.0.1:{port}/features")
    with pytest.raises(OnlineStoreError, match=rf"feature registry at .*//127.0.0.1:{port}/features: ") as caught:
        store.loaded_until(Entity.USER)
    assert "GATEHOUSE_FEATURE_REGISTRY" in str(caught.value)
    assert "secret" not in str(caught.value)


RUNS = """
import os
from dagster import DagsterRun, DagsterRunStatus
from orchestration.local.home import dagster_instance, prepare_home
from serving.settings import Settings
prepare_home(Settings.from_environment(os.environ))
with dagster_instance() as instance:
    instance.add_run(DagsterRun(job_name="release_job", status=DagsterRunStatus.SUCCESS))
    instance.report_engine_event("ended", instance.get_runs()[0])
    print(instance.get_runs_count(), len(instance.all_logs(instance.get_runs()[0].run_id)))
"""


def test_dagster_keeps_its_runs_in_postgres(databases: dict[str, str], tmp_path: Path) -> None:
    pytest.importorskip("dagster_postgres", reason="pip install 'gatehouse[postgres]'")
    home = tmp_path / "home"
    variables = {"GATEHOUSE_HOME": str(home), DAGSTER_STORAGE: f"postgresql+psycopg2://{databases['dagster']}"}
    counts = []
    for _ in range(2):
        ended = subprocess.run(
            [sys.executable, "-c", RUNS], env={**os.environ, **variables}, capture_output=True, text=True
        )
        counts.append(ended.stdout.split())
        assert ended.returncode == 0, ended.stderr
        shutil.rmtree(home)  # nothing of it is needed
    assert counts == [["1", "1"], ["2", "1"]]


def test_no_server_is_asked_for_its_address(tmp_path: Path) -> None:
    """Settings that name services which are away can be read: only their use needs them."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    variables = {"GATEHOUSE_HOME": str(tmp_path), DAGSTER_STORAGE: f"postgresql+psycopg2://me@127.0.0.1:{port}/dagster"}
    with patch.dict(os.environ):
        prepare_home(Settings.from_environment(variables))
    assert DAGSTER_STORAGE in (tmp_path / "dagster" / "dagster.yaml").read_text()
