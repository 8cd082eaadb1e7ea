"""A naive chain: `feast serve`, `mlflow models serve` and a server of Milvus Lite, one after the other.

Each part runs as its own project starts it, on loopback; a client asks them in turn over
connections that stay open. The chain has no seen items, no re-scorer, no filters, no
checks of versions, and no answer where one part fails.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import yaml

from feature_repo.schema import ITEM_ID, USER_ID
from feature_repo.utc import microseconds
from serving.index.base import Fields
from serving.index.collection_schema import VECTOR
from serving.index.milvus import MilvusIndex
from serving.registry.sqlite import open_registry
from serving.release.load import Release
from serving.settings import Settings
from tests.benchmarks.service import naive_model

START_SECONDS = 120.0


@dataclass(frozen=True)
class Chain:
    """Ports of a running chain, and what its parts are asked for."""

    feast: int
    mlflow: int
    milvus: int
    service: str
    """Feast's feature service of the users."""
    collection: str
    fields: list[str]
    """Stored fields of the items."""


class Client:
    """Client of a chain, with connections of its own.

    Args:
        chain: the chain.
        k: number of items.
    """

    def __init__(self, chain: Chain, k: int) -> None:
        from pymilvus import MilvusClient

        self._chain, self._k = chain, k
        self._feast = HTTPConnection("127.0.0.1", chain.feast)
        self._mlflow = HTTPConnection("127.0.0.1", chain.mlflow)
        self._milvus = MilvusClient(f"http://127.0.0.1:{chain.milvus}")
        self._milvus.load_collection(chain.collection)

    def ask(self, user: str) -> list[dict[str, Any]]:
        """Items for a user: features, vector, search."""
        columns = self._features(user)
        body = {"dataframe_split": {"columns": list(columns), "data": [list(columns.values())]}}
        vector = _post(self._mlflow, "/invocations", body)["predictions"][0]
        names = {"output_fields": self._chain.fields, "anns_field": VECTOR}
        found: list[dict[str, Any]] = self._milvus.search(self._chain.collection, [vector], limit=self._k, **names)[0]
        return found

    def _features(self, user: str) -> dict[str, Any]:
        body = {"feature_service": self._chain.service, "entities": {USER_ID: [user]}}
        told = _post(self._feast, "/get-online-features", body)
        values = (each["values"][0] for each in told["results"])
        columns = dict(zip(told["metadata"]["feature_names"], values, strict=True))
        times = [each["event_timestamps"][0] for each in told["results"]]
        newest = max(datetime.fromisoformat(time).replace(tzinfo=None) for time in times)
        return columns | {naive_model.TIME: microseconds(newest)}


def _post(connection: HTTPConnection, path: str, body: Mapping[str, Any]) -> Any:
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    told = answer.read()
    if answer.status != 200:
        raise RuntimeError(f"{path} answered {answer.status}: {told[:500].decode()}")
    return json.loads(told)


@contextmanager
def naive_chain(settings: Settings, dataset: str) -> Iterator[Chain]:
    """Run a chain for the champion of a home, whose files are copied or only read.

    Args:
        settings: the home.
        dataset: name of the dataset.
    """
    release = Release.load(settings, dataset, quick_start=True)
    ports = [_free_port() for _ in range(3)]
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        root = Path(folder)
        collection, fields = _copied_items(settings, release, root / "milvus")
        lite = ["milvus-lite", "server", "--data-dir", str(root / "milvus"), "--host", "127.0.0.1"]
        commands = {
            ports[0]: _feast(settings, release, root / "feast", ports[0]),
            ports[1]: _mlflow(settings, release, root / "model", ports[1]),
            ports[2]: [*lite, "--port", str(ports[2])],
        }
        for port, command in commands.items():
            stack.enter_context(_running(command, port, root / f"{port}.log"))
        yield Chain(*ports, release.manifest.services["user"], collection, fields)


def _feast(settings: Settings, release: Release, folder: Path, port: int) -> list[str]:
    """Command of a feature server over the home's registry and online store."""
    folder.mkdir()
    online = settings.online_store or {"type": "sqlite", "path": str(settings.feast_home / "online.db")}
    config = {
        "project": release.manifest.dataset,
        "provider": "local",
        "registry": {"registry_type": "sql", "path": f"sqlite:///{settings.feast_home / 'registry.db'}"},
        "offline_store": {"type": "duckdb"},
        "online_store": dict(online),
        "entity_key_serialization_version": 3,
    }
    (folder / "feature_store.yaml").write_text(yaml.safe_dump(config))
    return ["feast", "-c", str(folder), "serve", "--no-access-log", "--max-requests", "0", "--port", str(port)]


def _mlflow(settings: Settings, release: Release, folder: Path, port: int) -> list[str]:
    """Command of a model server of the release's user tower."""
    import mlflow

    os.environ["MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"] = "false"
    logging.getLogger("mlflow.pyfunc").setLevel(logging.ERROR)  # it has no signature, and needs none
    artifacts = open_registry(settings, release.manifest.dataset).download(release.manifest.version)
    mlflow.pyfunc.save_model(
        str(folder), python_model=naive_model.__file__, artifacts={"release": str(artifacts)}, pip_requirements=[]
    )
    return ["mlflow", "models", "serve", "-m", str(folder), "--env-manager", "local", "--port", str(port)]


def _copied_items(settings: Settings, release: Release, folder: Path) -> tuple[str, list[str]]:
    """Copy Milvus Lite's folder, and return the collection with the stored names of its fields."""
    fields = Fields.of(release.schema)
    with MilvusIndex(settings, fields) as index:
        described = index._described(release.manifest.collection)
    if described is None:
        raise SystemExit(f"{release.manifest.collection} is not in Milvus: the naive chain needs it there")
    shutil.copytree(settings.milvus_folder, folder, ignore=shutil.ignore_patterns("LOCK"))
    return release.manifest.collection, [ITEM_ID, *(described[1].names[name] for name in fields.types)]


@contextmanager
def _running(command: Sequence[str], port: int, log: Path) -> Iterator[None]:
    """Run a program of this environment until the block ends; wait until it listens."""
    program = [str(Path(sys.executable).with_name(command[0])), *command[1:]]
    bin_ = str(Path(sys.executable).parent)
    own = {"PATH": f"{bin_}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(["", *sys.path]).strip(os.pathsep)}
    own |= {"MLFLOW_DISABLE_TELEMETRY": "true", "FEAST_USAGE": "False"}
    with log.open("wb") as file:
        process = subprocess.Popen(
            program, env={**os.environ, **own}, stdout=file, stderr=file, cwd=log.parent, start_new_session=True
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _listens(port):
            if process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"{' '.join(command)} does not listen:\n{log.read_text()[-3000:]}")
            time.sleep(0.1)
        yield
    finally:
        os.killpg(process.pid, 15)  # each has processes of its own
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, 9)
            process.wait()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
