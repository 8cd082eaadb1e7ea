"""Child processes that live and end together.

Each leads a session of its own, so Ctrl-C in the terminal reaches only this process, which then ends them in an orderly
way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from orchestration.local.end import stop_processes

START_SECONDS = 240
STOP_SECONDS = 15
POLL_SECONDS = 0.25
LAST_LINES = 20


@dataclass(frozen=True, kw_only=True)
class Service:
    """One process: `python -m {command}`."""

    name: str
    """Name of its log."""
    title: str
    """Name for people."""
    command: tuple[str, ...]
    """Module and arguments."""
    uri: str
    """Address of the service, or of a page with its state."""
    ready: Callable[[float], bool]
    """Whether it works, given a UNIX time after which it was started."""
    after: str | None = None
    """Service that must work before this one starts."""
    port: int | None = None
    """Port that it listens on; None if it does not listen."""
    option: str | None = None
    """Option of `gatehouse up` that changes the port."""
    environment: Mapping[str, str] = field(default_factory=dict)
    """Variables beside those of this process."""
    stop: signal.Signals = signal.SIGTERM
    """Signal that it ends well on."""
    speaks: bool = False
    """Whether what it writes is told too, beside its log."""


def nothing_further() -> Sequence[Service]:
    """Return no further services."""
    return ()


def supervise(
    services: Sequence[Service],
    folder: Path,
    *,
    works: Callable[[Service, int], None],
    echo: Callable[[str], None],
    further: Callable[[], Sequence[Service]] = nothing_further,
) -> None:
    """Start the services, and stop them all at Ctrl-C, SIGTERM or SIGHUP. Call it from the main thread.

    Their output is in `{folder}/{name}.log`.

    Args:
        services: the services.
        folder: folder of the logs.
        works: told each service that answers, and its process id.
        echo: told in a line what happens.
        further: services to start since the last call, asked for once all others work.

    Raises:
        RuntimeError: a service does not answer in START_SECONDS, or ends by itself; nothing is left running.
    """
    group = _Group(services, folder, works, echo)
    with _signals() as received:
        try:
            while not (received or group.all_work):
                group.step()
            if not received:
                echo("all services work; Ctrl-C stops them")
            while not received:
                if group.all_work:
                    group.services += further()
                group.step()
        finally:
            with suppress(OSError):  # the terminal may be gone
                echo("stopping")
            group.stop()


@contextmanager
def _signals() -> Iterator[list[int]]:
    """Collect the signals that ask for an end.

    An exception could strike between a start and its bookkeeping.
    """
    received: list[int] = []

    def note(number: int, _: Any) -> None:
        received.append(number)

    ends = [signal.SIGINT, signal.SIGTERM]
    # Windows has no SIGHUP; under nohup it is ignored, and stays so.
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ends.append(signal.SIGHUP)
    former = {number: signal.signal(number, note) for number in ends}
    try:
        yield received
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


class _Group:
    """Services on their way from the start to the end.

    Args:
        services: the services.
        folder: folder of their logs.
        works: told each service that answers, and its process id.
        echo: told the lines of those that speak.
    """

    def __init__(
        self,
        services: Sequence[Service],
        folder: Path,
        works: Callable[[Service, int], None],
        echo: Callable[[str], None],
    ) -> None:
        self.services, self._folder, self._works, self._echo = list(services), folder, works, echo
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self._started: dict[str, float] = {}
        self._working: set[str] = set()
        self._told: dict[str, int] = {}

    @property
    def all_work(self) -> bool:
        """Whether every service has answered."""
        return len(self._working) == len(self.services)

    def step(self) -> None:
        """Start what is due, note what answers, and pause. RuntimeError as of `supervise`."""
        for service in self.services:
            name = service.name
            if name not in self.processes:
                if service.after is None or service.after in self._working:
                    self._started[name] = time.time()
                    self.processes[name] = _launch(service, self._folder)
            elif name not in self._working and service.ready(self._started[name]):
                self._working.add(name)
                self._works(service, self.processes[name].pid)
            if service.speaks and name in self._working:
                self._repeat(service)
        self._require_alive()
        self._require_answers()
        time.sleep(POLL_SECONDS)

    def stop(self) -> None:
        """Stop every service that was started, each by its own signal."""
        started = [(self.processes[each.name], each.stop) for each in self.services if each.name in self.processes]
        stop_processes(started, seconds=STOP_SECONDS, pause=POLL_SECONDS)

    def _repeat(self, service: Service) -> None:
        """Tell the whole lines that a service has written since the last call."""
        with (self._folder / f"{service.name}.log").open("rb") as log:
            log.seek(self._told.get(service.name, 0))
            whole = b"".join(line for line in log if line.endswith(b"\n"))
        self._told[service.name] = self._told.get(service.name, 0) + len(whole)
        for line in whole.decode(errors="replace").splitlines():
            if service.uri not in line:  # its address has been told
                self._echo(f"{service.title}: {line}")

    def _require_alive(self) -> None:
        for name, process in self.processes.items():
            if process.poll() is not None:
                log = self._folder / f"{name}.log"
                last = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
                raise RuntimeError(
                    f"{name} ended by itself (exit status {process.returncode}); the end of {log}:\n{last}"
                )

    def _require_answers(self) -> None:
        longest = time.time() - START_SECONDS
        waited = {name for name, started in self._started.items() if started < longest} - self._working
        if late := [
            f"{each.title} (see {self._folder / each.name}.log)" for each in self.services if each.name in waited
        ]:
            raise RuntimeError(f"no answer within {START_SECONDS} s from {', '.join(late)}")


def _launch(service: Service, folder: Path) -> subprocess.Popen[bytes]:
    # PYTHONSAFEPATH: a folder of the user's that is named like a module must not be taken for it.
    own = {"PYTHONUNBUFFERED": "1", "PYTHONSAFEPATH": "1", **service.environment}
    with (folder / f"{service.name}.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "-m", *service.command],
            env={**os.environ, **own},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
