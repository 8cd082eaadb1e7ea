"""Faults of what a service stands on: its online store, its disk, its processes."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.integration.online_servers import Server, free_port, redis_binary, running
from tests.integration.serving_world import Served

DISK_BYTES = 64_000_000
"""Size of the small disk of the event log."""
OF_STORES = 2
"""Faults that leave every process alive."""


@dataclass(frozen=True)
class Fault:
    """Something that breaks, and its mending."""

    name: str
    begin: Callable[[], None]
    end: Callable[[], None] = lambda: None


def faults(served: Served, redis: Server, log: Path) -> list[Fault]:
    """Faults of a service: first `OF_STORES` of what it stands on, then of its own processes.

    Args:
        served: the service.
        redis: its online store.
        log: its event log.
    """
    disk = full_disk(log) if os.path.ismount(log.parent) else refused_writes(served)
    return [
        Fault("Redis killed", lambda: _kill_server(redis), redis.start),
        disk,
        Fault("engine killed", lambda: _kill(served.engines())),
        Fault("consumer killed", lambda: _kill(served.consumers())),
    ]


def full_disk(log: Path) -> Fault:
    """Fill the disk of an event log to the last byte."""
    filler = log.with_name("filler")

    def begin() -> None:
        # The space that its write-ahead log holds would do for a while.
        with closing(sqlite3.connect(log, timeout=5)) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        for size in (1 << 20, 512):
            with filler.open("ab", buffering=0) as file, suppress(OSError):  # no space left
                while file.write(bytes(size)):
                    pass

    return Fault("log's disk full", begin, filler.unlink)


def refused_writes(served: Served) -> Fault:
    """Where no small disk can be mounted: let the front write no file beyond one byte."""
    front = psutil.Process(served.process.pid)
    none, all_ = (1, psutil.RLIM_INFINITY), (psutil.RLIM_INFINITY, psutil.RLIM_INFINITY)
    return Fault(
        "log's disk full (simulated by RLIMIT_FSIZE)",
        lambda: front.rlimit(psutil.RLIMIT_FSIZE, none) and None,
        lambda: front.rlimit(psutil.RLIMIT_FSIZE, all_) and None,
    )


@contextmanager
def small_disk(folder: Path) -> Iterator[None]:
    """Mount a small disk in memory on a folder, where this user may; else leave the folder as it is."""
    folder.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(folder)]
    mounted = shutil.which("mount") is not None and subprocess.run(mount, capture_output=True).returncode == 0
    try:
        yield
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], check=True)


@contextmanager
def durable_redis() -> Iterator[Server]:
    """Redis that keeps what it was told when it is killed: with its append-only file."""
    binary, port = redis_binary(), free_port()
    if binary is None:
        raise SystemExit("no Redis server is installed; wanted Debian's package: apt-get install redis-server")
    with tempfile.TemporaryDirectory() as folder:
        command = [binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        command += ["--appendonly", "yes", "--appendfsync", "everysec"]
        online = {"type": "redis", "connection_string": f"127.0.0.1:{port}"}
        with running(Server(command, port, online)) as server:
            yield server


def _kill_server(server: Server) -> None:
    assert server.process is not None
    server.process.kill()
    server.process.wait()


def _kill(processes: list[psutil.Process]) -> None:
    for each in processes:
        each.kill()
    deadline = time.monotonic() + 5
    while any(each.is_running() and each.status() != psutil.STATUS_ZOMBIE for each in processes):
        assert time.monotonic() < deadline
        time.sleep(0.01)
