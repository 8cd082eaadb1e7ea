"""`gatehouse up` with the real servers. They start once for this file; the last tests look at what their end leaves."""

from __future__ import annotations

import ipaddress
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np
import polars as pl
import psutil
import pytest

from orchestration.local.services import up
from orchestration.local.status import status
from serving.index.base import CollectionInfo, Fields
from serving.index.milvus import MilvusIndex
from serving.settings import Settings
from tests.integration.release_world import DATASET
from tests.integration.serving_world import release_first_version

pytestmark = pytest.mark.timeout(240)

UP = """
import os, sys
from orchestration.local.services import up
from serving.settings import Settings
ports = dict(zip(("dagster_port", "mlflow_port", "milvus_port", "serve_port"), map(int, sys.argv[1:])))
up(Settings.from_environment(os.environ), **ports, echo=print)
"""
OPTIONS = ("dagster_port", "mlflow_port", "milvus_port", "serve_port")
NAMES = {"dagster", "dagster-daemon", "mlflow", "milvus"}
SERVICE = f"serve-{DATASET}"


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def chosen_ports() -> dict[str, int]:
    """Free ports, as arguments of `up`."""
    return dict(zip(OPTIONS, free_ports(len(OPTIONS)), strict=True))


def build(settings: Settings, name: str) -> CollectionInfo:
    with MilvusIndex(settings, Fields(types={})) as index:
        return index.build(name, pl.DataFrame({"item_id": ["a", "b", "c"]}), np.eye(3, 4, dtype=np.float32))


def nearest(settings: Settings, name: str) -> list[str]:
    with MilvusIndex(settings, Fields(types={})) as index:
        return [ids[0] for ids in index.search(name, np.eye(3, 4, dtype=np.float32), 1).ids]


@dataclass
class Up:
    """A running `gatehouse up`; `entries` is its services.json, `members` all processes it has started."""

    settings: Settings
    process: subprocess.Popen[str]
    ports: list[int]
    entries: dict[str, dict[str, Any]]
    members: list[psutil.Process]

    def uri(self, name: str) -> str:
        return str(self.entries[name]["uri"])

    def said(self) -> str:
        return (self.settings.home.parent / "up.log").read_text()

    def until(self, holds: Callable[[], Any]) -> Any:
        """Wait until something holds, and return it."""
        deadline = time.monotonic() + 60
        while not (found := holds()):
            assert time.monotonic() < deadline, self.said()
            assert self.process.poll() is None, self.said()
            time.sleep(0.1)
        return found


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    root = tmp_path_factory.mktemp("up")
    environment = {**os.environ, "GATEHOUSE_HOME": str(root / "home"), "PYTHONUNBUFFERED": "1"}
    settings = Settings.from_environment(environment)
    build(settings, "built_in_the_folder")
    (root / "home" / "services.json").write_text('{"milvus": {"pid": 999999999, "uri": "http://127.0.0.1:1"}}')
    ports = list(chosen_ports().values())
    with (root / "up.log").open("w+") as log:
        command = [sys.executable, "-c", UP, *map(str, ports)]
        process = subprocess.Popen(command, env=environment, cwd=root, stdout=log, stderr=log, text=True)
        try:
            while "all services work" not in (root / "up.log").read_text():
                assert process.poll() is None, (root / "up.log").read_text()
                time.sleep(0.2)
            entries = json.loads((root / "home" / "services.json").read_text())
            members = psutil.Process(process.pid).children(recursive=True)
            yield Up(settings, process, ports, entries, members)
        finally:
            process.terminate()
            process.wait(60)


def get(uri: str, data: dict[str, str] | None = None, **headers: str) -> bytes:
    body = json.dumps(data).encode() if data else None
    request = urllib.request.Request(uri, body, {"Content-Type": "application/json", **headers})
    with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=30) as response:
        content: bytes = response.read()
    return content


def test_every_service_answers_at_its_address(running: Up) -> None:
    assert running.entries.keys() == NAMES
    assert b"MLflow" in get(running.uri("mlflow"))
    assert "dagster_version" in json.loads(get(running.uri("dagster") + "/server_info"))
    query = {"query": "{instance{daemonHealth{allDaemonStatuses{required healthy}}}}"}
    answer = json.loads(get(running.uri("dagster") + "/graphql", query))
    daemons = answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    assert [daemon["healthy"] for daemon in daemons if daemon["required"]]
    assert all(daemon["healthy"] for daemon in daemons if daemon["required"])
    assert {name: psutil.Process(entry["pid"]).ppid() for name, entry in running.entries.items()} == dict.fromkeys(
        NAMES, running.process.pid
    )


def test_dagster_serves_the_asset_graph_of_this_home(running: Up) -> None:
    query = {"query": "{assetNodes{assetKey{path}}}"}
    nodes = json.loads(get(running.uri("dagster") + "/graphql", query))["data"]["assetNodes"]
    assert {"events", "towers", "champion"} <= {node["assetKey"]["path"][-1] for node in nodes}
    assert (running.settings.home / "dagster" / "history" / "runs.db").exists()


def test_nothing_is_reached_from_outside(running: Up) -> None:
    connections = [c for member in running.members for c in member.net_connections("inet") if c.status == "LISTEN"]
    assert {connection.laddr.port for connection in connections} == set(running.ports[:3])
    for connection in connections:
        address = ipaddress.ip_address(connection.laddr.ip)
        assert (getattr(address, "ipv4_mapped", None) or address).is_loopback
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(running.uri("mlflow"), Host="192.168.1.2")


def test_embedded_and_served_index_are_the_same_data(running: Up) -> None:
    assert running.settings.milvus_uri == running.uri("milvus")
    assert nearest(running.settings, "built_in_the_folder") == ["a", "b", "c"]
    build(running.settings, "built_through_the_server")
    assert nearest(running.settings, "built_through_the_server") == ["a", "b", "c"]


def test_mlflow_shows_runs_and_files_that_were_logged_without_it(running: Up) -> None:
    from serving.registry import Registry

    file = running.settings.home / "note.txt"
    file.write_text("seen")
    with Registry(running.settings, "shop").run("towers") as run:
        run.log_artifact(file)
    page = get(f"{running.uri('mlflow')}/get-artifact?path=note.txt&run_uuid={run.id}")
    assert page == b"seen"


def test_status_tells_the_addresses(running: Up) -> None:
    found = status(running.settings)
    assert found["services"] == {name: running.uri(name) for name in NAMES}
    assert (found["index"]["uri"], found["index"]["state"]) == (running.uri("milvus"), "there")


def test_a_second_up_is_refused_with_the_addresses_of_the_first(running: Up) -> None:
    ports = chosen_ports()
    with patch.dict(os.environ), pytest.raises(RuntimeError, match="run already") as refused:
        up(running.settings, **ports, echo=print)
    assert all(running.uri(name) in str(refused.value) for name in NAMES)
    assert running.process.poll() is None
    assert json.loads((running.settings.home / "services.json").read_text()) == running.entries


@pytest.mark.parametrize("option", ["dagster", "mlflow", "milvus", "serve"])
def test_a_port_in_use_is_named_before_anything_starts(tmp_path: Path, option: str) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)})
    ports, title = chosen_ports(), {"serve": "the service"}.get(option, option)
    said: list[str] = []
    with socket.create_server(("127.0.0.1", ports[f"{option}_port"])), patch.dict(os.environ):
        message = rf"port {ports[f'{option}_port']}, wanted for {title}.*in use.*--{option}-port"
        with pytest.raises(RuntimeError, match=f"(?i){message}"):
            up(settings, **ports, echo=said.append)
    assert (said, list((tmp_path / "logs").iterdir())) == ([], [])


def test_a_port_is_not_given_twice(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)})
    one, two = free_ports(2)
    with patch.dict(os.environ), pytest.raises(RuntimeError, match=rf"port {one}, wanted for Dagster"):
        up(settings, dagster_port=one, mlflow_port=one, milvus_port=two, echo=print)


def test_servers_of_the_settings_are_not_started(tmp_path: Path) -> None:
    """Their ports may be in use: the first complaint is about Dagster's."""
    servers = {"GATEHOUSE_MLFLOW_URI": "http://127.0.0.1:9", "GATEHOUSE_MILVUS_URI": "http://127.0.0.1:9"}
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path), **servers})
    with socket.create_server(("127.0.0.1", 0)) as taken, patch.dict(os.environ):
        port = taken.getsockname()[1]
        with pytest.raises(RuntimeError, match=f"port {port}, wanted for Dagster"):
            up(settings, dagster_port=port, mlflow_port=port, milvus_port=port, echo=print)


def test_a_held_index_is_told_before_anything_starts(tmp_path: Path) -> None:
    settings = Settings.from_environment({"GATEHOUSE_HOME": str(tmp_path)})
    with MilvusIndex(settings, Fields(types={})) as index, patch.dict(os.environ):
        assert index.info("nothing") is None
        with pytest.raises(RuntimeError, match="holds the item index"):
            up(settings, **chosen_ports(), echo=print)
    assert list((tmp_path / "logs").iterdir()) == []


def test_without_a_dataset_the_service_is_yet_to_come(running: Up) -> None:
    assert "no dataset yet: its service starts with the first run" in running.said()


def test_the_first_run_gets_its_service_which_serves_the_first_promotion(running: Up, tmp_path: Path) -> None:
    home = running.settings.home
    (home / "data" / DATASET).mkdir(parents=True)  # as the first step of a run does
    address = running.until(lambda: running.settings.running(SERVICE))
    assert address == f"http://127.0.0.1:{running.ports[3]}"
    running.until(lambda: f"{DATASET}: there is no champion: `gatehouse run`" in running.said())
    with pytest.raises(urllib.error.HTTPError, match="503"):
        get(f"{address}/v1/recommendations/user00")
    release_first_version(running.settings, tmp_path)
    running.until(lambda: f"{DATASET}: version 1 serves" in running.said())
    assert json.loads(get(f"{address}/v1/recommendations/user00?k=3"))["version"] == 1
    running.members += psutil.Process(running.process.pid).children(recursive=True)
    started = {module for each in running.members for module in each.cmdline() if module.startswith("serving.")}
    assert started == {"serving.engine", "serving.consumer"}
    assert running.said().count(address) == 1


@pytest.fixture(scope="module")
def ended(running: Up) -> Up:
    """After Ctrl-C."""
    running.process.send_signal(signal.SIGINT)
    running.process.wait(60)
    return running


def test_ctrl_c_ends_every_process(ended: Up) -> None:
    assert ended.process.returncode == 0
    assert (
        len(ended.members) >= 9
    )  # the servers, MLflow's worker, Dagster's code servers, the service with engine and consumer
    assert [member for member in ended.members if member.is_running() and member.status() != "zombie"] == []
    home = str(ended.settings.home)
    assert [each for each in psutil.process_iter(["cmdline"]) if home in " ".join(each.info["cmdline"] or [])] == []


def test_ctrl_c_leaves_no_addresses_and_a_usable_index(ended: Up) -> None:
    assert not (ended.settings.home / "services.json").exists()
    assert "Shutting down" in (ended.settings.home / "logs" / "milvus.log").read_text()  # in order, not killed
    assert ended.settings.milvus_uri == str(ended.settings.milvus_folder)
    assert nearest(ended.settings, "built_in_the_folder") == ["a", "b", "c"]
    assert nearest(ended.settings, "built_through_the_server") == ["a", "b", "c"]
