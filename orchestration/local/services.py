"""`gatehouse up`: the services of one home on this machine.

They listen on the loopback interface only.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from contextlib import ExitStack, suppress
from pathlib import Path

from orchestration.local.home import dagster_instance, logs, prepare_home
from orchestration.local.served import ServedDatasets
from orchestration.local.servers import HOST, dagster_servers, milvus_servers, mlflow_servers
from orchestration.local.supervise import Service, supervise
from serving.running import entries, forget, note
from serving.settings import Settings


def up(
    settings: Settings,
    *,
    dagster_port: int = 3000,
    mlflow_port: int = 5000,
    milvus_port: int = 19530,
    serve_port: int = 8000,
    echo: Callable[[str], None],
) -> None:
    """Run Dagster's UI and daemon, MLflow, the Milvus Lite server, and a service for each dataset of the home.

    Until Ctrl-C, SIGTERM or SIGHUP; then stop them.

    While it runs, `{home}/services.json` holds process id and address of each that answers, and the other commands use
    them. Servers that the settings name are used and not started. A dataset that comes later gets its service then.
    Call it from the main thread.

    Args:
        settings: the home.
        dagster_port: port of Dagster's UI.
        mlflow_port: port of MLflow.
        milvus_port: port of the Milvus Lite server.
        serve_port: port of the first dataset's service; the others get the next free ones.
        echo: told in a line what happens.

    Raises:
        RuntimeError: the services of this home run already, a port is taken, another process holds the item index, or
            a service does not start or ends by itself; nothing is left running.
    """
    prepare_home(settings)
    refuse_second(settings)
    shared = [
        *milvus_servers(settings, milvus_port),
        *mlflow_servers(settings, mlflow_port),
        *dagster_servers(dagster_port),
    ]
    served = ServedDatasets(settings, serve_port, taken={each.port for each in shared})
    check_ports([(each.port, each.title, each.option) for each in shared if each.port] + [served.first])
    if settings.milvus_server is None and held(settings.milvus_folder):
        raise RuntimeError(
            f"another process, perhaps a `gatehouse run`, holds the item index in {settings.milvus_folder};"
            " start the services when it has ended"
        )
    dagster_instance().dispose()  # so that the UI and the daemon, started together, find its databases made
    noted: list[tuple[str, int]] = []

    def works(service: Service, pid: int) -> None:
        note(settings.home, service.name, pid, service.uri)
        noted.append((service.name, pid))
        echo(f"{service.title}: {service.uri}")

    echo(f"starting; logs are in {logs(settings)}")
    services = [*shared, *served.further()]
    if services == shared:
        echo("no dataset yet: its service starts with the first run")
    try:
        supervise(services, logs(settings), works=works, echo=echo, further=served.further)
    finally:
        for name, pid in noted:
            forget(settings.home, name, pid)


def running(settings: Settings) -> dict[str, str]:
    """Address by name of the services that run on this home."""
    return {name: uri for name in entries(settings.home) if (uri := settings.running(name))}


def refuse_second(settings: Settings) -> None:
    """RuntimeError if services run on this home.

    A services.json that was left behind by a crash is removed.
    """
    noted = entries(settings.home)
    if found := running(settings):
        listed = "".join(f"\n  {name}: {uri} (process {noted[name]['pid']})" for name, uri in found.items())
        raise RuntimeError(
            f"the services of {settings.home} run already; Ctrl-C in their terminal stops them (if that was killed, end"
            f" these processes):{listed}"
        )
    for name, entry in noted.items():
        forget(settings.home, name, entry["pid"])


def check_ports(wanted: Iterable[tuple[int, str, str | None]]) -> None:
    """Check that ports can be listened on.

    Args:
        wanted: ports, the titles of their services, and the options that choose them.

    Raises:
        RuntimeError: a port cannot be listened on, or is wanted twice.
    """
    with ExitStack() as stack:
        for port, title, option in wanted:
            probe = stack.enter_context(socket.socket())
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as the servers do, to restart at once
            try:
                probe.bind((HOST, port))
                probe.listen()
            except OSError as error:
                raise RuntimeError(
                    f"port {port}, wanted for {title}, cannot be used ({error.strerror}): choose another one with"
                    f" {option}"
                ) from error


def held(folder: Path) -> bool:
    """Whether somebody has this Milvus Lite folder open.

    Milvus Lite then holds the lock on a file in it.
    """
    return is_locked(folder / "LOCK")


def is_locked(lock: Path) -> bool:
    """Whether a process that is alive holds the lock on a file."""
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
