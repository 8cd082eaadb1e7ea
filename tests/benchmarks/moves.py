"""Seconds of a promotion and a rollback, as a fresh command and within a process.

The home has a real registry, index and online store; its towers are exported ones.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from orchestration.champion_moves import promote_on_purpose, roll_back
from serving.settings import Settings
from tests.integration.behind_world import make_behind
from tests.integration.release_world import DATASET

COLUMNS = ("move", "times", "p50", "max", "CPU, p50", "CPU, max")


@dataclass(frozen=True, kw_only=True)
class Move:
    """Times of one kind of move."""

    name: str
    seconds: Sequence[tuple[float, float]]
    """By the clock, and of the CPU."""

    def cells(self) -> tuple[str, ...]:
        """Cells of a table with COLUMNS."""
        clock, cpu = np.array(self.seconds).T
        times = (np.median(clock), clock.max(), np.median(cpu), cpu.max())
        return (self.name, str(len(self.seconds)), *(f"{each:.2f} s" for each in times))


def moves(number: int) -> Iterator[Move]:
    """Move the champion back and forth.

    Args:
        number: moves of each kind.
    """
    with tempfile.TemporaryDirectory(prefix="moves-") as folder:
        settings = make_behind(Path(folder))
        first = timed(lambda: command(settings, "rollback"))
        yield Move(name="rollback that loads features first, command", seconds=[first])
        command(settings, "promote", "2")
        yield from _pairs(
            "command", number, lambda: command(settings, "rollback"), lambda: command(settings, "promote", "2")
        )
        yield from _pairs(
            "in a process",
            number,
            lambda: roll_back(settings, DATASET, tell=_ignore),
            lambda: promote_on_purpose(settings, DATASET, 2, tell=_ignore),
        )


def _pairs(how: str, number: int, back: Callable[[], object], forth: Callable[[], object]) -> Iterator[Move]:
    """Go back and forth.

    Args:
        how: how the moves are made.
        number: moves of each kind.
        back: rolls back.
        forth: promotes.
    """
    pairs = [(timed(back), timed(forth)) for _ in range(number)]
    yield Move(name=f"rollback, {how}", seconds=[each[0] for each in pairs])
    yield Move(name=f"promotion, {how}", seconds=[each[1] for each in pairs])


def timed(act: Callable[[], object]) -> tuple[float, float]:
    """Seconds of a call by the clock, and of the CPU with its ended child processes."""
    before = time.perf_counter(), _cpu()
    act()
    return time.perf_counter() - before[0], _cpu() - before[1]


def _cpu() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def command(settings: Settings, *arguments: str) -> None:
    """`gatehouse ARGUMENTS`, in a process of its own."""
    environment = {**os.environ, "GATEHOUSE_HOME": str(settings.home)}
    line = (sys.executable, "-m", "orchestration.cli", *arguments, "--dataset", DATASET)
    subprocess.run(line, env=environment, check=True, capture_output=True)


def _ignore(_: str) -> None:
    pass
