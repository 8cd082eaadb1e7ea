"""The front's end of a rollback: a process that moves the champion, one at a time."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from serving.http.engine_process import kill, launch

MOVE_SECONDS = 90.0
"""Longest time of a move; one waits a minute for another."""


class MoveRefusedError(RuntimeError):
    """The champion has not moved; the message is the reason."""


class ChampionMover:
    """Moves of the champion from the page.

    Args:
        command: command of a rollback from the version that serves.
        log: file for what the process writes on stderr.
        seconds: longest time of a move.
    """

    def __init__(self, command: Callable[[int], Sequence[str]], log: Path, *, seconds: float = MOVE_SECONDS) -> None:
        self._command, self._log, self._seconds = command, log, seconds
        self._moves = asyncio.Lock()

    async def roll_back(self, serves: int) -> int:
        """Go back from the version that serves to the one before, and return its number.

        MoveRefusedError if that cannot be, or takes too long.
        """
        if self._moves.locked():
            raise MoveRefusedError("another rollback from this page is at work")
        async with self._moves:
            process = await launch(self._command(serves), self._log, own_session=True)
            try:
                said, _ = await asyncio.wait_for(process.communicate(), self._seconds)
            except TimeoutError as error:
                raise MoveRefusedError(f"no answer within {self._seconds:g} s: `gatehouse releases` tells") from error
            finally:
                await kill(process)
        return _champion(said, self._log)


def _champion(said: bytes, log: Path) -> int:
    try:
        told: dict[str, Any] = json.loads(said)
    except ValueError as error:
        raise MoveRefusedError(f"the rollback has ended without an answer; its log is {log}") from error
    if "champion" not in told:
        raise MoveRefusedError(str(told["problem"]))
    return int(told["champion"])


def rollback_command(dataset: str, serves: int) -> tuple[str, ...]:
    """Command of a rollback.

    Args:
        dataset: name of the dataset.
        serves: version that serves.
    """
    return (sys.executable, "-m", "serving.release", dataset, str(serves))
