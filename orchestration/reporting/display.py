"""Displays of a run's steps.

A live line with the time left on a terminal, plain lines elsewhere.
"""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Protocol, TextIO

if TYPE_CHECKING:
    from rich.progress import Progress

PLAIN_SECONDS = 15.0
"""Between two plain lines of progress."""


class Display(Protocol):
    """Display of the steps of a run."""

    def line(self, text: str) -> None:
        """Show a line that stays."""

    def begin(self, step: str) -> None:
        """Show that a step began."""

    def count(self, what: str, done: int, total: int) -> None:
        """Show how far the loop of the step is; a `feature_repo.progress.Listener`."""

    def end(self) -> None:
        """Show that no step is under way. Harmless when none is."""


def display_on(stream: TextIO) -> Display:
    """Return the display that suits a stream."""
    return LiveDisplay() if stream.isatty() else PlainDisplay(stream)


class PlainDisplay:
    """Lines for log files and CI.

    Steps with their seconds, and now and then how far a loop is.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._started = self._shown = 0.0

    def line(self, text: str) -> None:
        """Print a line."""
        print(text, file=self._stream, flush=True)

    def begin(self, step: str) -> None:
        """Print the step's name."""
        self.line(f"▸ {step}")

    def count(self, what: str, done: int, total: int) -> None:
        """Print how far the loop is, every PLAIN_SECONDS."""
        now = time.monotonic()
        if done == 0:
            self._started = self._shown = now
        elif done < total and now - self._shown >= PLAIN_SECONDS:
            self._shown = now
            self.line(f"    {now - self._started:.0f} s: {_far(what, done, total, now - self._started)}")

    def end(self) -> None:
        """Nothing stays on the screen."""


class LiveDisplay:
    """Line at the bottom of the terminal.

    Step, seconds, and for a loop its bar and the time left.
    """

    def __init__(self) -> None:
        self._progress: Progress | None = None
        self._started = 0.0

    def line(self, text: str) -> None:
        """Print a line above the live one."""
        if self._progress is None:
            print(text, file=sys.stderr, flush=True)  # noqa: T201
        else:
            self._progress.console.print(text, markup=False, highlight=False)

    def begin(self, step: str) -> None:
        """Start the live line of a step."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        self.end()
        columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
        loop = (BarColumn(bar_width=20), TextColumn("{task.fields[loop]}", markup=False))
        self._progress = Progress(*columns, *loop, console=Console(stderr=True), transient=True)
        self._progress.add_task(step, total=None, loop="")
        self._progress.start()

    def count(self, what: str, done: int, total: int) -> None:
        """Move the bar."""
        if self._progress is None:
            return
        (task,) = self._progress.tasks
        if done == 0:
            self._started = time.monotonic()
        far = _far(what, done, total, time.monotonic() - self._started)
        self._progress.update(task.id, completed=done, total=total, loop=far)

    def end(self) -> None:
        """Remove the live line."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _far(what: str, done: int, total: int, seconds: float) -> str:
    """How far a loop is, with the time left once the first of its items is done."""
    left = f", about {seconds / done * (total - done):.0f} s left" if 0 < done < total else ""
    return f"{done:,} of {total:,} {what}{left}"
