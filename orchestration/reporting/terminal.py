"""The logger of `gatehouse run`: few lines on the terminal, all in the log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from typing import Any

import dagster as dg


class Terminal(logging.Handler):
    """Steps with their seconds, what assets say, what failed; to standard error."""

    def __init__(self) -> None:
        super().__init__()
        self._started: dict[str, float] = {}

    def emit(self, record: logging.LogRecord) -> None:
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event, step = meta.get("dagster_event"), str(meta.get("step_key"))
        kind = event.event_type_value if event else None
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            self._show(f"▸ {step}")
        elif kind == "STEP_SUCCESS":
            self._show(f"✓ {step}  {time.monotonic() - self._started[step]:.1f} s")
        elif kind == "STEP_FAILURE":
            self._show(f"✗ {step}")
        elif event is None and record.levelno >= logging.INFO:
            self._show(f"    {meta.get('orig_message', record.getMessage())}")

    def _show(self, line: str) -> None:
        print(line, file=sys.stderr, flush=True)  # noqa: T201 - a terminal is what this is


@dg.logger(config_schema={"quiet": dg.Field(bool, default_value=False)})
def terminal_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Passes on to the root logger's log file; shows on the terminal unless quiet."""
    logger = logging.getLogger("gatehouse.run")
    logger.setLevel(logging.DEBUG)
    logger.handlers = [] if context.logger_config["quiet"] else [Terminal()]
    return logger
