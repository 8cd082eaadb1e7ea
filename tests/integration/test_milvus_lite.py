"""The folder of Milvus Lite: interrupted, closed, shared through a server, held by another process."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from serving.index import collection_schema, milvus
from serving.index.base import Fields, fingerprint
from serving.index.exact import ExactIndex
from serving.index.lite_files import open_index, read_collection
from serving.index.milvus import MilvusIndex
from serving.index.milvus_connection import IndexBusyError
from serving.settings import Settings
from tests.integration.index_world import ITEMS, QUERIES_QD, SCHEMA, VECTORS_ND, expected, settings_in


def test_an_interrupted_build_starts_again(tmp_path: Path) -> None:
    fields = Fields.of(SCHEMA)
    with MilvusIndex(settings_in(tmp_path), fields) as index:
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
        index._client.delete("shop_items_v1", filter='item_id in ["i001", "i002"]')  # as if never written
        info = index.info("shop_items_v1")
        assert info is not None
        assert not info.complete
        assert index.build("shop_items_v1", ITEMS, VECTORS_ND).complete
        assert index.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)


def test_a_collection_of_a_former_release_keeps_its_missing_values(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It lets Milvus store them, and has no companions."""

    def former_schema(*arguments: Any) -> Any:
        schema = collection_schema.collection_schema(*arguments)
        for field in schema.fields:
            field.nullable = field.name.startswith("field_")
        return schema

    fields = Fields.of(SCHEMA)
    with monkeypatch.context() as former, MilvusIndex(settings_in(tmp_path), fields) as index:
        former.setattr(milvus, "filled", lambda items: items)
        former.setattr(milvus, "collection_schema", former_schema)
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
    with MilvusIndex(settings_in(tmp_path), fields) as index:
        items, _ = index.contents("shop_items_v1")
        info, columns = index.info("shop_items_v1"), index._client.describe_collection("shop_items_v1")["fields"]
        hits = index.search("shop_items_v1", QUERIES_QD, 300, 'department != "käse"')
    assert info is not None
    assert fingerprint(items) == info.fingerprint
    assert items["department"].null_count() > 0
    assert not any(column["name"].endswith("_missing") for column in columns)
    assert hits.ids == expected(300, (pl.col("department") != "käse").fill_null(False))
    with open_index(settings_in(tmp_path), fields, "shop_items_v1") as read:
        assert isinstance(read, ExactIndex)
        assert read.contents("shop_items_v1")[0].equals(items)


def test_closing_frees_the_folder(tmp_path: Path) -> None:
    settings, fields = settings_in(tmp_path), Fields.of(SCHEMA)
    with MilvusIndex(settings, fields) as first, MilvusIndex(settings, fields) as second:
        info = first.build("shop_items_v1", ITEMS, VECTORS_ND)
        assert second.info("shop_items_v1") == info
        first.close()  # the second goes on
        assert second.info("shop_items_v1") == info
    code = "import sys; from pymilvus import MilvusClient; print(MilvusClient(sys.argv[1]).list_collections())"
    other = subprocess.run(
        [sys.executable, "-c", code, settings.milvus_uri], capture_output=True, text=True, check=True
    )
    assert other.stdout == "['shop_items_v1']\n"
    with MilvusIndex(settings, fields) as again:
        assert again.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)


def test_an_engine_at_the_port_of_another_is_not_taken_for_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The system gives a free port again: the client remembered the other's schema by address and collection."""
    from milvus_lite.adapter.grpc import server

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    start = server.start_server_in_thread
    monkeypatch.setattr(server, "start_server_in_thread", lambda data_dir, host, **_: start(data_dir, host, port))
    with MilvusIndex(settings_in(tmp_path / "one"), Fields.of(SCHEMA)) as index:
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
    with MilvusIndex(settings_in(tmp_path / "two"), Fields(types={})) as index:
        index.build("shop_items_v1", ITEMS.select("item_id"), VECTORS_ND)
        assert index.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)


def test_a_server_that_runs_is_shared(tmp_path: Path) -> None:
    """As `gatehouse up` does it: a Milvus Lite server on loopback, named in services.json."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    settings = settings_in(tmp_path)
    command = [str(Path(sys.executable).with_name("milvus-lite")), "server", "--data-dir", str(settings.milvus_folder)]
    server = subprocess.Popen([*command, "--host", "127.0.0.1", "--port", str(port)], stderr=subprocess.DEVNULL)
    try:
        services = {"milvus": {"pid": server.pid, "uri": f"http://127.0.0.1:{port}"}}
        (tmp_path / "services.json").write_text(json.dumps(services))
        while settings.running("milvus") is None:
            assert server.poll() is None
            time.sleep(0.1)
        with MilvusIndex(settings, Fields.of(SCHEMA)) as index, MilvusIndex(settings, Fields.of(SCHEMA)) as other:
            index.build("shop_items_v1", ITEMS, VECTORS_ND)
            index.close()
            assert other.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)
    finally:
        server.terminate()
        try:
            server.wait(20)
        except subprocess.TimeoutExpired:
            server.kill()  # as `gatehouse up` does: Milvus Lite may hang while it stops
            server.wait(20)
    with MilvusIndex(settings, Fields.of(SCHEMA)) as index:  # the same folder, now without a server
        assert index.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)


def held_by_another_process(settings: Settings) -> subprocess.Popen[bytes]:
    """A process that opens the Milvus Lite folder and holds it until its standard input closes."""
    code = (
        "import sys; from pymilvus import MilvusClient; client = MilvusClient(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.read()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, settings.milvus_uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"open\n"
    return holder


def test_a_folder_that_another_process_holds_is_named(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), lite_wait_seconds=0.1)
    holder = held_by_another_process(settings)
    try:
        with MilvusIndex(settings, Fields.of(SCHEMA)) as index, pytest.raises(IndexBusyError, match="gatehouse up"):
            index.info("shop_items_v1")
    finally:
        holder.communicate()


def test_a_folder_that_another_command_holds_for_a_moment_is_waited_for(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    holder = held_by_another_process(settings)
    ending = threading.Timer(1.5, holder.communicate)
    ending.start()
    with MilvusIndex(settings, Fields.of(SCHEMA)) as index:
        assert index.info("shop_items_v1") is None
    ending.join()


def test_the_files_answer_as_the_engine_does(tmp_path: Path) -> None:
    settings, fields, name = settings_in(tmp_path), Fields.of(SCHEMA), "shop_items_v1"
    filters = (None, 'department == "käse"', "price > -1 and price < 3")
    ids = [*ITEMS["item_id"][:7], "absent"]
    with MilvusIndex(settings, fields) as index:
        index.build(name, ITEMS, VECTORS_ND)
        wanted = [(index.search(name, QUERIES_QD, 10, where), index.fetch(name, ids, where)) for where in filters]
        info, vectors = index.info(name), index.vectors(name, ids)
    with open_index(settings, fields, name) as reader:
        assert isinstance(reader, ExactIndex)
        assert reader.info(name) == info
        for where, (hits, fetched) in zip(filters, wanted, strict=True):
            found = reader.search(name, QUERIES_QD, 10, where)
            assert found.ids == hits.ids
            assert [list(each) for each in found.scores] == [list(each) for each in hits.scores]
            assert reader.fetch(name, ids, where) == fetched
        assert {id_: list(vector) for id_, vector in reader.vectors(name, ids).items()} == {
            id_: list(vector) for id_, vector in vectors.items()
        }


def test_a_collection_of_a_former_release_is_read_under_its_own_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings, fields, name = settings_in(tmp_path), Fields.of(SCHEMA), "shop_items_v1"
    with monkeypatch.context() as former, MilvusIndex(settings, fields) as index:
        for module in (milvus, collection_schema):
            former.setattr(module, "numbered", lambda names: {name: name for name in names})
        former.setattr(milvus, "NAMES", "gatehouse.other")
        index.build(name, ITEMS, VECTORS_ND)
        described = index._client.describe_collection(name)["fields"]
        assert {each["name"] for each in described} >= {"department", "price", "title", "tags"}
    readers = [MilvusIndex(settings, fields), ExactIndex(fields)]
    stored = read_collection(collection(settings), fields)
    assert stored is not None
    readers[1].hold(*stored)  # type: ignore[attr-defined]
    for reader in readers:
        (found,) = reader.search(name, QUERIES_QD[:1], 300, 'department == "käse" and price > 1').ids
        wanted = ITEMS.filter(pl.col("department").eq("käse") & (pl.col("price") > 1))["item_id"]
        assert sorted(found) == wanted.to_list()
        assert reader.fetch(name, ["i003"])["i003"]["tags"] == ["new", "3"]
    readers[0].close()  # type: ignore[attr-defined]


def test_the_files_are_read_while_another_process_holds_the_folder(tmp_path: Path) -> None:
    settings = replace(settings_in(tmp_path), lite_wait_seconds=0.1)
    with MilvusIndex(settings, Fields.of(SCHEMA)) as index:
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
    holder = held_by_another_process(settings)
    try:
        with open_index(settings, Fields.of(SCHEMA), "shop_items_v1") as reader:
            assert reader.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)
    finally:
        holder.communicate()


def collection(settings: Settings) -> Path:
    return settings.milvus_folder / "collections" / "shop_items_v1"


def delete_rows(settings: Settings, index: MilvusIndex) -> None:
    index._client.delete("shop_items_v1", filter='item_id in ["i001", "i002"]')


def delete_rows_for_good(settings: Settings, index: MilvusIndex) -> None:
    delete_rows(settings, index)
    index._client.flush("shop_items_v1")


@pytest.mark.parametrize("damage", [delete_rows, delete_rows_for_good])
def test_a_collection_with_deleted_rows_is_read_by_the_engine(
    tmp_path: Path, damage: Callable[[Settings, MilvusIndex], None]
) -> None:
    settings = settings_in(tmp_path)
    with MilvusIndex(settings, Fields.of(SCHEMA)) as index:
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
        damage(settings, index)
        assert read_collection(collection(settings), Fields.of(SCHEMA)) is None


def test_a_collection_in_another_format_is_read_by_the_engine(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with MilvusIndex(settings, Fields.of(SCHEMA)) as index:
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
    manifest = collection(settings) / "manifest.json"
    content = manifest.read_text()
    assert read_collection(collection(settings), Fields.of(SCHEMA)) is not None
    for former, later in (('"manifest_format_version": 2', '"manifest_format_version": 3'), ('"FLAT"', '"HNSW"')):
        manifest.write_text(content.replace(former, later))
        assert read_collection(collection(settings), Fields.of(SCHEMA)) is None


def test_several_files_in_another_order_are_one_collection(tmp_path: Path) -> None:
    settings = settings_in(tmp_path)
    with MilvusIndex(settings, Fields.of(SCHEMA)) as index:
        index.build("shop_items_v1", ITEMS, VECTORS_ND)
        whole = index.info("shop_items_v1")
        index.build("shop_items_v2", ITEMS[:100], VECTORS_ND[:100])
        index.build("shop_items_v3", ITEMS[100:], VECTORS_ND[100:])
    parts = [settings.milvus_folder / "collections" / f"shop_items_v{n}" for n in (3, 2)]
    manifest = json.loads((collection(settings) / "manifest.json").read_text())
    files = []
    for part in parts:
        (file,) = (part / "partitions" / "_default" / "data").iterdir()
        (array,) = (part / "partitions" / "_default" / "indexes").iterdir()
        for source in (file, array):
            target = collection(settings) / "partitions" / "_default" / source.parent.name
            shutil.copy(source, target / source.name.replace("data_", f"data_{part.name[-1]}"))
        files.append(f"data/{file.name.replace('data_', f'data_{part.name[-1]}')}")
    manifest["partitions"]["_default"]["data_files"] = files
    (collection(settings) / "manifest.json").write_text(json.dumps(manifest))
    stored = read_collection(collection(settings), Fields.of(SCHEMA))
    assert stored is not None
    assert stored[1]["item_id"].equals(ITEMS["item_id"])
    assert (stored[2] == VECTORS_ND).all()
    with open_index(settings, Fields.of(SCHEMA), "shop_items_v1") as reader:
        assert isinstance(reader, ExactIndex)
        assert reader.info("shop_items_v1") == whole
        assert reader.search("shop_items_v1", QUERIES_QD, 10).ids == expected(10)
