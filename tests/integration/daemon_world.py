"""Dagster's daemon as a process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from orchestration.local.end import stop_processes
from orchestration.local.servers import dagster_servers

SECONDS = 200


@contextmanager
def daemon(environment: dict[str, str], log: Path) -> Iterator[None]:
    """Run Dagster's daemon as `gatehouse up` does."""
    (service,) = [each for each in dagster_servers(0) if each.name == "dagster-daemon"]
    with log.open("wb") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", *service.command],
            env={**os.environ, **environment},
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield
    finally:
        stop_processes([(process, signal.SIGTERM)], seconds=3, pause=0.2)


def wait_for(what: Callable[[], bool], log: Path) -> None:
    deadline = time.monotonic() + SECONDS
    while not what():
        assert time.monotonic() < deadline, log.read_text(errors="replace")[-3_000:]
        time.sleep(0.5)
