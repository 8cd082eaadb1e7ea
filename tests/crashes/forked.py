"""Calls in a forked process, whose imports are those of this one."""

from __future__ import annotations

import json
import os
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any


class KilledError(Exception):
    """The process was killed."""


def forked(call: Callable[[], Any], log: Path) -> Any:
    """Call in a forked process and return what it returns, as JSON.

    Args:
        call: the call.
        log: file for its output.

    Raises:
        KilledError: the process was killed by SIGKILL.
        RuntimeError: the call raised something; the message is the traceback.
    """
    reading, writing = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        _call(call, log, writing)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    if status == -signal.SIGKILL:
        raise KilledError
    if status:
        raise RuntimeError(said.decode() or f"ended with {status}: {log.read_text()[-2000:]}")
    return json.loads(said)


def _call(call: Callable[[], Any], log: Path, writing: int) -> None:
    """Be the child."""
    code = 1
    try:
        output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(output, 1)
        os.dup2(output, 2)
        text = json.dumps(call())
        code = 0
    except BaseException:  # noqa: BLE001 - the parent raises it again
        text = traceback.format_exc()
    with os.fdopen(writing, "wb") as pipe:
        pipe.write(text.encode())
    os._exit(code)
