"""End of child processes, together with whatever they started."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

Process = subprocess.Popen[bytes]


def stop_processes(started: Sequence[tuple[Process, signal.Signals]], *, seconds: float, pause: float) -> None:
    """Signal every process and its session; after a while, kill whoever is left of their families.

    Args:
        started: the processes, each the leader of a session, and the signals that they end well on.
        seconds: time that they have.
        pause: seconds between two looks.
    """
    import psutil

    processes = [process for process, _ in started]
    family = _family(processes)
    for process, number in started:
        _signal(process, number)
    deadline = time.time() + seconds
    while (left := _living(processes, family)) and time.time() < deadline:
        time.sleep(pause)
    for member in left:
        with suppress(psutil.NoSuchProcess):
            member.kill()
    psutil.wait_procs(left, timeout=seconds)


def _signal(process: Process, number: signal.Signals) -> None:
    """Signal a process's whole session.

    Without process groups (Windows), the process alone.
    """
    with suppress(ProcessLookupError):
        if hasattr(os, "killpg"):
            os.killpg(process.pid, number)
        else:
            process.terminate()


def _family(processes: Sequence[Process]) -> set[psutil.Process]:
    """Find these processes and what they have started, also in sessions of their own."""
    import psutil

    found = set()
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            leader = psutil.Process(process.pid)
            found |= {leader, *leader.children(recursive=True)}
    return found


def _living(processes: Sequence[Process], family: set[psutil.Process]) -> list[psutil.Process]:
    """List the living members of a family and of these processes' sessions.

    A session outlives its leader, and whoever changes its group.
    """
    import psutil

    for process in processes:
        process.poll()  # lets an ended child go
    sessions, members = {process.pid for process in processes}, set(family)
    if hasattr(os, "getsid"):  # Windows has no sessions
        for each in psutil.process_iter():
            with suppress(ProcessLookupError, psutil.NoSuchProcess):
                if os.getsid(each.pid) in sessions:
                    members.add(each)
    return [each for each in members if _is_alive(each)]


def _is_alive(process: psutil.Process) -> bool:
    import psutil

    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
