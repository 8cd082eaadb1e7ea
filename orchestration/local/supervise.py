"""Child processes that live and end together.

Each leads a session of its own, so Ctrl-C in the terminal reaches only this process, which then ends them in an orderly
way, together with whatever they started.
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
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import psutil

START_SECONDS = 240
STOP_SECONDS = 15
POLL_SECONDS = 0.25
LAST_LINES = 20

Processes = dict[str, subprocess.Popen[bytes]]


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


def supervise(
    services: Sequence[Service], folder: Path, *, works: Callable[[Service, int], None], echo: Callable[[str], None]
) -> None:
    """Start the services, and stop them all at Ctrl-C, SIGTERM or SIGHUP.

    Their output is in `{folder}/{name}.log`.

    `works` is called with each service that answers and its process id. RuntimeError, with nothing left running, if one
    does not answer in START_SECONDS or ends by itself. Call it from the main thread.
    """
    processes: Processes = {}
    with _signals() as received:
        try:
            _start(services, processes, folder, received, works)
            if not received:
                echo("all services work; Ctrl-C stops them")
            while not received:
                _require_alive(processes, folder)
                time.sleep(POLL_SECONDS)
        finally:
            with suppress(OSError):  # the terminal may be gone
                echo("stopping")
            _stop(services, processes)


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


def _start(
    services: Sequence[Service],
    processes: Processes,
    folder: Path,
    received: list[int],
    works: Callable[[Service, int], None],
) -> None:
    """Start each service when the one before works, until all do or a signal."""
    started = time.time()
    working: set[str] = set()
    while len(working) < len(services) and not received:
        for service in services:
            name = service.name
            if name not in processes and (service.after is None or service.after in working):
                processes[name] = _launch(service, folder)
            elif name in processes and name not in working and service.ready(started):
                working.add(name)
                works(service, processes[name].pid)
        _require_alive(processes, folder)
        if time.time() - started > START_SECONDS:
            late = [f"{each.title} (see {folder / each.name}.log)" for each in services if each.name not in working]
            raise RuntimeError(f"no answer within {START_SECONDS} s from {', '.join(late)}")
        time.sleep(POLL_SECONDS)


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


def _require_alive(processes: Processes, folder: Path) -> None:
    for name, process in processes.items():
        if process.poll() is not None:
            log = folder / f"{name}.log"
            last = "\n".join(log.read_text(errors="replace").splitlines()[-LAST_LINES:])
            raise RuntimeError(f"{name} ended by itself (exit status {process.returncode}); the end of {log}:\n{last}")


def _stop(services: Sequence[Service], processes: Processes) -> None:
    """Signal every session; after a grace period, kill whoever is left in one."""
    import psutil

    for service in services:
        if service.name in processes:
            _ask_to_stop(processes[service.name], service)
    deadline = time.time() + STOP_SECONDS
    while (left := _members(processes)) and time.time() < deadline:
        time.sleep(POLL_SECONDS)
    for member in left:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(left, timeout=STOP_SECONDS)


def _ask_to_stop(process: subprocess.Popen[bytes], service: Service) -> None:
    """Signal a service's whole session.

    Without process groups (Windows), the service alone.
    """
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, service.stop)
        else:
            process.terminate()


def _members(processes: Processes) -> list[psutil.Process]:
    """Living members of these processes' sessions.

    A session outlives its leader, and whoever changes its group.
    """
    import psutil

    for process in processes.values():
        process.poll()  # lets an ended child go
    sessions = {process.pid for process in processes.values()}
    members = []
    if not hasattr(os, "getsid"):  # Windows: no sessions, so the processes and what they started
        for pid in sessions:
            with suppress(psutil.NoSuchProcess):
                leader = psutil.Process(pid)
                members += [leader, *leader.children(recursive=True)]
        return members
    for process in psutil.process_iter():
        with suppress(ProcessLookupError, psutil.NoSuchProcess):
            if os.getsid(process.pid) in sessions and process.status() != psutil.STATUS_ZOMBIE:
                members.append(process)
    return members
