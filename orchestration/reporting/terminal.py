"""The logger of `gatehouse run`: few lines on the terminal, all in the log file."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any

import dagster as dg

from feature_repo.progress import listening
from orchestration.reporting.display import Display, display_on

NAME = "gatehouse.run"
"""Name of the logger."""


class Terminal(logging.Handler):
    """Steps with their seconds, what assets say, failures, and progress.

    Args:
        display: where it is shown.
    """

    def __init__(self, display: Display) -> None:
        super().__init__()
        self._display = display
        self._started: dict[str, float] = {}
        self._reused: set[str] = set()
        self._listening = ExitStack()

    def emit(self, record: logging.LogRecord) -> None:
        """Show what the record is about."""
        meta: Mapping[str, Any] = getattr(record, "dagster_meta", {})
        event, step = meta.get("dagster_event"), str(meta.get("step_key"))
        kind = event.event_type_value if event else None
        if kind == "STEP_START":
            self._started[step] = time.monotonic()
            self._display.begin(step)
            self._listening.enter_context(listening(self._display.count))
        elif event is not None and _is_reused(event):
            self._reused.add(step)
        elif kind == "STEP_SUCCESS":
            self._stop()
            reused = "  (kept from a former run)" if step in self._reused else ""
            self._display.line(f"✓ {step}  {time.monotonic() - self._started[step]:.1f} s{reused}")
        elif kind == "STEP_FAILURE":
            self._stop()
            self._display.line(f"✗ {step}")
        # No event: what an asset logged itself. Dagster's own events are in the log
        # file.
        elif event is None and record.levelno >= logging.INFO:
            self._display.line(f"    {meta.get('orig_message', record.getMessage())}")

    def close(self) -> None:
        """Leave the terminal clean, also after a step that did not end."""
        self._stop()
        super().close()

    def _stop(self) -> None:
        self._listening.close()
        self._display.end()


def close_terminal() -> None:
    """Close what shows the run of this process."""
    for handler in logging.getLogger(NAME).handlers:
        handler.close()


@dg.logger(config_schema={"quiet": dg.Field(bool, default_value=False)})
def terminal_logger(context: dg.InitLoggerContext) -> logging.Logger:
    """Pass on to the root logger's log file; show on the terminal unless quiet."""
    logger = logging.getLogger(NAME)
    logger.setLevel(logging.DEBUG)
    logger.handlers = [] if context.logger_config["quiet"] else [Terminal(display_on(sys.stderr))]
    return logger


def _is_reused(event: dg.DagsterEvent) -> bool:
    """Tell whether an asset or a check says that its result was there already."""
    if event.event_type_value == "ASSET_MATERIALIZATION":
        metadata = event.step_materialization_data.materialization.metadata
    elif event.event_type_value == "ASSET_CHECK_EVALUATION":
        metadata = event.asset_check_evaluation_data.metadata
    else:
        return False
    said = metadata.get("reused")
    return said is not None and said.value is True
