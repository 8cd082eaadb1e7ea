"""Parts of a backup, each by itself: a home in use, databases of a real Postgres, a bucket of a real S3 server."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from infra import backup, bucket
from serving.settings import Settings
from tests.integration.online_servers import client_of, postgres_programs
from tests.integration.production_servers import BUCKET, postgres_databases, s3_bucket


def test_a_home_is_copied_while_it_is_written(tmp_path: Path) -> None:
    home, copy = tmp_path / "home", tmp_path / "copy"
    (home / "logs").mkdir(parents=True)
    (home / "data" / "empty").mkdir(parents=True)
    for name in ("logs/serve.log", "services.json", "online.lock", "current"):
        (home / name).write_text(name)
    with closing(sqlite3.connect(home / "events.db")) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("CREATE TABLE events (number INTEGER)")
        connection.execute("INSERT INTO events VALUES (7)")
        connection.commit()  # in the log beside the file, which the copy does without
        connection.execute("INSERT INTO events VALUES (8)")
        backup.copy_home(home, copy)
    found = {path.relative_to(copy).as_posix() for path in copy.rglob("*")}
    assert found == {"data", "data/empty", "events.db", "current"}
    with closing(sqlite3.connect(copy / "events.db")) as connection:
        assert connection.execute("SELECT number FROM events").fetchall() == [(7,)]


def test_nothing_is_overwritten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, folder = tmp_path / "home", tmp_path / "backup"
    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    for name in ("MLFLOW_URI", "FEATURE_REGISTRY", "DAGSTER_STORAGE", "ARTIFACTS"):
        monkeypatch.delenv(f"GATEHOUSE_{name}", raising=False)
    home.mkdir()
    (home / "current").write_text("shop")
    backup.main("save", folder)
    for action in ("save", "restore"):
        with pytest.raises(FileExistsError, match="is not empty: nothing is overwritten"):
            backup.main(action, folder)
    (home / "current").unlink()
    backup.main("restore", folder)
    assert (home / "current").read_text() == "shop"


def test_a_wrong_folder_is_no_backup_and_makes_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, folder = tmp_path / "home", tmp_path / "backup"
    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    monkeypatch.setenv("GATEHOUSE_MLFLOW_URI", "postgresql://127.0.0.1:1/mlflow")
    monkeypatch.setenv("GATEHOUSE_ARTIFACTS", "s3://bucket/artifacts")
    with pytest.raises(FileNotFoundError, match=f"{home} holds no home: GATEHOUSE_HOME names"):
        backup.main("save", folder)
    with pytest.raises(FileNotFoundError, match=r"no backup of these settings: it has no home, mlflow\.dump, bucket"):
        backup.main("restore", folder)
    assert not folder.exists()
    assert not home.exists()
    ended = subprocess.run(
        [sys.executable, "-m", "infra.backup", "restore", str(folder)], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr.count("\n")) == (1, 1)
    assert ended.stderr.startswith("backup: ")


def test_a_backup_is_whole_and_of_this_home_or_is_not_restored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, other, folder = tmp_path / "home", tmp_path / "other", tmp_path / "backup"
    for name in ("MLFLOW_URI", "FEATURE_REGISTRY", "DAGSTER_STORAGE", "ARTIFACTS"):
        monkeypatch.delenv(f"GATEHOUSE_{name}", raising=False)
    home.mkdir()
    (home / "current").write_text("shop")
    monkeypatch.setenv("GATEHOUSE_HOME", str(home))
    backup.main("save", folder)
    monkeypatch.setenv("GATEHOUSE_HOME", str(other))
    with pytest.raises(FileNotFoundError, match=f"is of the home {home}: restore it there"):
        backup.main("restore", folder)
    (folder / backup.COMPLETE).unlink()
    with pytest.raises(FileNotFoundError, match="its `save` was interrupted"):
        backup.main("restore", folder)
    assert not other.exists()


def test_no_password_stands_in_a_command_or_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[tuple[list[str], str]] = []

    def run(command: list[str], env: dict[str, str], check: bool) -> subprocess.CompletedProcess[str]:
        seen.append((command, env["PGPASSWORD"]))
        return subprocess.CompletedProcess(command, 1)

    monkeypatch.setattr(subprocess, "run", run)
    with pytest.raises(RuntimeError, match=r"pg_dump failed with 1 on postgresql://u@h:1/mlflow") as error:
        backup.dump("postgresql://u:a%2Fsecret@h:1/mlflow", Path("file"))
    ((command, password),) = seen
    assert password == "a/secret"
    assert "secret" not in " ".join(command) + str(error.value)


def test_databases_return_to_the_moment_of_the_dump(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    client_of("postgres")
    programs = postgres_programs()  # a dump needs a program as new as the server
    if programs is None or not (programs / "pg_dump").exists():
        pytest.skip(f"{programs} has no pg_dump")
    monkeypatch.setenv("PATH", f"{programs}{os.pathsep}{os.environ['PATH']}")
    with postgres_databases("mlflow", "features", "dagster") as places:
        import psycopg

        named = replace(
            Settings(home=tmp_path, mlflow_uri=f"postgresql://{places['mlflow']}"),
            feature_registry=f"postgresql+psycopg://{places['features']}",
            dagster_storage=f"postgresql+psycopg2://{places['dagster']}",
        )
        found = backup.databases(named)
        assert found == {name: f"postgresql://{place}" for name, place in places.items()}
        with psycopg.connect(found["mlflow"], autocommit=True) as connection:
            connection.execute("CREATE TABLE runs AS SELECT 1 AS number")
            backup.dump(found["mlflow"], tmp_path / "mlflow.dump")
            connection.execute("UPDATE runs SET number = 2")
            backup.refill(found["mlflow"], tmp_path / "mlflow.dump")
            assert connection.execute("SELECT number FROM runs").fetchall() == [(1,)]
    assert backup.databases(Settings(home=tmp_path, mlflow_uri="sqlite:///home.db")) == {}


def test_an_object_whose_name_leads_out_of_the_folder_is_not_copied(tmp_path: Path) -> None:
    with s3_bucket():
        import boto3

        client = boto3.client("s3")
        client.put_object(Bucket=BUCKET, Key="artifacts/../../escaped", Body=b"")
        with pytest.raises(RuntimeError, match="leads out of the folder"):
            bucket.save(client, BUCKET, "artifacts/", tmp_path / "bucket")
    assert not (tmp_path / "escaped").exists()


def test_a_bucket_is_copied_there_and_back(tmp_path: Path) -> None:
    with s3_bucket():
        import boto3

        client = boto3.client("s3")
        for key in ("artifacts/1/towers.pt2", "artifacts/1/a name, with signs"):
            client.put_object(Bucket=BUCKET, Key=key, Body=key.encode())
        bucket.main("save", f"s3://{BUCKET}", str(tmp_path))
        (tmp_path / "of a former backup").touch()
        client.delete_object(Bucket=BUCKET, Key="artifacts/1/towers.pt2")
        bucket.main("load", f"s3://{BUCKET}", str(tmp_path))
        assert bucket.save(client, BUCKET, "artifacts/", tmp_path) == 2
        assert (tmp_path / "artifacts/1/towers.pt2").read_text() == "artifacts/1/towers.pt2"
        assert not (tmp_path / "of a former backup").exists()
        assert bucket.load(client, "another", "", tmp_path) == 2
