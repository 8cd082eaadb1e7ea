"""The servers of `gatehouse up`: how each is started, and how it shows that it works."""

from __future__ import annotations

import json
import signal
import urllib.request
from pathlib import Path
from typing import Any

from orchestration.local.supervise import Service
from serving.probe import listens
from serving.running import service_name
from serving.settings import Settings

HOST = "127.0.0.1"
SERVE_PORT = "--serve-port"
"""Option of the first dataset's port."""
HEARTBEATS = "{instance{daemonHealth{allDaemonStatuses{required lastHeartbeatTime}}}}"


def milvus_servers(settings: Settings, port: int) -> list[Service]:
    """Return the Milvus Lite server, unless the settings name another."""
    if settings.milvus_server:
        return []
    data = ("--data-dir", str(settings.milvus_folder))
    return [
        Service(
            name="milvus",
            title="Milvus Lite",
            command=("milvus_lite", "server", *data, "--host", HOST, "--port", str(port)),
            uri=f"http://{HOST}:{port}",
            ready=lambda _: listens(f"http://{HOST}:{port}"),
            port=port,
            option="--milvus-port",
            stop=signal.SIGINT,  # the only one that it closes its data on
        )
    ]


def mlflow_servers(settings: Settings, port: int) -> list[Service]:
    """Return the MLflow server, unless the settings name another."""
    if settings.mlflow_artifacts is None:
        return []
    uri = f"http://{HOST}:{port}"
    artifacts = ("--default-artifact-root", settings.mlflow_artifacts, "--no-serve-artifacts")
    hosts = ("--allowed-hosts", f"{HOST}:{port},localhost:{port}")
    return [
        Service(
            name="mlflow",
            title="MLflow",
            command=("mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1", *artifacts, *hosts),
            uri=uri,
            ready=lambda _: _answers(f"{uri}/health"),
            port=port,
            option="--mlflow-port",
            environment={
                "MLFLOW_BACKEND_STORE_URI": settings.mlflow_uri,  # may hold a password: command lines are public
                "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # nothing uses it, and its processes leave the session
            },
        )
    ]


def dagster_servers(port: int) -> list[Service]:
    """Return Dagster's UI and its daemon."""
    uri = f"http://{HOST}:{port}"
    definitions = ("-m", "orchestration.definitions", "-d", str(Path(__file__).parents[2]))
    return [
        Service(
            name="dagster",
            title="Dagster",
            command=("dagster_webserver", "--host", HOST, "--port", str(port), *definitions),
            uri=uri,
            ready=lambda _: _answers(f"{uri}/server_info"),
            port=port,
            option="--dagster-port",
        ),
        Service(
            name="dagster-daemon",
            title="Dagster daemon",
            command=("dagster._daemon", "run", *definitions),
            uri=f"{uri}/health",
            ready=lambda started: _heartbeat(uri) >= started,
            after="dagster",  # both make the tables of a new home, and would get in each other's way
        ),
    ]


def http_service(settings: Settings, dataset: str, port: int) -> Service:
    """Return the service that serves a dataset over HTTP, with its consumer of events."""
    uri = f"http://{HOST}:{port}"
    return Service(
        name=service_name(dataset),
        title=dataset,
        command=("orchestration.cli", "serve", "--dataset", dataset, "--host", HOST, "--port", str(port)),
        uri=uri,
        ready=lambda _: _answers(f"{uri}/healthz"),
        # Both make the tables of a new registry.
        after="mlflow" if settings.mlflow_artifacts else None,
        port=port,
        option=SERVE_PORT,
        speaks=True,
    )


def _answers(uri: str) -> bool:
    try:
        return bool(_get(uri))
    except OSError:  # nobody there yet
        return False


def _heartbeat(uri: str) -> float:
    """UNIX time since which every Dagster daemon is alive; 0 if one never was."""
    query = json.dumps({"query": HEARTBEATS}).encode()
    try:
        answer = json.loads(_get(f"{uri}/graphql", query))
    except OSError:
        return 0.0
    if "errors" in answer:  # its tables may be locked for a moment
        return 0.0
    daemons: list[dict[str, Any]] = answer["data"]["instance"]["daemonHealth"]["allDaemonStatuses"]
    return min((daemon["lastHeartbeatTime"] or 0.0 for daemon in daemons if daemon["required"]), default=0.0)


def _get(uri: str, data: bytes | None = None) -> bytes:
    request = urllib.request.Request(uri, data, {"Content-Type": "application/json"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # never by a proxy: it is this machine
    with opener.open(request, timeout=5) as response:
        content: bytes = response.read()
    return content
