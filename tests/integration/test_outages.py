"""What is away, full or read-only while a champion moves: a clear error in one line, and the champion untouched."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest

from feature_repo.errors import OnlineStoreError
from orchestration.cleaning import plan_cleaning
from serving.index.milvus_connection import IndexAwayError
from serving.registry.connection import MlflowAwayError
from serving.registry.sqlite import open_registry
from serving.release.history import served
from serving.release.load import Release
from serving.release.promotion import promote, rollback
from serving.settings import Settings
from tests.integration.production_servers import s3_bucket
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    register,
    schema,
    seal_as,
    write_artifacts,
)

ROUNDS = 4
AWAY = "http://127.0.0.1:1"


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Version 1 serves; 2 and 3 were judged against it."""
    root = tmp_path_factory.mktemp("outages")
    settings = fresh_home(root / "home", empty_database(root / "empty"))
    (settings.home / "data" / DATASET).mkdir(parents=True)
    artifacts = write_artifacts(root / "artifacts", schema())
    for against in (None, 1, 1):
        seal_as(settings, register(settings, artifacts), against=against)
    return settings


@pytest.fixture(scope="module")
def bucket_settings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """Versions 1 to 3 have served, one after the other; their files are in a bucket."""
    root = tmp_path_factory.mktemp("bucket")
    with s3_bucket() as bucket:
        settings = replace(fresh_home(root / "home", empty_database(root / "empty")), artifacts=bucket)
        (settings.home / "data" / DATASET).mkdir(parents=True)
        artifacts = write_artifacts(root / "artifacts", schema())
        for against in (None, 1, 2):
            version = register(settings, artifacts)
            seal_as(settings, version, against=against)
            promote(settings, DATASET, version)
        yield settings


@pytest.fixture(autouse=True)
def first_serves(settings: Settings) -> None:
    promote(settings, DATASET, 1)


def state(settings: Settings) -> tuple[int | None, tuple[int, ...]]:
    registry = open_registry(settings, DATASET)
    assert Release.load(settings, DATASET).manifest.version == registry.champion()
    return registry.champion(), served(registry)


def command(
    settings: Settings, *arguments: str, before: tuple[str, ...] = (), limit: Callable[[], None] | None = None
) -> str:
    """`gatehouse ARGUMENTS` in a process that fails; its last line."""
    script = "from orchestration.cli import main; main()"
    ended = subprocess.run(
        [*before, sys.executable, "-c", script, *arguments, "--dataset", DATASET],
        env={**os.environ, "GATEHOUSE_HOME": str(settings.home)},
        preexec_fn=limit,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert ended.returncode == 1, ended
    assert "Traceback" not in ended.stderr
    return ended.stderr.splitlines()[-1]


def test_of_two_hosts_that_promote_at_once_one_wins(settings: Settings, tmp_path: Path) -> None:
    """Real processes with homes of their own, several times: both were judged against the same champion."""
    other = tmp_path / "home"
    shared = {"GATEHOUSE_MLFLOW_URI": settings.mlflow_uri}
    homes = {2: {"GATEHOUSE_HOME": str(settings.home)}, 3: {"GATEHOUSE_HOME": str(other)}}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.integration.two_promoters", str(version)],
            env={**os.environ, **shared, **home},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for version, home in homes.items()
    ]
    (other / "milvus").mkdir(parents=True)
    (other / "milvus" / "items.db").symlink_to(settings.milvus_folder)
    try:
        for each in processes:
            assert each.stdout and each.stdout.readline() == "ready\n"
        for _ in range(ROUNDS):
            for each in processes:
                assert each.stdin
                each.stdin.write("go\n")
                each.stdin.flush()
            said = [each.stdout.readline() for each in processes if each.stdout]
            assert said.count("promoted\n") == 1, said
            (refused,) = (line for line in said if line != "promoted\n")
            champion = 2 + said.index("promoted\n")
            assert f"judged against version 1, and now version {champion} serves" in refused
            assert state(settings) == (champion, (1, champion))
            promote(settings, DATASET, 1)
    finally:
        for each in processes:
            each.kill()
            each.communicate()


def test_a_full_disk_leaves_the_champion(settings: Settings) -> None:
    def full() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # Python does so too, and gets an error from each write
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    # The write that fails leaves SQLite's journal, which the next reader takes back.

    assert (settings.home / "mlflow" / "mlflow.db").stat().st_size > 200_000
    before = state(settings)
    said = command(settings, "promote", "2", limit=full)
    assert said.startswith("gatehouse: ") and "failed: " in said and "`gatehouse doctor`" in said
    assert state(settings) == before


def test_a_home_that_cannot_be_written_to_leaves_the_champion(settings: Settings) -> None:
    """A mount of its own, which ends with the process: root may write to any folder."""
    mount = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'
    in_mount = ("unshare", "--mount", "sh", "-c")
    if subprocess.run([*in_mount, 'mount --bind "$0" "$0"', str(settings.home)], capture_output=True).returncode:
        pytest.skip("this process may not mount")
    before = state(settings)
    said = command(settings, "promote", "2", before=(*in_mount, mount, str(settings.home)))
    assert said.startswith("gatehouse: ")
    assert "ead-only file system" in said
    assert state(settings) == before


@pytest.mark.parametrize("move", [lambda away: promote(away, DATASET, 2), lambda away: rollback(away, DATASET)])
def test_without_mlflow_nothing_moves(settings: Settings, move: Callable[[Settings], object]) -> None:
    """At once: its client would try again for minutes."""
    before = state(settings)
    with pytest.raises(MlflowAwayError, match=r"MLflow at http://127.0.0.1:1 does not answer: start it"):
        move(replace(settings, mlflow_uri=AWAY))
    assert state(settings) == before


@pytest.mark.parametrize("arguments", [("promote", "2"), ("rollback",)])
def test_without_the_bucket_nothing_moves(bucket_settings: Settings, arguments: tuple[str, ...]) -> None:
    """A rollback takes no version for broken whose files only cannot be asked for now."""
    with patch.dict(os.environ, {"AWS_ENDPOINT_URL": AWAY, "MLFLOW_S3_ENDPOINT_URL": AWAY}):
        said = command(bucket_settings, *arguments)
    assert f'the store of files in S3 failed: Could not connect to the endpoint URL: "{AWAY}' in said
    registry = open_registry(bucket_settings, DATASET)
    assert (registry.champion(), served(registry)) == (3, (1, 2, 3))


def test_without_milvus_nothing_is_cleaned(settings: Settings) -> None:
    with pytest.raises(IndexAwayError, match=r"Milvus at http://127.0.0.1:1 does not answer"):
        plan_cleaning(replace(settings, milvus_server=AWAY), DATASET, 1)
    assert len(open_registry(settings, DATASET).versions()) == 3


@pytest.mark.parametrize("move", [lambda away: promote(away, DATASET, 2), lambda away: rollback(away, DATASET)])
def test_without_redis_nothing_moves(settings: Settings, move: Callable[[Settings], object]) -> None:
    """What was loaded is noted in Feast's registry, which answers without it."""
    promote(settings, DATASET, 3)
    before = state(settings)
    away = replace(settings, online_store={"type": "redis", "connection_string": "127.0.0.1:1"})
    with pytest.raises(OnlineStoreError, match=r"online store redis at 127\.0\.0\.1:1 does not answer: start it"):
        move(away)
    assert state(settings) == before


def test_without_the_online_store_nothing_moves(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """How old the features are cannot be asked then."""
    from serving.release import freshness

    def away(*_: object, **__: object) -> None:
        raise OSError("Error 111 connecting to 127.0.0.1:1. Connection refused.")

    before = state(settings)
    monkeypatch.setattr(freshness, "features_as_of", away)
    with pytest.raises(OSError, match="Connection refused"):
        promote(settings, DATASET, 2)
    assert state(settings) == before
