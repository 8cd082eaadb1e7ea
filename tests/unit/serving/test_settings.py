"""Settings out of the environment."""

from __future__ import annotations

import json
import os
import socket
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from serving.settings import EXACT, GRAPH, Settings
from serving.variables import MEMORY, MILVUS


def read(home: Path, **variables: str) -> Settings:
    return Settings.from_environment({"GATEHOUSE_HOME": str(home), **variables})


def test_everything_lies_in_the_home_by_default(tmp_path: Path) -> None:
    settings = read(tmp_path)
    assert settings.mlflow_uri == f"sqlite:///{tmp_path}/mlflow/mlflow.db"
    assert settings.mlflow_artifacts == f"file://{tmp_path}/mlflow/artifacts"
    assert settings.milvus_uri == str(tmp_path / "milvus" / "items.db")
    assert settings.feast_home == tmp_path / "feast"
    assert (settings.index, settings.online_store, settings.gate_policy) == (EXACT, None, None)
    assert settings.search == MEMORY
    assert list(tmp_path.iterdir()) == []  # reading makes nothing
    assert Settings.from_environment({}).home == Path.cwd() / ".gatehouse"


def test_servers_are_used_by_setting_alone(tmp_path: Path) -> None:
    settings = read(
        tmp_path,
        GATEHOUSE_MLFLOW_URI="http://127.0.0.1:5001",
        GATEHOUSE_MILVUS_URI="http://127.0.0.1:19531",
        GATEHOUSE_ONLINE_STORE='{"type": "redis", "connection_string": "127.0.0.1:6379"}',
        GATEHOUSE_POLICY="my-gate.yaml",
    )
    assert (settings.mlflow_uri, settings.mlflow_artifacts) == ("http://127.0.0.1:5001", None)
    assert (settings.milvus_uri, settings.index) == ("http://127.0.0.1:19531", GRAPH)
    assert settings.online_store == {"type": "redis", "connection_string": "127.0.0.1:6379"}
    assert settings.gate_policy == Path("my-gate.yaml")


def test_databases_and_artifacts_are_chosen_by_setting_alone(tmp_path: Path) -> None:
    for package in ("psycopg", "dagster_postgres", "boto3"):
        pytest.importorskip(package, reason="requirements-dev.lock")
    settings = read(
        tmp_path,
        GATEHOUSE_MLFLOW_URI="postgresql://me@there/mlflow",
        GATEHOUSE_ARTIFACTS="s3://shop/artifacts",
        GATEHOUSE_FEATURE_REGISTRY="postgresql+psycopg://me@there/features",
        GATEHOUSE_DAGSTER_STORAGE="postgresql+psycopg2://me@there/dagster",
    )
    assert (settings.mlflow_uri, settings.mlflow_artifacts) == ("postgresql://me@there/mlflow", "s3://shop/artifacts")
    assert settings.feature_registry == "postgresql+psycopg://me@there/features"
    assert settings.dagster_storage == "postgresql+psycopg2://me@there/dagster"
    served = read(tmp_path, GATEHOUSE_MLFLOW_URI="http://there:5000", GATEHOUSE_ARTIFACTS="s3://shop/artifacts")
    assert served.mlflow_artifacts is None  # the server decides


@pytest.mark.parametrize(
    ("name", "uri", "extra"),
    [
        ("GATEHOUSE_MLFLOW_URI", "postgresql://me:secret@there/mlflow", "postgres"),
        ("GATEHOUSE_FEATURE_REGISTRY", "postgresql+psycopg://me:secret@there/features", "postgres"),
        ("GATEHOUSE_DAGSTER_STORAGE", "postgresql+psycopg2://me:secret@there/dagster", "postgres"),
        ("GATEHOUSE_ARTIFACTS", "s3://shop/artifacts", "s3"),
        ("GATEHOUSE_DATA", "s3://shop/data", "s3"),
    ],
)
def test_a_missing_client_is_named(
    tmp_path: Path, name: str, uri: str, extra: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ValueError, match=rf"{name} names .* is missing: pip install 'gatehouse\[{extra}\]'") as caught:
        read(tmp_path, **{name: uri})
    assert "secret" not in str(caught.value)


def test_dagster_needs_the_client_that_its_queries_are_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"wanted postgresql\+psycopg2://.*, got an address with the scheme"):
        read(tmp_path, GATEHOUSE_DAGSTER_STORAGE="postgresql://me:secret@there/dagster")


def test_the_online_store_may_be_a_file(tmp_path: Path) -> None:
    path = tmp_path / "online.yaml"
    path.write_text("type: postgres\nhost: 127.0.0.1\n")
    assert read(tmp_path, GATEHOUSE_ONLINE_STORE=str(path)).online_store == {"type": "postgres", "host": "127.0.0.1"}


def test_the_searcher_may_be_chosen(tmp_path: Path) -> None:
    kafka = {"type": "kafka", "bootstrap.servers": "127.0.0.1:9092"}
    assert read(tmp_path, GATEHOUSE_EVENT_LOG=json.dumps(kafka)).kafka == kafka
    assert read(tmp_path, GATEHOUSE_EVENT_LOG="").kafka is None
    assert read(tmp_path, GATEHOUSE_SEARCH="milvus").search == MILVUS
    assert read(tmp_path, GATEHOUSE_SEARCH="").search == MEMORY


def test_the_index_may_be_chosen(tmp_path: Path) -> None:
    settings = read(tmp_path, GATEHOUSE_MILVUS_INDEX='{"index_type": "IVF_FLAT", "search": {"nprobe": 8}}')
    assert (settings.index.index_type, settings.index.build, settings.index.search) == ("IVF_FLAT", {}, {"nprobe": 8})


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("GATEHOUSE_SEARCH", "faiss"),
        ("GATEHOUSE_DATA", "shop/data"),
        ("GATEHOUSE_DAGSTER_YAML", "no/dagster.yaml"),
        ("GATEHOUSE_MILVUS_INDEX", "HNSW"),
        ("GATEHOUSE_MILVUS_INDEX", '{"typ": "HNSW"}'),
        ("GATEHOUSE_ONLINE_STORE", '{"host": "x"}'),
        ("GATEHOUSE_EVENT_LOG", '{"bootstrap.servers": "x"}'),
        ("GATEHOUSE_EVENT_LOG", '{"type": "kafka"}'),
        ("GATEHOUSE_EVENT_LOG", '{"type": "pulsar", "bootstrap.servers": "x"}'),
        ("GATEHOUSE_FEATURES_BEHIND_DAYS", "a week"),
        ("GATEHOUSE_FEATURES_BEHIND_DAYS", "-1"),
    ],
)
def test_an_unreadable_variable_is_named(tmp_path: Path, variable: str, text: str) -> None:
    with pytest.raises(ValueError, match=variable):
        read(tmp_path, **{variable: text})


def test_a_running_server_is_used_while_it_answers(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        services = tmp_path / "services.json"
        services.write_text(json.dumps({"milvus": {"pid": os.getpid(), "uri": uri}}))
        assert read(tmp_path).milvus_uri == uri
        assert read(tmp_path).running("mlflow") is None
        services.write_text(json.dumps({"milvus": {"pid": 2**22 + 1, "uri": uri}}))
        assert read(tmp_path).milvus_uri == str(tmp_path / "milvus" / "items.db")
        services.write_text(json.dumps({"milvus": {"pid": os.getpid(), "uri": uri}}))
    assert read(tmp_path).milvus_uri == str(tmp_path / "milvus" / "items.db")


def test_a_home_of_another_format_is_refused(tmp_path: Path) -> None:
    settings = read(tmp_path / "home")
    settings.create_home()
    settings.create_home()
    assert read(tmp_path / "home") == settings
    (tmp_path / "home" / "format").write_text("99\n")
    with pytest.raises(RuntimeError, match="has format '99', this Gatehouse reads 1 and 2: use the version that wrote"):
        read(tmp_path / "home")
    with pytest.raises(RuntimeError, match="format '99'"):
        settings.create_home()


def test_a_home_of_the_former_format_is_read_and_raised(tmp_path: Path) -> None:
    note = tmp_path / "format"
    note.write_text("1\n")
    settings = read(tmp_path)
    assert note.read_text() == "1\n"  # reading changes nothing
    settings.create_home()  # what it writes from here on an older Gatehouse cannot read, and refuses
    assert note.read_text() == "2\n"


def test_files_of_a_home_that_hosts_share_are_not_in_wal(tmp_path: Path) -> None:
    for text, mode in (("", "wal"), ("off", "wal"), ("on", "delete")):
        path = read(tmp_path / text, GATEHOUSE_SHARED_HOME=text).open_item_store("shop").path
        with closing(sqlite3.connect(path)) as connection:
            assert connection.execute("PRAGMA journal_mode").fetchone() == (mode,)
    with pytest.raises(ValueError, match="GATEHOUSE_SHARED_HOME='yes': wanted on or off"):
        read(tmp_path, GATEHOUSE_SHARED_HOME="yes")
