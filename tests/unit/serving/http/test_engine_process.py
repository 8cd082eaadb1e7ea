"""The front's end of an engine, against small processes that behave well or badly."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from serving.http.engine_process import EngineGoneError, EngineProcess, EngineRefusedError

READY = 'print(\'{"ready": {"version": 7}}\', flush=True)'
ECHO = f"""
import sys
{READY}
for line in sys.stdin:
    print('{{"version": 7, "stages": {{}}, "answers": ' + line.strip() + "}}", flush=True)
"""


def started(
    code: str, story: Callable[[EngineProcess], Awaitable[None]], log: Path, *, start: float = 20, answer: float = 20
) -> None:
    """Tell a story with a process; whatever happens, it has ended then."""

    async def told() -> None:
        command = (sys.executable, "-I", "-S", "-c", code)
        engine = await EngineProcess.start(command, log, start_seconds=start, answer_seconds=answer)
        try:
            await story(engine)
        finally:
            await engine.end()
            assert not psutil.pid_exists(engine.pid)

    before = psutil.Process().children()
    try:
        asyncio.run(told())
    finally:
        assert psutil.Process().children() == before


async def nothing(_: EngineProcess) -> None:
    """Tell nothing."""


def test_batches_are_answered_in_their_order_and_the_end_of_the_input_ends_it(tmp_path: Path) -> None:
    async def story(engine: EngineProcess) -> None:
        assert engine.version == 7
        for number in range(3):
            assert (await engine.ask([{"n": number, "é": "ü"}]))["answers"] == [{"n": number, "é": "ü"}]
        large = [{"text": "x" * 1_000_000}]
        assert (await engine.ask(large))["answers"] == large

    started(ECHO, story, tmp_path / "logs" / "engine.log")


@pytest.mark.parametrize(
    ("code", "error", "message"),
    [
        ('print(\'{"refused": "a file was changed"}\')', EngineRefusedError, "a file was changed"),
        ("raise SystemExit(3)", EngineGoneError, "the engine has ended, before it was ready; its log is .*engine.log"),
        ("print('hello')", EngineGoneError, "wrote no answer: .*, before it was ready"),
        ("import time; time.sleep(60)", EngineGoneError, r"not ready within 0\.3 s"),
    ],
)
def test_an_engine_that_is_not_ready_is_ended(code: str, error: type[Exception], message: str, tmp_path: Path) -> None:
    with pytest.raises(error, match=message):
        started(code, nothing, tmp_path / "engine.log", start=0.3 if "sleep" in code else 20)


@pytest.mark.parametrize(
    ("reaction", "message"),
    [
        ("raise SystemExit(1)", "the engine has ended"),
        ("print('{', flush=True)", "wrote no answer"),
        ('print(\'{"refused": "broken"}\', flush=True)', "no answer to 1 questions: .*broken"),
        ("import time; time.sleep(60)", r"no answer within 0\.3 s"),
    ],
)
def test_an_engine_without_an_answer_is_ended(reaction: str, message: str, tmp_path: Path) -> None:
    async def story(engine: EngineProcess) -> None:
        with pytest.raises(EngineGoneError, match=message):
            await engine.ask([{}])
        assert not psutil.pid_exists(engine.pid)
        with pytest.raises(EngineGoneError):
            await engine.ask([{}])

    code = f"{READY}\nimport sys\nsys.stdin.readline()\n{reaction}\nsys.stdin.readline()"
    started(code, story, tmp_path / "engine.log", answer=0.3 if "sleep" in reaction else 20)


@pytest.mark.parametrize("run", [asyncio.run, pytest.importorskip("uvloop").run])
def test_an_engine_that_was_killed_is_gone_at_once(run: Callable[..., None], tmp_path: Path) -> None:
    """uvloop, which uvicorn takes, has an error of its own for a pipe that is closed."""

    async def told() -> None:
        command = (sys.executable, "-I", "-S", "-c", ECHO)
        engine = await EngineProcess.start(command, tmp_path / "log", start_seconds=20, answer_seconds=20)
        psutil.Process(engine.pid).kill()
        await engine.ended()
        for _ in range(3):  # the pipes close one after the other
            with pytest.raises(EngineGoneError):
                await asyncio.wait_for(engine.ask([{"n": 1}]), 5)
        await engine.end()

    run(told())


def test_what_it_writes_on_stderr_is_kept_and_a_long_log_is_put_aside(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "engine.log"
    code = f"import sys\nsys.stderr.write('loaded')\n{READY}\nsys.stdin.read()"
    started(code, nothing, log)
    started(code, nothing, log)
    assert log.read_text() == "loadedloaded"
    monkeypatch.setattr("serving.http.engine_process.LOG_BYTES", 5)
    started(code, nothing, log)
    assert (log.read_text(), log.with_suffix(".log.1").read_text()) == ("loaded", "loadedloaded")
