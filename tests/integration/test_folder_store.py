"""Derived data in a bucket of a real S3 server: whole or not there, checked, and cleaned away."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest

from orchestration.cleaning import AT_WORK, clean, plan_cleaning
from orchestration.cleaning_text import cleaning_text
from orchestration.day_notes import note_day
from orchestration.workspace import Workspace, fill
from serving.folder_store import LIST, FolderStore, FolderStoreError
from serving.registry import INPUT_KEY, Registry
from serving.registry.tags import DATA
from tests.integration.online_servers import free_port
from tests.integration.production_servers import BUCKET, s3_bucket
from tests.integration.release_world import (
    DATASET,
    empty_database,
    fresh_home,
    schema,
    write_artifacts,
)

FILES = {"events.parquet": b"events", "user/history.parquet": b"history", "user/copy.parquet": b"history"}
NAME = Path("shop", "0123", "source")


@pytest.fixture(scope="module")
def server() -> Iterator[Any]:
    with s3_bucket():
        import boto3

        yield boto3.client("s3")


@pytest.fixture
def address(request: pytest.FixtureRequest, server: Any) -> str:
    """A place of the test's own in the bucket."""
    return f"s3://{BUCKET}/{request.node.name}"


def write(folder: Path) -> None:
    for name, content in FILES.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)


def write_at_once(folder: Path) -> None:
    assert list(folder.iterdir()) == [], "half of what was there is left"
    write(folder)


def named(word: str) -> str:
    """Name of a folder as a run gives it."""
    return hashlib.sha256(word.encode()).hexdigest()[:12]


def refuse(_: Path) -> None:
    raise AssertionError("built, though the bucket has it")


def content(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_one_home_built_another_takes(address: str, tmp_path: Path) -> None:
    first, second = (FolderStore(address, tmp_path / name) for name in ("first", "second"))
    assert fill(tmp_path / "first" / NAME, write, first)
    assert not fill(tmp_path / "second" / NAME, refuse, second)
    assert content(tmp_path / "second" / NAME) == FILES
    assert not second.has(tmp_path / "second" / "shop" / "0123" / "features")


def test_what_was_built_before_there_was_a_bucket_comes_there(address: str, tmp_path: Path) -> None:
    store = FolderStore(address, tmp_path)
    fill(tmp_path / NAME, write)
    assert not store.has(tmp_path / NAME)
    fill(tmp_path / NAME, refuse, store)
    assert store.has(tmp_path / NAME)


def test_a_killed_upload_is_not_taken_and_completed_later(address: str, tmp_path: Path) -> None:
    """Killed before each of its writes, the list of the folder included."""
    for uploaded in range(len(FILES) + 1):
        place, root = f"{address}{uploaded}", tmp_path / str(uploaded)
        store, other = FolderStore(place, root / "first"), FolderStore(place, root / "second")
        folder, client = root / "first" / NAME, store._client
        left = iter(range(uploaded))

        def until_killed(real: Any, left: Iterator[int] = left) -> Any:
            def put(*arguments: Any, **named: Any) -> None:
                if next(left, None) is None:
                    raise KeyboardInterrupt
                real(*arguments, **named)

            return put

        writes = {name: until_killed(getattr(client, name)) for name in ("upload_file", "put_object")}
        with patch.multiple(client, **writes), pytest.raises(KeyboardInterrupt):
            fill(folder, write, store)
        assert not other.has(root / "second" / NAME)
        assert fill(root / "second" / NAME, write, other)  # built there, since nothing whole is in the bucket
        assert not fill(folder, refuse, store)  # the first home has it whole, and goes on
        assert store.has(folder)


def test_what_was_changed_is_not_taken(address: str, server: Any, tmp_path: Path) -> None:
    store = FolderStore(address, tmp_path / "first")
    fill(tmp_path / "first" / NAME, write, store)
    prefix = f"{address.removeprefix(f's3://{BUCKET}/')}/{NAME.as_posix()}"
    (key, *_) = [each["Key"] for each in server.list_objects_v2(Bucket=BUCKET, Prefix=f"{prefix}/")["Contents"]]
    server.put_object(Bucket=BUCKET, Key=key, Body=b"others")
    other = tmp_path / "second" / NAME
    with pytest.raises(FolderStoreError, match=f"delete the object {prefix}{LIST}, and the folder is made again"):
        fill(other, write, FolderStore(address, tmp_path / "second"))
    assert not other.exists()
    server.delete_object(Bucket=BUCKET, Key=f"{prefix}{LIST}")
    assert fill(other, write, FolderStore(address, tmp_path / "second"))


@pytest.mark.parametrize("path", ["../outside", "/outside", "a/../../outside", "a\\..\\outside"])
def test_no_file_is_written_outside(address: str, server: Any, tmp_path: Path, path: str) -> None:
    key = f"{address.removeprefix(f's3://{BUCKET}/')}/{NAME.as_posix()}{LIST}"
    server.put_object(Bucket=BUCKET, Key=key, Body=f'{{"{path}": {{"sha256": "0", "bytes": 1}}}}'.replace("\\", "\\\\"))
    with pytest.raises(FolderStoreError, match="outside its folder"):
        fill(tmp_path / NAME, write, FolderStore(address, tmp_path))
    assert [each.name for each in tmp_path.rglob("*") if each.is_file() and each.suffix != ".lock"] == []


@pytest.mark.usefixtures("server")
def test_a_bucket_that_is_not_there_is_named_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GATEHOUSE_HOME", str(tmp_path))
    monkeypatch.setenv("GATEHOUSE_DATA", "s3://nobodys/data")
    with pytest.raises(FolderStoreError, match=r"s3://nobodys/data cannot be read .*GATEHOUSE_DATA"):
        Workspace(dataset="tiny").check()
    monkeypatch.setenv("GATEHOUSE_DATA", f"s3://{BUCKET}/data")
    Workspace(dataset="tiny").check()
    monkeypatch.setitem(os.environ, "AWS_ENDPOINT_URL", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(FolderStoreError, match="does its server run"):
        Workspace(dataset="tiny").check()


def test_what_is_built_stays_though_the_bucket_went_away(address: str, tmp_path: Path) -> None:
    store = FolderStore(address, tmp_path)
    away = store._client.exceptions.ClientError({}, "PutObject")
    with (
        patch.object(store._client, "upload_file", side_effect=away),
        pytest.raises(FolderStoreError, match="cannot be written"),
    ):
        fill(tmp_path / NAME, write, store)
    assert content(tmp_path / NAME) == FILES
    fill(tmp_path / NAME, refuse, store)
    assert store.has(tmp_path / NAME)


def test_a_cleaning_keeps_what_a_version_or_a_run_needs(address: str, server: Any, tmp_path: Path) -> None:
    home = fresh_home(tmp_path / "home", empty_database(tmp_path / "empty"))
    settings = replace(home, data=address)
    artifacts = write_artifacts(tmp_path / "artifacts", schema())
    for number in (1, 2):
        with Registry(settings, DATASET).run("towers") as run:
            assert run.register(artifacts, {INPUT_KEY: f"key{number}", DATA: named(f"of_v{number}")}) == number
    store = settings.folder_store
    assert store
    for name in ("of_v1", "of_v2", "of_the_run", "of_a_day", "of_nobody"):
        fill(settings.data_folder / DATASET / named(name) / "source", write, store)
    place, killed = f"{address.partition(f'{BUCKET}/')[2]}/{DATASET}", f"{named('killed')}/source/{'ab' * 32}"
    # The others are no folder of any run: a marker of a console, and files that somebody keeps there.
    others = ["", "raw/part.parquet", f"raw/{'ab' * 32}", f"{named('of_v1')}/notes.txt"]
    for name in (killed, *others):
        server.put_object(Bucket=BUCKET, Key=f"{place}/{name}", Body=b"h")
    with patch.dict(os.environ, GATEHOUSE_HOME=str(settings.home)):
        Workspace(dataset=DATASET).note_begun(settings.data_folder / DATASET / named("of_the_run"))
        past = Workspace(dataset=DATASET, past=True).values_folder
        note_day(past, "2024-01-09", "digest", settings.data_folder / DATASET / named("of_a_day"))
    assert plan_cleaning(settings, DATASET, 1).stored == ()  # another home may be at work on any
    later = datetime.now(UTC) + AT_WORK + timedelta(minutes=1)
    plan = plan_cleaning(settings, DATASET, 1, later)
    assert {each.name for each in plan.stored} == set(map(named, ("killed", "of_nobody", "of_v1")))
    assert f"would remove folders of the bucket: {DATASET}/{plan.stored[0].name}" in cleaning_text(plan, done=False)
    clean(settings, plan, later)
    kept = set(map(named, ("of_a_day", "of_the_run", "of_v2")))
    assert {each.path.name for each in store.folders(DATASET)} == kept
    assert plan_cleaning(settings, DATASET, 1, later).stored == ()
    left = {
        each["Key"].removeprefix(f"{place}/")
        for each in server.list_objects_v2(Bucket=BUCKET, Prefix=place)["Contents"]
    }
    assert {name for name in left if not name.startswith(tuple(kept))} == set(others)


@pytest.mark.parametrize("name", ["shop", "shop/raw", "shop/0123456789ab/source", "0123456789ab"])
def test_only_a_folder_of_a_dataset_is_removed(address: str, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="wanted dataset/hash"):
        FolderStore(address, tmp_path).remove(tmp_path / name)


def test_a_list_without_its_files_is_made_again(address: str, server: Any, tmp_path: Path) -> None:
    fill(tmp_path / "first" / NAME, write, FolderStore(address, tmp_path / "first"))
    prefix = f"{address.removeprefix(f's3://{BUCKET}/')}/{NAME.as_posix()}/"
    for each in server.list_objects_v2(Bucket=BUCKET, Prefix=prefix)["Contents"][1:]:
        server.delete_object(Bucket=BUCKET, Key=each["Key"])
    assert fill(tmp_path / "second" / NAME, write_at_once, FolderStore(address, tmp_path / "second"))
    assert not fill(tmp_path / "third" / NAME, refuse, FolderStore(address, tmp_path / "third"))
    assert content(tmp_path / "third" / NAME) == FILES
