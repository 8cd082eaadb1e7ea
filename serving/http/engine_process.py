"""The front's end of an engine: its process, and one batch at a time."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import orjson

LINE_BYTES = 256_000_000
"""Longest line of an engine: a batch of the longest answers with all fields."""
END_SECONDS = 10.0
"""Time that an engine has to end by itself."""
ENVIRONMENT = {
    # Arrays are small, and on a busy machine threads that wait for each other took a hundred
    # times as long.
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "POLARS_MAX_THREADS": "1",
    # Large pages where glibc allocates: a search reads all vectors, a fifth faster.
    "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
}
"""Environment of an engine where nothing else is set."""
LOG_BYTES = 5_000_000
"""Size from which on the log of the engines is put aside."""


class EngineGoneError(RuntimeError):
    """The engine has ended, or does not answer."""


class EngineRefusedError(RuntimeError):
    """The engine does not serve its release; the message is the reason."""


class EngineProcess:
    """A running engine.

    Args:
        process: the process.
        facts: facts on its release, as of `serving.engine.facts`.
        seconds: longest time of a batch.
    """

    def __init__(self, process: asyncio.subprocess.Process, facts: Mapping[str, Any], seconds: float) -> None:
        self.facts, self.version = facts, int(facts["version"])
        self._process, self._seconds = process, seconds

    @classmethod
    async def start(
        cls, command: Sequence[str], log: Path, *, start_seconds: float, answer_seconds: float
    ) -> EngineProcess:
        """Start an engine and wait until it is ready.

        Args:
            command: command of the engine, from the program on.
            log: file for what it writes on stderr.
            start_seconds: longest time until it is ready.
            answer_seconds: longest time of a batch.

        Raises:
            EngineRefusedError: it does not serve its release.
            EngineGoneError: it has ended, or is not ready in time.
        """
        # In the front's session: an engine that is being loaded has a low priority beside the one that answers.
        process = await launch(command, log, own_session=False)
        try:
            return cls(process, await _ready(process, log, start_seconds), answer_seconds)
        except BaseException:
            await kill(process)
            raise

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    async def ask(self, questions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        """Answer one batch. The next may only be asked after it.

        EngineGoneError if the engine ends meanwhile or takes too long; it is then ended.
        """
        try:
            return await asyncio.wait_for(self._ask(questions), self._seconds)
        except TimeoutError as error:
            await kill(self._process)
            raise EngineGoneError(f"the engine gave no answer within {self._seconds:g} s") from error
        except Exception as error:
            await kill(self._process)  # it may live and write what is no answer
            # A pipe whose other end is closed is a RuntimeError of uvloop, an OSError elsewhere.
            raise error if isinstance(error, EngineGoneError) else EngineGoneError(f"the engine: {error!r}") from error

    async def _ask(self, questions: Sequence[Mapping[str, Any]]) -> Mapping[str, Any]:
        stdin = self._process.stdin
        assert stdin is not None
        try:
            stdin.write(orjson.dumps(questions, option=orjson.OPT_APPEND_NEWLINE))
            await stdin.drain()
        except (BrokenPipeError, ConnectionResetError) as error:
            raise EngineGoneError("the engine has ended") from error
        line = await _line(self._process)
        if len(line.get("answers", ())) != len(questions):
            raise EngineGoneError(f"the engine wrote no answer to {len(questions)} questions: {str(line)[:200]}")
        return line

    async def ended(self) -> int:
        """Wait for the end of the process and return its exit status."""
        return await self._process.wait()

    async def end(self) -> None:
        """End the process as of `end_process`."""
        await end_process(self._process)


async def launch(command: Sequence[str], log: Path, *, own_session: bool) -> asyncio.subprocess.Process:
    """Start a process behind the front, with pipes.

    Args:
        command: command of the process, from the program on.
        log: file for what it writes on stderr.
        own_session: whether Ctrl-C in the terminal must not reach it, and Linux shares the processor between it and
            the front as between strangers, whatever the priorities.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_BYTES:
        log.replace(log.with_suffix(".log.1"))
    with log.open("ab") as file:
        return await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=file,
            limit=LINE_BYTES,
            start_new_session=own_session and os.name == "posix",
            # A folder of the user's that is named like a module must not be taken for it.
            env={**ENVIRONMENT, **os.environ, "PYTHONSAFEPATH": "1"},
        )


async def _ready(process: asyncio.subprocess.Process, log: Path, seconds: float) -> Mapping[str, Any]:
    """Wait for the first line and return the facts in it."""
    try:
        line = await asyncio.wait_for(_line(process), seconds)
    except TimeoutError as error:
        raise EngineGoneError(f"the engine was not ready within {seconds:g} s; its log is {log}") from error
    except EngineGoneError as error:
        raise EngineGoneError(f"{error}, before it was ready; its log is {log}") from error
    if "refused" in line:
        raise EngineRefusedError(line["refused"])
    facts: Mapping[str, Any] = line["ready"]
    return facts


async def _line(process: asyncio.subprocess.Process) -> dict[str, Any]:
    assert process.stdout is not None
    try:
        line = await process.stdout.readline()
        if not line.endswith(b"\n"):
            raise EngineGoneError("the engine has ended")
        found: dict[str, Any] = orjson.loads(line)
    except ValueError as error:  # no JSON, or too long
        raise EngineGoneError(f"the engine wrote no answer: {error}") from error
    return found


async def end_process(process: asyncio.subprocess.Process) -> None:
    """End a process: by the end of its input, and by force if it takes too long."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), END_SECONDS)
    except TimeoutError:
        await kill(process)


async def kill(process: asyncio.subprocess.Process) -> None:
    """End a process by force."""
    if process.returncode is None:
        with suppress(ProcessLookupError):  # it ends at this moment
            process.kill()
    await process.wait()


def engine_command(dataset: str, version: int, *, is_preview: bool = False, is_beside: bool = False) -> tuple[str, ...]:
    """Command that starts the engine of a version.

    Args:
        dataset: name of the dataset.
        version: number of the version.
        is_preview: for a look of people: its verdict need not be passed.
        is_beside: whether another engine answers while it is loaded.
    """
    words = [word for word, is_said in (("preview", is_preview), ("beside", is_beside)) if is_said]
    return (sys.executable, "-m", "serving.engine", dataset, str(version), *words)
