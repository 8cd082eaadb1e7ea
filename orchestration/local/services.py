"""`gatehouse up`: the services of one home on this machine.

They listen on the loopback interface only.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

from orchestration.local.home import dagster_instance, logs, prepare_home
from orchestration.local.supervise import Service, supervise
from serving.probe import listens
from serving.settings import Settings

HOST = "127.0.0.1"
HEARTBEATS = "{instance{daemonHealth{allDaemonStatuses{required lastHeartbeatTime}}}}"


def up(
    settings: Settings,
    *,
    dagster_port: int = 3000,
    mlflow_port: int = 5000,
    milvus_port: int = 19530,
    echo: Callable[[str], None],
) -> None:
    """Run Dagster's UI and daemon, MLflow and the Milvus Lite server.

    Until Ctrl-C, SIGTERM or SIGHUP; then stop them.

    While it runs, `{home}/services.json` holds process id and address of each that answers, and the other commands use
    them. Servers that the settings name are used and not started. RuntimeError, with nothing left running, if the
    services of this home run already, a port is taken, another process holds the item index, or a service does not
    start or ends by itself. Call it from the main thread.
    """
    prepare_home(settings)
    refuse_second(settings)
    services = [*_milvus(settings, milvus_port), *_mlflow(settings, mlflow_port), *_dagster(dagster_port)]
    check_ports(services)
    if settings.milvus_server is None and held(settings.milvus_folder):
        raise RuntimeError(
            f"another process, perhaps a `gatehouse run`, holds the item index in {settings.milvus_folder};"
            " start the services when it has ended"
        )
    dagster_instance().dispose()  # so that the UI and the daemon, started together, find its databases made
    path, entries = _path(settings), {}

    def works(service: Service, pid: int) -> None:
        entries[service.name] = {"pid": pid, "uri": service.uri}
        # Other commands read the file at any moment.
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(entries, indent=1))
        partial.replace(path)
        echo(f"{service.title}: {service.uri}")

    echo(f"starting; logs are in {logs(settings)}")
    try:
        supervise(services, logs(settings), works=works, echo=echo)
    finally:
        path.unlink(missing_ok=True)


def running(settings: Settings) -> dict[str, str]:
    """Address by name of the services that `gatehouse up` runs on this home."""
    path = _path(settings)
    names = json.loads(path.read_text()) if path.exists() else {}
    return {name: uri for name in names if (uri := settings.running(name))}


def refuse_second(settings: Settings) -> None:
    """RuntimeError if services run on this home.

    A services.json that was left behind by a crash is removed.
    """
    path = _path(settings)
    if found := running(settings):
        entries = json.loads(path.read_text())
        listed = "".join(f"\n  {name}: {uri} (process {entries[name]['pid']})" for name, uri in found.items())
        raise RuntimeError(
            f"the services of {settings.home} run already; Ctrl-C in their terminal stops them (if that was killed, end"
            f" these processes):{listed}"
        )
    path.unlink(missing_ok=True)


def check_ports(services: Iterable[Service]) -> None:
    """RuntimeError if a port cannot be listened on, or is wanted twice."""
    with ExitStack() as stack:
        for service in services:
            if service.port is None:
                continue
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do, to restart at once
            try:
                probe.bind((HOST, service.port))
                probe.listen()
            except OSError as error:
                raise RuntimeError(
                    f"port {service.port}, wanted for {service.title}, cannot be used ({error.strerror}): choose"
                    f" another one with {service.option}"
                ) from error


def held(folder: Path) -> bool:
    """Whether somebody has this Milvus Lite folder open.

    Milvus Lite then holds the lock on a file in it.
    """
    lock = folder / "LOCK"
    if not lock.exists():
        return False
    try:
        import fcntl
    except ImportError:  # Windows: whoever has the file open holds it
        return _open_elsewhere(lock)
    with lock.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def _open_elsewhere(path: Path) -> bool:
    """Whether another process has a file open."""
    import psutil

    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.pid != os.getpid() and any(Path(each.path) == path for each in process.open_files()):
                return True
    return False


def _path(settings: Settings) -> Path:
    return settings.home / "services.json"


def _milvus(settings: Settings, port: int) -> list[Service]:
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


def _mlflow(settings: Settings, port: int) -> list[Service]:
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


def _dagster(port: int) -> list[Service]:
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
